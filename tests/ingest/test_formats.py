"""Every kind of file comes to the same records: encodings, line ends, formats, archives, workbooks."""

from __future__ import annotations

import io
import json
import zipfile

import polars as pl
import pytest

from landed import SCORES, Landed, account, scores, students, workbook

TEN = students(10)
PLAIN = scores(*TEN)
ACCENTS = scores(*(row.replace("Tester", "Nuñez") for row in TEN))


def archive(**files: str | bytes) -> bytes:
    """A ZIP archive of the files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in files.items():
            packed.writestr(name.replace("__", "."), text)
    return content.getvalue()


def table() -> pl.DataFrame:
    """The ten rows as a frame of text."""
    header, *rows = [line.split(",") for line in PLAIN.splitlines()]
    return pl.DataFrame(rows, schema=header, orient="row")


def parquet(frame: pl.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.write_parquet(content)
    return content.getvalue()


def names(landed: Landed) -> set[str]:
    return set(landed.vaulted("identity")["last_name"])


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("\n", "\r\n", 4).encode(),
        PLAIN.replace("\n", "\r", 4).encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-32"),
        PLAIN.rstrip("\n").encode(),
    ],
    ids=["LF", "CRLF", "CR", "CRLF and LF", "CR and LF", "BOM", "UTF-16", "UTF-16 BE", "UTF-32", "no last line end"],
)
def test_line_ends_and_marked_encodings_make_no_difference(landed: Landed, content: bytes) -> None:
    landed.file("scores.csv", content)
    landed.run()
    assert account(landed.delivery("scores.csv")) == (10, 10, 0, 0, 0)
    assert landed.table("source_row")[0] == (2,)
    assert landed.vaulted("identity")["student_id"].to_list()[0] == "7000000"


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_of_several_encodings_the_one_that_fits_is_taken(landed: Landed, encoding: str) -> None:
    landed.layout(SCORES.replace("format: delimited", "format: delimited, encoding: [utf-8, windows-1252]"))
    landed.file("scores.csv", ACCENTS.encode(encoding))
    landed.run()
    assert names(landed) == {"Nuñez"}


def test_utf_8_is_not_taken_for_another_encoding(landed: Landed) -> None:
    landed.layout(SCORES.replace("format: delimited", "format: delimited, encoding: windows-1252"))
    landed.file("scores.csv", ACCENTS)
    landed.run()
    assert landed.delivery("scores.csv")["delivery_reason"] == (
        "LA/2016/scores.csv is in UTF-8, its layout says windows-1252; name both in the layout: [utf-8, windows-1252]"
    )


TYPED = table().with_columns(pl.col("Score").cast(pl.Int32), pl.col("Born").str.to_date("%m/%d/%Y"))
# what has gaps becomes a float, and a day a timestamp
AS_PANDAS = TYPED.with_columns(pl.col("Grade").cast(pl.Float64), pl.col("Born").cast(pl.Datetime("ns")))


@pytest.mark.parametrize(
    ("name", "read", "content"),
    [
        ("scores.parquet", "parquet", parquet(table())),
        ("scores.parquet", "parquet", parquet(TYPED)),
        ("scores.parquet", "parquet", parquet(AS_PANDAS)),
        ("scores.jsonl", "json_lines", "".join(json.dumps(row) + "\n" for row in table().to_dicts()).encode()),
        ("scores.jsonl", "json_lines", table().with_columns(pl.col("Score").cast(pl.Int32)).write_ndjson().encode()),
        ("scores.xlsx", "excel", workbook([line.split(",") for line in PLAIN.splitlines()])),
    ],
    ids=["Parquet", "Parquet with types", "Parquet of pandas", "JSON lines", "JSON lines with numbers", "Excel"],
)  # fmt: skip
def test_every_format_comes_to_the_same_records(landed: Landed, name: str, read: str, content: bytes) -> None:
    landed.layout(SCORES.replace("format: delimited", f"format: {read}"))
    landed.file(name, content)
    landed.run()
    assert account(landed.delivery(name)) == (10, 10, 0, 0, 0)
    assert landed.scores() == [500.0] * 10
    assert len({str(day) for day in landed.vaulted("identity")["birth_date"]}) == 1


def test_numbers_of_json_are_as_they_are_written_and_a_later_name_is_told(landed: Landed) -> None:
    landed.layout(SCORES.replace("format: delimited", "format: json_lines"))
    record = '{"ID": 12345678901234560000, "Grade": "04", "Score": 500.50, "Name": null}\n'
    lines = [record.replace("0000,", f"{place:04d},") for place in range(1001)]
    lines.append('{"ID": "8", "Grade": "04", "Score": "1", "Extra": "x"}\n')
    landed.file("scores.jsonl", "".join(lines))
    landed.run()
    assert landed.quarantine("source_row", "rule") == [(1002, "range"), (1002, "too_many_cells")]
    assert landed.vaulted("identity")["student_id"].to_list()[:2] == ["12345678901234560000", "12345678901234560001"]
    assert landed.scores()[0] == 500.5


# -- archives ----------------------------------------------------------------------------------------------------


def test_every_file_of_an_archive_is_a_delivery(landed: Landed) -> None:
    other = scores(*students(3, score=510)).replace("7000", "8000")
    landed.file("set.zip", archive(one__csv=PLAIN, two__csv=other, **{"__MACOSX/._one__csv": b"\0"}))
    landed.run()
    assert landed.scores() == [500.0] * 10 + [510.0] * 3
    assert landed.delivery("set.zip/one.csv")["rows_accepted"] == 10
    assert landed.delivery("set.zip/two.csv")["rows_accepted"] == 3
    assert landed.run().is_current


def test_files_of_one_archive_do_not_correct_each_other(landed: Landed) -> None:
    other = scores(TEN[0], TEN[1].replace("500", "510"))
    landed.file("set.zip", archive(one__csv=PLAIN, two__csv=other))
    landed.run()
    assert account(landed.delivery("set.zip/one.csv")) == (10, 9, 1, 0, 0)
    assert account(landed.delivery("set.zip/two.csv")) == (2, 0, 1, 0, 1)
    assert sorted(landed.quarantine("path", "rule")) == [
        ("LA/2016/set.zip/one.csv", "conflict"),
        ("LA/2016/set.zip/two.csv", "conflict"),
    ]
    landed.file("three.csv", scores(TEN[1].replace("500", "520")))
    landed.run()
    assert landed.scores() == [500.0] * 9 + [520.0]


def test_a_set_in_an_archive_looks_values_up_in_its_own_files(landed: Landed) -> None:
    landed.layout(
        'layout: places\nfeed: school\nissuer: "*"\nabout: Schools\nrecognise: {columns: [Code, Org]}\n'
        "read: {format: delimited}\nlookup: {org: {file: orgs.csv, key: id, by: Org}}\n"
        "fill: {school_id: Code, lea_id: org.district}\n"
    )
    landed.file("set.zip", archive(schools__csv="Code,Org\n1,o1\n", orgs__csv="id,district\no1,North\n"))
    landed.run("school")
    assert landed.table("school_id", "lea_id", feed="school") == [("1", "North")]
    assert landed.delivery("set.zip/orgs.csv")["delivery_status"] == "noted"


def test_an_archive_that_breaks_holds_what_came_out_of_it_before(landed: Landed) -> None:
    whole = archive(one__csv=PLAIN)
    landed.file("set.zip", whole)
    landed.run()
    landed.file("set.zip", whole[:40])
    held = landed.run()
    assert held.held_by == {
        "LA/2016/set.zip": "LA/2016/set.zip is a damaged archive, or none at all; ask the sender for it again"
    }
    assert landed.scores() == [500.0] * 10


# -- workbooks ---------------------------------------------------------------------------------------------------

SHEETS = """\
layout: grades
feed: student_assessment
issuer: "*"
about: A sheet for each grade, titles and a header of two rows above
recognise: {columns: [ID, Mathematics / Score]}
read: {format: excel, sheet: "Grade *", preamble: 3, header: 2}
fill: {student_id: {from: ID, width: 9}, grade: {from: "@sheet", extract: "Grade (.+)"}}
unpivot:
  subject: {mathematics: Mathematics, reading: Reading}
  fill: {scale_score: "{} / Score", raw_score: "{} / Raw"}
"""


def book(**sheets: list[list[str | None]]) -> bytes:
    import xlsxwriter

    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as out:
        for name, rows in sheets.items():
            sheet = out.add_worksheet(name.replace("_", " "))
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row)
    return content.getvalue()


HEAD: list[list[str | None]] = [["Scores of spring"], [], ["ID", "Mathematics", None, "Reading", None],
                                [None, "Score", "Raw", "Score", "Raw"]]  # fmt: skip


def test_sheets_are_deliveries_with_titles_and_merged_headers_and_others_are_noted(landed: Landed) -> None:
    landed.layout(SHEETS)
    rows3: list[list[str | None]] = [["7000001", "500", "10", "510", "11"]]
    rows4: list[list[str | None]] = [["7000002", "520", "12", None, None]]
    landed.file("grades.xlsx", book(Grade_3=HEAD + rows3, Grade_4=HEAD[1:] + rows4, Notes=[["x", "y"]]))
    landed.run()
    assert landed.table("grade", "subject", "scale_score", "raw_score", "source_row") == [
        ("03", "mathematics", 500.0, 10.0, 5),
        ("03", "reading", 510.0, 11.0, 5),
        ("04", "mathematics", 520.0, 12.0, 4),
    ]
    assert landed.delivery("grades.xlsx#Grade 3")["ids_restored"] == 2
    assert landed.delivery("grades.xlsx#Notes")["delivery_reason"] == "no layout takes this sheet"


# -- ids that a spreadsheet has damaged --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "width", "known_as"),
    [
        ("001234567", 9, "001234567"),
        ("1234567", 9, "001234567"),
        ("1234567.0", 9, "001234567"),
        ("1234567.00", 9, "001234567"),
        ("1.23457E+08", 9, None),
        ("1234567890", 9, None),
        ("AB1234567", 9, "AB1234567"),
        ("1234567", None, "1234567"),
        ("1234567.0", None, None),
        ("1.23457E+09", None, None),
        ("12E4", None, "12E4"),
    ],
)
def test_damaged_ids_are_restored_by_the_known_width_or_quarantined(
    landed: Landed, cell: str, width: int | None, known_as: str | None
) -> None:
    if width:
        landed.layout(SCORES.replace("student_id: ID", f"student_id: {{from: ID, width: {width}}}"))
    good = TEN[0].replace("7000000", "700000001")
    landed.file("scores.csv", scores(good, good.replace("700000001", "700000002"), TEN[1].replace("7000001", cell)))
    landed.layout(landed.home.layouts.joinpath("own.yaml").read_text(encoding="utf-8").replace("0.25", "1"))
    landed.run()
    ids = set(landed.vaulted("identity")["student_id"]) - {"700000001", "700000002"}
    assert ids == ({known_as} if known_as else set())
    delivery = landed.delivery("scores.csv")
    assert delivery["ids_restored"] == (known_as is not None and known_as != cell)
    shapes = [] if known_as else [("damaged_id", "ID")]
    assert landed.quarantine("rule", "source_column") == shapes
