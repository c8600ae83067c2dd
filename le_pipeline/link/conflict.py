"""Records that carry somebody's id and neither their name nor their birth date: `linked.identity_conflict`."""

from __future__ import annotations

import duckdb
import polars as pl

from le_pipeline.link.individual import Kind, occurrences
from le_pipeline.link.matching import plain_name
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry

TABLE = registry.tables()["identity_conflict"]
PLACE = ["key", "feed", "state", "school_year"]
SIMILAR = 0.88  # Jaro-Winkler: two typing errors in a name of usual length still agree
AGREES = {"last_name": "last_name_agrees", "first_name": "first_name_agrees", "birth_date": "birth_date_agrees"}


def conflicts(vault: Vault, kind: Kind, spelt: pl.DataFrame) -> pl.DataFrame:
    """The rows of `linked.identity_conflict`.

    What most of somebody's own records say is compared with each record. It conflicts where the name does not agree and
    the birth date does not either; where no birth date can be compared, where no part of the name agrees.

    Args:
        vault: where the records are read again, of those whose spellings differ.
        kind: of person.
        spelt: rows of `individual.spellings`.
    """
    told = _plain(spelt).filter(pl.struct(*AGREES).n_unique().over("key") > 1)
    if told.is_empty():
        return pl.DataFrame(schema=polars_schema(TABLE))
    found = _plain(occurrences(vault, kind, told["key"].unique()))
    usual = (
        found.filter(pl.col("by") == "id")
        .group_by("key", *AGREES)
        .len()
        .sort("len", *AGREES, descending=[True, False, False, False], nulls_last=True)
        .unique("key", keep="first", maintain_order=True)
        .select("key", *(pl.col(name).alias(f"usual_{name}") for name in AGREES))
    )
    compared = _compared(found.join(usual, on="key"))
    name = pl.col("last_name_agrees") & pl.col("first_name_agrees")
    part = pl.col("last_name_agrees") | pl.col("first_name_agrees")
    date = pl.col("birth_date_agrees")
    is_conflict = pl.when(date.is_null()).then(~part).otherwise(~name & ~date).fill_null(value=False)
    # of several spellings in one file the one that agrees speaks for the id
    return (
        compared.sort(PLACE, *AGREES)
        .group_by(PLACE, maintain_order=True)
        .agg(pl.col(*AGREES.values()).first(), conflicts=is_conflict.all(), is_linked=(pl.col("by") == "id").any())
        .filter("conflicts")
        .with_columns(person_kind=pl.lit(kind.name), person_key=pl.col("key"))
        .select(pl.col(name).cast(type_) for name, type_ in polars_schema(TABLE).items())
        .sort(TABLE.key)
    )


def _plain(spelt: pl.DataFrame) -> pl.DataFrame:
    """Records that give an id and a name, names as they are compared."""
    named = spelt.filter((pl.col("by") != "name") & pl.any_horizontal(pl.col("last_name", "first_name").is_not_null()))
    return named.with_columns(last_name=plain_name(pl.col("last_name")), first_name=plain_name(pl.col("first_name")))


def _compared(pairs: pl.DataFrame) -> pl.DataFrame:
    """The pairs with `last_name_agrees`, `first_name_agrees` and `birth_date_agrees`; empty where one side is."""
    with duckdb.connect(config={"temp_directory": "", "autoinstall_known_extensions": False}) as con:
        con.register("pairs", pairs)
        return con.sql(
            f"""
            select
                *,
                jaro_winkler_similarity(last_name, usual_last_name) >= {SIMILAR}
                    or contains(' ' || last_name || ' ', ' ' || usual_last_name || ' ')
                    or contains(' ' || usual_last_name || ' ', ' ' || last_name || ' ') as last_name_agrees,
                jaro_winkler_similarity(first_name, usual_first_name) >= {SIMILAR}
                    or starts_with(first_name, usual_first_name) or starts_with(usual_first_name, first_name)
                    as first_name_agrees,
                birth_date = usual_birth_date
                    or (year(birth_date) = year(usual_birth_date) and month(birth_date) = day(usual_birth_date)
                        and day(birth_date) = month(usual_birth_date)) as birth_date_agrees
            from pairs"""
        ).pl()
