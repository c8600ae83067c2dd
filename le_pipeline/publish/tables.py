"""What each published table shows: the cells that every column of every row gives away.

A figure is shown only where all cells are shown that it could be turned into: a share gives away its numerator, a gap
and one side the other side, a difference from a comparison group both groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from le_pipeline.publish.book import ALL, STATE, Book, Key
from schemas import registry
from schemas.profile import ProfileOf, Unit
from schemas.registry import Table

Row = Mapping[str, Any]
Keys = tuple[Key, ...]


@dataclass
class Sheet:
    """One table to be published, by row.

    `reveals`: the cells that a column gives away, None for a column that is never shown; columns that it does not name
    give nothing away. `parts`: of a column of shares, the part of its group that may be told in bands. `there`: why
    there is such a row: that somebody is in one of these cells, or, where two are named together, in both. Unless one
    of them is shown the row is left out, as a row for nobody would be.
    """

    table: Table
    frame: pl.DataFrame
    reveals: list[dict[str, Keys | None]] = field(default_factory=list)
    parts: list[dict[str, Key]] = field(default_factory=list)
    there: list[list[Keys]] = field(default_factory=list)


def sheets(marts: Mapping[str, pl.DataFrame], book: Book, profile_of: ProfileOf) -> list[Sheet]:
    """Every one of the marts, entered into the book."""
    found = []
    for name, mart in marts.items():
        table = registry.tables()[name]
        sheet = Sheet(table, mart.sort(table.key))
        PUBLISHED[name](sheet, book, profile_of)
        found.append(sheet)
        for row in sheet.reveals:
            book.show(key for keys in row.values() for key in keys or ())
    _link(book)
    return found


FOLLOWED = re.compile(r"student followed [^ ~]+")


def _link(book: Book) -> None:
    """Counts of two tables about the same people: whom the one counts and the other does not is a count as well."""
    for key in list(book.cells):
        measure, places = key.measure, key.dimensions
        if measure in ("active fellow", "active mentee"):  # of those who have the role, who is still in the program
            state, region, school_year = places
            observed = Key("teacher", (state, measure.split()[1], region, ALL, ALL, school_year))
            waiting = observed._replace(measure="teacher not observed")
            if observed in book.cells and waiting in book.cells:
                both = book.cells[observed].value + book.cells[waiting].value
                ever = book.count("teacher ever", observed.dimensions, both, "staff")
                book.equations.append((ever, (observed, waiting)))
                book.add_up(ever, [key], "teacher no longer")
        elif FOLLOWED.fullmatch(measure):
            tested = Key("student tested", places)
            if tested in book.cells:  # of those tested, who was tested before
                book.add_up(tested, [key], f"{measure} not")


def _program_reach(sheet: Sheet, book: Book, _: ProfileOf) -> None:
    for row in sheet.frame.iter_rows(named=True):
        place = (row["state"], row["region"], row["school_year"])
        teachers = book.count("active teacher", place, row["n_teachers_supported"], "staff")
        fellows = book.count("active fellow", place, row["n_fellows"], "staff")
        mentees = book.count("active mentee", place, row["n_mentees"], "staff")
        book.add_up(teachers, [fellows, mentees], "other")
        shown = {"n_fellows": fellows, "n_mentees": mentees, "n_teachers_supported": teachers}
        shown["n_students"] = book.count("student reached", place, row["n_students"], "student")
        sheet.reveals.append({column: (key,) for column, key in shown.items()})
        sheet.parts.append({})
        sheet.there.append([(key,) for key in shown.values()])
    book.add_margins(["active fellow", "active mentee", "active teacher", "student reached"], summed=(STATE, 1))


LEVELS = ("school", "lea", "state")
OTHERS = "none"  # teachers in no program, with whom those in it are compared
HIGH_POVERTY = "high_poverty_school"
TEACHER, IN_HIGH_POVERTY = "teacher", "teacher in high poverty"
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


def _teacher_retention(sheet: Sheet, book: Book, profile_of: ProfileOf) -> None:
    retained: set[Key] = set()
    rows = list(sheet.frame.iter_rows(named=True))
    for row in rows:
        teachers = _teachers(row)
        book.count(teachers.measure, teachers.dimensions, row["n"], "staff")
        if row["retained"] is not None:
            kept = _retained(row)
            retained.add(book.part(teachers, kept.measure, row["retained"], "staff", profile_of(row["state"])))
    _outcomes(book, retained)
    for row in rows:
        n = (_teachers(row),)
        waiting = book.count(f"{n[0].measure} not observed", n[0].dimensions, row["n_not_observed"], "staff")
        kept = _retained(row)
        own = (*n, kept) if kept in retained else n
        sheet.reveals.append(
            {"n": n, "n_not_observed": (waiting,), "n_schools": n, "retained": own}
            | dict.fromkeys(("retention_share", *INTERVAL), own)
            | _compared(row, own, retained)
        )
        sheet.parts.append({"retention_share": kept} if kept in retained else {})
        sheet.there.append([n, (waiting,)])
    for key in [key for key in book.cells if key.measure == IN_HIGH_POVERTY]:
        _unknown_next(book, key)
    measures = {key.measure for key in book.cells if key.measure.startswith("teacher")}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3, 4))


def _unknown_next(book: Book, key: Key) -> None:
    """Who moved to a school of unknown poverty is not observed where poverty counts, and is elsewhere."""
    everywhere = key._replace(measure=TEACHER)
    waiting, more = (group._replace(measure=f"{group.measure} not observed") for group in (everywhere, key))
    if everywhere in book.cells and book.add_up(everywhere, [key], "teacher of unknown next school"):
        book.add_up(more, [waiting], "teacher of unknown next school")


def _compared(row: Row, own: Keys, retained: Set[Key]) -> dict[str, Keys | None]:
    """What the columns about others give away. That there are no others is not told: few are not shown either."""
    if row["role"] in (ALL, OTHERS):
        return {}
    others = {**row, "role": OTHERS, "cohort": ALL}
    beside = (_teachers(others), _retained(others))
    if not row["comparison_n"] or beside[1] not in retained:
        return dict.fromkeys(("comparison_n", "comparison_retained", "comparison_share", *COMPARED))
    return (
        {"comparison_n": beside[:1]}
        | dict.fromkeys(("comparison_retained", "comparison_share"), beside)
        | dict.fromkeys(COMPARED, (*own, *beside))
    )


def _teachers(row: Row) -> Key:
    """Whom a row is about: of teachers in high-poverty schools, `all` bands are that band."""
    is_high = row["level"] == HIGH_POVERTY
    band = "high" if is_high and row["poverty_band"] == ALL else row["poverty_band"]
    places = (row["state"], row["role"], row["region"], row["cohort"], band, str(row["school_year"]))
    return Key(IN_HIGH_POVERTY if is_high else TEACHER, places)


def _retained(row: Row) -> Key:
    teachers = _teachers(row)
    return teachers._replace(measure=f"{teachers.measure} retained {row['definition']} {row['level']}")


def _outcomes(book: Book, retained: Set[Key]) -> None:
    """What wider levels and the inclusive definition add are outcomes: counts of people themselves."""
    for key in sorted(retained):
        group, _, how = key.measure.partition(" retained ")
        definition, level = how.split()
        if definition == "inclusive":
            narrow = key._replace(measure=f"{group} retained strict {level}")
            _adds(book, key, narrow, "teacher promoted within")
        elif level in LEVELS[1:]:
            narrow = key._replace(measure=f"{group} retained strict {LEVELS[LEVELS.index(level) - 1]}")
            _adds(book, key, narrow, f"teacher moved within {level}")
        elif level == HIGH_POVERTY:
            whole = key._replace(measure=f"{TEACHER} retained strict state")
            _adds(book, whole, key, "teacher moved to lower poverty")


def _adds(book: Book, wide: Key, narrow: Key, measure: str) -> None:
    if wide in book.cells and narrow in book.cells and book.cells[wide].value >= book.cells[narrow].value:
        left = book.count(measure, wide.dimensions, book.cells[wide].value - book.cells[narrow].value, "staff")
        book.equations.append((wide, (narrow, left)))
        of_wide, of_narrow = (key._replace(measure=f"{key.measure}~not") for key in (wide, narrow))
        if book.cells[of_narrow].value == book.cells[of_wide].value + book.cells[left].value:
            book.equations.append((of_narrow, (of_wide, left)))  # whom the wider one adds, the narrower one leaves out


SIDES = ("a", "b")
BOTH_SIDES = (
    "gap_sd",
    "hedges_g",
    *INTERVAL,
    "v_statistic",
    "scale_score_difference",
)
# of two levels, V from levels is a function of the two shares
BOTH_SHARES = (
    "v_statistic_from_levels",
    *(f"proficiency_gap_{name}" for name in ("percentage_points", *INTERVAL)),
)


def _achievement_gap(sheet: Sheet, book: Book, profile_of: ProfileOf) -> None:
    groups: dict[tuple[str, ...], dict[str, dict[str, Key]]] = {}
    for row in sheet.frame.iter_rows(named=True):
        place = tuple(str(row[name]) for name in ("state", "region", "role", "grade_band", "school_year", "subject"))
        shown: dict[str, Keys] = {}
        parts: dict[str, Key] = {}
        for side in SIDES:
            group = row[f"group_{side}"]
            n = book.count(f"student of {row['subgroup']} {group}", place, row[f"n_{side}"], "student")
            groups.setdefault(place, {}).setdefault(row["subgroup"], {})[group] = n
            shown |= {f"n_{side}": (n,), f"mean_z_{side}": (n,), f"proficient_share_{side}": (n,)}
            if (share := row[f"proficient_share_{side}"]) is not None:
                count = round(share * row[f"n_{side}"])
                part = book.part(n, f"{n.measure} proficient", count, "student", profile_of(row["state"]))
                shown[f"proficient_share_{side}"] = (n, part)
                parts[f"proficient_share_{side}"] = part
        pair = book.count(f"student of {row['subgroup']} {row['group_a']} {row['group_b']}", place, row["n"], "student")
        book.add_up(pair, [shown["n_a"][0], shown["n_b"][0]], "other")
        shown |= {"n": (pair,)} | dict.fromkeys(BOTH_SIDES, (*shown["n_a"], *shown["n_b"]))
        shown |= dict.fromkeys(BOTH_SHARES, (*shown["proficient_share_a"], *shown["proficient_share_b"]))
        sheet.reveals.append({**shown})
        sheet.parts.append(parts)
        sheet.there.append([(*shown["n_a"], *shown["n_b"])])
    for place, subgroups in groups.items():
        _same_students(book, place, {name: list(members.values()) for name, members in subgroups.items()})
    measures = {key.measure for key in book.cells if key.measure.startswith(("student of", "student tested"))}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3))


def _same_students(book: Book, place: tuple[str, ...], subgroups: Mapping[str, list[Key]]) -> None:
    """The students of a place are parted in several ways, and so are those of them who are proficient."""
    total = book.count("student tested", place, max(_sum(book, keys) for keys in subgroups.values()), "student")
    proficient = {
        name: [key._replace(measure=f"{key.measure} proficient") for key in keys] for name, keys in subgroups.items()
    }
    known = {name: keys for name, keys in proficient.items() if all(key in book.cells for key in keys)}
    part: Key | None = None
    if known:
        most = min(max(_sum(book, keys) for keys in known.values()), book.cells[total].value)
        part = _parted(book, total, most)
    for name, keys in subgroups.items():
        has_rest = book.add_up(total, keys, f"student of no {name}")
        if part and name in known:
            rest = f"student of no {name} proficient"
            if book.add_up(part, known[name], rest, has_rest=has_rest) and has_rest:
                whole = total._replace(measure=f"student of no {name}")
                _parted(book, whole, book.cells[whole._replace(measure=rest)].value)


def _parted(book: Book, whole: Key, proficient: int) -> Key:
    """The proficient of a group whose share no table tells, and the others."""
    size = book.cells[whole].value
    key = book.count(f"{whole.measure} proficient", whole.dimensions, proficient, "student", is_rate=size > 0)
    if proficient <= size:
        rest = book.count(f"{key.measure}~not", whole.dimensions, size - proficient, "student", is_rate=size > 0)
        book.equations.append((whole, (key, rest)))
    return key


def _sum(book: Book, keys: list[Key]) -> int:
    return sum(book.cells[key].value for key in keys)


def _benchmark_gap(sheet: Sheet, book: Book, profile_of: ProfileOf) -> None:
    entered: dict[tuple[str, ...], Keys] = {}
    names = ("state", "region", "role", "grade_band", "school_year", "subject")
    rows = list(sheet.frame.iter_rows(named=True))
    for row in rows:
        place = tuple(str(row[name]) for name in names)
        n = book.count(f"student followed {row['benchmark']}", place, row["n"], "student")
        profile = profile_of(row["state"])
        met = {end: round(row[f"{end}_share"] * row["n"]) for end in ("start", "end")}
        parts = [book.part(n, f"{n.measure} met at {end}", met[end], "student", profile) for end in met]
        entered[*place, row["benchmark"]] = (n, *parts)
    for row in rows:
        place = tuple(str(row[name]) for name in names)
        n, at_start, at_end = entered[*place, row["benchmark"]]
        # that there are no others is not told: few are not shown either
        beside: Keys | None = entered.get((*place[:2], OTHERS, *place[3:], row["benchmark"]))
        if row["role"] in (ALL, OTHERS):
            beside = ()
        teachers = (book.count(f"teacher followed {row['benchmark']}", place, row["n_teachers"], "staff"),)
        shown: dict[str, Keys | None] = {"n": (n,), "n_teachers": teachers}
        shown |= {"start_share": (n, at_start), "end_share": (n, at_end)}
        shown["closed_share"] = (n, at_start, at_end)
        shown |= dict.fromkeys((*INTERVAL, "null_reason"), (n, at_start, at_end, *teachers))  # there may be too few
        shown |= {"comparison_n": beside and beside[:1], "comparison_closed_share": beside}
        sheet.reveals.append(shown)
        sheet.parts.append({"start_share": at_start, "end_share": at_end})
        sheet.there.append([(n,)])
    of_place: dict[tuple[str, ...], list[Keys]] = {}
    for (*at, _), keys in entered.items():
        of_place.setdefault(tuple(at), []).append(keys)
    for first, *others in of_place.values():  # benchmarks of one subject are mostly about the same students
        for same in others:
            if _alike(book, first, same):
                book.equations += [(key, (other,)) for key, other in zip(first, same, strict=True)]
    measures = {key.measure for key in book.cells if key.measure.startswith(("student followed", "teacher followed"))}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3))


def _alike(book: Book, keys: Keys, others: Keys) -> bool:
    return all(book.cells[key].value == book.cells[other].value for key, other in zip(keys, others, strict=True))


COUNTED: dict[str, dict[str, Unit]] = {
    "program_reach": {
        "n_fellows": "staff",
        "n_mentees": "staff",
        "n_teachers_supported": "staff",
        "n_students": "student",
    },
    "teacher_retention": {
        "n": "staff",
        "n_not_observed": "staff",
        "retained": "staff",
        "comparison_n": "staff",
        "comparison_retained": "staff",
    },
    "achievement_gap": {"n": "student", "n_a": "student", "n_b": "student"},
    "benchmark_gap": {"n": "student", "n_teachers": "staff", "comparison_n": "student"},
}
"""Columns that count people: what the last check before a release holds against the smallest counts there may be."""

PUBLISHED: dict[str, Callable[[Sheet, Book, ProfileOf], None]] = {
    "program_reach": _program_reach,
    "teacher_retention": _teacher_retention,
    "achievement_gap": _achievement_gap,
    "benchmark_gap": _benchmark_gap,
}
