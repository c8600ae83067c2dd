"""Delimited text to rows: what a cell, a row and a row number are."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from landed import of
from le_pipeline.errors import UnreadableFileError
from le_pipeline.ingest import reading, text
from le_pipeline.ingest.header import OVERFLOW, ROW
from schemas.layout import Read

CSV = Read(format="delimited")


def rows_of(path: Path, content: str | bytes, read: Read = CSV, batch: int = 1000) -> list[tuple[object, ...]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return pl.concat(reading.batches(of(path), read, batch)).drop(OVERFLOW).rows()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["utf-8", "UTF-8", "utf_8_sig"])
def test_line_ends_byte_order_mark_and_the_spelling_of_the_encoding_make_no_difference(
    path: Path, end: str, mark: bytes, name: str
) -> None:
    content = mark + end.join(["id,name", "007,Nuñez", ""]).encode()
    read = Read(format="delimited", encoding=name)
    assert rows_of(path, content, read) == [(2, "007", "Nuñez")]
    assert reading.header(of(path), read).columns == ["id", "name"]


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1", "utf-16", "mac-roman"])
def test_other_encodings_are_read_as_the_layout_says(path: Path, encoding: str) -> None:
    content = "id,name\n1,Nuñez\n2,Zoë\n".encode(encoding)
    assert rows_of(path, content, Read(format="delimited", encoding=encoding)) == [(2, "1", "Nuñez"), (3, "2", "Zoë")]


def test_a_character_is_whole_where_the_decoder_takes_the_file_in_pieces(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "PIECE", 3)
    content = "id,name\n1,ñandú\n".encode("utf-16")
    assert rows_of(path, content, Read(format="delimited", encoding="utf-16")) == [(2, "1", "ñandú")]


def test_a_byte_that_is_not_in_the_encoding_shows_and_is_not_dropped(path: Path) -> None:
    assert rows_of(path, b"id,name\n1,Nu\xf1ez\n") == [(2, "1", "Nu\ufffdez")]
    assert rows_of(path, b"id,name\n1,\x81\n", Read(format="delimited", encoding="windows-1252")) == [
        (2, "1", "\ufffd")
    ]


def test_quotes_hold_delimiters_line_breaks_and_quotes(path: Path) -> None:
    content = 'id,note\n1,"a, b"\n2,"two\nlines"\n3,"say ""hi"""\n4,5\' 6"\n'
    with pytest.raises(UnreadableFileError, match="check its quotes"):
        rows_of(path, content)
    assert rows_of(path, content.removesuffix("4,5' 6\"\n")) == [
        (2, "1", "a, b"),
        (3, "2", "two\nlines"),
        (4, "3", 'say "hi"'),
    ]


def test_where_a_layout_knows_no_quotes_they_are_letters_like_others(path: Path) -> None:
    read = Read(format="delimited", delimiter="\t", quote=None)
    assert rows_of(path, 'id\tnote\n1\t"a\n2\t5\' 6"\n', read) == [(2, "1", '"a'), (3, "2", "5' 6\"")]


def test_rows_are_numbered_as_a_spreadsheet_shows_them_and_blank_ones_are_none(path: Path) -> None:
    assert rows_of(path, "id,name\n1,a\n\n2,b\n,\n3,c\n\n\n") == [(2, "1", "a"), (4, "2", "b"), (6, "3", "c")]


def test_a_short_row_has_empty_cells_at_its_end_and_a_long_one_is_marked(path: Path) -> None:
    path.write_text("id,name,grade\n1,a\n2,b,04,05,06\n3,c,04,\n", encoding="utf-8")
    assert pl.concat(reading.batches(of(path), CSV)).rows() == [
        (2, "1", "a", None, None),
        (3, "2", "b", "04", "05"),
        (4, "3", "c", "04", None),
    ]


def test_a_column_without_a_name_is_called_after_its_place(path: Path) -> None:
    path.write_text("id, name ,,\n1,a,b,c\n", encoding="utf-8")
    assert reading.header(of(path), CSV).columns == ["id", "name", "column 3", "column 4"]


def test_a_header_with_a_quoted_line_break_is_one_header(path: Path) -> None:
    assert rows_of(path, 'id,"Scale\nScore"\n1,650\n') == [(2, "1", "650")]
    assert reading.header(of(path), CSV).columns == ["id", "Scale Score"]


def test_a_file_that_ends_without_a_line_end_is_whole_where_its_last_row_is(path: Path) -> None:
    assert rows_of(path, "id,name\n1,a\n2,b") == [(2, "1", "a"), (3, "2", "b")]


def test_batches_keep_order_and_numbers(path: Path) -> None:
    path.write_text("id\n" + "".join(f"{n}\n" for n in range(1000)), encoding="utf-8")
    frames = list(reading.batches(of(path), CSV, rows=64))
    assert len(frames) > 1
    assert pl.concat(frames).select(ROW, "id").rows() == [(n + 2, str(n)) for n in range(1000)]


def test_a_swallowed_row_is_told_from_a_cell_of_several_lines(path: Path) -> None:
    letter = '1,"Dear all,\nno school",x\n'
    assert rows_of(path, "id,note,grade\n" + letter) == [(2, "1", "Dear all,\nno school", "x")]
    with pytest.raises(UnreadableFileError, match="at row 3, which swallows"):
        rows_of(path, "id,note,grade\n" + letter + '2,"b,04\n3,c,04\n4,d",04\n')


def test_the_sample_of_a_long_file_ends_with_a_whole_row_where_cells_have_many_lines(path: Path) -> None:
    letter = "Dear all,\n" * 400
    path.write_text("id,note,grade\n" + "".join(f'{n},"{letter}",04\n' for n in range(400)), encoding="utf-8")
    rows = reading.sample(of(path), CSV)
    assert 200 < rows.height < 400
    assert set(rows["note"]) == {letter}
