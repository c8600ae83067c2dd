"""Suppression at the least weight: mixed-integer programming with capacity cuts.

The method of Fischetti and Salazar (Management Science 47(7), 2001): a master programme chooses cells; for each demand
that its choice does not meet, the linear programme of an attacker gives, by its dual prices, a cut that every good
choice satisfies. Cuts are first made for the relaxed master, where they are cheap. A cut that no choice satisfies
belongs to a demand that the part cannot meet.
"""

from __future__ import annotations

from collections.abc import Iterable

import highspy
import numpy as np
from numpy.typing import NDArray

from le_pipeline.publish.suppression.need import SLACK, Against, Demand, Protection
from le_pipeline.publish.suppression.shifts import ROUNDING, quiet_solver
from le_pipeline.publish.system import Mask, Numbers, System

SIZE = 64  # cells of a part that is solved exactly
ROUNDS = 300  # of choosing and cutting; what is not solved by then is searched
NODES = 20_000  # of the master's tree in one round; no time, so that the same table gives the same answer
LIGHT_ROUNDS = 6  # of choosing whole cells where a light choice is enough,
LIGHT_NODES = 300  # with so much of a tree each,
LIGHT_GAP = 0.01  # so near to the least weight,
LIGHT_GAIN = 0.001  # after cutting until a round adds less than that share to the relaxed weight,
LOOSE = 0.1  # and without the cuts that the relaxed choice satisfies by more than that share
PRIMAL = 4  # the name of the primal simplex method among HiGHS's strategies
Cut = tuple[Numbers, float]  # what each cell's being hidden counts at most, and what they must come to


def least_weight(system: System, need: Protection, cells: NDArray[np.intp]) -> Mask | None:
    """The cells of the part to hide, at the least weight there is; None where it is too hard, or cannot be."""
    attack, master = _Attack(system, need, cells), _Master(need, cells)
    _relax(attack, master, enough=0)
    master.make_whole(gap=0, nodes=NODES)
    for _ in range(ROUNDS):
        choice = None if attack.impossible else master.choose()
        if choice is None:
            return None
        cuts = attack.cuts(np.round(choice), attack.demands)
        if not cuts and not attack.impossible:
            return np.round(choice) > 0
        master.require(cuts.values())
    return None


def light_choice(system: System, need: Protection, cells: NDArray[np.intp]) -> Mask:
    """A choice of cells of little weight that meets nearly all demands that the part can meet."""
    attack, master = _Attack(system, need, cells), _Master(need, cells)
    _relax(attack, master, LIGHT_GAIN)
    master.forget_loose(LOOSE)
    master.make_whole(LIGHT_GAP, LIGHT_NODES)
    light, demands = need.hidden[cells], attack.demands
    for _ in range(LIGHT_ROUNDS):
        choice = master.choose()
        if choice is None:  # no tree of that size holds one
            break
        light = np.round(choice) > 0
        cuts = attack.cuts(np.round(choice), demands)
        if not cuts and demands is attack.demands:
            break
        demands = list(cuts) or attack.demands
        master.require(cuts.values())
    return light


def _relax(attack: _Attack, master: _Master, enough: float) -> None:
    """Cut the relaxed master until nothing is left to cut, or a round adds less than that share to its weight.

    A demand that a round had nothing to cut for is left out until the others are done.
    """
    before, demands = 0.0, attack.demands
    for done in range(ROUNDS):
        choice = master.choose()
        if choice is None:
            return
        weight = master.weight(choice)
        if enough and done > 4 and weight - before < enough * weight:  # noqa: PLR2004  # the first rounds are small
            return
        before = weight
        cuts = attack.cuts(choice, demands)
        if not cuts and demands is attack.demands:
            return
        demands = list(cuts) or attack.demands
        master.require(cuts.values())


class _Attack:
    """An attacker's linear programmes: how far each cell can reach if a choice of cells is hidden.

    `demands`: all that the part can meet, as far as is known; `impossible`: those that a cut has shown it cannot.
    """

    def __init__(self, system: System, need: Protection, cells: NDArray[np.intp]) -> None:
        self.size = len(cells)
        self.need = need.of_cells(cells)
        self.chosen = self.need.primary | self.need.hidden
        self.demands = self.need.demands()
        self.impossible: list[Demand] = []
        # as good as without end
        far = system.values[cells].sum() + self.need.up.max() + self.need.down.max() + 1
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
        self._solver.setOptionValue("simplex_strategy", PRIMAL)  # between demands, only the cost changes
        self._solver.passModel(program)

    def cuts(self, choice: Numbers, demands: list[Demand]) -> dict[Demand, Cut]:
        """A cut for each of the demands that the choice does not meet, but for those that turn out to be impossible."""
        found: dict[Demand, Cut] = {}
        held: Mask | None = None
        open_to = choice
        met = {against: np.zeros(self.size, dtype=bool) for against in Against}
        for demand in demands:
            against, cell = demand
            if met[against][cell]:
                continue
            known = self._known_to(demand)
            if held is None or not np.array_equal(known, held):
                held, open_to = known, np.where(known, 0, choice)
                self._open(open_to)
            reach, asked = 0.0, self.need.asked(demand)
            prices = np.zeros(self.size)
            for sign in {Against.UP: (1.0,), Against.DOWN: (-1.0,), Against.INSIDER: (1.0, -1.0)}[against]:
                shift, more = self._furthest(cell, sign)
                reach += sign * shift[cell]
                prices += more * ~held
                for kind, cells in self.need.met_by(shift, self.room_up * open_to, self.room_down * open_to).items():
                    met[kind] |= cells
            if reach < asked - SLACK:
                found[demand] = self._cut(prices, asked)
        beyond = {demand for demand, (prices, rest) in found.items() if prices.sum() < rest - SLACK}
        if beyond:
            self.impossible += sorted(beyond, key=lambda demand: (demand[0].value, demand[1]))
            self.demands[:] = [demand for demand in self.demands if demand not in beyond]
        return {demand: cut for demand, cut in found.items() if demand not in beyond}

    def _known_to(self, demand: Demand) -> Mask:
        """The cells that an attacker knows by being alone in them."""
        against, cell = demand
        own = self.need.person[cell]
        return self.need.alone & (self.need.person != own) if against is Against.INSIDER else np.zeros(self.size, bool)

    def _open(self, choice: Numbers) -> None:
        columns = np.arange(self.size, dtype=np.int32)
        self._solver.changeColsBounds(self.size, columns, -self.room_down * choice, self.room_up * choice)

    def _furthest(self, cell: int, sign: float) -> tuple[Numbers, Numbers]:
        """The shift that moves the cell furthest, and what each cell's being hidden is worth to that at most."""
        self._solver.changeColCost(cell, -sign)
        self._solver.run()
        solution = self._solver.getSolution()
        shift, duals = np.array(solution.col_value), np.array(solution.col_dual)
        shift[np.abs(shift) < ROUNDING] = 0
        self._solver.changeColCost(cell, 0)
        return shift, np.maximum(-duals, 0) * self.room_up + np.maximum(duals, 0) * self.room_down

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

    def require(self, cuts: Iterable[Cut]) -> None:
        for coefficients, at_least in cuts:
            cells = np.flatnonzero(coefficients > SLACK).astype(np.int32)
            self._solver.addRow(at_least, highspy.kHighsInf, len(cells), cells, coefficients[cells])

    def forget_loose(self, share: float) -> None:
        """Leave out the cuts that the relaxed choice satisfies by more than that share of what they ask for."""
        self._solver.run()
        counts, asked = np.array(self._solver.getSolution().row_value), np.array(self._solver.getLp().row_lower_)
        loose = np.flatnonzero(counts > (1 + share) * asked).astype(np.int32)
        self._solver.deleteRows(len(loose), loose)

    def make_whole(self, gap: float, nodes: int) -> None:
        self._solver.setOptionValue("mip_rel_gap", gap)
        self._solver.setOptionValue("mip_max_nodes", nodes)
        columns = np.arange(self.size, dtype=np.int32)
        self._solver.changeColsIntegrality(self.size, columns, np.full(self.size, highspy.HighsVarType.kInteger))
