"""The steps by the table they make, and a table as the short rows that a test writes down."""

from __future__ import annotations

from typing import Any

import polars as pl

from le_pipeline.line import STEPS
from schemas import registry

STEP = {step.table.name: step for step in STEPS}


def told(frame: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    """The columns of each row, keys without the zeros that a scenario pads them with."""
    keys = [name for name in columns if registry.field_of(name).type == "key"]
    return frame.select(columns).with_columns(pl.col(keys).str.strip_chars_end("0")).rows()
