"""What the levels of a pair amount to: in words, and whether it may be accepted at all.

Weights alone do not guard against relatives: twins share surname, birth date and address, father and son their names
and address. Fields that disagree there hold a pair back whatever the rest weighs.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from le_pipeline.link.matching.comparisons import ALIKE, ANOTHER_NAME, DIFFERS, EXACT, LONGER, Comparison

# an agreement that one person's records have less than three times as often as two people's, such as that of a state,
# tells nobody apart
TELLING = 3
SOLE = ("identifier", "email", "birth_date")
NAMES = ("given_name", "surname", "middle_name")
# what relatives have in common; a person whose name or date was changed looks the same
RELATIVES = ("given_name_differs", "birth_date_differs")
HELD_BACK = (
    ("surname", "another generation", "generation_differs"),
    ("given_name", DIFFERS, "given_name_differs"),
    *(("given_name", name, "given_name_differs") for name in (ANOTHER_NAME, ALIKE, LONGER)),
    ("sex", DIFFERS, "sex_differs"),
    ("birth_date", DIFFERS, "birth_date_differs"),
    ("middle_name", DIFFERS, "middle_name_differs"),
)


def judged(scored: pl.DataFrame, compared: list[Comparison]) -> pl.DataFrame:
    """Scored pairs with what their levels amount to.

    Returns:
        `evidence`, words; `held_back`, a reason not to accept them, or null; `is_told`, more than names agrees;
        `is_named`, both names are the very same; `is_sole`, something agrees that hardly two people have in common.

    Args:
        scored: a `gamma_` column per comparison, as Splink numbers levels: from the weakest, 0; missing is -1.
        compared: the comparisons.
    """
    words = [pl.lit(f"{one.field} ") + _level(one) for one in compared]
    identified = _any(_agrees(one) for one in compared if one.kind == "identifier")
    sole = _any(_agrees(one) for one in compared if one.kind in SOLE)
    names = [_level(one) == EXACT for one in compared if one.kind in ("given_name", "surname")]
    named = pl.all_horizontal(pl.lit(value=bool(names)), *names)
    reasons = [
        pl.when(_level(one) == name, ~identified).then(pl.lit(reason))
        for kind, name, reason in HELD_BACK
        for one in compared
        if one.kind == kind
    ]
    told = _any(_agrees(one) for one in compared if one.kind not in NAMES)
    alone = pl.when(~told).then(pl.lit("names_alone"))
    return scored.with_columns(
        evidence=pl.concat_str(words, separator="; "),
        held_back=pl.coalesce(*reasons, alone),
        is_told=told,
        is_named=named,
        is_sole=sole,
    )


def _any(conditions: Iterable[pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(pl.lit(False), *conditions)


def _level(one: Comparison) -> pl.Expr:
    names = {len(one.levels) - 1 - index: level.name for index, level in enumerate(one.levels)}
    return pl.col(f"gamma_{one.column}").replace_strict(names | {-1: "missing"}, return_dtype=pl.String)


def _agrees(one: Comparison) -> pl.Expr:
    telling = [
        len(one.levels) - 1 - index
        for index, level in enumerate(one.levels)
        if level.agrees and level.m >= TELLING * level.u
    ]
    return pl.col(f"gamma_{one.column}").is_in(telling)
