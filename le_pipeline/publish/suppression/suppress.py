"""Which cells to hide: small systems at the least weight there is, large ones by a search with certificates."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from le_pipeline.errors import PipelineError
from le_pipeline.publish.suppression import exact
from le_pipeline.publish.suppression.blocks import Cells, around, blocks, components
from le_pipeline.publish.suppression.need import Against, Demand, Protection
from le_pipeline.publish.suppression.search import Search
from le_pipeline.publish.system import Mask, System

BLOCK = 2_400  # cells of a block: larger ones leave fewer cells hidden, and take longer
NEAR = (150, 600, 2_400)  # cells around one that is mended
STEP = 4  # a demand that a neighbourhood cannot meet is tried in one this many times as large


class UnprotectableError(PipelineError):
    """Some cells cannot be protected, whatever is hidden beside them; `cells` are their places in the system."""

    def __init__(self, message: str, *, cells: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.cells = cells

    @classmethod
    def of(cls, cells: Iterable[int]) -> UnprotectableError:
        """What to say of these cells."""
        places = tuple(sorted(set(cells)))
        return cls(
            f"{len(places)} cells cannot be protected whatever is hidden beside them: what is known already gives them"
            " away, or they make up all of a table. Leave out the tables or breakdowns that hold them",
            cells=places,
        )


def suppress(system: System, need: Protection) -> Mask:
    """The cells to hide: those that need protection, and what must be hidden with them.

    Systems fall into parts that no equation joins. A part of up to `exact.SIZE` cells is solved at the least weight
    (Fischetti and Salazar 2001), others by a search. Every demand is met for certain for tables of real numbers; the
    auditor looks at whole ones.

    Raises:
        UnprotectableError: no choice of cells protects all that need it.
    """
    movable = ~need.shown & (system.most > system.least)
    asked = np.flatnonzero(need.primary)
    hidden = need.primary | need.hidden
    parts = [part for part in components(system, movable) if need.primary[part].any()]
    large: list[Cells] = []
    for part in parts:
        best = exact.least_weight(system, need, part) if len(part) <= exact.SIZE else None
        if best is None:
            large.append(part)
        else:
            hidden[part] |= best
    if stuck := [int(cell) for cell in asked if not movable[cell]]:
        raise UnprotectableError.of(stuck)
    if large:
        inside = np.zeros(system.size, dtype=bool)
        inside[np.concatenate(large)] = True
        _search(system, need, hidden, inside)
    return hidden


def mend(system: System, need: Protection, hidden: Mask, demands: Iterable[Demand]) -> Mask:
    """Hide more, so that these demands are met by whole numbers too. Those that cannot be stay as they are."""
    hidden = hidden.copy()
    movable = ~need.shown & (system.most > system.least)
    for against, target in demands:
        for size in NEAR:
            cells = around(system, target, movable, size)
            search = Search.begin(system, need, cells, hidden)
            search.shifts.be_whole()
            place = int(np.searchsorted(cells, target))
            search.greedy([(against, place)])
            if search.unmet and against is Against.INSIDER and (len(cells) < size or size == NEAR[-1]):
                search.unmet = search.against_each_alone(place)
            if not search.unmet:
                hidden[cells] |= search.hidden
                break
    return hidden


def _search(system: System, need: Protection, hidden: Mask, inside: Mask) -> None:
    """Hide what must be hidden of the cells inside, block by block, then whatever no block can protect alone."""

    def work(cells: Cells) -> Search:
        demands = need.of_cells(cells).demands()
        start = hidden.copy()
        start[cells] |= exact.light_choice(system, need, cells)
        chosen = np.flatnonzero(start[cells])  # most demands are met by these alone, and few cells are soon searched
        place = {int(cell): number for number, cell in enumerate(chosen)}
        first = Search.begin(system, need, cells[chosen], start)
        first.greedy([(against, place[cell]) for against, cell in demands])
        first.show_unused()
        start[cells[chosen]] = first.hidden
        second = Search.begin(system, need, cells, start)
        second.greedy([(against, int(chosen[cell])) for against, cell in first.unmet])
        return second

    parts = [cells for cells in blocks(system, inside, BLOCK) if need.primary[cells].any()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        searches = list(pool.map(work, parts))
    for search in searches:
        hidden[search.shifts.cells] |= search.hidden
    unmet = [(against, int(search.shifts.cells[cell])) for search in searches for against, cell in search.unmet]
    if stuck := _widen(system, need, hidden, inside, unmet):
        raise UnprotectableError.of(stuck)


def _widen(system: System, need: Protection, hidden: Mask, inside: Mask, unmet: list[Demand]) -> list[int]:
    """Meet demands in neighbourhoods that grow; those that lie in one are met there together.

    Where nothing can be hidden against all that people know who are alone in a cell, it is left to the auditor: mostly
    one of them would know though nothing at all were shown, since the cell is theirs as well, as somebody who left a
    school is who left the district.

    Returns:
        Cells whose demands outsiders are the reason of, and that nothing can meet.
    """
    size, stuck = BLOCK, []
    while unmet:
        left: list[Demand] = []
        while unmet:
            cells = around(system, unmet[0][1], inside, size)
            here = set(cells.tolist())
            search = Search.begin(system, need, cells, hidden)
            search.greedy([(against, int(np.searchsorted(cells, cell))) for against, cell in unmet if cell in here])
            unmet = [demand for demand in unmet if demand[1] not in here]
            open_still = [(against, int(cells[cell])) for against, cell in search.unmet]
            if len(cells) < size:  # nothing else is joined to them
                stuck += [cell for against, cell in open_still if against is not Against.INSIDER]
            else:
                left += open_still
            hidden[cells] |= search.hidden
        unmet, size = left, size * STEP
    return stuck
