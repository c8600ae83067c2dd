"""Ids and addresses that are at odds with the names beside them: `linked.identity_conflict`."""

from __future__ import annotations

from functools import reduce

import polars as pl

from le_pipeline.link.individual import ADDRESSES, MENTIONS, STAFF, Kind, occurrences
from le_pipeline.link.matching import Matches
from le_pipeline.link.matching.comparisons import comparisons
from le_pipeline.link.matching.scoring import database, put, quiet
from le_pipeline.link.matching.spelling import Columns, spelt
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.engine import Engine
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
WHOLE = pl.col("last_name_agrees") & pl.col("first_name_agrees")
PART = pl.col("last_name_agrees") | pl.col("first_name_agrees")
DATE = pl.col("birth_date_agrees")
CLAIM = ["name_key", "person_key"]


def own_conflicts(vault: Vault, kind: Kind, spellings: pl.DataFrame) -> pl.DataFrame:
    """Records of an id that disagree with most other records of it.

    A record conflicts where the name does not agree and the birth date does not either; where no birth date can be
    compared, where no part of the name agrees.

    Args:
        vault: where the records are read again, of those whose spellings differ.
        kind: of person.
        spellings: rows of `individual.spellings`.

    Returns:
        Rows of `linked.identity_conflict`.

    Raises:
        MatchingError: the comparison failed.
    """
    differs = pl.any_horizontal(pl.col(column).drop_nulls().n_unique().over("key") > 1 for column in SAID)
    told = _owned(spellings).filter(differs)
    if told.is_empty():
        return pl.DataFrame(schema=polars_schema(TABLE))
    found = _owned(occurrences(vault, kind, told["key"].unique()))
    usual = (
        found.with_columns(times=pl.len().over("key", *SAID))
        .sort("times", *SAID, descending=[True, False, False, False], nulls_last=True)
        .unique("key", keep="first", maintain_order=True)
    )
    is_another = ~WHOLE & ~DATE | ~PART & ~pl.col("is_same_date")  # dates one digit apart excuse no other name
    is_conflict = pl.when(DATE.is_null()).then(~PART).otherwise(is_another).fill_null(value=False)
    # of several spellings in one file the one that agrees speaks for the id
    conflicts = (
        _compared(found, usual, PLACE)
        .sort(*PLACE, *AGREES)
        .group_by(PLACE, maintain_order=True)
        .agg(pl.col(AGREES).first(), conflicts=is_conflict.all())
        .filter("conflicts")
    )
    return _rows(conflicts.with_columns(person_key="key", claimed_by=pl.lit("id"), is_linked=True), kind)


def listed_conflicts(
    engine: Engine, spellings: pl.DataFrame, found: Matches, decided: pl.DataFrame
) -> tuple[pl.DataFrame, pl.Series]:
    """Ids and e-mail addresses that stand on a list beside somebody else's name.

    The very name, or the birth date, speaks for the id. Where the name is spelt nearly so, the id is believed unless
    somebody else on the staff has the very name; where the given name alone agrees, as after a marriage, unless the
    name is likely another person's. A person's decision comes before all of it.

    Args:
        engine: of the lake that has the lists.
        spellings: rows of `individual.spellings` of a state's staff.
        found: who is one person by the names.
        decided: left_key, right_key, decision.

    Returns:
        Rows of `linked.identity_conflict`, and the names that an id or address has tied to their person.

    Raises:
        MatchingError: the comparison failed.
    """
    claims = _claims(engine, spellings["key"], _person_of(found))
    if claims.is_empty():
        return pl.DataFrame(schema=polars_schema(TABLE)), claims["name_key"]
    people = spelt(spellings.filter(pl.col("by") == "id"), COLUMNS)
    people = people.join(_person_of(found), on="key", how="left").with_columns(
        pl.col("person_key").fill_null(pl.col("key"))
    )
    names = spelt(spellings.filter(pl.col("by") == "name"), COLUMNS)
    sides = claims.select(CLAIM).unique().join(names, left_on="name_key", right_on="key").rename({"person_key": "key"})
    people = people.drop("key").rename({"person_key": "key"})
    agreed = (
        _compared(sides, people, ["key", "name_key"])
        .group_by("name_key", person_key="key")
        .agg(
            pl.col(AGREES).any(),
            same=pl.col("is_same").any(),
            whole=WHOLE.any(),
            part=PART.any(),
            date=DATE.any(),
        )
    )
    judged = claims.join(agreed, on=CLAIM, how="left").join(_told(found, decided), on="name_key", how="left")
    is_decided = pl.col("yes").list.contains(pl.col("person_key"))
    is_refused = pl.col("no").list.contains(pl.col("person_key")) | (pl.col("yes").list.len() > 0) & ~is_decided
    is_namesakes, is_somebody_elses = (
        (pl.col(others).list.set_difference(pl.concat_list("person_key")).list.len() > 0).fill_null(value=False)
        for others in ("namesakes", "others")
    )
    is_believed = (
        pl.when(is_decided.fill_null(value=False))
        .then(pl.lit(value=True))
        .when(is_refused.fill_null(value=False))
        .then(pl.lit(value=False))
        .when(pl.col("same") | pl.col("date"))
        .then(pl.lit(value=True))
        .when(pl.col("whole"))
        .then(~is_namesakes)
        .when(pl.col("part"))
        .then(pl.col("first_name_agrees").fill_null(value=True) & ~is_somebody_elses)
        .otherwise(pl.col("part").is_null())
    )
    judged = judged.with_columns(is_linked=is_believed)
    tied = judged.group_by("name_key").agg(pl.col("is_linked").all()).filter("is_linked")["name_key"]
    return _rows(judged.filter(~pl.col("is_linked")), STAFF), tied


def _claims(engine: Engine, keys: pl.Series, person_of: pl.DataFrame) -> pl.DataFrame:
    """Names on lists with the person whose id or address stands beside: one row per list, name, person and kind."""
    with engine.connection(STAFF.inputs) as con:
        mentions = con.sql(MENTIONS).pl().filter(pl.col("name_key").is_in(keys.implode()))
        addresses = con.sql(ADDRESSES).pl()
    owners = _resolved(addresses, "staff_key", person_of).group_by("email_key").agg(pl.col("person_key").unique())
    owners = owners.filter(pl.col("person_key").list.len() == 1).explode("person_key")
    place = ["feed", "state", "school_year", "name_key"]
    by_id = _resolved(mentions.filter(pl.col("staff_key").is_not_null()), "staff_key", person_of)
    by_email = mentions.join(owners, on="email_key")
    claims = [
        claim.select(*place, "person_key", claimed_by=pl.lit(kind))
        for kind, claim in (("id", by_id), ("email", by_email))
    ]
    return pl.concat(claims).unique().sort(*place, "person_key", "claimed_by")


def _told(found: Matches, decided: pl.DataFrame) -> pl.DataFrame:
    """For each key, as people: who else it may be by its name (`others`), and what people have said (`yes`, `no`).

    Of the others, `namesakes` have the very name.
    """
    person_of = _person_of(found)
    likely = found.pairs.filter(
        (pl.col("match_status") == "accepted")
        | ((pl.col("match_status") == "review") & (pl.col("review_reason") != "best_guess"))
    )
    very = pl.all_horizontal(pl.col("evidence").str.contains(f"{field} exact") for field in ("first_name", "last_name"))
    # a decision that a later one contradicts counts no more
    contradicted = found.pairs.filter(review_reason="contradicted").select("left_key", "right_key")
    both_ways = pl.concat([contradicted, contradicted.select(left_key="right_key", right_key="left_key")])
    counts = decided.join(both_ways, on=["left_key", "right_key"], how="anti")
    said = {"others": likely, "namesakes": likely.filter(very)}
    said |= {word: counts.filter(pl.col("decision") == word) for word in ("yes", "no")}
    frames = []
    for name, pairs in said.items():
        both = [
            pairs.select(name_key=one, other=two) for one, two in (("left_key", "right_key"), ("right_key", "left_key"))
        ]
        told = _resolved(pl.concat(both), "other", person_of)
        frames.append(told.group_by("name_key").agg(pl.col("person_key").unique().alias(name)))
    return reduce(lambda one, other: one.join(other, on="name_key", how="full", coalesce=True), frames)


def _person_of(found: Matches) -> pl.DataFrame:
    return found.clusters.select("key", "person_key")


def _resolved(frame: pl.DataFrame, column: str, person_of: pl.DataFrame) -> pl.DataFrame:
    """The frame with the `person_key` that a column's key is known by."""
    told = frame.join(person_of, left_on=column, right_on="key", how="left", maintain_order="left")
    return told.with_columns(pl.col("person_key").fill_null(pl.col(column)))


def _owned(records: pl.DataFrame) -> pl.DataFrame:
    """Records of ids, with the columns in which names and dates are compared."""
    named = pl.any_horizontal(pl.col("last_name", "first_name").is_not_null())
    return spelt(records.filter((pl.col("by") == "id") & named), COLUMNS)


def _compared(found: pl.DataFrame, others: pl.DataFrame, told: list[str]) -> pl.DataFrame:
    """Each record with each other of its `key`: `told`, and whether names and birth date agree; empty where missing."""
    compared = [name for name in others.columns if name.startswith(tuple(SAID))]
    with quiet(), database() as connection:
        put(connection, "found", found.select(*told, *compared).with_columns(RARE))
        put(connection, "others", others.select("key", *compared).with_columns(RARE))
        columns = [*compared, *(rare.meta.output_name() for rare in RARE)]
        sides = ", ".join(f"l.{name} as {name}_l, r.{name} as {name}_r" for name in columns)
        places = ", ".join(f"l.{name}" for name in told)
        pairs = f"select {places}, {sides} from found l join others r on l.key = r.key"
        return connection.sql(f"select *, {_agreements()} from ({pairs})").pl()


def _agreements() -> str:
    """SQL that says of each field whether it agrees: where its level of the matching model counts as agreement."""
    told = []
    for one in comparisons(COLUMNS):
        levels = " ".join(f"when {level.sql} then {str(level.agrees).lower()}" for level in one.levels[:-1])
        missing = f"when {one.column}_l is null or {one.column}_r is null then null"
        told.append(f"case {missing} {levels} else false end as {one.field}_agrees")
    names = [one.column for one in comparisons(COLUMNS) if one.kind != "birth_date"]
    same = " and ".join(f"{name}_l = {name}_r" for name in names)
    same_date = "coalesce(birth_date_0_l = birth_date_0_r, false) as is_same_date"
    return ", ".join([*told, f"coalesce({same}, false) as is_same", same_date])


def _rows(conflicts: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    given = conflicts.with_columns(person_kind=pl.lit(kind.name))
    absent = [pl.lit(None).alias(name) for name in TABLE.column_names if name not in given.columns]
    schema = polars_schema(TABLE)
    return given.with_columns(absent).select(pl.col(name).cast(type_) for name, type_ in schema.items()).sort(TABLE.key)
