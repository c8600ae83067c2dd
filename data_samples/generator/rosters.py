"""Who sat in which class, taught by whom, from which day to which: the events that rosters record.

Days are offsets into the school year, both ends included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from .places import District, School
from .pupils import Attendance, Pupils
from .settings import ROSTER, TAUGHT_SUBJECTS, fall_days, year_days
from .workforce import Job, Person

YEAR, FALL, SPRING = "year", "fall", "spring"
EVENTS = {
    "changes_section": ROSTER.changes_section,
    "changes_school": ROSTER.changes_school,
    "leaves_and_returns": ROSTER.leaves_and_returns,
    "enters_late": ROSTER.enters_late,
    "not_rostered": ROSTER.not_rostered,
}


@dataclass(frozen=True, eq=False)
class SchoolClass:
    """A class: one subject of a section in a term, and the desk whose teacher has it."""

    number: int
    school: School
    grade: int
    section: int
    subject: str
    term: str
    begin: int
    end: int
    desk: int


@dataclass(frozen=True)
class Staffing:
    """A person's part in a class; only those with the role teacher are teachers of record."""

    school_class: SchoolClass
    person: Person
    role: str
    begin: int
    end: int


@dataclass(frozen=True)
class Roster:
    """A district's year.

    `attendance` has the schools at the end of the year, when tests are taken. `enrollments` has pupil, school,
    class_number, subject, begin and end; `links` has pupil, staff_number, subject, enrollment_share and weight. A
    pupil is a row among the district's students.
    """

    district: District
    year: int
    teachers: list[Job]
    attendance: Attendance
    classes: list[SchoolClass]
    staffing: list[Staffing]
    enrollments: pl.DataFrame
    links: pl.DataFrame


def build_roster(
    pupils: Pupils, district: District, teachers: list[Job], year: int, rng: np.random.Generator
) -> Roster:
    """Place the year's students in sections, let things happen to some of them, and staff the classes."""
    begun = pupils.of_year(year)
    stints = _stints(district, begun, year, rng)
    last_school = dict(stints.select("pupil", "school").iter_rows())
    attendance = begun._replace(school=np.array([last_school[row] for row in begun.rows.tolist()], dtype=int))
    pupils.move(attendance)
    classes = list(_classes(district, year))
    staffing = list(_staff(classes, teachers, year))
    enrollments = _enroll(stints.filter("is_rostered"), classes)
    links = _link(enrollments, staffing, year)
    return Roster(district, year, teachers, attendance, classes, staffing, enrollments, links)


def _stints(district: District, begun: Attendance, year: int, rng: np.random.Generator) -> pl.DataFrame:
    """One row per pupil and unbroken time in a section; `is_rostered` is false for those in no class."""
    rows, grade, school = begun
    count, last = len(rows), year_days(year) - 1
    sections = np.array([place.sections for place in district.schools])
    section = _even_sections(grade, school, sections, rng)
    event = rng.choice([*EVENTS, ""], count, p=[*EVENTS.values(), 1 - sum(EVENTS.values())])
    event[(event == "changes_section") & (sections[school] == 1)] = ""
    day = rng.integers(20, last - 120, count)  # all is settled well before the test
    pause = rng.integers(1, 30, count)

    first = {"pupil": rows, "school": school, "grade": grade, "section": section}
    begin = np.where(event == "enters_late", day, 0)
    interrupted = np.isin(event, ["changes_section", "changes_school", "leaves_and_returns"])
    end = np.where(interrupted, day - 1, last)
    second = pl.DataFrame(
        {
            **first,
            "begin": np.where(event == "changes_section", day, day + pause),
            "end": np.full(count, last),
        }
    ).filter(interrupted)
    where = event[interrupted]
    moved_section = second["section"].to_numpy() + (where == "changes_section")
    moved_school = second["school"].to_numpy().copy()
    for index in np.flatnonzero(where == "changes_school"):
        peers = district.of_level(district.schools[moved_school[index]].level)
        moved_school[index] = peers[(peers.index(moved_school[index]) + 1) % len(peers)]
    second = second.with_columns(
        school=pl.Series(moved_school), section=pl.Series(moved_section % sections[moved_school])
    )
    stints = pl.concat([pl.DataFrame({**first, "begin": begin, "end": end}), second])
    rostered = pl.Series(np.concatenate([event != "not_rostered", np.ones(len(second), dtype=bool)]))
    return stints.with_columns(is_rostered=rostered).sort("pupil", "begin")


def _even_sections(grade: np.ndarray, school: np.ndarray, sections: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deal each school's grade out to its sections, in random order."""
    order = np.lexsort((rng.random(len(grade)), grade, school))
    cell = school[order] * 100 + grade[order]
    starts = np.flatnonzero(np.concatenate([[True], cell[1:] != cell[:-1]]))
    position = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    section = np.empty(len(order), dtype=int)
    section[order] = position % sections[school[order]]
    return section


def _classes(district: District, year: int) -> Iterator[SchoolClass]:
    """Year-long classes, but in schools with semesters the upper grades have a fall and a spring class."""
    last, fall = year_days(year) - 1, fall_days(year)
    number = 0
    for school in district.schools:
        for grade in school.grades:
            terms = [(YEAR, 0, last, grade)]
            if school.semesters and grade in ROSTER.semester_grades:
                # In spring the two grades' teachers trade places, so that a student has two in a subject.
                other = sum(ROSTER.semester_grades) - grade
                terms = [(FALL, 0, fall - 1, grade), (SPRING, fall, last, other)]
            for section in range(school.sections):
                for subject in TAUGHT_SUBJECTS:
                    for term, begin, end, desk_grade in terms:
                        number += 1
                        desk = school.desk(desk_grade, subject, section)
                        yield SchoolClass(number, school, grade, section, subject, term, begin, end, desk)


def _staff(classes: Iterable[SchoolClass], jobs: list[Job], year: int) -> Iterator[Staffing]:
    """The class teachers; equals who join one desk's classes all year; and helpers, who are not of record."""
    at_desk: dict[tuple[str, int], list[tuple[Job, str]]] = {}
    for job in jobs:
        school = job.school
        desk, role = job.desk, "teacher"
        if desk is None:  # a teacher too many joins some colleague's classes
            desk = job.person.number % school.desks
        elif desk == school.desks:
            if school.extra_teacher == "specialist":
                continue
            desk = school.index % school.desks
            role = "teacher" if school.extra_teacher == "co_teacher" else "aide"
        at_desk.setdefault((school.school_id, desk), []).append((job, role))
    last = year_days(year) - 1
    for school_class in classes:
        for job, role in at_desk[school_class.school.school_id, school_class.desk]:
            begin = max(school_class.begin, job.begin or 0)
            end = min(school_class.end, last if job.end is None else job.end)
            if begin <= end:
                yield Staffing(school_class, job.person, role, begin, end)


def _enroll(stints: pl.DataFrame, classes: list[SchoolClass]) -> pl.DataFrame:
    """Every stint meets the classes of its section in the terms that it touches."""
    plan = pl.DataFrame(
        {
            "school": [item.school.index for item in classes],
            "grade": [item.grade for item in classes],
            "section": [item.section for item in classes],
            "class_number": [item.number for item in classes],
            "subject": [item.subject for item in classes],
            "class_begin": [item.begin for item in classes],
            "class_end": [item.end for item in classes],
        }
    )
    return (
        stints.join(plan, on=["school", "grade", "section"], how="inner")
        .with_columns(
            begin=pl.max_horizontal("begin", "class_begin"),
            end=pl.min_horizontal("end", "class_end"),
        )
        .filter(pl.col("begin") <= pl.col("end"))
        .sort("pupil", "class_number", "begin")
    )


def _link(enrollments: pl.DataFrame, staffing: list[Staffing], year: int) -> pl.DataFrame:
    """Responsibility of a teacher of record: days shared / days of the year / teachers at the same time.

    The denominator is the school year's for semester classes too, so that fall and spring add up to 1.
    """
    by_class: dict[int, list[Staffing]] = {}
    for part in staffing:
        if part.role == "teacher":
            by_class.setdefault(part.school_class.number, []).append(part)
    pieces = [(number, *piece) for number, parts in by_class.items() for piece in _pieces(parts)]
    teaching = pl.DataFrame(
        pieces, schema=["class_number", "staff_number", "from_day", "to_day", "teachers"], orient="row"
    )
    days = 1 + pl.min_horizontal("end", "to_day") - pl.max_horizontal("begin", "from_day")
    return (
        enrollments.join(teaching, on="class_number", how="inner")
        .with_columns(days=days)
        .filter(pl.col("days") > 0)
        .group_by("pupil", "staff_number", "subject")
        .agg(
            enrollment_share=(pl.col("days").sum() / year_days(year)).round(12),
            weight=((pl.col("days") / pl.col("teachers")).sum() / year_days(year)).round(12),
        )
        .sort("pupil", "subject", "staff_number")
    )


def _pieces(parts: list[Staffing]) -> Iterator[tuple[int, int, int, int]]:
    """Cut a class's time where its teachers change: staff number, first day, last day, teachers by then."""
    cuts = sorted({part.begin for part in parts} | {part.end + 1 for part in parts})
    for begin, following in pairwise(cuts):
        present = [part.person.number for part in parts if part.begin <= begin and part.end >= following - 1]
        for number in present:
            yield number, begin, following - 1, len(present)
