"""Whether two groups are alike in what is known of them before: per covariate, before and after weighting.

Standardised differences and verdicts follow the What Works Clearinghouse (WWC).
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from numpy.typing import NDArray

from le_pipeline.measure import statistics

Floats = NDArray[np.float64]
SATISFIED = 0.05  # WWC Standards Handbook 4.1, baseline equivalence: thresholds in absolute standard deviations
WITH_ADJUSTMENT = 0.25


def balance(frame: pl.DataFrame, treated: str, covariates: list[str], weight: str | None = None) -> pl.DataFrame:
    """Means, spreads and the standardised difference of each covariate, as two groups are and as weights make them.

    One row per covariate and `sample`: `before` (all rows, each counting once) and, where there is a weight, `after`
    (rows of positive weight). A covariate of Booleans, or of nothing but 0 and 1, is dichotomous. Rows without a value
    of a covariate do not count for it.

    `standardised_difference` is treated minus comparison: Hedges g = omega x difference of means / pooled standard
    deviation, for a dichotomous one the Cox index, omega x difference of logits / 1.65 (WWC Procedures Handbook 4.1,
    appendix E), both with weighted means. Standard deviations and omega are those of the sample's rows unweighted:
    the WWC judges the analytic sample by its unadjusted standard deviations, and a denominator that weights can move
    would let them improve a difference without bringing the means nearer. `variance_ratio`, treated over comparison,
    is weighted, as it asks for the shape that the weights make; it is null for a dichotomous one, whose variance
    follows from its mean.

    `equivalence` is the WWC's: `satisfied` up to 0.05, `satisfied_with_adjustment` up to 0.25, `not_satisfied` above.
    Where the difference is not defined it is null, and `null_reason` is `share_of_0_or_1`, `no_variation` or
    `empty_group`.
    """
    parts = {"before": (frame, np.ones(len(frame)))}
    if weight is not None:
        used = frame.filter(pl.col(weight) > 0)
        parts["after"] = (used, used[weight].cast(pl.Float64).to_numpy())
    rows = [
        {"covariate": name, "is_dichotomous": _is_dichotomous(frame[name]), "sample": sample}
        | {
            f"{what}_{group}": value
            for group, chosen in (("treated", True), ("comparison", False))
            for what, value in _described(rows[name], weights, rows[treated] == chosen).items()
        }
        for name in covariates
        for sample, (rows, weights) in parts.items()
    ]
    return _judged(pl.DataFrame(rows, schema=_SCHEMA))


_DESCRIBED = {
    "n": pl.Int64,
    "weighted_n": pl.Float64,
    "mean": pl.Float64,
    "sd": pl.Float64,
    "weighted_variance": pl.Float64,
}
_SCHEMA = {"covariate": pl.String, "is_dichotomous": pl.Boolean, "sample": pl.String} | {
    f"{what}_{group}": kind for group in ("treated", "comparison") for what, kind in _DESCRIBED.items()
}


def _is_dichotomous(values: pl.Series) -> bool:
    return values.dtype == pl.Boolean or bool(((values == 0) | (values == 1)).all())


def _described(values: pl.Series, weights: Floats, chosen: pl.Series) -> dict[str, float | int | None]:
    """Count, weight, weighted mean, standard deviation and weighted variance of the chosen rows that have a value.

    Sums are exact before they are rounded (math.fsum), so that the order of rows is of no effect. The weighted variance
    is unbiased for weights that say how reliable a row is: sum w (x - m)^2 / (W - sum w^2 / W); for equal weights it
    is the usual one.
    """
    numbers = values.cast(pl.Float64)
    known = (chosen & numbers.is_finite().fill_null(value=False)).to_numpy()
    x, w = numbers.filter(known).to_numpy(), weights[known]
    n, total = len(x), math.fsum(w)
    if n == 0:
        return {"n": 0, "weighted_n": 0.0, "mean": None, "sd": None, "weighted_variance": None}
    plain, mean = math.fsum(x) / n, math.fsum(w * x) / total
    freedom = total - math.fsum(w * w) / total
    return {
        "n": n,
        "weighted_n": total,
        "mean": mean,
        "sd": math.sqrt(math.fsum((x - plain) ** 2) / (n - 1)) if n > 1 else None,
        "weighted_variance": math.fsum(w * (x - mean) ** 2) / freedom if freedom > 0 else None,
    }


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    n1, n0, mean1, mean0, sd1, sd0, variance1, variance0 = (
        pl.col(f"{what}_{group}")
        for what in ("n", "mean", "sd", "weighted_variance")
        for group in ("treated", "comparison")
    )
    pooled = statistics.pooled_variance(n1, sd1**2, n0, sd0**2).sqrt()
    hedges_g = pl.when(pooled > 0).then(statistics.small_sample_factor(n1 + n0) * (mean1 - mean0) / pooled)
    cox = statistics.cox_index(mean1, n1, mean0, n0)
    found = pl.col("standardised_difference")
    return (
        rows.with_columns(
            standardised_difference=pl.when(pl.col("is_dichotomous")).then(cox).otherwise(hedges_g),
            variance_ratio=pl.when(~pl.col("is_dichotomous") & (variance0 > 0)).then(variance1 / variance0),
        )
        .with_columns(
            equivalence=pl.when(found.abs() <= SATISFIED)
            .then(pl.lit("satisfied"))
            .when(found.abs() <= WITH_ADJUSTMENT)
            .then(pl.lit("satisfied_with_adjustment"))
            .when(found.is_not_null())
            .then(pl.lit("not_satisfied")),
            null_reason=pl.when(found.is_not_null())
            .then(None)
            .when((n1 == 0) | (n0 == 0))
            .then(pl.lit("empty_group"))
            .when(pl.col("is_dichotomous"))
            .then(pl.lit("share_of_0_or_1"))
            .otherwise(pl.lit("no_variation")),
        )
        .drop("weighted_variance_treated", "weighted_variance_comparison")
    )
