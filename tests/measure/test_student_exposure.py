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
    found = lake.write("teacher_student_link", *links).run(STEP["student_exposure"])
    return told(found, "student_key", "exposure", "teacher_key", "region")


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


def write_score(lake: Scenario, subject: str) -> None:
    score = {"student_key": "ann", "assessment": "LEAP", "grade": "05", "scale_score": 700, "percentile_rank": 50}
    lake.write("standard_score", score | {"subject": subject, "reference_n": 9, "reference_mean": 700})


@pytest.mark.parametrize(
    ("subject", "taught", "teacher"),
    [
        ("algebra_1", "mathematics", "una"),
        ("mathematics", "algebra_1", "una"),
        ("reading", "ela", "una"),
        ("reading", "english", "una"),
        ("english_1", "ela", "una"),
        ("biology", "science", "una"),
        ("algebra_1", "geometry", None),
        ("english_2", "english_1", None),
        ("mathematics", "science", None),
        ("composite", "ela", None),
    ],
)
def test_a_subject_is_taught_in_sections_of_its_family_but_one_course_not_in_another(
    lake: Scenario, subject: str, taught: str, teacher: str | None
) -> None:
    write_score(lake, subject)

    (found,) = exposure(lake, link("una", 1, subject=taught))

    assert found[2] == teacher


def test_teachers_of_the_very_subject_come_before_those_of_its_family(lake: Scenario) -> None:
    write_score(lake, "algebra_1")

    found = exposure(lake, link("una", 0.4, subject="algebra_1"), link("fay", 1, subject="mathematics"))

    assert found == [("ann", "none", "una", "West")]


def test_who_teaches_several_subjects_of_the_family_has_the_weights_of_all(lake: Scenario) -> None:
    parts = [
        link("una", 0.6, subject="reading"),
        link("una", 0.5, subject="writing"),
        link("max", 1, subject="english"),
    ]

    assert exposure(lake, *parts) == [("ann", "mentee", "una", "South")]
