"""Bytes to rows of text: one header, then batches in which every column is text.

Nothing is guessed and nothing is typed here; a value is what the file holds. Rows are numbered as a spreadsheet shows
them (the header is row 1).
"""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fastexcel
import polars as pl

from le_pipeline.errors import (
    EmptyFileError,
    EncodingFileError,
    TruncatedFileError,
    UnreadableFileError,
)
from schemas.layout import Read

ROW = "__row"
OVERFLOW = "__overflow"
BATCH_ROWS = 250_000
HEAD_BYTES = 1 << 20
TAIL_BYTES = 1 << 16
REPLACEMENT = "\ufffd"  # what a byte that is not UTF-8 is read as
UTF8 = ("utf-8", "utf-8-sig")
DECODED_BYTES = 1 << 22
UNPACKED_BYTES = 1 << 30  # a workbook of a million rows unpacks to less
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
SIGNATURES = {
    b"PK\x03\x04": "a ZIP archive or Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook or Office document",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
}
BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def header(path: Path, read: Read) -> list[str]:
    """The column names of a file, without outer spaces.

    Raises:
        RefusedError: the file is empty, not of this format, in another encoding, or damaged.
    """
    _not_empty(path)
    return _excel_header(path, read) if read.format == "excel" else _delimited_header(path, read)


def batches(path: Path, read: Read, rows: int = BATCH_ROWS) -> Iterator[pl.DataFrame]:
    """The rows below the header, as text, with their row number in `__row`.

    A row with more cells than the header has text in `__overflow`; a byte that is not in the encoding shows as U+FFFD.

    Raises:
        RefusedError: as `header`, or the file ends inside a row, or has no row below its header.
    """
    columns = header(path, read)
    frames = (
        _excel_batches(path, read, columns, rows)
        if read.format == "excel"
        else _delimited_batches(path, read, columns, rows)
    )
    seen = False
    for frame in frames:
        seen = True
        yield frame
    if not seen:
        raise EmptyFileError("has a header and no row below it; ask the sender for the rows")


def whole(path: Path, read: Read) -> pl.DataFrame:
    """The whole file at once, for files that others look values up in; may have no row."""
    columns = header(path, read)
    try:
        return pl.concat(batches(path, read))
    except EmptyFileError:
        return pl.DataFrame(schema=dict.fromkeys([ROW, *columns, OVERFLOW], pl.String))


def _not_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise EmptyFileError("is empty (0 bytes); ask the sender for it again")


def _is_utf8(read: Read) -> bool:
    return codecs.lookup(read.encoding).name in UTF8


def _named(cells: list[str]) -> list[str]:
    """Column names; one without a name is called after its place, as spreadsheets leave such columns behind.

    Raises:
        UnreadableFileError: two columns have one name, or a name runs over several cells.
    """
    columns = [name.strip() or f"column {place}" for place, name in enumerate(cells, start=1)]
    # by place, not by name: where the header is missing, the first row is somebody's record
    twice = [str(place) for place, name in enumerate(columns, start=1) if name in columns[: place - 1]]
    if twice:
        raise UnreadableFileError(
            f"repeats a column name (columns {', '.join(twice)}); ask for a file with distinct headers"
        )
    return columns


def _looks_like(head: bytes) -> str | None:
    if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] == b"<":
        return "a web page or XML file"
    return next((kind for signature, kind in SIGNATURES.items() if head.startswith(signature)), None)


# -- delimited ---------------------------------------------------------------------------------------------------


def _delimited_header(path: Path, read: Read) -> list[str]:
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if kind := _looks_like(head):
        raise UnreadableFileError(f"is {kind}, not delimited text; ask the sender for the export itself")
    if _is_utf8(read):
        for mark, encoding in BYTE_ORDER_MARKS.items():
            if head.startswith(mark):
                raise EncodingFileError(
                    f"is in {encoding}, its layout says {read.encoding}; save it as {read.encoding}"
                )
    text = head.decode("utf-8-sig" if _is_utf8(read) else read.encoding, errors="replace")
    if "\0" in text:
        raise EncodingFileError(
            f"holds NUL characters, so it is not {read.encoding} text; ask for it in {read.encoding}"
        )
    if not text.strip():
        raise EmptyFileError("holds nothing but blanks; ask the sender for it again")
    if "\r" in text and "\n" not in text:
        raise UnreadableFileError(
            "ends its lines as old Macs did (CR alone); save it with line ends of today (LF or CRLF)"
        )
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=read.delimiter,
        quotechar=read.quote or None,
        quoting=csv.QUOTE_MINIMAL if read.quote else csv.QUOTE_NONE,
    )
    try:
        cells = next(reader)
    except csv.Error:
        raise UnreadableFileError("has a first line that is not a header of columns") from None
    if open_quote := [place for place, cell in enumerate(cells, start=1) if "\n" in cell and read.delimiter in cell]:
        raise UnreadableFileError(f"has a quote without its partner in its header (column {open_quote[0]}); correct it")
    return _named(cells)


def _delimited_batches(path: Path, read: Read, columns: list[str], rows: int) -> Iterator[pl.DataFrame]:
    _complete(path, read, len(columns))
    source: Path | io.BytesIO = path
    if not _is_utf8(read):
        source = _as_utf8(path, read.encoding)
    scan = pl.scan_csv(
        source,
        has_header=False,
        skip_rows=1,
        separator=read.delimiter,
        quote_char=read.quote,
        schema=dict.fromkeys([*columns, OVERFLOW], pl.String()),
        missing_columns="insert",
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        row_index_name=ROW,
        row_index_offset=2,
        glob=False,
    )
    try:
        for frame in scan.collect_batches(chunk_size=rows, maintain_order=True):
            if read.quote:
                _refuse_swallowed_rows(frame, columns, read.delimiter)
            if (filled := _without_blank_rows(frame, columns)).height:
                yield filled
    except pl.exceptions.NoDataError:
        return
    except pl.exceptions.PolarsError:
        # the text of a Polars error can hold the line it failed on
        raise UnreadableFileError("has rows that cannot be split into cells; check its quotes and delimiter") from None


def _as_utf8(path: Path, encoding: str) -> io.BytesIO:
    """The text in UTF-8; in memory, because text with names must not be written to disk in the clear."""
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    text = io.BytesIO()
    with path.open("rb") as file:
        while piece := file.read(DECODED_BYTES):
            text.write(decoder.decode(piece).encode())
    text.write(decoder.decode(b"", final=True).encode())
    text.seek(0)
    return text


def _without_blank_rows(frame: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """Rows that hold anything; blank lines, above all at a file's end, are no records. Row numbers still count them."""
    return frame.filter(pl.any_horizontal(pl.col([*columns, OVERFLOW]).is_not_null()))


def _refuse_swallowed_rows(frame: pl.DataFrame, columns: list[str], delimiter: str) -> None:
    """A quote without its partner makes one cell of all rows up to the next quote, and they would be lost unseen."""
    # a cell that holds a row is at least as long as the row's delimiters and its line end; in most columns none is
    longest = frame.select(pl.col(columns).str.len_bytes().max()).row(0)
    roomy = [name for name, size in zip(columns, longest, strict=True) if size and size >= len(columns)]
    if len(columns) == 1 or not roomy:
        return
    text = pl.col(roomy)
    has_lines = text.str.contains("\n", literal=True)
    whole_row = has_lines & (text.str.count_matches(delimiter, literal=True) >= len(columns) - 1)
    swallowed = frame.filter(pl.any_horizontal(has_lines)).filter(pl.any_horizontal(whole_row))
    if swallowed.height:
        raise UnreadableFileError(
            f"has a quote without its partner at row {swallowed[ROW][0]}, which swallows the rows below it; correct it"
        )


def _complete(path: Path, read: Read, width: int) -> None:
    """A file that was cut off ends inside a row: no line end, and fewer cells than the header, or an open quote."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        tail = file.read().decode(read.encoding, errors="replace")
    if tail.endswith(("\n", "\r")):
        return
    last = tail.splitlines()[-1]
    quotes = last.count(read.quote) if read.quote else 0
    if quotes % 2 or (quotes == 0 and last.count(read.delimiter) + 1 < width):
        raise TruncatedFileError("ends inside a row, so it was cut off on its way; ask the sender for it again")


# -- Excel -------------------------------------------------------------------------------------------------------


def _open(path: Path, read: Read) -> fastexcel.ExcelSheet:
    with path.open("rb") as file:
        head = file.read(512)
    if _looks_like(head) not in {SIGNATURES[b"PK\x03\x04"], SIGNATURES[b"\xd0\xcf\x11\xe0"]}:
        kind = _looks_like(head) or "text"
        raise UnreadableFileError(
            f"is {kind}, not an Excel workbook, whatever its name says; ask the sender for the workbook"
        )
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
            if unpacked > UNPACKED_BYTES:
                raise UnreadableFileError(
                    f"unpacks to {unpacked >> 20:,} MB, far more than a list of people; ask for it as delimited text"
                )
        book = fastexcel.read_excel(path)
        name = read.sheet or book.sheet_names[0]
        if name not in book.sheet_names:
            raise UnreadableFileError(f"has no sheet {name!r}")
        return book.load_sheet(name, header_row=None, dtypes="string", skip_rows=0)
    except (fastexcel.FastExcelError, zipfile.BadZipFile):
        raise UnreadableFileError(
            "is damaged: Excel's own format is broken inside; ask the sender for it again"
        ) from None


def _excel_header(path: Path, read: Read) -> list[str]:
    frame: pl.DataFrame = _open(path, read).to_polars()
    if frame.is_empty():
        raise EmptyFileError("holds no cell on its sheet; ask the sender for it again")
    return _named([name or "" for name in frame.row(0)])


def _excel_batches(path: Path, read: Read, columns: list[str], rows: int) -> Iterator[pl.DataFrame]:
    frame: pl.DataFrame = _open(path, read).to_polars()
    frame.columns = columns
    # a date is held as a moment; no field has a time of day
    days = frame.with_columns(pl.all().str.replace(r"^(\d{4}-\d{2}-\d{2}) \d{2}:\d{2}:\d{2}(?:\.\d+)?$", "$1"))
    numbered = days.with_row_index(ROW, offset=1)[1:].with_columns(pl.lit(None, pl.String).alias(OVERFLOW))
    filled = _without_blank_rows(numbered, columns)
    for start in range(0, filled.height, rows):
        yield filled[start : start + rows]
