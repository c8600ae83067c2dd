"""The m of each level, corrected by what the certain pairs show.

One step and no iteration: pairs that are certain with the declared m are counted, level by level, beside the declared m
as so many pairs. Counts do not depend on any order, and where there are no matches the declared m stay.
"""

from __future__ import annotations

import math
from dataclasses import replace

import polars as pl

from le_pipeline.link.matching.comparisons import ANOTHER_NAME, Comparison, capped

DECLARED_MATCHES = 500  # certain pairs that the declared m are worth


def learned(compared: list[Comparison], certain: pl.DataFrame) -> list[Comparison]:
    """The comparisons with the m that certain pairs show.

    Args:
        compared: with the declared m.
        certain: pairs, with a `gamma_` column per comparison.
    """
    found = []
    for one in compared:
        counts = dict(certain.group_by(f"gamma_{one.column}").len().iter_rows())
        total = sum(count for gamma, count in counts.items() if gamma >= 0)
        last = len(one.levels) - 1
        levels = [
            replace(level, m=(counts.get(last - index, 0) + DECLARED_MATCHES * level.m) / (total + DECLARED_MATCHES))
            # the m of a swap stands with the given name alone; no certain pair has names of which both are usual
            if level.m < 1 and level.name != ANOTHER_NAME
            else level
            for index, level in enumerate(one.levels)
        ]
        found.append(replace(one, levels=tuple(levels)))
    return capped(found)


def reweighed(pairs: pl.DataFrame, before: list[Comparison], after: list[Comparison]) -> pl.DataFrame:
    """The pairs with the weights that other m give them."""
    bits = pl.lit(0.0)
    for old, new in zip(before, after, strict=True):
        last = len(old.levels) - 1
        gained = {last - index: math.log2(level.m / old.levels[index].m) for index, level in enumerate(new.levels)}
        bits += pl.col(f"gamma_{old.column}").replace_strict(gained | {-1: 0.0}, return_dtype=pl.Float64)
    return pairs.with_columns(match_weight=pl.col("match_weight") + bits)
