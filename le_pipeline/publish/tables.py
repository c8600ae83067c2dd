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
    of them is shown the row is left out, as a row for nobody would be. `is_chosen`: whether the row is released at all;
    others are there since more can be worked out from what is released, together with what they say.
    """

    table: Table
    frame: pl.DataFrame
    reveals: list[dict[str, Keys | None]] = field(default_factory=list)
    parts: list[dict[str, Key]] = field(default_factory=list)
    there: list[list[Keys]] = field(default_factory=list)
    is_chosen: list[bool] = field(default_factory=list)


def sheets(
    marts: Mapping[str, pl.DataFrame], book: Book, profile_of: ProfileOf, is_chosen: Callable[[str, Row], bool]
) -> list[Sheet]:
    """Every one of the marts, entered into the book. `is_chosen`: whether a row of a mart is to be released."""
    found = []
    for name, mart in marts.items():
        table = registry.tables()[name]
        sheet = Sheet(table, mart.sort(table.key))
        PUBLISHED[name](sheet, book, profile_of)
        sheet.is_chosen = [is_chosen(name, row) for row in sheet.frame.iter_rows(named=True)]
        for row, chosen in zip(sheet.reveals, sheet.is_chosen, strict=True):
            if chosen:
                book.show(key for keys in row.values() for key in keys or ())
        found.append(sheet)
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
                book.add_up(_ever(book, observed, waiting), [key], "teacher no longer")
        elif measure == "teacher retained strict state" and set(places[1:-1]) == {
            ALL
        }:  # who teaches there a year later
            observed = Key("teacher", (*places[:-1], str(int(places[-1]) + 1)))
            waiting = observed._replace(measure="teacher not observed")
            if observed in book.cells and waiting in book.cells:
                book.add_up(_ever(book, observed, waiting), [key], "teacher new")
        elif FOLLOWED.fullmatch(measure):
            met_at = {end: key._replace(measure=f"{measure} met at {end}") for end in ("start", "end")}
            book.within(_judged(places), (key, met_at["end"]), f"{measure} not")  # who was not tested before
            state, region, role, band, school_year, subject = places
            if region == role == band == ALL:  # who was, and is not any more
                before = _judged((state, region, role, band, str(int(school_year) - 1), subject))
                book.within(before, (key, met_at["start"]), f"{measure} no more")


def _judged(places: tuple[str, ...]) -> tuple[Key, Key]:
    """The students of a place whose proficiency is known, and those of them who are proficient."""
    return Key("student tested judged", places), Key("student tested proficient", places)


def _ever(book: Book, observed: Key, waiting: Key) -> Key:
    """Teachers, whether or not it is known what became of them."""
    both = book.cells[observed].value + book.cells[waiting].value
    ever = book.count("teacher ever", observed.dimensions, both, "staff")
    book.equations.append((ever, (observed, waiting)))
    return ever


def _program_reach(sheet: Sheet, book: Book, _: ProfileOf) -> None:
    for row in sheet.frame.iter_rows(named=True):
        place = (row["state"], row["region"], row["school_year"])
        teachers = book.count("active teacher", place, row["n_teachers_supported"], "staff")
        fellows = book.count("active fellow", place, row["n_fellows"], "staff")
        mentees = book.count("active mentee", place, row["n_mentees"], "staff")
        book.add_up(teachers, [fellows, mentees], "other")
        shown = {"n_fellows": fellows, "n_mentees": mentees, "n_teachers_supported": teachers}
        shown["n_students"] = book.count("student reached", place, row["n_students"], "student")
        schools = book.count("active school", place, row["n_schools"], "staff")
        high = book.count("active school of high poverty", place, row["n_high_poverty_schools"], "staff")
        book.add_up(schools, [high], "active school of lower poverty")
        revealed: dict[str, Keys | None] = {column: (key,) for column, key in shown.items()}
        revealed["n_schools"] = (schools,)
        revealed |= dict.fromkeys(("n_high_poverty_schools", "high_poverty_school_share"), (schools, high))
        sheet.reveals.append(revealed)
        sheet.parts.append({})
        sheet.there.append([(key,) for key in shown.values()])
    measures = {key.measure for key in book.cells if key.measure.startswith("active")} | {"student reached"}
    book.add_margins(sorted(measures), summed=(STATE, 1))


LEVELS = ("school", "lea", "state")
OTHERS = "none"  # teachers in no program, with whom those in it are compared
HIGH_POVERTY = "high_poverty_school"
TEACHER, IN_HIGH_POVERTY = "teacher", "teacher in high poverty"
UNKNOWN_NEXT = "teacher of unknown next school"
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
        schools = book.count(f"{n[0].measure} school", n[0].dimensions, row["n_schools"] or 0, "staff")
        shown: dict[str, Keys | None] = {"n": n, "n_not_observed": (waiting,), "n_schools": (*n, schools)}
        shown |= dict.fromkeys(("retained", "retention_share", *INTERVAL), own)
        sheet.reveals.append(shown | _compared(row, (*own, schools), retained))
        sheet.parts.append({"retention_share": kept} if kept in retained else {})
        sheet.there.append([n])
    for key in [key for key in book.cells if key.measure == IN_HIGH_POVERTY]:
        _unknown_next(book, key)
    measures = {key.measure for key in book.cells if key.measure.startswith("teacher")}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3, 4))


def _unknown_next(book: Book, key: Key) -> None:
    """Who moved to a school of unknown poverty is not observed where poverty counts, and is elsewhere."""
    everywhere = key._replace(measure=TEACHER)
    waiting, more = (group._replace(measure=f"{group.measure} not observed") for group in (everywhere, key))
    if everywhere in book.cells and book.add_up(everywhere, [key], UNKNOWN_NEXT):
        book.add_up(more, [waiting], UNKNOWN_NEXT)


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
            _moved_lower(book, key._replace(measure=f"{TEACHER} retained strict state"), key)


def _moved_lower(book: Book, wide: Key, narrow: Key) -> None:
    """Of those retained in the state, some moved to a school of lower poverty, some to one of unknown poverty."""
    everybody, observed = (key._replace(measure=group) for key, group in ((wide, TEACHER), (narrow, IN_HIGH_POVERTY)))
    if wide not in book.cells or everybody not in book.cells:
        return
    unknown = book.cells[everybody].value - book.cells[observed].value
    lower = book.cells[wide].value - book.cells[narrow].value - unknown
    if unknown >= 0 and lower >= 0:
        moved = book.count("teacher moved to lower poverty", wide.dimensions, lower, "staff")
        nowhere = (book.count(UNKNOWN_NEXT, wide.dimensions, unknown, "staff"),) if unknown else ()
        book.equations.append((wide, (narrow, moved, *nowhere)))
        of_narrow, of_wide = (key._replace(measure=f"{key.measure}~not") for key in (narrow, wide))
        book.equations.append((of_narrow, (of_wide, moved)))


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
            if (judged := row[f"n_judged_{side}"]) is not None:
                of = book.count(f"{n.measure} judged", place, judged, "student")
                book.add_up(n, [of], f"{n.measure} unjudged")
                count = round((row[f"proficient_share_{side}"] or 0) * judged)
                part = book.part(of, f"{n.measure} proficient", count, "student", profile_of(row["state"]))
                shown |= {f"n_judged_{side}": (n, of), f"proficient_share_{side}": (n, of, part)}
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
    # of those of no sex, race and so on nothing is told; sums of what is told at least cannot be relied on
    told = (key.measure for key in book.cells if key.measure.startswith("student of"))
    measures = {measure for measure in told if not measure.startswith("student of no ")}
    book.add_margins(sorted(measures), summed=(STATE, 1, 2, 3))


def _same_students(book: Book, place: tuple[str, ...], subgroups: Mapping[str, list[Key]]) -> None:
    """The students of a place are parted in several ways, and so are those of them who are proficient.

    How many there are is told nowhere: at least as many as the characteristics that most have say.
    """
    kinds = ("", " judged", " proficient", " proficient~not")
    totals: dict[str, Key] = {}
    for kind in kinds:
        parts = {
            name: [key._replace(measure=f"{key.measure}{kind}") for key in keys] for name, keys in subgroups.items()
        }
        known = {name: keys for name, keys in parts.items() if all(key in book.cells for key in keys)}
        if known:
            most = max(sum(book.cells[key].value for key in keys) for keys in known.values())
            is_rate = "proficient" in kind and bool(book.cells[totals[" judged"]].value)
            totals[kind] = book.count(f"student tested{kind}", place, most, "student", is_rate=is_rate)
            for name, keys in known.items():
                book.add_up(totals[kind], keys, f"student of no {name}{kind}")
    for whole, *parts_of in (("", " judged"), (" judged", " proficient", " proficient~not")):
        if whole in totals and all(part in totals for part in parts_of):
            values = [book.cells[totals[part]].value for part in parts_of]
            if sum(values) == book.cells[totals[whole]].value:
                book.equations.append((totals[whole], tuple(totals[part] for part in parts_of)))


EXACT = 1e-9
BENCHMARK = ("benchmark_share", "benchmark_source", "benchmark_confidence")


def _benchmark_gap(sheet: Sheet, book: Book, profile_of: ProfileOf) -> None:
    entered: dict[tuple[str, ...], Keys] = {}
    declared = book.benchmarks
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
        # given by grade, a mix of benchmarks tells how many students are in each
        is_one = any(
            abs(row["benchmark_share"] - share) < EXACT for share in declared[row["benchmark"], row["subject"]]
        )
        shown["closed_share"] = (n, at_start, at_end) if is_one else None
        few = (n, at_start, at_end, *teachers) if is_one else None  # teachers may be too few for an interval
        shown |= dict.fromkeys((*INTERVAL, "null_reason"), few)
        shown |= dict.fromkeys(BENCHMARK, () if is_one else None)
        shown |= {"comparison_n": beside and beside[:1], "comparison_closed_share": beside if is_one else None}
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
    "achievement_gap": {
        "n": "student",
        "n_a": "student",
        "n_b": "student",
        "n_judged_a": "student",
        "n_judged_b": "student",
    },
    "benchmark_gap": {"n": "student", "n_teachers": "staff", "comparison_n": "student"},
}
"""Columns that count people: what the last check before a release holds against the smallest counts there may be."""

PUBLISHED: dict[str, Callable[[Sheet, Book, ProfileOf], None]] = {
    "program_reach": _program_reach,
    "teacher_retention": _teacher_retention,
    "achievement_gap": _achievement_gap,
    "benchmark_gap": _benchmark_gap,
}
