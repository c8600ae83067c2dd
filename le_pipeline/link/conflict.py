"""Records that carry somebody's id and neither their name nor their birth date: `linked.identity_conflict`."""

from __future__ import annotations

import polars as pl

from le_pipeline.link.individual import Kind, occurrences
from le_pipeline.link.matching.comparisons import comparisons
from le_pipeline.link.matching.scoring import database, put, quiet
from le_pipeline.link.matching.spelling import Columns, spelt
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry

TABLE = registry.tables()["identity_conflict"]
PLACE = ["key", "feed", "state", "school_year"]
COLUMNS: Columns = {
    "surname_0": ("last_name", "surname"),
    "given_name_0": ("first_name", "given_name"),
    "birth_date_0": ("birth_date", "birth_date"),
}
SAID = list(COLUMNS)
AGREES = [f"{field}_agrees" for field, _ in COLUMNS.values()]
# of one id, a name that is spelt nearly alike is the same name, however many others have it
RARE = [pl.lit(value=True).alias(f"{column}_rare") for column in SAID]


def conflicts(vault: Vault, kind: Kind, spellings: pl.DataFrame) -> pl.DataFrame:
    """The rows of `linked.identity_conflict`.

    What most of somebody's own records say is compared with each record. It conflicts where the name does not agree and
    the birth date does not either; where no birth date can be compared, where no part of the name agrees.

    Args:
        vault: where the records are read again, of those whose spellings differ.
        kind: of person.
        spellings: rows of `individual.spellings`.

    Raises:
        MatchingError: the comparison failed.
    """
    differs = pl.any_horizontal(pl.col(column).drop_nulls().n_unique().over("key") > 1 for column in SAID)
    told = _named(spellings).filter(differs)
    if told.is_empty():
        return pl.DataFrame(schema=polars_schema(TABLE))
    found = _named(occurrences(vault, kind, told["key"].unique()))
    usual = (
        found.filter(pl.col("by") == "id")
        .with_columns(times=pl.len().over("key", *SAID))
        .sort("times", *SAID, descending=[True, False, False, False], nulls_last=True)
        .unique("key", keep="first", maintain_order=True)
        .select("key", pl.col([f"^{column}.*$" for column in SAID]))
    )
    name = pl.col("last_name_agrees") & pl.col("first_name_agrees")
    part = pl.col("last_name_agrees") | pl.col("first_name_agrees")
    date = pl.col("birth_date_agrees")
    is_conflict = pl.when(date.is_null()).then(~part).otherwise(~name & ~date).fill_null(value=False)
    # of several spellings in one file the one that agrees speaks for the id
    return (
        _compared(found, usual)
        .sort(*PLACE, *AGREES)
        .group_by(PLACE, maintain_order=True)
        .agg(pl.col(AGREES).first(), conflicts=is_conflict.all(), is_linked=(pl.col("by") == "id").any())
        .filter("conflicts")
        .with_columns(person_kind=pl.lit(kind.name), person_key=pl.col("key"))
        .select(pl.col(name).cast(type_) for name, type_ in polars_schema(TABLE).items())
        .sort(TABLE.key)
    )


def _named(records: pl.DataFrame) -> pl.DataFrame:
    """Records that give an id and a name, with the columns in which names and dates are compared."""
    named = pl.any_horizontal(pl.col("last_name", "first_name").is_not_null())
    return spelt(records.filter((pl.col("by") != "name") & named), COLUMNS)


def _compared(found: pl.DataFrame, usual: pl.DataFrame) -> pl.DataFrame:
    """The records, each with whether its names and birth date agree with the usual ones; empty where one is missing."""
    with quiet(), database() as connection:
        put(connection, "found", found.with_columns(RARE))
        put(connection, "usual", usual.with_columns(RARE))
        compared = [name for name in (*usual.columns, *(rare.meta.output_name() for rare in RARE)) if name != "key"]
        sides = ", ".join(f"l.{name} as {name}_l, r.{name} as {name}_r" for name in compared)
        places = ", ".join(f"l.{name}" for name in (*PLACE, "by"))
        pairs = f"select {places}, {sides} from found l join usual r on l.key = r.key"
        return connection.sql(f"select *, {_agreements()} from ({pairs})").pl()


def _agreements() -> str:
    """SQL that says of each field whether it agrees: where its level of the matching model counts as agreement."""
    told = []
    for one in comparisons(COLUMNS):
        levels = " ".join(f"when {level.sql} then {str(level.agrees).lower()}" for level in one.levels[:-1])
        missing = f"when {one.column}_l is null or {one.column}_r is null then null"
        told.append(f"case {missing} {levels} else false end as {one.field}_agrees")
    return ", ".join(told)
