"""Files of records that carry their own column names: Parquet and JSON lines."""

from __future__ import annotations

import codecs
import datetime
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import polars as pl

from le_pipeline.errors import EncodingFileError, TooLargeFileError, UnreadableFileError
from le_pipeline.ingest.document import LINE_BYTES, Document
from le_pipeline.ingest.header import OVERFLOW, ROW, Header, find, looks_like
from schemas.layout import Read

PARQUET = b"PAR1"
ROWS_OF_A_BYTE = 100  # a real file takes a byte or more for a row
LONE_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no text holds
HEAD_LINES = 1000
CELLS, CELLS_OF_A_BYTE = 50_000_000, 200  # in memory at once; columns that are all empty take no byte


def header(document: Document, read: Read, wanted: tuple[str, ...]) -> Header:  # noqa: ARG001
    """The columns: of Parquet its own, of JSON lines the names that the first thousand records have."""
    if read.format == "parquet":
        return find([_scan(document).collect_schema().names()], Read(format="delimited"), ())
    names: dict[str, None] = {}
    for _, record in islice(_lines(document), HEAD_LINES):
        names |= dict.fromkeys(record)
    return find([list(names)], Read(format="delimited"), ())


def sample(document: Document, read: Read, found: Header, rows: int) -> pl.DataFrame:
    """The first rows."""
    return next(batches(document, read, found, rows), pl.DataFrame(schema=dict.fromkeys(found.columns, pl.String)))


def batches(document: Document, read: Read, found: Header, rows: int) -> Iterator[pl.DataFrame]:
    """The records, numbered from 1."""
    if read.format == "json_lines":
        yield from _json_batches(document, found, rows)
        return
    scan = _scan(document)
    columns = zip(scan.collect_schema().items(), found.columns, strict=True)
    texts = [_as_text(name, dtype).alias(column) for (name, dtype), column in columns]
    numbered = scan.select(texts).with_row_index(ROW, offset=1).with_columns(pl.lit(None, pl.String).alias(OVERFLOW))
    try:
        yield from numbered.collect_batches(chunk_size=rows, maintain_order=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise _damaged() from None


class _Record(dict[str, Any]):
    """A JSON object, and whether it names a thing twice, of which Python would keep the last unseen."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.has_twice = len(self) < len(pairs)

    @property
    def is_flat(self) -> bool:
        """Whether its values are texts, numbers, yes or no, nothing, or lists of these."""
        cells = [cell for value in self.values() for cell in (value if isinstance(value, list) else [value])]
        return not any(isinstance(cell, (dict, list)) for cell in cells)


def _scan(document: Document) -> pl.LazyFrame:
    if not document.head(4) == PARQUET:
        raise UnreadableFileError(
            f"is {looks_like(document.head(512)) or 'text'}, not a Parquet file; ask for the file itself"
        )
    try:
        scan = pl.scan_parquet(document.content(), hive_partitioning=False, glob=False)
        scan.collect_schema()
        rows = scan.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        raise _damaged() from None
    cells = rows * len(scan.collect_schema())
    if rows > ROWS_OF_A_BYTE * document.file_bytes or cells > max(CELLS, CELLS_OF_A_BYTE * document.file_bytes):
        raise TooLargeFileError(f"holds {rows:,} rows, out of all proportion to its size; ask for it again")
    return scan


def _as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as the text that a delimited file would hold."""
    column = pl.col(name)
    if dtype == pl.List(pl.String):
        return column.list.join(",")
    if dtype.is_nested():
        raise UnreadableFileError("has columns of lists or records inside a cell; ask for a flat table")
    if dtype == pl.Binary:
        return column.cast(pl.String, strict=False)
    if dtype == pl.Datetime:  # a day is written as its midnight where a program knows no days
        is_day = column.dt.time() == datetime.time()
        return pl.when(is_day).then(column.dt.date().cast(pl.String)).otherwise(column.cast(pl.String))
    return column.cast(pl.String)


def _lines(document: Document) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line's number and record, numbers as they are written; a line that is no record is refused."""
    if document.facts.has_endless_line:
        raise TooLargeFileError(f"has a line of over {LINE_BYTES >> 20} MB, which no record is; ask for it again")
    if document.facts.has_nul:
        raise EncodingFileError("holds NUL characters, so it is not utf-8 text; ask for it in utf-8")
    with document.open() as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(
                    line.removeprefix(codecs.BOM_UTF8),
                    parse_int=str,
                    parse_float=str,
                    parse_constant=str,
                    object_pairs_hook=_Record,
                )
            except (ValueError, RecursionError):
                record = None
            if not isinstance(record, _Record):
                raise UnreadableFileError(f"has no JSON record in line {number}; ask for one flat record in each line")
            if not record.is_flat:
                raise UnreadableFileError(f"has a record or list inside a cell in line {number}; ask for flat records")
            if record.has_twice:
                raise UnreadableFileError(f"gives a name twice in line {number}; ask for each name once in a record")
            yield number, record


def _json_batches(document: Document, found: Header, rows: int) -> Iterator[pl.DataFrame]:
    schema = {ROW: pl.UInt32(), **dict.fromkeys([*found.columns, OVERFLOW], pl.String())}
    lines = _lines(document)
    while chunk := list(islice(lines, rows)):
        yield pl.DataFrame(
            [_row(number, record, found.columns) for number, record in chunk], schema=schema, orient="row"
        )


def _row(number: int, record: dict[str, Any], columns: list[str]) -> list[Any]:
    given = {" ".join(name.split()): value for name, value in record.items()}
    later = "name" if given.keys() - set(columns) else None  # a name that no record above had
    return [number, *(_text(given.get(name)) for name in columns), later]


def _text(value: Any) -> str | None:
    match value:
        case None:
            return None
        case str():
            return LONE_SURROGATE.sub("\ufffd", value)
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(_text(one) or "" for one in value)
        case _:
            return json.dumps(value)


def _damaged() -> UnreadableFileError:
    return UnreadableFileError("is damaged, or was cut off on its way; ask the sender for it again")
