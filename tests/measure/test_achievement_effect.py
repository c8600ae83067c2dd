"""achievement_effect: what fellows and mentees add to scores, held against pyfixest and sums by hand."""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyfixest
import pytest

from le_pipeline.measure import achievement_effect
from le_pipeline.measure.achievement_effect import effects
from pupils import classes, pupil, with_prior
from scenario import Row, Scenario
from schemas.analysis_plan import AchievementSpecification, AnalysisPlan, load_plan

ALL = {"state": "LA", "region": "all", "subject": "ela", "period": "all"}
HELD = ("prior_z_score", "prior_z_score_squared", "is_female", "experience_years")
FIGURES = ("estimate", "standard_error", "ci_low", "ci_high", "p_value", "effect_size")
TABLES = ("linked.achievement_sample", "linked.matched_teacher")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


@pytest.fixture(autouse=True)
def forty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters are few below 40 here: with 200 on either side these tests would be slow."""
    monkeypatch.setattr(achievement_effect, "FEW", 40)


def found_in(lake: Scenario, rows: list[Row], plan: AnalysisPlan, matched: list[Row] | None = None) -> list[Row]:
    lake.write("achievement_sample", *rows).write("matched_teacher", *(matched or []))
    with lake.engine.connection(TABLES) as con:
        return list(effects(con, plan))


def plan_of(covariates: tuple[str, ...], **declared: Any) -> AnalysisPlan:
    one = {"about": "", "design": "achievement", "covariates": ("chosen",), "populations": ("fellow",)}
    mine = AchievementSpecification(**one | declared)
    return AnalysisPlan(covariates={"chosen": covariates}, specifications={"mine": mine})


def effect(lake: Scenario, rows: list[Row], *covariates: str, matched: list[Row] | None = None, **declared: Any) -> Row:
    """The one row of fellows in all of Louisiana and all years, under a specification."""
    found = found_in(lake, rows, plan_of(covariates, **declared), matched)
    (row,) = (row for row in found if row.items() >= ALL.items())
    return row


def numbers(rows: list[Row]) -> Any:
    return pl.DataFrame(rows, infer_schema_length=None).filter(pl.col("prior_z_score").is_not_null()).to_pandas()


def assert_is(row: Row, fit: Any, name: str) -> None:
    assert row["estimate"] == pytest.approx(fit.coef()[name], abs=1e-8)
    assert row["standard_error"] == pytest.approx(fit.se()[name], abs=1e-8)
    assert row["p_value"] == pytest.approx(fit.pvalue()[name], abs=1e-8)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(fit.confint().loc[name]), abs=1e-8)


def matches(weights: dict[str, float], **said: Any) -> list[Row]:
    one = {"population": "fellow", "comparison": "none", "matching": "nearest", "state": "LA", "subject": "ela"}
    one |= {"school_year": 2015, "is_on_support": True, "is_tied": False}
    return [
        one | {"staff_key": teacher, "is_treated": teacher.startswith("fellow"), "match_weight": weight} | said
        for teacher, weight in weights.items()
    ]


# -- against pyfixest ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("population", ["fellow", "mentee"])
def test_model_a_is_that_of_pyfixest_with_errors_by_teacher_for_fellows_and_by_school_for_mentees(
    lake: Scenario, population: str
) -> None:
    rows = classes(1, {"fellow": 50, "mentee": 45, "none": 90}, schools=45)

    row = effect(lake, rows, *HELD, populations=(population,))

    cluster = {"fellow": "teacher_key", "mentee": "school"}[population]
    formula = f"z_score ~ fellow_share + mentee_share + {' + '.join(HELD)} | grade_year"
    fit = pyfixest.feols(formula, numbers(rows), vcov={"CRV1": cluster})
    assert_is(row, fit, f"{population}_share")
    assert (row["error_kind"], row["wild_bootstrap_p_value"]) == ("CR1", None)
    n_clusters = {"fellow": 185, "mentee": 45}[population]
    assert (row["degrees_of_freedom"], row["n_clusters"]) == (n_clusters - 1, n_clusters)


def test_co_taught_students_count_by_share(lake: Scenario) -> None:
    random = np.random.default_rng(2)
    rows = [
        row | ({"fellow_share": float(random.uniform(0.1, 1))} if row["part"] == "fellow" else {})
        for row in classes(2, {"fellow": 50, "none": 60})
    ]

    row = effect(lake, rows, *HELD)

    formula = f"z_score ~ fellow_share + {' + '.join(HELD)} | grade_year"
    assert_is(row, pyfixest.feols(formula, numbers(rows), vcov={"CRV1": "teacher_key"}), "fellow_share")


def test_of_a_region_the_treated_are_compared_with_whom_they_are_matched_with_wherever_that_is(lake: Scenario) -> None:
    rows = classes(9, {"fellow": 6, "none": 9})
    fellows, others = (sorted({r["staff_key"] for r in rows if r["part"] == part}) for part in ("fellow", "none"))
    north, away = {*fellows[:3], *others[5:]}, {fellows[3]: 1, others[0]: 1}
    rows = [row | {"region": "North" if row["staff_key"] in north else "South"} for row in rows]
    # two fellows, one of each region, share a set with one other, who weighs twice; the rest are pairs
    pairs = zip((*fellows[1:3], *fellows[4:]), others[1:5], strict=True)
    sets = {fellows[0]: 1} | away | {name: number for number, pair in enumerate(pairs, start=2) for name in pair}
    weights = {name: 2.0 if name == others[0] else 1.0 for name in sets}
    matched = [
        match | {"match_set": sets[match["staff_key"]], "region": "North" if match["staff_key"] in north else "South"}
        for match in matches(weights, matching="full")
    ]

    found = found_in(lake, rows, plan_of(("prior_z_score",), matching="full"), matched)

    row = next(r for r in found if (r["region"], r["period"], r["subject"]) == ("North", "all", "ela"))
    assert (row["n_treated_teachers"], row["n_teachers"]) == (3, 6)
    # of the set of two fellows one is left, so that all weigh alike
    kept = [r for r in rows if r["staff_key"] in {*fellows[:3], *others[:3]}]
    fit = pyfixest.feols("z_score ~ fellow_share + prior_z_score | grade_year", numbers(kept))
    assert row["estimate"] == pytest.approx(fit.coef()["fellow_share"], abs=1e-8)


def test_matched_students_weigh_as_their_teachers_do(lake: Scenario) -> None:
    rows = classes(3, {"fellow": 45, "none": 90})
    weights = {f"fellow{i}x": 1.0 for i in range(44)} | {f"none{i}x": 0.25 * (i % 4) for i in range(90)}

    row = effect(lake, rows, *HELD, matched=matches(weights), matching="nearest")

    frame = numbers([r | {"w": weights.get(r["staff_key"], 0.0)} for r in rows]).query("w > 0")
    fit = pyfixest.feols(
        f"z_score ~ fellow_share + {' + '.join(HELD)} | grade_year", frame, vcov={"CRV1": "teacher_key"}, weights="w"
    )
    assert_is(row, fit, "fellow_share")
    assert (row["n_treated_teachers"], row["n_teachers"]) == (44, 44 + sum(i % 4 > 0 for i in range(90)))


def test_a_match_of_another_population_method_or_year_is_none(lake: Scenario) -> None:
    rows = classes(3, {"fellow": 5, "none": 6})
    weights = {row["staff_key"]: 1.0 for row in rows}
    other = [{"population": "mentee"}, {"comparison": "applicant"}, {"matching": "full"}, {"school_year": 2014}]
    other.append({"subject": "mathematics"})

    row = effect(lake, rows, matched=[m for said in other for m in matches(weights, **said)], matching="nearest")

    assert (row["n"], row["null_reason"]) == (0, "too_few_treated")


def test_school_effects_are_those_of_pyfixest(lake: Scenario) -> None:
    rows = classes(4, {"fellow": 50, "none": 120}, schools=20)

    row = effect(lake, rows, *HELD, effects="school")

    formula = f"z_score ~ fellow_share + {' + '.join(HELD)} + C(grade_year) | school"
    fit = pyfixest.feols(formula, numbers(rows), vcov={"CRV1": "teacher_key"})
    assert_is(row, fit, "fellow_share")


def test_in_the_full_roster_a_student_counts_with_each_teacher_by_dosage_and_errors_are_by_that_teacher(
    lake: Scenario,
) -> None:
    """Each fellow comes into classes of others, and is the main teacher of nobody."""
    rows = classes(5, {"none": 60})
    beside = [
        row
        | {"staff_key": f"fellow{i % 48}x", "part": "fellow", "is_main_teacher": False, "dosage": 0.3 + 0.1 * (i % 5)}
        for i, row in enumerate(rows[:300])
    ]
    shared = {row["student_key"] for row in beside}
    # of the student 0.3 is the fellow's; the row of the main teacher is of a teacher without a part
    both = [r | ({"fellow_share": 0.3, "weight": 0.7} if r["student_key"] in shared else {}) for r in [*rows, *beside]]

    row = effect(lake, both, *HELD, roster="full_roster")

    frame = numbers([r | {"treated": float(r["part"] == "fellow")} for r in both])
    fit = pyfixest.feols(
        f"z_score ~ treated + {' + '.join(HELD)} | grade_year", frame, vcov={"CRV1": "staff_key"}, weights="dosage"
    )
    assert_is(row, fit, "treated")
    assert (row["n"], row["n_treated"], row["n_teachers"], row["n_treated_teachers"]) == (480, 300, 108, 48)
    assert (row["n_clusters"], row["n_treated_clusters"]) == (108, 48)


def test_students_without_a_prior_score_are_in_no_estimate_whatever_the_covariates(lake: Scenario) -> None:
    rows = classes(6, {"fellow": 45, "none": 60})
    without = [row | with_prior(None) | {"student_key": f"w{i}x", "z_score": 9.0} for i, row in enumerate(rows[:30])]

    for covariates in (HELD, ("is_female",)):
        row, alone = (effect(lake, these, *covariates) for these in ([*rows, *without], rows))
        assert (row["n_without_prior"], alone["n_without_prior"]) == (30, 0)
        assert row | {"n_without_prior": 0} == alone


# -- few clusters ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n_fellows", "n_others", "kind"), [(40, 40, "CR1"), (39, 60, "CR2"), (60, 39, "CR2")])
def test_with_few_clusters_of_either_group_errors_are_those_for_few(
    lake: Scenario, n_fellows: int, n_others: int, kind: str
) -> None:
    row = effect(lake, classes(7, {"fellow": n_fellows, "none": n_others}, size=3), "prior_z_score")

    assert row["error_kind"] == kind
    assert (row["wild_bootstrap_p_value"] is None) == (kind == "CR1")


def test_with_few_schools_the_errors_of_mentees_are_those_of_the_jackknife(lake: Scenario) -> None:
    rows = classes(8, {"mentee": 20, "none": 40}, schools=10)

    row = effect(lake, rows, *HELD, populations=("mentee",))

    formula = f"z_score ~ mentee_share + {' + '.join(HELD)} | grade_year"
    frame = numbers(rows)
    whole = pyfixest.feols(formula, frame).coef()["mentee_share"]
    without = [pyfixest.feols(formula, frame[frame["school"] != school]).coef() for school in set(frame["school"])]
    changes = [one["mentee_share"] - whole for one in without]
    assert row["estimate"] == pytest.approx(whole, abs=1e-8)
    assert row["standard_error"] == pytest.approx((0.9 * sum(change**2 for change in changes)) ** 0.5, abs=1e-8)
    assert (row["error_kind"], row["degrees_of_freedom"]) == ("jackknife", 9)


def test_where_a_covariate_lives_in_one_school_there_is_no_jackknife(lake: Scenario) -> None:
    rows = classes(8, {"mentee": 20, "none": 40}, schools=10)
    lone = rows[0]["school"]

    row = effect(
        lake,
        [row | {"is_asian": int(row["school"] == lone and i % 3 == 0)} for i, row in enumerate(rows)],
        *("prior_z_score", "is_asian"),
        populations=("mentee",),
    )

    assert (row["error_kind"], row["standard_error"] > 0) == ("CR2", True)


def test_with_few_teachers_error_and_degrees_of_freedom_are_those_between_them(lake: Scenario) -> None:
    means = {"fellow": (0.9, 0.6, 0.8, 0.5), "none": (0.4, 0.7, 0.5, 0.6, 0.2)}
    rows = [
        pupil(f"{part}{i}s{j}x", f"{part}{i}x", f"LA {i}", part=part, z_score=mean + spread, **with_prior(spread))
        for part, of in means.items()
        for i, mean in enumerate(of)
        for j, spread in enumerate((-0.2, 0.0, 0.2))
    ]

    row = effect(lake, rows)

    # means of clusters of one size: the difference's variance is that of two means (Bell and McCaffrey 2002)
    spreads = [np.var(of, ddof=1) / len(of) for of in means.values()]
    assert row["estimate"] == pytest.approx(0.7 - 0.48)
    assert row["standard_error"] == pytest.approx(sum(spreads) ** 0.5)
    assert row["degrees_of_freedom"] == pytest.approx((1 / 4 + 1 / 5) ** 2 / (1 / (16 * 3) + 1 / (25 * 4)))
    # the share of all 2^9 signs under which the difference is as large
    assert row["wild_bootstrap_p_value"] * 2**9 == pytest.approx(round(row["wild_bootstrap_p_value"] * 2**9))


# -- who is compared with whom ---------------------------------------------------------------------------------------


def test_teacher_effects_compare_with_the_students_whom_the_same_teachers_had_before(lake: Scenario) -> None:
    """Fellows of the second year have students of the first; grade and year are the same steps for all."""
    before = classes(8, {"fellow": 44, "none": 50}, years=(2014,), effect=0.0)
    before = [row | {"part": "none", "fellow_share": 0} for row in before]
    after = classes(9, {"fellow": 44, "none": 50}, years=(2015,))
    rows = [*before, *(row | {"student_key": f"a{row['student_key']}"} for row in after)]
    # three fellows were not there before: they have nobody to be compared with
    new = classes(10, {"fellow": 3}, years=(2015,))
    new = [row | {name: f"new{row[name]}" for name in ("student_key", "staff_key", "teacher_key")} for row in new]

    row = effect(lake, [*rows, *new], *HELD, effects="teacher")

    formula = f"z_score ~ fellow_share + {' + '.join(HELD)} + C(grade_year) | teacher_key"
    fit = pyfixest.feols(formula, numbers(rows), vcov={"CRV1": "teacher_key"})
    assert_is(row, fit, "fellow_share")
    assert (row["n_treated_teachers"], row["n_treated"]) == (44, 44 * 8)


def test_teacher_effects_need_years_before_and_students_shared_in_one_year_are_no_substitute(lake: Scenario) -> None:
    rows = classes(11, {"fellow": 45, "none": 45})
    shared = [row | ({"fellow_share": 0.5} if i % 2 and row["part"] == "fellow" else {}) for i, row in enumerate(rows)]
    some = [row | ({"fellow_share": 0.0} if i % 2 and row["part"] == "fellow" else {}) for i, row in enumerate(rows)]
    after = [
        row | {"school_year": 2016, "student_key": f"b{row['student_key']}", "part": "none", "fellow_share": 0}
        for row in rows
    ]

    for these in (rows, shared, some, [*rows, *after]):
        row = effect(lake, these, *HELD, effects="teacher")
        assert row["null_reason"] == "too_few_treated"
        assert [row.get(name) for name in FIGURES] == [None] * len(FIGURES)


def test_applicants_compare_with_applicants_alone(lake: Scenario) -> None:
    rows = classes(12, {"fellow": 45, "applicant": 42, "none": 30, "mentee": 9})

    row = effect(lake, rows, *HELD, comparison="applicant")

    kept = [r for r in rows if r["part"] in ("fellow", "applicant")]
    fit = pyfixest.feols(
        f"z_score ~ fellow_share + {' + '.join(HELD)} | grade_year", numbers(kept), vcov={"CRV1": "teacher_key"}
    )
    assert_is(row, fit, "fellow_share")
    assert (row["n_teachers"], row["n_treated_teachers"]) == (87, 45)


@pytest.mark.parametrize("roster", ["partial_credit", "full_roster"])
@pytest.mark.parametrize("population", ["fellow", "mentee"])
def test_beside_applicants_nobody_else_is_compared_in_either_roster(
    lake: Scenario, population: str, roster: str
) -> None:
    """Classes of those treated are shared with teachers without a part, who are no applicants."""
    rows = classes(13, {population: 4, "applicant": 5, "none": 6})
    share = f"{population}_share"
    rows = [r | ({share: 0.6, "weight": 0.6, "dosage": 0.6} if r["part"] == population else {}) for r in rows]
    beside = [
        r | {"staff_key": "helperx", "part": "none", "is_main_teacher": False, "weight": 0.4, "dosage": 0.4}
        for r in rows
        if r["part"] == population
    ]

    row = effect(lake, [*rows, *beside], comparison="applicant", roster=roster, populations=(population,))

    assert (row["n"], row["n_treated"], row["n_teachers"]) == (9 * 8, 4 * 8, 9)


def test_students_of_former_fellows_are_left_out_however_small_the_share(lake: Scenario) -> None:
    rows = classes(14, {"fellow": 4, "none": 5})
    former = [row | {"former_share": 0.1, "student_key": f"f{row['student_key']}"} for row in rows]

    assert effect(lake, [*rows, *former], "is_female") == effect(lake, rows, "is_female")


# -- counts and what stands beside an estimate -----------------------------------------------------------------------


def by_hand() -> list[Row]:
    """Two fellows of school 1, two others of schools 2 and 3, a mentee of 3; one student of each without a prior."""
    scores = {
        ("f1", "LA 1", "fellow"): ((0.5, 1.0), (1.5, 0.0), (2.0, None)),
        ("f2", "LA 1", "fellow"): ((1.0, 0.5), (0.0, 0.5)),
        ("n1", "LA 2", "none"): ((0.0, 0.0), (1.0, -1.0), (5.0, None)),
        ("n2", "LA 3", "none"): ((-1.0, 0.5), (0.5, 0.0), (-0.5, -0.5)),
        ("m1", "LA 3", "mentee"): ((3.0, 2.0), (2.0, 2.5), (1.0, None)),
    }
    return [
        pupil(f"{teacher}s{j}x", f"{teacher}x", school, part=part, z_score=z, **with_prior(prior))
        for (teacher, school, part), of in scores.items()
        for j, (z, prior) in enumerate(of)
    ]


def test_counts_are_of_students_with_a_prior_score_of_teachers_schools_and_clusters(lake: Scenario) -> None:
    fellow, mentee = (effect(lake, by_hand(), populations=(of,)) for of in ("fellow", "mentee"))

    counts = ("n", "n_treated", "n_without_prior", "n_teachers", "n_treated_teachers", "n_schools")
    counts = (*counts, "n_treated_schools", "n_clusters", "n_treated_clusters")
    assert [fellow[name] for name in counts] == [11, 4, 3, 5, 2, 3, 1, 5, 2]
    assert [mentee[name] for name in counts] == [11, 2, 3, 5, 1, 3, 1, 3, 1]


def test_the_groups_before_and_the_effect_size_stand_in_pooled_standard_deviations(lake: Scenario) -> None:
    """Each teacher has a double, so that errors can be told; who has a mentee is in neither group."""
    doubles = [
        row | {name: f"d{row[name]}" for name in ("student_key", "staff_key", "teacher_key")} for row in by_hand()
    ]

    row = effect(lake, [*by_hand(), *doubles])

    before = np.array([1.0, 0.0, 0.5, 0.5] * 2), np.array([0.0, -1.0, 0.5, 0.0, -0.5] * 2)
    after = np.array([0.5, 1.5, 1.0, 0.0] * 2), np.array([0.0, 1.0, -1.0, 0.5, -0.5] * 2)
    pooled = [((x.var() * len(x) + y.var() * len(y)) / (len(x) + len(y) - 2)) ** 0.5 for x, y in (before, after)]
    assert row["comparison_mean"] == pytest.approx(after[1].mean())
    assert row["baseline_difference"] == pytest.approx((1 - 3 / 63) * (0.5 - -0.2) / pooled[0])
    assert row["estimate"] == pytest.approx(after[0].mean() - after[1].mean())
    assert row["effect_size"] == pytest.approx((1 - 3 / 63) * row["estimate"] / pooled[1])
    assert (row["outcome"], row["estimate_unit"], row["population"]) == ("achievement", "student_sd", "fellow")


def test_matched_means_are_weighted_and_standard_deviations_are_not(lake: Scenario) -> None:
    weights = {"f1x": 1.0, "f2x": 1.0, "n1x": 0.5, "n2x": 1.5}
    matched = matches(weights)

    row = effect(lake, by_hand(), matched=matched, matching="nearest")

    x, y = np.array([1.0, 0.0, 0.5, 0.5]), np.array([0.0, -1.0, 0.5, 0.0, -0.5])
    w = np.array([0.5, 0.5, 1.5, 1.5, 1.5])
    pooled = ((x.var() * 4 + y.var() * 5) / 7) ** 0.5
    assert row["baseline_difference"] == pytest.approx((1 - 3 / 27) * (0.5 - np.average(y, weights=w)) / pooled)
    assert row["comparison_mean"] == pytest.approx(np.average([0.0, 1.0, -1.0, 0.5, -0.5], weights=w))


# -- where there is no estimate --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (classes(20, {"fellow": 1, "none": 5}), "too_few_treated"),
        (classes(20, {"fellow": 5, "none": 1}), "too_few_comparison"),
        (classes(20, {"fellow": 5, "mentee": 5}), "too_few_comparison"),
        ([row | with_prior(None) for row in classes(20, {"fellow": 5, "none": 5})], "too_few_treated"),
        (classes(20, {"fellow": 5, "none": 5}), None),
        # all fellows in one grade, in which nobody else is
        ([row | {"grade_year": row["part"]} for row in classes(20, {"fellow": 5, "none": 5})], "not_estimable"),
        (
            [
                row | {"z_score": row["z_score"] + 4 * row["fellow_share"]}
                for row in classes(20, {"fellow": 5, "none": 5})
            ],
            "not_estimable",
        ),
        # an effect without any error
        (
            [row | {"z_score": 1.0 * row["fellow_share"]} for row in classes(20, {"fellow": 5, "none": 5})],
            "no_variation",
        ),
        # as many rows as parameters
        (classes(20, {"fellow": 2, "none": 2}, size=1), "not_estimable"),
    ],
)
def test_where_there_is_no_estimate_the_reason_is_told(lake: Scenario, rows: list[Row], reason: str | None) -> None:
    row = effect(lake, rows, "experience_years")

    assert row.get("null_reason") == reason
    assert [row.get(name) is None for name in FIGURES] == [reason is not None] * len(FIGURES)
    assert row["n_treated"] == len(
        {r["student_key"] for r in rows if r["part"] == "fellow" and r["prior_z_score"] is not None}
    )


def test_a_treatment_that_a_covariate_makes_up_is_not_estimable(lake: Scenario) -> None:
    rows = [row | {"is_female": int(row["part"] == "fellow")} for row in classes(20, {"fellow": 5, "none": 5})]

    found = effect(lake, rows, "is_female")

    assert found.get("null_reason") == "not_estimable"


@pytest.mark.parametrize("seed", range(3))
def test_small_samples_give_figures_or_a_reason_and_nothing_that_is_no_number(lake: Scenario, seed: int) -> None:
    random = np.random.default_rng(seed)
    parts = {part: int(random.integers(1, 5)) for part in ("fellow", "mentee", "applicant", "none")}
    rows = classes(seed, parts, size=int(random.integers(1, 4)), years=(2014, 2015), schools=int(random.integers(1, 6)))
    rows = [row | {"region": None} for row in rows]

    found = found_in(lake, rows, load_plan(Path("none")))

    assert found
    for row in found:
        assert (row.get("estimate") is None) == (row.get("null_reason") is not None)
        told = [row[name] for name in FIGURES if row.get(name) is not None]
        assert np.isfinite(told).all()


# -- cells -----------------------------------------------------------------------------------------------------------


def test_every_specification_has_a_row_in_every_cell_where_anybody_of_its_population_teaches(lake: Scenario) -> None:
    plan = load_plan(Path("none"))
    places = (("LA", "North"), ("LA", "O'Hara"), ("MO", None))
    rows = [
        row
        | {"state": state, "region": region, "school_year": year, "subject": subject}
        | {
            name: f"{state}{region}{year}{row[name]}".replace("'", "")
            for name in ("student_key", "staff_key", "teacher_key")
        }
        for place, (state, region) in enumerate(places)
        for year in (2014, 2015)
        for subject in ("ela", "mathematics")[: 2 - place % 2]
        for row in classes(place, {"fellow": 1, "none": 1}, size=1)
    ]
    mentee = classes(9, {"mentee": 1}, size=1)

    found = found_in(lake, [*rows, *mentee], plan)

    keys = ("population", "state", "region", "subject", "period", "specification")
    counted = Counter(tuple(row[name] for name in keys) for row in found)
    assert set(counted.values()) == {1}
    of = {
        population: [
            name
            for name, one in plan.specifications.items()
            if one.design == "achievement" and population in one.populations
        ]
        for population in ("fellow", "mentee")
    }
    both = [("LA", "North"), ("MO", "all"), ("LA", "all"), ("all", "all")]
    spots = [(*spot, subject) for spot in both for subject in ("ela", "mathematics")] + [("LA", "O'Hara", "ela")]
    expected = {("fellow", *spot, p, name) for spot, p, name in product(spots, ("2014", "2015", "all"), of["fellow"])}
    expected |= {
        ("mentee", *spot, "ela", p, name)
        for spot, p, name in product((("LA", "North"), ("LA", "all")), ("2015", "all"), of["mentee"])
    }
    assert set(counted) == expected


def test_a_planted_effect_is_found_by_every_specification(lake: Scenario) -> None:
    before = classes(30, {"fellow": 50, "applicant": 45, "none": 80}, years=(2014,), effect=0.0, schools=15)
    before = [row | ({"part": "none", "fellow_share": 0} if row["part"] == "fellow" else {}) for row in before]
    after = classes(31, {"fellow": 50, "applicant": 45, "none": 80}, years=(2015,), effect=0.3, schools=15)
    rows = [*before, *(row | {"student_key": f"a{row['student_key']}"} for row in after)]
    matched = matches({row["staff_key"]: 1.0 for row in after})

    declared: list[Row] = [
        {},
        {"roster": "full_roster"},
        {"effects": "school"},
        {"effects": "teacher"},
        {"comparison": "applicant"},
        {"matching": "nearest"},
    ]
    found = [effect(lake, rows, *HELD, "class_prior_z_score", matched=matched, **one) for one in declared]
    assert all(row["ci_low"] < 0.3 < row["ci_high"] for row in found), [row["estimate"] for row in found]
    assert all(row["standard_error"] < 0.1 for row in found)
