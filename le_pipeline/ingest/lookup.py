"""Files beside a delivery in which its layout looks values up."""

from __future__ import annotations

import polars as pl

from le_pipeline.errors import LinkFileError, MissingColumnError
from le_pipeline.ingest import reading
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.header import OVERFLOW, ROW
from le_pipeline.ingest.value import present
from schemas.layout import Climb, Layout, Lookup

LOOKUP_KEY = "__key"


def read_lookup(layout: Layout, name: str, document: Document) -> pl.DataFrame:
    """What the layout reads of a file beside this one, by its key: columns `<lookup>.<column>`."""
    lookup = layout.lookup[name]
    conditions = [column for named in layout.exclude.values() for column in named]
    named = [column for _, source in layout.sources() for column in layout.names(source)] + conditions
    wanted = sorted({column for owner, column in map(layout.split, named) if owner == name})
    needed = {*wanted, *lookup.key, *((lookup.climb.by, *lookup.climb.where) if lookup.climb else ())}
    frame = _beside(document, lookup, layout, sorted(needed))
    clean = frame.select(present(pl.col(sorted(needed)).str.strip_chars(), layout)).with_columns(
        pl.concat_str(lookup.key, separator=lookup.by.join).alias(LOOKUP_KEY)
    )
    # a key that stands twice would multiply rows; the first stands, as the file's own order says
    clean = clean.unique(LOOKUP_KEY, keep="first", maintain_order=True)
    if lookup.climb:
        clean = _climbed(clean, LOOKUP_KEY, lookup.climb)
    return clean.select(LOOKUP_KEY, *wanted).rename(lambda column: f"{name}.{column}")


def _beside(document: Document, lookup: Lookup, layout: Layout, needed: list[str]) -> pl.DataFrame:
    beside = document.beside(lookup.file)
    if beside is None and lookup.optional:
        return pl.DataFrame(schema=dict.fromkeys(needed, pl.String))
    if beside is None:
        raise MissingColumnError(f"needs {lookup.file} beside it, which is not there; land the whole set in one folder")
    if beside.path.resolve().parent != document.path.resolve().parent:
        raise LinkFileError(f"needs {lookup.file} beside it, which is a link to another place; land the file itself")
    frame = reading.whole(beside, layout.read).drop(ROW, OVERFLOW)
    missing = [column for column in needed if column not in frame.columns]
    if missing and not lookup.optional:
        raise MissingColumnError(f"needs {', '.join(missing)} in {lookup.file}; ask the sender for a file with it")
    return frame.with_columns(pl.lit(None, pl.String).alias(column) for column in missing)


def _climbed(frame: pl.DataFrame, key: str, climb: Climb) -> pl.DataFrame:
    """For each key the nearest row above it, or itself, where the condition holds; none where there is no such row."""
    rows = {row[key]: row for row in frame.iter_rows(named=True)}

    def top(start: str) -> dict[str, str | None] | None:
        seen: set[str | None] = set()
        at: str | None = start
        while at in rows and at not in seen:
            seen.add(at)
            if all(rows[at][column] == value for column, value in climb.where.items()):
                return rows[at]
            at = rows[at][climb.by]
        return None

    found = [{**above, key: start} for start in rows if start is not None and (above := top(start))]
    return pl.DataFrame(found, schema=frame.schema)


def of_several(found: pl.DataFrame, keys: pl.Series, name: str, lookup: Lookup) -> pl.DataFrame:
    """For each cell of several keys one row: the first row found, but for what the lookup picks."""
    key = f"{name}.{LOOKUP_KEY}"
    cells = pl.DataFrame({"__cell": keys.drop_nulls().unique(maintain_order=True)})
    one_by_one = cells.with_columns(pl.col("__cell").str.split(lookup.split or "").alias(key)).explode(key)
    joined = one_by_one.with_columns(pl.col(key).str.strip_chars()).join(found, on=key, maintain_order="left")
    others = [column for column in found.columns if column != key]
    picks = {"lowest": pl.Expr.min, "highest": pl.Expr.max}
    picked = [
        picks[how](pl.col(column))
        if (how := lookup.pick.get(column.removeprefix(f"{name}.")))
        else pl.col(column).first()
        for column in others
    ]
    return joined.group_by("__cell", maintain_order=True).agg(picked).rename({"__cell": key})
