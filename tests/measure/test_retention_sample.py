"""retention_sample: who is retained by which definition, with which part, and what is held equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP, told

OUTCOMES = ("stayer", "mover_within_lea", "mover_out_of_lea", "promoted_within", "role_change", "leaver")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def sample(lake: Scenario, *teachers: Row) -> pl.DataFrame:
    """Each row is told to the table that has its columns; the outcome is stayer."""
    named = [{"staff_key": f"t{i}x", "school_year": 2015} | row for i, row in enumerate(teachers)]
    lake.write("retention_outcome", *(_of("outcome", row) for row in named))
    lake.write("program_role", *(_of("decision", row) for row in named))
    lake.write("staff_year", *(_of("person", row) for row in named))
    return lake.run(STEP["retention_sample"])


def _of(what: str, row: Row) -> Row:
    said = {name: row[name] for name in ("staff_key", "school_year")}
    if what == "decision":
        part = {"is_active": False, "years_until_program": 0, "role": "none"}
        return said | part | {name: row[name] for name in ("role", "is_active", "application_decision") if name in row}
    if what == "person":
        post = {"position": "teacher", "is_teacher": "yes", "source": "staff_file"}
        known = ("experience_years", "sex", "race_ethnicity")
        return said | post | {name: row[name] for name in known if name in row}
    told_elsewhere = ("application_decision", "experience_years", "sex", "race_ethnicity")
    one: Row = {"outcome": "stayer", "role": "none", "is_active": False, "poverty_band": "low", "school_id": "1"}
    return one | {name: value for name, value in row.items() if name not in told_elsewhere}


@pytest.mark.parametrize("in_poverty", [True, False])
def test_the_definitions_of_retained_stand_side_by_side(lake: Scenario, in_poverty: bool) -> None:
    poverty = {"in_high_poverty_school": in_poverty, "next_in_high_poverty_school": True}

    found = sample(lake, *({"outcome": outcome} | poverty for outcome in (*OUTCOMES, None)))

    in_any = (1, 1, 1, 0, 0, 0, None) if in_poverty else (None,) * 7
    promoted = (1, 1, 1, 1, 0, 0, None) if in_poverty else (None,) * 7
    expected = {
        "school": (1, 0, 0, 0, 0, 0, None),
        "lea": (1, 1, 0, 0, 0, 0, None),
        "state": (1, 1, 1, 0, 0, 0, None),
        "high_poverty_school": in_any,
        "school_or_promoted": (1, 0, 0, 1, 0, 0, None),
        "lea_or_promoted": (1, 1, 0, 1, 0, 0, None),
        "state_or_promoted": (1, 1, 1, 1, 0, 0, None),
        "high_poverty_school_or_promoted": promoted,
    }
    assert {name: tuple(found[f"retained_in_{name}"]) for name in expected} == expected


@pytest.mark.parametrize(("next_in_high_poverty_school", "is_retained"), [(True, 1), (False, 0), (None, None)])
def test_a_teacher_of_a_high_poverty_school_is_retained_in_any_such_school(
    lake: Scenario, next_in_high_poverty_school: bool | None, is_retained: int | None
) -> None:
    poverty = {"in_high_poverty_school": True, "next_in_high_poverty_school": next_in_high_poverty_school}

    found = sample(lake, poverty | {"outcome": "mover_out_of_lea"})

    assert found["retained_in_high_poverty_school"].to_list() == [is_retained]


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ({"role": "fellow", "is_active": True}, "fellow"),
        ({"role": "mentee", "is_active": True, "application_decision": "not_selected"}, "mentee"),
        ({"role": "fellow"}, "former"),
        ({"role": "mentee", "application_decision": "not_selected"}, "former"),
        ({"role": "applicant", "application_decision": "not_selected"}, "applicant"),
        ({"role": "applicant", "application_decision": "withdrawn"}, "none"),
        ({}, "none"),
    ],
)
def test_the_part_is_that_of_the_year(lake: Scenario, said: Row, part: str) -> None:
    assert sample(lake, said)["part"].to_list() == [part]


def test_what_is_not_known_is_0_with_a_flag(lake: Scenario) -> None:
    known: dict[str, Any] = {"frpl_share": 0.8, "in_high_poverty_school": True}
    found = sample(
        lake,
        known | {"experience_years": 2.0, "sex": "female", "race_ethnicity": "asian"},
        known | {"experience_years": 3.0, "sex": "male", "race_ethnicity": "white"},
        {"race_ethnicity": "hispanic_or_latino"},
        {"sex": "female", "race_ethnicity": "black_or_african_american"},
    )

    assert told(found, "experience_years", "is_novice", "lacks_experience") == [
        (2.0, 1, 0),
        (3.0, 0, 0),
        (0.0, 0, 1),
        (0.0, 0, 1),
    ]
    people = ("is_female", "is_black", "is_hispanic", "is_other_race", "lacks_demographics")
    assert told(found, *people) == [(1, 0, 0, 1, 0), (0, 0, 0, 0, 0), (0, 0, 1, 0, 1), (1, 1, 0, 0, 0)]
    assert told(found, "frpl_share", "is_high_poverty", "lacks_frpl") == [(0.8, 1, 0)] * 2 + [(0.0, 0, 1)] * 2


def test_years_count_from_the_first_one_as_a_teacher_and_schools_are_those_of_a_state(lake: Scenario) -> None:
    found = sample(
        lake,
        {"staff_key": "ann", "school_year": 2013},
        {"staff_key": "ann", "school_year": 2016, "school_id": None},
        {"staff_key": "tom", "school_year": 2016},
    )

    assert told(found, "staff_key", "school_year", "years_observed") == [
        ("ann", 2013, 1),
        ("ann", 2016, 4),
        ("tom", 2016, 1),
    ]
    assert found["school"].to_list() == ["LA 1", None, "LA 1"]
