"""How often two people agree by coincidence, counted on the data.

Counted are keys that share a list, who are two people by the list's own word. Where they are few, what is declared
outweighs what is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import polars as pl

from le_pipeline.link.matching.comparisons import CONTEXT_U, SIZES, WHERE, Comparison, Level, capped, same, terms
from le_pipeline.link.matching.people import NO_LIST

# what a declared u is worth: so many pairs, and so many keys in the frequency of a single value
DECLARED_PAIRS = 20_000
DECLARED_KEYS = 200


@dataclass
class Frequencies:
    """How often values coincide: per column the frequency of each value (column and `tf_` column), and the u."""

    terms: dict[str, pl.DataFrame] = field(default_factory=dict)
    u: dict[str, float] = field(default_factory=dict)


def frequencies(keys: pl.DataFrame, compared: list[Comparison]) -> Frequencies:
    """How often two people have the same value, by column and value.

    Args:
        keys: rows of people.
        compared: the comparisons.
    """
    found = Frequencies()
    for column, (kind, declared) in terms(compared).items():
        # lists are often of one school or district, so that two people of one list share their place more than others
        lists = pl.lit([NO_LIST]) if kind in WHERE else pl.col("told_lists")
        said = keys.select("node", column, lists.alias("lists")).drop_nulls(column).unique(["node", column])
        terms_of, found.u[column] = _coincidence(said, column, declared)
        # nothing is rarer than what a whole country would show
        found.terms[column] = terms_of.with_columns(pl.col(f"tf_{column}").clip(lower_bound=declared / 1000))
    return found


def _coincidence(said: pl.DataFrame, column: str, declared: float) -> tuple[pl.DataFrame, float]:
    """Share of the other keys of its lists that have the value too, for each value and for all."""
    counts = said.explode("lists", empty_as_null=False).group_by(column, "lists").len("count")
    counts = counts.with_columns(pl.col("count").cast(pl.Int64))
    sizes = counts.group_by("lists").agg(size=pl.col("count").sum())
    count = pl.col("count")
    values = (
        counts.join(sizes, on="lists")
        .group_by(column)
        .agg(equal=(count * (count - 1)).sum(), pairs=(count * (pl.col("size") - 1)).sum(), count=count.sum())
    )
    frequency = (pl.col("equal") + count * DECLARED_KEYS * declared) / (pl.col("pairs") + count * DECLARED_KEYS)
    equal, pairs = int(values["equal"].sum()), int(values["pairs"].sum())
    u = (equal / 2 + DECLARED_PAIRS * declared) / (pairs / 2 + DECLARED_PAIRS)
    return values.select(column, frequency.alias(f"tf_{column}")), u


def with_sizes(rows: pl.DataFrame, one: Comparison) -> tuple[pl.DataFrame, Comparison]:
    """A context parted by how common its elements are: columns such as `context_0_small`, and m and u of each size.

    Sizes are those among known people.
    """
    said = rows.select("row", "node", "is_known", pl.col(one.column).alias("element"))
    said = said.explode("element", empty_as_null=False).drop_nulls("element")
    people = max(rows.filter("is_known")["node"].n_unique(), 2)
    counts = said.filter("is_known").unique(["node", "element"]).group_by("element").agg(count=pl.len().cast(pl.Int64))
    share = (pl.col("count") - 1 + DECLARED_KEYS * CONTEXT_U) / (people + DECLARED_KEYS)
    size = pl.when(share < SIZES["small"]).then(pl.lit("small")).when(share < SIZES["middle"]).then(pl.lit("middle"))
    counts = counts.with_columns(size=size.otherwise(pl.lit("large")))
    said = said.join(counts, on="element")
    elements, pairs = max(int(counts["count"].sum()), 1), people * (people - 1) / 2
    levels = list(one.levels)
    for index, name in enumerate(SIZES):
        part = counts.filter(pl.col("size") == name)["count"]
        u = (int((part * (part - 1)).sum()) / 2 + DECLARED_PAIRS * CONTEXT_U) / (pairs + DECLARED_PAIRS)
        # of what one person's contexts share, as much is of this size as of all that is said
        levels[index] = replace(levels[index], u=u, m=levels[index].m * max(int(part.sum()) / elements, 0.01))
        here = (
            said.filter(pl.col("size") == name)
            .group_by("row")
            .agg(pl.col("element").sort().alias(f"{one.column}_{name}"))
        )
        rows = rows.join(here, on="row", how="left", maintain_order="left")
    return rows, replace(one, levels=tuple(levels))


def nested(keys: pl.DataFrame, compared: list[Comparison], found: Frequencies) -> list[Comparison]:
    """Places and addresses with levels for what follows from another: a town tells its state.

    Agreement that goes with that of a finer place is weighed by how often two people of one finer place agree, so that
    the same coincidence is not counted again under each name of it.
    """
    finest = sorted((one for one in compared if one.kind in WHERE), key=lambda one: (found.u[one.column], one.column))
    for index, one in enumerate(finest):
        if not index:
            continue
        finer = [other.column for other in finest[:index]]
        u = max(_given(keys, one.column, column) for column in finer)
        exact = one.levels[0]
        condition = f"{exact.sql} and ({' or '.join(map(same, finer))})"
        level = replace(exact, sql=condition, m=max(exact.m, u), u=u, frequent=None)
        compared[compared.index(one)] = replace(one, levels=(level, *one.levels))
    return compared


def _given(keys: pl.DataFrame, column: str, finer: str) -> float:
    """Share of pairs of keys with the same finer value that have the same value as well."""
    said = keys.select("node", column, finer).drop_nulls().unique()
    count = pl.col("count").cast(pl.Int64)
    both, one = (
        int(said.group_by(by).agg(count=pl.len()).select((count * (count - 1)).sum()).item() or 0) / 2
        for by in ((column, finer), (finer,))
    )
    return (both + DECLARED_PAIRS) / (one + DECLARED_PAIRS)


def with_u(compared: list[Comparison], counted: dict[tuple[str, str], float], found: Frequencies) -> list[Comparison]:
    """The comparisons with what was counted in the place of the declared u.

    Args:
        compared: with declared u.
        counted: u by column and name of the level.
        found: u of exact agreement, which also is that of a swap.
    """

    def measured(one: Comparison, level: Level) -> Level:
        if level.frequent and level.name in ("exact", "swapped"):
            return replace(level, u=found.u[level.frequent])
        u = counted[one.column, level.name]
        if level.name.startswith("shared"):  # a pair that shares a school in many years was counted with each of them
            return replace(level, u=min(level.u, u))
        return level if level.name in ("exact", "local part") and one.kind != "sex" else replace(level, u=u)

    return capped([replace(one, levels=tuple(measured(one, level) for level in one.levels)) for one in compared])
