"""Parts of a system that can be worked on one by one."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from le_pipeline.publish.system import Mask, System

Cells = NDArray[np.intp]


def components(system: System, movable: Mask) -> list[Cells]:
    """The movable cells in groups that no equation joins."""
    cells = np.flatnonzero(movable)
    touched = abs(system.equations[:, cells])
    joined = sp.bmat([[None, touched.T], [touched, None]]).tocsr()
    _, label = sp.csgraph.connected_components(joined, directed=False)
    return _grouped(cells, label[: len(cells)])


def blocks(system: System, movable: Mask, size: int) -> list[Cells]:
    """The movable cells in groups of up to that size, cells of short equations together."""
    root = np.arange(system.size)
    weight = movable.astype(np.intp)

    def find(cell: int) -> int:
        while root[cell] != cell:
            root[cell] = root[root[cell]]
            cell = root[cell]
        return cell

    table = system.equations
    for equation in np.argsort(np.diff(table.indptr), kind="stable"):
        cells = table.indices[table.indptr[equation] : table.indptr[equation + 1]]
        first, *rest = dict.fromkeys(find(int(cell)) for cell in cells if movable[cell]) or [-1]
        for other in rest:
            if weight[first] + weight[other] <= size:
                root[other] = first
                weight[first] += weight[other]
            elif weight[other] < weight[first]:
                first = other
    cells = np.flatnonzero(movable)
    return _grouped(cells, np.array([find(int(cell)) for cell in cells], dtype=np.intp))


def around(system: System, cell: int, movable: Mask, size: int) -> Cells:
    """The cell and the movable cells nearest to it, over equations, whole rings of them until there are `size`."""
    by_cell = system.equations.tocsc()
    seen = np.zeros(system.size, dtype=bool)
    seen[cell] = True
    ring = np.array([cell])
    while len(ring) and seen.sum() < size:
        equations = np.unique(by_cell[:, ring].indices)
        cells = np.unique(system.equations[equations].indices)
        ring = cells[movable[cells] & ~seen[cells]]
        seen[ring] = True
    return np.flatnonzero(seen)


def _grouped(cells: Cells, label: NDArray[np.intp]) -> list[Cells]:
    order = np.argsort(label, kind="stable")
    return np.split(cells[order], np.flatnonzero(np.diff(label[order])) + 1) if len(cells) else []
