"""The files of a release: tables as DuckDB, Parquet, CSV and Excel, dictionary, papers and manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

import duckdb
import polars as pl
import xlsxwriter

from le_pipeline.files import hash_of
from le_pipeline.publish.handover import without_formulas
from le_pipeline.publish.masking import CODED, SUPPRESSED, Masked
from le_pipeline.warehouse import ddl
from schemas.profile import Profile
from schemas.registry import Table

PROSE = Path(__file__).with_name("release.md")
MANIFEST, DATABASE, WORKBOOK, DICTIONARY = "manifest.json", "release.duckdb", "release.xlsx", "data_dictionary.csv"
WIDTH = 16


def write(folder: Path, masked: Sequence[Masked], profiles: dict[str, Profile], said: dict[str, Any]) -> dict[str, Any]:
    """Write a release into the folder.

    Args:
        folder: where to; it is there and empty.
        masked: its tables.
        profiles: what protects the people of each state, and of all states together.
        said: what the manifest says besides files, tables and profiles.

    Returns:
        The manifest.
    """
    _database(folder / DATABASE, masked)
    for table in masked:
        table.figures.write_parquet(folder / f"{table.table.name}.parquet", compression="zstd")
        as_text(table).write_csv(folder / f"{table.table.name}.csv")
    _workbook(folder / WORKBOOK, masked)
    without_formulas(dictionary(table.table for table in masked)).write_csv(folder / DICTIONARY)
    (folder / "README.md").write_text(_papers(said["release"], masked, profiles), encoding="utf-8")
    manifest = {
        **said,
        "tables": {
            table.table.name: {
                "rows": table.figures.height,
                "figures_not_shown": table.hidden,
            }
            for table in masked
        },
        "profiles": {
            state: profile.model_dump(mode="json", include={"profile", "students", "staff", "lower", "marker"})
            for state, profile in sorted(profiles.items())
        },
        "files": {path.name: hash_of(path) for path in sorted(folder.iterdir())},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest


def as_text(table: Masked) -> pl.DataFrame:
    """The table for spreadsheets: markers and bands as they are, and an apostrophe before what would be computed."""
    texts = [name for name in table.texts.columns if table.table.column(name).field.type == "text"]
    bands = [name for name in texts if name.endswith(f"_{CODED}")]
    plain = [name for name in texts if name not in bands]
    return table.texts.with_columns(without_formulas(table.texts.select(plain)))


def dictionary(tables: Iterable[Table]) -> pl.DataFrame:
    """Every column of every table: what it means, its type, unit and values."""
    rows = [
        {
            "table": table.name,
            "column": column.name,
            "is_key": "yes" if column.name in table.key else "no",
            "description": column.field.description,
            "type": ddl.sql_type(column),
            "unit": column.field.unit,
            "values": ", ".join(column.values or ()) or None,
        }
        for table in tables
        for column in table.columns
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String))


def _database(path: Path, masked: Sequence[Masked]) -> None:
    with duckdb.connect(path, config={"autoinstall_known_extensions": False}) as con:
        con.execute("create schema published")
        for table in masked:
            for statement in ddl.create_table(table.table):
                con.execute(statement)
            con.register("figures", table.figures.to_arrow())
            con.execute(f"insert into {table.table.qualified_name} select * from figures")  # noqa: S608  # of the registry
            con.unregister("figures")


def _workbook(path: Path, masked: Sequence[Masked]) -> None:
    """A sheet for each table. Numbers are numbers, everything else is text and is never computed."""
    options = {"strings_to_numbers": False, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        bold = book.add_format({"bold": True})
        for table in masked:
            sheet = book.add_worksheet(table.table.name)
            texts = as_text(table)
            sheet.write_row(0, 0, texts.columns, bold)
            sheet.freeze_panes(1, len(table.table.key))
            sheet.set_column(0, len(texts.columns) - 1, WIDTH)
            figures = table.figures.drop(SUPPRESSED)
            for row, (shown, read) in enumerate(zip(figures.iter_rows(), texts.iter_rows(), strict=True), start=1):
                for column, (figure, text) in enumerate(zip(shown, read, strict=True)):
                    if isinstance(figure, int | float):
                        sheet.write_number(row, column, figure)
                    elif text is not None:
                        sheet.write_string(row, column, text)


def _papers(release: str, masked: Sequence[Masked], profiles: dict[str, Profile]) -> str:
    """What a reader needs to know, in words."""
    tables = "\n".join(
        f"| `{table.table.name}` | {table.table.grain} | {table.figures.height:,} | {table.hidden:,} |"
        for table in masked
    )
    rules = "\n".join(
        f"| {state} | `{profile.marker}` | {profile.students} | {profile.staff} | {profile.profile} |"
        for state, profile in sorted(profiles.items())
    )
    warnings = "\n".join(f"- `{table.table.name}`: {warning}" for table in masked for warning in table.table.warnings)
    return Template(PROSE.read_text(encoding="utf-8")).substitute(
        release=release, tables=tables, rules=rules, warnings=warnings
    )
