"""program_participant: which staff member an entry of a programme list stands for."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scenario import Row, Scenario
from steps import STEP, told

FOUND = ("role", "staff_key", "resolved_by")
NO_RECORD = (
    "No staff record has this staff id or e-mail address: correct the entry, or land the staff file that has the person"
)
NO_FELLOW = (
    "No staff record has the fellow's staff id or e-mail address: correct the entry, or land the staff file that has "
    "the fellow"
)


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    """Tom and Tina are on the staff file, with their addresses; Tara is, with none."""
    return staff(Scenario(tmp_path / "home"), {"tom": "tom@", "tina": "tina@", "tara": None})


def staff(lake: Scenario, addresses: dict[str, str | None]) -> Scenario:
    lake.write(
        "staff_assignment", *({"staff_key": name, "email_key": email} for name, email in addresses.items()), **JOB
    )
    people = ({"staff_key": name} for name in addresses)
    return lake.write("staff_year", *people, position="teacher", is_teacher="yes", source="staff_file")


JOB = {"position": "teacher", "is_teacher": "yes", "school_id": "1"}


def entries(lake: Scenario, **lists: list[Row]) -> pl.DataFrame:
    for name, rows in lists.items():
        numbered = ({"source_row": number} | row for number, row in enumerate(rows, 2))
        lake.write(name, *numbered, delivery_id=name)
    return lake.run(STEP["program_participant"])


def fellow(name: str | None = None, email: str | None = None, **said: Any) -> Row:
    return {"staff_key": name, "email_key": email, "cohort": "1", "begin_date": date(2014, 8, 1)} | said


def mentorship(fellow_name: str | None, mentee_name: str | None, **said: Any) -> Row:
    return {"fellow_staff_key": fellow_name, "mentee_staff_key": mentee_name} | said


def test_a_staff_id_comes_before_an_address_and_an_address_serves_where_the_id_is_unknown(lake: Scenario) -> None:
    found = entries(
        lake,
        fellowship=[
            fellow("tom", "tina@"),
            fellow("nobody", "tina@", cohort="2"),
            fellow(None, "tom@", cohort="3"),
        ],
    )

    assert told(found, *FOUND) == [("fellow", "tom", "staff_id"), ("fellow", None, None), ("fellow", "tom", "email")]


def test_an_entry_that_no_staff_record_answers_to_says_what_to_do(lake: Scenario) -> None:
    found = entries(lake, fellowship=[fellow("nobody", "nobody@")])

    assert told(found, *FOUND, "fix") == [("fellow", None, None, NO_RECORD)]


def test_an_address_of_two_people_is_nobodys_and_asks_for_the_staff_id(lake: Scenario) -> None:
    staff(lake, {"tom": "office@", "tina": "office@"})

    found = entries(
        lake,
        fellowship=[fellow(None, "office@"), fellow("tom", "office@")],
        mentorship=[mentorship(None, "tina", fellow_email_key="office@")],
    )

    assert told(found, "staff_key", "fellow_key", "fix") == [
        (None, None, "Several staff members have this e-mail address: give the staff id"),
        ("tom", None, None),
        ("tina", None, "Several staff members have the fellow's e-mail address: give the fellow's staff id"),
    ]


def test_a_list_that_gives_id_and_address_together_tells_whose_the_address_is(lake: Scenario) -> None:
    both = {"fellow_staff_key": "tara", "fellow_email_key": "tara@", "mentee_staff_key": "tom"}

    found = entries(lake, fellowship=[fellow(None, "tara@")], mentorship=[both])

    assert told(found, *FOUND, "fellow_key") == [
        ("fellow", "tara", "email", None),
        ("mentee", "tom", "staff_id", "tara"),
    ]


def test_a_mentor_list_gives_mentees_with_the_fellow_beside(lake: Scenario) -> None:
    found = entries(
        lake,
        mentorship=[
            mentorship("tom", "tina"),
            mentorship(None, None, fellow_email_key="tom@", mentee_email_key="tina@"),
            mentorship("nobody", "tina"),
        ],
    )

    assert told(found, *FOUND, "fellow_key", "fix") == [
        ("mentee", "tina", "staff_id", "tom", None),
        ("mentee", "tina", "email", "tom", None),
        ("mentee", "tina", "staff_id", None, NO_FELLOW),
    ]


def test_people_of_another_state_are_not_taken(lake: Scenario) -> None:
    found = entries(lake, fellowship=[fellow("tom", "tom@", state="MO")])

    assert told(found, *FOUND) == [("fellow", None, None)]


def test_a_part_begins_in_july_of_a_school_year_and_a_mentee_without_dates_has_the_year_of_the_list(
    lake: Scenario,
) -> None:
    found = entries(
        lake,
        fellowship=[
            fellow("tom", begin_date=date(2014, 6, 30), end_date=date(2016, 7, 1)),
            fellow("tom", begin_date=date(2014, 7, 1), cohort="2"),
        ],
        mentorship=[
            mentorship("tom", "tina"),
            mentorship("tom", "tara", begin_date=date(2012, 9, 1)),
            mentorship("tom", "tara", begin_date=date(2015, 8, 1), subject="ela"),
        ],
        applicant=[{"staff_key": "tara", "applied_year": 2013, "decision": "not_selected"}],
    )

    assert told(found, "role", "staff_key", "first_school_year", "last_school_year") == [
        ("applicant", "tara", 2013, None),
        ("fellow", "tom", 2014, 2017),
        ("fellow", "tom", 2015, None),
        ("mentee", "tina", 2015, 2015),
        ("mentee", "tara", 2013, 2015),
        ("mentee", "tara", 2016, 2016),
    ]
