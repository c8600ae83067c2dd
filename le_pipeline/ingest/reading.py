"""Bytes to rows of text: column names, then batches in which every column is text.

Nothing is guessed and nothing is typed here; a value is what the file holds. Rows are numbered as a spreadsheet or an
editor shows them: the header, where there is one, is row 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import polars as pl

from le_pipeline.errors import EmptyFileError, TooLargeFileError, UnreadableFileError
from le_pipeline.ingest import coded, records, text, workbook
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.header import OVERFLOW, ROW, Header
from schemas.layout import Read

BATCH_CELLS, BATCH_ROWS = 8_000_000, 500_000
SAMPLE_ROWS = 1000
CODED_BYTES = 1 << 20  # smaller files are read at once either way
LINES = ("delimited", "fixed_width", "json_lines")
GAPS, GAPS_OF_A_BYTE = 50_000_000, 4  # a row has a byte for each cell, if only its delimiter


# what a reader of another package ends in where bytes are not what they should be; a panic is no Exception
TROUBLES = (
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
    OSError,
    ValueError,
    OverflowError,
    RecursionError,
)


class Format(Protocol):
    """What a module for a kind of file offers."""

    def header(self, document: Document, read: Read, wanted: tuple[str, ...]) -> Header:
        """The column names, and how many rows stand above the data."""

    def sample(self, document: Document, read: Read, found: Header, rows: int) -> pl.DataFrame:
        """The first rows."""

    def batches(self, document: Document, read: Read, found: Header, rows: int) -> Iterator[pl.DataFrame]:
        """All rows."""


FORMATS: dict[str, Format] = {
    "delimited": text,
    "fixed_width": text,
    "excel": workbook,
    "parquet": records,
    "json_lines": records,
}


def header(document: Document, read: Read, wanted: tuple[str, ...] = ()) -> Header:
    """The column names of a document.

    Args:
        document: what to read.
        read: how to read it.
        wanted: columns by which the header is known where rows may stand above it.

    Raises:
        RefusedError: the file is empty, not of this format, in another encoding, hostile or damaged.
    """
    if document.file_bytes == 0:
        raise EmptyFileError("is empty (0 bytes); ask the sender for it again")
    with _named_troubles():
        found = FORMATS[read.format].header(document, read, wanted)
    if read.format in LINES:
        _refuse_gaps(document, len(found.columns))
    return found


def sample(document: Document, read: Read, wanted: tuple[str, ...] = ()) -> pl.DataFrame:
    """The first rows, from the beginning of the file alone; columns as `batches`."""
    found = header(document, read, wanted)
    with _named_troubles():
        return FORMATS[read.format].sample(document, read, found, SAMPLE_ROWS)


def batches(
    document: Document, read: Read, wanted: tuple[str, ...] = (), rows: int | None = None
) -> Iterator[pl.DataFrame]:
    """The rows below the header, as text, with their row number in `__row`.

    A row with more cells than the header, or of another length than its layout says, has text in `__overflow`; a byte
    that is not in the encoding shows as U+FFFD.

    Raises:
        RefusedError: as `header`, or the file ends inside a row, or has no row below its header.
    """
    found = header(document, read, wanted)
    if not found.columns:
        raise EmptyFileError("has no column that can be named; ask the sender for it again")
    with _named_troubles():
        frames = FORMATS[read.format].batches(document, read, found, rows or _rows(found))
    yield from _filled(frames, found.columns)


def _rows(found: Header) -> int:
    """How many rows are read at once, by what they take in memory."""
    return min(BATCH_ROWS, BATCH_CELLS // len(found.columns) + 1)


def _filled(frames: Iterator[pl.DataFrame], columns: list[str]) -> Iterator[pl.DataFrame]:
    """The rows that hold anything; blank lines, above all at a file's end, are no records, but are counted as rows."""
    seen = False
    first, *others = columns
    is_filled = pl.any_horizontal(pl.col([*others, OVERFLOW]).is_not_null())
    with _named_troubles():
        for frame in frames:
            has_blank = not frame.select(is_filled.all()).item()
            stays = is_filled | (pl.col(first).cast(pl.String).str.strip_chars() != "")
            filled = frame.filter(stays) if has_blank else frame
            if filled.height:
                seen = True
                yield filled
    if not seen:
        raise EmptyFileError("has a header and no row below it; ask the sender for the rows")


def coded_batches(
    document: Document, read: Read, wanted: tuple[str, ...], columns: list[str]
) -> Iterator[pl.DataFrame]:
    """As `batches`; those of the columns that say few things many times come as codes, where that gains something."""
    found = header(document, read, wanted)
    is_small = document.file_bytes < CODED_BYTES
    if read.format != "delimited" or is_small or not found.columns or not text.is_utf8(document, read):
        yield from batches(document, read, wanted)
        return
    try:
        with _named_troubles():
            beginning = text.sample(document, read, found, BATCH_ROWS)
    except UnreadableFileError:
        coding = {}  # the whole of it tells better what is wrong
    else:
        coding = coded.coding(beginning, columns)
    with _named_troubles():
        frames = text.batches(document, read, found, _rows(found), coding)
    yield from _filled(frames, found.columns)


def whole(document: Document, read: Read) -> pl.DataFrame:
    """The whole document at once, for files that others look values up in; may have no row."""
    columns = header(document, read).columns
    try:
        return pl.concat(batches(document, read))
    except EmptyFileError:
        return pl.DataFrame(schema=dict.fromkeys([ROW, *columns, OVERFLOW], pl.String))


def _refuse_gaps(document: Document, columns: int) -> None:
    """Lines that lack nearly all cells of a wide header take memory and time that their bytes do not bound."""
    cells = document.facts.lines * columns
    if cells > max(GAPS, GAPS_OF_A_BYTE * document.file_bytes):
        raise UnreadableFileError("has rows that lack nearly all cells of the header; check its delimiter and header")


@contextmanager
def _named_troubles() -> Iterator[None]:
    """What another package says of a file may hold a value of it, so that only a name of the trouble goes on."""
    try:
        yield
    except MemoryError:
        raise TooLargeFileError("takes more memory than there is; ask the sender for it in parts") from None
    except TROUBLES:
        raise UnreadableFileError("is damaged, or not what its name says; ask the sender for it again") from None
