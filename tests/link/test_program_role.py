"""program_role: each person's part in the programme in each year."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP, told

ROLES = ("staff_key", "school_year", "role", "is_active", "first_school_year", "years_in_program")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def at_work(name: str, *years: int, lea: str = "9") -> list[Row]:
    return [{"staff_key": name, "school_year": year, "lea_id": lea} for year in years]


def entry(role: str, name: str, listed: int, first: int, last: int | None = None, **said: Any) -> Row:
    """An entry of the list of a year."""
    years = {"school_year": listed, "first_school_year": first, "last_school_year": last}
    cohort = {"cohort": "1"} if role == "fellow" else {}
    return {"role": role, "staff_key": name} | years | cohort | said


def roles(lake: Scenario, work: list[Row], *entries: Row) -> pl.DataFrame:
    job = {"position": "teacher", "is_teacher": "yes", "source": "staff_file"}
    lake.write("staff_year", *(job | row for row in work))
    lake.write("program_participant", *({"source_row": row} | said for row, said in enumerate(entries, 2)))
    return lake.run(STEP["program_role"])


def test_people_are_none_before_their_part_and_inactive_after_it(lake: Scenario) -> None:
    work = at_work("tom", 2013, 2014, 2015, 2016) + at_work("una", 2015)

    found = roles(lake, work, entry("fellow", "tom", 2014, 2014, 2015, region="North"))

    assert told(found, *ROLES, "cohort") == [
        ("tom", 2013, "none", False, None, None, None),
        ("tom", 2014, "fellow", True, 2014, 1, "1"),
        ("tom", 2015, "fellow", True, 2014, 2, "1"),
        ("tom", 2016, "fellow", False, 2014, 3, "1"),
        ("una", 2015, "none", False, None, None, None),
    ]


def test_the_years_before_a_part_are_told_from_those_of_people_who_never_have_one(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2012, 2013, 2014, 2015, 2016) + at_work("una", 2015),
        entry("fellow", "tom", 2016, 2016),
        entry("mentee", "tom", 2015, 2015, 2015),
        entry("applicant", "tom", 2014, 2014, decision="not_selected"),
    )

    begun = ("fellow_since", "mentee_since", "applied_since")
    columns = ("staff_key", "school_year", "role", "is_pre_program", "years_until_program", *begun)
    assert told(found, *columns) == [
        ("tom", 2012, "none", True, 2, 2016, 2015, 2014),
        ("tom", 2013, "none", True, 1, 2016, 2015, 2014),
        ("tom", 2014, "applicant", False, None, 2016, 2015, 2014),
        ("tom", 2015, "mentee", False, None, 2016, 2015, 2014),
        ("tom", 2016, "fellow", False, None, 2016, 2015, 2014),
        ("una", 2015, "none", False, None, None, None, None),
    ]


def test_a_part_that_runs_comes_before_one_that_is_over(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2013, 2014, 2015, 2016, 2017) + at_work("tina", 2014, 2015),
        entry("fellow", "tom", 2013, 2013, 2014, region="North"),
        entry("mentee", "tom", 2014, 2014, 2015, fellow_key="tina"),
        entry("fellow", "tom", 2017, 2017, 2017, cohort="5", region="North"),
        entry("fellow", "tina", 2014, 2014, region="South"),
    )

    assert told(found.filter(staff_key="tom".ljust(32, "0")), *ROLES[1:], "cohort", "region") == [
        (2013, "fellow", True, 2013, 1, "1", "North"),
        (2014, "fellow", True, 2013, 2, "1", "North"),
        (2015, "mentee", True, 2014, 2, None, "South"),
        (2016, "fellow", False, 2013, 4, "1", "North"),
        (2017, "fellow", True, 2013, 5, "5", "North"),
    ]


def test_the_decision_is_that_of_the_latest_application_known_in_the_year(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2013, 2014, 2015, 2016) + at_work("wes", 2015, 2016),
        entry("applicant", "tom", 2014, 2014, decision="not_selected"),
        entry("applicant", "tom", 2016, 2016, decision="selected"),
        entry("fellow", "tom", 2016, 2016),
        entry("applicant", "wes", 2015, 2015, decision="selected"),
        entry("applicant", "wes", 2016, 2015, decision="withdrawn"),
    )

    assert told(found, "staff_key", "school_year", "role", "application_decision") == [
        ("tom", 2013, "none", None),
        ("tom", 2014, "applicant", "not_selected"),
        ("tom", 2015, "applicant", "not_selected"),
        ("tom", 2016, "fellow", "selected"),
        ("wes", 2015, "applicant", "withdrawn"),
        ("wes", 2016, "applicant", "withdrawn"),
    ]


def test_administrators_have_a_part_as_teachers_do_and_can_be_told_from_them(lake: Scenario) -> None:
    head = {"position": "principal", "is_teacher": "no"}
    work = [row | head for row in at_work("pia", 2014, 2015)]

    found = roles(lake, work, entry("fellow", "pia", 2015, 2015), entry("fellow", "lea", 2015, 2015))

    assert told(found, "staff_key", "school_year", "role", "position", "is_teacher") == [
        ("lea", 2015, "fellow", None, None),
        ("pia", 2014, "none", "principal", "no"),
        ("pia", 2015, "fellow", "principal", "no"),
    ]


def test_who_is_on_the_lists_of_two_states_in_a_year_has_one_row(lake: Scenario) -> None:
    found = roles(
        lake,
        [],
        entry("mentee", "tina", 2015, 2015, 2015),
        entry("mentee", "tina", 2015, 2015, 2015, state="MO"),
    )

    assert told(found, "state", "staff_key", "role") == [("LA", "tina", "mentee")]


def test_a_fellow_comes_before_a_mentee_and_a_mentee_before_an_applicant(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2012, 2013, 2014, 2015, 2016),
        entry("applicant", "tom", 2013, 2013),
        entry("mentee", "tom", 2014, 2014, 2014),
        entry("fellow", "tom", 2016, 2016),
    )

    assert told(found, *ROLES) == [
        ("tom", 2012, "none", False, None, None),
        ("tom", 2013, "applicant", False, 2013, 1),
        ("tom", 2014, "mentee", True, 2014, 1),
        ("tom", 2015, "mentee", False, 2014, 2),
        ("tom", 2016, "fellow", True, 2016, 1),
    ]


def test_of_one_fellowship_the_latest_list_counts_so_who_withdrew_is_no_longer_active(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2014, 2015, 2016),
        entry("fellow", "tom", 2014, 2014, 2016),
        entry("fellow", "tom", 2015, 2014, 2014),
    )

    assert told(found, "school_year", "is_active") == [(2014, True), (2015, False), (2016, False)]


def test_who_is_selected_twice_belongs_to_the_cohort_begun_last_and_counts_years_from_the_first(
    lake: Scenario,
) -> None:
    found = roles(
        lake,
        at_work("tom", 2013, 2014, 2015),
        entry("fellow", "tom", 2013, 2013, 2013, region="North"),
        entry("fellow", "tom", 2015, 2015, 2016, cohort="3", region="South"),
    )

    assert told(found, "school_year", "cohort", "region", "is_active", "years_in_program") == [
        (2013, "1", "North", True, 1),
        (2014, "1", "North", False, 2),
        (2015, "3", "South", True, 3),
    ]


def test_who_is_on_a_list_of_a_year_has_a_part_in_it_though_the_staff_file_has_not_got_them(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2016) + at_work("tina", 2016),
        entry("fellow", "tom", 2014, 2014, 2016),
        entry("fellow", "tom", 2015, 2014, 2016),
        entry("mentee", "tina", 2015, 2015, 2015),
    )

    assert told(found, *ROLES[:4]) == [
        ("tina", 2015, "mentee", True),
        ("tina", 2016, "mentee", False),
        ("tom", 2014, "fellow", True),
        ("tom", 2015, "fellow", True),
        ("tom", 2016, "fellow", True),
    ]


def test_a_later_list_that_takes_the_part_back_takes_the_year_without_staff_record_too(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tom", 2014),
        entry("fellow", "tom", 2014, 2014, 2015),
        entry("fellow", "tom", 2015, 2014, 2014),
    )

    assert told(found, "school_year", "is_active") == [(2014, True)]


def test_several_mentorships_of_a_year_are_one_part_that_runs_while_any_of_them_does(lake: Scenario) -> None:
    found = roles(
        lake,
        at_work("tina", 2014, 2015, 2016),
        entry("mentee", "tina", 2014, 2014, 2014),
        entry("mentee", "tina", 2014, 2014, 2015),
        entry("mentee", "tina", 2014, 2014, 2014, fellow_key="tom"),
    )

    assert told(found, *ROLES) == [
        ("tina", 2014, "mentee", True, 2014, 1),
        ("tina", 2015, "mentee", True, 2014, 2),
        ("tina", 2016, "mentee", False, 2014, 3),
    ]


def test_the_region_is_the_fellowships_then_the_fellows_then_that_of_most_fellows_of_the_lea(lake: Scenario) -> None:
    work = (
        at_work("fay", 2015, lea="9")
        + at_work("fil", 2015, lea="9")
        + at_work("flo", 2015, lea="9")
        + at_work("mia", 2015, 2016, lea="9")
        + at_work("una", 2015, lea="9")
        + at_work("una", 2013, lea="9")
        + at_work("ugo", 2015, lea="5")
    )

    found = roles(
        lake,
        work,
        entry("fellow", "fay", 2015, 2015, region="North"),
        entry("fellow", "fil", 2015, 2015, region="South"),
        entry("fellow", "flo", 2015, 2015, region="North"),
        entry("mentee", "mia", 2015, 2015, 2015, fellow_key="fil"),
    )

    assert told(found, "staff_key", "school_year", "region") == [
        ("fay", 2015, "North"),
        ("fil", 2015, "South"),
        ("flo", 2015, "North"),
        ("mia", 2015, "South"),
        ("mia", 2016, "North"),
        ("ugo", 2015, None),
        ("una", 2013, "North"),
        ("una", 2015, "North"),
    ]


def test_entries_tied_to_nobody_give_nobody_a_part(lake: Scenario) -> None:
    found = roles(lake, at_work("tom", 2015), entry("fellow", "tom", 2015, 2015) | {"staff_key": None})

    assert told(found, "staff_key", "role") == [("tom", "none")]
