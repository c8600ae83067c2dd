"""link_coverage: from counts to shares, differences and their intervals."""

from __future__ import annotations

import polars as pl

from le_pipeline.measure import statistics
from schemas import registry

TABLE = registry.tables()["link_coverage"]


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.link_coverage from the rows of its SQL, one for one."""
    shares = statistics.share_beside_rest(counted, "n_linked", "rest_linked", "coverage_share")
    co_taught = statistics.share(pl.col("n_co_taught"), pl.col("n_linked"))
    return shares.with_columns(co_taught_share=co_taught).select(TABLE.column_names)
