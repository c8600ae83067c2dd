"""Suppression at the least weight: mixed-integer programming with capacity cuts.

The method of Fischetti and Salazar (Management Science 47(7), 2001): a master programme chooses cells; for each demand
that its choice does not meet, the linear programme of an attacker gives, by its dual prices, a cut that every good
choice satisfies. Cuts are first made for the relaxed master, where they are cheap.
"""

from __future__ import annotations

import highspy
import numpy as np
from numpy.typing import NDArray

from le_pipeline.publish.suppression.need import Against, Demand, Protection
from le_pipeline.publish.suppression.shifts import quiet_solver
from le_pipeline.publish.system import Mask, Numbers, System

SIZE = 64  # cells of a part that is solved exactly
ROUNDS = 300  # of choosing and cutting; what is not solved by then is searched
NODES = 20_000  # of the master's tree in one round; no time, so that the same table gives the same answer
SLACK = 1e-6
Cut = tuple[Numbers, float]  # what each cell's being hidden counts at most, and what they must come to


def least_weight(system: System, need: Protection, cells: NDArray[np.intp]) -> Mask | None:
    """The cells of the part to hide, at the least weight there is; None where it is too hard, or cannot be."""
    attack, master = _Attack(system, need, cells), _Master(need, cells)
    if not _relax(attack, master, ROUNDS, enough=0):
        return None
    master.make_whole(gap=0, nodes=NODES)
    for _ in range(ROUNDS):
        choice = master.choose()
        if choice is None:
            return None
        cuts = attack.cuts(np.round(choice))
        if not cuts:
            return np.round(choice) > 0
        master.require(list(cuts.values()))
    return None


def light_choice(system: System, need: Protection, cells: NDArray[np.intp]) -> Mask | None:
    """A choice of cells of little weight that meets nearly all demands; None where they cannot all be met."""
    attack, master = _Attack(system, need, cells), _Master(need, cells)
    if not _relax(attack, master, ROUNDS, enough=0.01):
        return None
    master.make_whole(gap=0.02, nodes=300)
    choice = master.choose()
    return None if choice is None else np.round(choice) > 0


def _relax(attack: _Attack, master: _Master, rounds: int, enough: float) -> bool:
    """Cut the relaxed master until nothing is left to cut, or a round adds less than that share to its weight.

    A demand that a round had nothing to cut for is left out until the others are done.
    """
    before, demands = 0.0, attack.demands
    for done in range(rounds):
        choice = master.choose()
        if choice is None:
            return False
        weight = master.weight(choice)
        if enough and done > 4 and weight - before < enough * weight:  # noqa: PLR2004  # the first rounds are small
            return True
        before = weight
        cuts = attack.cuts(choice, demands)
        if not cuts and demands is attack.demands:
            return True
        demands = list(cuts) if cuts else attack.demands
        master.require(list(cuts.values()))
    return True


class _Attack:
    """An attacker's linear programmes: how far each cell can reach if a choice of cells is hidden."""

    def __init__(self, system: System, need: Protection, cells: NDArray[np.intp]) -> None:
        self.size = len(cells)
        part = need.of_cells(cells)
        self.chosen = part.primary | part.hidden
        self.person, self.up, self.down = part.person, part.up, part.down
        self.demands = part.demands()
        far = system.values[cells].sum() + self.up.max() + self.down.max() + 1  # as good as without end
        self.room_up = np.minimum(system.most[cells] - system.values[cells], far)
        self.room_down = np.minimum(system.values[cells] - system.least[cells], far)
        touched = system.equations[:, cells]
        matrix = touched[np.flatnonzero(np.diff(touched.indptr))].tocsc()
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self.size, matrix.shape[0]
        program.col_cost_ = np.zeros(self.size)
        program.col_lower_, program.col_upper_ = -self.room_down, self.room_up
        program.row_lower_ = program.row_upper_ = np.zeros(matrix.shape[0])
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        self._solver = quiet_solver()
        self._solver.passModel(program)

    def cuts(self, choice: Numbers, demands: list[Demand] | None = None) -> dict[Demand, Cut]:
        """A cut for each of the demands, or of all, that the choice does not meet."""
        found: dict[Demand, Cut] = {}
        opened: NDArray[np.bool_] | None = None
        for demand in self.demands if demands is None else demands:
            against, cell = demand
            held = self._held(demand)
            if opened is None or not np.array_equal(held, opened):
                self._open(np.where(held, 0, choice))
                opened = held
            if against is Against.INSIDER:
                above, prices = self._furthest(cell, 1.0)
                below, more = self._furthest(cell, -1.0)
                reach, prices, asked = above + below, (prices + more) * ~held, 1.0
            else:
                reach, prices = self._furthest(cell, 1.0 if against is Against.UP else -1.0)
                asked = float(self.up[cell] if against is Against.UP else self.down[cell])
            if reach < asked - SLACK:
                found[demand] = self._cut(prices, asked)
        return found

    def _held(self, demand: Demand) -> Mask:
        """The cells that an attacker knows by being alone in them."""
        against, cell = demand
        own = self.person[cell]
        return (self.person >= 0) & (self.person != own) if against is Against.INSIDER else np.zeros(self.size, bool)

    def _open(self, choice: Numbers) -> None:
        columns = np.arange(self.size, dtype=np.int32)
        self._solver.changeColsBounds(self.size, columns, -self.room_down * choice, self.room_up * choice)

    def _furthest(self, cell: int, sign: float) -> tuple[float, Numbers]:
        """How far the cell can be moved, and what each cell's being hidden is worth to that at most."""
        self._solver.changeColCost(cell, -sign)
        self._solver.run()
        solution = self._solver.getSolution()
        duals = np.array(solution.col_dual)
        self._solver.changeColCost(cell, 0)
        return sign * solution.col_value[cell], np.maximum(-duals, 0) * self.room_up + np.maximum(
            duals, 0
        ) * self.room_down

    def _cut(self, prices: Numbers, asked: float) -> Cut:
        rest = asked - prices[self.chosen].sum()
        return np.minimum(np.where(self.chosen, 0, prices), rest), rest


class _Master:
    """The choice of cells at the least weight that satisfies the cuts so far."""

    def __init__(self, need: Protection, cells: NDArray[np.intp]) -> None:
        chosen = (need.primary | need.hidden)[cells]
        self.size = len(cells)
        self.costs = np.where(chosen, 0, need.weights[cells])
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = self.size, 0
        program.col_cost_ = self.costs
        program.col_lower_, program.col_upper_ = chosen.astype(np.float64), np.ones(self.size)
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_ = np.zeros(self.size + 1, dtype=np.int32)
        self._solver = quiet_solver()
        self._solver.passModel(program)

    def choose(self) -> Numbers | None:
        self._solver.run()
        best = self._solver.getSolution()
        if self._solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible or not best.value_valid:
            return None
        choice: Numbers = np.clip(np.array(best.col_value), 0, 1)
        return choice

    def weight(self, choice: Numbers) -> float:
        return float(self.costs @ choice)

    def require(self, cuts: list[Cut]) -> None:
        for coefficients, at_least in cuts:
            cells = np.flatnonzero(coefficients > SLACK).astype(np.int32)
            self._solver.addRow(at_least, highspy.kHighsInf, len(cells), cells, coefficients[cells])

    def make_whole(self, gap: float, nodes: int) -> None:
        self._solver.setOptionValue("mip_rel_gap", gap)
        self._solver.setOptionValue("mip_max_nodes", nodes)
        columns = np.arange(self.size, dtype=np.int32)
        self._solver.changeColsIntegrality(self.size, columns, np.full(self.size, highspy.HighsVarType.kInteger))
