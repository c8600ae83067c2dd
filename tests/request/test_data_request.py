"""The data request: everything the contracts say, in words that a partner's data manager can act on."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import fastexcel
import pytest
from xlsxwriter.utility import xl_col_to_name

from landed import SCORES
from le_pipeline.errors import HomeError
from le_pipeline.home import Home
from le_pipeline.request import markdown, words, workbook, write_request
from schemas import registry, template
from schemas.rules import rule_texts

FED = registry.feeds()
SHEET = {"": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}

STUDENT_SECTION = """\
### student_section

Students in sections. Together with the teachers of sections it says who taught whom, and for how long.

- One row per student, section and begin date.
- begin_date is not after end_date.

| Column | Needed | What it is | Type | May hold | Standard name | Personal | Example |
| --- | --- | --- | --- | --- | --- | --- | --- |
| student_id | needed | Student id as the issuer gives it | text |  | CEDS: Student Identifier | says who somebody is: encrypted vault only | 0123456789 |
| section_id | needed | Section or class id as the roster gives it; may hold a teacher's name | text |  | CEDS: Course Section Identifier | says who somebody is: encrypted vault only | 017001/ALG1-03 |
| begin_date | welcome | First day | date |  | Ed-Fi: beginDate | not by itself: kept as it is | 2015-08-17 |
| end_date | welcome | Last day (inclusive); empty means still running or to the end of the term | date |  | Ed-Fi: endDate | not by itself: kept as it is | 2016-05-27 |
| excluded | welcome | Left out of teacher-student links by the roster | yes or no | yes, no | Ed-Fi: teacherStudentDataLinkExclusion | not by itself: kept as it is | no |
| local_student_id | welcome | Student id of the district or roster system | text |  | CEDS: Student Identifier | says who somebody is: encrypted vault only | 004711 |
| last_name | welcome | Last or family name | text |  | CEDS: Last or Surname | says who somebody is: encrypted vault only | Example |
| first_name | welcome | First or given name | text |  | CEDS: First Name | says who somebody is: encrypted vault only | Robin |

Files of yours that we read as they are:

- **oneroster_enrollments_students** (delimited text): OneRoster 1.1 and 1.2 enrollments.csv, students; with classes.csv, orgs.csv and users.csv beside it; named enrollments.csv; with classes.csv, orgs.csv, users.csv in the same folder. Columns: `sourcedId`, `classSourcedId`, `schoolSourcedId`, `userSourcedId`, `role`, `beginDate`, `endDate`
"""  # noqa: E501


def document(home: Home, state: str = "LA") -> str:
    return markdown.document(state, home.all_layouts())


def part(text: str, heading: str) -> str:
    """The part of a document below a heading, up to the next one of its rank or above."""
    rank = heading.index(" ")
    told, *_ = re.split(rf"\n#{{1,{rank}}} ", text[text.index(f"{heading}\n") :], maxsplit=1)
    return f"{told.rstrip()}\n"


def test_a_feed_is_told_whole(home: Home) -> None:
    told = part(document(home), "### student_section").splitlines(keepends=True)
    other_files = [line for line in told if line.startswith("- **") and not line.startswith("- **oneroster_")]
    assert "".join(line for line in told if line not in other_files) == STUDENT_SECTION


def test_every_feed_and_every_field_that_is_asked_for_has_its_row(home: Home) -> None:
    said = document(home)
    for feed, table in FED.items():
        told = re.findall(r"^\| ([a-z0-9_]+) \|", part(said, f"### {feed}"), re.MULTILINE)
        assert told == list(template.asked(table)), feed


def test_a_list_may_name_people_by_id_address_or_name(home: Home) -> None:
    said = part(document(home), "### fellowship")
    assert "- At least one of staff_id, email, last_name with first_name is filled in every row.\n" in said
    needs = dict(re.findall(r"^\| (\w+) \| ([^|]+) \|", said, re.MULTILINE))
    assert needs["staff_id"] == "needed, or email or last_name with first_name"
    assert needs["first_name"] == "needed, or staff_id or email"
    assert needs["school_name"] == "welcome"


def test_every_rule_is_told_with_what_why_and_how(home: Home) -> None:
    said = part(document(home), "## The rules")
    assert re.findall(r"^\| ([a-z_]+) \|", said, re.MULTILINE) == list(rule_texts())
    assert "{" not in said
    assert [rule for rule in rule_texts().values() if rule.what not in said or rule.why not in said] == []


def test_files_are_named_that_may_be_used_in_the_state_shipped_or_of_the_homes_own(home: Home) -> None:
    (home.layouts / "scores.yaml").write_text(SCORES, encoding="utf-8")
    (home.layouts / "mine.yaml").write_text(SCORES.replace("layout: scores", "layout: mine"), encoding="utf-8")
    (home.layouts / "mi.yaml").write_text(
        SCORES.replace("layout: scores", "layout: other_states").replace(
            "recognise: {", "recognise: {states: [MI, MO], "
        ),
        encoding="utf-8",
    )
    layouts = home.all_layouts().values()
    told = ("la_leap_3_8", "mine", "mo_map", "other_states", "scores")  # the test is not of the others that are shipped
    named = {
        state: [
            name for layout in words.known_files(layouts, "student_assessment", state) if (name := layout.name) in told
        ]
        for state in ("LA", "MO", "DC")
    }
    assert named == {
        "LA": ["la_leap_3_8", "mine", "scores"],
        "MO": ["mine", "mo_map", "other_states", "scores"],
        "DC": ["mine", "scores"],
    }
    assert (
        "- **scores** (delimited text): Scores of one test, one row per student."
        " Columns: `ID`, `Grade`, `Score`, `Name`, `Born`, `District`\n"
    ) in document(home)


def test_the_columns_of_a_wide_file_are_told_subject_by_subject(home: Home) -> None:
    columns = words.columns_of(home.all_layouts()["la_leap_3_8"])
    assert [name for name in columns if name.startswith("Math")] == [
        "MathScaleScore", "MathRawScore", "MathAchievementLevel", "MathVoidFlag",
    ]  # fmt: skip
    assert not [name for name in columns if "{" in name]


def test_where_no_layout_of_a_feed_is_known_the_sender_is_asked_for_a_header(home: Home) -> None:
    known = {name: layout for name, layout in home.all_layouts().items() if layout.feed != "teacher_student_link"}

    assert "- None yet: send us the header of yours" in part(markdown.document("LA", known), "### teacher_student_link")


def test_the_same_contracts_give_the_same_request(home: Home, tmp_path: Path) -> None:
    first, second = (write_request(home, "LA", tmp_path / name) for name in ("first", "second"))
    assert [path.name for path in first] == ["data-request-LA.md", "data-request-LA.xlsx"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert document(home, "LA").count("LA/2016/") == document(home, "MO").count("MO/2016/") == 1


@pytest.mark.parametrize("state", ["la", "Louisiana", "../LA", ""])
def test_a_state_that_is_no_landing_folder_is_refused(home: Home, tmp_path: Path, state: str) -> None:
    with pytest.raises(HomeError, match="is not a state such as LA"):
        write_request(home, state, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_named(home: Home, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="Give another folder with --out"):
        write_request(home, "LA", tmp_path / "file")


# -- the workbook ------------------------------------------------------------------------------------------------


def rows(sheet: str) -> list[tuple[str, ...]]:
    book = fastexcel.read_excel(workbook.template("LA"))
    found: list[tuple[str, ...]] = book.load_sheet(sheet, header_row=None, dtypes="string").to_polars().rows()
    return found


def inside(name: str) -> ElementTree.Element:
    """A part of the workbook's own format."""
    with zipfile.ZipFile(io.BytesIO(workbook.template("LA"))) as archive:
        return ElementTree.fromstring(archive.read(name))  # noqa: S314


def sheet_of(feed: str) -> ElementTree.Element:
    names = fastexcel.read_excel(workbook.template("LA")).sheet_names
    return inside(f"xl/worksheets/sheet{names.index(feed) + 1}.xml")


def test_the_workbook_explains_itself_and_has_a_sheet_for_each_feed() -> None:
    names = fastexcel.read_excel(workbook.template("LA")).sheet_names
    assert names == ["Read me", "Fields", "Rules", "Lists", *words.feeds()]
    assert sorted(words.feeds()) == sorted(FED)
    assert {feed: rows(feed) for feed in FED} == {feed: [tuple(template.asked(table))] for feed, table in FED.items()}


def test_the_sheets_of_fields_and_rules_say_what_the_document_says() -> None:
    told = [tuple(cell or "" for cell in row) for row in rows("Fields")]
    fields = [(feed, *row) for feed, table in words.feeds().items() for row in words.field_rows(table)]
    assert told == [("Feed", *words.FIELD_COLUMNS), *fields]
    assert rows("Rules") == [words.RULE_COLUMNS, *words.rule_rows()]


@pytest.mark.parametrize("feed", FED)
def test_a_column_offers_the_values_that_it_may_hold(feed: str) -> None:
    lists = {
        f"Lists!${xl_col_to_name(place)}$2": [value for value in values if value]
        for place, (_, *values) in enumerate(zip(*rows("Lists"), strict=True))
    }
    found = {
        str(rule.get("sqref")): lists[(rule[0].text or "").partition(":")[0]]
        for rule in sheet_of(feed).iterfind(".//dataValidation", SHEET)
    }
    offered = {
        f"{xl_col_to_name(place)}2:{xl_col_to_name(place)}1048576": list(field.values)
        for place, field in enumerate(template.asked(FED[feed]).values())
        if field.values
    }
    assert found == offered


def test_ids_and_codes_are_text_so_that_their_zeros_stay_and_the_header_does_not_scroll_away() -> None:
    sheet, styles = sheet_of("student_enrollment"), inside("xl/styles.xml")
    codes = {code.get("numFmtId"): code.get("formatCode") for code in styles.iterfind("numFmts/numFmt", SHEET)}
    cells = [codes.get(cell.get("numFmtId")) for cell in styles.iterfind("cellXfs/xf", SHEET)]
    formats = [
        cells[int(column.get("style", "0"))]
        for column in sheet.iterfind("cols/col", SHEET)
        for _ in range(int(column.get("min", "")), int(column.get("max", "")) + 1)
    ]
    fields = template.asked(FED["student_enrollment"]).values()
    assert formats == ["yyyy-mm-dd" if field.type == "date" else "@" for field in fields]
    pane = sheet.find(".//pane", SHEET)
    assert pane is not None and (pane.get("ySplit"), pane.get("state")) == ("1", "frozen")


def test_a_file_that_need_not_lie_beside_another_is_told_as_welcome(home: Home) -> None:
    said = part(document(home), "### student_enrollment")
    assert "with orgs.csv in the same folder; where you have it, demographics.csv too. Columns" in said
