"""Excel workbooks, through calamine: every cell as text, dates as ISO dates."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from functools import lru_cache

import fastexcel
import polars as pl

from le_pipeline.errors import (
    ArchiveFileError,
    EmptyFileError,
    FormulaFileError,
    MarkupFileError,
    TooLargeFileError,
    UnreadableFileError,
)
from le_pipeline.ingest.document import PIECE, Document, check_archive
from le_pipeline.ingest.header import OVERFLOW, ROW, SIGNATURES, Header, find, looks_like
from schemas.layout import Read

WORKBOOK_BYTES = 512 << 20
KINDS = {SIGNATURES[b"PK\x03\x04"], SIGNATURES[b"\xd0\xcf\x11\xe0"]}
MARKUP = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
FORMULA = re.compile(rb"<(\w+:)?f[\s/>]")
SEAM = 16  # what is kept of a piece, so that a word on the seam to the next is found
MIDNIGHT = r"^(\d{4}-\d{2}-\d{2}) \d{2}:\d{2}:\d{2}(?:\.\d+)?$"


def sheets(document: Document) -> list[str]:
    """Names of the sheets, in order.

    Raises:
        RefusedError: it is no workbook, damaged or hostile.
    """
    return list(_book(document).sheet_names)


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
    return _sheet(document, document.file_hash)


@lru_cache(maxsize=2)
def _sheet(document: Document, _content: str) -> pl.DataFrame:
    book = _book(document)
    try:
        name = document.sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            raise UnreadableFileError(f"has no sheet {name!r}")
        frame: pl.DataFrame = book.load_sheet(name, header_row=None, dtypes="string", skip_rows=0).to_polars()
    except fastexcel.FastExcelError:
        raise _damaged() from None
    return frame


def _book(document: Document) -> fastexcel.ExcelReader:
    head = document.head(512)
    if (kind := looks_like(head) or "text") not in KINDS:
        raise UnreadableFileError(
            f"is {kind}, not an Excel workbook, whatever its name says; ask the sender for the workbook"
        )
    if document.file_bytes > WORKBOOK_BYTES:
        raise TooLargeFileError(f"has over {WORKBOOK_BYTES >> 20} MB, too much for a workbook; ask for delimited text")
    content = document.content()
    try:
        if head.startswith(b"PK"):
            with zipfile.ZipFile(content) as archive:
                _refuse_hostile(archive, document.file_bytes)
        source = content if not hasattr(content, "getvalue") else content.getvalue()
        return fastexcel.read_excel(source)
    except (fastexcel.FastExcelError, zipfile.BadZipFile, zipfile.zlib.error, EOFError, NotImplementedError):  # type: ignore[attr-defined]
        raise _damaged() from None


def _refuse_hostile(archive: zipfile.ZipFile, packed: int) -> None:
    try:
        check_archive(archive.infolist(), packed)
    except ArchiveFileError as trouble:
        raise ArchiveFileError(f"is a workbook that {trouble}") from None
    for info in archive.infolist():
        if not info.filename.endswith((".xml", ".rels")):
            continue
        is_sheet = info.filename.startswith("xl/worksheets/")
        with archive.open(info) as part:
            last = b""
            while piece := part.read(PIECE):
                seen = last + piece
                if MARKUP.search(seen):
                    raise MarkupFileError(
                        "declares markup of its own, as XML bombs do; do not open it, tell the sender"
                    )
                if is_sheet and FORMULA.search(seen):
                    raise FormulaFileError("holds formulas; ask the sender for a copy with values only")
                last = piece[-SEAM:]


def _damaged() -> UnreadableFileError:
    return UnreadableFileError("is damaged: Excel's own format is broken inside; ask the sender for it again")
