"""unresolved_record: what is tied to nobody, waits or is left out, and what somebody should do."""

from __future__ import annotations

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
