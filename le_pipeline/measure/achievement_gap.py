"""achievement_gap: from counts and sums to gaps and their intervals."""

from __future__ import annotations

import polars as pl

from le_pipeline.measure import statistics
from schemas import registry

TABLE = registry.tables()["achievement_gap"]


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.achievement_gap from the rows of its SQL, one for one."""
    n_a, n_b, g, d = pl.col("n_a"), pl.col("n_b"), pl.col("hedges_g"), pl.col("gap_sd")
    spread = {
        group: statistics.variance(pl.col(f"n_{group}"), pl.col(f"z_sum_{group}"), pl.col(f"z_squares_{group}"))
        for group in "ab"
    }
    pooled = statistics.pooled_variance(n_a, spread["a"], n_b, spread["b"])
    p_a, p_b = pl.col("proficient_share_a"), pl.col("proficient_share_b")
    gaps = (
        counted.with_columns(
            n=n_a + n_b,
            n_judged_a=pl.col("judged_a"),
            n_judged_b=pl.col("judged_b"),
            mean_z_a=pl.col("z_sum_a") / n_a,
            mean_z_b=pl.col("z_sum_b") / n_b,
            proficient_share_a=statistics.share(pl.col("proficient_a"), pl.col("judged_a")),
            proficient_share_b=statistics.share(pl.col("proficient_b"), pl.col("judged_b")),
            v_statistic=statistics.v_statistic(counted["ahead_share"]),
            v_statistic_from_levels=statistics.v_statistic(counted["ahead_share_by_level"]),
        )
        .with_columns(gap_sd=pl.when(pooled > 0).then((pl.col("mean_z_a") - pl.col("mean_z_b")) / pooled.sqrt()))
        .with_columns(hedges_g=statistics.small_sample_factor(n_a + n_b) * d)
        .with_columns(
            standard_error=statistics.hedges_g_error(d, n_a, n_b),
            proficiency_gap_percentage_points=100 * (p_a - p_b),
            proficiency_gap_standard_error=100
            * (p_a * (1 - p_a) / pl.col("judged_a") + p_b * (1 - p_b) / pl.col("judged_b")).sqrt(),
        )
    )
    error = pl.col("standard_error")
    low, high = statistics.share_difference(*map(pl.col, ("proficient_a", "judged_a", "proficient_b", "judged_b")))
    return gaps.with_columns(
        ci_low=g - statistics.Z * error,
        ci_high=g + statistics.Z * error,
        proficiency_gap_ci_low=100 * low,
        proficiency_gap_ci_high=100 * high,
    ).select(TABLE.column_names)
