"""Suppression of one block: cells are hidden greedily, one certificate at a time.

Each demand (see `Against`) is met by the cheapest shift that shows it. Cells that a shift moves are hidden, and move
for nothing from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from le_pipeline.publish.suppression.need import Against, Demand, Protection
from le_pipeline.publish.suppression.shifts import Shifts
from le_pipeline.publish.system import Mask, Numbers, System

FREE = 1e-3  # of a hidden cell's movement: short shifts before long ones


@dataclass
class Search:
    """The state of a search: the cells of the block that are hidden, and those that certificates move."""

    shifts: Shifts
    need: Protection
    hidden: Mask
    used: Mask
    certified: set[Demand] = field(default_factory=set)
    unmet: list[Demand] = field(default_factory=list)

    @classmethod
    def begin(cls, system: System, need: Protection, cells: NDArray[np.intp], hidden: Mask) -> Search:
        """A search over these cells of a system, of which some are hidden already."""
        search = cls(
            Shifts(system, cells), need.of_cells(cells), hidden[cells].copy(), np.zeros(len(cells), dtype=bool)
        )
        search.shifts.price(np.where(search.hidden, FREE, search.need.weights))
        return search

    @property
    def added(self) -> Mask:
        """Hidden cells that need no protection themselves and that a table would have shown."""
        return self.hidden & ~self.need.primary & ~self.need.hidden

    def greedy(self, demands: list[Demand]) -> None:
        """Meet each demand; those that cannot be met within the block are `unmet`."""
        for demand, shift in self._met(demands):
            if shift is None:
                self.unmet.append(demand)
                continue
            self._hide(np.flatnonzero((shift != 0) & ~self.hidden))
            self._keep(shift, demands)

    def against_each_alone(self, cell: int) -> list[Demand]:
        """Let the cell be uncertain to each person alone for themselves, where it cannot be to all of them together.

        Returns:
            The demand, if one of them would know.
        """
        demand = (Against.INSIDER, cell)
        shift = self._cheapest(demand)
        if shift is None:
            return [demand]
        self._hide(np.flatnonzero((shift != 0) & ~self.hidden))
        unmet: list[Demand] = []
        others = set(self.need.person[(shift != 0) & self.need.alone].tolist()) - {int(self.need.person[cell])}
        for person in sorted(others):  # whom the shift does not move, it agrees with already
            held = np.flatnonzero(self.need.person == person)
            self.shifts.hold(held)
            shift = self._cheapest(demand)
            self.shifts.free(held)
            if shift is None:
                unmet = [demand]
            else:
                self._hide(np.flatnonzero((shift != 0) & ~self.hidden))
        return unmet

    def show_unused(self) -> None:
        """Show again each added cell that no certificate moves."""
        self.hidden &= self.used | ~self.added

    def _met(self, demands: list[Demand]) -> Iterator[tuple[Demand, Numbers | None]]:
        """The cheapest shift for each demand that no certificate meets when it is its turn."""
        alone = np.flatnonzero(self.need.alone)
        for demand in demands:
            if demand[0] is not Against.INSIDER and demand not in self.certified:
                yield demand, self._cheapest(demand)
        self.shifts.hold(alone)
        for demand in demands:
            if demand[0] is Against.INSIDER and demand not in self.certified:
                own = alone[self.need.person[alone] == self.need.person[demand[1]]]
                self.shifts.free(own)
                shift = self._cheapest(demand)
                self.shifts.hold(own)
                yield demand, shift
        self.shifts.free(alone)

    def _cheapest(self, demand: Demand) -> Numbers | None:
        against, cell = demand
        if against is Against.UP:
            return self.shifts.cheapest(cell, self.need.up[cell])
        if against is Against.DOWN:
            return self.shifts.cheapest(cell, -self.need.down[cell])
        ways = [shift for by in (1, -1) if (shift := self.shifts.cheapest(cell, by)) is not None]
        fresh = self.need.weights * ~self.hidden
        return min(ways, key=lambda shift: float(fresh[shift != 0].sum()), default=None)

    def _keep(self, shift: Numbers, demands: list[Demand]) -> None:
        met_by = self.need.met_by(shift, self.shifts.room_up, self.shifts.room_down)
        self.certified |= {demand for demand in demands if met_by[demand[0]][demand[1]]}
        self.used |= shift != 0

    def _hide(self, cells: NDArray[np.intp]) -> None:
        self.hidden[cells] = True
        for cell in cells:
            self.shifts.price_one(int(cell), FREE)
