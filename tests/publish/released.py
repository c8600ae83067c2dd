"""Made-up people, the marts that come of them, and a home whose warehouse holds those; for tests of releases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from le_pipeline.home import Home
from le_pipeline.warehouse import ddl
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.release import TABLES

YEAR = 2016
RACES = ("white", "black_or_african_american", "hispanic_or_latino", "asian")
SHARES = (0.6, 0.25, 0.11, 0.04)
REGIONS, ROLES = ("North", "South"), ("fellow", "mentee", "none")
PAIRS = {"sex": [("female", "male")], "race_ethnicity": [(RACES[0], other) for other in RACES[1:]]}
OUTCOMES = ("stayer", "mover_within_lea", "mover_out_of_lea", "promoted_within", "leaver")
KEPT = {  # outcomes that count as retained, by definition and level
    ("strict", "school"): {"stayer"},
    ("strict", "lea"): {"stayer", "mover_within_lea"},
    ("strict", "state"): {"stayer", "mover_within_lea", "mover_out_of_lea"},
    ("inclusive", "school"): {"stayer", "promoted_within"},
}


def students(count: int, seed: int) -> pl.DataFrame:
    """Students of Louisiana, one row each: where, with whose teacher, who, and how they scored."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "state": ["LA"] * count,
            "region": rng.choice(REGIONS, count, p=(0.7, 0.3)),
            "role": rng.choice(ROLES, count, p=(0.15, 0.25, 0.6)),
            "sex": rng.choice(("female", "male"), count),
            "race_ethnicity": rng.choice(RACES, count, p=SHARES),
            "z": rng.normal(size=count),
            "proficient": rng.random(count) < 0.4,
        }
    )


def teachers(count: int, seed: int) -> pl.DataFrame:
    """Teachers of Louisiana, one row each, and what became of them."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "state": ["LA"] * count,
            "region": rng.choice(REGIONS, count, p=(0.7, 0.3)),
            "role": rng.choice(ROLES, count, p=(0.15, 0.25, 0.6)),
            "outcome": rng.choice(OUTCOMES, count, p=(0.7, 0.1, 0.06, 0.04, 0.1)),
        }
    )


def achievement_gap(people: pl.DataFrame) -> pl.DataFrame:
    """The mart, as far as a release looks at it, of every breakdown by region and role."""
    rows = []
    for place in _cube(people):
        own = _of(people, place)
        for subgroup, pairs in PAIRS.items():
            for a, b in pairs:
                one, other = (own.filter(pl.col(subgroup) == group) for group in (a, b))
                if one.is_empty() or other.is_empty():
                    continue
                gap = float(one["z"].mean()) - float(other["z"].mean())  # type: ignore[arg-type]
                rows.append(
                    place
                    | {"subgroup": subgroup, "group_a": a, "group_b": b, "n": one.height + other.height}
                    | {"n_judged_a": one.height, "n_judged_b": other.height}
                    | {"n_a": one.height, "n_b": other.height, "mean_z_a": one["z"].mean()}
                    | {"mean_z_b": other["z"].mean(), "gap_sd": gap, "hedges_g": gap}
                    | {"proficient_share_a": one["proficient"].mean(), "proficient_share_b": other["proficient"].mean()}
                    | {"school_year": YEAR, "subject": "ela", "grade_band": "all"}
                )
    return _mart("achievement_gap", rows)


def teacher_retention(people: pl.DataFrame) -> pl.DataFrame:
    """The mart, as far as a release looks at it, of every breakdown by region and role."""
    rows = []
    for place in _cube(people):
        own, others = _of(people, place), _of(people, place | {"role": "none"})
        for (definition, level), kept in KEPT.items():
            retained = own.filter(pl.col("outcome").is_in(kept)).height
            row = place | {"definition": definition, "level": level, "n": own.height, "n_not_observed": 0}
            row |= {"retained": retained, "retention_share": retained / own.height, "n_schools": 3}
            row |= {"cohort": "all", "poverty_band": "all", "school_year": YEAR}
            if place["role"] not in ("all", "none") and others.height:
                stayed = others.filter(pl.col("outcome").is_in(kept)).height
                share = stayed / others.height
                row |= {"comparison_n": others.height, "comparison_retained": stayed, "comparison_share": share}
                row["risk_difference_percentage_points"] = 100 * (row["retention_share"] - share)
            rows.append(row)
    return _mart("teacher_retention", rows)


def program_reach(people: pl.DataFrame) -> pl.DataFrame:
    """The mart, as far as a release looks at it; of some mentees the program has lost sight."""
    rows = []
    for place in _cube(people.drop("role")):
        own = _of(people, place)
        fellows, mentees = (own.filter(pl.col("role") == role).height for role in ("fellow", "mentee"))
        counts = {"n_fellows": fellows, "n_mentees": mentees, "n_teachers_supported": fellows + mentees}
        rows.append(
            place | {"school_year": YEAR, "n_students": 400, "n_schools": 12, "n_high_poverty_schools": 6} | counts
        )
    return _mart("program_reach", rows)


def home_with(root: Path, **marts: pl.DataFrame) -> Home:
    """A home whose warehouse holds these marts; others are empty."""
    home = Home.at(root)
    home.create()
    home.warehouse.unlink(missing_ok=True)
    with duckdb.connect(home.warehouse) as con:
        con.execute("create schema marts; create schema canonical")
        for name in (*TABLES, "delivery"):
            table = registry.tables()[name]
            for statement in ddl.create_table(table.model_copy(update={"columns": _optional(table)})):
                con.execute(statement)
            if name in marts:
                con.register("mart", marts[name].to_arrow())
                con.table("mart").insert_into(table.qualified_name)
                con.unregister("mart")
    (home.release_content).write_text(
        f"tables: [{', '.join(marts)}]\nbreakdowns: [[region], [role], [region, role]]\n", encoding="utf-8"
    )
    return home


def _optional(table: registry.Table) -> tuple[registry.Column, ...]:
    """Its columns, of which only the key has to be there."""
    return tuple(
        column if column.name in table.key else column.model_copy(update={"required": False})
        for column in table.columns
    )


def _cube(people: pl.DataFrame) -> Iterable[dict[str, str]]:
    """Every combination of values that somebody has, `all` in the place of each dimension in turn."""
    dimensions = [name for name in ("state", "region", "role") if name in people.columns]
    for size in range(len(dimensions) + 1):
        for chosen in combinations(dimensions, size):
            named = people.select(chosen).unique().sort(chosen).iter_rows(named=True) if chosen else [{}]
            for values in named:
                yield {name: values.get(name, "all") for name in dimensions}


def _of(people: pl.DataFrame, place: dict[str, str]) -> pl.DataFrame:
    named = [pl.col(name) == value for name, value in place.items() if value != "all"]
    return people.filter(named) if named else people


def _mart(name: str, rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=polars_schema(registry.tables()[name]), orient="row")
