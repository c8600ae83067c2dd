"""Estimates with the influence of each school on them, and from that errors, intervals and bands.

Schools are the clusters. The influence of a school is its part in the error of the estimate, so that the variance is
the sum of squared influence and an average of estimates has the average influence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from le_pipeline.measure.inference.school_panel import Floats
from le_pipeline.measure.statistics import CONFIDENCE, REPLICATES, SEED, Z

FEWEST_IN_CELL = 2  # a variance needs two
FEWEST_SCHOOLS = 5  # on either side of a figure that is put together; the R package `did` warns of groups below it
CERTAIN = 1e-9  # an error below it is rounding: what was measured does not vary between schools

Truths = NDArray[np.bool_]


class Effect(NamedTuple):
    """An estimate, the influence of each of n schools on it, and their shares of either mean (0: not in it)."""

    estimate: float
    influence: Floats
    treated: Floats
    comparison: Floats


@dataclass(frozen=True)
class Effects:
    """Effects side by side: k labels and estimates; influence, treated and comparison are n x k."""

    label: pl.DataFrame
    estimate: Floats
    influence: Floats
    treated: Floats
    comparison: Floats

    @classmethod
    def of(cls, label: pl.DataFrame, effects: Sequence[Effect], n: int) -> Self:
        """One label to an effect; n schools, for where there is no effect."""
        influence, treated, comparison = (
            np.array([effect[place] for effect in effects], dtype=np.float64).reshape(len(effects), n).T
            for place in (1, 2, 3)
        )
        return cls(label, np.array([effect.estimate for effect in effects]), influence, treated, comparison)

    def keep(self, which: Truths) -> Effects:
        """Those of the effects."""
        return Effects(
            self.label.filter(which),
            self.estimate[which],
            self.influence[:, which],
            self.treated[:, which],
            self.comparison[:, which],
        )

    @property
    def error(self) -> Floats:
        """Standard errors, those of `did` without bootstrap: no small-sample factor."""
        return np.asarray(np.sqrt((self.influence**2).sum(axis=0)))

    def average(self, share: Floats) -> Effect:
        """The sum of the effects times their shares."""
        return Effect(
            float(self.estimate @ share), self.influence @ share, self.treated @ share, self.comparison @ share
        )

    def enough(self, fewest: int) -> Truths:
        """Whether there are as many schools on either side of an effect."""
        treated, comparison = ((side > 0).sum(axis=0) for side in (self.treated, self.comparison))
        return np.asarray(np.minimum(treated, comparison) >= fewest)

    def table(self, fewest: int) -> pl.DataFrame:
        """Beside the labels: estimate, standard_error, degrees_of_freedom, p_value, ci_*, band_*, n_*, null_reason.

        Intervals take t with `freedom`. The band takes the 95 percent quantile of the largest |t| of all effects,
        carried to t by its tail probability.
        Without `fewest` schools on either side there is no estimate.
        """
        error, known = self.error, self.enough(fewest)
        sure = known & (error > CERTAIN)
        scale = np.where(sure, error, np.nan)
        df = np.where(known, freedom(self.treated, self.comparison), np.nan)
        point = stats.t.isf((1 - CONFIDENCE) / 2, df) * scale
        band = stats.t.isf(stats.norm.sf(_largest(self.influence[:, sure] / error[sure])), df) * scale
        floats = {
            "estimate": np.where(known, self.estimate, np.nan),
            "standard_error": scale,
            "degrees_of_freedom": np.where(sure, df, np.nan),
            "p_value": 2 * stats.t.sf(np.abs(self.estimate) / scale, df),
            "ci_low": self.estimate - point,
            "ci_high": self.estimate + point,
            "band_low": self.estimate - band,
            "band_high": self.estimate + band,
        }
        reason = (
            pl.when(pl.col("n_treated") < fewest)
            .then(pl.lit("too_few_treated_schools"))
            .when(pl.col("n_comparison") < fewest)
            .then(pl.lit("too_few_comparison_schools"))
            .when(pl.col("standard_error").is_null())
            .then(pl.lit("no_variation"))
        )
        return self.label.with_columns(
            *(pl.Series(name, column, dtype=pl.Float64).fill_nan(None) for name, column in floats.items()),
            pl.Series("n_treated", (self.treated > 0).sum(axis=0), dtype=pl.Int64),
            pl.Series("n_comparison", (self.comparison > 0).sum(axis=0), dtype=pl.Int64),
        ).with_columns(null_reason=reason)


def freedom(treated: Floats, comparison: Floats) -> Floats:
    """Degrees of freedom of k effects, those of the smaller side, at least 1, from the shares of schools (n x k).

    Of one side, with shares a: (sum of a^2)^2 / (sum of a^4) - 1, the number of schools less one where they are equal,
    and fewer where a few schools have most of the weight or serve many comparisons (Satterthwaite 1946, Biometrics
    Bulletin 2, 110-114, for a sum of a^2 u^2). The smaller side is the lower bound of what Welch (1947), Biometrika 34,
    28-35, gives the difference of two means; all schools less one are too many where few are treated.
    """
    with np.errstate(invalid="ignore"):
        of_treated, of_comparison = (
            (side**2).sum(axis=0) ** 2 / (side**4).sum(axis=0) - 1 for side in (treated, comparison)
        )
    return np.asarray(np.fmax(np.fmin(of_treated, of_comparison), 1.0))


def _largest(influence: Floats) -> float:
    """The 95 percent quantile of the largest |t| of k effects at once, from influence over its error (n x k).

    Multiplier bootstrap (Callaway and Sant'Anna 2021, algorithm 1) with random signs for Mammen's multipliers, since
    they do better in small samples (Davidson and Flachaire 2008, Journal of Econometrics 146, 162-169). The draws
    depend on the number of schools alone. Never below the quantile of one effect.
    """
    n, k = influence.shape
    if not k:
        return Z
    signs = np.random.default_rng([SEED, n]).integers(0, 2, size=(REPLICATES, n)) * 2.0 - 1.0
    return max(float(np.quantile(np.abs(signs @ influence).max(axis=1), CONFIDENCE, method="higher")), Z)
