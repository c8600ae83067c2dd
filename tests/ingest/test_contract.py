"""What breaks a feed's contract: each rule with file, row, column, rule and fix, and never a value."""

from __future__ import annotations

import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landed import LA_2016, Landed, account, scores
from le_pipeline.ingest import contract
from le_pipeline.ingest.filling import DAMAGED
from le_pipeline.warehouse.lake import POLARS_TYPES, polars_schema
from schemas import registry
from schemas.registry import Column
from schemas.rules import rule_texts

LAYOUT = """\
layout: own
feed: {feed}
issuer: "*"
about: One small file
recognise: {{columns: [ID]}}
read: {{format: delimited}}
fill: {{{fill}}}
tolerance: 1
"""
SCORE = (
    "student_id: ID, grade: Grade, subject: Subject, scale_score: {from: Score, range: [100, 900]}, birth_date: Born"
)
FELLOW = "staff_id: ID, email: Mail, cohort: Cohort, begin_date: Start, end_date: End"
SCHOOL = "school_id: ID, lea_id: District, nces_school_id: NCES, frpl_share: FRPL"
SECTION = "section_id: ID, subject: Subject, term_begin_date: Start, term_end_date: End"
SECTIONS = "ID,Subject,Start,End"
FELLOWS, SCHOOLS, TESTS = "ID,Mail,Cohort,Start,End", "ID,District,NCES,FRPL", "ID,Grade,Subject,Score,Born"

BROKEN: list[tuple[str, str, str, str, str, str, str]] = [
    ("student_assessment", SCORE, TESTS, ",04,ela,500,", "required", "ID",
     "ID: fill in the value; a record without it cannot be used"),
    ("student_assessment", SCORE, TESTS, "9,,ela,500,", "required", "Grade",
     "Grade: fill in the value; a record without it cannot be used"),
    ("student_assessment", SCORE, TESTS, "9,04,ela,5OO,", "unreadable", "Score", "Score: give a number"),
    ("student_assessment", SCORE, TESTS, "9,04,ela,99,", "range", "Score", "Score: give a value from 100 to 900"),
    ("student_assessment", SCORE, TESTS, "9,04,ela,901,", "range", "Score", "Score: give a value from 100 to 900"),
    ("student_assessment", SCORE, TESTS, "9,04,ela,500,13/13/2001", "unreadable", "Born",
     "Born: give a date in the layout's format"),
    ("student_assessment", SCORE, TESTS, "9,04,ela,500,2099-01-01", "range", "Born",
     "Born: give a value from 1900-01-01 to today"),
    ("student_assessment", SCORE, TESTS, "9,14,ela,500,", "unreadable", "Grade",
     "Grade: give one of PK, KG, 01, 02, 03, 04, 05, 06, 07, 08, 09, 10, 11, 12, UG, or map the value in the layout"),
    ("student_assessment", SCORE, TESTS, "9,04,ela,500,,x", "too_many_cells", "the row",
     "the row: the row has more cells than the header; quote the cells that hold the delimiter"),
    ("student_assessment", SCORE, TESTS, "9\ufffd,04,ela,500,", "encoding", "the row",
     "the row: send the file in the encoding of its layout; a character of the row cannot be read"),
    ("fellowship", FELLOW, FELLOWS, "=9+9,,2016,2015-08-01,", "formula", "ID",
     "ID: give the value itself; the cell begins a spreadsheet formula"),
    ("fellowship", FELLOW, FELLOWS, ",,2016,2015-08-01,", "any_of", "ID or Mail",
     "ID or Mail: fill in at least one"),
    ("fellowship", FELLOW, FELLOWS, "9,,2016,2015-08-02,2015-08-01", "ordered", "Start or End",
     "Start or End: the first date must not be after the second"),
    ("section", SECTION, SECTIONS, "9,ela,2015-08-20,2017-05-20", "within_year", "Start or End",
     "Start or End: " + rule_texts()["within_year"].how),
    ("school", SCHOOL, SCHOOLS, "9,1,22000,0.5", "pattern", "NCES",
     "NCES: give a value in the form of the description: " + registry.field_of("nces_school_id").description),
    ("school", SCHOOL, SCHOOLS, "9,1,220000000001,1.01", "range", "FRPL", "FRPL: give a value from 0 to 1"),
]  # fmt: skip
GOOD = {
    SECTIONS: "8,ela,2015-08-20,2016-05-20",
    TESTS: "8,04,ela,500,2006-02-03",
    FELLOWS: "8,,2016,2015-08-01,2015-08-01",
    SCHOOLS: "8,1,220000000001,1",
}
# conflict and allowed_values are told below, the others in test_formats.py, test_identity.py and test_sources.py
OTHERWISE_FOUND = {"conflict", "allowed_values", "damaged_id", "not_on_roster", "record_length"}


def test_every_rule_that_a_record_can_break_is_explained_and_no_other() -> None:
    assert {case[4] for case in BROKEN} | OTHERWISE_FOUND == set(rule_texts())


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: f"{case[4]} {case[5]}")
def test_a_broken_rule_is_told_with_file_row_column_and_fix_and_the_record_is_in_the_vault(
    landed: Landed, case: tuple[str, ...]
) -> None:
    feed, fill, header, row, rule, column, fix = case
    landed.layout(LAYOUT.format(feed=feed, fill=fill))
    content = scores(GOOD[header], row, header=header).encode().replace("\ufffd".encode(), b"\xff")
    landed.file("file.csv", content)
    landed.run(feed)
    assert account(landed.delivery("file.csv")) == (2, 1, 1, 0, 0)
    assert landed.delivery("file.csv")["quarantined_by_rule"] == f'{{"{rule}": 1}}'
    assert landed.quarantine("state", "school_year", "path", "source_row", "rule", "source_column", "fix") == [
        ("LA", 2016, "LA/2016/file.csv", 3, rule, column, fix)
    ]
    assert landed.vaulted("quarantine", feed)["source_row"].to_list() == [3]
    assert len(landed.table("source_row", feed=feed)) == 1


def test_a_record_that_breaks_several_rules_is_one_record_with_a_pointer_for_each(landed: Landed) -> None:
    landed.file("file.csv", scores(",Ann,13/13/2006,04,1,50", *["7,Bo,02/03/2006,04,1,500"]))
    landed.layout((landed.home.layouts / "own.yaml").read_text(encoding="utf-8").replace("0.25", "1"))
    landed.run()
    assert account(landed.delivery("file.csv")) == (2, 1, 1, 0, 0)
    assert landed.quarantine("source_row", "rule", "source_column") == [
        (2, "range", "Score"),
        (2, "required", "ID"),
        (2, "unreadable", "Born"),
    ]


def test_only_the_columns_that_are_used_count_as_damaged(landed: Landed) -> None:
    landed.file("file.csv", b"ID,Grade,Score,Note\n7,04,500,\xff\n")
    landed.run()
    assert account(landed.delivery("file.csv")) == (1, 1, 0, 0, 0)


def school(**values: Any) -> pl.DataFrame:
    """One record of a school as the reading leaves it."""
    table = registry.feeds()["school"]
    schema: dict[str, Any] = polars_schema(table) | {field.name: POLARS_TYPES[field.type] for field in table.identity}
    row = {"state": "LA", "school_year": 2016, "school_id": "1", "lea_id": "1", "delivery_id": "d", "source_row": 2}
    return pl.DataFrame([row | values], schema=schema).with_columns(pl.lit(value=False).alias(DAMAGED))


def test_what_a_check_cannot_look_at_stops_the_work_and_is_never_accepted() -> None:
    table = registry.feeds()["school"]
    assert contract.broken(school(), table).is_empty()
    with pytest.raises(RuntimeError, match="did not run"):
        contract.broken(school().with_columns(pl.lit("Canary").alias("school_year")), table)


def test_a_value_outside_its_list_is_found_even_where_the_reading_has_let_it_through() -> None:
    found = contract.broken(school(level="Canary"), registry.feeds()["school"])
    assert found.rows() == [(0, "allowed_values", "level")]


def test_conflicts_of_a_wide_file_point_at_the_subject(landed: Landed) -> None:
    landed.layout(
        'layout: wide\nfeed: student_assessment\nissuer: "*"\nabout: wide\nrecognise: {columns: [ID, RS, MS]}\n'
        "read: {format: delimited}\nfill: {student_id: ID, grade: Grade}\n"
        'unpivot: {subject: {ela: R, mathematics: M}, fill: {scale_score: "{}S"}}\ntolerance: 1\n'
    )
    landed.file("wide.csv", "ID,Grade,RS,MS\n1,04,500,600\n1,04,500,601\n2,04,500,600\n")
    landed.run()
    assert account(landed.delivery("wide.csv")) == (6, 3, 2, 0, 1)
    assert landed.quarantine("source_row", "part", "rule", "source_column") == [
        (2, "mathematics", "conflict", "the row"),
        (3, "mathematics", "conflict", "the row"),
    ]
    assert landed.vaulted("quarantine")["source_row"].to_list() == [2, 3]
    assert landed.home.partitions() == [LA_2016]


CELLS: dict[str, list[Any]] = {
    "integer": [1, -1, 10**6],
    "school_year": [2016, 1, 10**6],
    "number": [0.5, -0.5, 1e9],
    "date": [datetime.date(2015, 8, 1), *(datetime.date(year, 7, 1) for year in (1800, 2015, 2999))],
}  # the first of each keeps every rule


def cells(column: Column) -> list[Any]:
    """Values of a column, the first of which keeps every rule, and nothing."""
    if column.field.pattern:
        return ["229999900001", "Canary", "2299999000012", None]
    texts = [*(column.values or ())[:2], "Canary"]
    return [*CELLS.get(column.field.type, texts), None]


@settings(deadline=None)  # the first schema of a feed takes Pandera its time
@given(st.data())
def test_a_record_is_in_doubt_whenever_pandera_finds_anything_and_what_it_finds_stands_at_its_place(
    data: st.DataObject,
) -> None:
    table = registry.feeds()[data.draw(st.sampled_from(sorted(registry.feeds())))]
    columns = [*table.columns, *(Column(name=field.name, field=field) for field in table.identity)]
    plain = {column.name: cells(column)[0] for column in columns}
    spoilt = st.sampled_from([(column.name, cell) for column in columns for cell in cells(column)])
    rows = [plain | dict(one) for one in data.draw(st.lists(st.lists(spoilt, max_size=2), min_size=1, max_size=6))]
    schema = {column.name: POLARS_TYPES[column.field.type] for column in columns}
    records = pl.DataFrame(rows, schema=schema).with_columns(pl.lit(value=False).alias(DAMAGED))
    found = contract.broken(records, table)
    with pytest.MonkeyPatch.context() as patched:
        everything = pl.Series(range(len(rows)), dtype=pl.UInt32)
        patched.setattr(contract, "doubtful_places", lambda *_: everything)
        assert found.equals(contract.broken(records, table))
    kept = [place for place, row in enumerate(rows) if row == plain]
    assert not set(kept) & set(contract.doubtful_places(records, table))
