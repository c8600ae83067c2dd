"""statistics: every formula against an example published elsewhere, or a calculation by hand."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from le_pipeline.measure import statistics


def value(expression: pl.Expr) -> float | None:
    result: float | None = pl.select(expression.alias("value")).item()
    return result


def lit(*values: float) -> list[pl.Expr]:
    return [pl.lit(number) for number in values]


# Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(successes: int, n: int, low: float, high: float) -> None:
    found = [value(end) for end in statistics.wilson(*lit(successes, n))]

    assert found == pytest.approx([low, high], abs=5e-5)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_between_0_and_1(counts: tuple[int, int]) -> None:
    low, high = (value(end) for end in statistics.wilson(*lit(*counts)))

    assert low is not None
    assert high is not None
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1
    assert low < high


def test_wilson_stays_within_0_and_1_for_every_count() -> None:
    counts = pl.DataFrame({"n": range(1, 500)}).select(pl.col("n").cast(pl.Float64))
    for successes, end in ((pl.lit(0.0), "low"), (pl.col("n"), "high")):
        low, high = statistics.wilson(successes, pl.col("n"))
        ends = counts.select(low=low, high=high)
        assert ends["low"].min() >= 0  # type: ignore[operator]
        assert ends["high"].max() <= 1  # type: ignore[operator]
        assert ends[end].unique().to_list() == [0.0 if end == "low" else 1.0]


# Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10
@pytest.mark.parametrize(
    ("counts", "interval"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_a_difference_of_shares_has_the_published_intervals(
    counts: tuple[int, ...], interval: tuple[float, float]
) -> None:
    found = [value(end) for end in statistics.share_difference(*lit(*counts))]

    assert found == pytest.approx(interval, abs=5e-5)


def test_of_nobody_there_is_no_share_and_no_interval() -> None:
    ends = [*statistics.wilson(*lit(0, 0)), *statistics.share_difference(*lit(0, 0, 1, 2))]

    assert value(statistics.share(*lit(0, 0))) is None
    assert [value(end) for end in ends] == [None] * 4


def test_hedges_g_and_its_error_are_those_of_the_published_example() -> None:
    # Borenstein and others 2009, Introduction to Meta-Analysis, chapter 4: means 103 and 100, sd 5.5 and 4.5, n 50 each
    n_a, n_b = lit(50, 50)
    pooled = statistics.pooled_variance(n_a, pl.lit(5.5**2), n_b, pl.lit(4.5**2))
    d = pl.lit(3.0) / pooled.sqrt()

    assert value(d) == pytest.approx(0.5970, abs=5e-5)
    assert value(statistics.small_sample_factor(n_a + n_b) * d) == pytest.approx(0.5924, abs=5e-5)
    assert value(statistics.hedges_g_error(d, n_a, n_b)) == pytest.approx(0.2028, abs=5e-5)


def test_pooled_variance_of_a_group_of_one_is_the_other_groups() -> None:
    assert value(statistics.pooled_variance(*lit(1.0), pl.lit(None, dtype=pl.Float64), *lit(5.0, 4.0))) == 4
    assert value(statistics.pooled_variance(*lit(1.0), pl.lit(None, dtype=pl.Float64), *lit(1.0, 0.0))) is None


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_variance_from_sums_is_the_variance_of_the_values(values: list[float]) -> None:
    total, squares = math.fsum(values), math.fsum(v * v for v in values)

    found = value(statistics.variance(*lit(len(values), total, squares)))

    assert found == pytest.approx(float(np.var(values, ddof=1)), abs=1e-8, rel=1e-8)


def test_variance_of_one_value_is_not_known() -> None:
    assert value(statistics.variance(*lit(1, 5.0, 25.0))) is None


def test_cox_index_and_odds_ratio_are_what_a_hand_finds() -> None:
    # odds 0.8 / 0.2 = 4 against 0.5 / 0.5 = 1; omega of 100 people is 1 - 3 / 391
    assert value(statistics.odds_ratio(*lit(0.8, 0.5))) == pytest.approx(4)
    assert value(statistics.cox_index(*lit(0.8, 40, 0.5, 60))) == pytest.approx((1 - 3 / 391) * math.log(4) / 1.65)


# What Works Clearinghouse, review of study 74999 (Larson and Rumberger 1995): share still enrolled, students in both
# groups of about one size, improvement index = 100 x (Phi(effect) - 0.5) in whole percentiles
@pytest.mark.parametrize(("p1", "p0", "n", "index"), [(0.979, 0.833, 94, 41), (0.91, 0.73, 90, 29)])
def test_cox_index_is_what_the_clearinghouse_reports(p1: float, p0: float, n: int, index: int) -> None:
    found = value(statistics.cox_index(*lit(p1, n / 2, p0, n / 2)))

    assert found is not None
    assert round(100 * (float(stats.norm.cdf(found)) - 0.5)) == index


@pytest.mark.parametrize(("p1", "p0"), [(0.0, 0.5), (1.0, 0.5), (0.5, 0.0), (0.5, 1.0)])
def test_cox_index_and_odds_ratio_are_not_defined_at_0_and_1(p1: float, p0: float) -> None:
    assert value(statistics.odds_ratio(*lit(p1, p0))) is None
    assert value(statistics.cox_index(*lit(p1, 10, p0, 10))) is None


def test_v_is_what_a_published_example_makes_of_its_probability() -> None:
    # gapr (R), README: Ashland Middle School, grade 6, 2014-15, auc 0.4490952 and v -0.1809452
    found = statistics.v_statistic(pl.Series("ahead", [0.4490952]))

    assert found.to_list() == [pytest.approx(-0.1809452, abs=5e-7)]


def test_v_is_the_shift_between_two_normal_groups_and_not_defined_without_overlap() -> None:
    # for normal groups a shift apart, P(a > b) = Phi(shift / sqrt 2); Phi(1 / sqrt 2) = 0.7602499389065233
    found = statistics.v_statistic(pl.Series("ahead", [0.7602499389065233, 0.5, 0.0, 1.0, None]))

    assert found.to_list() == [pytest.approx(1), pytest.approx(0), None, None, None]


def test_t_quantiles_are_those_of_the_tables() -> None:
    found = statistics.t_quantile(pl.Series([1, 10, 0, None]))

    assert found.to_list() == [pytest.approx(12.7062, abs=5e-5), pytest.approx(2.2281, abs=5e-5), None, None]


@pytest.mark.parametrize(("influence", "clusters", "n"), [(0.0, 5, 9), (0.1, 1, 9), (0.1, 2, 2)])
def test_an_error_that_would_claim_certainty_is_not_given(influence: float, clusters: int, n: int) -> None:
    assert value(statistics.cluster_robust_error(*lit(influence, clusters, n))) is None


def test_resampled_clusters_are_whole_as_many_as_before_and_the_same_in_every_run() -> None:
    clusters = np.array([[1.0, 10.0], [1.0, 20.0], [1.0, 40.0]])

    found = statistics.bootstrap_sums(clusters)

    assert found.shape == (statistics.REPLICATES, 2)
    assert (found[:, 0] == 3).all()
    possible = {a + b + c for a in (10, 20, 40) for b in (10, 20, 40) for c in (10, 20, 40)}
    assert set(found[:, 1]) == possible
    assert np.array_equal(found, statistics.bootstrap_sums(clusters))
