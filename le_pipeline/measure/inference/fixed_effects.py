"""Fixed effects: which rows say nothing beside them, what they fit, and how many parameters they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, cg

from le_pipeline.measure.inference.sums import Codes, Flags, Floats

MOST_DENSE = 3000  # levels whose normal equations are solved outright
PRECISION = 1e-14
RIDGE = 1e-9


def not_singleton(n: NDArray[np.int64], effects: tuple[Codes, ...]) -> Flags:
    """Cells of which no fixed effect has one row alone, counted anew until nothing changes (Correia 2015)."""
    kept = np.ones(len(n), dtype=bool)
    while True:
        alone = np.zeros(len(n), dtype=bool)
        for codes in effects:
            alone |= np.bincount(codes[kept], n[kept], minlength=codes.max(initial=-1) + 1)[codes] == 1
        if not (alone & kept).any():
            return kept
        kept &= ~alone


@dataclass(frozen=True)
class FixedEffects:
    """Fixed effects of rows that are known by cell: the level of each effect, and the weight of the cell's rows."""

    codes: tuple[Codes, ...]
    weight: Floats

    @cached_property
    def totals(self) -> list[Floats]:
        """Weight of each level, by effect."""
        return [np.bincount(codes, self.weight).astype(float) for codes in self.codes]

    def fit(self, sums: list[Floats]) -> list[Floats]:
        """What each level adds to each variable in the weighted least-squares fit of the effects alone.

        The effect with the most levels is solved for the others. What is left is a small system, singular where effects
        overlap, of which any solution gives the same fit.

        Args:
            sums: by effect, weighted sums of the variables, one row per level.
        """
        if not sums:
            return []
        first = int(np.argmax([len(total) for total in self.totals]))
        others = [place for place in range(len(sums)) if place != first]
        total = self.totals[first][:, None]
        if not others:
            return [sums[first] / total]
        ends = np.cumsum([0, *(len(self.totals[place]) for place in others)])
        cells = np.arange(len(self.weight))
        columns = np.concatenate([self.codes[place] + end for place, end in zip(others, ends, strict=False)])
        design = sparse.csr_matrix(
            (np.ones(len(columns)), (np.tile(cells, len(others)), columns)), shape=(len(cells), int(ends[-1]))
        )
        spread = sparse.csr_matrix((self.weight, (self.codes[first], cells)), shape=(len(total), len(cells))) @ design
        shared = sparse.diags(1 / total[:, 0]) @ spread
        own = design.T @ sparse.diags(self.weight) @ design
        right = np.vstack([sums[place] for place in others]) - spread.T @ (sums[first] / total)
        solved = _solve(own, spread, shared, right)
        found = dict(zip(others, np.split(solved, ends[1:-1]), strict=True))
        found[first] = sums[first] / total - shared @ solved
        return [found[place] for place in range(len(sums))]

    def fitted(self, values: Floats) -> Floats:
        """The fit to values that are given by cell, one row per cell."""
        weighted = values * self.weight[:, None]
        parts = self.fit([by_code(codes, weighted, len(t)) for codes, t in zip(self.codes, self.totals, strict=True)])
        return np.asarray(
            sum((part[codes] for part, codes in zip(parts, self.codes, strict=True)), np.zeros_like(values))
        )

    def count(self, nested: tuple[bool, ...]) -> int:
        """Levels that count as parameters; those of an effect that is nested in a cluster count as one.

        As in fixest and pyfixest (`k_fixef = "nonnested"`): of several effects each but the first loses one level.
        """
        levels = [int(np.count_nonzero(total)) for total in self.totals]
        lost = max(len(levels) - 1, 0)
        return sum(levels) - lost - sum(n - 1 for n, within in zip(levels, nested, strict=True) if within)


def by_code(codes: Codes, values: Floats, size: int = 0) -> Floats:
    """Sums of the rows of each code, one row per code."""
    return np.stack([np.bincount(codes, column, minlength=size) for column in values.T], axis=1)


def _solve(own: sparse.csr_matrix, spread: sparse.csr_matrix, shared: sparse.csr_matrix, right: Floats) -> Floats:
    """Solve (own - spread' shared) x = right, which is singular and has a solution."""
    diagonal = own.diagonal()
    if len(right) <= MOST_DENSE:
        left = (own - spread.T @ shared).toarray()
        # a ridge makes it regular, and what it takes away comes back with each step (the proximal point method)
        factor = linalg.cho_factor(left + RIDGE * np.diag(diagonal))
        found = np.zeros_like(right)
        for _ in range(4):
            found += linalg.cho_solve(factor, right - left @ found)
        return np.asarray(found)
    operator = LinearOperator(own.shape, matvec=lambda x: own @ x - spread.T @ (shared @ x), dtype=np.float64)
    preconditioner = LinearOperator(own.shape, matvec=lambda x: x / diagonal, dtype=np.float64)
    columns = [cg(operator, column, rtol=PRECISION, maxiter=10_000, M=preconditioner)[0] for column in right.T]
    return np.stack(columns, axis=1)
