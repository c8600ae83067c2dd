"""Where values of the vault could have got to: every file below LE_HOME but landing and vault, and how it is read.

Files that hold tables, other files or compressed pages are opened; everything is taken by what it begins with, and not
by its name.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import pickletools
import shutil
import sqlite3
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
import fastexcel
import polars as pl

from le_pipeline.errors import is_panic
from le_pipeline.home import Home
from le_pipeline.privacy.scan import texts, words
from le_pipeline.privacy.scan.search import Search
from le_pipeline.privacy.scan.tables import OWN_COLUMNS, OWN_TABLES, Found, TableSearch, quoted
from le_pipeline.privacy.scan.texts import unescaped
from le_pipeline.warehouse.ddl import literal

DEEPEST = 5  # archives in archives
LARGEST = 16 << 30  # bytes of what an archive unpacks to
ROWS = 50_000  # of a SQLite table at once
DELIMITED, SEPARATORS = (".csv", ".tsv", ".txt"), ",;\t|"
RECORDS, LARGEST_JSON = (".json", ".jsonl", ".ndjson"), 1 << 30  # larger ones are read as text alone
# packed in ways that nothing here opens: Zstandard, 7z, RAR, LZ4 (and its old form), lzip, compress, CAB, PDF
CLOSED = (
    b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18", b"LZIP",
    b"\x1f\x9d", b"MSCF", b"%PDF-",
)  # fmt: skip
UNREADABLE = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, sqlite3.Error, zipfile.BadZipFile,
    tarfile.TarError, lzma.LZMAError, zlib.error, fastexcel.FastExcelError, duckdb.Error, pl.exceptions.PolarsError,
)  # fmt: skip


class UnreadableError(Exception):
    """A place cannot be read, so nobody can say what is in it."""


def files(home: Home) -> list[Path]:
    """Every file that is searched, in order of path. Pipes and sockets hold nothing."""
    vaults = (home.vault, *home.rotation.glob(f"*/{home.vault.name}"))  # a change of keys that was cut off leaves two
    outside = {home.landing.resolve(), *vaults}
    return sorted(_below(home.root, outside, set()))


def _below(folder: Path, outside: set[Path], seen: set[Path]) -> Iterator[Path]:
    resolved = folder.resolve()
    if resolved in outside or resolved in seen or any(resolved.is_relative_to(each) for each in outside):
        return
    seen.add(resolved)
    for path in folder.iterdir():
        if path.is_dir():
            yield from _below(path, outside, seen)
        elif path.is_symlink() and any(path.resolve().is_relative_to(each) for each in outside):
            continue
        elif path.is_symlink() or stat.S_ISREG(path.lstat().st_mode):
            yield path


@dataclass(frozen=True)
class Reader:
    """Searches files of any kind with a search of texts and one of tables."""

    search: Search
    tables: TableSearch

    def file(self, path: Path) -> Iterator[Found]:
        """What is found in a file; `where` is the table and column, or the file inside it.

        Raises:
            UnreadableError: the file, or a file in it, cannot be read.
        """
        try:
            with _held():
                yield from self._file(path, "", path.suffix.lower(), 0)
        except UnreadableError:
            if path.is_symlink() or path.exists():
                raise

    def parquet(self, paths: list[Path]) -> Iterator[Found]:
        """What is found in Parquet files of one table."""
        listed = ", ".join(literal(str(path)) for path in paths)
        relation = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
        with _held():
            yield from self.tables(relation)
            for path in paths:
                beside = [*pl.read_parquet_schema(path), *map(str, pl.read_parquet_metadata(path).items())]
                yield from self._texts("(names of columns and metadata)", iter([texts.of_cells(pl.Series(beside))]))

    def names(self, paths: list[str]) -> Iterator[tuple[int, Found]]:
        """What is found in names of files, with the place of the path in the list."""
        for place, _ in self._holding([(number, path) for number, path in enumerate(paths)]):
            for found in self._texts("(its name)", iter([_spelled(paths[place])])):
                yield place, found

    def is_telling(self, text: str) -> bool:
        """Whether a text, such as the name of a column, holds what must not be told."""
        return bool(self.search(_spelled(text)).height)

    def _holding(self, named: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
        """Those of many short texts that hold something, in one search."""
        forms = [_spelled(text) for _, text in named]
        if not forms:
            return []
        of = [place for place, form in enumerate(forms) for _ in form]
        rows = self.search(pl.concat(forms))["row"].unique()
        return [named[place] for place in sorted({of[row] for row in rows})]

    def _file(self, path: Path, where: str, suffix: str, depth: int) -> Iterator[Found]:
        if depth > DEEPEST:
            raise UnreadableError
        with path.open("rb") as file:
            head = file.read(512)
        opener, tables = _compressed(head), self._tables(head)
        if tables:
            yield from tables(path, where)
        elif head.startswith((b"PK\3\4", b"PK\5\6")):
            yield from self._zip(path, where, depth)
        elif opener:
            with opener(path) as packed, _unpacked(packed) as plain:
                yield from self._file(plain, where, Path(path.stem).suffix.lower(), depth + 1)
            yield from self._bytes(path, where)
        elif head[257:262] == b"ustar":
            yield from self._tar(path, where, depth)
        else:
            yield from self._plain(path, where, head, suffix)

    def _tables(self, head: bytes) -> Callable[[Path, str], Iterator[Found]] | None:
        """How a file of tables is read that begins in this way."""
        if head[8:12] == b"DUCK":
            return self._duckdb
        known = {
            b"PAR1": self._parquet,
            b"SQLite format 3\0": self._sqlite,
            b"ARROW1": lambda path, where: self._frame(pl.read_ipc(path), where),
            b"\xd0\xcf\x11\xe0": self._workbook,
        }
        return next((read for magic, read in known.items() if head.startswith(magic)), None)

    def _parquet(self, path: Path, where: str) -> Iterator[Found]:
        for found in self.parquet([path]):
            yield Found(_in(where, found.where), found.kind, found.count)

    def _plain(self, path: Path, where: str, head: bytes, suffix: str) -> Iterator[Found]:
        if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5":
            yield from self._pickle(path, where)
        if encoding := texts.wide_encoding(head):
            with _as_utf8(path, encoding) as plain:
                yield from self._written(plain, where, suffix)
            yield from self._bytes(path, where)  # it may be something else after all
        else:
            yield from self._written(path, where, suffix)

    def _written(self, path: Path, where: str, suffix: str) -> Iterator[Found]:
        if suffix in DELIMITED:
            yield from self._delimited(path, where)
        if suffix in RECORDS and path.stat().st_size < LARGEST_JSON:
            yield from self._records(path, where)
        yield from self._bytes(path, where)

    def _texts(self, where: str, series: Iterator[pl.Series]) -> Iterator[Found]:
        found = pl.concat([self.search(each).select("kind", "value").unique() for each in series] or [_NONE])
        for kind, count in found.unique().group_by("kind", maintain_order=True).len().iter_rows():
            yield Found(where, kind, count)

    def _bytes(self, path: Path, where: str) -> Iterator[Found]:
        with path.open("rb") as file:
            yield from self._texts(where, texts.of_stream(file))

    def _frame(self, frame: pl.DataFrame, where: str) -> Iterator[Found]:
        if not frame.width:
            return
        # a name with a zero in it ends the handing over in a panic, which says the name
        if any("\0" in name for dtype in frame.dtypes for name in _inner_names(dtype)):
            raise UnreadableError
        names = frame.columns
        self.tables.con.register("frame", frame.rename({name: f"c{at}" for at, name in enumerate(names)}))
        try:
            yield from self.tables("frame", where, names)
        finally:
            self.tables.con.unregister("frame")
        yield from self._texts(_in(where, "(column names)"), iter([texts.of_cells(pl.Series(names))]))

    def _duckdb(self, path: Path, where: str) -> Iterator[Found]:
        con = self.tables.con
        con.execute(f"attach {literal(str(path))} as place (read_only)")
        try:
            for name, text in self._holding(con.execute(CATALOG).fetchall()):
                told = _in(where, f"{_own(name, 'catalog')} (definition or comment)")
                yield from self._texts(told, iter([_spelled(text)]))
            tables = "select schema_name, table_name from duckdb_tables() where database_name = 'place'"
            for number, (schema, table) in enumerate(con.execute(tables).fetchall(), start=1):
                relation = f"place.{quoted(schema)}.{quoted(table)}"
                yield from self.tables(relation, _in(where, _own(f"{schema}.{table}", f"table {number}")))
        finally:
            con.execute("detach place")

    def _sqlite(self, path: Path, where: str) -> Iterator[Found]:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as con:
            con.text_factory = lambda text: text.decode(errors="replace")
            names = [row[0] for row in con.execute("select name from sqlite_master where type = 'table'")]
            for number, name in enumerate(names, start=1):
                cursor = con.execute(f"select * from {quoted(name)}")
                columns = [entry[0] for entry in cursor.description]
                while rows := cursor.fetchmany(ROWS):
                    cells = [[_told(cell) for cell in column] for column in zip(*rows, strict=True)]
                    frame = pl.DataFrame(
                        dict(zip(columns, cells, strict=True)), schema=dict.fromkeys(columns, pl.String)
                    )
                    yield from self._frame(frame, _in(where, _own(name, f"table {number}")))
        con.close()
        yield from self._bytes(path, where)  # free pages hold what was deleted

    def _zip(self, path: Path, where: str, depth: int) -> Iterator[Found]:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise UnreadableError
            names = archive.namelist()
            is_workbook = "[Content_Types].xml" in names
            if (is_workbook and any(name.startswith(("xl/", "content")) for name in names)) or "mimetype" in names:
                yield from self._workbook(path, where)
            listed = [name for name in names if not name.endswith("/")]
            yield from self._texts(
                _in(where, "(names in the archive)"), iter([pl.Series([*listed, *map(words.apart, listed)])])
            )
            for name in listed:
                # cells of a workbook are read as a table: as text, any two that follow each other would be neighbours
                if is_workbook and (name.startswith("xl/worksheets/sheet") or name == "xl/sharedStrings.xml"):
                    continue
                with archive.open(name) as packed, _unpacked(packed) as plain:
                    yield from self._file(plain, _in(where, "(in it)"), Path(name).suffix.lower(), depth + 1)
            comments = [archive.comment, *(member.comment for member in archive.infolist())]
            yield from self._texts(where, iter([texts.of_bytes(b"\n".join(comments))]))

    def _tar(self, path: Path, where: str, depth: int) -> Iterator[Found]:
        with tarfile.open(path) as archive:
            for member in archive:
                yield from self._texts(
                    _in(where, "(names in the archive)"), iter([pl.Series([member.name, words.apart(member.name)])])
                )
                if packed := archive.extractfile(member) if member.isfile() else None:
                    with packed, _unpacked(packed) as plain:
                        yield from self._file(plain, _in(where, "(in it)"), Path(member.name).suffix.lower(), depth + 1)

    def _workbook(self, path: Path, where: str) -> Iterator[Found]:
        book = fastexcel.read_excel(path)
        yield from self._texts(_in(where, "(names of sheets)"), iter([pl.Series(book.sheet_names, dtype=pl.String)]))
        for number, name in enumerate(book.sheet_names, start=1):
            sheet = book.load_sheet(name, header_row=None, dtypes="string").to_polars()
            yield from self._frame(sheet, _in(where, f"sheet {number}"))

    def _delimited(self, path: Path, where: str) -> Iterator[Found]:
        with path.open("rb") as file:
            header = file.readline(texts.CARRIED)
        separator = max(SEPARATORS, key=lambda sign: header.count(sign.encode()))
        try:
            frame = pl.read_csv(
                path, infer_schema=False, separator=separator, truncate_ragged_lines=True, encoding="utf8-lossy"
            )
        except pl.exceptions.PolarsError:
            return  # no table; it is read as text in any case
        yield from self._frame(frame, where)

    def _records(self, path: Path, where: str) -> Iterator[Found]:
        """JSON as a table, where it is one: what belongs together need not stand side by side."""
        with path.open("rb") as file:
            is_list = file.read(1 << 10).lstrip()[:1] == b"["
        try:
            with _held():
                frame = pl.read_json(path) if is_list else pl.read_ndjson(path)
                found = list(self._frame(frame, where))
        except UnreadableError:
            return  # no table, or one of a shape that has no cells; it is read as text in any case
        yield from found

    def _pickle(self, path: Path, where: str) -> Iterator[Found]:
        """What a pickle holds, taken from its instructions; nothing of it is run."""
        told: list[str] = []
        try:
            with path.open("rb") as file:
                for _, argument, _ in pickletools.genops(file):
                    told += [_told(argument) or ""] if isinstance(argument, (str, int, bytes)) else []
        except (ValueError, EOFError, UnicodeDecodeError, IndexError):
            return  # no pickle after all; it is read as bytes in any case
        yield from self._texts(where, iter([texts.pieces([" ".join(told)])]))


# names, definitions and comments of everything in the attached database
CATALOG = """
select table_name || '.' || column_name, column_name || ' ' || coalesce(comment, '') || ' '
    || coalesce(column_default, '') || ' ' || data_type
    from duckdb_columns() where database_name = 'place' and not internal
union all select table_name, table_name || ' ' || coalesce(comment, '') || ' ' || coalesce(sql, '')
    from duckdb_tables() where database_name = 'place' and not internal
union all select view_name, view_name || ' ' || coalesce(comment, '') || ' ' || coalesce(sql, '')
    from duckdb_views() where database_name = 'place' and not internal
union all select schema_name, schema_name || ' ' || coalesce(comment, '')
    from duckdb_schemas() where database_name = 'place' and not internal
union all select type_name, type_name || ' ' || coalesce(comment, '') || ' '
    || coalesce(array_to_string(labels, ' '), '') from duckdb_types() where database_name = 'place' and not internal
union all select function_name, coalesce(macro_definition, '') || ' ' || coalesce(comment, '')
    from duckdb_functions() where database_name = 'place' and not internal
union all select index_name, index_name || ' ' || coalesce(comment, '') || ' ' || coalesce(sql, '')
    from duckdb_indexes() where database_name = 'place'
"""
_NONE = pl.DataFrame(schema={"kind": pl.String, "value": pl.String})


@contextmanager
def _held() -> Iterator[None]:
    """What libraries raise over a place that they cannot read, panics as well, as our own error without their words.

    Raises:
        UnreadableError: in place of what was raised.
    """
    try:
        yield
    except UNREADABLE:
        raise UnreadableError from None
    except BaseException as error:
        if not is_panic(error):
            raise
        raise UnreadableError from None


def _spelled(text: str) -> pl.Series:
    """A short text, such as a name, in everything that it may say."""
    return pl.Series([text, unescaped(text), words.apart(text), *texts.decoded(text.encode(errors="replace"))])


def _own(name: str, otherwise: str) -> str:
    """The name of a table or column as a message may tell it: the project's own; what others wrote may be a value."""
    return name if all(part in OWN_TABLES or part in OWN_COLUMNS for part in name.split(".")) else otherwise


def _inner_names(dtype: pl.DataType) -> Iterator[str]:
    """Names of fields within cells of a type."""
    if isinstance(dtype, (pl.List, pl.Array)) and isinstance(dtype.inner, pl.DataType):
        yield from _inner_names(dtype.inner)
    if isinstance(dtype, pl.Struct):
        for each in dtype.fields:
            yield each.name
            if isinstance(each.dtype, pl.DataType):
                yield from _inner_names(each.dtype)


def _in(where: str, more: str) -> str:
    return f"{where} {more}".strip()


def _told(cell: Any) -> str | None:
    """A cell of SQLite, or a part of a pickle, as text."""
    if isinstance(cell, bytes):
        if cell[:1] == b"\x78" or cell[:2] == b"\x1f\x8b":
            with suppress(zlib.error):
                cell = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(cell)
        return "\n".join(map(str, texts.of_bytes(cell)))
    return None if cell is None else str(cell)


def _compressed(head: bytes) -> Callable[[Path], Any] | None:
    openers: dict[bytes, Callable[[Path], Any]] = {
        b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open,
    }  # fmt: skip
    if head.startswith(CLOSED):
        raise UnreadableError
    return next((opener for magic, opener in openers.items() if head.startswith(magic)), None)


@contextmanager
def _as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """A text in UTF-8, for as long as it is searched."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        with (
            path.open(encoding=encoding, errors="replace", newline="") as file,
            plain.open("w", encoding="utf-8", newline="") as out,
        ):
            shutil.copyfileobj(file, out, 1 << 20)
        yield plain


@contextmanager
def _unpacked(packed: IO[bytes]) -> Iterator[Path]:
    """The content as a file that only we can read, for as long as it is searched."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        with plain.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
            if file.tell() > LARGEST:
                raise UnreadableError
        yield plain
