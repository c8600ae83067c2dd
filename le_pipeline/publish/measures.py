"""What an extract is worth as protection, measured on the very rows that are handed out.

Shares no code with what recoded them but the measures themselves: trajectories are put together anew from the delivered
columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from le_pipeline.publish.anonymity import Risks, k_anonymity, l_diversity, risks, t_closeness
from le_pipeline.publish.recoding import OF_SCORE, OF_TEACHER, Recoding

TRAJECTORY, TEACHERS = "trajectory", "teachers"


@dataclass(frozen=True)
class Measures:
    """What was measured, of whole trajectories of students.

    `l` and `t`: of achievement levels in the worst school year and subject; None where no level is known.
    `risks_before`: the same risks, had nothing been recoded or left out. `smallest_teacher_class`: students of a
    teacher in a subject and year; None where no teacher is shown. `known_teachers_share`: of the students, those who
    would be one of fewer than k for whoever knows all their teachers as well, which k does not count.
    """

    students: int
    k: int
    l: int | None  # noqa: E741
    t: float | None
    risks: Risks
    risks_before: Risks
    smallest_teacher_class: int | None
    known_teachers_share: float


def measured(table: pl.DataFrame, recoding: Recoding) -> Measures:
    """Measure a table of an extract, with the achievement level beside it (`level`)."""
    students = _students(table)
    levels = table.unique(["student_code", "school_year", "subject"]).drop_nulls("level")
    levels = levels.join(students.select("student_code", TRAJECTORY), on="student_code")
    of_slot = [TRAJECTORY, "school_year", "subject"]
    by_slot = levels.partition_by("school_year", "subject")
    alone = students.group_by(TRAJECTORY, TEACHERS).len().filter(pl.col("len") < recoding.agreement.k)["len"].sum()
    return Measures(
        students=students.height,
        k=k_anonymity(students, [TRAJECTORY]),
        l=l_diversity(levels, of_slot, "level") if levels.height else None,
        t=max((t_closeness(slot, [TRAJECTORY], "level") for slot in by_slot), default=None),
        risks=risks(students, [TRAJECTORY]),
        risks_before=recoding.population.risks_before(),
        smallest_teacher_class=_smallest_class(table),
        known_teachers_share=int(alone) / max(students.height, 1),
    )


def _students(table: pl.DataFrame) -> pl.DataFrame:
    """One row per student, with the whole trajectory and all teachers, each as one text."""
    of_teacher = {"teacher_code", *OF_TEACHER}
    told = [name for name in table.columns if name not in {"student_code", "level", *of_teacher}]
    seen = [
        pl.col(name).is_null().cast(pl.String) if name in OF_SCORE else pl.col(name).cast(pl.String) for name in told
    ]
    row = pl.concat_str([cell.fill_null("") for cell in seen], separator="|")
    teacher = pl.col("teacher_code") if "teacher_code" in table.columns else pl.lit(None, dtype=pl.String)
    return table.group_by("student_code").agg(
        row.unique().sort().str.join("\n").alias(TRAJECTORY),
        teacher.drop_nulls().unique().sort().str.join("|").alias(TEACHERS),
    )


def _smallest_class(table: pl.DataFrame) -> int | None:
    if "teacher_code" not in table.columns:
        return None
    classes = table.drop_nulls("teacher_code").group_by("teacher_code", "school_year", "subject")
    return min(classes.agg(pl.col("student_code").n_unique())["student_code"], default=None)
