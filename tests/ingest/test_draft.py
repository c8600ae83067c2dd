"""A first layout from a file: it is valid, takes what it is sure of, and says what it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from hostile import HOSTILE, PERSON, Hostile
from landed import Landed, account, workbook
from le_pipeline.cli import app
from le_pipeline.errors import HomeError, RefusedError, UnreadableFileError
from le_pipeline.home import Home
from le_pipeline.ingest.draft import draft
from le_pipeline.privacy.keys import Keys
from schemas.layout import Layout, load_layout

WIDE = (
    "LASID;LastName;DOB;Grade;Gender;ELAScaleScore;ELAAchievementLevel;MathScaleScore;MathAchievementLevel;Remark\n"
    "001234567;Tester;02/13/2006;4;F;750;Mastery;735;Basic;x\n"
    "001234568;Probe;11/30/2006;K;M;700;Basic;;;\n"
)


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    return Landed(home, keys)


def drafted(landed: Landed, name: str, content: str | bytes, feed: str | None = None) -> tuple[Layout, str]:
    """The draft of a file, read back as a layout, and its text."""
    path = landed.file(name, content)
    text = draft(landed.home, path, feed)
    own = landed.home.root / "draft.yaml"
    own.write_text(text, encoding="utf-8")
    return load_layout(own), text


def test_a_wide_file_of_scores_is_mapped_by_name_and_value(landed: Landed) -> None:
    layout, text = drafted(landed, "wide scores 2016.csv", WIDE)
    assert (layout.name, layout.feed, layout.read.delimiter) == ("wide_scores_2016", "student_assessment", ";")
    filled = {name: source.from_ for name, source in layout.fill.items()}
    assert filled == {
        "student_id": ("LASID",),
        "last_name": ("LastName",),
        "birth_date": ("DOB",),
        "grade": ("Grade",),
        "sex": ("Gender",),
    }
    assert layout.fill["student_id"].width == 9
    assert layout.fill["birth_date"].date == ("%m/%d/%Y",)
    assert layout.fill["sex"].map == {"F": "female", "M": "male"}
    (unpivot,) = layout.unpivot
    assert unpivot.over == {"subject": {"ela": "ELA", "mathematics": "Math"}}
    assert {name: source.from_ for name, source in unpivot.fill.items()} == {
        "scale_score": ("{}ScaleScore",),
        "performance_level": ("{}AchievementLevel",),
    }
    assert layout.ignore == ("Remark",)
    assert "unsure" in text


def test_the_draft_of_a_file_reads_it(landed: Landed) -> None:
    _, text = drafted(landed, "wide.csv", WIDE)
    landed.layout(text, "wide.yaml")
    landed.run()
    assert account(landed.delivery("wide.csv")) == (4, 3, 0, 1, 0)
    assert landed.table("subject", "scale_score") == [("ela", 700.0), ("ela", 750.0), ("mathematics", 735.0)]


def test_titles_above_the_header_and_a_header_of_two_rows_are_found(landed: Landed) -> None:
    rows = [["Scores of spring"], [], ["Student", None, None, "Math"], ["ID", "Name", "Grade", "Score"]]
    rows += [["7000001", "Tester", "04", "512"], ["7000002", "Probe", "05", "498"]]
    layout, text = drafted(landed, "scores.xlsx", workbook(rows), "student_assessment")
    assert (layout.read.format, layout.read.preamble, layout.read.header) == ("excel", 2, 2)
    assert "2 rows stand above the header" in text


def test_what_every_row_needs_and_no_column_has_is_said(landed: Landed) -> None:
    layout, text = drafted(landed, "odd.csv", "ID,Thing\n7000001,a\n7000002,b\n", "student_assessment")
    assert layout.fill["subject"].value == "other"
    assert "subject: {value: other}  # unsure: no column was found; every row needs it" in text


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_any_delimiter_and_encoding_is_found(landed: Landed, delimiter: str) -> None:
    text = delimiter.join(["StudentID", "LastName", "Grade"]) + "\n" + delimiter.join(["7000001", "Nuñez", "04"]) + "\n"
    layout, _ = drafted(landed, "roster.csv", text.encode("windows-1252"), "student_enrollment")
    assert (layout.read.delimiter, layout.read.encoding) == (delimiter, ("windows-1252",))


def test_a_file_of_fixed_width_needs_its_column_map(landed: Landed) -> None:
    path = landed.file("fixed.txt", "7000001TESTER    04\n7000002PROBE     05\n")
    with pytest.raises(UnreadableFileError, match="ask the sender for the column map"):
        draft(landed.home, path)


def test_another_feed_is_named(landed: Landed) -> None:
    path = landed.file("wide.csv", WIDE)
    with pytest.raises(HomeError, match="scores is no feed; the feeds are applicant,"):
        draft(landed.home, path, "scores")


def test_the_command_prints_the_draft_or_writes_it(landed: Landed, tmp_path: Path) -> None:
    path = landed.file("wide.csv", WIDE)
    home = ["--home", str(landed.home.root)]
    printed = CliRunner().invoke(app, ["layout", "draft", str(path), *home], catch_exceptions=False)
    assert yaml.safe_load(printed.output)["layout"] == "wide"
    CliRunner().invoke(app, ["layout", "draft", str(path), "--out", str(tmp_path / "w.yaml"), *home])
    assert (tmp_path / "w.yaml").read_text(encoding="utf-8") == printed.output


def test_a_file_that_is_not_there_is_said_to_be_missing(landed: Landed) -> None:
    with pytest.raises(UnreadableFileError, match="is not there"):
        draft(landed.home, landed.home.landing / "none.csv")


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=ascii(file.name))
        for file in HOSTILE
        if not file.is_heavy and file.name != "unreadable.csv"
    ],
)
def test_of_a_hostile_file_a_draft_is_made_or_refused_by_name(landed: Landed, file: Hostile) -> None:
    path = landed.file("first", b"").with_name(file.name)
    file.write(path)
    said = ""
    try:
        draft(landed.home, path, "student_assessment")
    except RefusedError as refusal:
        said = str(refusal)
    assert PERSON not in said


def test_a_column_that_is_called_like_a_field_is_that_field(landed: Landed) -> None:
    rows = [
        f"70000{place:02d},04,{subject},500\n"
        for place in range(20)
        for subject in ("Mathematics", "English Language Arts")
    ]
    layout, text = drafted(landed, "scores.csv", "StudentID,Grade,Subject,ScaleScore\n" + "".join(rows))
    assert layout.fill["subject"].from_ == ("Subject",)
    assert layout.fill["subject"].map == {"Mathematics": "mathematics", "English Language Arts": "ela"}
    assert "shorter ids are filled up with zeros" in text


def test_a_file_of_no_feed_gets_a_layout_that_only_knows_it(landed: Landed) -> None:
    layout, text = drafted(landed, "manifest.csv", "propertyName,propertyValue\nfile.orgs,bulk\nfile.users,absent\n")
    assert (layout.feed, layout.recognise.columns) == ("none", ("propertyName", "propertyValue"))
    assert "No feed fits this file" in text
