"""Rosters and lists of who teaches whom, as tests of the links write them: a school year of 100 days."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from scenario import Row, Scenario
from steps import STEP

DAYS = 100


def day(number: int) -> date:
    """A day of a school year of 100 days, counted from 1."""
    return date(2014, 9, 1) + timedelta(number - 1)


def section(name: str = "s", **said: Any) -> Row:
    term = {"term_begin_date": day(1), "term_end_date": day(DAYS)}
    year = {"year_begin_date": day(1), "year_end_date": day(DAYS)}
    return {"section_key": name, "school_id": "1", "lea_id": "9", "subject": "mathematics"} | term | year | said


def student(name: str = "ann", begin: int | None = None, end: int | None = None, **said: Any) -> Row:
    return {"student_key": name, "section_key": "s"} | _stay(begin, end) | said


def teacher(name: str = "tom", begin: int | None = None, end: int | None = None, **said: Any) -> Row:
    return {"staff_key": name, "section_key": "s", "position": "teacher_of_record"} | _stay(begin, end) | said


def _stay(begin: int | None, end: int | None) -> Row:
    return {"begin_date": begin and day(begin), "end_date": end and day(end)}


def listed(teacher: str | None = "tom", student: str = "ann", **said: Any) -> Row:
    """A row of a list that says whose a student is."""
    return {"staff_key": teacher, "student_key": student, "subject": "mathematics"} | said


class Roster:
    """Sections, students and teachers of one small lake."""

    def __init__(self, root: Path) -> None:
        self.scenario = Scenario(root)

    def lists(self, *rows: Row, **common: Any) -> Roster:
        """Replace what is listed beside the roster; the teachers are on the staff file."""
        self.scenario.write("reported_teacher_student_link", *rows, **common)
        return self.staff(*{str(row["staff_key"]) for row in rows if row.get("staff_key")})

    def staff(self, *names: str) -> Roster:
        """Replace the staff file."""
        post = {"position": "teacher", "is_teacher": "yes"}
        self.scenario.write("staff_assignment", *({"staff_key": name} | post for name in names))
        return self

    def same(self, students: dict[str, str] | None = None, staff: dict[str, str] | None = None) -> Roster:
        """Say whose other keys there are, each with the key that the person is known by."""
        people = [
            {"person_kind": kind, "alias_key": alias, "person_key": person}
            for kind, aliases in (("student", students), ("staff", staff))
            for alias, person in (aliases or {}).items()
        ]
        self.scenario.write("person_alias", *people)
        return self

    def claims(self, *rows: Row) -> pl.DataFrame:
        """What each source says by itself of rows written with `section`, `student` and `teacher`."""
        self._write(*rows)
        return self.scenario.run(STEP["teacher_student_claim"])

    def links(self, *rows: Row) -> pl.DataFrame:
        """The links that come of the claims."""
        self.claims(*rows)
        return self.scenario.run(STEP["teacher_student_link"])

    def _write(self, *rows: Row) -> None:
        """Replace the roster; without a section there is one."""
        tables = ("section", "student_section_association", "staff_section_association")
        parts = (
            [row for row in rows if "subject" in row] or [section()],
            [row for row in rows if "student_key" in row],
            [row for row in rows if "staff_key" in row],
        )
        for table, part in zip(tables, parts, strict=True):
            self.scenario.write(table, *part)
