"""The delivery table: what is put on record of every file that landed."""

from __future__ import annotations

import datetime
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from le_pipeline.home import Home, Partition, shown
from le_pipeline.ingest.delivery import Account, Delivery, identify
from le_pipeline.ingest.document import Document, state_of
from le_pipeline.ingest.recognition import recognise_all
from le_pipeline.warehouse.lake import Lake, polars_schema
from schemas import registry
from schemas.layout import NO_FEED

TABLE = registry.tables()["delivery"]
UNCLAIMED = "landing"  # part of the table for files that no feed claims


def record_unclaimed(home: Home, partition: Partition) -> pl.DataFrame:
    """Record the files of a partition that no feed claims; returns those that are refused, with what to do."""
    with home.lock(f"ingest.{UNCLAIMED}.{partition}"):
        before, found = unclaimed(home, partition)
        if home.files(partition) and not found.equals(before):
            Lake(home.lake).write(TABLE, UNCLAIMED, found, partition.state, partition.school_year)
        return found.filter(pl.col("delivery_status") == "refused")


def is_on_record(home: Home, partition: Partition) -> bool:
    """Whether every file of the landing folder has been seen, going by name and size; its content is not looked at."""
    folder = Lake(home.lake).part(TABLE, UNCLAIMED, partition.state, partition.school_year).parent
    columns = ["path", "file_bytes"]
    rows = [row for path in folder.glob("*.parquet") for row in pl.read_parquet(path, columns=columns).rows()]
    # of a file in an archive, or a sheet of a workbook, the archive or workbook has been seen
    known = {
        (str(place), size) for name, size in rows for place in (name.partition("#")[0], *PurePosixPath(name).parents)
    }
    landed = ((shown(path.relative_to(home.landing).as_posix()), state_of(path)[1]) for path in home.files(partition))
    return known.issuperset(landed)


def unclaimed(home: Home, partition: Partition) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The files that no feed claims, as they are on record and as they are now.

    Refused, because no layout takes them; or noted, because they hold nothing that is needed but what others look up.
    """
    before = on_record(home, UNCLAIMED, partition)
    received = dict(before.select("delivery_id", "received_at").iter_rows())
    rows = []
    for item in recognise_all(home, partition, home.all_layouts()):
        layouts = [layout.name for layout in item.layouts if layout.feed == NO_FEED]
        if item.layouts and not layouts:
            continue
        name = item.document.name
        row = row_of(item.document, partition, Account())
        if item.refusal and not item.is_lookup:
            row |= {"delivery_status": "refused", "delivery_reason": f"{name} {item.refusal}"}
        else:
            why = (
                "files beside it look values up in it"
                if item.is_lookup
                else item.note or "holds nothing that is needed"
            )
            row |= {"layout": layouts[0] if layouts else None, "delivery_status": "noted", "delivery_reason": why}
        row["received_at"] = received.get(row["delivery_id"]) or now()
        rows.append(row)
    return before, pl.DataFrame(rows, schema=polars_schema(TABLE))


def now() -> datetime.datetime:
    """The time in UTC, as the table keeps it."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def on_record(home: Home, part: str, partition: Partition) -> pl.DataFrame:
    """The rows of one feed (or of the unclaimed files) of a partition, as the last run left them."""
    lake = Lake(home.lake)
    return lake.remembered(TABLE, [lake.part(TABLE, part, partition.state, partition.school_year)])


def row_of(
    document: Document, partition: Partition, account: Account, delivery: Delivery | None = None
) -> dict[str, Any]:
    """A row of the delivery table for a document that is accepted; the caller says otherwise."""
    return {
        "state": partition.state,
        "school_year": partition.school_year,
        "delivery_id": (
            delivery.delivery_id if delivery else identify(UNCLAIMED, partition, document.name, document.file_hash)
        ),
        "feed": delivery.layout.feed if delivery else None,
        "layout": delivery.layout.name if delivery else None,
        "layout_hash": delivery.layout.hash if delivery else None,
        "path": document.name,
        "file_hash": document.file_hash,
        "file_bytes": document.landed_bytes,
        "delivery_status": "accepted",
        "delivery_reason": None,
        "unknown_columns": None,
        "missing_columns": None,
        **account.columns(),
    }
