"""Shifts of cells that leave every equation true: the linear programme behind each certificate.

A shift y with `equations @ y = 0` and `least <= values + y <= most` shows another table that agrees with whatever is
shown, if only suppressed cells move. So it proves how far the possible values of a cell reach at least.
"""

from __future__ import annotations

import highspy
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from le_pipeline.publish.system import Numbers, System

ROUNDING = 1e-7  # what the solver leaves of a nothing
NODES = 2_000  # of the search for a shift by whole numbers, before the best so far is taken


class Shifts:
    """Shifts of some cells of a system, all others standing still. Cells go by their place in `cells`.

    Each cell has two columns, its movement up and its movement down, so that moving costs the same either way. One
    model is solved again and again from where it stood, which is what makes thousands of certificates cheap.
    """

    def __init__(self, system: System, cells: NDArray[np.intp]) -> None:
        self.cells = cells
        self.size = len(cells)
        self.is_whole = False
        self.room_up = system.most[cells] - system.values[cells]
        self.room_down = system.values[cells] - system.least[cells]
        touched = system.equations.tocsc()[:, cells].tocsr()
        touched = touched[np.flatnonzero(np.diff(touched.indptr))]
        matrix = sp.hstack([touched, -touched]).tocsc()
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = 2 * self.size, touched.shape[0]
        program.col_cost_ = np.zeros(2 * self.size)
        program.col_lower_ = np.zeros(2 * self.size)
        program.col_upper_ = np.concatenate([self.room_up, self.room_down])
        program.row_lower_ = program.row_upper_ = np.zeros(touched.shape[0])
        program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        program.a_matrix_.start_, program.a_matrix_.index_ = matrix.indptr, matrix.indices
        program.a_matrix_.value_ = matrix.data
        self._solver = quiet_solver()
        self._solver.setOptionValue("presolve", "off")
        self._solver.passModel(program)

    def price(self, costs: Numbers) -> None:
        """What each cell's movement costs, by the unit."""
        columns = np.arange(2 * self.size, dtype=np.int32)
        self._solver.changeColsCost(len(columns), columns, np.concatenate([costs, costs]))

    def price_one(self, cell: int, cost: float) -> None:
        """What one cell's movement costs, by the unit."""
        self._solver.changeColCost(cell, cost)
        self._solver.changeColCost(cell + self.size, cost)

    def hold(self, cells: NDArray[np.intp]) -> None:
        """Let these cells stand still."""
        still = np.zeros(2 * len(cells))
        columns = np.concatenate([cells, cells + self.size]).astype(np.int32)
        self._solver.changeColsBounds(len(columns), columns, still, still)

    def free(self, cells: NDArray[np.intp]) -> None:
        """Let these cells move again."""
        columns = np.concatenate([cells, cells + self.size]).astype(np.int32)
        room = np.concatenate([self.room_up[cells], self.room_down[cells]])
        self._solver.changeColsBounds(len(columns), columns, np.zeros(len(columns)), room)

    def be_whole(self) -> None:
        """From now on, shift by whole numbers only, which takes longer."""
        self.is_whole = True
        columns = np.arange(2 * self.size, dtype=np.int32)
        self._solver.changeColsIntegrality(len(columns), columns, np.full(len(columns), highspy.HighsVarType.kInteger))
        self._solver.setOptionValue("presolve", "on")
        self._solver.setOptionValue("mip_max_nodes", NODES)

    def cheapest(self, cell: int, by: float) -> Numbers | None:
        """The cheapest shift that moves the cell by that much, up or (below 0) down; None where there is none."""
        room = self.room_up[cell] if by > 0 else self.room_down[cell]
        if abs(by) > room:
            return None
        moved, still = (cell, cell + self.size) if by > 0 else (cell + self.size, cell)
        # whole numbers can only be had in steps, at times: there may be a shift by more and none by that much
        self._solver.changeColBounds(moved, abs(by), room if self.is_whole else abs(by))
        self._solver.changeColBounds(still, 0, 0)
        self._solver.run()
        found = None
        solution = self._solver.getSolution()
        is_found = self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        if is_found or (self.is_whole and solution.value_valid):  # the best of those looked at will do
            columns = np.array(solution.col_value)
            columns = np.round(columns) if self.is_whole else columns
            found = columns[: self.size] - columns[self.size :]
            found[np.abs(found) < ROUNDING] = 0
        self.free(np.array([cell]))
        return found


def quiet_solver() -> highspy.Highs:
    """HiGHS on one thread, without output."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    return solver
