"""What protection asks for: how far the possible values of each cell must reach, and against whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from le_pipeline.publish.system import Mask, Numbers, System

SLACK = 1e-6  # what a solver leaves of a movement


class Against(Enum):
    """One demand on a cell: its possible values reach high enough, low enough, or are several even for an insider."""

    UP = 0
    DOWN = 1
    INSIDER = 2


Demand = tuple[Against, int]


@dataclass(frozen=True)
class Protection:
    """How far above (`up`) and below (`down`) its value the possible values of each cell must reach; 0: not protected.

    `person`: who is alone in the cell, and so knows its value (see `people_alone`), -1 where nobody is; to none of them
    may another cell become certain that is protected below (of a cell with nobody in it there is nobody to learn of).
    `shown`: cells that cannot be hidden, since everybody knows them. `hidden`: cells that no table has. `weights`: what
    it costs to hide a cell.
    """

    up: Numbers
    down: Numbers
    weights: Numbers
    person: NDArray[np.intp]
    shown: Mask
    hidden: Mask

    @classmethod
    def of(  # noqa: PLR0913  # each is a property of the cells
        cls,
        up: Numbers,
        down: Numbers,
        weights: Numbers,
        *,
        person: NDArray[np.intp] | None = None,
        shown: Mask | None = None,
        hidden: Mask | None = None,
    ) -> Protection:
        """The protection of cells; where nothing is said, nobody is alone in one, and none is shown or hidden."""
        none = np.zeros(len(up), dtype=bool)
        return cls(
            np.asarray(up, dtype=np.float64),
            np.asarray(down, dtype=np.float64),
            np.asarray(weights, dtype=np.float64),
            np.full(len(up), -1) if person is None else person,
            none if shown is None else shown,
            none if hidden is None else hidden,
        )

    def of_cells(self, cells: NDArray[np.intp]) -> Protection:
        """The protection of some of the cells, by their place among them."""
        return Protection(
            self.up[cells],
            self.down[cells],
            self.weights[cells],
            self.person[cells],
            self.shown[cells],
            self.hidden[cells],
        )

    def demands(self) -> list[Demand]:
        """Everything that is asked for, outsiders first; an insider's demands in order of the person who may be one."""
        found: list[Demand] = [(Against.UP, int(cell)) for cell in np.flatnonzero(self.up > 0)]
        found += [(Against.DOWN, int(cell)) for cell in np.flatnonzero(self.down > 0)]
        if self.alone.any():
            cells = np.flatnonzero(self.down > 0)  # somebody is in it; of nobody, there is nothing to learn
            found += [(Against.INSIDER, int(cell)) for cell in cells[np.argsort(self.person[cells], kind="stable")]]
        return found

    def asked(self, demand: Demand) -> float:
        """How far the possible values of the demand's cell must reach; for an insider's, how far apart they must be."""
        against, cell = demand
        return {Against.UP: float(self.up[cell]), Against.DOWN: float(self.down[cell]), Against.INSIDER: 1.0}[against]

    def met_by(self, shift: Numbers, room_up: Numbers, room_down: Numbers) -> dict[Against, Mask]:
        """The cells whose demands a shift meets, or what can be gone of it backwards within the room of each cell."""
        rise, fall = np.maximum(shift, 0), np.maximum(-shift, 0)
        moved_up, moved_down = rise > 0, fall > 0
        room = np.concatenate([room_down[moved_up] / rise[moved_up], room_up[moved_down] / fall[moved_down]])
        back = min(1.0, room.min(initial=1.0))
        up, down = np.maximum(rise, fall * back), np.maximum(fall, rise * back)
        known = self.alone & (shift != 0)
        others = np.count_nonzero(known) - np.where(
            self.alone, np.bincount(self.person[known], minlength=self.person.max(initial=0) + 1)[self.person], 0
        )
        return {
            Against.UP: up >= self.up - SLACK,
            Against.DOWN: down >= self.down - SLACK,
            Against.INSIDER: (np.maximum(up, down) >= 1 - SLACK) & (others == 0),
        }

    @property
    def primary(self) -> Mask:
        """Cells that are protected for their own sake."""
        return (self.up > 0) | (self.down > 0)

    @property
    def alone(self) -> Mask:
        """Cells with one person in it."""
        return self.person >= 0


def people_alone(system: System, alone: Mask) -> NDArray[np.intp]:
    """A number for the one person of each cell that has one, -1 for other cells.

    Where all of a total is one person, the total and the part are the same person's.
    """
    table = system.equations
    row = np.repeat(np.arange(table.shape[0]), np.diff(table.indptr))
    filled = system.values[table.indices] > 0
    known = filled & alone[table.indices]
    all_filled, all_known = (np.bincount(row[mask], minlength=table.shape[0]) for mask in (filled, known))
    pairs = known & ((all_filled == 2) & (all_known == 2))[row]  # noqa: PLR2004  # a total and its one part
    first, second = table.indices[pairs].reshape(-1, 2).T
    same = sp.coo_matrix((np.ones(len(first)), (first, second)), shape=(system.size, system.size))
    _, label = sp.csgraph.connected_components(same, directed=False)
    return np.where(alone, label, -1).astype(np.intp)
