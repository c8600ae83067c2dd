"""The analysts' warehouse: all layers in one DuckDB file, built beside the current one and swapped in.

Constraints and comments come from the registry. Readers keep the file they opened; the next one to open gets the new.
Tables that the warehouse profile leaves out are not in the file at all: SQL cannot be kept from what a file holds.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import duckdb

from le_pipeline.errors import GateError
from le_pipeline.home import Home
from le_pipeline.warehouse import ddl
from le_pipeline.warehouse.engine import code_version
from le_pipeline.warehouse.lake import Lake
from schemas import registry
from schemas.warehouse import load_profile

NOTE = "warehouse"


@dataclass(frozen=True)
class WarehouseReport:
    """Rows of each table (`layer.table`); `is_current` says that nothing had changed, so nothing was built."""

    rows: dict[str, int]
    is_current: bool


def building(home: Home) -> Path:
    """Where the next warehouse is built and checked. A file of this name may be half done; it is never promoted."""
    return home.warehouse.with_name("building.duckdb")


def candidate(home: Home) -> Path:
    """The next warehouse, complete and checked, before it takes the current one's place."""
    return home.warehouse.with_name("candidate.duckdb")


def kept(home: Home) -> tuple[registry.Table, ...]:
    """The tables that the home's profile has in the warehouse.

    Raises:
        ContractError: the profile is wrong; names file, line and key.
    """
    profile = load_profile(home.warehouse_profile)
    return tuple(table for table in registry.tables().values() if profile.keeps(table))


def is_current(home: Home) -> bool:
    """Whether the warehouse holds what the lake holds and the profile has in it."""
    note = Lake(home.lake).note(NOTE)
    return bool(note and note["from"] == _made_from(home) and home.warehouse.exists())


def build(home: Home) -> WarehouseReport:
    """Build the next warehouse from the lake, unless the current one already holds what the lake holds.

    Raises:
        GateError: a table of the lake breaks a constraint of the registry; names table and constraint, never a value.
        ContractError: the warehouse profile is wrong.
    """
    lake = Lake(home.lake)
    if is_current(home):
        return WarehouseReport(lake.note(NOTE)["rows"], is_current=True)
    path = building(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    for stale in (candidate(home), path, path.with_name(f"{path.name}.wal")):
        stale.unlink(missing_ok=True)
    made_from = _made_from(home)
    rows: dict[str, int] = {}
    con = duckdb.connect(path, config={"autoinstall_known_extensions": False, "preserve_insertion_order": True})
    try:
        for layer in registry.LAYERS:
            con.execute(f"create schema {layer}")
        for table in kept(home):
            for statement in ddl.create_table(table):
                con.execute(statement)
            rows[table.qualified_name] = _fill(con, lake, table)
        con.execute("checkpoint")
    finally:
        con.close()
    lake.write_note(f"{NOTE}.candidate", {"from": made_from, "rows": rows})
    return WarehouseReport(rows, is_current=False)


def approve(home: Home) -> None:
    """Call what was built, and has met its expectations, the candidate: only under that name it can be promoted."""
    building(home).replace(candidate(home))


def promote(home: Home) -> WarehouseReport:
    """Put the candidate in the current warehouse's place, in one step. Without a candidate nothing changes.

    Raises:
        GateError: there is no candidate, and no warehouse either.
    """
    lake, path = Lake(home.lake), candidate(home)
    if not path.exists():
        current = lake.note(NOTE)
        if current is None or not home.warehouse.exists():
            raise GateError("there is no warehouse yet, and no candidate that met its expectations; run the whole line")
        return WarehouseReport(current["rows"], is_current=True)
    note = lake.note(f"{NOTE}.candidate")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.replace(home.warehouse)
    lake.write_note(NOTE, note)
    return WarehouseReport(note["rows"], is_current=False)


def _fill(con: duckdb.DuckDBPyConnection, lake: Lake, table: registry.Table) -> int:
    columns = ", ".join(table.column_names)
    try:
        con.execute(f"insert into {table.qualified_name} ({columns}) {lake.query(table)}")
    except duckdb.ConstraintException as error:
        kind = str(error).split(":")[1].split(" on ")[0].strip() if ":" in str(error) else ""
        kind = kind if kind in ("NOT NULL constraint failed", "CHECK constraint failed") else "a key stands twice"
        raise GateError(
            f"{table.qualified_name} breaks its contract ({kind}); the warehouse was not replaced."
            f" The key is {', '.join(table.key)}"
        ) from None
    (count,) = con.execute(f"select count(*) from {table.qualified_name}").fetchone() or (0,)
    return int(count)


def _made_from(home: Home) -> list[object]:
    lake = Lake(home.lake)
    return [code_version(Path(__file__).parent), *([table.qualified_name, lake.stamp(table)] for table in kept(home))]
