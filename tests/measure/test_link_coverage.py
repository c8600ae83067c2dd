"""link_coverage: which test takers are linked to a teacher of the subject, and how sure the links are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from le_pipeline.warehouse.contract import notices, violations
from scenario import Row, Scenario
from schemas import registry
from steps import STEP, told

TABLE = registry.tables()["link_coverage"]


def taker(name: str, subject: str = "mathematics", **said: Any) -> Row:
    fixed = {"assessment": "LEAP", "grade": "04", "scale_score": 700.0, "percentile_rank": 50.0, "reference_n": 9}
    return {"student_key": name, "subject": subject, "reference_mean": 700.0} | fixed | said


def link(student: str, staff: str, weight: float = 1, **said: Any) -> Row:
    shares = {"raw_weight": weight, "weight": weight, "source": "roster", "subject": "mathematics"}
    return {"student_key": student, "staff_key": staff} | shares | said


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def coverage(lake: Scenario, *columns: str, breakdown: str = "all") -> list[tuple[Any, ...]]:
    lake.run(STEP["score_teacher"])
    made = lake.run(STEP["link_coverage"])
    assert not any(violations(lake.engine, TABLE).values())
    return told(made.filter(made["breakdown"] == breakdown), "subject", *columns)


def test_a_test_taker_counts_once_with_all_teachers_who_have_a_weight(lake: Scenario) -> None:
    lake.write("standard_score", *(taker(name) for name in ("ann", "ben", "cy", "di")), taker("ann", "science"))
    lake.write(
        "teacher_student_link",
        link("ann", "tom", 0.5, is_disputed=True),
        link("ann", "tina", 0.5, is_disputed=True),
        link("ben", "tom", 0.4, is_under_claimed=True),
        link("cy", "tom", 0, excluded_reason="no_share_declared"),
        link("di", "tom", 0),
        link("nobody tested", "tom"),
    )

    assert coverage(lake, "n", "n_linked", "coverage_share", "n_co_taught", "co_taught_share") == [
        ("mathematics", 4, 2, 0.5, 1, 0.5),
        ("science", 1, 0, 0.0, 0, None),
    ]
    assert coverage(lake, "n_under_claimed", "n_over_claimed", "n_disputed")[0] == ("mathematics", 1, 0, 1)
    assert notices(lake.engine, TABLE) == {"low_coverage": 2, "linkage_bias": 0}


def test_a_test_of_a_course_is_linked_through_its_general_subject_where_it_has_no_section(
    lake: Scenario,
) -> None:
    lake.write("standard_score", taker("ann", "algebra_1"), taker("ben", "algebra_1"), taker("cy", "geometry"))
    lake.write(
        "teacher_student_link",
        link("ann", "tom"),
        link("ben", "tom"),
        link("ben", "tina", subject="algebra_1"),
        link("cy", "tina", subject="algebra_1"),
    )

    assert coverage(lake, "n", "n_linked", "n_co_taught") == [("algebra_1", 2, 2, 0), ("geometry", 1, 0, 0)]


def test_groups_that_are_linked_less_often_stand_out(lake: Scenario) -> None:
    lake.write(
        "standard_score",
        *(taker(f"a{i}x", english_learner="no") for i in range(50)),
        *(taker(f"b{i}x", english_learner="yes") for i in range(50)),
    )
    lake.write(
        "teacher_student_link", *(link(f"a{i}x", "tom") for i in range(50)), *(link(f"b{i}x", "tom") for i in range(40))
    )

    found = coverage(
        lake, "breakdown_value", "coverage_share", "rest_n", "difference_percentage_points", breakdown="english_learner"
    )

    assert found == [
        ("mathematics", "no", 1.0, 50, pytest.approx(20.0)),
        ("mathematics", "yes", 0.8, 50, pytest.approx(-20.0)),
    ]
    assert notices(lake.engine, TABLE) == {"low_coverage": 0, "linkage_bias": 2}
