"""Which records are compared at all: those that share a block of at least one rule.

A rule is a ladder of keys, from coarse to fine. A block that would be too large at one rung is parted by the next, and
dropped where the last rung is too large still, so that a rule never brings together more than `BUDGET` pairs however
common a name is.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from le_pipeline.link.matching.spelling import Columns

BUDGET = 5_000_000
Rung = pl.Expr


def blocked(rows: pl.DataFrame, columns: Columns) -> tuple[pl.DataFrame, list[str]]:
    """The rows with a column per rule, and the rules in SQL over `l` and `r`."""
    rules, largest = [], max(2 * BUDGET // max(rows.height, 1), 2)
    for index, (ladder, condition) in enumerate(_ladders(columns)):
        name = f"block_{index}"
        rows = rows.with_columns(_block(rows, ladder, largest).alias(name))
        if rows[name].null_count() < rows.height:
            rules.append(f"l.{name} = r.{name}{condition}")
    return rows, rules


def _block(rows: pl.DataFrame, ladder: list[Rung], largest: int) -> pl.Series:
    """Of each row the coarsest key whose block is not too large."""
    keys = rows.select(rung.alias(str(index)) for index, rung in enumerate(ladder))
    fits = [
        # the rung is part of the key: a fine key never meets a coarse one that reads the same
        pl.when(pl.len().over(str(index)) <= largest).then(pl.concat_str(pl.lit(f"{index} "), pl.col(str(index))))
        for index in range(len(ladder))
    ]
    return keys.select(pl.coalesce(fits)).to_series()


def _ladders(columns: Columns) -> Iterator[tuple[list[Rung], str]]:
    """The rules that these columns allow, each with a further condition."""
    of = {kind: [column for column, (_, one) in columns.items() if one == kind] for _, kind in columns.values()}
    places = of.get("place", []) + of.get("text", [])
    for column in of.get("identifier", []):
        yield [pl.col(column)], ""
        half = pl.col(column).str.len_chars() // 2
        yield [_key(pl.lit("a"), pl.col(column).str.slice(0, half))], ""
        yield [_key(pl.lit("b"), pl.col(column).str.slice(half))], ""
    for column in of.get("email", []):
        yield [pl.col(column)], ""
        yield [pl.col(f"{column}_local")], ""
    names = [column for kind in ("given_name", "surname") for column in of.get(kind, [])]
    dates = of.get("birth_date", [])
    if dates:
        yield from _dated(dates[0], names)
    undated = f" and (l.{dates[0]} is null or r.{dates[0]} is null)" if dates else ""
    for column in names:
        others = [other for other in names if other != column]
        yield (
            [_key(column), *(_key(column, pl.col(other).str.slice(0, n)) for other in others for n in (1, 3))],
            undated,
        )
        for place in places:
            yield [_key(column, place), *(_key(column, place, pl.col(o).str.slice(0, 1)) for o in others)], ""
    for context in of.get("context", []):
        yield from ((ladder, undated) for ladder in _in_one_place(context, names))
    if len(names) > 1:
        yield [_unordered(*names[:2]), *(_key(_unordered(*names[:2]), place) for place in places)], undated


def _in_one_place(context: str, names: list[str]) -> Iterator[list[Rung]]:
    """Ladders of who was in one place first or last: with a name, or with the beginnings of both."""
    first, last = pl.col(context).list.first(), pl.col(context).list.last()
    for column in names:
        others = [pl.col(other).str.slice(0, 1) for other in names if other != column]
        for end in (first, last):
            yield [_key(column, end), *(_key(column, end, other) for other in others)]
    if len(names) > 1:
        yield [_key(*(pl.col(name).str.slice(0, 3) for name in names[:2]), first)]


def _dated(date: str, names: list[str]) -> Iterator[tuple[list[Rung], str]]:
    """Rules of a birth date: all of it with a letter of a name, or part of it with the whole name."""
    unordered = f"{date}_unordered"  # day and month may be swapped
    for column in names:
        yield [_key(unordered), *(_key(unordered, pl.col(column).str.slice(0, n)) for n in (1, 2, 3))], ""
    if len(names) > 1:
        whole, initials = _unordered(*names[:2]), _unordered(*(pl.col(name).str.slice(0, 1) for name in names[:2]))
        yield [_key(unordered, initials), _key(unordered, whole)], ""
        yield [_key(whole, pl.col(date).str.slice(0, 4)), _key(whole, pl.col(date).str.slice(0, 6))], ""
        yield [_key(whole, pl.col(date).str.slice(4))], ""


def _key(*parts: str | pl.Expr) -> pl.Expr:
    """The parts as one text; null where one is."""
    return pl.concat_str([pl.col(part) if isinstance(part, str) else part for part in parts], separator="|")


def _unordered(one: str | pl.Expr, other: str | pl.Expr) -> pl.Expr:
    """Both names in the order of the alphabet, as given name and surname may be swapped."""
    pair = [pl.col(name) if isinstance(name, str) else name for name in (one, other)]
    complete = pair[0].is_not_null() & pair[1].is_not_null()
    return pl.when(complete).then(pl.min_horizontal(pair) + pl.lit("|") + pl.max_horizontal(pair))
