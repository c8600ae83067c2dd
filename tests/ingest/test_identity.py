"""Which column holds the id is found out by the roster; what it does not find is told and never stops the file."""

from __future__ import annotations

import pytest

from landed import Landed, account
from le_pipeline.home import Home
from le_pipeline.ingest.identity import low
from le_pipeline.privacy.keys import Keys

ROSTER = """\
layout: roster
feed: student_enrollment
issuer: "*"
about: Students
recognise: {columns: [State, Local, School]}
read: {format: delimited}
fill: {student_id: State, local_student_id: Local, school_id: School}
"""
VENDOR = """\
layout: vendor
feed: student_assessment
issuer: "*"
about: Scores of a vendor
recognise: {columns: [First, Second, Score]}
read: {format: delimited}
fill:
  student_id: {candidates: [First, Second, Third]}
  subject: {value: reading}
  grade: {value: "04"}
  scale_score: Score
"""
STUDENTS = "State,Local,School\n" + "".join(f"S{place},{place},1\n" for place in range(100, 120))


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    made = Landed(home, keys).layout(ROSTER, "roster.yaml").layout(VENDOR, "vendor.yaml")
    made.file("students.csv", STUDENTS)
    made.run("student_enrollment")
    return made


def keys_of(landed: Landed, feed: str) -> set[str]:
    return {key for (key,) in landed.table("student_key", feed=feed)}


def rates(landed: Landed) -> list[tuple[object, ...]]:
    frame = landed.run().matches
    return frame.select("source_column", "roster_id_kind", "rows_matched", "match_share", "is_chosen").rows()


def test_the_pair_that_finds_the_most_students_wins_and_local_ids_become_the_states(landed: Landed) -> None:
    rows = "".join(f"S{place + 500},{place},{place}\n" for place in range(100, 110))
    landed.file("vendor.csv", f"First,Second,Score\n{rows}")
    assert rates(landed) == [
        ("First", "local_student_id", 0, 0.0, False),
        ("First", "student_id", 0, 0.0, False),
        ("Second", "local_student_id", 10, 1.0, True),
        ("Second", "student_id", 0, 0.0, False),
    ]
    assert account(landed.delivery("vendor.csv")) == (10, 10, 0, 0, 0)
    assert keys_of(landed, "student_assessment") < keys_of(landed, "student_enrollment")


def test_few_matches_warn_and_set_rows_apart_and_never_hold_the_table(landed: Landed) -> None:
    rows = "S100,,1\nS101,,2\n" + "".join(f"X{place},,3\n" for place in range(8))
    landed.file("vendor.csv", f"First,Second,Score\n{rows}")
    report = landed.run()
    assert report.is_replaced
    assert account(landed.delivery("vendor.csv")) == (10, 2, 8, 0, 0)
    (warning,) = low(report.matches)
    assert warning == (
        "LA/2016/vendor.csv: 20% of its rows are on the roster by First (student_id);"
        " see the quarantine for the rest, and whether the roster of the year is the right one"
    )
    assert landed.quarantine("source_row", "rule", "source_column", "value_shape")[0] == (
        4,
        "not_on_roster",
        "First or Second",
        "A9",
    )


def test_rows_come_in_by_themselves_once_the_roster_has_them(landed: Landed) -> None:
    landed.file("vendor.csv", "First,Second,Score\nS100,,1\nS300,,2\n")
    landed.run()
    assert landed.scores() == [1.0]
    landed.file("students.csv", STUDENTS + "S300,300,1\n")
    landed.run("student_enrollment")
    landed.run()
    assert (landed.scores(), landed.quarantine("rule")) == ([1.0, 2.0], [])


def test_without_a_roster_the_first_candidate_is_taken(home: Home, keys: Keys) -> None:
    landed = Landed(home, keys).layout(VENDOR)
    landed.file("vendor.csv", "First,Second,Score\nS100,7,1\n")
    assert rates(landed) == []
    assert landed.vaulted("identity")["student_id"].to_list() == ["S100"]


def test_an_id_of_two_students_tells_nobody(landed: Landed) -> None:
    landed.file("students.csv", STUDENTS + "S900,100,1\n")
    landed.run("student_enrollment")
    landed.file("vendor.csv", "First,Second,Score\n,100,1\n,101,2\n")
    landed.run()
    assert landed.scores() == [2.0]
    assert landed.quarantine("source_row", "rule") == [(2, "not_on_roster")]
