"""Which column of a file holds the id: every candidate is tried against every kind of id on the roster.

The pair that finds the most rows wins. What it does not find is set apart and told; it never stops the file.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from le_pipeline.ingest import reading
from le_pipeline.ingest.delivery import Delivery
from le_pipeline.ingest.filling import Identity
from le_pipeline.ingest.value import of_width
from le_pipeline.privacy.pseudonym import canonical_id
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.registry import Table

MATCH = registry.tables()["identity_match"]
LOW_SHARE = 0.9  # below it somebody should look whether the roster, or the column, is the right one


def identities(delivery: Delivery, rosters: dict[str, pl.DataFrame]) -> tuple[dict[str, Identity], pl.DataFrame]:
    """The columns that hold the ids of a delivery, and the rates that say so (rows of `canonical.identity_match`).

    Args:
        delivery: a file whose layout may name candidates.
        rosters: for each id field the ids on its roster, one column per kind, the canonical one first.

    Raises:
        RefusedError: the file cannot be read.
    """
    chosen: dict[str, Identity] = {}
    rates = [pl.DataFrame(schema=polars_schema(MATCH))]
    for field, source in delivery.layout.fill.items():
        if not source.candidates:
            continue
        layout = delivery.layout
        header = reading.header(delivery.document, layout.read, layout.recognise.columns).columns
        columns = [name for name in source.candidates if name in header]
        if not columns:
            continue  # the reader says so
        roster = rosters.get(field)
        if roster is None or roster.is_empty():
            chosen[field] = Identity(columns[0])
            continue
        known = {kind: _known(roster, kind, field) for kind in roster.columns}
        found = _rates(delivery, columns, known, source.width)
        best = found.sort("rows_matched", descending=True, maintain_order=True).row(0, named=True)
        chosen[field] = Identity(best["source_column"], known[best["roster_id_kind"]])
        is_best = (pl.col("source_column") == best["source_column"]) & (
            pl.col("roster_id_kind") == best["roster_id_kind"]
        )
        rates.append(found.with_columns(is_best.alias("is_chosen")).select(MATCH.column_names).cast(rates[0].schema))
    return chosen, pl.concat(rates)


def low(rates: pl.DataFrame) -> list[str]:
    """Files of which few rows were found on the roster, with what to do."""
    taken = rates.filter(pl.col("is_chosen") & (pl.col("match_share") < LOW_SHARE))
    return [
        f"{path}: {share:.0%} of its rows are on the roster by {column} ({kind});"
        " see the quarantine for the rest, and whether the roster of the year is the right one"
        for path, share, column, kind in taken.select(
            "path", "match_share", "source_column", "roster_id_kind"
        ).iter_rows()
    ]


def roster_ids(frames: Iterator[pl.DataFrame], table: Table) -> pl.DataFrame:
    """The ids of everybody on a roster, from its identities in the vault; one column per kind."""
    ids = [frame.select(table.roster).unique() for frame in frames]
    return (
        pl.concat(ids).unique(maintain_order=True)
        if ids
        else pl.DataFrame(schema=dict.fromkeys(table.roster, pl.String))
    )


def _known(roster: pl.DataFrame, kind: str, field: str) -> pl.DataFrame:
    """Ids of one kind with the canonical id of the one student who has it; an id of two students tells nothing."""
    pairs = (
        roster.select(canonical_id(pl.col(kind)).alias("given"), pl.col(field).alias("roster_id")).drop_nulls().unique()
    )
    return pairs.filter(~pl.col("given").is_duplicated())


def _rates(delivery: Delivery, columns: list[str], known: dict[str, pl.DataFrame], width: int | None) -> pl.DataFrame:
    layout = delivery.layout
    rows = 0
    counts: list[pl.DataFrame] = []
    for raw in reading.batches(delivery.document, layout.read, layout.recognise.columns):
        rows += raw.height
        given = raw.select(canonical_id(of_width(pl.col(name), width)).alias(name) for name in columns)
        empty = pl.all().is_in(["", *layout.read.nulls])
        given = given.with_columns(pl.when(~empty).then(pl.all()))
        counts += [
            pl.DataFrame(
                {
                    "source_column": [column],
                    "roster_id_kind": [kind],
                    "rows_filled": [given[column].count()],
                    "rows_matched": [given[column].is_in(ids["given"].implode()).sum()],
                }
            )
            for column in columns
            for kind, ids in known.items()
        ]
    partition = delivery.partition
    return (
        pl.concat(counts)
        .group_by("source_column", "roster_id_kind", maintain_order=True)
        .sum()
        .with_columns(
            pl.lit(partition.state).alias("state"),
            pl.lit(partition.school_year).alias("school_year"),
            pl.lit(delivery.delivery_id).alias("delivery_id"),
            pl.lit(delivery.name).alias("path"),
            pl.lit(rows).alias("file_rows"),
            (pl.col("rows_matched") / rows).alias("match_share"),
        )
    )
