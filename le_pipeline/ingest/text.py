"""Text files: delimited and fixed width, in any encoding and with any line ends."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

import polars as pl

from le_pipeline.errors import (
    EmptyFileError,
    EncodingFileError,
    TooLargeFileError,
    TruncatedFileError,
    UnreadableFileError,
)
from le_pipeline.ingest.coded import Coding
from le_pipeline.ingest.document import LINE_BYTES, PIECE, Document
from le_pipeline.ingest.header import OVERFLOW, ROW, Header, find, looks_like
from schemas.layout import Read

HEAD_BYTES = 1 << 20
TAIL_BYTES = 1 << 16
LINE = "__line"
QUOTE = '"'
NEVER_IN_TEXT = "\x1e"  # splits nothing, so that a fixed-width line comes whole
UTF8 = ("utf-8", "utf-8-sig")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def header(document: Document, read: Read, wanted: tuple[str, ...]) -> Header:
    """The columns of a text file, from its first megabyte."""
    text = head(document, read)
    if read.format == "fixed_width":
        return Header(list(read.positions), 0)
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=read.delimiter,
        quotechar=read.quote or None,
        quoting=csv.QUOTE_MINIMAL if read.quote else csv.QUOTE_NONE,
    )
    try:
        rows = list(islice(reader, read.preamble + max(read.header, 1)))
    except csv.Error:
        raise UnreadableFileError("has a first line that is not a header of columns") from None
    found = find(rows, read, wanted)
    cells = [cell for row in rows[found.rows_above - read.header : found.rows_above] for cell in row]
    if open_quote := [place for place, cell in enumerate(cells, start=1) if "\n" in cell and read.delimiter in cell]:
        raise UnreadableFileError(f"has a quote without its partner in its header (column {open_quote[0]}); correct it")
    return found


def sample(document: Document, read: Read, found: Header, rows: int) -> pl.DataFrame:
    """The first rows, as far as the first megabyte has them whole."""
    text = head(document, read)
    is_whole = document.file_bytes <= HEAD_BYTES
    ends = len(text) if is_whole else _end_of_row(text, read.quote)
    frames = _frames(io.BytesIO(text[:ends].encode()), read, found, rows)
    return next(frames, pl.DataFrame(schema=dict.fromkeys([ROW, *found.columns, OVERFLOW], pl.String)))


def _end_of_row(text: str, quote: str | None) -> int:
    """Where the last whole row ends: at a line end that stands in no quoted cell, as far as there is one."""
    last = end = text.rfind("\n") + 1
    is_open = bool(quote) and text.count(quote or "", 0, end) % 2
    while is_open and end:
        start = text.rfind("\n", 0, end - 1) + 1
        is_open ^= text.count(quote or "", start, end) % 2
        end = start
    return end or last


def longest_line(document: Document, read: Read) -> int:
    """Characters of the longest line in the first megabyte."""
    return max(map(len, head(document, read).split("\n")))


def batches(
    document: Document, read: Read, found: Header, rows: int, coding: Coding | None = None
) -> Iterator[pl.DataFrame]:
    """The rows below the header; columns of `coding` as codes, which only text that is all UTF-8 can be."""
    source = _utf8(document, read)
    _complete(source, read, len(found.columns))
    if not document.facts.has_quotes and read.quote == QUOTE:
        read = read.model_copy(update={"quote": None})  # cells are found sooner where none can be quoted
    for frame in _frames(source, read, found, rows, coding):
        if read.format == "delimited" and read.quote:
            _refuse_swallowed_rows(frame, found.columns, read.delimiter)
        yield frame


def is_utf8(document: Document, read: Read) -> bool:
    """Whether what is read is UTF-8 to the last byte, as what is brought from another encoding always is."""
    is_brought = codecs.lookup(_encoding(document, read)).name not in UTF8
    return document.facts.is_ascii or is_brought or _fits(document, "utf-8")


def _frames(
    source: Path | io.BytesIO, read: Read, found: Header, rows: int, coding: Coding | None = None
) -> Iterator[pl.DataFrame]:
    fixed = read.format == "fixed_width"
    columns = [*([LINE] if fixed else found.columns), OVERFLOW]
    scan = pl.scan_csv(
        source,
        has_header=False,
        skip_rows=found.rows_above,
        separator=NEVER_IN_TEXT if fixed else read.delimiter,
        quote_char=None if fixed else read.quote,
        schema={name: (coding or {}).get(name, pl.String()) for name in columns},
        missing_columns="insert",
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        row_index_name=ROW,
        row_index_offset=found.rows_above + 1,
        glob=False,
    )
    if fixed:
        scan = _cut(scan, read)
    try:
        yield from scan.collect_batches(chunk_size=rows, maintain_order=True)
    except pl.exceptions.NoDataError:
        return
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        # the text of a Polars error can hold the line it failed on
        raise UnreadableFileError("has rows that cannot be split into cells; check its quotes and delimiter") from None


def _cut(lines: pl.LazyFrame, read: Read) -> pl.LazyFrame:
    """The columns of fixed-width lines; what is blank is empty."""
    line = pl.col(LINE)
    cells = {name: line.str.slice(first - 1, last - first + 1) for name, (first, last) in read.positions.items()}
    filled = [pl.when(cell.str.strip_chars() != "").then(cell).alias(name) for name, cell in cells.items()]
    overflow = pl.col(OVERFLOW)
    if read.record_length:
        is_whole = line.str.len_chars().is_between(*read.record_length)
        overflow = pl.coalesce(overflow, pl.when(~is_whole).then(pl.lit("length")))
    return lines.filter(line.str.strip_chars() != "").select(ROW, *filled, overflow.alias(OVERFLOW))


# -- encodings and line ends -------------------------------------------------------------------------------------


def head(document: Document, read: Read) -> str:
    """The first megabyte as text, with line ends of today."""
    first = document.head(HEAD_BYTES)
    if kind := looks_like(first):
        raise UnreadableFileError(f"is {kind}, not delimited text; ask the sender for the export itself")
    if document.facts.has_endless_line:
        raise TooLargeFileError(f"has a line of over {LINE_BYTES >> 20} MB, which no record is; ask for it again")
    encoding = _mark(first) or next((name for name in read.encoding if fits_head(first, name)), read.encoding[0])
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(first)
    _refuse_nul(text, encoding)
    if not text.strip():
        raise EmptyFileError("holds nothing but blanks; ask the sender for it again")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _mark(head: bytes) -> str | None:
    return next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if head.startswith(mark)), None)


def fits_head(head: bytes, encoding: str) -> bool:
    """Whether the first bytes of a file are of an encoding."""
    try:
        codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeError:
        return False
    return True


def _utf8(document: Document, read: Read) -> Path | io.BytesIO:
    """The file in UTF-8 with LF: itself where it is so already, else in memory, since names must not go to disk."""
    encoding = _encoding(document, read)
    if codecs.lookup(encoding).name in UTF8:
        if document.facts.has_nul:
            raise _nul(encoding)
        if not document.facts.has_lone_returns:
            return document.content()
    out = io.BytesIO()
    with document.open() as file, io.TextIOWrapper(file, encoding, errors="replace", newline=None) as text:
        while piece := text.read(PIECE):
            _refuse_nul(piece, encoding)
            out.write(piece.encode())
    out.seek(0)
    return out


def _encoding(document: Document, read: Read) -> str:
    """The encoding of the whole file: what its mark says, else the first of the layout's that fits.

    Raises:
        EncodingFileError: UTF-8 where another encoding is expected, which would read every accent as two signs.
    """
    if marked := _mark(document.head(4)):
        return marked
    only = len(read.encoding) == 1
    if only and codecs.lookup(read.encoding[0]).name in UTF8:
        return read.encoding[0]
    if only and _one_byte(read.encoding[0]) and _fits(document, "utf-8") and not _fits(document, "ascii"):
        raise EncodingFileError(
            f"is in UTF-8, its layout says {read.encoding[0]}; name both in the layout: [utf-8, {read.encoding[0]}]"
        )
    return next((name for name in read.encoding if _fits(document, name)), read.encoding[0])


def _one_byte(encoding: str) -> bool:
    return len("é".encode(encoding, errors="replace")) == 1


def _fits(document: Document, encoding: str) -> bool:
    return _is_whole_in(document, document.file_hash, encoding)


@lru_cache(maxsize=256)
def _is_whole_in(document: Document, _content: str, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with document.open() as file:
        try:
            while piece := file.read(PIECE):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeError:
            return False
    return True


def _refuse_nul(text: str, encoding: str) -> None:
    if "\0" in text:
        raise _nul(encoding)


def _nul(encoding: str) -> EncodingFileError:
    name = encoding.removesuffix("-sig")
    return EncodingFileError(f"holds NUL characters, so it is not {name} text; ask for it in {name}")


# -- rows that are not whole -------------------------------------------------------------------------------------


def _refuse_swallowed_rows(frame: pl.DataFrame, columns: list[str], delimiter: str) -> None:
    """A quote without its partner makes one cell of all rows up to the next quote, and they would be lost unseen."""
    # a cell that holds a row is at least as long as the row's delimiters and its line end; in most columns none is
    longest = frame.select(_length(frame, name).max() for name in columns).row(0)
    roomy = [name for name, size in zip(columns, longest, strict=True) if size and size >= len(columns)]
    if max((size or 0 for size in longest), default=0) > LINE_BYTES:
        raise TooLargeFileError(f"has a cell of over {LINE_BYTES >> 20} MB, which no record has; ask for it again")
    if len(columns) == 1 or not roomy:
        return
    text = pl.col(roomy).cast(pl.String)
    has_lines = text.str.contains("\n", literal=True)
    whole_row = has_lines & (text.str.count_matches(delimiter, literal=True) >= len(columns) - 1)
    swallowed = frame.filter(pl.any_horizontal(has_lines)).filter(pl.any_horizontal(whole_row))
    if swallowed.height:
        raise UnreadableFileError(
            f"has a quote without its partner at row {swallowed[ROW][0]}, which swallows the rows below it; correct it"
        )


def _length(frame: pl.DataFrame, name: str) -> pl.Expr:
    is_coded = isinstance(frame.schema[name], pl.Categorical)
    return pl.col(name).cat.len_bytes() if is_coded else pl.col(name).str.len_bytes()


def _complete(source: Path | io.BytesIO, read: Read, width: int) -> None:
    """A file that was cut off ends inside a row: no line end, and fewer cells than the header, or an open quote."""
    tail = _tail(source).decode(errors="replace")
    if not tail or tail.endswith(("\n", "\r")):
        return
    last = tail.splitlines()[-1]
    if read.format == "fixed_width":
        is_cut = read.record_length is not None and len(last) < read.record_length[0]
    else:
        quotes = last.count(read.quote) if read.quote else 0
        is_cut = bool(quotes % 2) or (quotes == 0 and last.count(read.delimiter) + 1 < width)
    if is_cut:
        raise TruncatedFileError("ends inside a row, so it was cut off on its way; ask the sender for it again")


def _tail(source: Path | io.BytesIO) -> bytes:
    if isinstance(source, io.BytesIO):
        return bytes(source.getbuffer()[-TAIL_BYTES:])
    with source.open("rb") as file:
        file.seek(max(0, source.stat().st_size - TAIL_BYTES))
        return file.read()
