"""match_balance: whether matching made the groups alike, variable by variable."""

from __future__ import annotations

import polars as pl

from le_pipeline.measure.inference.balance import balance
from le_pipeline.measure.inference.matching import support
from le_pipeline.measure.matched_teacher import COVARIATES
from schemas import registry

TABLE = registry.tables()["match_balance"]
FEWEST = 5  # teachers of either group of whom means are told (counts of 1 to 4 staff are protected)
FIGURES = (
    *("mean_treated", "mean_comparison", "sd_treated", "sd_comparison", "standardised_difference", "variance_ratio"),
    "equivalence",
)
CELL = ["population", "comparison", "matching", "state", "subject"]


def finish(units: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.match_balance: per cell and covariate, before and after, with the cell's common support."""
    found = []
    for cell, rows in units.partition_by(CELL, as_dict=True).items():
        if not rows["is_treated"].any():
            continue
        counts = support(rows.with_columns(weight=pl.col("match_weight")), "is_treated", by=[])
        counts = counts.drop("n_treated", "n_comparison")
        table = balance(rows, "is_treated", COVARIATES, weight="match_weight")
        # of fewer teachers a mean would tell of a person
        told = pl.min_horizontal("n_treated", "n_comparison").min().over("covariate") >= FEWEST
        table = table.with_columns(pl.when(told).then(pl.col(name)).alias(name) for name in FIGURES)
        named = dict(zip(CELL, cell, strict=True)) | counts.row(0, named=True)
        found.append(table.with_columns(pl.lit(value).alias(name) for name, value in named.items()))
    if not found:
        return pl.DataFrame(schema=dict.fromkeys(TABLE.column_names, pl.Null))
    return pl.concat(found, how="vertical_relaxed").select(TABLE.column_names)
