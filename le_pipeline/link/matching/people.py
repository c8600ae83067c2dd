"""The people of a matching: one row per distinct spelling of a key."""

from __future__ import annotations

import polars as pl

from le_pipeline.errors import MatchingError
from le_pipeline.link.matching.spelling import MAKERS, Columns, Kind, spelt

NO_LIST = -1  # stands for the lists of a key that is in none
RECORDS = {"key": pl.String, "lists": pl.List(pl.String), "is_known": pl.Boolean}
NUMBERS = pl.List(pl.Int32)
# what is one thing of a person however the name is spelt; a file that leaves it out does not speak against another
OF_THE_PERSON: tuple[Kind, ...] = ("middle_name", "birth_date", "email", "identifier")


def columns_of(records: pl.DataFrame, fields: dict[str, Kind]) -> Columns:
    """Names for the compared columns that are safe in SQL, whatever the fields are called.

    Raises:
        MatchingError: a column is missing or of another type, or there is nothing to compare.
    """
    if not fields or set(fields.values()) - {*MAKERS, "context"}:
        kinds = ", ".join(sorted({*MAKERS, "context"}))
        raise MatchingError(f"name at least one column to compare, and of each what it is: {kinds}")
    if taken := set(RECORDS) & set(fields):
        raise MatchingError(f"{', '.join(sorted(taken))} cannot be compared; give the column another name")
    if missing := {*RECORDS, *fields} - set(records.columns):
        raise MatchingError(f"records lack {', '.join(sorted(missing))}")
    for name, dtype in RECORDS.items():
        if records.schema[name] not in (dtype, pl.Null, pl.List(pl.Null)):
            raise MatchingError(f"records have {name} as {records.schema[name]}, not as {dtype}")
    counts: dict[Kind, int] = {}
    columns: Columns = {}
    for name, kind in fields.items():
        columns[f"{kind}_{counts.get(kind, 0)}"] = (name, kind)
        counts[kind] = counts.get(kind, 0) + 1
    return columns


def people(records: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """Distinct spellings, in an order that depends on their content alone.

    Returns:
        row and node, numbers of spellings and keys; key; is_known; lists, numbers of lists; told_lists, the same with
        `NO_LIST` where there is none; cluster, at first the node; is_settled, at first false, of keys that are not
        compared with each other any more; and the columns that are compared.
    """
    said = {column: f"said {column}" for column in columns}
    told = records.filter(pl.col("key").is_not_null()).select(
        pl.col("key").cast(pl.String),
        pl.col("lists").cast(pl.List(pl.String)),
        pl.col("is_known").cast(pl.Boolean).fill_null(value=True),
        *(pl.col(field).alias(said[column]) for column, (field, _) in columns.items()),
    )
    for column, (_, kind) in columns.items():
        if kind in OF_THE_PERSON:
            told = _completed(told, said[column])
    rows = spelt(told.drop("lists", "is_known"), {new: (said[new], kind) for new, (_, kind) in columns.items()})
    rows = rows.drop(said.values())
    # a list cannot be sorted by, nor looked up; its text can
    texts = rows.select(pl.selectors.string(), pl.selectors.list().list.join("\n").name.suffix(" text"))
    by = [column for column in texts.columns if column not in rows.columns]
    rows = pl.concat([rows, texts.select(by)], how="horizontal")
    order = ["key", *(column for column in texts.columns if column != "key")]
    rows = rows.unique(order).sort(order).drop(by).join(_keys(told), on="key", maintain_order="left")
    return rows.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))


def _completed(told: pl.DataFrame, column: str) -> pl.DataFrame:
    """The rows with what other rows of their key mostly say, where they say nothing.

    Else two people of one name would agree by the rows that leave out their different birth dates.
    """
    wanting = told.filter(pl.col(column).is_null()).select("key").unique()
    usual = (
        told.filter(pl.col(column).is_not_null())
        .join(wanting, on="key", how="semi")
        .group_by("key", column)
        .len()
        .sort("len", column, descending=[True, False])
        .unique("key", keep="first", maintain_order=True)
        .select("key", usual=pl.col(column))
    )
    found = told.join(usual, on="key", how="left", maintain_order="left")
    return found.with_columns(pl.col(column).fill_null(pl.col("usual"))).drop("usual")


def _keys(told: pl.DataFrame) -> pl.DataFrame:
    listed = told.select("key", pl.col("lists")).explode("lists", empty_as_null=False).drop_nulls().unique()
    numbered = listed.select("key", lists=pl.col("lists").rank("dense").cast(pl.Int32)).group_by("key").agg("lists")
    keys = told.group_by("key").agg(pl.col("is_known").any()).sort("key").with_row_index("node")
    keys = keys.join(numbered, on="key", how="left", maintain_order="left").with_columns(
        pl.col("node").cast(pl.Int64), pl.col("lists").list.sort().fill_null(pl.lit([], dtype=NUMBERS))
    )
    is_listed = pl.col("lists").list.len() > 0
    told_lists = pl.when(is_listed).then("lists").otherwise(pl.lit([NO_LIST], dtype=NUMBERS))
    return keys.with_columns(told_lists=told_lists, cluster=pl.col("node"), is_settled=pl.lit(value=False))


def gathered(rows: pl.DataFrame, joined: pl.DataFrame) -> pl.DataFrame:
    """The rows that may still find somebody, after some keys have been joined.

    Args:
        rows: of people.
        joined: `node` and `cluster`, of keys that are not alone.

    Returns:
        The rows with their cluster, and with the lists of all its keys. Left out are mere names that have their person,
        and keys whose cluster stands in every list, or in those of every other key.
    """
    keys = rows.select("node", "lists", "is_known").unique("node", maintain_order=True)
    keys = keys.join(joined, on="node", how="left", maintain_order="left")
    keys = keys.with_columns(pl.col("cluster").fill_null(pl.col("node")))
    lists = keys.explode("lists", empty_as_null=False).drop_nulls("lists")
    every, is_listed_always = lists["lists"].n_unique(), keys.select((pl.col("lists").list.len() > 0).all()).item()
    together = lists.group_by("cluster").agg(pl.col("lists").unique().sort())
    has_known = pl.col("is_known").any().over("cluster")
    keys = keys.with_columns(is_open=pl.col("is_known") | ~has_known).drop("lists")
    keys = keys.join(together, on="cluster", how="left", maintain_order="left")
    keys = keys.with_columns(pl.col("lists").fill_null(pl.lit([], dtype=NUMBERS)))
    if is_listed_always:
        keys = keys.with_columns(is_open=pl.col("is_open") & (pl.col("lists").list.len() < every))
    return rows.drop("lists", "cluster").join(
        keys.filter("is_open").select("node", "lists", "cluster"), on="node", maintain_order="left"
    )
