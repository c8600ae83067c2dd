"""matched_teacher: whom fellows and mentees are compared with."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import polars as pl
import pytest

from candidates import candidate, pool
from scenario import Row, Scenario
from steps import STEP, told

COMPARED = (
    ("fellow", "none", ("none", "applicant")),
    ("mentee", "none", ("none", "applicant")),
    ("fellow", "applicant", ("applicant",)),
)
PARTS = {"fellow": 12, "mentee": 10, "none": 60, "applicant": 8}
METHODS = ("nearest", "full", "weighting")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def matched(lake: Scenario, rows: list[Row]) -> pl.DataFrame:
    return lake.write("matching_candidate", *rows).run(STEP["matched_teacher"])


def renamed(rows: list[Row]) -> list[Row]:
    """The same teachers under other keys, in another order."""
    return [row | {"staff_key": f"{row['staff_key'][::-1].strip('x')}y"} for row in reversed(rows)]


def test_each_candidate_stands_once_per_population_and_method_with_those_of_its_part_and_of_none(
    lake: Scenario,
) -> None:
    rows = pool(1, PARTS | {"former": 7})

    found = matched(lake, rows)

    parts = {row["staff_key"].ljust(32, "0"): row["part"] for row in rows}
    counted = found.with_columns(part=pl.col("staff_key").replace_strict(parts)).group_by(
        "population", "comparison", "matching", "part", "is_treated"
    )
    assert sorted(counted.len().rows()) == sorted(
        (population, comparison, method, part, part == population, PARTS[part])
        for (population, comparison, others), method in product(COMPARED, METHODS)
        for part in (population, *others)
    )


def test_nobody_is_matched_across_states_subjects_or_years(lake: Scenario) -> None:
    """Each stratum has fellows of a kind that others of the stratum are, and those of another are not."""
    strata = [{}, {"state": "MO"}, {"subject": "mathematics"}, {"school_year": 2016}]
    rows = [
        row | stratum | {"staff_key": f"{place}{row['staff_key']}"}
        for place, stratum in enumerate(strata)
        for row in pool(place, {"fellow": 5, "none": 15})
    ]

    found = matched(lake, rows).filter(pl.col("population") == "fellow", pl.col("matching") != "weighting")

    sets = found.drop_nulls("match_set").group_by("comparison", "matching", "match_set")
    of_set = sets.agg(pl.struct("state", "subject", "school_year").n_unique(), pl.col("is_treated").n_unique())
    assert len(of_set) > 10
    assert set(of_set["state"]) == {1}
    assert set(of_set["is_treated"]) == {2}


def test_a_stratum_of_fellows_or_of_others_alone_is_in_no_matched_sample(lake: Scenario) -> None:
    alone = [candidate("annx", "fellow", subject="mathematics"), candidate("bobx", school_year=2013)]

    found = matched(lake, [*pool(2, {"fellow": 5, "none": 15}), *alone])

    columns = ("propensity_logit", "is_on_support", "match_set", "match_weight")
    of_both = [(None, False, None, 0.0)] * 12  # ann with either comparison, bob to fellows and to mentees
    assert told(found.filter(pl.col("staff_key").str.contains("^(ann|bob)")), *columns) == of_both


def test_nearest_takes_one_like_each_fellow_and_weighs_both_alike(lake: Scenario) -> None:
    years = (2.0, 6.0, 11.0)
    fellows = [candidate(f"f{i}x", "fellow", experience_years=y) for i, y in enumerate(years)]
    like = [candidate(f"n{i}x", experience_years=y, part=("none", "applicant")[i % 2]) for i, y in enumerate(years)]
    unlike = [candidate(f"u{i}x", experience_years=y + 2) for i, y in enumerate((2.0, 6.0, 11.0, 3.0))]

    found = matched(lake, [*fellows, *like, *unlike]).filter(population="fellow", comparison="none", matching="nearest")

    pairs = found.filter(pl.col("match_weight") > 0).sort("match_set", "is_treated")
    assert told(pairs.sort("staff_key"), "staff_key", "match_weight", "is_treated") == [
        *((f"f{i}x", 1.0, True) for i in range(3)),
        *((f"n{i}x", 1.0, False) for i in range(3)),
    ]
    of_set = pairs.group_by("match_set").agg(pl.col("staff_key").str.slice(1, 1).n_unique())
    assert of_set["staff_key"].to_list() == [1, 1, 1]


@pytest.mark.parametrize(("population", "comparison"), [of[:2] for of in COMPARED])
@pytest.mark.parametrize("method", METHODS)
def test_the_comparison_weighs_as_much_as_the_treated_and_these_weigh_1(
    lake: Scenario, method: str, population: str, comparison: str
) -> None:
    rows = [
        row | {"subject": ("ela", "mathematics")[i % 2]} for i, row in enumerate(pool(3, PARTS | {"applicant": 40}))
    ]

    found = matched(lake, rows).filter(population=population, comparison=comparison, matching=method)

    weights = found.group_by("subject").agg(
        treated=pl.col("match_weight").filter("is_treated").sum(),
        others=pl.col("match_weight").filter(~pl.col("is_treated")).sum(),
    )
    assert weights["treated"].min() >= 2
    assert weights["others"].to_list() == pytest.approx(weights["treated"].to_list())
    assert set(found.filter("is_treated")["match_weight"]) <= {0.0, 1.0}
    assert found["match_weight"].min() >= 0


def test_other_keys_of_the_home_and_another_order_of_rows_change_nobodys_match(lake: Scenario) -> None:
    rows = pool(4, PARTS)
    said = (
        "population",
        "comparison",
        "matching",
        "is_treated",
        "propensity_logit",
        "is_on_support",
        "match_set",
        "match_weight",
    )

    first = matched(lake, rows)
    second = matched(lake, renamed(rows))

    assert first["is_tied"].any() is False
    assert first.select(said).sort(said).equals(second.select(said).sort(said))
    keys = {
        row["staff_key"].ljust(32, "0"): again["staff_key"].ljust(32, "0")
        for row, again in zip(rows, renamed(rows)[::-1], strict=True)
    }
    who = pl.col("staff_key").replace_strict(keys)
    together = ("population", "comparison", "matching", "staff_key", "match_set", "match_weight")
    assert first.with_columns(who).select(together).sort(together).equals(second.select(together).sort(together))


def test_of_equals_the_one_with_fewer_students_is_taken_and_of_such_who_are_equal_too_it_is_said(
    lake: Scenario,
) -> None:
    equals = {"experience_years": 5.0}
    rows = [candidate("fayx", "fellow", **equals), candidate("sam", "fellow", experience_years=9.0)]
    rows += [candidate(name, n_students=n, **equals) for name, n in (("big", 50), ("low", 10), ("mid", 30))]
    rows += [candidate("other", experience_years=20.0)]

    for these in (rows, renamed(rows)):
        found = matched(lake, these).filter(population="fellow", comparison="none", matching="nearest")
        students = {row["staff_key"].ljust(32, "0"): row["n_students"] for row in these}
        taken = found.filter(pl.col("match_weight") > 0, ~pl.col("is_treated"))
        assert [students[key] for key in taken["staff_key"]] == [10]
        assert found.filter("is_tied").height == 3


def test_without_candidates_nobody_is_matched(lake: Scenario) -> None:
    assert matched(lake, []).height == 0
    assert lake.run(STEP["match_balance"]).height == 0
