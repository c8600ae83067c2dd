"""benchmark_gap: from sums by teacher to the share of a distance that was closed, with a bootstrap interval."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from le_pipeline.measure import statistics
from schemas import registry

TABLE = registry.tables()["benchmark_gap"]
CELL = list(TABLE.key)
NEAREST = 0.05 + 1e-12  # a distance at or below 0.05 is too small to be divided by; binary shares may miss it by a hair
COMPARISON = "none"
Interval = tuple[float | None, float | None, float | None, str | None]


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.benchmark_gap from the rows of its SQL: one row per cell of its clusters."""
    n, b = pl.col("n"), pl.col("benchmark_share")
    p0, p1 = pl.col("start_share"), pl.col("end_share")
    # in an order of what the clusters hold, not of their keys: the bootstrap draws by place, and the interval must not
    # change with the home's key
    cells = (
        counted.sort(*CELL, "students", "met_before", "meets", "benchmark_sum")
        .group_by(CELL, maintain_order=True)
        .agg(
            pl.col("benchmark_source").min(),
            pl.col("benchmark_confidence").max(),
            n=pl.col("students").sum(),
            n_teachers=pl.len(),
            benchmark_share=pl.col("benchmark_sum").sum() / pl.col("students").sum(),
            start_share=pl.col("met_before").sum() / pl.col("students").sum(),
            end_share=pl.col("meets").sum() / pl.col("students").sum(),
            sums=pl.concat_list(pl.col("students", "met_before", "meets", "benchmark_sum").cast(pl.Float64)),
        )
        .with_columns(closed_share=pl.when(b - p0 > NEAREST).then((p1 - p0) / (b - p0)))
    )
    intervals = [_interval(np.array(sums), closed) for sums, closed in cells.select("sums", "closed_share").iter_rows()]
    found = pl.DataFrame(
        intervals,
        schema={"standard_error": pl.Float64, "ci_low": pl.Float64, "ci_high": pl.Float64, "null_reason": pl.String},
        orient="row",
    )
    cells = pl.concat([cells.drop("sums"), found], how="horizontal")
    beside = [name for name in CELL if name != "role"]
    comparison = cells.filter(pl.col("role") == COMPARISON).select(
        *beside, comparison_n=n, comparison_closed_share=pl.col("closed_share")
    )
    joined = cells.join(comparison, on=beside, how="left")
    itself = pl.col("role").is_in([COMPARISON, "all"])
    return joined.with_columns(
        pl.when(~itself).then(pl.col(name)).alias(name) for name in ("comparison_n", "comparison_closed_share")
    ).select(TABLE.column_names)


def _interval(sums: NDArray[np.float64], closed: float | None) -> Interval:
    """Standard error and percentile interval over resampled teachers, or why there is none."""
    if closed is None:
        return None, None, None, "benchmark_within_0_05"
    if len(sums) < statistics.FEWEST_CLUSTERS:
        return None, None, None, "too_few_teachers"
    students, before, after, benchmark = statistics.bootstrap_sums(sums).T
    distance = (benchmark - before) / students
    replicates = (after - before) / students / np.where(distance > NEAREST, distance, np.nan)
    low, high = (float(np.quantile(replicates, q)) for q in (0.025, 0.975))
    if not low <= closed <= high:  # also where a replicate comes too near to the benchmark to have a closure
        return None, None, None, "interval_unstable"
    return float(np.std(replicates, ddof=1)), low, high, None
