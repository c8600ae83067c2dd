"""teacher_retention: from counts to shares, differences and their intervals."""

from __future__ import annotations

import polars as pl

from le_pipeline.measure import statistics
from schemas import registry

TABLE = registry.tables()["teacher_retention"]


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.teacher_retention from the rows of its SQL, one for one."""
    n, retained = pl.col("n"), pl.col("retained")
    other_n, other = pl.col("comparison_n"), pl.col("comparison_retained")
    low, high = statistics.wilson(retained, n)
    p, p0 = pl.col("retention_share"), pl.col("comparison_share")
    shares = counted.with_columns(
        retention_share=statistics.share(retained, n), comparison_share=statistics.share(other, other_n)
    ).with_columns(
        standard_error=(p * (1 - p) / n).sqrt(),
        ci_low=pl.when(n > 0).then(low),
        ci_high=pl.when(n > 0).then(high),
        risk_difference_percentage_points=100 * (p - p0),
        risk_difference_standard_error=100
        * statistics.cluster_robust_error(pl.col("squared_influence"), pl.col("n_clusters"), n + other_n),
        relative_change=pl.when(p0 > 0).then(p / p0 - 1),
        odds_ratio=statistics.odds_ratio(p, p0),
        cox_index=statistics.cox_index(p, n, p0, other_n),
    )
    half = pl.col("risk_difference_standard_error") * statistics.t_quantile(shares["n_clusters"] - 1)
    return shares.with_columns(
        risk_difference_ci_low=pl.col("risk_difference_percentage_points") - half,
        risk_difference_ci_high=pl.col("risk_difference_percentage_points") + half,
    ).select(TABLE.column_names)
