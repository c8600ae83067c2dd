"""Records that stand more than once: corrections, exact duplicates and conflicts.

A later delivery replaces the records of an earlier one. Inside one delivery the same record twice is a duplicate, and
the same record with different values is a conflict: nobody can say which is right, so all of them are quarantined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce

import polars as pl

from le_pipeline.ingest.coded import hashes
from schemas.layout import Layout
from schemas.registry import PROVENANCE, Table

ORDER = "__delivery"  # place of the delivery among those of the partition, the earliest first
KEY = "__key"
CONTENT = "__content"
SCOPE = "__scope"
VERSION = "__version"
FATE = "fate"
Contents = Callable[[pl.Series], pl.Series]  # places of records to their content hashes
MIXER = pl.lit(0x9E3779B97F4A7C15, pl.UInt64)  # odd, so that nothing of the hash before is lost

# A file that sends again less than half of a district's records is a list of corrections, or another part of the
# district (the next grade, the next cohort); only a file that sends them again takes the place of what it leaves out.
WHOLE_RESEND_SHARE = 0.5


def marks(records: pl.DataFrame, table: Table, order: int, correction: str) -> pl.DataFrame:
    """What `fates` needs of each record: hashes of its key, and of its district or group, stable within one run."""
    by = table.complete_for if correction == "group" else tuple({"lea_id"} & set(table.column_names))
    scope = _mixed(hashes(records[name]) for name in by)
    return records.select(
        pl.lit(order, pl.Int32).alias(ORDER),
        _mixed(hashes(records[name]) for name in table.key).alias(KEY),
        scope.alias(SCOPE),
    )


def content_hash(table: Table) -> pl.Expr:
    """A hash of what a record says beside its key, of columns that are not coded."""
    names = [name for name in table.column_names if name not in (*PROVENANCE, *table.key)]
    return _mixed(pl.col(name).hash() for name in names).alias(CONTENT)


def _mixed(hashed: Iterable[pl.Expr | pl.Series]) -> pl.Expr:
    """One hash of several; a hash of a struct of the columns takes several times as long."""
    return reduce(lambda mixed, one: mixed * MIXER + one, hashed, pl.lit(0, pl.UInt64))


def part_of(table: Table) -> pl.Expr:
    """Which record of its row a record is; where a row holds several, each is of another subject."""
    return (pl.col("subject") if "subject" in table.column_names else pl.lit(None, pl.String)).alias("part")


def fates(
    records: pl.DataFrame,
    contents: Contents,
    layouts: list[Layout],
    versions: list[int] | None = None,
    voided: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The records that do not stay, as `index` and `fate` (superseded, left_out, duplicate, conflict).

    Left out is what a later file replaces without sending it again: gone on purpose, or because the file was cut off.

    Args:
        records: the marks of all accepted records, in order of delivery and row.
        contents: gives the content hash of each of some records, asked only for those that repeat a key.
        layouts: the layout of each delivery, by its order.
        versions: which landed file each delivery came in, by its order; the files of an archive and the sheets of a
            workbook were sent at once, so that none of them corrects another. Without it, each in its own.
        voided: the marks of results that a delivery declares void; what was there of them before does not stay.
    """
    versions = versions or list(range(len(layouts)))
    version = pl.col(ORDER).replace_strict(list(range(len(versions))), versions, return_dtype=pl.Int32).alias(VERSION)
    indexed = records.with_row_index("index").with_columns(version)
    replaced, left_out = _superseded_files(indexed, layouts, versions)
    if voided is not None and voided.height:
        last = voided.with_columns(version).group_by(KEY).agg(pl.col(VERSION).max().alias("voided"))
        taken = indexed.join(last, on=KEY).filter(pl.col(VERSION) < pl.col("voided")).select("index")
        replaced = pl.concat([replaced, taken]).unique()
    left = indexed.join(replaced, on="index", how="anti", maintain_order="left") if replaced.height else indexed
    repeated = left.filter(pl.col(KEY).is_in(_repeated(left[KEY]).implode()))
    newest = pl.col(VERSION).max().over(KEY)
    superseded = repeated.filter(pl.col(VERSION) < newest).select("index")
    newer = repeated.filter(pl.col(VERSION) == newest)
    current = newer.filter(pl.col(KEY).is_in(_repeated(newer[KEY]).implode()))
    current = current.with_columns(contents(current["index"]).alias(CONTENT))
    differs = pl.col(CONTENT).n_unique().over(KEY) > 1
    conflict = current.filter(differs).select("index")
    duplicate = current.filter(~differs & ~pl.col("index").eq(pl.col("index").min().over(KEY))).select("index")
    sent_again = replaced.join(left_out, on="index", how="anti")
    named = {
        "superseded": pl.concat([sent_again, superseded]),
        "left_out": left_out,
        "duplicate": duplicate,
        "conflict": conflict,
    }
    return pl.concat([rows.with_columns(pl.lit(fate).alias(FATE)) for fate, rows in named.items()]).sort("index")


def _repeated(keys: pl.Series) -> pl.Series:
    """The keys that stand more than once; mostly none does, which a sort finds out soonest."""
    ordered = keys.sort()
    return ordered.filter(ordered == ordered.shift()).unique()


def _superseded_files(
    indexed: pl.DataFrame, layouts: list[Layout], versions: list[int]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records of whole files that a later file of the same layout sends again, district by district.

    Where a file is complete for each of its groups, a later one replaces all that earlier ones have of a group.

    Returns:
        All of them, and those of them that no later delivery has.
    """
    found = [indexed.select("index", KEY, ORDER).clear()]
    corrections = [order for order, layout in enumerate(layouts) if layout.correction == "file"]
    for later in corrections:
        before = (order for order in corrections if versions[order] < versions[later])
        for earlier in (order for order in before if layouts[order].name == layouts[later].name):
            of_earlier, of_later = (indexed.filter(pl.col(ORDER) == order) for order in (earlier, later))
            sent = of_earlier.select(SCOPE, KEY).unique()
            again = sent.join(of_later, on=[SCOPE, KEY], how="semi").group_by(SCOPE).len("again")
            resent = sent.group_by(SCOPE).len("sent").join(again, on=SCOPE)
            whole = resent.filter(pl.col("again") >= WHOLE_RESEND_SHARE * pl.col("sent"))
            found.append(of_earlier.join(whole, on=SCOPE, how="semi").select("index", KEY, ORDER))
    groups = [order for order, layout in enumerate(layouts) if layout.correction == "group"]
    for later in groups:
        earlier_ones = [order for order in groups if versions[order] < versions[later]]
        again = indexed.filter(pl.col(ORDER) == later).select(SCOPE).unique()
        of_earlier = indexed.filter(pl.col(ORDER).is_in(earlier_ones)).join(again, on=SCOPE, how="semi")
        found.append(of_earlier.select("index", KEY, ORDER))
    replaced = pl.concat(found).unique()
    if replaced.is_empty():
        return replaced.select("index"), replaced.select("index")
    last = indexed.group_by(KEY).agg(pl.col(ORDER).max().alias("last"))
    left_out = replaced.join(last, on=KEY).filter(pl.col("last") == pl.col(ORDER))
    return replaced.select("index"), left_out.select("index")
