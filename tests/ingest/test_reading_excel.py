"""Workbooks to rows of text: ids, dates and numbers come as a person reads them in the cell."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from landed import of, workbook
from le_pipeline.errors import EmptyFileError, UnreadableFileError
from le_pipeline.ingest import reading
from le_pipeline.ingest.header import OVERFLOW
from schemas.layout import Read

EXCEL = Read(format="excel")


def rows_of(path: Path, *cells: list[Any]) -> list[tuple[object, ...]]:
    path.write_bytes(workbook(cells))
    return pl.concat(reading.batches(of(path), EXCEL)).drop(OVERFLOW).rows()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.xlsx"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (7000001, "7000001"),
        (7000001.0, "7000001"),
        (123456789012345, "123456789012345"),
        ("0070001", "0070001"),
        (0.25, "0.25"),
        (-3, "-3"),
        (True, "true"),
        (datetime.date(2015, 8, 1), "2015-08-01"),
        (datetime.datetime(2015, 8, 1, 13, 5), "2015-08-01"),
        ("08/01/2015", "08/01/2015"),
        ("2015-08-01 is a date", "2015-08-01 is a date"),
    ],
)
def test_a_cell_becomes_the_text_that_stands_for_its_value(path: Path, cell: object, text: str) -> None:
    assert rows_of(path, ["id", "cell"], ["1", cell]) == [(2, "1", text)]


def test_mixed_cells_of_one_column_keep_each_its_form(path: Path) -> None:
    assert rows_of(path, ["id"], [7000001], ["007"], [None], ["A1"]) == [(2, "7000001"), (3, "007"), (5, "A1")]


def test_rows_are_numbered_as_excel_shows_them(path: Path) -> None:
    assert rows_of(path, ["id", "name"], ["1", "a"], [], ["", None], ["2", "b"]) == [(2, "1", "a"), (5, "2", "b")]


def test_two_columns_of_one_name_are_refused_by_place(path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"repeats a column name \(columns 3\)"):
        rows_of(path, ["id", "Ann", "Ann"], ["1", "2", "3"])


def test_columns_without_a_name_are_called_after_their_place(path: Path) -> None:
    path.write_bytes(workbook([["id", None, None, "name"], ["1", "2", "3", "4"]]))
    assert reading.header(of(path), EXCEL).columns == ["id", "column 2", "column 3", "name"]


def test_a_workbook_without_a_row_is_empty(path: Path) -> None:
    with pytest.raises(EmptyFileError, match="has a header and no row below it"):
        rows_of(path, ["id", "name"])
    with pytest.raises(EmptyFileError, match="holds no cell"):
        rows_of(path)


def test_a_sheet_that_is_not_there_is_named(path: Path) -> None:
    path.write_bytes(workbook([["id"], ["1"]]))
    with pytest.raises(UnreadableFileError, match="has no sheet 'Fellows'"):
        reading.header(of(path).of_sheet("Fellows"), EXCEL)
