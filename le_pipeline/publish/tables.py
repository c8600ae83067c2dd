"""What each published table shows: the cells that every column of every row gives away.

A figure is shown only where all cells are shown that it could be turned into: a share gives away its numerator, a gap
and one side the other side, a difference from a comparison group both groups.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from le_pipeline.publish.book import ALL, STATE, Book, Key
from le_pipeline.publish.percent import coded
from schemas import registry
from schemas.profile import Profile, Unit
from schemas.registry import Table

Row = Mapping[str, Any]
ProfileOf = Callable[[str], Profile]
Keys = tuple[Key, ...]


@dataclass
class Sheet:
    """One table to be published.

    `reveals`: for each row, the cells that a column gives away; columns that it does not name give nothing away.
    `coded`: for each row, how a share is told in bands, and the cell of its group, without which it is not told.
    """

    table: Table
    frame: pl.DataFrame
    reveals: list[dict[str, Keys]] = field(default_factory=list)
    coded: list[dict[str, tuple[str | None, Key]]] = field(default_factory=list)


@dataclass(frozen=True)
class Entry:
    """Enters the rows of one state's or all states' tables into the book, under their profile."""

    book: Book
    profile_of: ProfileOf

    def part(self, whole: Key, measure: str, value: int, unit: Unit) -> tuple[Key, str | None]:
        """The cell of a part of a group, those of the group who are not in it, and how its share is told in bands."""
        size = self.book.cells[whole].value
        key = self.book.count(measure, whole.dimensions, value, unit, is_rate=size > 0)
        told = coded(value, size, self.profile_of(whole.dimensions[STATE]), unit)
        rest = self.book.count(f"{measure}~not", whole.dimensions, size - value, unit, is_rate=size > 0)
        self.book.equations.append((whole, (key, rest)))
        return key, told.label


def sheets(marts: Mapping[str, pl.DataFrame], book: Book, profile_of: ProfileOf) -> list[Sheet]:
    """Every mart that is published, entered into the book."""
    entry = Entry(book, profile_of)
    found = []
    for name, enter in PUBLISHED.items():
        table = registry.tables()[name]
        sheet = Sheet(table, marts[name].sort(table.key))
        enter(sheet, entry)
        found.append(sheet)
        for row in sheet.reveals:
            book.show(key for keys in row.values() for key in keys)
    return found


def _program_reach(sheet: Sheet, entry: Entry) -> None:
    book = entry.book
    for row in sheet.frame.iter_rows(named=True):
        place = (row["state"], row["region"], row["school_year"])
        teachers = book.count("active teacher", place, row["n_teachers_supported"], "staff")
        fellows = book.count("active fellow", place, row["n_fellows"], "staff")
        mentees = book.count("active mentee", place, row["n_mentees"], "staff")
        book.add_up(teachers, [fellows, mentees], "other")
        shown = {"n_fellows": fellows, "n_mentees": mentees, "n_teachers_supported": teachers}
        shown["n_students"] = book.count("student reached", place, row["n_students"], "student")
        sheet.reveals.append({column: (key,) for column, key in shown.items()})
    book.add_margins(["active fellow", "active mentee", "active teacher", "student reached"], summed=(STATE, 1))


LEVELS = ("school", "lea", "state")
HIGH_POVERTY = "high_poverty_school"
COMPARED = (
    "risk_difference_percentage_points",
    "risk_difference_standard_error",
    "risk_difference_ci_low",
    "risk_difference_ci_high",
    "n_clusters",
    "relative_change",
    "odds_ratio",
    "cox_index",
)
INTERVAL = ("standard_error", "ci_low", "ci_high")


def _teacher_retention(sheet: Sheet, entry: Entry) -> None:
    book = entry.book
    retained: dict[Keys, tuple[Key, str | None]] = {}
    rows = list(sheet.frame.iter_rows(named=True))
    for row in rows:
        teachers = book.count("teacher", _teachers(row), row["n"], "staff")
        if row["retained"] is not None:
            measure = f"teacher retained {row['definition']} {row['level']}"
            retained[_retained(row)] = entry.part(teachers, measure, row["retained"], "staff")
    _outcomes(book, {key: cell for (key,), (cell, _) in retained.items()})
    for row in rows:
        n = (book.count("teacher", _teachers(row), row["n"], "staff"),)
        waiting = book.count("teacher not observed", _teachers(row), row["n_not_observed"], "staff")
        kept, label = retained.get(_retained(row), (None, None))
        own = n if kept is None else (*n, kept)
        beside: Keys = ()
        if row["comparison_n"]:
            other = row | {"role": "none", "cohort": ALL}
            beside = (Key("teacher", _teachers(other)), retained[_retained(other)][0])
        sheet.reveals.append(
            {"n": n, "n_not_observed": (waiting,), "n_schools": n, "retained": own, "comparison_n": beside[:1]}
            | dict.fromkeys(("retention_share", *INTERVAL), own)
            | dict.fromkeys(("comparison_retained", "comparison_share"), beside)
            | dict.fromkeys(COMPARED, (*own, *beside))
        )
        sheet.coded.append({} if kept is None else {"retention_share": (label, n[0])})
    measures = {key.measure for key in book.cells if key.measure.startswith("teacher")}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3, 4))


def _teachers(row: Row) -> tuple[str, ...]:
    """Whom a row is about: of teachers in high-poverty schools, `all` bands are that band."""
    is_high = row["level"] == HIGH_POVERTY and row["poverty_band"] == ALL
    band = "high" if is_high else row["poverty_band"]
    return (row["state"], row["role"], row["region"], row["cohort"], band, str(row["school_year"]))


def _retained(row: Row) -> Keys:
    return (Key(f"teacher retained {row['definition']} {row['level']}", _teachers(row)),)


def _outcomes(book: Book, retained: Mapping[Key, Key]) -> None:
    """What wider levels and the inclusive definition add are outcomes: counts of people themselves."""
    for key in retained.values():
        definition, level = key.measure.split()[-2:]
        if definition == "inclusive":
            _adds(book, key, Key(f"teacher retained strict {level}", key.dimensions), "teacher promoted within")
        elif level in LEVELS[1:]:
            narrow = LEVELS[LEVELS.index(level) - 1]
            _adds(book, key, Key(f"teacher retained strict {narrow}", key.dimensions), f"teacher moved within {level}")
        elif level == HIGH_POVERTY:
            whole = Key("teacher retained strict state", key.dimensions)
            _adds(book, whole, key, "teacher moved to lower poverty")


def _adds(book: Book, wide: Key, narrow: Key, measure: str) -> None:
    if wide in book.cells and narrow in book.cells and book.cells[wide].value >= book.cells[narrow].value:
        left = book.count(measure, wide.dimensions, book.cells[wide].value - book.cells[narrow].value, "staff")
        book.equations.append((wide, (narrow, left)))
        of_wide, of_narrow = (Key(f"{key.measure}~not", key.dimensions) for key in (wide, narrow))
        book.equations.append((of_narrow, (of_wide, left)))  # whom the wider one adds, the narrower one leaves out


SIDES = ("a", "b")
BOTH_SIDES = (
    "gap_sd",
    "hedges_g",
    *INTERVAL,
    "v_statistic",
    "v_statistic_from_levels",
    "scale_score_difference",
)
BOTH_SHARES = tuple(f"proficiency_gap_{name}" for name in ("percentage_points", *INTERVAL))


def _achievement_gap(sheet: Sheet, entry: Entry) -> None:
    book = entry.book
    groups: dict[tuple[str, ...], dict[str, dict[str, Key]]] = {}
    for row in sheet.frame.iter_rows(named=True):
        place = tuple(str(row[name]) for name in ("state", "region", "role", "grade_band", "school_year", "subject"))
        shown: dict[str, Keys] = {}
        told: dict[str, tuple[str | None, Key]] = {}
        for side in SIDES:
            group = row[f"group_{side}"]
            n = book.count(f"student of {row['subgroup']} {group}", place, row[f"n_{side}"], "student")
            groups.setdefault(place, {}).setdefault(row["subgroup"], {})[group] = n
            shown |= {f"n_{side}": (n,), f"mean_z_{side}": (n,), f"proficient_share_{side}": (n,)}
            if (share := row[f"proficient_share_{side}"]) is not None:
                part, label = entry.part(n, f"{n.measure} proficient", round(share * row[f"n_{side}"]), "student")
                shown[f"proficient_share_{side}"] = (n, part)
                told[f"proficient_share_{side}"] = (label, n)
        pair = book.count(f"student of {row['subgroup']} {row['group_a']} {row['group_b']}", place, row["n"], "student")
        book.add_up(pair, [shown["n_a"][0], shown["n_b"][0]], "other")
        shown |= {"n": (pair,)} | dict.fromkeys(BOTH_SIDES, (*shown["n_a"], *shown["n_b"]))
        shown |= dict.fromkeys(BOTH_SHARES, (*shown["proficient_share_a"], *shown["proficient_share_b"]))
        sheet.reveals.append(shown)
        sheet.coded.append(told)
    for place, subgroups in groups.items():  # the same students, parted in several ways
        tested = max(sum(book.cells[key].value for key in members.values()) for members in subgroups.values())
        total = book.count("student tested", place, tested, "student")
        for subgroup, members in subgroups.items():
            book.add_up(total, list(members.values()), f"no {subgroup}")
    measures = {key.measure for key in book.cells if key.measure.startswith("student of")} | {"student tested"}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3))


def _benchmark_gap(sheet: Sheet, entry: Entry) -> None:
    book = entry.book
    entered: dict[tuple[str, ...], Keys] = {}
    labels: list[dict[str, tuple[str | None, Key]]] = []
    names = ("state", "region", "role", "grade_band", "school_year", "subject")
    rows = list(sheet.frame.iter_rows(named=True))
    for row in rows:
        place = tuple(str(row[name]) for name in names)
        n = book.count(f"student followed {row['benchmark']}", place, row["n"], "student")
        told: dict[str, tuple[str | None, Key]] = {}
        parts: list[Key] = []
        for end in ("start", "end"):
            part, label = entry.part(n, f"{n.measure} met at {end}", round(row[f"{end}_share"] * row["n"]), "student")
            parts.append(part)
            told[f"{end}_share"] = (label, n)
        entered[*place, row["benchmark"]] = (n, *parts)
        labels.append(told)
    for row, label_of in zip(rows, labels, strict=True):
        place = tuple(str(row[name]) for name in names)
        n, at_start, at_end = entered[*place, row["benchmark"]]
        beside = entered.get((*place[:2], "none", *place[3:], row["benchmark"]), ())
        teachers = (book.count(f"teacher followed {row['benchmark']}", place, row["n_teachers"], "staff"),)
        sheet.reveals.append(
            {"n": (n,), "n_teachers": teachers, "start_share": (n, at_start), "end_share": (n, at_end)}
            | dict.fromkeys(("closed_share", *INTERVAL, "null_reason"), (n, at_start, at_end))
            | {"comparison_n": beside[:1], "comparison_closed_share": beside}
        )
        sheet.coded.append(label_of)
    of_place: dict[tuple[str, ...], list[Keys]] = {}
    for (*at, _), keys in entered.items():
        of_place.setdefault(tuple(at), []).append(keys)
    for first, *others in of_place.values():  # benchmarks of one subject are mostly about the same students
        for same in others:
            if _alike(book, first, same):
                book.equations += [(key, (other,)) for key, other in zip(first, same, strict=True)]
    measures = {key.measure for key in book.cells if key.measure.startswith("student followed")}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3))


def _alike(book: Book, keys: Keys, others: Keys) -> bool:
    return all(book.cells[key].value == book.cells[other].value for key, other in zip(keys, others, strict=True))


PUBLISHED: dict[str, Callable[[Sheet, Entry], None]] = {
    "program_reach": _program_reach,
    "teacher_retention": _teacher_retention,
    "achievement_gap": _achievement_gap,
    "benchmark_gap": _benchmark_gap,
}
