"""student_growth: from sums by teacher to gains, their difference from those of others, and conversions of it."""

from __future__ import annotations

import polars as pl

from le_pipeline.measure import statistics
from schemas import registry

TABLE = registry.tables()["student_growth"]


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.student_growth from the rows of its SQL, one for one."""
    n, n_teachers = pl.col("n"), pl.col("n_teachers")
    fewer = pl.min_horizontal(n_teachers, "n_comparison_teachers")
    both = pl.col("comparison_n") > 0
    errors = counted.with_columns(
        standard_error=statistics.cluster_robust_error(pl.col("gain_influence"), n_teachers, n, coefficients=1),
        percentile_rank_gain_standard_error=statistics.cluster_robust_error(
            pl.col("rank_gain_influence"), n_teachers, n, coefficients=1
        ),
        gain_difference_sd=pl.col("gain_sd") - pl.col("comparison_gain_sd"),
        gain_difference_standard_error=pl.when(fewer > 1).then(
            statistics.cluster_robust_error(
                pl.col("difference_influence"), pl.col("n_clusters"), n + pl.col("comparison_n")
            )
        ),
    )
    own_t, both_t = (statistics.t_quantile(errors[name] - 1) for name in ("n_teachers", "n_clusters"))
    return errors.with_columns(
        *_interval("gain_sd", "standard_error", own_t, "ci"),
        *_interval("percentile_rank_gain", "percentile_rank_gain_standard_error", own_t, "percentile_rank_gain_ci"),
        *_interval("gain_difference_sd", "gain_difference_standard_error", both_t, "gain_difference_ci"),
        interval_caution=_caution(n, n_teachers, pl.col("standard_error")),
        gain_difference_caution=pl.when(both).then(_caution(n, fewer, pl.col("gain_difference_standard_error"))),
        improvement_index=statistics.improvement_index(errors["gain_difference_sd"]),
        mean_percentile_gain=statistics.mean_percentile_gain(errors["gain_difference_sd"]),
    ).select(TABLE.column_names)


def _interval(estimate: str, error: str, quantile: pl.Series, name: str) -> tuple[pl.Expr, pl.Expr]:
    half = pl.col(error) * quantile
    return (pl.col(estimate) - half).alias(f"{name}_low"), (pl.col(estimate) + half).alias(f"{name}_high")


def _caution(n: pl.Expr, n_clusters: pl.Expr, error: pl.Expr) -> pl.Expr:
    return (
        pl.when(n == 0)
        .then(pl.lit("no_prior_score"))
        .when(n_clusters <= 1)
        .then(pl.lit("one_teacher"))
        .when(error.is_null())
        .then(pl.lit("no_variation"))
        .when(n_clusters < statistics.MANY_CLUSTERS)
        .then(pl.lit("few_teachers"))
    )
