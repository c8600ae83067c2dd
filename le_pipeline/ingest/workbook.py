"""Excel workbooks, through calamine: every cell as text, dates as ISO dates."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import IO, BinaryIO
from xml.parsers import expat

import polars as pl

from le_pipeline.errors import (
    ArchiveFileError,
    EmptyFileError,
    FormulaFileError,
    MarkupFileError,
    TooLargeFileError,
    UnreadableFileError,
)
from le_pipeline.ingest import calamine
from le_pipeline.ingest.document import PIECE, Document, check_archive, opened_archive
from le_pipeline.ingest.header import OVERFLOW, ROW, SIGNATURES, Header, find, looks_like
from schemas.layout import Read

WORKBOOK_BYTES = 512 << 20
KINDS = {SIGNATURES[b"PK\x03\x04"], SIGNATURES[b"\xd0\xcf\x11\xe0"]}
MARKUP = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
CELL = re.compile(rb"""<(?:\w+:)?c\b[^>]{0,200}?\br\s*=\s*["']([A-Z]{1,9})(\d{1,10})["']""")
LINE = re.compile(rb"""<(?:\w+:)?row\b[^>]{0,200}?\br\s*=\s*["'](\d{1,10})["']""")
CELLS = 50_000_000  # calamine makes room for every cell that a sheet spans, filled or not
FORMULA = re.compile(rb"<(\w+:)?f[\s/>]|\w:formula\s*=")
SHEET = re.compile(rb"<(\w+:)?(worksheet|spreadsheet)[\s>]")
SEAM = 256  # what is kept of a piece, so that a word on the seam to the next is found
MIDNIGHT = r"^(\d{4}-\d{2}-\d{2}) \d{2}:\d{2}:\d{2}(?:\.\d+)?$"


def sheets(document: Document) -> list[str]:
    """Names of the sheets, in order.

    Raises:
        RefusedError: it is no workbook, damaged or hostile.
    """
    return list(_names(replace(document, sheet=None), document.file_hash))


def header(document: Document, read: Read, wanted: tuple[str, ...]) -> Header:
    """The columns of a sheet."""
    frame = cells(document)
    if frame.is_empty():
        raise EmptyFileError("holds no cell on its sheet; ask the sender for it again")
    return find(frame.head(read.preamble + max(read.header, 1)).rows(), read, wanted)


def sample(document: Document, read: Read, found: Header, rows: int) -> pl.DataFrame:
    """The first rows."""
    return next(batches(document, read, found, rows), pl.DataFrame(schema=dict.fromkeys(found.columns, pl.String)))


def batches(document: Document, read: Read, found: Header, rows: int) -> Iterator[pl.DataFrame]:  # noqa: ARG001
    """The rows below the header."""
    frame = cells(document)
    wide = frame.select(frame.columns[: len(found.columns)])
    wide.columns = found.columns[: wide.width]
    # a date is held as a moment, and no field has a time of day; a cell that was cleared may hold an empty text
    days = wide.with_columns(pl.all().str.replace(MIDNIGHT, "$1").replace("", None))
    missing = [pl.lit(None, pl.String).alias(name) for name in found.columns[wide.width :]]
    numbered = days.with_columns(*missing, pl.lit(None, pl.String).alias(OVERFLOW)).with_row_index(ROW, offset=1)
    for start in range(found.rows_above, numbered.height, rows):
        yield numbered[start : start + rows]


def cells(document: Document) -> pl.DataFrame:
    """Every cell of a sheet as text, above and below the header."""
    return _sheet(document, document.file_hash)


@lru_cache(maxsize=2)
def _sheet(document: Document, content: str) -> pl.DataFrame:
    names = _names(replace(document, sheet=None), content)
    if not names:
        raise _damaged()
    name = document.sheet or names[0]
    if name not in names:
        raise UnreadableFileError(f"has no sheet {name!r}")
    try:
        return calamine.cells(_bytes(document), names.index(name))
    except calamine.WorkbookError:
        raise _damaged() from None


@lru_cache(maxsize=64)
def _names(document: Document, _content: str) -> tuple[str, ...]:
    """Names of the sheets of a workbook that has been found harmless."""
    head = document.head(512)
    if (kind := looks_like(head) or "text") not in KINDS:
        raise UnreadableFileError(
            f"is {kind}, not an Excel workbook, whatever its name says; ask the sender for the workbook"
        )
    if document.file_bytes > WORKBOOK_BYTES:
        raise TooLargeFileError(f"has over {WORKBOOK_BYTES >> 20} MB, too much for a workbook; ask for delimited text")
    if head.startswith(b"PK"):
        _refuse_hostile(io.BytesIO(_bytes(document)), document.file_bytes)
    try:
        return tuple(calamine.sheet_names(_bytes(document)))
    except calamine.WorkbookError:
        raise _damaged() from None


def _bytes(document: Document) -> bytes:
    with document.open() as file:
        return file.read()


def _refuse_hostile(file: BinaryIO, packed: int) -> None:
    try:
        with opened_archive(file, _damaged) as archive:
            check_archive(archive.infolist(), packed)
            for info in archive.infolist():
                with archive.open(info) as part:
                    _refuse_hostile_part(part)
    except ArchiveFileError as trouble:
        raise ArchiveFileError(f"is a workbook that {trouble}") from None


def _refuse_hostile_part(part: IO[bytes]) -> None:
    """Look through one part of a workbook in pieces, as it is unpacked; a sheet is one wherever it lies."""
    last, column, row = b"", b"", 0
    is_sheet = False
    parser, is_whole = expat.ParserCreate(), True
    while piece := part.read(PIECE):
        seen = last + piece
        is_sheet = is_sheet or bool(SHEET.search(seen))
        is_whole = is_whole and (not is_sheet or _parses(parser, piece))
        if MARKUP.search(seen):
            raise MarkupFileError("declares markup of its own, as XML bombs do; do not open it, tell the sender")
        if is_sheet and FORMULA.search(seen):
            raise FormulaFileError("holds formulas; ask the sender for a copy with values only")
        if is_sheet:
            found = CELL.findall(seen)
            column = max([column, *(letters for letters, _ in found)], key=lambda letters: (len(letters), letters))
            row = max([row, *(int(number) for _, number in found), *map(int, LINE.findall(seen))])
        if row * max(_place(column), 1) > CELLS:
            raise TooLargeFileError(
                f"spans over {CELLS // 1_000_000} million cells on a sheet, most of them empty; ask for delimited text"
            )
        last = piece[-SEAM:]
    # calamine goes on where a tag is not closed, and rows would be lost unseen
    if is_sheet and not (is_whole and _parses(parser, b"", is_final=True)):
        raise _damaged()


def _parses(parser: expat.XMLParserType, piece: bytes, *, is_final: bool = False) -> bool:
    try:
        parser.Parse(piece, is_final)
    except expat.ExpatError:
        return False
    return True


def _place(column: bytes) -> int:
    """The number of a column from its letters."""
    place = 0
    for letter in column:
        place = place * 26 + letter - ord("A") + 1
    return place


def _damaged() -> UnreadableFileError:
    return UnreadableFileError("is damaged: Excel's own format is broken inside; ask the sender for it again")
