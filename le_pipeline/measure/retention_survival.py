"""retention_survival: from counts by school to hazards, survival, and the difference from people without a part."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from le_pipeline.measure import statistics
from le_pipeline.measure.inference import survival
from le_pipeline.warehouse.engine import empty
from schemas import registry

TABLE = registry.tables()["retention_survival"]
CELL = ["state", "definition", "level", "role", "region", "cohort"]
TIME = "years_since_start"
COUNTS = ("n_at_risk", "n_entered", "n_left", "n_censored", "n_experience_known", "experience_sum")
BESIDE = ["state", "definition", "level", "region"]
WITH_COMPARISON = ("fellow", "mentee", "applicant")


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.retention_survival from the rows of its SQL: one row per cell and year of its schools."""
    rows = _life_tables(counted)
    comparison = rows.filter(role="none", cohort="all").select(
        *BESIDE,
        TIME,
        comparison_n_at_risk="n_at_risk",
        comparison_survival_share="survival_share",
        comparison_start_experience_years="start_experience_years",
    )
    of_parts = rows.filter(pl.col("role").is_in(WITH_COMPARISON)).join(comparison, on=[*BESIDE, TIME])
    both = of_parts.select(*CELL, TIME, pl.selectors.starts_with("comparison_"))
    compared = rows.join(both, on=[*CELL, TIME], how="left").join(_errors(counted), on=[*CELL, TIME], how="left")
    error = pl.col("survival_difference_standard_error")
    half = error * statistics.t_quantile(compared["n_clusters"] - 1)
    points = 100 * (pl.col("survival_share") - pl.col("comparison_survival_share"))
    return compared.with_columns(
        survival_difference_percentage_points=points,
        survival_difference_ci_low=points - half,
        survival_difference_ci_high=points + half,
    ).select(TABLE.column_names)


def _life_tables(counted: pl.DataFrame) -> pl.DataFrame:
    """One life table per cell, with mean experience; years with nobody at risk are reckoned with, but are no rows."""
    summed = counted.group_by(*CELL, TIME).agg(pl.col(COUNTS).sum())
    grid = summed.group_by(CELL).agg(pl.int_ranges(1, pl.col(TIME).max() + 1).alias(TIME).first()).explode(TIME)
    every_year = grid.join(summed, on=[*CELL, TIME], how="left").with_columns(pl.col(COUNTS).fill_null(0))
    return (
        survival.life_table(every_year.sort(*CELL, TIME), CELL)
        .filter(pl.col("n_at_risk") > 0)
        .with_columns(
            start_experience_years=statistics.share(
                pl.col("experience_sum").cast(pl.Float64), pl.col("n_experience_known")
            ),
        )
    )


def _errors(counted: pl.DataFrame) -> pl.DataFrame:
    """Standard error of each difference in percentage points, cluster-robust by school, and the schools it rests on."""
    cells = counted.partition_by(CELL, as_dict=True)
    found = []
    for cell, own in cells.items():
        named = dict(zip(CELL, cell, strict=True))
        other = cells.get(tuple((named | {"role": "none", "cohort": "all"}).values()))
        if named["role"] in WITH_COMPARISON and other is not None:
            found.append(_difference(own, other).select(*(pl.lit(v).alias(k) for k, v in named.items()), pl.all()))
    none_yet = empty(TABLE).select(*CELL, TIME, "n_clusters", "survival_difference_standard_error")
    return pl.concat([none_yet, *found])


def _difference(own: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Of one cell beside another one, by year."""
    schools = pl.concat([own["school"], other["school"]]).unique().sort()
    years = min(int(cell[TIME].to_numpy().max()) for cell in (own, other))
    mine, theirs = _by_school(own, schools, years), _by_school(other, schools, years)
    squares = (survival.influence(*mine[:2]) - survival.influence(*theirs[:2])) ** 2
    has_mine, has_theirs = (np.cumsum(group[0], axis=1) > 0 for group in (mine, theirs))
    several = np.minimum(has_mine.sum(axis=0), has_theirs.sum(axis=0)) > 1
    by_year = pl.DataFrame(
        {
            TIME: np.arange(1, years + 1),
            "n_clusters": (has_mine | has_theirs).sum(axis=0),
            "people": np.cumsum((mine[2] + theirs[2]).sum(axis=0)),
            "squares": np.where(several, squares.sum(axis=0), np.nan),
        }
    ).with_columns(pl.col("squares").fill_nan(None))
    error = statistics.cluster_robust_error(pl.col("squares"), pl.col("n_clusters"), pl.col("people"))
    return by_year.select(TIME, "n_clusters", survival_difference_standard_error=100 * error)


def _by_school(cell: pl.DataFrame, schools: pl.Series, years: int) -> NDArray[np.float64]:
    """n_at_risk, n_left and n_entered, each schools by years."""
    within = cell.filter(pl.col(TIME) <= years)
    place = (schools.search_sorted(within["school"]).to_numpy(), within[TIME].to_numpy() - 1)
    counts = np.zeros((3, len(schools), years))
    for count, name in zip(counts, ("n_at_risk", "n_left", "n_entered"), strict=True):
        count[place] = within[name].to_numpy()
    return counts
