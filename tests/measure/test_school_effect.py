"""school_effect: the rows that the school half of program_impact is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from le_pipeline.measure.impact import Row
from le_pipeline.measure.inference.dosage import dosage_effect
from le_pipeline.measure.inference.event_study import event_study
from le_pipeline.measure.inference.school_panel import EventStudyDesign
from le_pipeline.measure.school_effect import effects
from scenario import Scenario
from schemas import registry
from schemas.analysis_plan import AnalysisPlan, SchoolSpecification, load_plan
from schemas.yaml_file import ContractError
from school_panels import Cohorts, first_years, lasting, levels, outcomes, panel

YEARS = np.arange(2012, 2020)
COHORTS: Cohorts = {2014: 7, 2016: 6, 2017: 5, None: 9}
NEVER = EventStudyDesign("school", "year", "first", "z", "students")
NOT_YET = EventStudyDesign("school", "year", "first", "z", "students", "not_yet_treated")
FIGURES = ("estimate", "standard_error", "ci_low", "ci_high", "p_value", "degrees_of_freedom")
SIZES = ("n", "n_treated", "n_schools", "n_treated_schools", "n_clusters", "n_treated_clusters")
PLAN = AnalysisPlan(
    specifications={
        "event": SchoolSpecification(about="from the year before", design="school"),
        "event_not_yet": SchoolSpecification(about="not yet", design="school", comparison="not_yet_treated"),
        "dosage": SchoolSpecification(
            about="by share", design="school", estimator="dosage", comparison="not_yet_treated"
        ),
    }
)


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def schools(seed: int, cohorts: Cohorts = COHORTS, *, noise: float = 1.0) -> pl.DataFrame:
    """A panel in which 10 percentage points of teachers trained add 0.2; schools train at a pace of their own."""
    random = np.random.default_rng(seed)
    first = first_years(cohorts)
    years = np.clip(YEARS - first[:, None] + 1, 0, None)
    dosage = random.uniform(0.02, 0.12, (len(first), 1)) * np.where(np.isfinite(years), years, 0)
    outcome = levels(len(first), len(YEARS), seed) + noise * lasting(len(first), len(YEARS), random) + 2 * dosage
    students = random.integers(20, 200, outcome.shape)
    return panel(outcome, first, YEARS.tolist(), dosage=dosage, students=students)


def found(lake: Scenario, *rows: list[Row], plan: AnalysisPlan = PLAN) -> list[Row]:
    lake.write("school_outcome", *(row for part in rows for row in part))
    with lake.engine.connection(("linked.school_outcome",)) as con:
        return list(effects(con, plan))


def one(rows: list[Row], specification: str, **where: Any) -> Row:
    (row,) = [
        row
        for row in rows
        if row["specification"] == specification and all(row[name] == value for name, value in where.items())
    ]
    return row


def test_the_estimate_of_an_event_study_is_the_mean_of_its_event_times_from_0_on(lake: Scenario) -> None:
    rows = schools(1)

    told = found(lake, outcomes(rows))

    for specification, design in (("event", NEVER), ("event_not_yet", NOT_YET)):
        row, study = one(told, specification), event_study(rows, design)
        overall = study.overall.row(by_predicate=pl.col("aggregation") == "event_time", named=True)
        assert [row[name] for name in FIGURES] == [overall[name] for name in FIGURES]
        since = study.event_time.filter(pl.col("event_time") >= 0)["estimate"]
        assert row["estimate"] == row["effect_size"] == pytest.approx(since.mean())
        assert (row["outcome"], row["population"], row["period"]) == ("school_achievement", "school", "all")
        assert (row["estimate_unit"], row["error_kind"], row["null_reason"]) == ("student_sd", "influence", None)


def test_dosage_is_told_per_ten_percentage_points_of_teachers_trained(lake: Scenario) -> None:
    exact = one(found(lake, outcomes(schools(2, noise=0.0))), "dosage")
    rows = schools(2)
    row = one(found(lake, outcomes(rows)), "dosage")

    assert exact["estimate"] == pytest.approx(0.2)
    assert (exact["null_reason"], exact["standard_error"], exact["error_kind"]) == ("no_variation", None, None)
    effect = dosage_effect(rows, NOT_YET, "dosage").effect.row(0, named=True)
    assert [row[name] for name in FIGURES] == [effect[name] for name in FIGURES]
    assert row["estimate_unit"] == "student_sd_per_10_percentage_points"
    assert row["effect_size"] is None


def test_a_school_counts_once_though_it_is_compared_before_and_treated_later(lake: Scenario) -> None:
    rows = schools(3)

    told = found(lake, outcomes(rows))

    students = rows["students"].sum()
    treated = rows.filter(pl.col("year") >= pl.col("first"))["students"].sum()
    for specification in ("event", "event_not_yet"):
        assert [one(told, specification)[name] for name in SIZES] == [students, treated, 27, 18, 27, 18]
    # the window of dosage, two years and two, holds every cohort; schools of 2016 and 2017 are compared with 2014
    assert [one(told, "dosage")[name] for name in SIZES] == [students, treated, 27, 18, 27, 18]


def test_only_schools_that_the_estimate_rests_on_are_counted(lake: Scenario) -> None:
    rows = schools(4, {2012: 6, 2015: 6, 2018: 1, None: 8})

    row = one(found(lake, outcomes(rows)), "event")

    inside = rows.filter((pl.col("first") == 2015) | pl.col("first").is_null())
    assert (row["n_schools"], row["n_treated_schools"]) == (14, 6)
    assert row["n"] == inside["students"].sum()
    assert row["n_treated"] == inside.filter(pl.col("year") >= pl.col("first"))["students"].sum()


def test_schools_are_set_side_by_side_in_the_base_year_by_student_each_cohort_with_its_own(lake: Scenario) -> None:
    # cohorts of 2014 and 2016 have 0.5 and 0.8 in their base years, others 0.1 in 2013 and 0.2 in 2015
    first = first_years({2014: 5, 2016: 5, None: 5})
    outcome = np.full((15, 8), 9.0)
    outcome[:5, 1], outcome[5:10, 3], outcome[10:, 1], outcome[10:, 3] = 0.5, 0.8, 0.1, 0.2
    outcome[10, [1, 3]] += 1.0  # in the largest of the other schools
    students = np.full((15, 8), 20)
    students[5:10, 3], students[10, [1, 3]] = 60, 120
    rows = panel(outcome, first, YEARS.tolist(), students=students)

    row = one(found(lake, outcomes(rows)), "event")

    # others: 80 students with 0.1 and 120 with 1.1 in 2013, a tenth more in 2015; 100 and 300 students are treated
    others = (100 * 0.7 + 300 * 0.8) / 400
    assert row["comparison_mean"] == pytest.approx(others)
    assert row["baseline_difference"] == pytest.approx((100 * 0.5 + 300 * 0.8) / 400 - others)


def test_every_specification_has_a_row_in_every_cell_with_treated_schools(lake: Scenario) -> None:
    few = schools(6, {2015: 2, None: 9}).with_columns(pl.col("school") + 100)
    alone = schools(7, {2015: 6, None: 1}).with_columns(pl.col("school") + 200)
    rows = found(
        lake,
        outcomes(schools(5), region="North"),
        outcomes(few, region="South"),
        outcomes(alone, region="West"),
        outcomes(schools(8, {None: 9}), state="MO"),
        outcomes(schools(9, {2012: 9, None: 9}), state="TX"),
        outcomes(schools(9, {2019: 9, None: 9}), state="NY"),
    )

    assert len(rows) == 3 * len({(row["state"], row["region"]) for row in rows}) == 3 * 7
    reasons = {(row["state"], row["region"]): row["null_reason"] for row in rows if row["specification"] == "dosage"}
    assert reasons == {
        ("LA", "North"): None,
        ("LA", "South"): "too_few_treated",
        ("LA", "West"): "too_few_comparison",
        ("LA", "all"): None,
        ("TX", "all"): "not_estimable",  # treated in the first year of all
        ("NY", "all"): "not_estimable",  # no second treated year
        ("all", "all"): None,
    }
    assert one(rows, "event", state="NY")["null_reason"] is None
    south = one(rows, "event", region="South")
    assert (south["null_reason"], south["estimate"], south["n_schools"], south["n_treated_schools"]) == (
        *("too_few_treated", None),
        *(11, 2),
    )
    assert south["n"] == few["students"].sum()


def test_rows_have_columns_values_and_units_of_program_impact(lake: Scenario) -> None:
    table = registry.tables()["program_impact"]

    rows = found(lake, outcomes(schools(10)), outcomes(schools(11, {2015: 2, None: 9}), subject="science"))

    for row in rows:
        assert set(row) <= set(table.column_names)
        values = {name: table.column(name).values for name in row}
        assert all(row[name] in allowed for name, allowed in values.items() if allowed and row[name] is not None)
        assert all(row[name] is not None for name in (*SIZES, *table.key))


def test_the_shipped_plan_has_specifications_of_schools_and_all_of_them_are_run(lake: Scenario) -> None:
    plan = load_plan(lake.home.root / "no plan of its own")

    rows = found(lake, outcomes(schools(12)), plan=plan)

    declared = {name for name, given in plan.specifications.items() if given.design == "school"}
    assert len(declared) >= 3
    assert {row["specification"] for row in rows} == declared


def test_a_plan_that_declares_covariates_of_schools_is_refused_with_what_to_do(tmp_path: Path) -> None:
    own = tmp_path / "analysis_plan.yaml"
    own.write_text(
        "specifications:\n  ours:\n    about: ours\n    design: school\n    covariates: [school]\n", encoding="utf-8"
    )

    with pytest.raises(ContractError, match=r"analysis_plan.yaml, line \d.*takes no covariates: take them out"):
        load_plan(own)
