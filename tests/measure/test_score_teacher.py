"""score_teacher: which teachers answer for a score, and to what share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenario import Row, Scenario
from steps import STEP, told


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def score(subject: str, student: str = "ann") -> Row:
    fixed = {"assessment": "LEAP", "grade": "05", "scale_score": 700, "percentile_rank": 50, "reference_n": 9}
    return {"student_key": student, "subject": subject, "reference_mean": 700} | fixed


def link(staff: str, subject: str, weight: float = 1, **said: Any) -> Row:
    shares = {"raw_weight": weight, "weight": weight, "source": "roster"}
    return {"student_key": "ann", "staff_key": staff, "subject": subject} | shares | said


def teachers(lake: Scenario, tested: str, *links: Row) -> list[tuple[Any, ...]]:
    lake.write("standard_score", score(tested)).write("teacher_student_link", *links)
    return told(lake.run(STEP["score_teacher"]), "staff_key", "weight")


@pytest.mark.parametrize(
    ("tested", "taught", "is_linked"),
    [
        ("algebra_1", "mathematics", True),
        ("mathematics", "algebra_1", True),
        ("reading", "ela", True),
        ("reading", "english", True),
        ("english_1", "ela", True),
        ("biology", "science", True),
        ("algebra_1", "geometry", False),
        ("english_2", "english_1", False),
        ("mathematics", "science", False),
        ("composite", "ela", False),
    ],
)
def test_a_subject_is_taught_in_sections_of_its_family_but_one_course_not_in_another(
    lake: Scenario, tested: str, taught: str, is_linked: bool
) -> None:
    assert teachers(lake, tested, link("una", taught)) == ([("una", 1.0)] if is_linked else [])


def test_teachers_of_the_very_subject_come_before_those_of_its_family(lake: Scenario) -> None:
    found = teachers(lake, "algebra_1", link("una", "algebra_1", 0.4), link("fay", "mathematics"))

    assert found == [("una", 0.4)]


def test_classes_of_kindred_subjects_that_together_claim_more_than_one_are_scaled_down(lake: Scenario) -> None:
    parts = [link("una", "ela", 0.6), link("una", "writing", 0.6), link("max", "english", 0.8)]

    assert teachers(lake, "reading", *parts) == [("max", 0.4), ("una", 0.6)]


def test_links_that_are_excluded_or_without_weight_answer_for_no_score(lake: Scenario) -> None:
    parts = [link("una", "ela", excluded_reason="not_full_academic_year"), link("max", "ela", 0)]

    assert teachers(lake, "ela", *parts) == []


def test_whatever_is_flagged_in_one_of_a_teachers_classes_is_flagged(lake: Scenario) -> None:
    lake.write("standard_score", score("reading"))
    lake.write(
        "teacher_student_link",
        link("una", "ela", 0.3, is_under_claimed=True),
        link("una", "writing", 0.7, is_disputed=True),
    )

    found = lake.run(STEP["score_teacher"])

    assert told(found, "is_of_very_subject", "is_under_claimed", "is_over_claimed", "is_disputed") == [
        (False, True, False, True)
    ]
