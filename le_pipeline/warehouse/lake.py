"""The lake: every table as Parquet, in `lake/<layer>/<table>/[state=../school_year=../]<part>.parquet`.

A part is one file, written beside and moved into place, so that a reader sees the old one or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.errors import EarlierVersionError
from le_pipeline.warehouse import ddl
from schemas.registry import Table

POLARS_TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us"),
    "boolean": pl.Boolean(),
    "yes_no": pl.String(),
    "grade": pl.String(),
    "school_year": pl.Int32(),
    "key": pl.String(),
}


def polars_schema(table: Table) -> dict[str, pl.DataType]:
    """Column names and Polars types of a table."""
    return {column.name: POLARS_TYPES[column.field.type] for column in table.columns}


def replace(target: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside `target` with `write`, make it durable and move it into place in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        write(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def of_earlier_version(table: str) -> EarlierVersionError:
    """What to say of a table that has not the columns of today."""
    return EarlierVersionError(f"{table} was written by another version of this project; `le run` makes it anew")


def scan(table: Table, files: list[Path]) -> pl.LazyFrame:
    """The table's columns from its files; text that a file holds as codes comes as text."""
    as_text = pl.ScanCastOptions(categorical_to_string="allow")
    return pl.scan_parquet(files, schema=polars_schema(table), cast_options=as_text, hive_partitioning=False)


class Lake:
    """Reads and replaces the tables below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def folder(self, table: Table) -> Path:
        """Where the table's files are."""
        return self.root / table.layer / table.name

    def part(self, table: Table, part: str, state: str | None = None, school_year: int | None = None) -> Path:
        """The file of one part of a table, inside its state and school year where it has them."""
        folder = self.folder(table)
        if state is not None:
            folder = folder / f"state={state}" / f"school_year={school_year}"
        return folder / f"{part}.parquet"

    def files(self, table: Table) -> list[Path]:
        """The table's files, in order of path."""
        return sorted(path for path in self.folder(table).rglob("*.parquet") if not path.name.startswith("."))

    def read(self, table: Table) -> pl.DataFrame:
        """The whole table; empty, with its columns, where nothing was written yet.

        Raises:
            EarlierVersionError: its columns are not those of today.
        """
        files = self.files(table)
        if not files:
            return pl.DataFrame(schema=polars_schema(table))
        try:
            return scan(table, files).collect()
        except (pl.exceptions.ColumnNotFoundError, pl.exceptions.SchemaError):
            raise of_earlier_version(table.qualified_name) from None

    def remembered(self, table: Table, files: list[Path] | None = None) -> pl.DataFrame:
        """What earlier runs have put on record, some files of it or all; empty where there is nothing.

        Columns that an earlier version of the project did not know are empty, for what is past cannot be made anew.
        """
        files = self.files(table) if files is None else [path for path in files if path.exists()]
        if not files:
            return pl.DataFrame(schema=polars_schema(table))
        frames = [
            pl.scan_parquet(
                path,
                schema=polars_schema(table),
                missing_columns="insert",
                extra_columns="ignore",
                hive_partitioning=False,
            )
            for path in files
        ]
        return pl.concat(frames).collect()

    def query(self, table: Table) -> str:
        """SQL that reads the table's columns from its files.

        A folder of a school year may also hold rows that another year's landing folder sent; of rows with one key
        those of the latest folder count.
        """
        files = self.files(table)
        if not files:
            empty = ", ".join(f"cast(null as {ddl.sql_type(c)}) as {c.name}" for c in table.columns)
            return f"select {empty} where false"
        listed = ", ".join(ddl.literal(str(path)) for path in files)
        columns = ", ".join(table.column_names)
        landed = [path.parent for path in files if path.stem.startswith("landed_")]
        if len(landed) == len(set(landed)):
            return f"select {columns} from read_parquet([{listed}], hive_partitioning = false)"
        return (
            f"select {columns} from read_parquet([{listed}], hive_partitioning = false, filename = true)"
            f" qualify row_number() over (partition by {', '.join(table.key)} order by filename desc, source_row) = 1"
        )

    def write(
        self, table: Table, part: str, frame: pl.DataFrame, state: str | None = None, school_year: int | None = None
    ) -> None:
        """Replace one part of a table."""
        ordered = frame.select(pl.col(name).cast(type_) for name, type_ in polars_schema(table).items())
        replace(
            self.part(table, part, state, school_year), lambda path: ordered.write_parquet(path, compression="zstd")
        )

    def stamp(self, table: Table) -> list[list[Any]]:
        """What tells this version of the table from another: path, size and time of each file."""
        stats = ((path.relative_to(self.root).as_posix(), path.stat()) for path in self.files(table))
        return [[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats]

    def note(self, name: str) -> Any:
        """The note of that name from the last successful work, or None."""
        try:
            return json.loads(self._note(name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def notes(self, folder: str) -> list[Any]:
        """Every note below a folder, in order of name."""
        found = sorted(self._note(f"{folder}/any").parent.glob("*.json"))
        return [json.loads(path.read_text(encoding="utf-8")) for path in found if not path.name.startswith(".")]

    def write_note(self, name: str, content: Any) -> None:
        """Remember under a name what the last successful work was made from."""
        replace(self._note(name), lambda path: path.write_text(json.dumps(content), encoding="utf-8"))

    def note_names(self) -> list[str]:
        """The names of all notes, in order."""
        folder = self._note("any").parent
        found = (path.relative_to(folder).as_posix() for path in folder.rglob("*.json"))
        return sorted(name.removesuffix(".json") for name in found if not Path(name).name.startswith("."))

    def forget_note(self, name: str) -> None:
        """Forget what something was made from, so that it is made anew."""
        self._note(name).unlink(missing_ok=True)

    def _note(self, name: str) -> Path:
        return self.root / ".notes" / f"{name}.json"
