"""student_exposure: by which kind of teacher a tested student was taught."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenario import Row, Scenario
from steps import STEP, told


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    """Ann has a score; fay is an active fellow, max a mentee, alf a former fellow, una has no part."""
    lake = Scenario(tmp_path / "home")
    lake.write(
        "standard_score",
        {
            "student_key": "ann",
            "subject": "ela",
            "assessment": "LEAP",
            "grade": "05",
            "scale_score": 700,
            "percentile_rank": 50,
            "reference_n": 9,
            "reference_mean": 700,
        },
    )
    return lake.write(
        "program_role",
        {"staff_key": "fay", "role": "fellow", "is_active": True, "region": "North"},
        {"staff_key": "max", "role": "mentee", "is_active": True, "region": "South"},
        {"staff_key": "alf", "role": "fellow", "is_active": False, "region": "East"},
        {"staff_key": "una", "role": "none", "is_active": False, "region": "West"},
    )


def link(staff: str, weight: float, **said: Any) -> Row:
    shares = {"raw_weight": weight, "weight": weight, "source": "roster"}
    return {"student_key": "ann", "staff_key": staff, "subject": "ela"} | shares | said


def exposure(lake: Scenario, *links: Row) -> list[tuple[Any, ...]]:
    lake.write("teacher_student_link", *links).run(STEP["score_teacher"])
    return told(lake.run(STEP["student_exposure"]), "student_key", "exposure", "teacher_key", "region")


@pytest.mark.parametrize(("one", "other"), [("una", "new"), ("new", "una"), ("zoe", "abe"), ("abe", "zoe")])
def test_of_teachers_with_equal_weights_the_one_with_more_students_is_the_cluster_whatever_the_keys(
    lake: Scenario, one: str, other: str
) -> None:
    score = {"subject": "ela", "assessment": "LEAP", "grade": "05", "scale_score": 700}
    score |= {"percentile_rank": 50, "reference_n": 9, "reference_mean": 700}
    lake.write("standard_score", *({"student_key": name, **score} for name in ("ann", "bob")))
    links = [link(one, 0.5), link(other, 0.5), link(one, 1) | {"student_key": "bob"}]

    (ann, _) = exposure(lake, *links)

    assert ann[2] == one


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([], ("unlinked", None, None)),
        ([link("una", 1)], ("none", "una", "West")),
        ([link("new", 1)], ("none", "new", None)),
        ([link("alf", 0.1), link("una", 0.9)], ("former", "una", "East")),
        ([link("alf", 0.9), link("max", 0.1)], ("mentee", "alf", "South")),
        ([link("max", 0.2), link("una", 0.8)], ("mentee", "una", "South")),
        ([link("fay", 0.1), link("max", 0.3), link("una", 0.6)], ("fellow", "una", "North")),
        ([link("una", 0.5), link("max", 0.5)], ("mentee", "max", "South")),
        ([link("fay", 0), link("una", 1)], ("none", "una", "West")),
        ([link("fay", 0.5, excluded_reason="not_full_academic_year"), link("una", 0.5)], ("none", "una", "West")),
        ([link("fay", 1, subject="mathematics"), link("una", 1)], ("none", "una", "West")),
        ([link("fay", 1, school_year=2014)], ("unlinked", None, None)),
    ],
)
def test_a_student_counts_once_by_the_teacher_with_the_most_part_in_the_programme(
    lake: Scenario, links: list[Row], expected: tuple[Any, ...]
) -> None:
    assert exposure(lake, *links) == [("ann", *expected)]


def test_the_part_is_that_of_whoever_answers_for_the_score_in_a_kindred_subject_too(lake: Scenario) -> None:
    assert exposure(lake, link("max", 1, subject="english")) == [("ann", "mentee", "max", "South")]
