"""retention_outcome: where each teacher is in the next school year."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP, told


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def post(name: str, school_year: int, school_id: str | None = "1", **said: Any) -> Row:
    place = {"school_year": school_year, "school_id": school_id, "lea_id": "9"}
    return {"staff_key": name, "position": "teacher", "is_teacher": "yes", "source": "staff_file"} | place | said


def outcomes(lake: Scenario, *posts: Row) -> pl.DataFrame:
    return lake.write("staff_year", *posts).run(STEP["retention_outcome"])


SOMEBODY = post("zoe", 2016, "8", lea_id="8", position="principal", is_teacher="no")
PRINCIPAL = {"position": "principal", "is_teacher": "no"}


@pytest.mark.parametrize(
    ("following", "outcome", "sdp_status"),
    [
        (post("tom", 2016), "stayer", "stay"),
        (post("tom", 2016, position="instructional_coach"), "stayer", "stay"),
        (post("tom", 2016, "2"), "mover_within_lea", "transfer"),
        (post("tom", 2016, None), "mover_within_lea", "transfer"),
        (post("tom", 2016, "3", lea_id="7"), "mover_out_of_lea", "transfer"),
        (post("tom", 2016, "1", lea_id="7"), "mover_out_of_lea", "transfer"),
        (post("tom", 2016, "1", lea_id=None), "stayer", "stay"),
        (post("tom", 2016, **PRINCIPAL), "promoted_within", "leave"),
        (post("tom", 2016, "2", **PRINCIPAL), "promoted_within", "leave"),
        (post("tom", 2016, lea_id=None, **PRINCIPAL), "promoted_within", "leave"),
        (post("tom", 2016, position="instructional_coach", is_teacher="no"), "promoted_within", "leave"),
        (post("tom", 2016, "3", lea_id="7", **PRINCIPAL), "role_change", "leave"),
        (post("tom", 2016, position="counselor", is_teacher="no"), "role_change", "leave"),
        (post("tom", 2017), "leaver", "leave"),
        (post("tom", 2016, state="MO"), "leaver", "leave"),
    ],
)
def test_a_teacher_has_one_outcome_by_the_place_and_position_of_the_next_year(
    lake: Scenario, following: Row, outcome: str, sdp_status: str
) -> None:
    found = outcomes(lake, post("tom", 2015), SOMEBODY, following)

    first = found.filter(school_year=2015)
    assert told(first, "staff_key", "outcome", "sdp_status") == [("tom", outcome, sdp_status)]


def test_a_teacher_of_an_lea_without_a_school_stays_in_it(lake: Scenario) -> None:
    found = outcomes(lake, post("tom", 2015, None), post("tom", 2016, None), SOMEBODY)

    assert told(found.filter(school_year=2015), "staff_key", "outcome") == [("tom", "stayer")]


def test_people_who_do_not_teach_are_not_in_the_cohort(lake: Scenario) -> None:
    assert outcomes(lake, post("pia", 2015, **PRINCIPAL), post("pia", 2016)).rows_by_key("school_year").keys() == {2016}


def test_a_fellow_who_is_an_administrator_is_in_retention_only_in_the_years_as_a_teacher(lake: Scenario) -> None:
    lake.write(
        "program_role",
        *({"staff_key": "pia", "school_year": year, "role": "fellow", "is_active": True} for year in (2014, 2015)),
    )

    found = outcomes(lake, post("pia", 2014, **PRINCIPAL), post("pia", 2015), post("pia", 2016, **PRINCIPAL))

    assert told(found, "school_year", "role", "outcome") == [(2015, "fellow", "promoted_within")]


def test_the_outcome_is_empty_in_the_last_year_and_where_the_states_own_next_file_has_not_come(lake: Scenario) -> None:
    found = outcomes(
        lake,
        post("tom", 2014),
        post("tom", 2015),
        post("mia", 2014, state="MO"),
        post("meg", 2016, state="MO"),
    )

    columns = ("staff_key", "school_year", "outcome", "sdp_status", "next_year_has_lea")
    assert told(found, *columns) == [
        ("meg", 2016, None, None, None),
        ("mia", 2014, None, None, None),
        ("tom", 2014, "stayer", "stay", True),
        ("tom", 2015, None, None, None),
    ]


def test_leavers_of_an_lea_that_the_next_file_has_not_got_can_be_told_from_others(lake: Scenario) -> None:
    found = outcomes(
        lake,
        post("tom", 2015, lea_id="9"),
        post("tina", 2015, lea_id="7"),
        post("zoe", 2016, lea_id="9"),
    )

    assert told(found.filter(school_year=2015), "staff_key", "outcome", "next_year_has_lea") == [
        ("tina", "leaver", False),
        ("tom", "leaver", True),
    ]


@pytest.mark.parametrize(
    ("frpl_share", "band", "is_high"),
    [
        (None, "unknown", None),
        (0.0, "low", False),
        (0.25, "low", False),
        (0.2501, "mid_low", False),
        (0.5, "mid_low", False),
        (0.75, "mid_high", False),
        (0.7501, "high", True),
        (1.0, "high", True),
    ],
)
def test_a_share_is_of_high_poverty_only_above_three_quarters(
    lake: Scenario, frpl_share: float | None, band: str, is_high: bool | None
) -> None:
    found = outcomes(lake, post("tom", 2015, frpl_share=frpl_share), post("tom", 2016, frpl_share=0.9))

    assert told(found, "poverty_band", "in_high_poverty_school", "next_in_high_poverty_school") == [
        (band, is_high, True),
        ("high", True, None),
    ]


def test_the_part_in_the_programme_is_that_of_the_year(lake: Scenario) -> None:
    part = {"staff_key": "tom", "cohort": "1", "region": "North"}
    lake.write(
        "program_role",
        part | {"school_year": 2015, "role": "fellow", "is_active": True},
        part | {"school_year": 2016, "role": "fellow", "is_active": False},
    )

    found = outcomes(lake, post("tom", 2014), post("tom", 2015), post("tom", 2016))

    assert told(found, "school_year", "role", "is_active", "cohort", "region") == [
        (2014, "none", False, None, None),
        (2015, "fellow", True, "1", "North"),
        (2016, "fellow", False, "1", "North"),
    ]


def test_a_few_people_in_a_year_whose_file_has_not_come_do_not_make_everyone_a_leaver(lake: Scenario) -> None:
    year = {"position": "teacher", "is_teacher": "yes", "source": "staff_file", "school_id": "1", "lea_id": "9"}
    rows = [{"staff_key": f"t{i}x", "school_year": 2015} | year for i in range(12)]
    stray = {"staff_key": "t0x", "school_year": 2016} | year

    found = lake.write("staff_year", *rows, stray).run(STEP["retention_outcome"])

    assert found.filter(school_year=2015)["outcome"].to_list() == [None] * 12
