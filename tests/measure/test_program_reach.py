"""program_reach: whom the programme reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scenario import Row, Scenario
from steps import STEP, told

COUNTS = ("state", "region", "school_year", "n_fellows", "n_mentees", "n_teachers_supported", "n_students", "n_schools")
POVERTY = ("state", "region", "n_schools", "n_high_poverty_schools", "high_poverty_school_share")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def part(name: str, role: str, region: str | None = "North", **said: Any) -> Row:
    return {"staff_key": name, "role": role, "region": region, "is_active": True} | said


def post(name: str, school_id: str | None, frpl_share: float | None = None, **said: Any) -> Row:
    return {"staff_key": name, "school_id": school_id, "frpl_share": frpl_share} | said


def link(student: str, staff: str, weight: float = 1, **said: Any) -> Row:
    shares = {"raw_weight": weight, "weight": weight, "source": "roster"}
    return {"student_key": student, "staff_key": staff, "subject": "ela"} | shares | said


def reach(
    lake: Scenario, columns: tuple[str, ...], parts: list[Row], posts: list[Row], links: list[Row] | None = None
) -> list[tuple[Any, ...]]:
    lake.write("program_role", *parts)
    job = {"position": "teacher", "is_teacher": "yes", "source": "staff_file"}
    lake.write("staff_year", *(job | row for row in posts))
    lake.write("teacher_student_link", *(links or []))
    return told(lake.run(STEP["program_reach"]), *columns)


def test_people_students_and_schools_count_once_each_in_every_region_and_in_all(lake: Scenario) -> None:
    found = reach(
        lake,
        COUNTS,
        [
            part("fay", "fellow"),
            part("fil", "fellow", "South"),
            part("max", "mentee"),
            part("mia", "mentee", None),
            part("mo", "fellow", "West", state="MO"),
        ],
        [post("fay", "1"), post("max", "1"), post("fil", "2"), post("mo", "1", state="MO"), post("una", "5")],
        [
            link("ann", "fay"),
            link("ann", "fay", subject="mathematics"),
            link("ann", "max", 0.5),
            link("bob", "fil"),
            link("ann", "fil", 0.5, subject="science"),
            link("cid", "una"),
            link("dan", "mia"),
            link("eve", "fay", 0),
            link("gus", "fay", excluded_reason="not_full_academic_year"),
        ],
    )

    assert found == [
        ("LA", "North", 2015, 1, 1, 2, 1, 1),
        ("LA", "South", 2015, 1, 0, 1, 2, 1),
        ("LA", "all", 2015, 2, 2, 4, 3, 2),
        ("MO", "West", 2015, 1, 0, 1, 0, 1),
        ("MO", "all", 2015, 1, 0, 1, 0, 1),
        ("all", "North", 2015, 1, 1, 2, 1, 1),
        ("all", "South", 2015, 1, 0, 1, 2, 1),
        ("all", "West", 2015, 1, 0, 1, 0, 1),
        ("all", "all", 2015, 3, 2, 5, 3, 3),
    ]


def test_alumni_applicants_and_people_without_a_part_reach_nobody(lake: Scenario) -> None:
    found = reach(
        lake,
        COUNTS,
        [
            part("alf", "fellow", is_active=False),
            part("amy", "applicant", is_active=False),
            part("una", "none", is_active=False),
        ],
        [post("alf", "1"), post("amy", "1"), post("una", "1")],
        [link("ann", "alf"), link("bob", "amy"), link("cid", "una")],
    )

    assert found == []


def test_fellows_who_are_administrators_reach_their_school_like_teachers(lake: Scenario) -> None:
    head = {"position": "principal", "is_teacher": "no"}

    found = reach(lake, COUNTS, [part("pia", "fellow", **head)], [post("pia", "1", **head)])

    assert found[-1] == ("all", "all", 2015, 1, 0, 1, 0, 1)


def test_the_share_of_high_poverty_is_over_the_schools_whose_share_is_known(lake: Scenario) -> None:
    names = [f"f{i}x" for i in range(6)]
    shares: list[float | None] = [0.76, 0.75, 0.9, None, 0.1]
    posts = [post(name, str(i), s) for i, (name, s) in enumerate(zip(names[:5], shares, strict=True))]

    found = reach(lake, POVERTY, [part(name, "fellow") for name in names], [*posts, post("f5x", None)])

    assert found[-1] == ("all", "all", 5, 2, 0.5)


def test_the_share_is_empty_where_no_school_is_known(lake: Scenario) -> None:
    found = reach(lake, POVERTY, [part("fay", "fellow"), part("max", "mentee")], [post("fay", "1")])

    assert found[-1] == ("all", "all", 1, 0, None)
