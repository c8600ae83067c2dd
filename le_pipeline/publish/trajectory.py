"""Students as an intruder meets them: by everything that is known of them over all years together.

A student code ties the rows of all years and subjects together, so what must be shared with others is not a row but the
whole trajectory: which subjects were tested in which years, which cells are filled, and school, grade and
characteristics in each of them. Students are counted once, however many rows they have.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from le_pipeline.publish.hierarchy import ALL, Hierarchy
from le_pipeline.publish.showing import LEAST, MOST

SEP = "\x1e"  # between the values of a trajectory; in no value of a file
STUDENT, SLOT, SHAPE, SCHOOL = "student_key", "slot", "shape", "school"


def students(scores: pl.DataFrame, told: Sequence[str]) -> pl.DataFrame:
    """One row per student: how many `scores` and `rows`, the trajectory of each column, levels in each slot.

    Args:
        scores: as `Population` takes them.
        told: columns of which the values over all scores, in order, become one text.
    """
    scores = scores.sort(STUDENT, SLOT)
    found = scores.group_by(STUDENT, maintain_order=True).agg(
        pl.len().alias("scores"),
        pl.col("rows").sum(),
        *(pl.col(name).fill_null("").str.join(SEP) for name in (SHAPE, SCHOOL, *told)),
    )
    slots = sorted(scores[SLOT].unique())
    levels = scores.select(STUDENT, SLOT, "level").pivot(on=SLOT, on_columns=slots, index=STUDENT, values="level")
    ends = [pl.col(slot).alias(f"{end}.{slot}") for slot in slots for end in (LEAST, MOST)]
    # numbers in the place of texts: classes are made anew for every node
    return found.join(levels.select(STUDENT, *ends), on=STUDENT).with_columns(pl.col(SHAPE, SCHOOL).rank("dense"))


def slots_of_shapes(found: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """Which slots the students of each shape have, one row for each of both."""
    one_of_each = found.unique(SHAPE).select(STUDENT, SHAPE)
    return one_of_each.join(scores.select(STUDENT, SLOT), on=STUDENT).select(SHAPE, SLOT)


def recoded(found: pl.DataFrame, hierarchy: Hierarchy) -> pl.DataFrame:
    """Every trajectory of a characteristic, with what it becomes (`sex.1`) and loses (`sex.1.loss`) on each level."""
    element = hierarchy.element
    known = found.select(pl.col(element).unique().sort())
    values = pl.col(element).str.split(SEP)
    for level, to in enumerate(hierarchy.levels):
        is_top = level == len(hierarchy.levels) - 1
        of_level = {"": ALL if is_top else "", **to}
        loss = {"": float(is_top), **hierarchy.loss(level)}
        became = values.list.eval(pl.element().replace_strict(of_level, return_dtype=pl.String)).list.join(SEP)
        lost = values.list.eval(pl.element().replace_strict(loss, return_dtype=pl.Float64)).list.sum()
        known = known.with_columns(
            became.rank("dense").alias(f"{element}.{level}"), lost.alias(f"{element}.{level}.loss")
        )
    return known
