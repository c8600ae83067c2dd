"""What tables give away: numerators of shares, outcomes between levels, the group that one is compared with."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from le_pipeline.publish.book import Book, Key
from le_pipeline.publish.tables import PUBLISHED, Sheet, sheets
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.profile import of_state, profiles

PROFILES = profiles(Path("no profiles of one's own"))
ROW = {"state": "LA", "role": "none", "region": "all", "cohort": "all", "poverty_band": "all", "school_year": 2015}


def entered(**rows: list[dict[str, object]]) -> tuple[Book, dict[str, Sheet]]:
    """The book of marts that have these rows; other columns are empty."""
    marts = {
        name: pl.DataFrame(rows.get(name, []), schema=polars_schema(registry.tables()[name]), orient="row")
        for name in PUBLISHED
    }
    book = Book(benchmarks={("naep", "ela"): {0.4, 0.33}})
    found = sheets(marts, book, lambda state: of_state(PROFILES, state), lambda *_: True)
    return book, {sheet.table.name: sheet for sheet in found}


def retention(definition: str, level: str, retained: int, **changed: object) -> dict[str, object]:
    row = ROW | {"definition": definition, "level": level, "n": 40, "n_not_observed": 0, "retained": retained}
    return row | changed


def test_a_share_gives_away_its_numerator() -> None:
    _, found = entered(teacher_retention=[retention("strict", "school", 30)])
    (row,) = found["teacher_retention"].reveals

    assert row["n"] == (Key("teacher", ("LA", "none", "all", "all", "all", "2015")),)
    assert {key.measure for key in row["retention_share"]} == {"teacher", "teacher retained strict school"}


def test_what_a_wider_level_adds_is_a_count_of_people_who_moved() -> None:
    book, _ = entered(teacher_retention=[retention("strict", "school", 30), retention("strict", "lea", 33)])

    moved = Key("teacher moved within lea", ("LA", "none", "all", "all", "all", "2015"))
    assert book.cells[moved].value == 3
    assert book.cells[moved].is_hidden  # no table shows it, and it is protected all the same


def test_a_difference_gives_away_both_groups() -> None:
    fellows = retention("strict", "school", 8, role="fellow", n=9, comparison_n=40, comparison_retained=30)
    _, found = entered(teacher_retention=[retention("strict", "school", 30), fellows])
    row = next(row for row in found["teacher_retention"].reveals if row["comparison_n"])

    assert {key.dimensions[1] for key in row["risk_difference_percentage_points"]} == {"fellow", "none"}
    assert {key.dimensions[1] for key in row["comparison_share"]} == {"none"}


def test_a_gap_gives_away_both_sides_and_groups_are_parts_of_the_same_students() -> None:
    gap = {"state": "LA", "region": "all", "role": "all", "school_year": 2015, "subject": "ela", "grade_band": "all"}
    pairs = [
        gap | {"subgroup": "sex", "group_a": "female", "group_b": "male", "n": 60, "n_a": 53, "n_b": 7},
        gap | {"subgroup": "disability", "group_a": "no", "group_b": "yes", "n": 60, "n_a": 52, "n_b": 8},
    ]
    book, found = entered(achievement_gap=pairs)
    by_sex = next(row for row in found["achievement_gap"].reveals if "sex" in row["n_a"][0].measure)

    assert [key.measure for key in by_sex["hedges_g"]] == ["student of sex female", "student of sex male"]
    totals = [total for total, _ in book.equations if total.measure == "student tested"]
    assert len(totals) == 2 and len(set(totals)) == 1


def test_a_mix_of_benchmarks_would_tell_how_many_are_in_each_grade() -> None:
    row = {"state": "LA", "region": "all", "role": "all", "school_year": 2015, "subject": "ela", "benchmark": "naep"}
    row |= {"n": 60, "n_teachers": 9, "start_share": 0.5, "end_share": 0.6}
    rows = [row | {"grade_band": "all", "benchmark_share": 0.37}, row | {"grade_band": "3-5", "benchmark_share": 0.4}]
    _, found = entered(benchmark_gap=rows)
    one, mixed = found["benchmark_gap"].reveals  # in order of the key

    for column in ("benchmark_share", "benchmark_source", "closed_share", "ci_low", "null_reason"):
        assert mixed[column] is None  # never shown
        assert one[column] is not None
