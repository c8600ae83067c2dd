"""Entries of programme lists, names with planted trouble among them, stand for whom was meant, or say why not."""

from __future__ import annotations

from collections import Counter, defaultdict

import duckdb
import pytest

from end_to_end.conftest import SAMPLES, SampleRun
from end_to_end.test_planted_truth import key_of, rows_of
from end_to_end.truth import Row, Truth
from le_pipeline.privacy.keys import Keys

ROLE_OF_LIST = {"fellow": "fellow", "applicant": "applicant", "mentor": "mentee"}
REASONS = {"waits_for_review", "not_on_staff"}
MENTORED = """
    select distinct fellow_key, mentee_key, school_year from linked.mentor_link"""
ENTRIES = """
    select p.*, 'landing/' || d.path as file
    from linked.program_participant as p
    join canonical.delivery as d on d.delivery_id = p.delivery_id"""


@pytest.fixture(scope="module")
def truth() -> Truth:
    return Truth(SAMPLES / "truth")


@pytest.fixture
def warehouse(sample_run: SampleRun) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(sample_run.home.warehouse, read_only=True)


@pytest.fixture
def person_of(warehouse: duckdb.DuckDBPyConnection, truth: Truth, sample_keys: Keys) -> dict[str, str]:
    """The key by which each staff id's person is known."""
    alias = {row["alias_key"]: row["person_key"] for row in rows_of(warehouse, "select * from linked.person_alias")}
    found: dict[str, str] = {}
    for state in ("LA", "MO"):
        mine = [row["staff_id"] for row in (*truth.listing, *truth.staff) if row["state"] == state]
        keys = key_of(sample_keys, "staff", state, mine)
        found |= {staff_id: alias.get(key, key) for staff_id, key in keys.items()}
    return found


@pytest.fixture
def listing(warehouse: duckdb.DuckDBPyConnection, truth: Truth, person_of: dict[str, str]) -> list[Row]:
    """What was listed, each with the person who was meant, and with what became of it."""
    entries = {(row["file"], row["source_row"], row["role"]): row for row in rows_of(warehouse, ENTRIES)}
    told = []
    for said in truth.listing:
        role = ROLE_OF_LIST[said["list"].partition("_")[0].removesuffix("s")]
        entry = entries[said["file"], said["row"] + 1, role]  # the header is row 1
        is_beside = said["side"] != role
        found = entry["fellow_key"] if is_beside else entry["staff_key"]
        told.append(
            said | {"entry": entry, "is_beside": is_beside, "found": found, "meant": person_of[said["staff_id"]]}
        )
    return told


def test_whoever_is_found_is_the_person_who_was_meant(listing: list[Row]) -> None:
    wrong = [
        (said["file"], said["row"], said["trouble"]) for said in listing if said["found"] not in (None, said["meant"])
    ]

    assert wrong == []


def test_an_id_or_an_address_of_ones_own_always_leads_to_the_person(listing: list[Row]) -> None:
    for said in listing:
        if said["given"] != "name" and said["trouble"] == "none":
            assert said["found"] == said["meant"], (said["file"], said["row"])
            if not said["is_beside"]:
                assert said["entry"]["resolved_by"] == said["given"]


def test_names_that_leave_no_doubt_are_found_by_themselves(listing: list[Row]) -> None:
    doubtless = [said for said in listing if said["only_by_name"]]

    assert doubtless
    missed = [(said["file"], said["row"], said["trouble"]) for said in doubtless if said["found"] is None]
    assert missed == []
    assert {said["entry"]["resolved_by"] for said in doubtless} == {"name"}


def test_another_surname_is_never_accepted_for_the_sake_of_given_name_and_school(listing: list[Row]) -> None:
    married = [said for said in listing if said["trouble"] == "married_name"]

    assert married
    assert [said["found"] for said in married] == [None] * len(married)


def test_an_id_of_somebody_else_leads_to_the_name_beside_it_or_to_nobody(listing: list[Row]) -> None:
    mistyped = [said for said in listing if said["trouble"] == "id_of_somebody_else"]

    assert mistyped
    for said in mistyped:
        reason = said["entry"]["unresolved_reason"]
        if said["found"]:
            assert (said["found"], said["entry"]["resolved_by"], reason) == (said["meant"], "name", None)
        else:
            assert reason in ("waits_for_review", "id_of_somebody_else")
        assert said["entry"]["fix"]


def test_entries_that_are_tied_to_nobody_wait_for_somebody_or_say_what_is_wrong(listing: list[Row]) -> None:
    unresolved = [said for said in listing if said["found"] is None and said["trouble"] != "id_of_somebody_else"]

    for said in unresolved:
        assert said["given"] == "name", (said["file"], said["row"])
        assert said["entry"]["unresolved_reason"] in (REASONS if said["trouble"] != "none" else {"waits_for_review"})
        assert said["entry"]["fix"]
    by_reason = Counter(said["entry"]["unresolved_reason"] for said in unresolved)
    assert by_reason["waits_for_review"] >= by_reason.total() / 2


def test_who_mentored_whom_is_as_it_was_listed(warehouse: duckdb.DuckDBPyConnection, listing: list[Row]) -> None:
    sides: dict[tuple[str, int], dict[str, Row]] = defaultdict(dict)
    for said in listing:
        if said["list"].startswith("mentor"):
            sides[said["file"], said["row"]][said["side"]] = said
    expected = {
        (pair["fellow"]["meant"], pair["mentee"]["meant"], pair["fellow"]["school_year"])
        for pair in sides.values()
        if all(said["found"] for said in pair.values())
    }

    assert {tuple(row.values()) for row in rows_of(warehouse, MENTORED)} == expected
    together = rows_of(
        warehouse, "select is_same_school, is_fellow_active, count(*) from linked.mentor_link group by all"
    )
    assert {(row["is_same_school"], row["is_fellow_active"]) for row in together} <= {(True, True), (False, True)}


def test_the_years_before_the_programme_are_those_before_the_first_list(
    warehouse: duckdb.DuckDBPyConnection, truth: Truth, listing: list[Row], person_of: dict[str, str]
) -> None:
    first: dict[str, dict[str, int]] = defaultdict(dict)
    for said in listing:
        if said["found"]:
            side = "applicant" if said["side"] == "applicant" else said["side"]
            first[said["meant"]][side] = min(said["school_year"], first[said["meant"]].get(side, 9999))
    cohort = {person_of[row["staff_id"]]: row["cohort"] for row in truth.staff if row["cohort"]}
    found = rows_of(warehouse, "select * from linked.program_role")

    for row in found:
        parts = first.get(row["staff_key"], {})
        assert row["fellow_since"] == cohort.get(row["staff_key"])
        assert row["mentee_since"] == parts.get("mentee")
        assert row["applied_since"] == parts.get("applicant")
        begins = min([*parts.values(), 9999])
        assert row["is_pre_program"] == (row["school_year"] < begins < 9999)
        assert row["years_until_program"] == (begins - row["school_year"] if row["is_pre_program"] else None)
