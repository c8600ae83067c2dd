"""Where a field comes from: either of two columns, one of several flags, levels of the record's own assessment."""

from __future__ import annotations

from typing import Any

import pytest

from landed import HEADER, SCORES, Landed, scores
from schemas.yaml_file import ContractError

RACE = """
  race_ethnicity:
    flags: {hispanic_or_latino: H, asian: A, white: W}
    first: hispanic_or_latino
    several: two_or_more_races
"""
FLAGS = f"{HEADER},H,A,W"


def with_flags(landed: Landed, *flags: str) -> Landed:
    landed.layout(SCORES.replace("  lea_id", RACE.lstrip("\n") + "  lea_id"))
    rows = [f"7{place},Tester,02/03/2006,04,1,500,{flag}" for place, flag in enumerate(flags)]
    landed.file("scores.csv", scores(*rows, header=FLAGS))
    landed.run()
    return landed


@pytest.mark.parametrize(
    ("flags", "race"),
    [
        ("N,Y,N", "asian"),
        (",yes,", "asian"),
        ("0,1,1", "two_or_more_races"),
        ("Y,N,N", "hispanic_or_latino"),
        ("Y,Y,Y", "hispanic_or_latino"),
        ("N,N,N", None),
        (",,", None),
    ],
)
def test_a_value_is_the_one_whose_flag_says_yes(landed: Landed, flags: str, race: str | None) -> None:
    assert with_flags(landed, flags).table("race_ethnicity", "race_ethnicity_source") == [(race, race)]


def test_a_cell_that_is_no_flag_is_quarantined(landed: Landed) -> None:
    with_flags(landed, "N,Y,N", "N,Y,N", "N,Y,N", "N,perhaps,N")

    assert landed.quarantine("source_row", "rule", "source_column") == [(5, "unreadable", "H+A+W")]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{flags: {hispanic_or_latino: H, martian: A}}", "'martian' is not an allowed value of race_ethnicity"),
        ("{flags: {asian: A}, several: many}", "'many' is not an allowed value of race_ethnicity"),
        ("{flags: {asian: A}, first: white}", "`first`: 'white' is not one of the `flags`"),
        ("{from: A, several: white}", "`first` and `several` are for `flags`"),
        ("{from: A, flags: {asian: A}}", "give `from` (a column), `either` (the first that is filled)"),
    ],
)
def test_a_mistake_in_flags_is_told(landed: Landed, source: str, said: str) -> None:
    landed.layout(SCORES.replace("  lea_id", f"  race_ethnicity: {source}\n  lea_id"))

    with pytest.raises(ContractError) as error:
        landed.home.all_layouts()
    assert said in str(error.value)


def either(landed: Landed, header: str, *rows: str) -> list[tuple[Any, ...]]:
    landed.layout(SCORES.replace("{from: Score, range", "{either: [Retest, Score], range"))
    landed.file("scores.csv", scores(*rows, header=header))
    landed.run()
    return landed.table("scale_score")


def test_the_first_of_the_columns_that_is_filled_counts(landed: Landed) -> None:
    rows = ["71,Tester,02/03/2006,04,1,500,600", "72,Tester,02/03/2006,04,1,550,"]

    assert either(landed, f"{HEADER},Retest", *rows) == [(550.0,), (600.0,)]


def test_one_of_the_columns_is_enough_and_the_other_is_not_missed(landed: Landed) -> None:
    assert either(landed, HEADER, "71,Tester,02/03/2006,04,1,500") == [(500.0,)]
    assert landed.delivery("scores.csv")["missing_columns"] is None


def test_levels_are_those_of_the_records_own_assessment(landed: Landed) -> None:
    landed.layout(
        SCORES.replace("  lea_id", "  assessment: Test\n  performance_level: Level\n  lea_id")
        + "levels: [LEAP, Missouri MAP]\n"
    )
    tests = ("LEAP,Basic", "LEAP,Advanced", "Missouri MAP,Basic", "Missouri MAP,Advanced")
    rows = [f"7{place},Tester,02/03/2006,04,1,500,{test}" for place, test in enumerate(tests)]
    landed.file("scores.csv", scores(*rows, header=f"{HEADER},Test,Level"))
    landed.run()

    assert landed.table("assessment", "performance_level", "level_order", "proficient") == [
        ("LEAP", "Advanced", 5, "yes"),
        ("LEAP", "Basic", 3, "no"),
        ("Missouri MAP", "Advanced", 4, "yes"),
        ("Missouri MAP", "Basic", 2, "no"),
    ]


def test_a_layout_without_grades_may_leave_them_out_and_one_with_grades_may_not(landed: Landed) -> None:
    rows = ["71,Tester,02/03/2006,04,1,500", "72,Tester,02/03/2006,04,1,500", "73,Tester,02/03/2006,04,1,500"]
    landed.file("scores.csv", scores(*rows, "74,Tester,02/03/2006,,1,500"))
    landed.run()
    assert landed.quarantine("source_row", "rule", "source_column") == [(5, "required", "Grade")]

    landed.layout(SCORES.replace("  grade: Grade\n", ""))
    landed.run()
    assert landed.table("grade") == [(None,)] * 4


def test_fillers_may_have_one_name_where_the_layout_says_so(landed: Landed) -> None:
    landed.layout(SCORES.replace("read: {format: delimited}", "read: {format: delimited, repeated: Filler}"))
    landed.file("scores.csv", scores("71,Tester,02/03/2006,04,1,500,a,b", header=f"{HEADER},Filler,Filler"))
    landed.run()

    assert landed.scores() == [500.0]
    assert landed.delivery("scores.csv")["unknown_columns"] == "column 7, column 8"


def test_a_fixed_width_line_may_have_from_some_to_some_characters(landed: Landed) -> None:
    landed.layout(
        'layout: fixed\nfeed: student_assessment\nissuer: "*"\nabout: Fixed\n'
        "recognise: {columns: [id, grade, score], values: {grade: '0[1-8]'}}\n"
        "read: {format: fixed_width, record_length: 8-9, positions: {id: 1-3, grade: 4-5, score: 6-8}}\n"
        "fill: {student_id: id, subject: {value: mathematics}, grade: grade, scale_score: score}\ntolerance: 0.5\n",
        "fixed.yaml",
    )
    landed.file("scores.txt", "70104500\n70204510.\n70304520..\n")
    landed.run()

    assert landed.scores() == [500.0, 510.0]
    assert landed.quarantine("source_row", "rule") == [(3, "record_length")]
