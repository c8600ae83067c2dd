"""school_outcome: schools' mean scores, their first year with a fellow, and the share of teachers trained so far."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP

PLACE = ("lea_id", "region")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def score(z_score: float | None, school_id: str | None = "1", **said: Any) -> Row:
    cell = {"subject": "ela", "assessment": "LEAP", "grade": "05", "scale_score": 700, "percentile_rank": 50}
    reference = {"reference_n": 9, "reference_mean": 700, "z_score": z_score, "school_id": school_id}
    return cell | reference | said


def post(name: str, school_id: str | None = "1", role: str = "none", **said: Any) -> Row:
    """A teacher of a year at a school, with the part in the programme."""
    return {"staff_key": name, "school_id": school_id, "role": role, "is_active": role == "fellow"} | said


def schools(lake: Scenario, scores: list[Row], posts: list[Row] | None = None) -> pl.DataFrame:
    lake.write("standard_score", *({"student_key": f"a{i}x"} | row for i, row in enumerate(scores)))
    of_role, of_post = ("role", "is_active", "region"), ("school_id", "lea_id", "position", "is_teacher")
    job = {"position": "teacher", "is_teacher": "yes", "source": "staff_file"}
    lake.write("staff_year", *(job | {k: v for k, v in row.items() if k not in of_role} for row in posts or []))
    lake.write("program_role", *({k: v for k, v in row.items() if k not in of_post} for row in posts or []))
    return lake.run(STEP["school_outcome"])


def test_a_school_has_the_mean_score_of_its_students_by_subject_and_year(lake: Scenario) -> None:
    found = schools(
        lake,
        [
            score(0.5),
            score(-0.1),
            score(0.25, subject="mathematics"),
            score(1.0, school_year=2016),
            score(0.7, "2"),
            score(-0.3, state="MO"),
        ],
    )

    assert found.select("school", "subject", "school_year", "n", "mean_z_score").rows() == [
        ("LA 1", "ela", 2015, 2, 0.2),
        ("LA 1", "ela", 2016, 1, 1.0),
        ("LA 1", "mathematics", 2015, 1, 0.25),
        ("LA 2", "ela", 2015, 1, 0.7),
        ("MO 1", "ela", 2015, 1, -0.3),
    ]


def test_scores_without_a_common_scale_or_a_school_are_in_no_mean(lake: Scenario) -> None:
    found = schools(lake, [score(0.5), score(None), score(None, "2"), score(0.9, None)])

    assert found.select("school", "n", "mean_z_score").rows() == [("LA 1", 1, 0.5)]


def test_a_school_is_treated_from_its_first_year_with_an_active_fellow_whatever_their_position(lake: Scenario) -> None:
    later = {"school_year": 2016}
    found = schools(
        lake,
        [score(0.0, school) for school in "12345"] + [score(0.0, "1", school_year=2013)],
        [
            post("fay", "1", "fellow", **later),
            post("fil", "1", "fellow", school_year=2014, is_active=False),
            post("max", "2", "mentee", is_active=True),
            post("ann", "3", "applicant"),
            post("fia", "4", "fellow", position="instructional_coach", is_teacher="no"),
            post("mo", "5", "fellow", state="MO"),
        ],
    )

    assert found.select("school_id", "school_year", "first_treated").rows() == [
        ("1", 2013, 2016),  # also in the years before
        ("1", 2015, 2016),
        ("2", 2015, None),
        ("3", 2015, None),
        ("4", 2015, 2015),
        ("5", 2015, None),  # the other state's school of that code
    ]


def test_trained_are_the_teachers_of_the_year_who_are_or_were_fellows_or_mentees(lake: Scenario) -> None:
    found = schools(
        lake,
        [score(0.0), score(0.0, school_year=2016), score(0.0, "2")],
        [
            post("fay", role="fellow"),
            post("max", role="mentee", is_active=True),
            post("una"),
            post("ann", role="applicant"),
            post("pat", position="principal", is_teacher="no", role="mentee"),
            post("fay", role="fellow", is_active=False, school_year=2016),  # an alumna
            post("una", school_year=2016, role="none"),
        ],
    )

    assert found.select("school_id", "school_year", "trained_share", "n_teachers").rows() == [
        ("1", 2015, 0.5, 4),
        ("1", 2016, 0.5, 2),
        ("2", 2015, None, 0),
    ]


def test_region_is_that_of_most_fellows_of_the_school_then_of_its_agency_and_one_for_all_years(lake: Scenario) -> None:
    found = schools(
        lake,
        [score(0.0, "1", school_year=year) for year in (2014, 2015, 2016)]
        + [score(0.0, "2", lea_id="L"), score(0.0, "3", lea_id="M"), score(0.0, "4")],
        [
            post("fay", "1", "fellow", region="North", lea_id="L"),
            post("fil", "1", "fellow", region="North", lea_id="L", school_year=2016),
            post("fia", "1", "fellow", region="South", lea_id="L"),
            *(post(f"fox{i}", None, "fellow", region="West", lea_id="L") for i in range(4)),  # of no school
        ],
    )

    assert found.select("school_id", "school_year", *PLACE).rows() == [
        ("1", 2014, "L", "North"),
        ("1", 2015, "L", "North"),
        ("1", 2016, "L", "North"),
        ("2", 2015, "L", "West"),
        ("3", 2015, "M", None),
        ("4", 2015, None, None),
    ]


def test_the_agency_is_that_of_most_students_and_staff_over_all_years(lake: Scenario) -> None:
    found = schools(
        lake,
        [score(0.0, lea_id="L"), score(0.0, lea_id="M", school_year=2016), score(0.0, lea_id="M", school_year=2016)],
        [post("una", lea_id="L"), post("ute", lea_id="L")],
    )

    assert found["lea_id"].to_list() == ["L", "L"]


def test_the_mean_is_the_same_to_the_last_digit_in_whatever_order_scores_come(lake: Scenario) -> None:
    scores = [score((i * 7919 % 1009 - 500) / 333) for i in range(200)]

    one, other = (schools(lake, rows)["mean_z_score"].item() for rows in (scores, scores[::-1]))

    assert one == other
