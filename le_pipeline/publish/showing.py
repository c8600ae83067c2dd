"""Whose school and teachers may be shown.

The code of a teacher tells the school: teachers who share students are of one school, and its size and make-up tell
which one. So a teacher is shown only where the school may be known, and school and teacher are shown, or left out,
together: they are shown of students whose whole trajectory, true schools included, k students share. Of the others,
too, there must be k alike, or leaving them out would tell who they are; and no class that is shown has fewer than k.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

LEAST, MOST = "least", "most"  # achievement levels of a group in a slot
CLASS_OF_TEACHER = ("staff_key", "school_year", "subject")


def spread(slots: Sequence[str]) -> list[pl.Expr]:
    """Lowest and highest achievement level of a group in each slot."""
    lowest = [pl.col(f"{LEAST}.{slot}").min() for slot in slots]
    return lowest + [pl.col(f"{MOST}.{slot}").max() for slot in slots]


def diverse(slots: Sequence[str]) -> pl.Expr:
    """Whether a group has at least two achievement levels in every slot of which any level is known."""
    apart = (pl.col(f"{LEAST}.{slot}") < pl.col(f"{MOST}.{slot}") for slot in slots)
    return pl.all_horizontal(pl.lit(value=True), *(is_apart.fill_null(value=True) for is_apart in apart))


def may_be_shown(groups: pl.DataFrame, k: int, slots: Sequence[str]) -> pl.DataFrame:
    """Decide of each group, students of one `class` and path of schools, whether it is shown (`is_shown`).

    Groups of k students with two achievement levels are shown, unless barred (`is_barred`). Where the rest of the class
    is neither empty nor such a group itself, the smallest group that would be shown joins it.
    """
    groups = groups.with_columns((~pl.col("is_barred") & (pl.col("n") >= k) & diverse(slots)).alias("is_shown"))
    rest = groups.filter(~pl.col("is_shown")).group_by("class").agg(pl.col("n").sum(), *spread(slots))
    thin = rest.filter((pl.col("n") < k) | ~diverse(slots))
    joins = (
        groups.filter("is_shown")
        .join(thin, on="class", how="semi")
        .sort("class", "n", "school")
        .unique("class", keep="first", maintain_order=True)
        .select("class", "school", "is_barred", pl.lit(value=True).alias("joins_rest"))
    )
    joined = pl.col("joins_rest").fill_null(value=False)
    return (
        groups.join(joins, on=["class", "school", "is_barred"], how="left")
        .with_columns(pl.col("is_shown") & ~joined)
        .drop("joins_rest")
    )


def settled(students: pl.DataFrame, links: pl.DataFrame, k: int, slots: Sequence[str]) -> pl.DataFrame:
    """Decide of each student whether school and teachers are shown, so that no class of a teacher has fewer than k.

    Args:
        students: as `Population.assigned` gives them.
        links: `student_key`, `staff_key`, `school_year` and `subject`.
        k: how many must be alike.
        slots: school years and subjects.

    Returns:
        The students, `is_shown` decided anew. Whoever is left out once stays out, so this ends.
    """
    students = students.with_columns((~pl.col("is_kept")).alias("is_barred"))
    while True:
        groups = students.group_by("class", "school", "is_barred").agg(pl.len().alias("n"), *spread(slots))
        decided = may_be_shown(groups, k, slots).select("class", "school", "is_barred", "is_shown")
        students = students.drop("is_shown").join(decided, on=["class", "school", "is_barred"])
        is_shown = students.filter("is_shown").select("student_key")
        small = (
            links.join(is_shown, on="student_key", how="semi")
            .group_by(CLASS_OF_TEACHER)
            .agg(pl.col("student_key").unique())
            .filter(pl.col("student_key").list.len() < k)
        )
        if small.is_empty():
            return students.drop("is_barred")
        of_small = small.select(pl.col("student_key").explode().unique().implode()).item()
        students = students.with_columns(
            (pl.col("is_barred") | ~pl.col("is_shown") | pl.col("student_key").is_in(of_small)).alias("is_barred")
        )
