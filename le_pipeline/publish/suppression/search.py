"""Suppression of one block: cells are hidden greedily, one certificate at a time, then taken back where others do.

Each demand (see `Against`) is met by the cheapest shift that shows it. Cells that a shift moves are hidden, and move
for nothing from then on. Cells are then looked at one by one, the dearest first: what rests on one is shown without it,
and if the cells needed in its place weigh less, they take it.
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
SLACK = 1e-6


@dataclass
class Search:
    """The state of a search: which cells of the block are hidden, and what shows that each demand is met."""

    shifts: Shifts
    need: Protection
    hidden: Mask
    certificate: dict[Demand, int] = field(default_factory=dict)
    moved: dict[int, NDArray[np.intp]] = field(default_factory=dict)
    unmet: list[Demand] = field(default_factory=list)
    _number: int = 0

    @classmethod
    def begin(cls, system: System, need: Protection, cells: NDArray[np.intp], hidden: Mask) -> Search:
        """A search over these cells of a system, of which some are hidden already."""
        search = cls(Shifts(system, cells), need.of_cells(cells), hidden[cells].copy())
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

    def take_back(self) -> None:
        """Show again each added cell that lighter ones can stand in for."""
        for cell in sorted(np.flatnonzero(self.added), key=lambda cell: -self.need.weights[cell]):
            self._without(int(cell))
        used = np.zeros(self.shifts.size, dtype=bool)
        for cells in self.moved.values():
            used[cells] = True
        self._show(np.flatnonzero(self.added & ~used))

    def _without(self, cell: int) -> None:
        resting = {number for number, cells in self.moved.items() if cell in cells}
        demands = [demand for demand, number in self.certificate.items() if number in resting]
        held = np.array([cell])
        self.shifts.hold(held)
        budget = self.need.weights[cell] - SLACK
        fresh: list[int] = []
        shifts: list[Numbers] = []
        shown: list[tuple[Mask, Mask, Mask]] = []
        for _, shift in self._met(demands, shown):
            more = np.flatnonzero((shift != 0) & ~self.hidden) if shift is not None else held
            budget -= self.need.weights[more].sum()
            if shift is None or budget < 0:
                self._show(np.array(fresh, dtype=np.intp))
                self.shifts.free(held)
                return
            self._hide(more)
            fresh += more.tolist()
            shifts.append(shift)
            shown.append(self._shows(shift))
        self.shifts.free(held)
        self._show(held)
        for number in resting:
            del self.moved[number]
        for demand in demands:
            del self.certificate[demand]
        for shift in shifts:
            self._keep(shift, demands)

    def _met(
        self, demands: list[Demand], shown: list[tuple[Mask, Mask, Mask]] | None = None
    ) -> Iterator[tuple[Demand, Numbers | None]]:
        """The cheapest shift for each demand that neither a certificate nor `shown` meets when it is its turn."""
        outsiders = [demand for demand in demands if demand[0] is not Against.INSIDER]
        insiders = [demand for demand in demands if demand[0] is Against.INSIDER]
        for demand in outsiders:
            if not self._is_met(demand, shown):
                yield demand, self._cheapest(demand)
        if not insiders:
            return
        alone = np.flatnonzero(self.need.alone)
        self.shifts.hold(alone)
        try:
            for demand in insiders:
                if self._is_met(demand, shown):
                    continue
                own = alone[self.need.person[alone] == self.need.person[demand[1]]]
                self.shifts.free(own)
                shift = self._cheapest(demand)
                self.shifts.hold(own)
                yield demand, shift
        finally:
            self.shifts.free(alone)

    def _is_met(self, demand: Demand, shown: list[tuple[Mask, Mask, Mask]] | None) -> bool:
        if shown is None:
            return demand in self.certificate
        against, cell = demand
        return any(masks[against.value][cell] for masks in shown)

    def _cheapest(self, demand: Demand) -> Numbers | None:
        against, cell = demand
        if against is Against.UP:
            return self.shifts.cheapest(cell, self.need.up[cell])
        if against is Against.DOWN:
            return self.shifts.cheapest(cell, -self.need.down[cell])
        ways = [shift for by in (1, -1) if (shift := self.shifts.cheapest(cell, by)) is not None]
        fresh = self.need.weights * ~self.hidden
        return min(ways, key=lambda shift: float(fresh[shift != 0].sum()), default=None)

    def _shows(self, shift: Numbers) -> tuple[Mask, Mask, Mask]:
        """Which demands on each cell a shift meets."""
        up, down = self.shifts.reach(shift)
        people = self.need.person[(shift != 0) & self.need.alone]
        others = len(people) - (self.need.person[:, None] == people).sum(axis=1)
        return (
            up >= self.need.up - SLACK,
            down >= self.need.down - SLACK,
            (np.maximum(up, down) >= 1 - SLACK) & (others == 0),
        )

    def _keep(self, shift: Numbers, demands: list[Demand]) -> None:
        shows = self._shows(shift)
        met = [
            (against, cell)
            for against, cell in demands
            if shows[against.value][cell] and (against, cell) not in self.certificate
        ]
        if met:
            self._number += 1
            self.moved[self._number] = np.flatnonzero(shift)
            self.certificate.update(dict.fromkeys(met, self._number))

    def _hide(self, cells: NDArray[np.intp]) -> None:
        self.hidden[cells] = True
        for cell in cells:
            self.shifts.price_one(int(cell), FREE)

    def _show(self, cells: NDArray[np.intp]) -> None:
        self.hidden[cells] = False
        for cell in cells:
            self.shifts.price_one(int(cell), float(self.need.weights[cell]))
