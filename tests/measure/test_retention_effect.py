"""retention_effect: what the fellowship changed of who stays, held against other packages and sums by hand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyfixest
import pytest
import statsmodels.api as sm

from le_pipeline.measure import impact
from le_pipeline.measure.retention_effect import effects
from le_pipeline.measure.retention_model import years_in_groups
from scenario import Row, Scenario
from schemas.analysis_plan import AnalysisPlan, RetentionSpecification, load_plan

OUTCOMES = [f"retained_in_{level}" for level in ("school", "lea", "state", "high_poverty_school")]
FLAGS = ("is_novice", "lacks_experience", "is_female", "is_black", "is_hispanic", "is_other_race")
NOTHING_KNOWN: Row = dict.fromkeys((*FLAGS, "lacks_demographics", "frpl_share", "is_high_poverty", "lacks_frpl"), 0)
ONE: Row = {"experience_years": 5.0, "years_observed": 1, "school_year": 2014, "region": "North"} | NOTHING_KNOWN
ALL = {"state": "all", "region": "all", "period": "all"}
STATE = ALL | {"state": "LA"}


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def teacher(is_retained: int | None, school: str | None = "LA 1", part: str = "none", **said: Any) -> Row:
    retained = dict.fromkeys([*OUTCOMES, *(f"{name}_or_promoted" for name in OUTCOMES)], is_retained)
    return ONE | retained | {"school": school, "part": part} | said


def some(stayed: int, left: int, part: str = "none", schools: int = 2, **said: Any) -> list[Row]:
    """Teachers spread over schools, which they share with those of other parts."""
    return [teacher(int(i < stayed), f"LA {i % schools}", part, **said) for i in range(stayed + left)]


def found_in(lake: Scenario, rows: list[Row], plan: AnalysisPlan) -> Iterator[Row]:
    lake.write("retention_sample", *({"staff_key": f"t{i}x"} | row for i, row in enumerate(rows)))
    with lake.engine.connection(("linked.retention_sample",)) as con:
        yield from effects(con, plan)


def effect(lake: Scenario, rows: list[Row], *covariates: str, **declared: Any) -> Row:
    """The one row of fellows in Louisiana in all years, under a specification."""
    specification = {"about": "", "design": "retention", "covariates": ("chosen",), "populations": ("fellow",)}
    plan = AnalysisPlan(
        covariates={"chosen": covariates}, specifications={"mine": RetentionSpecification(**specification | declared)}
    )
    (row,) = (row for row in found_in(lake, rows, plan) if row.items() >= STATE.items())
    return row


def drawn(seed: int, n: int = 600, schools: int = 50, effect: float = 0.1) -> list[Row]:
    """Teachers of two years, of whom a third are fellows; experience and the school move both part and retention."""
    random = np.random.default_rng(seed)
    lift = random.normal(0, 0.05, schools)
    rows = []
    for i in range(n):
        school, experience, year = i % schools, float(random.integers(0, 25)), int(2014 + i % 2)
        is_fellow = random.random() < 0.2 + 0.01 * experience
        chance = 0.55 + 0.01 * experience + effect * is_fellow + lift[school] - 0.05 * (year == 2015)
        rows.append(
            teacher(int(random.random() < chance), f"LA {school:02}", "fellow" if is_fellow else "none")
            | {"experience_years": experience, "is_female": int(random.integers(2)), "school_year": year}
        )
    return rows


def numbers(rows: list[Row]) -> pl.DataFrame:
    columns = ("retained_in_school", "experience_years", "is_female", "school_year", "school")
    frame = pl.DataFrame([{name: row[name] for name in columns} for row in rows])
    return frame.with_columns(treated=pl.Series([float(row["part"] == "fellow") for row in rows]))


def test_linear_probability_is_that_of_pyfixest_within_school_years(
    lake: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(impact, "FEW", 20)  # clusters are few below that here, or the test would be slow
    rows = drawn(1, schools=60)

    row = effect(lake, rows, "experience_years", "is_female", "lacks_frpl")

    formula = "retained_in_school ~ treated + experience_years + is_female | school_year"
    fit = pyfixest.feols(formula, numbers(rows).to_pandas(), vcov={"CRV1": "school"})
    assert row["estimate"] == pytest.approx(100 * fit.coef()["treated"], abs=1e-8)
    assert row["standard_error"] == pytest.approx(100 * fit.se()["treated"], abs=1e-8)
    interval = 100 * fit.confint().loc["treated"].to_numpy()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(interval), abs=1e-8)
    assert row["p_value"] == pytest.approx(fit.pvalue()["treated"], abs=1e-8)
    assert (row["error_kind"], row["degrees_of_freedom"], row.get("wild_bootstrap_p_value")) == ("CR1", 59, None)
    assert (row["outcome"], row["estimate_unit"], row.get("ratio")) == ("retained_in_school", "percentage_points", None)


def test_with_few_schools_the_error_and_its_degrees_of_freedom_are_those_between_them(lake: Scenario) -> None:
    own = {"LA a": 9, "LA b": 6, "LA c": 8, "LA d": 5}
    other = {"LA e": 4, "LA f": 7, "LA g": 5, "LA h": 6, "LA i": 2}
    rows = [
        teacher(int(i < stayed), school, part)
        for part, schools in (("fellow", own), ("none", other))
        for school, stayed in schools.items()
        for i in range(10)
    ]

    row = effect(lake, rows)

    # means of clusters of one size: the difference's variance is that of two means (Bell and McCaffrey 2002)
    spreads = {len(of): np.var(list(of.values()), ddof=1) / len(of) * 100 for of in (own, other)}
    assert row["estimate"] == pytest.approx(10 * (7 - 4.8))
    assert row["standard_error"] == pytest.approx(sum(spreads.values()) ** 0.5)
    assert row["degrees_of_freedom"] == pytest.approx((1 / 4 + 1 / 5) ** 2 / (1 / (16 * 3) + 1 / (25 * 4)))
    assert row["error_kind"] == "CR2"
    assert row["wild_bootstrap_p_value"] * 2**9 == pytest.approx(round(row["wild_bootstrap_p_value"] * 2**9))
    assert [row[n] for n in ("n", "n_treated", "n_clusters", "n_treated_clusters")] == [90, 40, 9, 4]
    assert [row[n] for n in ("n_teachers", "n_treated_teachers", "n_schools", "n_treated_schools")] == [90, 40, 9, 4]
    assert row["comparison_mean"] == pytest.approx(48)
    expected = (1 - 3 / (4 * 90 - 9)) * math.log((0.7 / 0.3) / (0.48 / 0.52)) / 1.65
    assert row["effect_size"] == pytest.approx(expected)


def test_the_odds_ratio_and_marginal_effect_of_a_logit_without_covariates_are_those_of_the_table(
    lake: Scenario,
) -> None:
    row = effect(lake, [*some(30, 10, "fellow", 5), *some(45, 30, schools=5)], model="logit")

    assert row["ratio"] == pytest.approx((30 / 10) / (45 / 30))
    assert row["estimate"] == pytest.approx(100 * (30 / 40 - 45 / 75))
    assert (row["error_kind"], row["degrees_of_freedom"]) == ("CR1_delta", 4)


def test_a_logits_average_marginal_effect_and_its_error_are_those_of_statsmodels(lake: Scenario) -> None:
    rows = drawn(2)

    row = effect(lake, rows, "experience_years", "is_female", model="logit")

    frame = numbers(rows)
    x = frame.select("treated", "experience_years", "is_female", late=(pl.col("school_year") == 2015).cast(pl.Float64))
    y, schools = frame["retained_in_school"].to_numpy(), frame["school"].rank("dense").to_numpy()
    model = sm.Logit(y, sm.add_constant(x.to_numpy()))
    fit = model.fit(disp=0, cov_type="cluster", cov_kwds={"groups": schools}, tol=1e-12)
    margin = fit.get_margeff(dummy=True)
    assert row["estimate"] == pytest.approx(100 * margin.margeff[0], abs=1e-6)
    assert row["standard_error"] == pytest.approx(100 * margin.margeff_se[0], abs=1e-6)
    assert row["ratio"] == pytest.approx(math.exp(fit.params[1]), abs=1e-6)


def test_a_hazard_is_of_leaving_and_its_estimate_of_staying(lake: Scenario) -> None:
    row = effect(lake, [*some(30, 10, "fellow", 5), *some(45, 30, schools=5)], model="hazard")

    assert row["ratio"] == pytest.approx(math.log(30 / 40) / math.log(45 / 75))
    assert row["ratio"] < 1
    assert row["estimate"] == pytest.approx(100 * (30 / 40 - 45 / 75))
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert row["comparison_mean"] == pytest.approx(60)


def test_the_clock_of_a_hazard_is_the_years_that_a_teacher_has_been_observed(lake: Scenario) -> None:
    """Fellows are of later years, in which fewer leave: within a year they leave as often as others."""
    rows = [
        *some(10, 10, "fellow", 5, years_observed=1),
        *some(40, 10, "fellow", 5, years_observed=2),
        *some(40, 40, schools=5, years_observed=1),
        *some(40, 10, schools=5, years_observed=2),
    ]

    assert effect(lake, rows, model="hazard")["ratio"] == pytest.approx(1, abs=1e-8)
    assert effect(lake, rows, model="logit")["ratio"] > 1.4


def test_years_are_put_together_until_ten_left_and_ten_stayed() -> None:
    """Leavers and stayers by year: 1 enough, 2 and 3 together, 4 enough, 5 too few for a group of its own."""
    counts = {1: (10, 90), 2: (9, 50), 3: (1, 50), 4: (12, 10), 5: (50, 3)}
    years = pl.Series([year for year, pair in counts.items() for _ in range(sum(pair))])
    retained = pl.Series([int(i >= left) for left, stayed in counts.values() for i in range(left + stayed)])

    found = years_in_groups(years, retained)

    assert dict(zip(years, found, strict=True)) == {1: 1, 2: 2, 3: 2, 4: 4, 5: 4}


def test_who_was_promoted_is_retained_only_by_the_definition_that_says_so(lake: Scenario) -> None:
    promoted = dict.fromkeys(OUTCOMES, 0)
    fellows = [row | (promoted if i < 4 else {}) for i, row in enumerate(some(12, 4, "fellow", 4))]
    rows = [*fellows, *some(10, 6, schools=4)]

    strict, inclusive = (effect(lake, rows, definition=definition) for definition in ("strict", "inclusive"))

    assert (strict["outcome"], inclusive["outcome"]) == ("retained_in_school", "retained_in_school_or_promoted")
    assert strict["estimate"] == pytest.approx(100 * (8 - 10) / 16)
    assert inclusive["estimate"] == pytest.approx(100 * (12 - 10) / 16)


def test_others_with_a_part_and_former_ones_are_no_comparison(lake: Scenario) -> None:
    rows = [
        *some(12, 4, "fellow", 4),
        *some(10, 6, schools=4),
        *some(9, 0, "applicant", 3),
        *some(3, 6, "applicant", 3),
    ]
    left_out = [*some(0, 50, "mentee"), *some(0, 50, "former")]

    beside_others, beside_applicants = (
        effect(lake, [*rows, *left_out], comparison=comparison) for comparison in ("none", "applicant")
    )

    assert (beside_others["n"], beside_others["comparison_mean"]) == (50, pytest.approx(100 * 22 / 34))
    assert (beside_applicants["n"], beside_applicants["comparison_mean"]) == (34, pytest.approx(100 * 12 / 18))


def test_teachers_without_a_school_are_each_a_cluster(lake: Scenario) -> None:
    rows = [*some(9, 7, "fellow", 4), *some(10, 6, schools=4), *(teacher(i % 2, None) for i in range(5))]

    row = effect(lake, rows)

    assert [row[n] for n in ("n_clusters", "n_schools", "n_treated_clusters")] == [9, 4, 4]


def test_baseline_difference_is_hedges_g_of_the_experience_that_is_known(lake: Scenario) -> None:
    experience = {"fellow": (4.0, 6.0, 8.0), "none": (3.0, 5.0, 7.0, 9.0, 1.0)}
    known = [
        teacher(i % 2, f"LA {i}", part, experience_years=years)
        for part, of in experience.items()
        for i, years in enumerate(of)
    ]
    unknown = [teacher(i % 2, f"LA {i}", experience_years=0.0, lacks_experience=1) for i in range(4)]

    row = effect(lake, [*known, *unknown])

    assert row["baseline_difference"] == pytest.approx((1 - 3 / (4 * 8 - 9)) * 1 / ((2 * 4 + 4 * 10) / 6) ** 0.5)


@pytest.mark.parametrize("model", ["linear_probability", "logit", "hazard"])
@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (some(4, 4, "fellow", 1) + some(9, 9, schools=4), "too_few_treated"),
        (some(1, 0, "fellow") + some(9, 9, schools=4), "too_few_treated"),
        (some(4, 4, "fellow", 4) + some(9, 9, schools=1), "too_few_comparison"),
        (some(4, 4, "fellow", 4), "too_few_comparison"),
        (some(8, 0, "fellow", 4) + some(9, 0, schools=4), "no_variation"),
        (some(8, 0, "fellow", 4) + some(9, 9, schools=4), "separated"),
        (some(4, 4, "fellow", 4) + some(0, 9, schools=4), "separated"),
        (some(4, 4, "fellow", 4, is_female=1) + some(9, 9, schools=4), "not_estimable"),
    ],
)
def test_where_there_is_no_estimate_the_reason_is_told(
    lake: Scenario, rows: list[Row], reason: str, model: str
) -> None:
    row = effect(lake, rows, "is_female", model=model)

    assert row["null_reason"] == reason
    assert row["n"] == len(rows)
    columns = ("estimate", "standard_error", "ci_low", "ci_high", "p_value", "effect_size", "ratio")
    assert {row.get(name) for name in columns} == {None}


@pytest.mark.parametrize("model", ["logit", "hazard"])
def test_where_a_covariate_tells_the_outcome_of_some_a_logit_is_separated(lake: Scenario, model: str) -> None:
    rows = [*some(5, 3, "fellow", 4), *some(9, 9, schools=4), *some(6, 0, schools=4, is_female=1)]

    assert effect(lake, rows, "is_female", model=model)["null_reason"] == "separated"
    assert effect(lake, rows, "is_female")["estimate"] == pytest.approx(100 * (5 / 8 - 9 / 18))


def test_a_linear_estimate_that_no_share_can_reach_is_none(lake: Scenario) -> None:
    """Three rows of either group: retention falls with experience, which fellows alone have."""
    years = {"fellow": ((4.0, 1), (5.0, 0), (6.0, 0)), "none": ((1.0, 0), (0.0, 1), (0.9, 0))}
    rows = [
        teacher(is_retained, f"LA {i}", part, experience_years=experience)
        for part, of in years.items()
        for i, (experience, is_retained) in enumerate(of)
    ]

    assert effect(lake, rows, "experience_years")["null_reason"] == "not_estimable"
    assert effect(lake, rows)["estimate"] == pytest.approx(0)


def test_one_teacher_in_two_schools_is_too_few(lake: Scenario) -> None:
    one = [teacher(i, f"LA {i}", "fellow", staff_key="annx", school_year=2014 + i) for i in range(2)]

    assert effect(lake, [*one, *some(9, 9, schools=4)])["null_reason"] == "too_few_treated"


def test_matching_compares_with_the_teachers_who_are_alike(lake: Scenario) -> None:
    """Others are as many alike as there are fellows, and many new ones, who leave."""
    years = [float(year) for year in range(3, 23)]
    fellows = [teacher(int(i % 4 > 0), f"LA {i % 6}", "fellow", experience_years=y) for i, y in enumerate(years)]
    alike = [teacher(i % 2, f"LA {i % 6}", experience_years=y) for i, y in enumerate(years)]
    new = [teacher(int(i % 5 == 0), f"LA {i % 5}", experience_years=0.1 * (i % 10)) for i in range(60)]

    row = effect(lake, [*fellows, *alike, *new], "experience_years", matching="nearest")

    assert (row["n"], row["n_treated"], row["comparison_mean"]) == (40, 20, 50)
    assert row["baseline_difference"] == pytest.approx(0, abs=1e-12)
    assert row["estimate"] == pytest.approx(25)


def test_in_full_matching_each_set_counts_as_its_treated_do(lake: Scenario) -> None:
    """Every second fellow has three teachers of the same experience who left, the others one who stayed."""
    fellows = [teacher(int(y % 3 > 0), f"LA {y % 4}", "fellow", experience_years=float(y)) for y in range(10)]
    others = [
        teacher(y % 2, f"LA {(y + i) % 4}", experience_years=float(y))
        for y in range(10)
        for i in range(3 - 2 * (y % 2))
    ]

    row = effect(lake, [*fellows, *others], "experience_years", matching="full")

    assert (row["n"], row["n_treated"]) == (30, 10)
    assert row["comparison_mean"] == pytest.approx(50)


def test_weighting_gives_the_comparison_the_characteristics_of_the_treated(lake: Scenario) -> None:
    """A third of the fellows is experienced, and two thirds of the others, who stay."""
    fellows = [teacher(int(i % 3 > 0), f"LA {i % 4}", "fellow", is_novice=int(i % 3 > 0)) for i in range(36)]
    novices = [row | {"is_novice": 1} for row in some(10, 10, schools=4)]
    others = some(30, 10, schools=4)

    row = effect(lake, [*fellows, *novices, *others], "is_novice", matching="weighting")

    assert row["n"] == 96
    assert row["comparison_mean"] == pytest.approx(100 * (2 / 3 * 0.5 + 1 / 3 * 0.75), abs=1e-6)


def test_whom_of_many_equals_a_match_takes_does_not_go_by_the_outcome(lake: Scenario) -> None:
    rows = [*some(20, 20, "fellow", 5, experience_years=3.0), *some(200, 200, schools=5, experience_years=3.0)]

    row = effect(lake, rows, "experience_years", matching="nearest")

    assert row["n"] == 80
    assert 25 < row["comparison_mean"] < 75


@pytest.mark.parametrize("declared", [{}, {"model": "logit"}, {"matching": "nearest"}, {"model": "hazard"}])
def test_neither_the_keys_of_teachers_nor_the_order_of_rows_move_a_digit(
    lake: Scenario, declared: dict[str, str]
) -> None:
    named = [row | {"staff_key": f"{i:03}x"} for i, row in enumerate(drawn(3, 240, 12))]
    rows = [row | ({"school": None} if i % 9 == 0 else {}) for i, row in enumerate(named)]
    covariates = ("experience_years", "is_female")

    first = effect(lake, rows, *covariates, **declared)

    renamed = [row | {"staff_key": row["staff_key"][::-1].strip("x") + "y"} for row in reversed(rows)]
    assert effect(lake, renamed, *covariates, **declared) == first


def test_every_specification_has_a_row_in_every_cell_where_its_population_is_treated(lake: Scenario) -> None:
    plan = load_plan(Path("none"))
    places = (("LA", "North"), ("MO", None))
    parts = ("fellow", "none", "none", "applicant")
    rows = [
        teacher(i % 2, f"{state} {i}", parts[i % 4], state=state, region=region, school_year=year)
        for state, region in places
        for year in (2014, 2015)
        for i in range(12)
    ]
    unseen = [teacher(None, "LA 1", "fellow", school_year=2016)]
    mentee = [teacher(1, "MO 1", "mentee", state="MO", region=None, school_year=2015)]

    found = list(found_in(lake, [*rows, *unseen, *mentee], plan))

    keys = ("outcome", "population", "state", "region", "subject", "period", "specification")
    counted = Counter(tuple(row[name] for name in keys) for row in found)
    assert set(counted.values()) == {1}
    of_fellow = [n for n, s in plan.specifications.items() if s.design == "retention" and "fellow" in s.populations]
    of_mentee = [n for n, s in plan.specifications.items() if s.design == "retention" and "mentee" in s.populations]
    spots = [("LA", "North"), ("LA", "all"), ("MO", "all"), ("all", "all")]
    expected = {("fellow", *spot, p, n) for spot, p, n in product(spots, ("2014", "2015", "all"), of_fellow)}
    expected |= {("mentee", "MO", "all", p, n) for p, n in product(("2015", "all"), of_mentee)}  # of one state only
    assert {(k[1], k[2], k[3], k[5], k[6]) for k in counted} == expected
    assert all((row.get("estimate") is None) == (row.get("null_reason") is not None) for row in found)


def test_a_planted_effect_is_found_by_every_model(lake: Scenario) -> None:
    rows = drawn(4, n=6000, schools=120, effect=0.08)
    covariates = ("experience_years", "is_female")

    found = [
        effect(lake, rows, *covariates, **declared)
        for declared in ({}, {"model": "logit"}, {"model": "hazard"}, {"matching": "nearest"}, {"matching": "full"})
    ]

    assert all(row["ci_low"] < 8 < row["ci_high"] for row in found), [row["estimate"] for row in found]
    assert all(row["standard_error"] < 2 for row in found)
    assert all(row["p_value"] < 0.001 for row in found)
