"""Excel workbooks, through calamine: every cell as text, dates as ISO dates."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import IO

import polars as pl

from le_pipeline.errors import (
    ArchiveFileError,
    EmptyFileError,
    FormulaFileError,
    MarkupFileError,
    RefusedError,
    TooLargeFileError,
    UnreadableFileError,
)
from le_pipeline.ingest import calamine
from le_pipeline.ingest.document import PIECE, Document, check_archive, opened_archive
from le_pipeline.ingest.header import OVERFLOW, ROW, SIGNATURES, Header, find, looks_like
from schemas.layout import Read

WORKBOOK_BYTES = 512 << 20
READER_BYTES = 4 << 30  # a sheet of a million rows and thirty columns stays below
READER_SECONDS = 600
KINDS = {SIGNATURES[b"PK\x03\x04"], SIGNATURES[b"\xd0\xcf\x11\xe0"]}
MARKUP = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
A_SHEET = re.compile(rb"<(\w+:)?(worksheet|spreadsheet)[\s/>]")
FORMULA = re.compile(rb"<(\w+:)?f[\s/>]|\bformula\s*=")
SEAM = 64  # what is kept of a piece, so that a word on the seam to the next is found
MIDNIGHT = r"^(\d{4}-\d{2}-\d{2}) \d{2}:\d{2}:\d{2}(?:\.\d+)?$"


def sheets(document: Document) -> list[str]:
    """Names of the sheets, in order.

    Raises:
        RefusedError: it is no workbook, damaged or hostile.
    """
    return _asked(document)["name"].to_list()


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
    # a date is held as a moment; no field has a time of day
    days = wide.with_columns(pl.all().str.replace(MIDNIGHT, "$1"))
    missing = [pl.lit(None, pl.String).alias(name) for name in found.columns[wide.width :]]
    numbered = days.with_columns(*missing, pl.lit(None, pl.String).alias(OVERFLOW)).with_row_index(ROW, offset=1)
    for start in range(found.rows_above, numbered.height, rows):
        yield numbered[start : start + rows]


def cells(document: Document) -> pl.DataFrame:
    """Every cell of a sheet as text, above and below the header."""
    names = sheets(document)
    if not names:
        raise _damaged()
    if document.sheet and document.sheet not in names:
        raise UnreadableFileError(f"has no sheet {document.sheet!r}")
    return _asked(document, names.index(document.sheet) if document.sheet else 0)


def _asked(document: Document, *place: int) -> pl.DataFrame:
    """The names of the sheets, or the cells of the one at a place."""
    found = _answer(replace(document, sheet=None), place, document.file_hash)
    if isinstance(found, RefusedError):
        raise found.with_traceback(None)
    return found


@lru_cache(maxsize=4)
def _answer(document: Document, place: tuple[int, ...], _content: str) -> pl.DataFrame | RefusedError:
    """What is found in a workbook, kept for the layouts that will ask the same; what is wrong with it as well."""
    try:
        if not place:
            _refuse_what_is_none(document)
        return _opened(document, *place)
    except RefusedError as refusal:
        return refusal


def _refuse_what_is_none(document: Document) -> None:
    head = document.head(512)
    if (kind := looks_like(head) or "text") not in KINDS:
        raise UnreadableFileError(
            f"is {kind}, not an Excel workbook, whatever its name says; ask the sender for the workbook"
        )
    if document.file_bytes > WORKBOOK_BYTES:
        raise TooLargeFileError(f"has over {WORKBOOK_BYTES >> 20} MB, too much for a workbook; ask for delimited text")
    if head.startswith(b"PK"):
        _refuse_hostile(document)


def _opened(document: Document, *place: int) -> pl.DataFrame:
    """What `calamine.py` answers, within bounds of memory and time; what it complains of may hold a value."""
    with document.open() as file:
        content = file.read()
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", calamine.__file__, str(READER_BYTES >> 20), *map(str, place)],
            input=content,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=READER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _beyond_bounds() from None
    if done.returncode < 0:
        raise _beyond_bounds()
    if done.returncode:
        raise _damaged()
    return pl.read_ipc(done.stdout)


def _refuse_hostile(document: Document) -> None:
    """Look into every part, whatever its name: what a part is, another part says."""
    with document.open() as file, opened_archive(io.BytesIO(file.read()), _damaged()) as archive:
        try:
            check_archive(archive.infolist(), document.file_bytes)
        except ArchiveFileError as trouble:
            raise ArchiveFileError(f"is a workbook that {trouble}") from None
        for info in archive.infolist():
            with archive.open(info) as part:
                _refuse_hostile_part(part)


def _refuse_hostile_part(part: IO[bytes]) -> None:
    last = b""
    is_sheet = False
    while piece := part.read(PIECE):
        seen = last + piece
        if MARKUP.search(seen):
            raise MarkupFileError("declares markup of its own, as XML bombs do; do not open it, tell the sender")
        is_sheet = is_sheet or bool(A_SHEET.search(seen))
        if is_sheet and FORMULA.search(seen):
            raise FormulaFileError("holds formulas; ask the sender for a copy with values only")
        last = seen[-SEAM:]


def _damaged() -> UnreadableFileError:
    return UnreadableFileError("is damaged: Excel's own format is broken inside; ask the sender for it again")


def _beyond_bounds() -> TooLargeFileError:
    return TooLargeFileError(
        f"cannot be opened within {READER_BYTES >> 30} GB of memory and {READER_SECONDS // 60} minutes, which no list"
        " of people needs; ask for delimited text"
    )
