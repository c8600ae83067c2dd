"""Quarantined rows on their way to a steward and back: exported from the vault, mended, and read instead of the file's.

What a steward has mended is kept in the vault beside the quarantine, by delivery and row. A run reads the landed file
and puts the mended rows in the place of its own, so a partition stays a function of what landed and what was mended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from le_pipeline.errors import MendingError
from le_pipeline.home import Home, Partition
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.header import OVERFLOW, ROW
from le_pipeline.privacy import handout
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import Lake
from schemas import registry

QUARANTINE = registry.tables()["quarantine"]
SCHEMA = {"delivery_id": pl.String(), "source_row": pl.Int64(), "row": pl.String()}
OURS = ("delivery_id", "source_row", "broken rules", "what to do")
MENDED = ".mended"  # what the vault files of mended rows end in
BEYOND = "beyond the last column"
PURPOSE = "mend records that broke a rule"
NAME_CHARACTERS = 24  # Excel allows 31, of which the number takes some


@dataclass(frozen=True)
class Waiting:
    """The quarantined rows of one feed of a partition."""

    feed: str
    partition: Partition

    @property
    def name(self) -> str:
        """The name that its vault files begin with."""
        return f"{self.feed}/{self.partition}"


def of_deliveries(vault: Vault, feed: str, partition: Partition, delivery_ids: list[str]) -> pl.DataFrame | None:
    """The rows of a content that were mended: `__row` and the cells; None where there are none.

    Args:
        vault: where they are kept.
        feed: the feed that the content is read as.
        partition: where it landed.
        delivery_ids: its deliveries, the latest last, whose mending counts where a row was mended in several.
    """
    order = {delivery: place for place, delivery in enumerate(delivery_ids)}
    frames = [
        frame.filter(pl.col("delivery_id").is_in(delivery_ids)) for frame in vault.read(f"{feed}/{partition}{MENDED}")
    ]
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=SCHEMA)
    place = pl.col("delivery_id").replace_strict(order, default=-1, return_dtype=pl.Int64)
    rows = rows.sort(place, maintain_order=True).unique("source_row", keep="last", maintain_order=True)
    if rows.is_empty():
        return None
    cells = [json.loads(row) for row in rows["row"]]
    columns = list(dict.fromkeys(name for row in cells for name in row))
    return pl.DataFrame(cells, schema=dict.fromkeys(columns, pl.String)).with_columns(rows["source_row"].alias(ROW))


def made_from(vault: Vault, feed: str, partition: Partition) -> str | None:
    """Tells one state of the mended rows from the next."""
    path = vault.path(f"{feed}/{partition}{MENDED}")
    return Document(path, path.name).file_hash if path.exists() else None


def applied(raw: pl.DataFrame, mended: pl.DataFrame | None) -> pl.DataFrame:
    """The rows with the mended ones in the place of the file's own."""
    if mended is None:
        return raw
    known = [name for name in mended.columns if name in raw.columns]
    mine = mended.select(known).with_columns(pl.col(ROW).cast(raw.schema[ROW]))
    return raw.update(mine, on=ROW, how="left", include_nulls=True)


def export(home: Home, keys: Keys, chosen: list[Partition], target: Path) -> int:
    """Write the quarantined rows in full into a workbook (mode 0600), a sheet for each file; the look is logged.

    Returns:
        How many rows.

    Raises:
        MendingError: nothing waits.
        HandoutError: the target lies where names must not be.
    """
    pointers = _pointers(home, chosen)
    vault = Vault(home, keys)
    rows = [frame for waiting in _waiting(chosen) for frame in vault.read(f"{waiting.name}.quarantine")]
    told = pointers.group_by("delivery_id", "path", "source_row", maintain_order=True).agg(
        pl.col("rule").unique(maintain_order=True).str.join(", "),
        pl.col("fix").unique(maintain_order=True).str.join("; "),
    )
    stored = (pl.concat(rows) if rows else pl.DataFrame(schema=SCHEMA)).unique(["delivery_id", "source_row"])
    found = told.join(stored, on=["delivery_id", "source_row"]).sort("path", "source_row")
    if found.is_empty():
        raise MendingError("no record waits in quarantine for that choice")
    handout.make_room(home, target)
    vault.log("quarantine export", PURPOSE, rows=found.height, files=found["path"].n_unique())
    _write(found, target)
    return found.height


def take_back(home: Home, keys: Keys, source: Path) -> dict[Partition, int]:
    """Keep the rows of an exported workbook that were changed; the next run reads them in the place of the file's own.

    Returns:
        Rows changed, by partition.

    Raises:
        HandoutError: the workbook cannot be opened, or holds formulas.
        MendingError: the workbook is not one that was exported, or holds rows that no longer wait.
    """
    given = _read(source)
    vault = Vault(home, keys)
    changed: dict[Waiting, pl.DataFrame] = {}
    left = given
    for waiting in _waiting(home.partitions()):
        stored = pl.concat([pl.DataFrame(schema=SCHEMA), *vault.read(f"{waiting.name}.quarantine")])
        mine = given.join(stored, on=["delivery_id", "source_row"], how="semi")
        left = left.join(mine, on=["delivery_id", "source_row"], how="anti")
        before = {
            (row["delivery_id"], row["source_row"]): json.loads(row["row"]) for row in stored.iter_rows(named=True)
        }
        now = [
            {**row, "row": json.dumps(cells)}
            for row in mine.iter_rows(named=True)
            if (cells := _mended(before[row["delivery_id"], row["source_row"]], json.loads(row["row"])))
        ]
        if now:
            changed[waiting] = pl.DataFrame(now, schema=SCHEMA)
    vault.log("quarantine retry", PURPOSE, rows=sum(fresh.height for fresh in changed.values()))
    counts: dict[Partition, int] = {}
    for waiting, fresh in changed.items():
        with vault.replacing(f"{waiting.name}{MENDED}") as mended:
            for frame in vault.read(f"{waiting.name}{MENDED}"):
                mended.add(frame.join(fresh, on=["delivery_id", "source_row"], how="anti"))
            mended.add(fresh)
            mended.keep()
        counts[waiting.partition] = counts.get(waiting.partition, 0) + fresh.height
    if left.height:
        raise MendingError(
            f"{left.height} of the rows do not wait in quarantine any more (the first is row {left['source_row'][0]});"
            " export again and mend what is there now"
        )
    return counts


def _waiting(chosen: list[Partition]) -> list[Waiting]:
    return [Waiting(feed, partition) for partition in chosen for feed in registry.feeds()]


def _pointers(home: Home, chosen: list[Partition]) -> pl.DataFrame:
    names = [str(partition) for partition in chosen]
    return Lake(home.lake).read(QUARANTINE).filter(pl.format("{}-{}", "state", "school_year").is_in(names))


def _mended(before: dict[str, str | None], now: dict[str, str | None]) -> dict[str, str | None] | None:
    """The whole row as it is now, or None where nothing was changed."""
    cells = {name: now.get(name) for name in before if name != OVERFLOW}
    same = all((cells[name] or "") == (before[name] or "").strip() for name in cells)
    if same and (now.get(BEYOND) or "") == (before.get(OVERFLOW) or "").strip():
        return None
    return cells | {OVERFLOW: None}


def _write(rows: pl.DataFrame, target: Path) -> None:
    with xlsxwriter.Workbook(target, {"strings_to_numbers": False, "strings_to_formulas": False}) as book:
        as_text = book.add_format({"num_format": "@"})  # ids keep their zeros when the sheet is saved again
        ours = book.add_format({"bold": True, "bg_color": "#dddddd"})
        head = book.add_format({"bold": True})
        for place, frame in enumerate(rows.partition_by("delivery_id", maintain_order=True), start=1):
            name = "".join(sign for sign in Path(frame["path"][0]).name if sign not in r"[]:*?/\'")
            sheet = book.add_worksheet(f"{place} {name[:NAME_CHARACTERS]}")
            cells = [json.loads(row) for row in frame["row"]]
            columns = [column for column in cells[0] if column != OVERFLOW]
            beyond = [BEYOND] if any(row.get(OVERFLOW) for row in cells) else []
            for column, title in enumerate([*OURS, *columns, *beyond]):
                sheet.write_string(0, column, title, ours if title in OURS else head)
            for line, (row, told) in enumerate(zip(cells, frame.iter_rows(named=True), strict=True), start=1):
                values = [told["delivery_id"], str(told["source_row"]), told["rule"], told["fix"]]
                values += [row[column] or "" for column in columns] + [row.get(OVERFLOW) or "" for _ in beyond]
                for column, value in enumerate(values):
                    sheet.write_string(line, column, value, as_text)
            sheet.freeze_panes(1, len(OURS))
            sheet.set_column(len(OURS), len(OURS) + len(columns), 16, as_text)
            sheet.set_column(0, len(OURS) - 1, 20)


def _read(source: Path) -> pl.DataFrame:
    """The rows of an exported workbook: delivery_id, source_row and the cells as JSON."""
    sheets = handout.read_back(source)
    if not sheets or any(not {*OURS[:2]} <= set(sheet.columns) for sheet in sheets):
        raise MendingError(f"{source.name} lacks {' or '.join(OURS[:2])}; give the workbook that was exported")
    rows = [_row(row) for sheet in sheets for row in sheet.iter_rows(named=True)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _row(row: dict[str, Any]) -> dict[str, Any]:
    cells = {name: value for name, value in row.items() if name not in OURS}
    number = row["source_row"] or ""
    if not number.isdigit():
        raise MendingError("a source_row is no number any more; leave the first columns as they were exported")
    return {"delivery_id": row["delivery_id"], "source_row": int(number), "row": json.dumps(cells)}
