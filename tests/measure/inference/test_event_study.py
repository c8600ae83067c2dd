"""event_study: the published example of Callaway and Sant'Anna, and what the estimator must do in every panel."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyfixest
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

from le_pipeline.errors import PanelError
from le_pipeline.measure.inference.event_study import EventStudy, event_study
from le_pipeline.measure.inference.school_panel import EventStudyDesign
from school_panels import Cohorts, Floats, first_years, lasting, levels, panel

DESIGN = EventStudyDesign("school", "year", "first", "z")
NOT_YET = EventStudyDesign("school", "year", "first", "z", comparison="not_yet_treated")
WEIGHTED = EventStudyDesign("school", "year", "first", "z", weight="students")


def row(frame: pl.DataFrame, **key: object) -> dict[str, object]:
    """The only row with that key."""
    return frame.filter(**key).row(0, named=True)


def years_treated(first: Floats, years: Floats) -> Floats:
    """1 in the first treated year, 2 in the next, and so on; 0 before and where never (schools x years)."""
    since = years - first[:, None] + 1
    return np.where(np.isfinite(since) & (since > 0), since, 0.0)


# -- the published example ---------------------------------------------------------------------------------------

# County teen employment, `mpdta` of the R package did: of the yearly changes of log employment, 2003-04 to 2006-07,
# by first year of a higher minimum wage, the number of counties, the means and the lower half of the covariances
# (divided by n), computed from github.com/d2cml-ai/csdid, data/mpdta.csv. The panel below has exactly these.
MINIMUM_WAGE: dict[int | None, tuple[int, list[float], list[list[float]]]] = {
    None: (
        309,
        [-0.0626300244, 0.0128084356, 0.0340878483, 0.0222362583],
        [
            [0.029581302],
            [-0.0094521257, 0.0227115201],
            [0.0020220126, -0.0057491998, 0.0400538371],
            [0.000635951, -0.0013002479, -0.0122708282, 0.0265266001],
        ],
    ),
    2004: (
        20,
        [-0.0731332706, -0.0471114763, -0.0327477325, 0.0586836341],
        [
            [0.0088975665],
            [-0.0023867308, 0.012915938],
            [0.0011875135, -0.0015513534, 0.0059677194],
            [-0.0055155848, 0.0016055301, -0.0044923967, 0.013822396],
        ],
    ),
    2006: (
        40,
        [-0.0561099119, 0.0100576169, 0.0294932413, -0.0143936063],
        [
            [0.0179362988],
            [0.0023364871, 0.0123614898],
            [-0.0001566764, -0.0026839548, 0.0074249176],
            [-0.0007867441, 0.0018899806, -0.0031906595, 0.0098832781],
        ],
    ),
    2007: (
        131,
        [-0.0321233688, 0.0100825427, 0.0030007289, -0.0038181524],
        [
            [0.0170660991],
            [-0.0033852458, 0.0255873485],
            [0.001651819, -0.0068627667, 0.0248875559],
            [0.0011419106, -0.0000744021, -0.0071483689, 0.0250939571],
        ],
    ),
}

# R package did, att_gt and aggte without covariates and without bootstrap (att, se; the post-treatment cells do not
# depend on the base period); github.com/d2cml-ai/csdid, csdid/test_csdid/r_ref/ref_{attgt,aggte,pretest}.csv.
# To four digits the estimates are those of the vignette of did.
CELLS_NEVER = {
    (2004, 2004): (-0.0105032462209624, 0.0232510363681664),
    (2004, 2005): (-0.0704231581031467, 0.0309847667572767),
    (2004, 2006): (-0.137258738889403, 0.0364356642876865),
    (2004, 2007): (-0.100811363085404, 0.0343592258346732),
    (2006, 2006): (-0.00459460695286304, 0.0177551966592763),
    (2006, 2007): (-0.0412244715462175, 0.0202291807041068),
    (2007, 2007): (-0.0260544107191966, 0.0166554353492522),
}
CELLS_NOT_YET = CELLS_NEVER | {
    (2004, 2004): (-0.0193723636759221, 0.0223101128836806),
    (2004, 2005): (-0.0783190990620607, 0.0303902285433973),
    (2004, 2006): (-0.136274346328678, 0.03540338496891),
    (2006, 2006): (0.00466087631997615, 0.0163355842468236),
}
EVENTS_NEVER = {
    0: (-0.0199318167892593, 0.0118263640580582),
    1: (-0.0509573670651939, 0.016893476268678),
    2: (-0.137258738889403, 0.0364356642876865),
    3: (-0.100811363085404, 0.0343592258346733),
}
EVENTS_NOT_YET = {
    0: (-0.0189221990834249, 0.0120445686892691),
    1: (-0.0535893473848319, 0.016946385539125),
    2: (-0.136274346328678, 0.03540338496891),
    3: (-0.100811363085404, 0.0343592258346733),
}
COHORTS_NEVER = {
    2004: (-0.0797491265747291, 0.0263677994350273),
    2006: (-0.0229095392495403, 0.0167033302551619),
    2007: (-0.0260544107191966, 0.0166554353492522),
}
COHORTS_NOT_YET = {
    2004: (-0.0836942930380162, 0.0257015997680069),
    2006: (-0.0182817976131207, 0.0159222358245001),
    2007: (-0.0260544107191966, 0.0166554353492522),
}
OVERALL_NEVER = {
    "simple": (-0.0399512751551763, 0.0120340127701854),
    "event_time": (-0.0772398214573151, 0.0199649890618494),
}
OVERALL_NOT_YET = {
    "simple": (-0.0397636256230437, 0.0120524247873419),
    "event_time": (-0.0773993139705847, 0.0195601769463944),
}


def with_moments(n: int, means: list[float], lower: list[list[float]], random: np.random.Generator) -> Floats:
    """Draws (n x 4) which have exactly these means and covariances."""
    half = np.array([line + [0.0] * (len(lower) - len(line)) for line in lower])
    covariance = half + half.T - np.diag(np.diag(half))
    draws = random.standard_normal((n, len(means)))
    draws -= draws.mean(axis=0)
    white = np.linalg.solve(np.linalg.cholesky(draws.T @ draws / n), draws.T)
    return (np.linalg.cholesky(covariance) @ white).T + means


@pytest.fixture(scope="module")
def minimum_wage() -> pl.DataFrame:
    random = np.random.default_rng(2021)
    changes = np.concatenate([with_moments(*moments, random) for moments in MINIMUM_WAGE.values()])
    start = random.normal(5, 1, (len(changes), 1))
    outcome = np.hstack([start, start + changes.cumsum(axis=1)])
    return panel(outcome, first_years({first: n for first, (n, *_) in MINIMUM_WAGE.items()}), range(2003, 2008))


def found(frame: pl.DataFrame, *key: str) -> dict[object, tuple[float, float]]:
    values = frame.select("estimate", "standard_error").rows()
    keys = frame.select(key).rows() if len(key) > 1 else frame[key[0]].to_list()
    return dict(zip(keys, values, strict=True))


@pytest.mark.parametrize(
    ("design", "published"),
    [
        (DESIGN, [CELLS_NEVER, EVENTS_NEVER, COHORTS_NEVER, OVERALL_NEVER]),
        (NOT_YET, [CELLS_NOT_YET, EVENTS_NOT_YET, COHORTS_NOT_YET, OVERALL_NOT_YET]),
    ],
    ids=["never_treated", "not_yet_treated"],
)
def test_the_minimum_wage_example_has_the_estimates_and_errors_of_the_package_did(
    minimum_wage: pl.DataFrame, design: EventStudyDesign, published: list[dict[object, tuple[float, float]]]
) -> None:
    study = event_study(minimum_wage, design)
    since = pl.col("event_time") >= 0

    got = [
        found(study.group_time.filter(since), "cohort", "time"),
        found(study.event_time.filter(since), "event_time"),
        found(study.by_cohort, "cohort"),
        found(study.overall, "aggregation"),
    ]

    for mine, theirs in zip(got, published, strict=True):
        assert mine.keys() == theirs.keys()
        for key, pair in theirs.items():
            assert mine[key] == pytest.approx(pair, abs=2e-9)


def test_the_test_of_trends_before_the_minimum_wage_has_the_published_p_value(minimum_wage: pl.DataFrame) -> None:
    # did takes the year before as the base of each year; the five effects are sums of its five, so Wald is the same
    tested = row(event_study(minimum_wage, DESIGN).pre_trend, effects="group_time")

    assert tested["n_effects"] == 5
    assert tested["wald"] == pytest.approx(7.79123662720035, abs=1e-6)
    assert tested["p_value_chi_squared"] == pytest.approx(0.16812, abs=5e-6)
    # Hotelling by hand: shares of 2/5 among the 40 counties of 2006 and 3/5 among the 131 of 2007
    a, b = 2 / 5 / 40, 3 / 5 / 131
    nu = (40 * a**2 + 131 * b**2) ** 2 / (40 * a**4 + 131 * b**4) - 1
    assert tested["f_degrees_of_freedom"] == pytest.approx(nu - 4)
    assert tested["f_statistic"] == pytest.approx(7.79123662720035 * (nu - 4) / (5 * nu), abs=1e-6)


def test_effects_before_treatment_are_changes_towards_one_base_year(minimum_wage: pl.DataFrame) -> None:
    # the sums, with their signs turned, of those that did gives against the year before: 0.00652, -0.00275 for 2006
    got = found(event_study(minimum_wage, DESIGN).group_time, "cohort", "time")

    assert got[2006, 2004][0] == pytest.approx(0.00275081875051882, abs=1e-9)
    assert got[2006, 2003][0] == pytest.approx(0.00275081875051882 - 0.00652011242423301, abs=1e-9)
    assert got[2007, 2005] == pytest.approx((0.0310871193896889, 0.0178775113133435), abs=2e-9)
    assert (2006, 2005) not in got


# -- where two-way fixed effects go wrong ------------------------------------------------------------------------


def two_way(rows: pl.DataFrame) -> float:
    """The coefficient of plain two-way fixed effects."""
    treated = rows.with_columns(d=(pl.col("year") >= pl.col("first")).fill_null(value=False).cast(pl.Float64))
    return float(pyfixest.feols("z ~ d | school + year", treated.to_pandas()).coef()["d"])


def test_effects_are_right_where_two_way_fixed_effects_turn_their_sign() -> None:
    # de Chaisemartin and D'Haultfoeuille 2020, American Economic Review 110, 2964-2996, introduction: effects 1 (late
    # group, year 3), 1 and 4 (early group, years 2 and 3) give 1/2 x 1 + 1 - 1/2 x 4 = -1/2
    first = first_years({3: 5, 2: 5})
    effect = np.array([[0, 0, 1]] * 5 + [[0, 1, 4]] * 5)
    rows = panel(levels(10, 3) + effect, first, [1, 2, 3])

    study = event_study(rows, NOT_YET)

    assert two_way(rows) == pytest.approx(-0.5)
    assert row(study.group_time, cohort=2, time=2)["estimate"] == pytest.approx(1)
    assert row(study.overall, aggregation="simple")["estimate"] == pytest.approx(1)
    # in year 3 nobody is left to compare with
    assert row(study.group_time, cohort=2, time=3)["null_reason"] == "too_few_comparison_schools"
    assert row(study.group_time, cohort=3, time=3)["estimate"] is None


@pytest.mark.parametrize("design", [DESIGN, NOT_YET])
def test_growing_effects_are_averaged_over_the_treated_not_subtracted_from_each_other(design: EventStudyDesign) -> None:
    # Goodman-Bacon 2021, section 3: with effects that grow, schools treated earlier are comparisons with a trend
    first = first_years({3: 10, 8: 10, None: 5})
    years = np.arange(1, 11)
    effect = years_treated(first, years)
    rows = panel(levels(25, 10) + effect, first, years.tolist())

    study = event_study(rows, design)

    assert row(study.overall, aggregation="simple")["estimate"] == pytest.approx((36 + 6) / 11)  # 1 to 8, and 1 to 3
    assert two_way(rows) < 0.6 * (36 + 6) / 11
    after = study.event_time.filter(pl.col("event_time") >= 0)
    assert after["estimate"].to_list() == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8])
    assert row(study.overall, aggregation="event_time")["estimate"] == pytest.approx(4.5)
    before = study.event_time.filter(pl.col("event_time") < 0)
    assert before["estimate"].to_list() == pytest.approx([0] * 6, abs=1e-12)


@pytest.mark.parametrize("weight", [None, "students"])
def test_one_cohort_gives_what_a_saturated_regression_gives(weight: str | None) -> None:
    random = np.random.default_rng(5)
    first, years = first_years({3: 12, None: 21}), [1, 2, 3, 4, 5]
    rows = panel(
        levels(33, 5) + lasting(33, 5, random), first, years, students=random.integers(20, 200, 33).astype(float)
    )
    dummies = rows.with_columns(
        (pl.col("first").is_not_null() & (pl.col("year") == year)).cast(pl.Float64).alias(f"treated_{year}")
        for year in years
    )

    study = event_study(rows, EventStudyDesign("school", "year", "first", "z", weight))
    saturated = pyfixest.feols(
        "z ~ treated_1 + treated_3 + treated_4 + treated_5 | school + year",
        dummies.to_pandas(),
        vcov={"CRV1": "school"},
        weights=weight,
        ssc=pyfixest.ssc(k_adj=False, G_adj=False),
    )

    assert study.group_time["estimate"].to_list() == pytest.approx(saturated.coef().to_list(), abs=1e-8)
    assert study.group_time["standard_error"].to_list() == pytest.approx(saturated.se().to_list(), abs=1e-8)
    a = rows.unique("school").filter(pl.col("first").is_not_null())["students"] ** (0 if weight is None else 1)
    degrees = (a**2).sum() ** 2 / (a**4).sum() - 1  # 11 where all schools weigh the same
    assert study.group_time["degrees_of_freedom"].to_list() == pytest.approx([degrees] * 4)


# -- what holds in every panel -----------------------------------------------------------------------------------

EIGHT = np.arange(2012, 2020)


def noisy(seed: int, *, missing: float = 0.0, cohorts: Cohorts | None = None) -> pl.DataFrame:
    """Schools of three cohorts and never treated ones, with effects, of which some years are missing."""
    random = np.random.default_rng(seed)
    first = first_years(cohorts or {2014: 6, 2016: 7, 2018: 6, None: 9})
    outcome = levels(len(first), 8, seed) + lasting(len(first), 8, random) + 0.3 * years_treated(first, EIGHT)
    students = random.integers(5, 300, outcome.shape).astype(float)
    rows = panel(outcome, first, EIGHT.tolist(), students=students)
    return rows.filter(random.random(rows.height) >= missing)


def frames(study: EventStudy) -> list[pl.DataFrame]:
    return [study.group_time, study.event_time, study.by_cohort, study.overall, study.pre_trend]


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2]), st.sampled_from(["never_treated", "not_yet_treated"]))
@settings(max_examples=15, deadline=None)
def test_neither_order_of_rows_nor_names_of_schools_change_a_digit(seed: int, missing: float, comparison: str) -> None:
    design = EventStudyDesign("school", "year", "first", "z", "students", comparison)  # type: ignore[arg-type]
    rows = noisy(seed, missing=missing)
    names = pl.Series([f"{(place * 7919 + seed) % 10_007:05}" for place in range(28)])
    renamed = rows.with_columns(school=names.gather(rows["school"])).sample(fraction=1, shuffle=True, seed=seed)

    for frame, other in zip(frames(event_study(rows, design)), frames(event_study(renamed, design)), strict=True):
        assert_frame_equal(frame, other, check_exact=True)


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.2]))
@settings(max_examples=15, deadline=None)
def test_levels_of_schools_and_years_and_the_unit_of_weights_change_nothing(seed: int, missing: float) -> None:
    rows = noisy(seed, missing=missing)
    moved = rows.with_columns(
        z=pl.col("z") + 10 + (pl.col("school") * 0.37).sin() * 5 + (pl.col("year") * 1.7).cos(),
        students=pl.col("students") * 3,
    )

    for frame, other in zip(
        frames(event_study(rows, WEIGHTED))[:4], frames(event_study(moved, WEIGHTED))[:4], strict=True
    ):
        for column in ("estimate", "standard_error", "ci_low"):
            assert other[column].to_list() == pytest.approx(frame[column].to_list(), abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_bands_are_at_least_as_wide_as_intervals_and_all_figures_are_finite(seed: int) -> None:
    study = event_study(noisy(seed, missing=0.3), WEIGHTED)
    for frame in frames(study)[:3]:
        told = frame.drop_nulls("standard_error")
        assert (told["band_low"] <= told["ci_low"]).all()
        assert (told["band_high"] >= told["ci_high"]).all()
    for frame in frames(study):
        for column in frame.select(pl.col(pl.Float64)):
            assert column.drop_nulls().is_finite().all()


def test_known_effects_are_found_exactly_though_a_fifth_of_the_rows_is_missing() -> None:
    random = np.random.default_rng(3)
    first = first_years({2014: 15, 2016: 15, 2018: 15, None: 20})
    rows = panel(levels(65, 8) + 0.25 * years_treated(first, EIGHT), first, EIGHT.tolist())

    study = event_study(rows.filter(random.random(rows.height) > 0.2), DESIGN)

    after = study.event_time.filter(pl.col("event_time") >= 0)
    assert after["estimate"].to_list() == pytest.approx([0.25 * (event + 1) for event in range(6)])
    assert study.group_time.filter(pl.col("event_time") < 0)["estimate"].to_list() == pytest.approx([0] * 9, abs=1e-12)


def test_weights_are_the_students_of_the_first_observed_year() -> None:
    # the second school has three times the students of the first in its first year, whatever comes later
    outcome = np.array([[0, 1.0], [0, 5.0], [0, 0.0], [0, 2.0]])
    students = np.array([[10, 900.0], [30, 1.0], [10, 1.0], [10, 7.0]])
    rows = panel(outcome, first_years({2: 2, None: 2}), [1, 2], students=students)

    cell = event_study(rows, WEIGHTED).group_time.row(0, named=True)

    assert cell["estimate"] == pytest.approx((1 + 3 * 5) / 4 - 1)
    # shares 1/4 and 3/4 of deviations -3 and 1; 1/2 of -1 and 1
    assert cell["standard_error"] == pytest.approx(np.sqrt(0.75**2 * 2 + 0.5))


# -- what is left out, and why -----------------------------------------------------------------------------------


def test_cohorts_treated_in_the_first_year_are_left_out_and_counted() -> None:
    rows = noisy(1, cohorts={2011: 2, 2012: 3, 2016: 6, None: 6})

    study = event_study(rows, DESIGN)

    assert (study.n_cohorts_without_base, study.n_schools_without_base) == (2, 5)
    without = event_study(rows.filter(pl.col("first").is_null() | (pl.col("first") > 2012)), DESIGN)
    for frame, other in zip(frames(study), frames(without), strict=True):
        assert_frame_equal(frame, other, check_exact=True)


def test_schools_treated_after_the_last_year_are_comparisons() -> None:
    later = noisy(2, cohorts={2016: 6, 2020: 5, None: 5})

    never = event_study(later.with_columns(first=pl.when(pl.col("first") < 2020).then("first")), DESIGN)

    assert_frame_equal(event_study(later, DESIGN).group_time, never.group_time, check_exact=True)
    assert never.group_time["n_comparison"].unique().to_list() == [10]


def test_a_year_without_tests_is_passed_over() -> None:
    rows = noisy(4, cohorts={2016: 6, None: 6}).filter(pl.col("year") != 2015)

    study = event_study(rows, DESIGN)

    assert study.group_time["event_time"].to_list() == [-4, -3, 0, 1, 2, 3]  # 2014, two years before, is the base
    wide = rows.pivot("year", index=["school", "first"], values="z").with_columns(
        change=pl.col("2016") - pl.col("2014")
    )
    means = wide.group_by(pl.col("first").is_null().alias("never")).agg(pl.col("change").mean()).sort("never")["change"]
    assert row(study.group_time, time=2016)["estimate"] == pytest.approx(means[0] - means[1])


def test_too_few_schools_give_a_reason_and_no_estimate() -> None:
    few_treated = event_study(noisy(5, cohorts={2016: 1, 2017: 3, None: 9}), DESIGN)
    few_others = event_study(noisy(5, cohorts={2016: 8, None: 1}), DESIGN)

    assert row(few_treated.group_time, cohort=2016, time=2016)["null_reason"] == "too_few_treated_schools"
    assert row(few_treated.group_time, cohort=2017, time=2017)["null_reason"] is None
    simple = row(few_treated.overall, aggregation="simple")
    assert (simple["estimate"], simple["n_treated"], simple["null_reason"]) == (None, 3, "too_few_treated_schools")
    assert few_others.group_time["null_reason"].unique().to_list() == ["too_few_comparison_schools"]
    for study in (few_treated, few_others):
        assert study.overall.select("estimate", "standard_error", "ci_low").null_count().row(0) == (2, 2, 2)


@pytest.mark.parametrize(
    "cohorts", [{None: 9}, {2012: 9, None: 4}, {2016: 9}], ids=["nobody treated", "no base", "nobody untreated"]
)
def test_panels_without_a_comparison_give_nulls_of_the_same_shape(cohorts: Cohorts) -> None:
    study = event_study(noisy(6, cohorts=cohorts), DESIGN)
    whole = event_study(noisy(6), DESIGN)

    for frame, other in zip(frames(study), frames(whole), strict=True):
        assert frame.schema == other.schema
    assert study.overall["aggregation"].to_list() == ["simple", "event_time"]
    assert study.overall["estimate"].null_count() == 2
    assert study.pre_trend["null_reason"].to_list() == ["no_pre_period", "no_pre_period"]


def test_an_empty_panel_gives_nulls() -> None:
    study = event_study(noisy(6).clear(), DESIGN)

    assert study.group_time.is_empty()
    assert study.overall["null_reason"].to_list() == ["too_few_treated_schools"] * 2


def test_schools_without_any_difference_in_their_changes_give_no_error() -> None:
    first = first_years({2016: 6, None: 6})
    study = event_study(panel(levels(12, 8) + years_treated(first, EIGHT), first, EIGHT.tolist()), DESIGN)

    simple = row(study.overall, aggregation="simple")
    assert simple["estimate"] == pytest.approx(2.5)
    assert (simple["standard_error"], simple["p_value"], simple["null_reason"]) == (None, None, "no_variation")
    assert study.pre_trend["null_reason"].to_list() == ["singular_covariance"] * 2


def test_trends_are_not_tested_without_a_year_before_the_base_or_with_too_few_schools() -> None:
    no_year = event_study(noisy(7, cohorts={2013: 8, None: 8}), DESIGN)
    few = event_study(noisy(7, cohorts={2019: 6, None: 8}), DESIGN)

    assert no_year.pre_trend["null_reason"].to_list() == ["no_pre_period"] * 2
    assert few.pre_trend.row(0, named=True) == {
        "effects": "group_time",
        "n_effects": 6,
        "wald": None,
        "p_value_chi_squared": None,
        "f_statistic": None,
        "f_degrees_of_freedom": None,
        "p_value": None,
        "null_reason": "too_few_schools",
    }


def test_trends_that_part_before_treatment_are_found() -> None:
    rows = noisy(8, cohorts={2016: 20, None: 20}).with_columns(
        z=pl.col("z") + pl.when(pl.col("first").is_not_null()).then((pl.col("year") - 2012) * 1.0).otherwise(0)
    )

    assert event_study(rows, DESIGN).pre_trend["p_value"].max() < 0.001  # type: ignore[operator]


def test_rows_without_outcome_or_students_are_no_observations() -> None:
    rows = noisy(9)
    holes = rows.with_columns(
        z=pl.when(pl.col("year") != 2015).then("z").otherwise(pl.Series([None, float("nan")] * (rows.height // 2))),
        students=pl.when(pl.col("school") != 3).then("students").otherwise(0.0),
    )

    expected = event_study(rows.filter(pl.col("year") != 2015, pl.col("school") != 3), WEIGHTED)
    for frame, other in zip(frames(event_study(holes, WEIGHTED)), frames(expected), strict=True):
        assert_frame_equal(frame, other, check_exact=True)


def test_a_school_twice_in_a_year_or_with_two_first_years_is_refused() -> None:
    rows = noisy(10)

    with pytest.raises(PanelError, match="one row per school and year"):
        event_study(pl.concat([rows, rows.head(1)]), DESIGN)
    with pytest.raises(PanelError, match="changes within a school"):
        event_study(rows.with_columns(first=pl.when(pl.col("year") > 2013).then("first")), DESIGN)


# -- how often intervals hold the truth --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cohorts", "least_band"),
    [({3: 4, 4: 4, 5: 4, None: 12}, 0.92), ({3: 2, 4: 2, 5: 2, None: 40}, 0.85)],
    ids=["12 treated and 12 others", "6 treated and 40 others"],
)
def test_intervals_and_bands_hold_the_truth_about_as_often_as_they_say(
    cohorts: Cohorts, least_band: float, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(2024)
    first, years = first_years(cohorts), np.arange(1, 7)
    effect = 0.3 * years_treated(first, years)
    truth = float(effect[effect > 0].mean())
    held = []
    for _ in range(200):
        outcome = lasting(len(first), 6, random) + effect
        study = event_study(panel(outcome, first, years.tolist()), DESIGN)
        simple, events = study.overall.row(0, named=True), study.event_time.drop_nulls("standard_error")
        true = 0.3 * (events["event_time"] + 1).clip(lower_bound=0)
        all_schools = stats.t.isf(0.025, len(first) - 1) * simple["standard_error"]
        held.append(
            (
                simple["ci_low"] <= truth <= simple["ci_high"],
                abs(simple["estimate"] - truth) <= all_schools,
                ((events["band_low"] <= true) & (true <= events["band_high"])).all(),
                study.pre_trend.filter(effects="event_time")["p_value"].item() > 0.05,
            )
        )
    interval, usual, band, alike = np.mean(held, axis=0)

    with capsys.disabled():
        print(
            f"\n200 panels: the interval holds the truth in {interval:.3f} (with all schools less one as degrees of "
            f"freedom: {usual:.3f}), the band in {band:.3f}; trends that are alike pass Hotelling's test in {alike:.3f}"
        )
    assert 0.92 <= interval <= 0.99
    assert band >= least_band
    assert alike >= 0.9
