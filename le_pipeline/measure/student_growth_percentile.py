"""student_growth_percentile: the growth percentiles of each group of students whom one test compares."""

from __future__ import annotations

import polars as pl

from le_pipeline.home import Home
from le_pipeline.measure.inference.growth_percentile import growth_percentiles
from le_pipeline.warehouse.engine import empty
from schemas import registry
from schemas.evaluation import load_settings

TABLE = registry.tables()["student_growth_percentile"]
GROUP = ["state", "assessment", "subject", "grade", "school_year"]
PRIORS = ["prior_z_score", "earlier_z_score"]
# 100 curves: of fewer students than 250 under 2.5 would stand between two neighbours, and each of two priors' 15
# coefficients would rest on under 17
FEWEST = 250


def is_wanted(home: Home) -> bool:
    """Whether the home's settings ask for growth percentiles.

    Raises:
        ContractError: the settings are wrong; names file, line and key.
    """
    return load_settings(home.evaluation_settings).student_growth_percentiles


def finish(scored: pl.DataFrame) -> pl.DataFrame:
    """The columns of linked.student_growth_percentile from the rows of its SQL.

    Who has two prior scores is compared by both where enough have them, else by the first, as all others are.
    """
    found = [_compared(group, count) for count in (2, 1) for group in _groups(scored, count)]
    return pl.concat([empty(TABLE), *found]).unique(TABLE.key, keep="first", maintain_order=True)


def _groups(scored: pl.DataFrame, n_priors: int) -> list[pl.DataFrame]:
    complete = scored.drop_nulls(PRIORS[:n_priors])
    return [group for group in complete.partition_by(GROUP, maintain_order=True) if group.height >= FEWEST]


def _compared(group: pl.DataFrame, n_priors: int) -> pl.DataFrame:
    percentiles = growth_percentiles(group["z_score"].to_numpy(), group.select(PRIORS[:n_priors]).to_numpy())
    return group.with_columns(
        student_growth_percentile=pl.Series(percentiles),
        n_prior_scores=pl.lit(n_priors, pl.Int64),
        norm_group_n=pl.lit(group.height, pl.Int64),
    ).select(TABLE.column_names)
