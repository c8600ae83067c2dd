"""teacher_retention: who stays, against whom."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from le_pipeline.measure import statistics
from scenario import Row, Scenario
from steps import STEP, told

WHOLE = {"state": "all", "role": "all", "region": "all", "cohort": "all", "poverty_band": "all"}
DIMENSIONS = ("state", "role", "region", "cohort", "poverty_band")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def teacher(outcome: str | None, school_id: str | None = "1", role: str = "none", **said: Any) -> Row:
    part = {"role": role, "is_active": role != "none", "poverty_band": "low", "in_high_poverty_school": False}
    return {"outcome": outcome, "school_id": school_id} | part | said


def high_poverty(outcome: str | None, next_in_high_poverty_school: bool | None, **said: Any) -> Row:
    return teacher(
        outcome,
        poverty_band="high",
        in_high_poverty_school=True,
        next_in_high_poverty_school=next_in_high_poverty_school,
        **said,
    )


def retention(lake: Scenario, *teachers: Row) -> pl.DataFrame:
    named = [{"staff_key": f"t{i}x"} | row for i, row in enumerate(teachers)]
    lake.write("retention_outcome", *named).run(STEP["retention_sample"])
    return lake.run(STEP["teacher_retention"])


def cell(found: pl.DataFrame, **where: Any) -> Row:
    """The one row of a cell; what is not said is the strict rate of the school over everybody."""
    return found.filter(**({"definition": "strict", "level": "school"} | WHOLE | where)).row(0, named=True)


OUTCOMES = ("stayer", "mover_within_lea", "mover_out_of_lea", "promoted_within", "role_change", "leaver")


def test_the_definitions_of_retention_stand_side_by_side(lake: Scenario) -> None:
    found = retention(lake, *(teacher(outcome) for outcome in OUTCOMES))

    whole = found.filter(**WHOLE)
    assert told(whole, "definition", "level", "n", "retained") == [
        ("inclusive", "lea", 6, 3),
        ("inclusive", "school", 6, 2),
        ("inclusive", "state", 6, 4),
        ("strict", "lea", 6, 2),
        ("strict", "school", 6, 1),
        ("strict", "state", 6, 3),
    ]


def test_a_teacher_promoted_to_principal_is_retained_only_under_the_inclusive_definition(lake: Scenario) -> None:
    found = retention(lake, teacher("promoted_within"))

    shares = {row["definition"]: row["retention_share"] for row in found.filter(**WHOLE).to_dicts()}
    assert shares == {"strict": 0.0, "inclusive": 1.0}


def test_of_high_poverty_schools_only_those_who_start_there_can_be_retained_in_any_of_them(lake: Scenario) -> None:
    found = retention(
        lake,
        high_poverty("stayer", True),
        high_poverty("mover_out_of_lea", True),
        high_poverty("mover_within_lea", False),
        high_poverty("stayer", None),
        high_poverty("leaver", None),
        high_poverty("role_change", True),
        high_poverty("promoted_within", False),
        teacher("mover_within_lea", next_in_high_poverty_school=True),
        teacher("stayer", in_high_poverty_school=None, poverty_band="unknown"),
    )

    counts = ("n", "n_not_observed", "retained")
    strict, inclusive = (cell(found, level="high_poverty_school", definition=d) for d in ("strict", "inclusive"))
    assert [strict[name] for name in counts] == [6, 1, 2]
    assert [inclusive[name] for name in counts] == [6, 1, 3]


def test_a_rate_stands_with_its_error_and_wilsons_interval(lake: Scenario) -> None:
    found = retention(lake, *(teacher("stayer" if i < 81 else "leaver", f"s{i % 7}") for i in range(263)))

    row = cell(found)
    assert (row["n"], row["retained"], row["n_schools"]) == (263, 81, 7)
    assert row["retention_share"] == 81 / 263
    assert row["standard_error"] == pytest.approx((81 / 263 * 182 / 263 / 263) ** 0.5)
    # Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_where_the_next_year_is_not_observed_the_share_is_empty_not_zero(lake: Scenario) -> None:
    found = retention(
        lake,
        teacher("leaver"),
        teacher(None),
        teacher(None, school_year=2016),
        teacher(None, role="fellow", school_year=2016),
    )

    columns = ("n", "n_not_observed", "n_schools", "retained", "retention_share", "standard_error", "ci_low", "ci_high")
    assert [cell(found, school_year=2015)[c] for c in columns[:5]] == [1, 1, 1, 0, 0.0]
    assert [cell(found, school_year=2016)[c] for c in columns] == [0, 2, 0, *[None] * 5]
    fellows = cell(found, school_year=2016, role="fellow")
    assert fellows["comparison_n"] is None
    assert fellows["risk_difference_percentage_points"] is None


def test_every_dimension_has_its_values_and_all_of_them_together(lake: Scenario) -> None:
    here = {"region": "North", "cohort": "1"}
    found = retention(
        lake,
        teacher("stayer", role="fellow", **here),
        teacher("leaver", role="fellow", **here | {"cohort": "2"}),
        teacher("stayer", region="North"),
        teacher("stayer", state="MO", poverty_band="high"),
    ).filter(definition="strict", level="school")

    assert not found.select(DIMENSIONS).is_duplicated().any()
    counts = Counter({row[:-1]: row[-1] for row in told(found, *DIMENSIONS, "n")})
    assert counts["all", "all", "all", "all", "all"] == 4
    assert counts["LA", "all", "all", "all", "all"] == 3
    assert counts["all", "none", "all", "all", "all"] == 2
    assert counts["all", "all", "North", "all", "all"] == 3
    assert counts["all", "fellow", "North", "1", "low"] == 1
    assert counts["MO", "none", "all", "all", "high"] == 1
    assert counts["MO", "none", "North", "all", "all"] == 0
    assert {row[3] for row in counts} == {"all", "1", "2"}


def test_each_part_stands_beside_teachers_without_one_of_the_same_place_and_poverty(lake: Scenario) -> None:
    found = retention(
        lake,
        *(teacher("stayer", f"s{i}", role="fellow", cohort="1") for i in range(4)),
        teacher("leaver", "s4", role="fellow", cohort="1"),
        *(teacher("stayer", f"s{i}") for i in range(2)),
        *(teacher("leaver", f"s{i}") for i in range(2, 4)),
        teacher("stayer", poverty_band="high"),
        teacher("stayer", state="MO"),
    )

    row = cell(found, state="LA", role="fellow", cohort="1", poverty_band="low")
    assert (row["comparison_n"], row["comparison_retained"], row["comparison_share"]) == (4, 2, 0.5)
    assert row["risk_difference_percentage_points"] == pytest.approx(30)
    assert row["relative_change"] == pytest.approx(0.6)
    assert row["odds_ratio"] == pytest.approx(4)
    assert row["cox_index"] == pytest.approx((1 - 3 / 27) * np.log(4) / 1.65)
    comparison = ("comparison_n", "risk_difference_percentage_points", "odds_ratio")
    assert [cell(found, role="none")[c] for c in comparison] == [None] * 3
    assert [cell(found)[c] for c in comparison] == [None] * 3


def test_odds_and_cox_index_are_empty_where_all_or_none_are_retained(lake: Scenario) -> None:
    found = retention(
        lake,
        *(teacher("stayer", f"s{i}", role="fellow") for i in range(3)),
        *(teacher("leaver", f"s{i}") for i in range(3)),
    )

    row = cell(found, role="fellow")
    assert row["risk_difference_percentage_points"] == 100
    columns = ("relative_change", "odds_ratio", "cox_index", "risk_difference_standard_error", "risk_difference_ci_low")
    assert [row[c] for c in columns] == [None] * 5


def test_the_difference_of_a_group_of_one_school_has_no_error_that_would_claim_certainty(lake: Scenario) -> None:
    found = retention(
        lake,
        teacher("stayer", role="mentee"),
        teacher("leaver", role="mentee"),
        *(teacher("stayer" if i % 3 else "leaver", f"s{i}") for i in range(20)),
    )

    row = cell(found, role="mentee")
    assert row["n_clusters"] == 21
    assert row["risk_difference_percentage_points"] is not None
    assert row["risk_difference_standard_error"] is None
    assert row["risk_difference_ci_high"] is None


def test_the_difference_and_its_error_are_those_of_least_squares_with_errors_clustered_by_school(
    lake: Scenario,
) -> None:
    random = np.random.default_rng(11)
    teachers = [
        teacher(
            "stayer" if random.random() < 0.5 + 0.1 * is_fellow + 0.03 * (school - 5) else "leaver",
            f"{school}",
            role="fellow" if is_fellow else "none",
            state=("LA", "MO")[school % 2],
        )
        for school, is_fellow in zip(random.integers(0, 11, 300), random.random(300) < 0.3, strict=True)
    ]

    found = retention(lake, *teachers)

    for state in ("all", "LA"):
        of_state = [t for t in teachers if state in ("all", t["state"])]
        slope, error, clusters = _least_squares(of_state)
        row = cell(found, state=state, role="fellow")
        half = statistics.t_quantile(pl.Series([clusters - 1])).item() * error
        assert row["n_clusters"] == clusters
        assert row["risk_difference_percentage_points"] == pytest.approx(100 * slope, abs=1e-10)
        assert row["risk_difference_standard_error"] == pytest.approx(100 * error, abs=1e-10)
        assert row["risk_difference_ci_low"] == pytest.approx(100 * (slope - half), abs=1e-9)
        assert row["risk_difference_ci_high"] == pytest.approx(100 * (slope + half), abs=1e-9)


def _least_squares(teachers: list[Row]) -> tuple[float, float, int]:
    """Slope on being a fellow, its CR1 standard error, and the number of clusters."""
    y = np.array([t["outcome"] == "stayer" for t in teachers], dtype=float)
    x = np.array([[1.0, t["role"] == "fellow"] for t in teachers])
    schools = np.array([t["state"] + t["school_id"] for t in teachers])
    bread = np.linalg.inv(x.T @ x)
    beta = bread @ x.T @ y
    scores = x * (y - x @ beta)[:, None]
    sums = [scores[schools == school].sum(axis=0) for school in np.unique(schools)]
    groups, (n, k) = len(sums), x.shape
    meat = sum(np.outer(s, s) for s in sums)
    covariance = bread @ meat @ bread * groups / (groups - 1) * (n - 1) / (n - k)
    return float(beta[1]), float(covariance[1, 1] ** 0.5), groups
