"""What is compared of two records, in which levels of agreement, and how much each level says.

A level weighs log2(m / u) bits (Fellegi and Sunter 1969, JASA 64, 1183-1210): m is its share among records of one
person, u among those of two. The m are declared, since there may be no true match in the data to learn them from; the
u are counted over keys that share a list, who are two people by the list's own word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from le_pipeline.link.matching.spelling import Columns, Kind

EXACT = "exact"
DIFFERS = "differs"
# given names of two people: several have each, or both are known for names, so that neither is a typing error
ANOTHER_NAME = "one letter, both usual"
ALIKE = "alike, both usual"
LONGER = "longer by an ending"
ENDINGS = (
    "a",
    "e",
    "y",
    "i",
    "o",
    "ie",
    "ia",
    "na",
    "ne",
    "la",
    "le",
    "ita",
    "ina",
    "ine",
    "elle",
    "ella",
    "ette",
    "lyn",
    "anne",
)
LOCAL_PART = 0.1
CONTEXT_U = 0.01
# an element of a context that few have says more than one that many have: bounds of the share of keys
SIZES = {"small": 5e-4, "middle": 5e-3, "large": 1.0}
WHERE: tuple[Kind, ...] = ("place", "text")


@dataclass(frozen=True)
class Level:
    """One level of agreement.

    Args:
        name: what the evidence calls it.
        sql: its condition over the columns of the two records; the last one needs none.
        m: share among records of one person.
        u: share among records of two people, declared; replaced by what is counted.
        frequent: the column whose common values count for less.
        agrees: whether it counts as an agreement of the field.
    """

    name: str
    sql: str
    m: float
    u: float
    frequent: str | None = None
    agrees: bool = True


@dataclass(frozen=True)
class Comparison:
    """The levels of one field, from the strongest to the weakest."""

    column: str
    field: str
    kind: Kind
    levels: tuple[Level, ...]


def edit(column: str) -> str:
    """One letter more, less, other, or two that changed places; the cheap measure spares most pairs the dear one."""
    left, right = f"{column}_l", f"{column}_r"
    return (
        f"least(length({left}), length({right})) >= 3 and jaro_winkler_similarity({left}, {right}) >= 0.75 "
        f"and damerau_levenshtein({left}, {right}) <= 1"
    )


def alike(column: str, least: float) -> str:
    """Letters alike by Jaro and Winkler's measure."""
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


def same(column: str) -> str:
    """Equal values, in the words in which Splink knows an exact match."""
    return f"{column}_l = {column}_r"


def shared(column: str) -> str:
    """Lists with an element in common."""
    return f"list_has_any({column}_l, {column}_r)"


def comparisons(columns: Columns) -> list[Comparison]:
    """The comparisons of these columns, with the declared m and u."""
    first = {kind: column for column, (_, kind) in reversed(columns.items())}
    found = []
    for column, (name, kind) in columns.items():
        if kind in ("given_name", "surname"):
            other = first.get("surname" if kind == "given_name" else "given_name")
            levels = (_given_name if kind == "given_name" else _surname)(column, other)
        else:
            levels = LEVELS[kind](column)
        found.append(Comparison(column, name, kind, tuple(levels)))
    return found


def _given_name(c: str, other: str | None) -> Iterator[Level]:
    # errors in one in twenty names are usual in what people type (client's lists, febrl)
    yield Level(EXACT, same(c), 0.85, 0.01, c)
    if other:  # the whole weight of a swap is in the two frequencies; one in a hundred forms has one
        yield Level("swapped", _swapped(c, other), 0.01, 0.01, c)
    yield Level("nickname", shared(f"{c}_forms"), 0.03, 0.002, c)
    yield Level(LONGER, _longer(c), 0.002, 0.0005, c)
    yield Level("typing error", f"({c}_rare_l or {c}_rare_r) and {edit(c)}", 0.05, 0.0005, c)
    initial = f"least(length({c}_l), length({c}_r)) = 1 and {c}_l[1] = {c}_r[1]"
    yield Level("initial", initial, 0.02, 0.02)
    yield Level("part", shared(f"{c}_tokens"), 0.01, 0.002, c)
    yield Level(ANOTHER_NAME, edit(c), 0.004, 0.002, c)
    yield Level(ALIKE, f"not ({c}_rare_l or {c}_rare_r) and {alike(c, 0.88)}", 0.002, 0.005, c)
    yield Level("similar", alike(c, 0.88), 0.007, 0.005, c)
    yield Level(DIFFERS, "else", 0.015, 0.97, agrees=False)


def _longer(c: str) -> str:
    """Eric and Erica, Daniel and Danielle, one of which is not cut short."""
    endings = ", ".join(f"'{ending}'" for ending in ENDINGS)
    begins = (
        f"length({one}) >= 3 and starts_with({other}, {one}) and substring({other}, length({one}) + 1) in ({endings})"
        for one, other in ((f"{c}_l", f"{c}_r"), (f"{c}_r", f"{c}_l"))
    )
    return " or ".join(f"({one})" for one in begins)


def _swapped(given: str, surname: str) -> str:
    """Each name in the place of the other; one of them may have a typing error besides."""
    there, back = (f"{given}_l", f"{surname}_r"), (f"{surname}_l", f"{given}_r")
    likes = [f"jaro_winkler_similarity({left}, {right}) >= 0.9" for left, right in (there, back)]
    # the cheap condition first
    return f"({there[0]} = {there[1]} or {back[0]} = {back[1]}) and {likes[0]} and {likes[1]}"


def _surname(c: str, other: str | None) -> Iterator[Level]:
    yield Level("another generation", f"{c}_generation_l <> {c}_generation_r", 0.0005, 0.001, agrees=False)
    yield Level(EXACT, same(c), 0.85, 0.003, c)
    if other:  # no m of its own: a swap is an event of both names, and counted with the given name
        yield Level("swapped", _swapped(other, c), 1.0, 0.003, c)
    yield Level("typing error", f"({c}_rare_l or {c}_rare_r) and {edit(c)}", 0.05, 0.0005, c)
    yield Level("part", shared(f"{c}_tokens"), 0.02, 0.001, c)
    yield Level("similar", alike(c, 0.88), 0.01, 0.005, c)
    # maiden names
    yield Level(DIFFERS, "else", 0.06, 0.99, agrees=False)


def _middle_name(c: str) -> Iterator[Level]:
    yield Level(EXACT, same(c), 0.65, 0.02, c)
    yield Level("initial", f"least(length({c}_l), length({c}_r)) = 1 and {c}_l[1] = {c}_r[1]", 0.25, 0.07)
    yield Level("typing error", edit(c), 0.04, 0.002, c)
    yield Level(DIFFERS, "else", 0.05, 0.9, agrees=False)


def _birth_date(c: str) -> Iterator[Level]:
    left, right = f"{c}_l", f"{c}_r"
    crossed = f"{left}[1:4] || {left}[7:8] || {left}[5:6] = {right}"
    yield Level(EXACT, same(c), 0.93, 0.0002, c)
    yield Level("day and month swapped", crossed, 0.02, 0.0001)
    # eight digits differ in one place, or two neighbours have changed places
    one_digit = f"hamming({left}, {right}) <= 2 and damerau_levenshtein({left}, {right}) <= 1"
    # ten years and more may part a father and his son
    years = f"abs(cast({left}[1:4] as integer) - cast({right}[1:4] as integer)) < 10"
    yield Level("one digit", f"{one_digit} and {years}", 0.03, 0.003)
    # of one year; a father and his son may share the day
    one_part = f"{left}[1:4] = {right}[1:4] and ({left}[5:6] = {right}[5:6] or {left}[7:8] = {right}[7:8])"
    yield Level("month or day", one_part, 0.006, 0.002, agrees=False)
    yield Level(DIFFERS, "else", 0.004, 0.99, agrees=False)


def _email(c: str) -> Iterator[Level]:
    # people have several addresses, and change them with the job; what stands before the @ is mostly made of the name,
    # and says nothing that the name has not said
    yield Level(EXACT, same(c), 0.6, 1e-6, c)
    yield Level("local part", same(f"{c}_local"), LOCAL_PART, LOCAL_PART, agrees=False)
    yield Level(DIFFERS, "else", 0.3, 0.99, agrees=False)


def _identifier(c: str) -> Iterator[Level]:
    yield Level(EXACT, same(c), 0.9, 1e-6, c)
    yield Level("typing error", edit(c), 0.05, 1e-5)
    yield Level(DIFFERS, "else", 0.05, 0.99, agrees=False)


def _sex(c: str) -> Iterator[Level]:
    yield Level(EXACT, same(c), 0.99, 0.5)
    yield Level(DIFFERS, "else", 0.01, 0.5, agrees=False)


def _place(c: str) -> Iterator[Level]:
    # a quarter of people move
    yield Level(EXACT, same(c), 0.7, 0.01, c)
    yield Level("typing error", edit(c), 0.04, 0.002, c)
    yield Level(DIFFERS, "else", 0.26, 0.98, agrees=False)


def _text(c: str) -> Iterator[Level]:
    yield Level(EXACT, same(c), 0.5, 0.001, c)
    yield Level("typing error", edit(c), 0.1, 0.0005, c)
    yield Level("similar", alike(c, 0.9), 0.1, 0.002, agrees=False)
    yield Level(DIFFERS, "else", 0.3, 0.99, agrees=False)


def _context(c: str) -> Iterator[Level]:
    for size in SIZES:
        yield Level(f"shared, {size}", shared(f"{c}_{size}"), 0.5, CONTEXT_U)
    yield Level("adjacent year", shared(f"{c}_near"), 0.1, CONTEXT_U)
    yield Level(DIFFERS, "else", 0.4, 0.98, agrees=False)


LEVELS = {
    "middle_name": _middle_name,
    "birth_date": _birth_date,
    "email": _email,
    "identifier": _identifier,
    "sex": _sex,
    "place": _place,
    "text": _text,
    "context": _context,
}


def capped(compared: list[Comparison]) -> list[Comparison]:
    """The comparisons with no level that would say more than an exact agreement in the same value.

    Misspelt names are seldom a stranger's, so that by its shares alone Dina would speak more for Dana than Dana does.
    """
    found = []
    for one in compared:
        exact = next((level for level in one.levels if level.frequent and level.sql == same(level.frequent)), None)
        most = exact.m / exact.u if exact else math.inf
        levels = [
            # the m of a swap of surnames is not its own
            replace(level, m=level.u * most) if level.frequent and level.u * most < level.m < 1 else level
            for level in one.levels
        ]
        found.append(replace(one, levels=tuple(levels)))
    return found


def terms(compared: list[Comparison]) -> dict[str, tuple[Kind, float]]:
    """The columns whose frequencies are wanted, each with its kind and the declared u of an exact agreement."""
    exact = {level.sql: level.u for one in compared for level in one.levels}
    return {
        level.frequent: (one.kind, exact[same(level.frequent)])
        for one in compared
        for level in one.levels
        if level.frequent
    }
