"""How many pairs of one person are to be expected, from how often the strongest fields agree beyond coincidence."""

from __future__ import annotations

import math
from collections.abc import Iterator

import duckdb
import polars as pl

from le_pipeline.link.matching.comparisons import Comparison
from le_pipeline.link.matching.frequency import Frequencies
from le_pipeline.link.matching.scoring import ALLOWED, PEOPLE, put

LARGEST_GROUP = 20  # keys that agree in all of a group of fields; more of them are a default value, not a person
FEW = 1_000  # comparisons that are added, so that a handful of rows is no certainty
PATTERNS = 1_500  # sets of lists that are compared each with each


def agreeing(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, on: list[str]) -> pl.DataFrame:
    """Pairs of rows that are equal in some columns, where not too many are.

    Returns:
        left and right, rows; left_node and right_node, keys; group, of equal ones; is_allowed, false where a list has
        both keys.
    """
    same = rows.drop_nulls(on).select("row", *on).filter(pl.len().over(on).is_between(2, LARGEST_GROUP))
    put(connection, "agreeing", same.select("row", group=pl.struct(on).rank("dense")))
    return connection.sql(
        f"select l.row as left, r.row as right, l.node as left_node, r.node as right_node, "
        f'a."group", '
        f"not list_has_any(l.lists, r.lists) as is_allowed "
        f'from agreeing a join agreeing b on a."group" = b."group" and a.row < b.row '
        f"join {PEOPLE} l on l.row = a.row join {PEOPLE} r on r.row = b.row "
        f"where l.node <> r.node and (l.is_known or r.is_known) and not (l.is_settled and r.is_settled)"
    ).pl()


def allowed_comparisons(connection: duckdb.DuckDBPyConnection) -> float:
    """Pairs of keys that the lists allow to be one person."""
    connection.execute(
        f"create or replace table pattern as select lists, is_known, is_settled, "
        f"count(distinct node) as count from {PEOPLE} group by all "
        f"order by count desc, lists, is_known limit {PATTERNS}"
    )
    allowed = ALLOWED.replace("l.cluster <> r.cluster", "true")
    pairs = connection.execute(
        f"select coalesce(sum(l.count * r.count), 0) / 2 - coalesce(sum(l.count) filter (l.lists = r.lists and "
        f"l.is_known = r.is_known), 0) / 2 from pattern l join pattern r on {allowed}"
    ).fetchall()
    return float(pairs[0][0])


def expected_matches(
    connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, compared: list[Comparison], found: Frequencies
) -> tuple[float, float]:
    """Pairs of one person: the most that any group of fields shows, and at least one.

    Returns:
        The pairs to be expected; and of those that agree in names and birth date, how many are beyond coincidence.

    Pairs that agree are those of one person, of which the share m agrees, and coincidences. How many of those are to be
    expected is seen where the names agree and the rest does not; two standard deviations of it are taken off.
    """
    comparisons = allowed_comparisons(connection)
    keys = rows["node"].n_unique()
    share = comparisons / max(keys * (keys - 1) / 2, 1)
    expected, exact = 1.0, 0.0
    for names, one in _groups(compared):
        said, u = rows, found.u.get(one.column, sum(level.u for level in one.levels if level.agrees))
        if one.kind == "context":
            said = rows.explode(one.column, empty_as_null=False)
        beyond = _excess(connection, said, [*names, one], u, share)
        m = math.prod(_m(part) for part in (*names, one))
        expected = max(expected, beyond / m)
        if one.kind == "birth_date":
            exact = beyond
    return max(min(expected, keys / 2), 1.0), exact


def _groups(compared: list[Comparison]) -> Iterator[tuple[list[Comparison], Comparison]]:
    """Names that say much only together, and the field that tells whether they do."""
    names = [one for one in compared if one.column in ("given_name_0", "surname_0")]
    for one in compared:
        if one.kind in ("email", "identifier"):
            yield [], one
        if one.kind in ("birth_date", "place", "text", "context") and len(names) > 1:
            yield names, one


def _m(one: Comparison) -> float:
    """Share of one person's records that agree in full; a context does with an element of any size."""
    return sum(level.m for level in one.levels if level.name == "exact" or level.name.startswith("shared"))


def _excess(
    connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, group: list[Comparison], u: float, share: float
) -> float:
    """Pairs that agree in all of a group of fields, beyond what coincidence makes of those that agree in the names.

    Args:
        connection: with the rows as `people`.
        rows: of people.
        group: names, if any, and last the field that tells.
        u: how often two people agree in that field.
        share: of all pairs of keys, those that the lists allow.
    """
    columns = [one.column for one in group]
    pairs = agreeing(connection, rows, columns).filter("is_allowed")
    agree = pairs.select("left_node", "right_node").unique().height
    count = pl.col("count").cast(pl.Float64)
    said = rows.drop_nulls(columns).select("node", *columns[:-1]).unique()
    counts = said.group_by(columns[:-1]).agg(count=pl.len()) if columns[:-1] else said.select(count=pl.len())
    others = max(share * (counts.select((count * (count - 1) / 2).sum()).item() or 0.0) - agree, 0.0)
    chance = others * u / (1 - u)
    return max(agree - chance - 2 * math.sqrt(chance), 0.0)
