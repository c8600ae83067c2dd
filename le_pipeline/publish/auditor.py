"""The auditor: attacks what is to be published, and says what can be worked out. It decides; suppression only proposes.

It shares no code with suppression. What it believes is witnesses: whole tables, in whole numbers, that agree with
every figure shown. A protected cell passes if one witness has it high enough and another low enough, and if for each
person who is alone in a cell there is a witness that agrees with what that person knows and has another value in the
protected cell. Where no witness is found among all cells that are joined to it, the cell is exposed; also where the
search gives up.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import highspy
import numpy as np
from numpy.typing import NDArray

from le_pipeline.publish.system import Mask, Numbers, System

SIZES = (150, 600, 2_400)  # unknown cells of a neighbourhood that is tried before all that is joined
NODES = 5_000  # of the search for a table of whole numbers, before it gives up
WHOLE = 1e-5
Cells = NDArray[np.intp]


@dataclass(frozen=True)
class Exposure:
    """A protected cell whose possible values, from `low` to `high`, do not reach as far as they must.

    `insider`: it is exposed to somebody who is alone in another cell, and sees only this one value.
    """

    cell: int
    low: float
    high: float
    insider: bool = False


@dataclass(frozen=True)
class Audit:
    """What an audit has looked at (cells that are protected, cells that are not shown, witnesses) and found.

    `low` and `high`: how low and high each cell goes in any of the witnesses. What is told of a cell besides takes none
    of them away if it agrees with both.
    """

    protected: int
    unknown: int
    witnesses: int
    exposures: tuple[Exposure, ...]
    low: Numbers
    high: Numbers

    @property
    def passed(self) -> bool:
        """Whether nothing is exposed."""
        return not self.exposures


def audit(  # noqa: PLR0913  # what is known, and what is asked
    system: System,
    suppressed: Mask,
    reach: tuple[Numbers, Numbers],
    person: Cells | None = None,
    *,
    known: Mask | None = None,
    only: Mask | None = None,
) -> Audit:
    """Attack a system of which everything but the suppressed cells is known.

    Args:
        system: the cells with their true values, the equations, and what is known without tables.
        suppressed: the cells whose values are not shown.
        reach: how low and how high the possible values of each cell must reach; not a number where nothing is asked.
        person: who is alone in each cell and so knows its value; -1 for nobody.
        known: cells that everybody knows already, from what was published before.
        only: the protected cells to attack; all of them where it is not given.
    """
    is_protected = ~np.isnan(reach[0]) | ~np.isnan(reach[1])
    protected = np.flatnonzero(is_protected if only is None else is_protected & only)
    attack = _Attack(system, suppressed, reach, person)
    found = [Exposure(cell, *attack.interval(cell)) for cell in protected.tolist() if not attack.hides(cell)]
    if attack.people:
        # what somebody would know though nothing more were shown is mostly a count of themselves: none but they may
        nothing = np.ones(system.size, dtype=bool) if known is None else ~known
        anyway = _Attack(system, nothing, reach, person)
        exposed = {exposure.cell for exposure in found}
        for cell in (cell for cell in protected.tolist() if cell not in exposed and system.values[cell] > 0):
            people = attack.told(cell, attack.others(cell))
            if (people & ~anyway.told(cell, people)).any():
                value = float(system.values[cell])
                found.append(Exposure(cell, value, value, insider=True))
    return Audit(len(protected), int(suppressed.sum()), attack.witnesses, tuple(found), attack.low, attack.high)


def possible_values(system: System, suppressed: Mask, cell: int) -> tuple[float, float]:
    """The least and the most that a suppressed cell can be, given everything that is shown (real numbers)."""
    nothing = np.full(system.size, np.nan)
    return _Attack(system, suppressed, (nothing, nothing)).interval(cell)


class _Attack:
    """The attacker's unknowns, and how far witnesses have shown each to reach.

    `person`: a number for each who is alone in a cell, -1 where nobody is. `certain`: by cell and (in bits) person,
    whether every witness that moves the cell moves something of that person too; to all others one of them shows a
    table that they have to believe, and in which the cell is another one.
    """

    def __init__(
        self, system: System, suppressed: Mask, reach: tuple[Numbers, Numbers], person: Cells | None = None
    ) -> None:
        self.system = system
        self.person = np.full(system.size, -1)
        if person is not None:
            self.person[person >= 0] = np.unique(person[person >= 0], return_inverse=True)[1]
        self.people = int(self.person.max(initial=-1)) + 1
        self.certain = np.full((system.size, -(-self.people // 8)), 255, dtype=np.uint8)
        self.unknown = suppressed & (system.most > system.least)
        self.by_cell = system.equations.tocsc()
        self.reach_low, self.reach_high = reach
        self.low, self.high = system.values.copy(), system.values.copy()
        self.witnesses = 0

    def hides(self, cell: int) -> bool:
        """Whether witnesses show the cell as low and as high as it must reach."""
        if not self._is_open(np.array([cell])).any():
            return True
        for room in self._rooms(cell):
            for near in (cell, *room.near[self._is_open(room.near)]):
                for end in (self.reach_high[near], self.reach_low[near]):
                    if self._is_open(np.array([near])).any():
                        self._witness(room, int(near), float(end))
            if not self._is_open(np.array([cell])).any():
                return True
        return False

    def interval(self, cell: int) -> tuple[float, float]:
        """The least and the most that the cell can be, in real numbers."""
        value = float(self.system.values[cell])
        *_, room = [None, *self._rooms(cell)]
        return (value, value) if room is None else (room.furthest(cell, -np.inf), room.furthest(cell, np.inf))

    def others(self, cell: int) -> Mask:
        """Everybody who is alone in another cell than this."""
        others: Mask = np.arange(self.people) != self.person[cell]
        return others

    def told(self, cell: int, suspects: Mask) -> Mask:
        """Those of the suspects, each of them alone in another cell, who can work this cell out."""
        if not (left := self._left(cell, suspects)).any():
            return left
        for room in self._rooms(cell):
            if np.count_nonzero(left) > 1:
                self._other_table(room, cell, np.isin(self.person, np.flatnonzero(left)))
            for suspect in np.flatnonzero(self._left(cell, suspects)):
                if self._left(cell, suspects)[suspect]:
                    self._other_table(room, cell, self.person == suspect)
            if not (left := self._left(cell, suspects)).any():
                break
        return left

    def _left(self, cell: int, suspects: Mask) -> Mask:
        """The suspects whom no witness has shown another value of the cell."""
        certain: Mask = np.unpackbits(self.certain[cell], count=self.people).astype(bool)
        left: Mask = suspects & certain
        return left

    def _other_table(self, room: _Room, cell: int, known: Mask) -> None:
        """Look for a table that agrees with the known cells and has another value in this cell."""
        value = float(self.system.values[cell])
        with room.knowing(known):
            for end in (value + 1, value - 1):
                if self._witness(room, cell, end):
                    return

    def _witness(self, room: _Room, cell: int, end: float) -> bool:
        table = room.table(cell, end)
        if table is None:
            return False
        self.witnesses += 1
        self.low[room.cells] = np.minimum(self.low[room.cells], table)
        self.high[room.cells] = np.maximum(self.high[room.cells], table)
        moved = room.cells[table != self.system.values[room.cells]]
        moves = np.zeros(self.people, dtype=bool)
        moves[self.person[moved][self.person[moved] >= 0]] = True
        self.certain[moved] &= np.packbits(moves)
        return True

    def _is_open(self, cells: Cells) -> Mask:
        """Which of the cells are protected, and not yet shown to reach far enough."""
        with np.errstate(invalid="ignore"):
            return (self.low[cells] > self.reach_low[cells]) | (self.high[cells] < self.reach_high[cells])

    def _rooms(self, cell: int) -> Iterator[_Room]:
        """Ever larger neighbourhoods of an unknown cell, to all that is joined to it."""
        if not self.unknown[cell]:
            return
        seen = np.zeros(self.system.size, dtype=bool)
        seen[cell] = True
        ring, order, sizes = np.array([cell]), [np.array([cell])], iter((*SIZES, np.inf))
        size = next(sizes)
        while len(ring):
            equations = np.unique(self.by_cell[:, ring].indices)
            joined = np.unique(self.system.equations[equations].indices)
            ring = joined[self.unknown[joined] & ~seen[joined]]
            seen[ring] = True
            order.append(ring)
            if seen.sum() >= size:
                yield _Room(self.system, np.concatenate(order))
                size = next(sizes)
        yield _Room(self.system, np.concatenate(order), is_whole=True)


class _Room:
    """Some unknown cells, the nearest first, with all others at their true values: what tables are there?

    `is_whole`: they are all that are joined to the first.
    """

    def __init__(self, system: System, cells: Cells, *, is_whole: bool = False) -> None:
        self.is_whole = is_whole
        self.cells, self.near = cells, cells[: 1 + len(cells) // 3]
        self._values = system.values[cells]
        self._least, self._most = system.least[cells], system.most[cells]
        self._place = {int(cell): place for place, cell in enumerate(cells)}
        touched = system.equations[:, cells]
        self._equations = touched[np.flatnonzero(np.diff(touched.indptr))].tocsc()
        self._totals = self._equations @ self._values
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(cells), self._equations.shape[0]
        program.col_cost_ = np.zeros(len(cells))
        program.col_lower_, program.col_upper_ = self._least, self._most
        program.row_lower_ = program.row_upper_ = self._totals
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = self._equations.indptr, self._equations.indices
        program.a_matrix_.value_ = self._equations.data
        self._solver = highspy.Highs()
        for option, value in (("output_flag", False), ("threads", 1), ("presolve", "off"), ("mip_max_nodes", NODES)):
            self._solver.setOptionValue(option, value)
        self._solver.passModel(program)

    def place(self, cell: int) -> int:
        """Where the cell is in the room."""
        return self._place[cell]

    def table(self, cell: int, end: float) -> Numbers | None:
        """A table of whole numbers that has the cell at `end` or beyond; None where none was found."""
        if abs(self.furthest(cell, end) - end) > WHOLE:
            return None
        table = self._whole()
        return self._beyond(cell, end) if table is None else table

    def _beyond(self, cell: int, end: float) -> Numbers | None:
        """Such a table, where the nearest one of real numbers is not whole."""
        place, columns = self._place[cell], np.arange(len(self.cells), dtype=np.int32)
        whole, real = (
            np.full(len(columns), kind) for kind in (highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous)
        )
        rises = end > self._values[place]
        self._solver.changeColsIntegrality(len(columns), columns, whole)
        self._solver.changeColBounds(place, *((end, self._most[place]) if rises else (self._least[place], end)))
        self._solver.setOptionValue("presolve", "on")  # halves the time; the programmes of real numbers start warm
        self._solver.run()
        self._solver.setOptionValue("presolve", "off")
        table = self._whole()
        self._solver.changeColBounds(place, self._least[place], self._most[place])
        self._solver.changeColsIntegrality(len(columns), columns, real)
        return table

    def furthest(self, cell: int, end: float) -> float:
        """How near to `end` the cell can be."""
        place = self._place[cell]
        rises = end > self._values[place]
        low, high = (
            (self._least[place], min(end, self._most[place]))
            if rises
            else (max(end, self._least[place]), self._most[place])
        )
        self._solver.changeColBounds(place, low, high)
        self._solver.changeColCost(place, -1.0 if rises else 1.0)
        self._solver.run()
        status = self._solver.getModelStatus()
        self._solver.changeColCost(place, 0.0)
        self._solver.changeColBounds(place, self._least[place], self._most[place])
        if status in (highspy.HighsModelStatus.kUnbounded, highspy.HighsModelStatus.kUnboundedOrInfeasible):
            return end
        return float(self._solver.getSolution().col_value[place])

    @contextmanager
    def knowing(self, known: Mask) -> Iterator[None]:
        """Hold the known cells at their true values."""
        held = np.flatnonzero(known[self.cells])
        columns = held.astype(np.int32)
        self._solver.changeColsBounds(len(held), columns, self._values[held], self._values[held])
        try:
            yield
        finally:
            self._solver.changeColsBounds(len(held), columns, self._least[held], self._most[held])

    def _whole(self) -> Numbers | None:
        """The solution that was found, if it is a table of whole numbers that agrees with all that is shown."""
        found = np.array(self._solver.getSolution().col_value)
        if len(found) != len(self.cells):
            return None
        table = np.round(found)
        agrees = np.abs(found - table).max() < WHOLE and not np.abs(self._equations @ table - self._totals).any()
        return table if agrees and (table >= self._least).all() and (table <= self._most).all() else None
