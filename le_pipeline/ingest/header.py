"""The header of a file: where it is, and what its columns are called."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass

from le_pipeline.errors import TooLargeFileError, UnreadableFileError
from schemas.layout import Read

ROW = "__row"
OVERFLOW = "__overflow"
OF_SEVERAL_ROWS = " / "
PLACES_TOLD = 10
COLUMNS = 16_384  # as many as a sheet can have; the widest state file has a few hundred
BLANKS = re.compile(r"[\s\ufeff]+")
SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or Office document",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
}
TAR = slice(257, 262), b"ustar"


@dataclass(frozen=True)
class Header:
    """Column names, and how many rows stand above the first row of data."""

    columns: list[str]
    rows_above: int


def find(rows: Sequence[Sequence[str]], read: Read, wanted: tuple[str, ...]) -> Header:
    """The header among the first rows of a file.

    Raises:
        UnreadableFileError: two columns have one name.
        TooLargeFileError: there are more columns than any table has.
    """
    if read.header == 0:
        return Header(list(read.columns), 0)
    widest = max(map(len, rows), default=0)
    if widest > COLUMNS:
        raise TooLargeFileError(f"has {widest:,} columns, more than {COLUMNS:,}; ask for a row for each record")
    for above in range(read.preamble + 1) if wanted else [read.preamble]:
        names = [
            f"column {place}" if name in read.repeated else name
            for place, name in enumerate(_names(rows[above : above + read.header]), start=1)
        ]
        if read.preamble == 0 or set(wanted) <= set(names):
            return Header(_distinct(names), above + read.header)
    return Header([], 0)


def looks_like(head: bytes) -> str | None:
    """What a file is that is no text, by its first bytes."""
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
        return "a web page or XML file"
    if head[TAR[0]] == TAR[1]:
        return "a tar archive"
    return next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), None)


def _names(rows: Sequence[Sequence[str]]) -> list[str]:
    """One name for each column; one without a name is called after its place, as spreadsheets leave such behind.

    A merged cell holds its text in its first column alone, so above the last row a name goes on to its right until the
    next one, as far as there is anything below it.
    """
    width = max((len(row) for row in rows), default=0)
    levels = [[BLANKS.sub(" ", cell or "").strip() for cell in row] + [""] * (width - len(row)) for row in rows]
    for place, level in enumerate(levels[:-1]):
        for column in range(1, width):
            has_below = any(below[column] for below in levels[place + 1 :])
            starts_anew = (
                any(above[column] for above in levels[:place])
                and levels[place - 1][column] != levels[place - 1][column - 1]
            )
            if not level[column] and has_below and not starts_anew:
                level[column] = level[column - 1]
    names = [OF_SEVERAL_ROWS.join(dict.fromkeys(filter(None, column))) for column in zip(*levels, strict=True)]
    return [name or f"column {place}" for place, name in enumerate(names, start=1)]


def _distinct(columns: list[str]) -> list[str]:
    # by place, not by name: where the header is missing, the first row is somebody's record
    first = {name: place for place, name in reversed(list(enumerate(columns, start=1)))}
    twice = [str(place) for place, name in enumerate(columns, start=1) if first[name] < place]
    if twice:
        told = ", ".join(twice[:PLACES_TOLD]) + (" and more" if len(twice) > PLACES_TOLD else "")
        raise UnreadableFileError(f"repeats a column name (columns {told}); ask for a file with distinct headers")
    return columns
