"""mentor_link: which fellow mentored whom, year by year."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP, told

SEPTEMBER, MAY = date(2014, 9, 1), date(2015, 5, 15)
PAIR = ("fellow_key", "mentee_key", "subject", "school_year")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    """Tom and Tina work at school 1 in every year, Tara at another, Uma nowhere that is known."""
    lake = Scenario(tmp_path / "home")
    where = {"tom": "1", "tina": "1", "tara": "2", "uma": None}
    posts = [
        {"staff_key": name, "school_id": school, "school_year": year}
        for name, school in where.items()
        for year in (2014, 2015, 2016)
    ]
    return lake.write("staff_year", *posts, position="teacher", is_teacher="yes", source="staff_file")


def pair(fellow: str | None, mentee: str | None, listed: int = 2015, **said: Any) -> Row:
    """An entry of the mentor list of a year, with the staff that it was tied to."""
    years = {"first_school_year": said.pop("first", listed), "last_school_year": said.pop("last", listed)}
    terms = {"subject": "ela", "begin_date": SEPTEMBER, "end_date": None}
    return {"fellow_key": fellow, "staff_key": mentee, "school_year": listed} | years | terms | said


def links(lake: Scenario, *entries: Row, fellows: list[Row] | None = None) -> pl.DataFrame:
    terms = ("subject", "begin_date", "end_date")
    numbered = [{"source_row": number} | entry for number, entry in enumerate(entries, 2)]
    lake.write(
        "program_participant",
        *({name: value for name, value in row.items() if name not in terms} for row in numbered),
        role="mentee",
    )
    lake.write(
        "mentorship",
        *({name: row[name] for name in (*terms, "source_row", "school_year")} for row in numbered),
        fellow_name_key="somebody",
        mentee_name_key="somebody",
    )
    lake.write("program_role", *(fellows or []))
    return lake.run(STEP["mentor_link"])


def test_each_fellow_mentee_and_subject_has_a_row_in_each_year(lake: Scenario) -> None:
    found = links(
        lake,
        pair("tom", "tina"),
        pair("tom", "tina", subject="mathematics"),
        pair("tom", "tina", listed=2016, begin_date=date(2015, 9, 1)),
        pair("tom", "tara", first=2014, last=2016),
    )

    assert told(found, *PAIR) == [
        ("tom", "tara", "ela", 2014),
        ("tom", "tara", "ela", 2015),
        ("tom", "tara", "ela", 2016),
        ("tom", "tina", "ela", 2015),
        ("tom", "tina", "ela", 2016),
        ("tom", "tina", "mathematics", 2015),
    ]


def test_lists_that_say_the_same_are_one_row_and_of_a_years_end_the_latest_list_counts(lake: Scenario) -> None:
    found = links(
        lake,
        pair("tom", "tina", end_date=MAY),
        pair("tom", "tina", end_date=MAY),
        pair("tom", "tina", listed=2016, first=2015, last=2016, end_date=date(2015, 12, 18)),
    )

    assert told(found, *PAIR[:2], "school_year", "end_date") == [
        ("tom", "tina", 2015, date(2015, 12, 18)),
        ("tom", "tina", 2016, date(2015, 12, 18)),
    ]


def test_mentorships_without_dates_are_told_apart_by_the_year_of_their_list(lake: Scenario) -> None:
    undated: Row = {"begin_date": None, "subject": None}

    found = links(lake, pair("tom", "tina", **undated), pair("tom", "tina", listed=2016, **undated))

    assert told(found, *PAIR, "begin_date") == [("tom", "tina", None, 2015, None), ("tom", "tina", None, 2016, None)]


def test_entries_tied_to_nobody_on_either_side_are_left_out(lake: Scenario) -> None:
    assert links(lake, pair("tom", None), pair(None, "tina")).is_empty()


def test_it_says_whether_both_are_at_one_school_where_that_is_known(lake: Scenario) -> None:
    found = links(lake, pair("tom", "tina"), pair("tom", "tara"), pair("tom", "uma"), pair("una", "tina"))

    assert told(found, *PAIR[:2], "is_same_school") == [
        ("tom", "tara", False),
        ("tom", "tina", True),
        ("tom", "uma", None),
        ("una", "tina", None),
    ]


def test_it_says_whether_the_fellow_was_an_active_one_in_the_year(lake: Scenario) -> None:
    fellow = {"staff_key": "tom", "role": "fellow", "is_active": True}

    found = links(
        lake,
        pair("tom", "tina", first=2014, last=2016),
        pair("tara", "tina", begin_date=MAY),
        fellows=[
            fellow | {"school_year": 2014},
            fellow | {"school_year": 2015, "is_active": False},
            fellow | {"school_year": 2015, "staff_key": "tara", "role": "mentee"},
        ],
    )

    assert told(found, *PAIR[:2], "school_year", "is_fellow_active") == [
        ("tara", "tina", 2015, False),
        ("tom", "tina", 2014, True),
        ("tom", "tina", 2015, False),
        ("tom", "tina", 2016, False),
    ]
