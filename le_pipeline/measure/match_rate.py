"""match_rate: from counts to shares, differences and their intervals."""

from __future__ import annotations

import polars as pl

from le_pipeline.measure import statistics
from schemas import registry

TABLE = registry.tables()["match_rate"]


def finish(counted: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.match_rate from the rows of its SQL, one for one."""
    return statistics.share_beside_rest(counted, "n_matched", "rest_matched", "match_share").select(TABLE.column_names)
