"""staff_year: each person's primary assignment in each year."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from scenario import Row, Scenario
from steps import STEP, told

PRIMARY = ("staff_key", "school_year", "school_id", "position")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def assignment(school_id: str | None, fte: float | None = None, begin: date | None = None, **said: Any) -> Row:
    place = {"school_id": school_id, "lea_id": "9", "fte": fte, "begin_date": begin}
    return {"staff_key": "tom", "position": "teacher", "is_teacher": "yes"} | place | said


def primary(lake: Scenario, *assignments: Row) -> list[tuple[Any, ...]]:
    return told(lake.write("staff_assignment", *assignments).run(STEP["staff_year"]), *PRIMARY)


def test_the_assignment_with_the_most_fte_is_the_primary_one(lake: Scenario) -> None:
    found = primary(
        lake,
        assignment("1", 0.4, date(2013, 8, 1)),
        assignment("2", 0.6, date(2014, 8, 1), position="instructional_coach", is_teacher="no"),
        assignment("3"),
    )

    assert found == [("tom", 2015, "2", "instructional_coach")]


def test_of_equal_fte_the_earlier_start_counts(lake: Scenario) -> None:
    found = primary(lake, assignment("1", 0.5, date(2014, 9, 1)), assignment("2", 0.5, date(2014, 8, 1)))

    assert found == [("tom", 2015, "2", "teacher")]


def test_of_equal_fte_and_start_the_lowest_school_id_counts_and_no_school_comes_last(lake: Scenario) -> None:
    start = date(2014, 8, 1)

    found = primary(lake, assignment(None, 0.5, start), assignment("2", 0.5, start), assignment("1", 0.5, start))

    assert found == [("tom", 2015, "1", "teacher")]


def test_an_assignment_that_ended_before_july_or_begins_after_june_is_not_of_the_year(lake: Scenario) -> None:
    found = primary(
        lake,
        assignment("1", 1.0, end_date=date(2014, 6, 30)),
        assignment("2", 1.0, begin=date(2015, 7, 1)),
        assignment("3", 0.2, end_date=date(2014, 7, 1)),
        assignment("4", 1.0, staff_key="tina", end_date=date(2014, 6, 30)),
    )

    assert found == [("tom", 2015, "3", "teacher")]


def test_years_and_people_are_taken_apart(lake: Scenario) -> None:
    found = primary(
        lake, assignment("1"), assignment("2", school_year=2016), assignment("3", staff_key="tina", state="MO")
    )

    assert found == [("tina", 2015, "3", "teacher"), ("tom", 2015, "1", "teacher"), ("tom", 2016, "2", "teacher")]


def test_the_school_directory_gives_poverty_and_the_lea_that_the_staff_file_leaves_empty(lake: Scenario) -> None:
    lake.write(
        "school",
        {"school_id": "1", "lea_id": "9", "frpl_share": 0.8},
        {"school_id": "1", "lea_id": "9", "frpl_share": 0.1, "school_year": 2014},
        {"school_id": "1", "lea_id": "7", "frpl_share": 0.2, "state": "MO"},
    )
    lake.write("staff_assignment", assignment("1", lea_id=None), assignment("2", lea_id="5", staff_key="tina"))

    found = lake.run(STEP["staff_year"])

    assert told(found, "staff_key", "lea_id", "frpl_share", "source") == [
        ("tina", "5", None, "staff_file"),
        ("tom", "9", 0.8, "staff_file"),
    ]


def test_where_a_state_sends_no_staff_file_teachers_come_from_links_with_the_school_of_most_students(
    lake: Scenario,
) -> None:
    link = {"subject": "ela", "raw_weight": 1.0, "weight": 1.0, "source": "reported"}
    pupils = ("ann", "bob", "cid", "dan")
    lake.write(
        "teacher_student_link",
        *({"student_key": name, "staff_key": "tom"} for name in pupils),
        {"student_key": "ann", "staff_key": "tom", "subject": "mathematics"},
        {"student_key": "eve", "staff_key": "tina"},
        {"student_key": "ann", "staff_key": "tara", "state": "LA"},
        **({"state": "MO"} | link),
    )
    tested = {"assessment": "MAP", "subject": "ela", "grade": "03", "scale_score": 1.0, "state": "MO"}
    lake.write(
        "student_assessment",
        {"student_key": "ann", "school_id": "2", "lea_id": "9"},
        {"student_key": "bob", "school_id": "1", "lea_id": "8"},
        {"student_key": "cid", "school_id": "1", "lea_id": "8"},
        {"student_key": "dan"},
        **tested,
    )
    lake.write("student_school_association", {"student_key": "dan", "school_id": "3", "state": "MO"})
    lake.write("staff_assignment", assignment("7", staff_key="tess", school_year=2014))

    found = lake.run(STEP["staff_year"])

    assert told(found, "state", "staff_key", "school_year", "school_id", "lea_id", "is_teacher", "source") == [
        ("LA", "tess", 2014, "7", "9", "yes", "staff_file"),
        ("MO", "tina", 2015, None, None, "yes", "teacher_student_link"),
        ("MO", "tom", 2015, "1", "8", "yes", "teacher_student_link"),
    ]


def test_the_assignments_under_each_key_of_a_person_are_one_persons(lake: Scenario) -> None:
    lake.write("person_alias", {"person_kind": "staff", "alias_key": "tom2", "person_key": "tom"})

    found = primary(lake, assignment("1", 0.4), assignment("2", 0.6, staff_key="tom2"))

    assert found == [("tom", 2015, "2", "teacher")]


def test_the_school_of_a_student_is_looked_for_under_each_of_their_keys(lake: Scenario) -> None:
    lake.write("person_alias", {"person_kind": "student", "alias_key": "ann2", "person_key": "ann"})
    link = {"subject": "ela", "raw_weight": 1.0, "weight": 1.0, "source": "roster"}
    lake.write("teacher_student_link", {"student_key": "ann", "staff_key": "tom"}, **link)
    lake.write("student_school_association", {"student_key": "ann2", "school_id": "3"})

    assert told(lake.run(STEP["staff_year"]), "staff_key", "school_id") == [("tom", "3")]
