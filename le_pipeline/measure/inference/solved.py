"""A linear model that has been solved: what every kind of error is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from le_pipeline.measure.inference.compressed import Compressed
from le_pipeline.measure.inference.fixed_effects import FixedEffects
from le_pipeline.measure.inference.sums import Cells, Effect, Floats, Sums

FEW_ROWS = 20  # per combination of fixed effects: with fewer, one table of all combinations is no smaller than the rows


@dataclass(frozen=True)
class Solved:
    """The sums, the fixed effects, the cross products that are left, and the coefficients.

    Variables are the covariates and last the outcome, each less its `sums.centre`; `kept` are the covariates' places
    that were not dropped. `parts` say by fixed effect what its levels add to each variable; `gram` are the cross
    products within fixed effects, `inverse` that of its kept covariates.
    """

    sums: Sums = field(repr=False)
    clusters: tuple[str, ...]
    effect_names: tuple[str, ...]
    compressed: Compressed
    parts: tuple[Floats, ...]
    kept: NDArray[np.intp]
    gram: Floats
    inverse: Floats
    coefficients: Floats
    small_sample_factor: float

    @property
    def columns(self) -> NDArray[np.intp]:
        """Places of the kept covariates and of the outcome."""
        return np.append(self.kept, len(self.gram) - 1)

    def residual(self, coefficients: Floats) -> Floats:
        """Weights of the variables of `columns` in a residual: outcome less covariates x coefficients."""
        return np.append(-coefficients, 1.0)

    def added(self) -> list[Effect]:
        """What the fixed effects add to the variables: all together, where not many combinations of levels occur."""
        names, effects, every = self.effect_names, self.compressed.effects, self.compressed.levels
        if len(names) > 1 and len(effects.weight) * FEW_ROWS <= self.sums.n:
            levels = tuple(of[code] for of, code in zip(every, effects.codes, strict=True))
            parts = sum((part[code] for part, code in zip(self.parts, effects.codes, strict=True)), np.zeros(1))
            return [Effect(names, levels, np.asarray(parts))]
        return [Effect((name,), (of,), part) for name, of, part in zip(names, every, self.parts, strict=True)]

    @cached_property
    def cells(self) -> Cells:
        """Rows that share every fixed effect and the one cluster; the cluster's codes come last."""
        cells = self.compressed.cells or self.sums.cells((*self.effect_names, *self.clusters))[0]
        return Cells(cells.n, cells.weight, cells.sums[:, self.columns], cells.codes)

    @cached_property
    def taken(self) -> Floats:
        """What the fixed effects add to each variable of `columns`, by cell."""
        fitted = [part[codes][:, self.columns] for part, codes in zip(self.parts, self.cells.codes, strict=False)]
        return np.asarray(sum(fitted, start=np.zeros_like(self.cells.sums)))

    @cached_property
    def cross_by_cluster(self) -> Floats:
        """Cross products of the variables of `columns`, fixed effects included, one matrix per cluster."""
        found = self.compressed.cross_by_cluster
        if found is None:
            found = self.sums.cross_products_by(self.clusters[0], self.compressed.n_clusters[0])
        return found[:, self.columns][:, :, self.columns]


def gram_within(cross: Floats, cells: Cells, taken: Floats) -> Floats:
    """Cross products of variables less their fixed effects, from those of the variables and the cells' sums."""
    both = cells.sums.T @ taken
    return np.asarray(cross - both - both.T + taken.T @ (taken * cells.weight[:, None]))


def refit(cross: Floats, cells: Cells, n_effects: int) -> Floats:
    """The same with fixed effects that are fitted to these cells alone."""
    effects = FixedEffects(
        tuple(np.unique(codes, return_inverse=True)[1] for codes in cells.codes[:n_effects]), cells.weight
    )
    return gram_within(cross, cells, effects.fitted(cells.means))


def solve(gram: Floats, right: Floats) -> Floats:
    """Solve normal equations, columns scaled to one length so that their units do not count."""
    scale = 1 / np.sqrt(np.diag(gram))
    return np.asarray(linalg.solve(gram * np.outer(scale, scale), right * scale, assume_a="pos") * scale)
