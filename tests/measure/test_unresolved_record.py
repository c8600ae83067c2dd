"""unresolved_record: what is tied to nobody, waits or is left out, and what somebody should do."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from delivered import delivery
from le_pipeline.warehouse.contract import violations
from scenario import Row, Scenario
from schemas import registry
from steps import STEP, told


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def unresolved(lake: Scenario, *columns: str) -> list[tuple[Any, ...]]:
    made = lake.run(STEP["unresolved_record"])
    assert not any(violations(lake.engine, registry.tables()["unresolved_record"]).values())
    return told(made, *(columns or ("school_year", "record_source", "reason", "n")))


def fellowship(**said: Any) -> Row:
    return {"cohort": "2015", "begin_date": date(2014, 8, 1)} | said


def pair(left: str, right: str, kind: str = "student", status: str = "review") -> Row:
    sure = {"match_probability": 0.8, "match_weight": 2.0, "evidence": "names agree", "model_hash": "m"}
    names = {"person_kind": kind, "left_key": left, "right_key": right, "match_status": status}
    return names | sure | {"match_method": "probabilistic"}


def test_records_are_counted_by_source_and_reason(lake: Scenario) -> None:
    lake.write("delivery", delivery("d1"), delivery("d2", "teacher_student_link"))
    lake.write(
        "program_participant",
        {"role": "fellow", "unresolved_reason": "not_on_staff"},
        {"role": "mentee", "staff_key": "mia", "unresolved_reason": "several_people", "source_row": 3},
        {"role": "applicant", "staff_key": "al", "source_row": 4},
    )
    lake.write(
        "reported_teacher_student_link",
        *({"student_key": "ann", "name_key": name, "subject": "ela"} for name in ("known name", "other name")),
        {"student_key": "ann", "staff_key": "tom", "subject": "ela"},
        delivery_id="d2",
    )
    lake.write("person_alias", {"alias_key": "known name", "person_key": "tina", "person_kind": "staff"})
    lake.write(
        "quarantine",
        {"source_row": 3, "rule": "not_on_roster", "source_column": "ID"},
        {"source_row": 3, "rule": "not_on_roster", "source_column": "Other ID"},
        {"source_row": 5, "rule": "range", "source_column": "Score"},
        path="p",
        fix="f",
    )
    share = {"staff_key": "tom", "subject": "ela", "raw_weight": 0.0, "weight": 0.0, "source": "roster"}
    lake.write(
        "teacher_student_link",
        {"student_key": "ann"},
        {"student_key": "ben", "excluded_reason": "no_share_declared"},
        **share,
    )

    assert unresolved(lake) == [
        (2015, "fellowship", "not_on_staff", 1),
        (2015, "linked.teacher_student_link", "no_share_declared", 1),
        (2015, "mentorship", "several_people", 1),
        (2015, "student_assessment", "not_on_roster", 1),
        (2015, "teacher_student_link", "name_not_on_staff", 1),
    ]
    assert "Land the roster that has the person, or correct the id (`le quarantine list`)" in [
        said for (said,) in unresolved(lake, "what_to_do")
    ]


def test_pairs_that_wait_stand_by_kind_of_person_where_a_key_was_seen_last(lake: Scenario) -> None:
    lake.write(
        "student_school_association",
        {"student_key": "ann", "school_id": "1"},
        {"student_key": "anne", "school_id": "1", "school_year": 2016},
    )
    lake.write("staff_assignment", {"staff_key": "tom"}, position="teacher", is_teacher="yes")
    lake.write("person_match", pair("ann", "anne"), pair("thom", "tom", "staff"), pair("ann", "ben", status="accepted"))

    assert unresolved(lake) == [
        (2015, "linked.person_match", "staff_waits_for_review", 1),
        (2016, "linked.person_match", "student_waits_for_review", 1),
    ]


def test_a_pair_that_an_entry_of_a_list_waits_for_is_counted_once(lake: Scenario) -> None:
    waits = {"unresolved_reason": "waits_for_review"}
    lake.write("fellowship", fellowship(name_key="fay"), fellowship(name_key="known", staff_key="kim", source_row=3))
    lake.write("mentorship", {"mentee_staff_key": "mia", "fellow_name_key": "flo"}, delivery_id="d2")
    lake.write("applicant", {"name_key": "al", "applied_year": 2015, "decision": "selected"}, delivery_id="d3")
    lake.write(
        "program_participant",
        {"role": "fellow"} | waits,
        {"role": "fellow", "source_row": 3, "staff_key": "kim"},
        {"role": "mentee", "delivery_id": "d2", "staff_key": "mia"} | waits,
        {"role": "applicant", "delivery_id": "d3"} | waits,
    )
    lake.write("reported_teacher_student_link", {"student_key": "ann", "name_key": "tess", "subject": "ela"})
    names = ("fay", "flo", "al", "tess", "known")
    lake.write("person_match", *(pair(name, "somebody", "staff") for name in names))

    assert unresolved(lake) == [
        (2015, "applicant", "waits_for_review", 1),
        (2015, "fellowship", "waits_for_review", 1),
        (2015, "linked.person_match", "staff_waits_for_review", 1),
        (2015, "mentorship", "waits_for_review", 1),
        (2015, "teacher_student_link", "name_not_on_staff", 1),
    ]


def test_records_of_students_on_no_roster_are_counted_where_there_is_a_roster_of_the_year(lake: Scenario) -> None:
    lake.write("student_school_association", {"student_key": "ann", "school_id": "1"})
    lake.write("person_alias", {"alias_key": "anne", "person_key": "ann", "person_kind": "student"})
    score = {"assessment": "LEAP", "subject": "ela", "scale_score": 700.0}
    names = ("ann", "anne", "ben", "cid")
    lake.write(
        "student_assessment",
        *({"student_key": name} for name in names),
        {"student_key": "dan", "school_year": 2016},
        **score,
    )
    lake.write("student_section_association", {"student_key": "ben", "section_key": "s"})

    assert unresolved(lake) == [
        (2015, "student_assessment", "not_on_roster", 2),
        (2015, "student_section", "not_on_roster", 1),
    ]


def test_tested_students_without_a_teacher_of_the_subject_are_counted(lake: Scenario) -> None:
    taught = (("ann", "ela", "fellow"), ("ann", "mathematics", "unlinked"), ("ben", "ela", "unlinked"))
    lake.write("student_exposure", *({"student_key": s, "subject": t, "exposure": e} for s, t, e in taught))

    assert unresolved(lake, "record_source", "reason", "n", "what_to_do") == [
        (
            "linked.student_exposure",
            "no_teacher",
            2,
            "Land the roster or the list that has the student's teacher of the subject",
        )
    ]


def test_an_id_of_somebody_else_is_counted_once_whether_or_not_an_entry_falls_for_it(lake: Scenario) -> None:
    lake.write("fellowship", fellowship(staff_key="tom", name_key="fay"))
    lake.write("program_participant", {"role": "fellow", "unresolved_reason": "id_of_somebody_else"})
    lake.write(
        "identity_conflict",
        {"person_key": "tom", "feed": "fellowship", "claimed_by": "id", "name_key": "fay", "is_linked": False},
        {"person_key": "tara", "feed": "fellowship", "claimed_by": "email", "name_key": "fay", "is_linked": False},
        {"person_key": "tina", "feed": "fellowship", "claimed_by": "id", "name_key": "una", "is_linked": False},
        {
            "person_key": "ann",
            "feed": "student_assessment",
            "claimed_by": "id",
            "is_linked": True,
            "person_kind": "student",
        },
    )

    assert unresolved(lake) == [
        (2015, "fellowship", "id_of_somebody_else", 1),
        (2015, "linked.identity_conflict", "id_of_somebody_else", 2),
    ]


def test_teachers_whom_the_staff_file_of_the_year_lacks_are_counted_where_there_is_one(lake: Scenario) -> None:
    post = {"position": "teacher", "is_teacher": "yes"}
    lake.write("staff_assignment", {"staff_key": "tom"} | post)
    lake.write(
        "staff_section_association",
        *({"staff_key": name, "section_key": "s", "position": "teacher_of_record"} for name in ("tom", "ghost")),
        {"staff_key": "ghost", "section_key": "s", "position": "teacher_of_record", "school_year": 2014},
    )

    assert unresolved(lake) == [(2015, "staff_section", "not_on_staff", 1)]
