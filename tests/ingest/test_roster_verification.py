"""A verified roster comes back from a school: how it was saved, what was typed, and what a steward is told."""

from __future__ import annotations

import io
import zipfile

import pytest
import xlsxwriter

from landed import Landed, account, workbook
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys

FEED = "teacher_student_link"
HEADER = [
    *("School Year", "School ID", "School Name", "Teacher ID", "Teacher Last Name", "Teacher First Name"),
    *("Student ID", "Student Last Name", "Student First Name", "Subject", "Share percent", "Remark"),
]
ENROLLED = "student_id,school_id\n01,017001\n02,017001\n03,017001\n"
AS_TEXT = (
    "Share percent: give a percentage as text with its sign, such as 50%; "
    "if the cell shows one, format it as text (a workbook keeps it as 0.5) and type it anew"
)


def row(student: str = "01", share: str | float | None = "100%", **said: str) -> list[str | float | None]:
    cells = {"School Year": "2015-2016", "School ID": "017001", "School Name": "North", "Teacher ID": "T1"}
    cells |= {"Teacher Last Name": "Cole", "Teacher First Name": "Cy", "Subject": "Mathematics"} | said
    return [{"Student ID": student, "Share percent": share}.get(name, cells.get(name)) for name in HEADER]


def csv(*rows: list[str | float | None]) -> str:
    return "".join(",".join("" if cell is None else str(cell) for cell in line) + "\r\n" for line in (HEADER, *rows))


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    made = Landed(home, keys)
    made.file("student_enrollment.csv", ENROLLED)
    made.run("student_enrollment")
    return made


def weights(landed: Landed) -> list[float]:
    return [weight for (weight,) in landed.table("weight", feed=FEED)]


@pytest.mark.parametrize("share", ["37.5%", "37.5", "37.5 %", 37.5], ids=repr)
def test_a_share_comes_back_however_it_was_typed(landed: Landed, share: str | float) -> None:
    landed.file("north.xlsx", workbook([HEADER, row(share=share)]))
    landed.run(FEED)

    assert landed.table("link_source", "weight", "school_id", "subject", "school_year", "name_key", feed=FEED) == [
        ("verified", 0.375, "017001", "mathematics", 2016, None)
    ]


@pytest.mark.parametrize("encoded", ["utf-8", "utf-8-sig", "windows-1252", "utf-16"])
def test_a_sheet_saved_as_csv_comes_back_like_the_workbook(landed: Landed, encoded: str) -> None:
    named = row("01", "50%", **{"Teacher Last Name": "Zoë"})
    landed.file("north.csv", csv(named, row("02", "0%")).encode(encoded))
    landed.run(FEED)

    assert landed.delivery("north.csv")["layout"] == "roster_verification_text"
    assert weights(landed) == [0.0, 0.5]


@pytest.mark.parametrize(
    ("cells", "rule", "fix"),
    [
        ({"share": "120"}, "range", "Share percent: give a value from 0% to 100%"),
        ({"share": "half"}, "unreadable", AS_TEXT),
        ({"share": 0.5}, "unreadable", AS_TEXT),
        ({"share": 1.0}, "unreadable", AS_TEXT),
        ({"share": None}, "required", "Share percent: fill in the value; a record without it cannot be used"),
        ({"Teacher ID": ""}, "any_of", "Teacher ID: fill in the value; a record without it cannot be used"),
    ],
)
def test_a_row_that_cannot_be_read_holds_the_sheet_and_is_told(
    landed: Landed, cells: dict[str, str | float | None], rule: str, fix: str
) -> None:
    landed.file("north.xlsx", workbook([HEADER, row(), row("02", "40%")]))
    landed.run(FEED)
    landed.file("corrected.xlsx", workbook([HEADER, row(**cells), row("02", "60%")]))  # type: ignore[arg-type]
    report = landed.run(FEED)

    assert landed.quarantine("source_row", "rule", "fix") == [(2, rule, fix)]
    assert list(report.held_by) == ["LA/2016/corrected.xlsx#Sheet1"]
    assert weights(landed) == [0.4, 1.0]


def test_a_row_that_somebody_has_cleared_is_none(landed: Landed) -> None:
    content = workbook([HEADER, row(), ["~"] * len(HEADER), row("02", "40%")])
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    cleared = io.BytesIO()
    with zipfile.ZipFile(cleared, "w") as book:
        for name, part in parts.items():
            book.writestr(name, part.replace(b"<t>~</t>", b"<t></t>"))
    landed.file("north.xlsx", cleared.getvalue())
    landed.run(FEED)

    assert weights(landed) == [0.4, 1.0]
    assert account(landed.delivery("north.xlsx#Sheet1")) == (2, 2, 0, 0, 0)


def test_a_cell_formatted_as_a_percentage_is_told_how_to_come_back(landed: Landed) -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        page = book.add_worksheet()
        page.write_row(0, 0, HEADER)
        page.write_row(1, 0, row())
        page.write_number(1, HEADER.index("Share percent"), 0.5, book.add_format({"num_format": "0%"}))
    landed.file("north.xlsx", content.getvalue())
    landed.run(FEED)

    assert landed.quarantine("rule", "fix") == [("unreadable", AS_TEXT)]


def test_a_student_whom_no_roster_has_holds_the_sheet_until_one_has(landed: Landed) -> None:
    landed.file("north.xlsx", workbook([HEADER, row(), row("99")]))
    report = landed.run(FEED)

    assert landed.quarantine("source_row", "rule", "source_column") == [(3, "not_on_roster", "Student ID")]
    assert list(report.held_by) == ["LA/2016/north.xlsx#Sheet1"]
    assert weights(landed) == []
    landed.file("student_enrollment.csv", ENROLLED + "99,017001\n")
    landed.run("student_enrollment")
    landed.run(FEED)
    assert weights(landed) == [1.0, 1.0]


def test_a_later_sheet_takes_the_place_of_the_earlier_one_with_the_rows_that_it_lacks(landed: Landed) -> None:
    landed.file("north.xlsx", workbook([HEADER, row("01"), row("02"), row("03")]))
    landed.run(FEED)
    landed.file("again.xlsx", workbook([HEADER, row("01", "30%"), row("02", **{"Teacher Last Name": "Coal"})]))
    landed.run(FEED)

    assert weights(landed) == [0.3, 1.0]
    assert account(landed.delivery("again.xlsx#Sheet1")) == (2, 2, 0, 0, 0)


def test_a_later_sheet_speaks_for_its_own_teachers_alone_however_few_of_the_rows_it_has(landed: Landed) -> None:
    two = [row("01", **{"Teacher ID": "T2"}), row("02", **{"Teacher ID": "T2"})]
    landed.file("north.xlsx", workbook([HEADER, row("01"), row("02"), row("03"), *two]))
    landed.run(FEED)
    landed.file("again.csv", csv(row("01", "30%")))
    landed.run(FEED)

    assert weights(landed) == [0.3, 1.0, 1.0]


def test_a_sheet_with_a_renamed_column_is_refused_though_others_are_taken(landed: Landed) -> None:
    renamed = [name.replace("Share percent", "Percent of share") for name in HEADER]
    landed.file("north.xlsx", _book({"Read me first": [["Please check"]], "1": [HEADER, row()], "2": [renamed, row()]}))
    landed.run(FEED)

    told = {name: landed.delivery(f"north.xlsx#{name}") for name in ("Read me first", "1", "2")}
    assert {name: one["delivery_status"] for name, one in told.items()} == {
        "Read me first": "noted",
        "1": "accepted",
        "2": "refused",
    }
    assert "the nearest is roster_verification, which looks for Share percent" in told["2"]["delivery_reason"]


def _book(sheets: dict[str, list[list[str | float | None]]]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as book:
        for name, rows in sheets.items():
            page = book.add_worksheet(name)
            for place, cells in enumerate(rows):
                page.write_row(place, 0, cells)
    return content.getvalue()
