"""Which layout a file is: by its columns, narrowed by state, year and name; and what is said where none fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from landed import LA_2016, Landed, workbook
from le_pipeline.errors import AmbiguousFileError, UnknownFileError
from le_pipeline.home import Partition
from le_pipeline.ingest.recognition import recognise
from le_pipeline.ingest.record import record_unclaimed
from schemas import layout
from schemas.layout import Layout


def of(layout_name: str, columns: list[str], feed: str = "school", issuer: str = "*", **recognise_: Any) -> Layout:
    given = {"layout": layout_name, "feed": feed, "issuer": issuer, "about": "test", "read": {"format": "delimited"}}
    return Layout.model_validate(given | {"recognise": {"columns": columns, **recognise_}})


def found(path: Path, content: str | bytes, *layouts: Layout, partition: Partition | None = LA_2016) -> list[str] | str:
    """Names of the layouts that a file is read with, or why it is refused."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (result,) = recognise(path, path.name, partition, {each.name: each for each in layouts})
    return str(result.refusal) if result.refusal else [each.name for each in result.layouts]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Schools.CSV"


def test_all_columns_of_the_fingerprint_must_be_there_in_any_order(path: Path) -> None:
    assert found(path, "C,A,B,D\n", of("one", ["A", "B", "C"]), of("two", ["A", "E"])) == ["one"]


def test_the_layout_that_names_more_columns_is_meant(path: Path) -> None:
    assert found(path, "A,B,C\n", of("general", ["A"]), of("special", ["A", "C"])) == ["special"]


def test_layouts_of_different_feeds_read_one_file(path: Path) -> None:
    layouts = of("one", ["A"]), of("two", ["B"], "section"), of("known", ["A", "B"], "none")
    assert found(path, "A,B\n", *layouts) == ["one", "two"]
    assert found(path, "A,B\n", layouts[2]) == ["known"]


def test_a_tie_is_refused_and_names_both(path: Path) -> None:
    path.write_text("A,B\n", encoding="utf-8")
    (result,) = recognise(path, path.name, LA_2016, {"one": of("one", ["A"]), "two": of("two", ["B"])})
    assert isinstance(result.refusal, AmbiguousFileError)
    assert str(result.refusal) == "fits both layout one and layout two; narrow one of them by name, years or columns"


def test_name_state_and_years_narrow_the_choice(path: Path) -> None:
    tie = of("other", ["A"])
    assert found(path, "A\n", of("one", ["A", "A"], name="schools*.csv"), tie) == ["one"]
    assert found(path, "A\n", of("one", ["A"], name=["x*", "y*"]), tie) == ["other"]
    assert found(path, "A\n", of("one", ["A"], issuer="MO"), tie) == ["other"]
    assert found(path, "A\n", of("one", ["A"], issuer="MO", states=["LA"])) == ["one"]
    assert found(path, "A\n", of("one", ["A"], school_years=[2010, 2015]), tie) == ["other"]
    assert found(path, "A\n", of("one", ["A"], school_years=[2010, 2016])) == ["one"]


def test_without_a_folder_state_and_years_do_not_narrow(path: Path) -> None:
    assert found(path, "A\n", of("one", ["A"], issuer="MO", school_years=[2010, 2011]), partition=None) == ["one"]


def test_the_nearest_layout_is_named_with_what_it_looks_for(path: Path) -> None:
    near, far = of("near", ["A", "B", "C"]), of("far", ["A", "X", "Y"])
    assert found(path, "A,B,Canary\n", far, near) == (
        "no layout fits: the nearest is near, which looks for C; correct the file, or add a layout for it"
    )


def test_the_wrong_folder_or_name_is_said(path: Path) -> None:
    assert found(path, "A\n", of("one", ["A"], issuer="MO")) == (
        "no layout fits: the nearest is one, which is for another state or year; check the folder it landed in"
    )
    assert found(path, "A\n", of("one", ["A"], name="staff*.csv")) == (
        "no layout fits: the nearest is one, whose files are named staff*.csv"
    )


def test_a_state_file_in_another_states_folder_is_known_as_what_it_is(path: Path) -> None:
    shipped = layout.load_layouts(layout.SHIPPED)
    header = ",".join(shipped["la_leap_3_8"].recognise.columns) + "\n"
    assert found(path, header, *shipped.values(), partition=Partition("MO", 2016)) == (
        "no layout fits: the nearest is la_leap_3_8, which is for another state or year; check the folder it landed in"
    )


def test_a_text_file_of_no_known_columns_is_not_called_a_bad_workbook(path: Path) -> None:
    shipped = layout.load_layouts(layout.SHIPPED)
    assert found(path, "Canary,7000001\n", *shipped.values()) == (
        "no layout fits: it shares no column with any layout; is its header there?"
    )


def test_a_workbook_is_known_by_its_content_whatever_its_name_says(path: Path) -> None:
    shipped = layout.load_layouts(layout.SHIPPED)
    columns = ["State Staff ID", "Email", "Applied Year", "Decision"]
    assert found(path, workbook([columns, ["1"] * 4]), *shipped.values()) == ["applicant_list"]


def test_no_cell_of_a_first_row_is_told_where_a_header_is_missing(path: Path) -> None:
    shipped = layout.load_layouts(layout.SHIPPED)
    row = "7000001,Canary,Zebulon,02/03/2006,04,F"
    path.write_text(f"{row}\n{row}\n", encoding="utf-8")
    refusal = recognise(path, path.name, LA_2016, shipped)[0].refusal
    assert isinstance(refusal, UnknownFileError)
    assert not [cell for cell in row.split(",") if cell in str(refusal).split()]


def test_a_file_that_others_look_values_up_in_needs_no_layout_of_its_own(landed: Landed) -> None:
    landed.layout(
        'layout: places\nfeed: school\nissuer: "*"\nabout: Schools\nrecognise: {columns: [Code, Org]}\n'
        "read: {format: delimited}\nlookup: {org: {file: orgs.csv, key: id, by: Org}}\n"
        "fill: {school_id: Code, lea_id: org.district}\n"
    )
    landed.file("schools.csv", "Code,Org\n1,o1\n")
    landed.file("orgs.csv", "id,district\no1,North\n")
    landed.file("others.csv", "id,district\no1,North\n")
    assert record_unclaimed(landed.home, LA_2016)["path"].to_list() == ["LA/2016/others.csv"]
    assert landed.delivery("orgs.csv")["delivery_status"] == "noted"
    landed.run("school")
    assert landed.table("school_id", "lea_id", feed="school") == [("1", "North")]


def test_a_column_that_was_most_likely_renamed_is_named_where_the_header_is_one(path: Path) -> None:
    layout = of("one", ["StudentID", "Grade", "ScaleScore"])
    assert found(path, "StudentID,Grade,Scale_Scr,Other\n", layout) == (
        "no layout fits: the nearest is one, which looks for ScaleScore (now Scale_Scr?);"
        " correct the file, or add a layout for it"
    )
    assert "now" not in str(found(path, "StudentID,Canary,Zebulon\n", layout))
