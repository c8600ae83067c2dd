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
REASON = (*FOUND, "unresolved_reason")
NO_RECORD = (
    "No staff record has this staff id, e-mail address or name: correct the entry, or land the staff file that has the "
    "person"
)
NO_FELLOW = (
    "No staff record has the fellow's staff id, e-mail address or name: correct the entry, or land the staff file that "
    "has the fellow"
)
WAITS = "Waits for review: decide with `le review`"


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


APPLICATION = {"applied_year": 2015, "decision": "selected"}


def entries(lake: Scenario, **lists: list[Row]) -> pl.DataFrame:
    for name, rows in lists.items():
        numbered = ({"source_row": number} | row for number, row in enumerate(rows, 2))
        lake.write(name, *numbered, delivery_id=name)
    return lake.run(STEP["program_participant"])


def aliases(lake: Scenario, **person_of: str) -> None:
    """Keys, each with the key of the person they stand for."""
    lake.write("person_alias", *({"alias_key": name, "person_key": person} for name, person in person_of.items()))


def conflict(lake: Scenario, name: str, *entries: str, **said: Any) -> None:
    """The id of somebody stands beside the names of these entries."""
    conflicting = {"person_key": name, "feed": "fellowship", "claimed_by": "id", "is_linked": False} | said
    lake.write("identity_conflict", *({"name_key": entry} for entry in entries), **conflicting)


def review(lake: Scenario, *pairs: tuple[str, str], **said: Any) -> None:
    model = {"match_method": "probabilistic", "match_probability": 0.9, "match_weight": 3.2, "match_status": "review"}
    told = {"evidence": "surname exactly", "model_hash": "1"}
    lake.write(
        "person_match", *({"left_key": left, "right_key": right} for left, right in pairs), **model | told | said
    )


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

    assert told(found, *REASON, "fix") == [("fellow", None, None, "not_on_staff", NO_RECORD)]


def test_an_address_of_two_people_is_nobodys_and_asks_for_the_staff_id(lake: Scenario) -> None:
    staff(lake, {"tom": "office@", "tina": "office@"})

    found = entries(
        lake,
        fellowship=[fellow(None, "office@"), fellow("tom", "office@")],
        mentorship=[mentorship(None, "tina", fellow_email_key="office@")],
    )

    assert told(found, "staff_key", "fellow_key", "unresolved_reason", "fix") == [
        (None, None, "several_people", "Several staff members have this e-mail address: give the staff id"),
        ("tom", None, None, None),
        (
            "tina",
            None,
            "several_people",
            "Several staff members have the fellow's e-mail address: give the fellow's staff id",
        ),
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
    aliases(lake, tom_by_name="tom")

    found = entries(lake, fellowship=[fellow("tom", "tom@", name_key="tom_by_name", state="MO")])

    assert told(found, *FOUND) == [("fellow", None, None)]


def test_a_name_serves_where_neither_id_nor_address_is_anybodys(lake: Scenario) -> None:
    aliases(lake, tara_by_name="tara", tina_by_name="tina")

    found = entries(
        lake,
        fellowship=[
            fellow(name_key="tara_by_name"),
            fellow("nobody", "nobody@", name_key="tara_by_name", cohort="2"),
            fellow(None, "tom@", name_key="tara_by_name", cohort="3"),
            fellow("tom", name_key="tara_by_name", cohort="4"),
        ],
        mentorship=[{"fellow_name_key": "tara_by_name", "mentee_name_key": "tina_by_name"}],
        applicant=[{"name_key": "tina_by_name", "applied_year": 2015, "decision": "withdrawn"}],
    )

    assert told(found, *REASON, "fellow_key", "decision") == [
        ("applicant", "tina", "name", None, None, "withdrawn"),
        ("fellow", "tara", "name", None, None, None),
        ("fellow", "tara", "name", None, None, None),
        ("fellow", "tom", "email", None, None, None),
        ("fellow", "tom", "staff_id", None, None, None),
        ("mentee", "tina", "name", None, "tara", None),
    ]


def test_a_name_that_stands_for_nobody_on_the_staff_ties_the_entry_to_nobody(lake: Scenario) -> None:
    aliases(lake, spelt_so="spelt_otherwise")

    found = entries(lake, fellowship=[fellow(name_key="spelt_so"), fellow(name_key="tom", cohort="2")])

    assert told(found, *REASON) == [("fellow", None, None, "not_on_staff")] * 2


def test_a_person_of_two_ids_is_one_person_whichever_of_them_a_list_gives(lake: Scenario) -> None:
    staff(lake, {"tom": "tom@", "tina": "tina@"})
    aliases(lake, old_tom="tom", tom_by_name="tom")
    lake.write(
        "staff_assignment",
        {"staff_key": "old_tom", "email_key": "tom@"},
        {"staff_key": "tom", "email_key": "tom@"},
        **JOB,
    )

    found = entries(
        lake,
        fellowship=[
            fellow("old_tom"),
            fellow(None, "tom@", cohort="2"),
            fellow(name_key="tom_by_name", cohort="3"),
        ],
        mentorship=[mentorship("old_tom", "tina")],
    )

    assert told(found, *FOUND, "fellow_key") == [
        ("fellow", "tom", "staff_id", None),
        ("fellow", "tom", "email", None),
        ("fellow", "tom", "name", None),
        ("mentee", "tina", "staff_id", "tom"),
    ]


def test_an_id_beside_somebody_elses_name_ties_nobody_and_the_entry_goes_by_address_or_name(lake: Scenario) -> None:
    aliases(lake, tara_by_name="tara")
    conflict(lake, "tom", "una", "tara_by_name")

    found = entries(
        lake,
        fellowship=[
            fellow("tom", name_key="una"),
            fellow("tom", "tina@", name_key="una", cohort="2"),
            fellow("tom", name_key="tara_by_name", cohort="3"),
        ],
        applicant=[{"staff_key": "tom", "applied_year": 2015, "decision": "selected"}],
    )

    wrong = "The staff id or e-mail address is that of somebody with another name: correct it"
    assert told(found, *REASON, "fix") == [
        ("applicant", "tom", "staff_id", None, None),
        ("fellow", None, None, "id_of_somebody_else", wrong),
        ("fellow", "tina", "email", None, wrong),
        ("fellow", "tara", "name", None, wrong),
    ]


@pytest.mark.parametrize("elsewhere", [{"name_key": "una"}, {"claimed_by": "email"}, {"is_linked": True}])
def test_a_conflict_counts_for_its_own_name_and_claim_alone_and_only_where_they_are_not_linked(
    lake: Scenario, elsewhere: Row
) -> None:
    conflict(lake, "tom", elsewhere.pop("name_key", "tim"), **elsewhere)

    found = entries(lake, fellowship=[fellow("tom", name_key="tim")])

    assert told(found, *REASON) == [("fellow", "tom", "staff_id", None)]


def test_an_address_that_stands_beside_somebody_elses_id_is_not_that_ones(lake: Scenario) -> None:
    conflict(lake, "tara", "una")

    found = entries(lake, fellowship=[fellow("tara", "new@", name_key="una"), fellow(None, "new@", cohort="2")])

    assert told(found, *REASON) == [
        ("fellow", None, None, "id_of_somebody_else"),
        ("fellow", None, None, "not_on_staff"),
    ]


def test_an_address_beside_somebody_elses_name_ties_nobody(lake: Scenario) -> None:
    conflict(lake, "tina", "una", claimed_by="email")

    found = entries(lake, fellowship=[fellow(None, "tina@", name_key="una"), fellow(None, "tina@", cohort="2")])

    assert told(found, *REASON) == [("fellow", None, None, "id_of_somebody_else"), ("fellow", "tina", "email", None)]


def test_the_fellows_id_of_a_mentor_list_may_be_somebody_elses_too(lake: Scenario) -> None:
    conflict(lake, "tom", "una", feed="mentorship")

    found = entries(lake, mentorship=[mentorship("tom", "tina") | {"fellow_name_key": "una"}])

    wrong = "The fellow's staff id or e-mail address is that of somebody with another name: correct it"
    assert told(found, *REASON, "fellow_key", "fix") == [
        ("mentee", "tina", "staff_id", "id_of_somebody_else", None, wrong)
    ]


def test_a_name_that_may_be_somebodys_waits_for_review_before_anything_has_to_be_corrected(lake: Scenario) -> None:
    staff(lake, {"tom": "office@", "tina": "office@"})
    conflict(lake, "tom", "una_perhaps")
    review(lake, ("tina", "tina_perhaps"), ("una_perhaps", "tom"))

    found = entries(
        lake,
        fellowship=[
            fellow(name_key="tina_perhaps"),
            fellow("tom", "office@", name_key="una_perhaps", cohort="2"),
            fellow("tina", name_key="tina_perhaps", cohort="3"),
        ],
        mentorship=[{"fellow_name_key": "tina_perhaps", "mentee_staff_key": "tina"}],
    )

    assert told(found, *REASON, "fix") == [
        ("fellow", None, None, "waits_for_review", WAITS),
        ("fellow", None, None, "waits_for_review", WAITS),
        ("fellow", "tina", "staff_id", None, None),
        ("mentee", "tina", "staff_id", "waits_for_review", WAITS),
    ]


def test_a_name_that_may_be_several_peoples_is_one_entry(lake: Scenario) -> None:
    review(lake, ("tina", "perhaps"), ("perhaps", "tom"), ("tara", "perhaps"))

    found = entries(lake, fellowship=[fellow(name_key="perhaps")], applicant=[APPLICATION | {"name_key": "perhaps"}])

    assert told(found, "role", "unresolved_reason") == [
        ("applicant", "waits_for_review"),
        ("fellow", "waits_for_review"),
    ]


def test_pairs_that_were_accepted_or_rejected_wait_for_nobody(lake: Scenario) -> None:
    review(lake, ("tina", "tina_perhaps"), match_status="rejected")

    found = entries(lake, fellowship=[fellow(name_key="tina_perhaps")])

    assert told(found, *REASON) == [("fellow", None, None, "not_on_staff")]


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
