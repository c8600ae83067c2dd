"""dosage_effect: stacked cohorts against regressions by another package, calculations by hand, and known effects."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyfixest
import pytest
from polars.testing import assert_frame_equal

from le_pipeline.measure.inference.dosage import Window, dosage_effect
from le_pipeline.measure.inference.school_panel import EventStudyDesign
from school_panels import Cohorts, Floats, first_years, lasting, levels, panel

YEARS = np.arange(2012, 2020)
NEVER = EventStudyDesign("school", "year", "first", "z", "students")
NOT_YET = EventStudyDesign("school", "year", "first", "z", "students", "not_yet_treated")
COHORTS: Cohorts = {2014: 7, 2016: 4, 2017: 9, None: 8}


def growing(first: Floats, random: np.random.Generator) -> Floats:
    """Shares of educators trained that grow by a step of the school's own from the first year on (schools x years)."""
    step = random.uniform(0.02, 0.12, (len(first), 1))
    since = np.where(np.isfinite(first[:, None]), np.clip(YEARS - first[:, None] + 1, 0, None), 0)
    return step * np.where(np.isfinite(since), since, 0)


def schools(seed: int, slope: float, *, noise: float = 1.0, cohorts: Cohorts = COHORTS) -> pl.DataFrame:
    """A panel in which 10 percentage points of educators trained change the outcome by `slope`."""
    random = np.random.default_rng(seed)
    first = first_years(cohorts)
    dosage = growing(first, random)
    students = random.integers(20, 400, len(first)).astype(float)
    outcome = levels(len(first), 8, seed) + noise * lasting(len(first), 8, random) + slope * dosage / 0.1
    return panel(outcome, first, YEARS.tolist(), dosage=dosage, students=students)


def stacked(rows: pl.DataFrame, *, not_yet: bool) -> pl.DataFrame:
    """The stacks of two years before and two from the first treated on, made in another way than in the library."""
    stacks = []
    for g in sorted(rows["first"].drop_nulls().unique()):
        window = rows.filter(pl.col("year").is_between(g - 2, g + 1))
        untreated = pl.col("first").is_null() | ((pl.col("first") > g + 1) if not_yet else False)
        own = window.filter((pl.col("first") == g) | untreated).with_columns(
            treated=(pl.col("first") == g).fill_null(False)
        )
        stacks.append(own.with_columns(stack=pl.lit(g)))
    together = pl.concat(stacks).with_columns(
        dose=pl.when(pl.col("treated") & (pl.col("year") >= pl.col("stack"))).then(pl.col("dosage") * 10).otherwise(0.0)
    )
    of_side = pl.col("students").sum().over("stack", "treated") / pl.col("students").sum().over("treated")
    of_treated = (pl.col("students") * pl.col("treated")).sum().over("stack") / (
        pl.col("students") * pl.col("treated")
    ).sum()
    return together.with_columns(
        w=pl.col("students") * pl.when("treated").then(1.0).otherwise(of_treated / of_side),
        stack_school=pl.concat_str("stack", "school", separator="_"),
        stack_year=pl.concat_str("stack", "year", separator="_"),
    )


@pytest.mark.parametrize("design", [NEVER, NOT_YET], ids=["never_treated", "not_yet_treated"])
def test_the_effect_is_that_of_a_stacked_weighted_regression_of_another_package(design: EventStudyDesign) -> None:
    rows = schools(1, 0.2)
    fit = pyfixest.feols(
        "z ~ dose | stack_school + stack_year",
        stacked(rows, not_yet=design is NOT_YET).to_pandas(),
        vcov={"CRV1": "school"},
        weights="w",
        ssc=pyfixest.ssc(k_adj=False, G_adj=False),
    )

    effect = dosage_effect(rows, design, "dosage").effect.row(0, named=True)

    assert effect["estimate"] == pytest.approx(fit.coef()["dose"], abs=1e-8)
    assert effect["standard_error"] == pytest.approx(fit.se()["dose"], abs=1e-8)
    assert (effect["n_treated"], effect["n_cohorts"], effect["n_cohorts_left_out"]) == (20, 3, 0)
    assert effect["n_comparison"] == (21 if design is NOT_YET else 8)  # 4 of 2016 and 9 of 2017 serve cohort 2014
    assert 1 <= effect["degrees_of_freedom"] < min(effect["n_treated"], effect["n_comparison"]) - 1  # unequal weights


@pytest.mark.parametrize("design", [NEVER, NOT_YET], ids=["never_treated", "not_yet_treated"])
def test_equal_doses_give_the_average_effect_on_the_treated_by_size(design: EventStudyDesign) -> None:
    # what the corrected weights are for (Wing, Freedman and Hollingsworth 2024): each cohort's difference in
    # differences counts as its students do, though the cohorts have unlike numbers of comparison schools
    rows = schools(2, 0.0).with_columns(dosage=pl.lit(0.1))
    differences, students = [], []
    for _, own in stacked(rows, not_yet=design is NOT_YET).group_by("stack", maintain_order=True):
        side = (
            own.group_by("treated", "school", "students")
            .agg(
                change=pl.col("z").filter(pl.col("year") >= pl.col("stack")).mean()
                - pl.col("z").filter(pl.col("year") < pl.col("stack")).mean()
            )
            .group_by("treated")
            .agg(
                change=(pl.col("change") * pl.col("students")).sum() / pl.col("students").sum(),
                n=pl.col("students").sum(),
            )
            .sort("treated")
        )
        differences.append(side["change"][1] - side["change"][0])
        students.append(side["n"][1])

    effect = dosage_effect(rows, design, "dosage").effect

    assert effect["estimate"].item() == pytest.approx(np.average(differences, weights=students))


def test_a_known_effect_is_found_exactly_where_plain_two_way_fixed_effects_fail() -> None:
    # the outcome also drifts from the third treated year on, in schools that two-way fixed effects compare others with
    rows = schools(3, 0.2, noise=0).with_columns(
        z=pl.col("z") - pl.max_horizontal(pl.col("year") - pl.col("first") - 1, 0).fill_null(0) * 2.0
    )
    plain = pyfixest.feols("z ~ dose | school + year", rows.with_columns(dose=pl.col("dosage") * 10).to_pandas())

    effect = dosage_effect(rows, NOT_YET, "dosage").effect.row(0, named=True)

    assert effect["estimate"] == pytest.approx(0.2)
    assert (effect["standard_error"], effect["null_reason"]) == (None, "no_variation")
    assert plain.coef()["dose"] < 0


def test_dosage_before_treatment_and_of_comparison_schools_does_not_count() -> None:
    rows = schools(4, 0.2)
    before = pl.col("first").is_null() | (pl.col("year") < pl.col("first"))

    for odd in (0.5, None):
        changed = rows.with_columns(dosage=pl.when(~before).then("dosage").otherwise(odd))
        assert_frame_equal(
            dosage_effect(changed, NEVER, "dosage").effect, dosage_effect(rows, NEVER, "dosage").effect, abs_tol=1e-12
        )


def test_neither_order_of_rows_nor_names_of_schools_change_a_digit() -> None:
    rows = schools(5, 0.2)
    renamed = rows.with_columns(school=(pl.col("school") * 17 % 29).cast(pl.String)).sample(
        fraction=1, shuffle=True, seed=1
    )

    assert_frame_equal(
        dosage_effect(renamed, NOT_YET, "dosage").effect,
        dosage_effect(rows, NOT_YET, "dosage").effect,
        check_exact=True,
    )


def test_cohorts_whose_window_the_panel_does_not_hold_are_left_out_and_counted() -> None:
    rows = schools(6, 0.2, cohorts={2012: 3, 2013: 6, 2016: 6, 2019: 6, None: 8})

    assert dosage_effect(rows, NEVER, "dosage").effect.select("n_cohorts", "n_cohorts_left_out", "n_treated").row(
        0
    ) == (
        1,
        3,
        6,
    )
    short = dosage_effect(rows, NEVER, "dosage", Window(before=1, after=1)).effect
    assert short.select("n_cohorts", "n_cohorts_left_out", "n_treated").row(0) == (3, 1, 18)


def test_schools_not_observed_in_the_whole_window_are_not_in_the_stack() -> None:
    rows = schools(7, 0.2, cohorts={2016: 8, None: 8})
    gone = (pl.col("school") == 0) & (pl.col("year") == 2015)
    unknown = (pl.col("school") == 1) & (pl.col("year") == 2017)
    other = (pl.col("school") == 8) & (pl.col("year") == 2014)
    holes = rows.with_columns(dosage=pl.when(~unknown).then("dosage")).filter(~(gone | other))

    effect = dosage_effect(holes, NEVER, "dosage").effect

    assert effect.select("n_treated", "n_comparison").row(0) == (6, 7)
    assert_frame_equal(
        effect, dosage_effect(rows.filter(~pl.col("school").is_in([0, 1, 8])), NEVER, "dosage").effect, check_exact=True
    )


@pytest.mark.parametrize(
    ("cohorts", "reason"),
    [
        ({2016: 4, None: 9}, "too_few_treated_schools"),
        ({2016: 9, None: 4}, "too_few_comparison_schools"),
        ({2016: 9}, "too_few_treated_schools"),  # no stack without a comparison
        ({None: 9}, "too_few_treated_schools"),
    ],
)
def test_too_few_schools_give_a_reason_and_no_estimate(cohorts: Cohorts, reason: str) -> None:
    effect = dosage_effect(schools(8, 0.2, cohorts=cohorts), NEVER, "dosage").effect.row(0, named=True)

    assert effect["null_reason"] == reason
    assert [effect[name] for name in ("estimate", "standard_error", "p_value", "ci_low", "ci_high")] == [None] * 5


def test_nobody_trained_gives_no_estimate() -> None:
    effect = dosage_effect(schools(9, 0.2).with_columns(dosage=pl.lit(0.0)), NEVER, "dosage").effect.row(0, named=True)

    assert (effect["estimate"], effect["n_treated"], effect["null_reason"]) == (None, 0, "too_few_treated_schools")


def test_the_interval_holds_the_truth_about_as_often_as_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    held = []
    for seed in range(200):
        effect = dosage_effect(schools(seed, 0.2), NOT_YET, "dosage").effect.row(0, named=True)
        held.append(effect["ci_low"] <= 0.2 <= effect["ci_high"])

    with capsys.disabled():
        print(f"\n200 panels of 20 treated and 8 other schools: the interval holds the truth in {np.mean(held):.3f}")
    assert 0.88 <= np.mean(held) <= 0.99
