"""school_event_study: schools' course before and after their first fellow, cell by cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from le_pipeline.measure.inference.event_study import event_study
from le_pipeline.measure.inference.school_panel import EventStudyDesign
from scenario import Scenario
from school_panels import Cohorts, Floats, first_years, lasting, levels, outcomes, panel
from steps import STEP

YEARS = np.arange(2012, 2020)
COHORTS: Cohorts = {2014: 7, 2016: 6, 2018: 5, None: 9}
DESIGNS = [
    EventStudyDesign("school", "year", "first", "z", "students"),
    EventStudyDesign("school", "year", "first", "z", "students", "not_yet_treated"),
]
FIGURES = (
    *("event_time", "estimate", "standard_error", "degrees_of_freedom", "p_value", "ci_low", "ci_high"),
    *("band_low", "band_high", "n_treated", "n_comparison", "null_reason"),
)


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def since(first: Floats) -> Floats:
    """1 in the first treated year, 2 in the next, and so on; 0 before and where never (schools x years)."""
    years = YEARS - first[:, None] + 1
    return np.where(np.isfinite(years) & (years > 0), years, 0.0)


def schools(seed: int, cohorts: Cohorts = COHORTS, *, noise: float = 1.0) -> pl.DataFrame:
    """A panel in which every year since the first fellow adds 0.1."""
    random = np.random.default_rng(seed)
    first = first_years(cohorts)
    outcome = levels(len(first), len(YEARS), seed) + noise * lasting(len(first), len(YEARS), random)
    students = random.integers(20, 200, outcome.shape)
    return panel(outcome + 0.1 * since(first), first, YEARS.tolist(), students=students)


def course(lake: Scenario, *rows: list[dict[str, Any]]) -> pl.DataFrame:
    lake.write("school_outcome", *(row for part in rows for row in part))
    return lake.run(STEP["school_event_study"])


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.comparison)
def test_the_rows_of_a_cell_are_the_estimates_by_event_time_of_its_schools(
    lake: Scenario, design: EventStudyDesign
) -> None:
    rows = schools(1, {2014: 20, 2015: 16, None: 20})

    found = course(lake, outcomes(rows)).filter(comparison=design.comparison)

    study = event_study(rows, design)
    assert found.select(FIGURES).rows() == study.event_time.select(FIGURES).rows()
    assert -1 not in found["event_time"].to_list()  # the base year
    by_event, by_cohort = study.pre_trend.sort("effects").to_dicts()
    told = "p_value", "p_value_chi_squared", "null_reason"
    assert by_event["p_value"] is not None and by_cohort["p_value"] is not None
    assert set(found.select(f"pre_trend_{name}" for name in told).rows()) == {tuple(by_event[name] for name in told)}
    assert set(found.select(f"group_time_pre_trend_{name}" for name in told).rows()) == {
        tuple(by_cohort[name] for name in told)
    }


def test_an_effect_that_is_the_same_in_all_schools_is_found_exactly(lake: Scenario) -> None:
    found = course(lake, outcomes(schools(2, noise=0.0))).filter(comparison="never_treated")

    told = dict(found.filter(pl.col("event_time") >= 0).select("event_time", "estimate").rows())
    assert told == pytest.approx({time: 0.1 * (time + 1) for time in range(6)})
    assert found.filter(pl.col("event_time") < 0)["estimate"].to_list() == pytest.approx([0.0] * 5)
    assert set(found["null_reason"]) == {"no_variation"}  # the error is not known, rather than 0
    assert found["ci_low"].null_count() == found.height


def test_regions_are_compared_within_and_everybody_is_in_the_state_and_in_all(lake: Scenario) -> None:
    north, south, nowhere = schools(3), schools(4), schools(5, {None: 6})
    ids = [frame.with_columns(pl.col("school") + start) for frame, start in ((south, 100), (nowhere, 200))]

    found = course(
        lake,
        outcomes(north, region="North"),
        outcomes(ids[0], region="South"),
        outcomes(ids[1]),
        outcomes(schools(6), state="MO"),
        outcomes(schools(7, {None: 6}), region="West", subject="science"),
    )

    cells = found.select("state", "region", "subject").unique().sort("state", "region").rows()
    assert cells == [
        ("LA", "North", "ela"),
        ("LA", "South", "ela"),
        ("LA", "all", "ela"),
        ("MO", "all", "ela"),
        ("all", "all", "ela"),
    ]
    alike = {"comparison": "never_treated", "event_time": 0}
    of_region = found.filter(region="South", **alike).row(0, named=True)
    own = event_study(south, DESIGNS[0]).event_time.filter(event_time=0).row(0, named=True)
    assert (of_region["estimate"], of_region["n_comparison"]) == (own["estimate"], 9)
    sizes = found.filter(region="all", **alike).select("state", "n_treated", "n_comparison").rows()
    assert sizes == [("LA", 36, 24), ("MO", 18, 9), ("all", 54, 33)]


def test_event_times_in_which_no_cohort_can_be_compared_are_named_with_the_reason(lake: Scenario) -> None:
    found = course(lake, outcomes(schools(8, {2014: 6, 2018: 1, None: 9}))).filter(comparison="never_treated")

    assert found.select("event_time", "n_treated", "n_comparison", "null_reason").rows() == [
        *((time, 1, 9, "too_few_treated_schools") for time in (-6, -5, -4, -3)),
        (-2, 6, 9, None),  # of the cohort of 2014 alone
        *((time, 6, 9, None) for time in range(6)),
    ]


def test_without_others_to_compare_with_there_is_no_estimate_and_the_reason_is_said(lake: Scenario) -> None:
    found = course(lake, outcomes(schools(9, {2014: 6, 2018: 5, None: 1})))

    never, not_yet = (found.filter(comparison=name) for name in ("never_treated", "not_yet_treated"))
    assert never["estimate"].null_count() == never.height > 0
    assert set(never["null_reason"]) == {"too_few_comparison_schools"}
    assert not_yet.filter(event_time=0)["estimate"].null_count() == 0


def test_schools_with_a_fellow_in_the_first_year_of_all_have_no_row(lake: Scenario) -> None:
    assert course(lake, outcomes(schools(10, {2012: 8, None: 9}))).height == 0


def test_neither_order_of_rows_nor_codes_of_schools_change_a_digit(lake: Scenario, tmp_path: Path) -> None:
    rows = schools(11)
    names = pl.Series([(place * 7919) % 997 for place in range(27)])
    renamed = rows.with_columns(school=names.gather(rows["school"])).sample(fraction=1, shuffle=True, seed=1)

    one, other = course(lake, outcomes(rows)), course(Scenario(tmp_path / "other"), outcomes(renamed))

    assert one.equals(other)
