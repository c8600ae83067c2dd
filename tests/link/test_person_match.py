"""Who is who: keys of one person are brought together in the vault's memory, and what is unsure waits for somebody."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from le_pipeline import line
from le_pipeline.home import Home
from le_pipeline.link import decision, person_match
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import Lake
from schemas import registry

Land = Callable[[str, str | bytes], Path]

ROSTER = """\
layout: roster
feed: student_enrollment
issuer: "*"
about: Roster of a district with its own student ids
recognise: {columns: [LocalID, Last, First, Born, School, From, To]}
read: {format: delimited}
fill:
  student_id: LocalID
  last_name: Last
  first_name: First
  middle_name: Middle
  birth_date: Born
  school_id: School
  entry_date: From
  exit_date: To
"""
STAFF = """\
layout: staff
feed: staff_assignment
issuer: "*"
about: Staff of a state
recognise: {columns: [StaffNo, Last, First, School, Job]}
read: {format: delimited}
fill:
  staff_id: StaffNo
  last_name: Last
  first_name: First
  birth_date: Born
  email: Mail
  school_id: School
  position: Job
"""
FELLOWS = """\
layout: fellows_by_name
feed: fellowship
issuer: "*"
about: Fellows as the programme names them
recognise: {columns: [Fellow Last, Fellow First, Fellow School, Cohort, From]}
read: {format: delimited}
fill:
  staff_id: Fellow ID
  last_name: Fellow Last
  first_name: Fellow First
  school_id: Fellow School
  cohort: Cohort
  begin_date: From
tolerance: 0.25
"""
ROSTER_HEADER = "LocalID,Last,First,Middle,Born,School,From,To"
STAFF_HEADER = "StaffNo,Last,First,Born,Mail,School,Job"
FELLOWS_HEADER = "Fellow ID,Fellow Last,Fellow First,Fellow School,Cohort,From"


@pytest.fixture
def landing(home: Home, land: Land) -> Land:
    for name, text in (("roster", ROSTER), ("staff", STAFF), ("fellows", FELLOWS)):
        (home.layouts / f"{name}.yaml").write_text(text, encoding="utf-8")
    return land


def csv(header: str, *rows: str) -> str:
    return "\n".join([header, *rows]) + "\n"


def name(number: int) -> str:
    """A name of its own, as unlike others as names are."""
    digest = hashlib.sha256(str(number).encode()).digest()
    pairs = zip(digest[:8:2], digest[1:8:2], strict=True)
    return "".join("bcdfghklmnprstvwz"[one % 17] + "aeiou"[other % 5] for one, other in pairs).title()


def crowd(count: int, school: str, born: str = "2004") -> list[str]:
    """Students unlike each other, as many as a school has."""
    return [
        f"{school}{n:04d},{name(n)},{name(n % 40 + 1000)},,{born}-{1 + n % 12:02d}-{1 + n % 28:02d},{school},,"
        for n in range(count)
    ]


def rows(home: Home, table: str) -> list[dict[str, Any]]:
    return Lake(home.lake).read(registry.tables()[table]).rows(named=True)


def run(home: Home, keys: Keys) -> None:
    for _ in line.run(home, keys, home.partitions()):
        pass


def test_a_student_whose_local_id_changes_with_the_district_keeps_one_key(
    home: Home, keys: Keys, landing: Land
) -> None:
    landing("LA/2015/roster.csv", csv(ROSTER_HEADER, *crowd(60, "1"), "A77,Quillfeather,Oriane,,2004-03-19,1,,"))
    landing("LA/2016/roster.csv", csv(ROSTER_HEADER, *crowd(60, "1"), "B12,Quillfeather,Oriane,,2004-03-19,2,,"))
    run(home, keys)
    (alias,) = rows(home, "person_alias")
    (pair,) = [row for row in rows(home, "person_match") if row["match_status"] == "accepted"]
    assert pair["match_method"] == "exact_name_birth_date"
    assert {alias["alias_key"], alias["person_key"]} == {pair["left_key"], pair["right_key"]}
    assert "last_name exact" in pair["evidence"] and "Quillfeather" not in str(pair)


def test_two_students_of_one_roster_stay_two_whatever_their_names_are(home: Home, keys: Keys, landing: Land) -> None:
    same = ["A77,Quillfeather,Oriane,,2004-03-19,1,,", "A78,Quillfeather,Oriane,,2004-03-19,1,,"]
    landing("LA/2015/roster.csv", csv(ROSTER_HEADER, *crowd(60, "1"), *same))
    run(home, keys)
    assert rows(home, "person_alias") == []


def test_a_student_who_moves_in_mid_year_is_one_and_who_is_on_two_rolls_at_once_is_not(
    home: Home, keys: Keys, landing: Land
) -> None:
    moved = [
        "A77,Quillfeather,Oriane,,2004-03-19,1,2014-08-11,2014-11-14",
        "B12,Quillfeather,Oriane,,2004-03-19,2,2014-11-17,2015-05-22",
    ]
    twice = [
        "A79,Underbrook,Tamsin,,2004-07-02,1,2014-08-11,2015-05-22",
        "B13,Underbrook,Tamsin,,2004-07-02,2,2014-08-11,2015-05-22",
    ]
    landing("LA/2015/roster.csv", csv(ROSTER_HEADER, *crowd(60, "1"), *moved, *twice))
    run(home, keys)
    assert len(rows(home, "person_alias")) == 1
    (pair,) = [row for row in rows(home, "person_match") if row["match_status"] == "review"]
    assert pair["review_reason"] == "in_one_list"


def test_an_id_with_somebody_elses_name_and_birth_date_is_reported(home: Home, keys: Keys, landing: Land) -> None:
    for year in (2014, 2015):
        landing(f"LA/{year}/roster.csv", csv(ROSTER_HEADER, *crowd(30, "1"), "A77,Quillfeather,Oriane,,2004-03-19,1,,"))
    landing("LA/2016/roster.csv", csv(ROSTER_HEADER, *crowd(30, "1"), "A77,Underbrook,Tamsin,,2005-07-02,1,,"))
    run(home, keys)
    (found,) = rows(home, "identity_conflict")
    assert (found["school_year"], found["feed"], found["birth_date_agrees"]) == (2016, "student_enrollment", False)


def test_a_married_name_beside_the_same_birth_date_is_no_conflict(home: Home, keys: Keys, landing: Land) -> None:
    landing("LA/2015/staff.csv", csv(STAFF_HEADER, "S1,Quillfeather,Oriane,1980-03-19,,1,teacher"))
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, "S1,Underbrook,Oriane,1980-03-19,,1,teacher"))
    run(home, keys)
    assert rows(home, "identity_conflict") == []


def test_an_id_that_a_list_gives_with_another_name_does_not_count(home: Home, keys: Keys, landing: Land) -> None:
    landing(
        "LA/2016/staff.csv", csv(STAFF_HEADER, "S1,Quillfeather,Oriane,,,1,teacher", "S2,Underbrook,Tamsin,,,1,teacher")
    )
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, "S1,Underbrook,Tamsin,1,2016,2015-07-01"))
    run(home, keys)
    (found,) = rows(home, "identity_conflict")
    assert (found["feed"], found["is_linked"]) == ("fellowship", False)


def staff(count: int) -> list[str]:
    """Teachers unlike each other, ten in a school."""
    return [f"9{n:04d},{name(n)},{name(n % 40 + 1000)},,,{n // 10},teacher" for n in range(count)]


def test_a_fellow_is_found_by_name_and_school(home: Home, keys: Keys, landing: Land) -> None:
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), "S1,Quillfeather,Oriane,,,7,teacher"))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, ",Quillfether,Oriane,7,2016,2015-07-01"))
    run(home, keys)
    assert [row["match_status"] for row in rows(home, "person_match")] == ["accepted"]
    (alias,) = rows(home, "person_alias")
    assert alias["person_kind"] == "staff"


def test_a_name_without_a_school_in_common_waits_for_review(home: Home, keys: Keys, landing: Land) -> None:
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), "S1,Quillfeather,Oriane,,,7,teacher"))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, ",Quillfeather,Oriane,8,2016,2015-07-01"))
    run(home, keys)
    (pair,) = rows(home, "person_match")
    assert (pair["match_status"], pair["review_reason"]) == ("review", "names_alone")


def test_nothing_is_done_again_where_nothing_has_changed(home: Home, keys: Keys, landing: Land) -> None:
    landing("LA/2015/roster.csv", csv(ROSTER_HEADER, *crowd(30, "1")))
    run(home, keys)
    assert person_match.is_current(home, keys)
    assert person_match.resolve(home, keys).is_current


def test_the_order_of_files_and_rows_changes_nothing(home: Home, keys: Keys, landing: Land) -> None:
    here = [*crowd(60, "1"), "A77,Quillfeather,Oriane,,2004-03-19,1,,"]
    landing("LA/2015/roster.csv", csv(ROSTER_HEADER, *here))
    landing("LA/2016/roster.csv", csv(ROSTER_HEADER, "B12,Quilfeather,Oriane,,2004-03-19,1,,", *crowd(60, "1")))
    run(home, keys)
    before = pl.DataFrame(rows(home, "person_match"))
    landing("LA/2015/roster.csv", csv(ROSTER_HEADER, *reversed(here)))
    run(home, keys)
    assert pl.DataFrame(rows(home, "person_match")).equals(before)


def test_two_people_of_one_name_stay_two_where_a_file_leaves_out_their_birth_dates(
    home: Home, keys: Keys, landing: Land
) -> None:
    landing(
        "LA/2016/staff.csv",
        csv(STAFF_HEADER, *staff(100), "S1,Quillfeather,Oriane,1972-11-14,oriane.quillfeather@la.example,7,teacher"),
    )
    landing("LA/2016/more.csv", csv(STAFF_HEADER, "S1,Quillfeather,Oriane,,,7,other"))
    landing(
        "MO/2016/staff.csv",
        csv(STAFF_HEADER, *staff(100), "M9,Quillfeather,Oriane,1976-08-20,oriane.quillfeather@mo.example,8,teacher"),
    )
    landing("MO/2016/more.csv", csv(STAFF_HEADER, "M9,Quillfeather,Oriane,,,8,other"))
    run(home, keys)
    assert rows(home, "person_alias") == []


def test_a_fellow_named_at_two_schools_in_two_years_is_found_both_times(home: Home, keys: Keys, landing: Land) -> None:
    for year, school in ((2015, "7"), (2016, "8")):
        landing(f"LA/{year}/staff.csv", csv(STAFF_HEADER, *staff(200), f"S1,Quillfeather,Oriane,,,{school},teacher"))
        landing(f"LA/{year}/fellows.csv", csv(FELLOWS_HEADER, f",Quillfeather,Oriane,{school},2015,2014-07-01"))
    run(home, keys)
    assert [row["match_status"] for row in rows(home, "person_match")] == ["accepted", "accepted"]
    assert len({row["person_key"] for row in rows(home, "person_alias")}) == 1


SCHOOL = [
    "P1,Ostrander,Philip,,philip@ex.org,7,principal",
    "T1,Brackenridge,Horace,,horace@ex.org,7,teacher",
    "T2,Castellanos,Lucia,,,7,teacher",
    "T3,Castellanos,Maria,,,7,teacher",
    "T4,Wrightman,Maria,,,7,teacher",
]
MAILED = FELLOWS.replace("fellows_by_name", "fellows_by_mail").replace(
    "cohort: Cohort", "cohort: Cohort\n  email: Mail"
)


def fellows(home: Home, keys: Keys, landing: Land, *listed: str) -> list[tuple[Any, ...]]:
    """Who the entries of a fellow list are tied to, by what, or why not; staff ids in the place of keys."""
    (home.layouts / "fellows.yaml").write_text(MAILED.replace("[Fellow Last,", "[Mail, Fellow Last,"))
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), *SCHOOL))
    landing("LA/2016/fellows.csv", csv(f"{FELLOWS_HEADER},Mail", *listed))
    run(home, keys)
    return told(home, keys)


def told(home: Home, keys: Keys) -> list[tuple[Any, ...]]:
    ids = [row.partition(",")[0] for row in SCHOOL]
    known = dict(zip(pseudonyms(pl.Series(ids), domain="staff", issuer="LA", keys=keys), ids, strict=True))
    found = sorted(rows(home, "program_participant"), key=lambda row: row["source_row"])
    return [(known.get(row["staff_key"]), row["resolved_by"], row["unresolved_reason"]) for row in found]


def test_an_address_beside_somebody_elses_name_ties_nobody(home: Home, keys: Keys, landing: Land) -> None:
    ((who, by, why),) = fellows(home, keys, landing, ",Brackenridge,Horace,7,2016,2015-07-01,philip@ex.org")
    assert who in (None, "T1") and by != "email"
    assert who or why == "waits_for_review"
    (conflict,) = rows(home, "identity_conflict")
    assert (conflict["claimed_by"], conflict["is_linked"]) == ("email", False)


def test_an_id_beside_the_name_of_a_colleague_with_the_same_surname_is_not_believed(
    home: Home, keys: Keys, landing: Land
) -> None:
    ((who, by, why),) = fellows(home, keys, landing, "T2,Castellanos,Maria,7,2016,2015-07-01,")
    assert (who, by) in ((None, None), ("T3", "name"))
    assert who or why == "waits_for_review"


def test_an_id_beside_a_name_that_nobody_else_has_is_believed_after_a_marriage(
    home: Home, keys: Keys, landing: Land
) -> None:
    assert fellows(home, keys, landing, "T4,Delahoussaye,Maria,7,2016,2015-07-01,") == [("T4", "staff_id", None)]
    assert [row for row in rows(home, "person_match") if row["match_status"] == "review"] == []


def test_what_a_person_decides_comes_before_id_and_address(home: Home, keys: Keys, landing: Land) -> None:
    fellows(home, keys, landing, "T4,Delahoussaye,Maria,7,2016,2015-07-01,")
    (entry,) = Lake(home.lake).read(registry.tables()["fellowship"])["name_key"]
    (t4, t1) = pseudonyms(pl.Series(["T4", "T1"]), domain="staff", issuer="LA", keys=keys)
    for word, expected in (("no", (None, None, "waits_for_review")), ("yes", ("T4", "staff_id", None))):
        decide(home, keys, entry, t4, word)
        run(home, keys)
        assert told(home, keys) == [expected]
    decide(home, keys, entry, t1, "yes")
    decide(home, keys, entry, t4, "no")
    run(home, keys)
    assert told(home, keys) == [("T1", "name", None)]


def decide(home: Home, keys: Keys, left: str, right: str, word: str) -> None:
    """Keep a decision as the review does."""
    row = {"person_kind": "staff", "left_key": left, "right_key": right, "decision": word}
    of = {f"{side}_{what}": "" for side in ("left", "right") for what in ("domain", "issuer", "id")}
    decision.keep(Vault(home, keys), decision.in_order(pl.DataFrame([row | of])))


def test_a_table_of_an_earlier_version_is_replaced(home: Home, keys: Keys, landing: Land) -> None:
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(5)))
    run(home, keys)
    lake, table = Lake(home.lake), registry.tables()["identity_conflict"]
    before = lake.read(table)
    before.drop("claimed_by").write_parquet(lake.part(table, "all"))
    run(home, keys)
    assert lake.read(table).equals(before)


@pytest.mark.parametrize(
    ("named", "listed"),
    [
        ("Van Der Berg,Mary Ann", "Berg,Mary Ann Van Der"),
        ("St. Quillfeather,Oriane", "Quillfeather,Oriane St."),
        ("Ortega Vidalune,Ana Lucia", "Vidalune,Ana Lucia Ortega"),
        ("Jeansonnet,Odilune", "(Math),Odilune Jeansonnet"),
        ("Truebodice,Almarine", "Almarine Truebodice,Jr."),
    ],
)
def test_a_whole_name_is_parted_at_every_word(home: Home, keys: Keys, landing: Land, named: str, listed: str) -> None:
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), f"S1,{named},,,7,teacher"))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, f",{listed},7,2016,2015-07-01"))
    run(home, keys)
    assert [row["match_status"] for row in rows(home, "person_match")] == ["accepted"]


@pytest.mark.parametrize("listed", ["Bannermann Jr.,James", "James Bannermann,Jr."])
def test_a_son_on_a_list_is_not_his_father_on_the_staff(home: Home, keys: Keys, landing: Land, listed: str) -> None:
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), "S1,Bannermann Sr.,James,,,7,teacher"))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, f",{listed},7,2016,2015-07-01"))
    run(home, keys)
    assert "accepted" not in [row["match_status"] for row in rows(home, "person_match")]


def test_half_of_a_double_name_is_at_least_shown(home: Home, keys: Keys, landing: Land) -> None:
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), "S1,Peña-Álvarez,José María,,,7,teacher"))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, ",Pena,Jose,7,2016,2015-07-01"))
    run(home, keys)
    (pair,) = rows(home, "person_match")
    assert pair["match_status"] in ("accepted", "review")


def test_further_years_of_the_staff_file_do_not_make_a_school_say_less(home: Home, keys: Keys, landing: Land) -> None:
    crowded = [f"9{n:04d},{name(n)},{name(n % 40 + 1000)},,,{n % 12},teacher" for n in range(600)]
    for year in (2014, 2015, 2016, 2017):
        landing(f"LA/{year}/staff.csv", csv(STAFF_HEADER, *crowded, "S1,Quillfeather,Oriane,,,7,teacher"))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, ",Quillfeather,Oriane,7,2016,2015-07-01"))
    run(home, keys)
    (pair,) = rows(home, "person_match")
    assert (pair["match_status"], pair["review_reason"]) == ("accepted", None)


@pytest.mark.parametrize(
    ("holder", "listed"), [("Terrebonne,Kristin", "Terrebonne,Kirstin"), ("Blackthorn,Flora", "Blackthorn,Hector")]
)
def test_an_id_beside_a_name_that_is_another_persons_is_told_and_ties_nobody(
    home: Home, keys: Keys, landing: Land, holder: str, listed: str
) -> None:
    two = [f"S1,{holder},,,7,teacher", "S2,Terrebonne,Kirstin,,,7,teacher"]
    landing("LA/2016/staff.csv", csv(STAFF_HEADER, *staff(200), *two))
    landing("LA/2016/fellows.csv", csv(FELLOWS_HEADER, f"S1,{listed},7,2016,2015-07-01"))
    run(home, keys)
    (found,) = rows(home, "identity_conflict")
    assert (found["claimed_by"], found["is_linked"]) == ("id", False)


def test_who_is_on_the_rolls_of_two_states_at_once_is_two_people_until_somebody_says_so(
    home: Home, keys: Keys, landing: Land
) -> None:
    for state, number in (("LA", "A77"), ("MO", "B12")):
        own = crowd(30, state)
        landing(f"{state}/2015/roster.csv", csv(ROSTER_HEADER, *own, f"{number},Quillfeather,Oriane,,2004-03-19,1,,"))
    run(home, keys)
    assert {row["review_reason"] for row in rows(home, "person_match")} == {"in_one_list"}
    assert rows(home, "person_alias") == []
