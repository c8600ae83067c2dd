"""Figures that a state publishes, as they are printed: a number, a bound, a range or a sign that it is held back."""

from __future__ import annotations

import csv
from functools import cache

import polars as pl

from schemas import registry

NUMBER = r"\d+(?:\.\d+)?"
WHOLE = rf"^(-?{NUMBER})$"
BELOW = rf"^(?:<|<=|≤)\s*({NUMBER})$"
ABOVE = rf"^(?:>|>=|≥)\s*({NUMBER})$"
FEWER = r"^[nN]\s*(?:<|<=|≤)\s*(\d+)$"
RANGE = rf"^({NUMBER})\s*(?:-|–|—|to)\s*({NUMBER})$"
STRICT = r"^[nN]?\s*[<>][^=]"
PERCENT, STUDENTS = "percent", "students"


def bounds(text: pl.Expr, unit: pl.Expr, marks: tuple[str, ...]) -> dict[str, pl.Expr]:
    """Value, lowest and highest possible value, the printed mark, and whether the text could not be read.

    A percentage is between 0 and 100, a number of students whole and 0 or more; fewer than 10 of them are at most 9.
    What is printed and cannot be so, or runs from the higher to the lower, cannot be read.

    Args:
        text: the printed figure; empty where there is none.
        unit: unit of the figure (`percent`, `students`, ...).
        marks: signs that a figure is held back, beside those of `reference/suppression_mark.csv`.
    """
    bare = text.str.strip_chars().str.replace(r"\s*%$", "")
    bare = pl.when(bare.str.contains(r"^\d{1,3}(,\d{3})+$")).then(bare.str.replace_all(",", "")).otherwise(bare)
    number = _number(bare, WHOLE)
    floor = pl.when(unit.is_in([PERCENT, STUDENTS])).then(0.0)
    ceiling = pl.when(unit == PERCENT).then(100.0)
    step = pl.when((unit == STUDENTS) & bare.str.contains(STRICT)).then(1.0).otherwise(0.0)
    fewer = pl.when(unit == STUDENTS).then(_number(bare, FEWER))
    is_held = bare.str.to_uppercase().is_in([mark.upper() for mark in (*known_marks(), *marks)]) | bare.str.contains(
        FEWER
    )
    low, high = bare.str.extract(RANGE, 1).cast(pl.Float64), bare.str.extract(RANGE, 2).cast(pl.Float64)
    below, above = pl.coalesce(_number(bare, BELOW), fewer) - step, _number(bare, ABOVE) + step
    is_read = number.is_not_null() | below.is_not_null() | above.is_not_null() | low.is_not_null() | is_held
    held = pl.when(is_read)
    lower = pl.coalesce(number, low, above, held.then(floor))
    upper = pl.coalesce(number, high, below, held.then(ceiling))
    is_broken = (unit == STUDENTS) & (
        text.str.contains("%", literal=True) | pl.any_horizontal(bound != bound.floor() for bound in (lower, upper))
    )
    is_impossible = pl.any_horizontal(lower < floor, upper > ceiling, upper < lower, is_broken).fill_null(value=False)
    is_read = is_read & ~is_impossible
    return {
        "value": number,
        "lower": lower,
        "upper": upper,
        "mark": pl.when(is_read & number.is_null()).then(text.str.strip_chars()),
        "is_unreadable": text.is_not_null() & ~is_read.fill_null(value=False),
    }


@cache
def known_marks() -> tuple[str, ...]:
    """The signs of `reference/suppression_mark.csv`."""
    with (registry.HERE / "reference" / "suppression_mark.csv").open(encoding="utf-8", newline="") as file:
        return tuple(row["mark"] for row in csv.DictReader(file))


def _number(text: pl.Expr, pattern: str) -> pl.Expr:
    return text.str.extract(pattern).cast(pl.Float64, strict=False)
