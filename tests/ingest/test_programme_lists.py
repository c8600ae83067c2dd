"""The programme's own lists, as people write them: with ids, or as names and schools."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from landed import Landed, workbook

BEGIN = date(2015, 8, 1)
FELLOW = ["Last Name", "First Name", "School", "Cohort", "Region", "Start Date"]
ROBIN = ["Example", "Robin", "Sample Middle", "2016", "North", BEGIN]
IDS = ["State Staff ID", "Email"]


def land(landed: Landed, feed: str, columns: list[str], *rows: list[Any]) -> str:
    """Land a workbook and bring it in; the layout that took it."""
    landed.file("list.xlsx", workbook([columns, *rows]))
    landed.run(feed)
    delivery = landed.delivery("list.xlsx")
    assert (delivery["delivery_status"], delivery["rows_accepted"]) == ("accepted", len(rows))
    assert (delivery["unknown_columns"], delivery["missing_columns"]) == (None, None)
    return str(delivery["layout"])


def names(landed: Landed, feed: str, *columns: str) -> list[tuple[Any, ...]]:
    return landed.vaulted("identity", feed).select(columns).sort(columns).rows()


def test_fellows_of_names_and_schools_get_a_key_of_these(landed: Landed) -> None:
    assert land(landed, "fellowship", FELLOW, ROBIN) == "fellow_names"

    ((staff, email, name, school, region),) = landed.table(
        "staff_key", "email_key", "name_key", "school_name", "region", feed="fellowship"
    )
    assert (staff, email, school, region) == (None, None, "Sample Middle", "North")
    assert len(name) == 32
    assert names(landed, "fellowship", "last_name", "first_name") == [("Example", "Robin")]


@pytest.mark.parametrize("begin", ["2015-08-01", "8/1/2015", "08/01/2015"])
def test_a_list_that_was_saved_as_csv_is_read_alike(landed: Landed, begin: str) -> None:
    land(landed, "fellowship", FELLOW, ROBIN)
    from_workbook = landed.table("name_key", "cohort", "begin_date", feed="fellowship")
    (landed.home.landing / "LA" / "2016" / "list.xlsx").unlink()
    landed.file("list.csv", ",".join(FELLOW) + f"\nExample,Robin,Sample Middle,2016,North,{begin}\n")
    landed.run("fellowship")

    assert landed.delivery("list.csv")["layout"] == "fellow_names_text"
    assert landed.table("name_key", "cohort", "begin_date", feed="fellowship") == from_workbook


def test_an_id_counts_where_a_list_of_names_has_it_and_the_programmes_own_list_is_known_by_both(landed: Landed) -> None:
    assert land(landed, "fellowship", [*FELLOW, "State Staff ID"], [*ROBIN, "0098765432"]) == "fellow_names"
    assert landed.table("staff_key", feed="fellowship") != [(None,)]

    full = [*FELLOW, *IDS, "Status", "End Date"]
    assert land(landed, "fellowship", full, [*ROBIN, "0098765432", None, "Active", None]) == "fellow_list"


@pytest.mark.parametrize(
    ("cell", "last_name", "first_name"),
    [
        ("Example, Robin", "Example", "Robin"),
        ("Example ,Robin Q.", "Example", "Robin Q."),
        ("de la Example, Robin", "de la Example", "Robin"),
        ("Robin Example", "Example", "Robin"),
        ("Robin Q. Example-Sample", "Example-Sample", "Robin Q."),
        ("Robin Example Jr.", "Example", "Robin"),
        ("Róbin O'Example", "O'Example", "Róbin"),
    ],
)
def test_a_whole_name_is_taken_apart_whichever_of_its_parts_comes_first(
    landed: Landed, cell: str, last_name: str, first_name: str
) -> None:
    columns = ["Name", "School", "Cohort", "Start Date"]

    assert land(landed, "fellowship", columns, [cell, "Sample Middle", "2016", BEGIN]) == "fellow_full_names"
    assert names(landed, "fellowship", "last_name", "first_name") == [(last_name, first_name)]


def test_a_whole_name_of_one_word_waits_to_be_mended(landed: Landed) -> None:
    rows = [[name, "Sample Middle", "2016", BEGIN] for name in ("Robin", "Robin A", "Robin B", "Robin C")]
    landed.file("list.xlsx", workbook([["Name", "School", "Cohort", "Start Date"], *rows]))
    landed.run("fellowship")

    assert set(landed.quarantine("source_row", "rule")) == {(2, "unreadable"), (2, "any_of")}


def test_applications_of_names_are_read_with_the_school(landed: Landed) -> None:
    columns = ["Last Name", "First Name", "School", "Applied Year", "Decision"]

    assert land(landed, "applicant", columns, ["Example", "Robin", "Sample Middle", "2016", "Withdrawn"]) == (
        "applicant_names"
    )
    assert landed.table("school_name", "applied_year", "decision", feed="applicant") == [
        ("Sample Middle", 2016, "withdrawn")
    ]
    assert land(
        landed, "applicant", ["Name", *columns[2:]], ["Robin Example", "Sample Middle", "2016", "Selected"]
    ) == ("applicant_full_names")


@pytest.mark.parametrize(
    ("columns", "cells", "layout"),
    [
        (
            ["Fellow Last Name", "Fellow First Name", "Mentee Last Name", "Mentee First Name"],
            ["Example", "Robin", "Sample", "Sidney"],
            "mentor_names",
        ),
        (["Fellow Name", "Mentee Name"], ["Example, Robin", "Sidney Sample"], "mentor_full_names"),
    ],
)
def test_mentors_and_mentees_of_names_are_read_and_the_folder_tells_the_year_where_the_list_does_not(
    landed: Landed, columns: list[str], cells: list[str], layout: str
) -> None:
    people = ("fellow_last_name", "fellow_first_name", "mentee_last_name", "mentee_first_name")

    assert (
        land(landed, "mentorship", [*columns, "School", "Subject"], [*cells, "Sample Middle", "Mathematics"]) == layout
    )
    assert names(landed, "mentorship", *people) == [("Example", "Robin", "Sample", "Sidney")]
    ((year, subject, *keys),) = landed.table(
        "school_year", "subject", "fellow_name_key", "mentee_name_key", feed="mentorship"
    )
    assert (year, subject) == (2016, "mathematics")
    assert None not in keys


def test_a_mentor_list_of_ids_may_have_the_names_too(landed: Landed) -> None:
    ids = ["Fellow Staff ID", "Fellow Email", "Mentee Staff ID", "Mentee Email"]
    named = ["Fellow Last Name", "Fellow First Name", "Mentee Last Name", "Mentee First Name", "School"]
    terms = ["Subject", "School Year", "Start Date", "End Date"]
    row = ["1000000001", None, "1000000002", None, "Example", "Robin", "Sample", "Sidney", "Sample Middle"]

    assert land(landed, "mentorship", [*ids, *named, *terms], [*row, "Mathematics", "2015-2016", None, None]) == (
        "mentor_list"
    )
    assert None not in landed.table("fellow_staff_key", "mentee_name_key", feed="mentorship")[0]
