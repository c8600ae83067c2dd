"""Growth percentiles: uniform whatever the prior score, monotone in the score, of order and scale independent."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy import stats

from le_pipeline.measure.inference.growth_percentile import growth_percentiles
from le_pipeline.measure.inference.quantile_regression import Array

PUBLIC = Path("/work/shared/data/sgpdata/student_scores.parquet")


def scores(n: int, seed: int) -> tuple[Array, Array]:
    """A score that hangs on two prior ones, with a spread that grows with the first."""
    random = np.random.default_rng(seed)
    first, second, noise = random.normal(size=(3, n))
    second = 0.8 * first + 0.6 * second
    return 0.6 * first + 0.2 * second + 0.1 * first**2 + (0.5 + 0.1 * np.tanh(first)) * noise, np.c_[first, second]


def share_by_tenth(percentiles: NDArray[np.int64]) -> Array:
    return np.histogram(percentiles, bins=np.r_[0.5, np.arange(10.5, 91, 10), 99.5])[0] / len(percentiles)


@pytest.mark.parametrize("count", [1, 2])
def test_percentiles_are_uniform_in_every_fifth_of_the_prior_score(count: int) -> None:
    score, priors = scores(4_000, 1)

    found = growth_percentiles(score, priors[:, :count])

    assert (found.min(), found.max()) == (1, 99)
    assert np.abs(share_by_tenth(found) - 0.1).max() < 0.01
    fifth = np.searchsorted(np.quantile(priors[:, 0], [0.2, 0.4, 0.6, 0.8]), priors[:, 0])
    for part in range(5):
        assert np.abs(share_by_tenth(found[fifth == part]) - 0.1).max() < 0.03
        assert np.median(found[fifth == part]) == pytest.approx(50, abs=2)
    assert abs(np.corrcoef(found, priors[:, 0])[0, 1]) < 0.02


def test_they_are_those_of_the_true_distribution() -> None:
    random = np.random.default_rng(3)
    prior, noise = random.normal(size=(2, 4_000))

    found = growth_percentiles(prior + (1 + 0.3 * np.tanh(prior)) * noise, prior[:, None])

    true = 100 * stats.norm.cdf(noise)
    assert np.abs(found - true).mean() < 1.5
    assert np.abs(found - true)[np.abs(prior) < 1.5].max() < 8


def test_of_students_with_the_same_priors_a_higher_score_never_has_a_lower_percentile() -> None:
    score, priors = scores(1_500, 5)
    priors = np.round(priors * 2) / 2

    found = growth_percentiles(score, priors)

    frame = pl.DataFrame({"score": score, "found": found, "first": priors[:, 0], "second": priors[:, 1]})
    for group in frame.sort("score").partition_by("first", "second"):
        assert group["found"].is_sorted()


def test_neither_the_order_of_students_nor_a_new_scale_changes_them() -> None:
    score, priors = scores(600, 7)
    score, priors = np.round(score, 2), np.round(priors, 2)
    mixed = np.random.default_rng(1).permutation(len(score))

    found = growth_percentiles(score, priors)

    assert growth_percentiles(score[mixed], priors[mixed]).tolist() == found[mixed].tolist()
    assert growth_percentiles(700 + 33 * score, 500 + 20 * priors).tolist() == found.tolist()


@pytest.mark.parametrize("prior", [np.zeros(300), np.repeat([0.0, 1.0], 150), np.repeat([0.0, 1.0, 9.0], 100)])
def test_priors_of_few_values_give_percentiles_within_each(prior: Array) -> None:
    score = np.random.default_rng(2).normal(size=300) + 3 * prior

    found = growth_percentiles(score, prior[:, None])

    for value in np.unique(prior):
        within = score[prior == value]
        assert np.abs(found[prior == value] - 100 * stats.rankdata(within) / len(within)).max() <= 2


def test_where_all_have_one_score_nobody_has_grown_more_than_another() -> None:
    assert set(growth_percentiles(np.full(300, 7.0), np.arange(300.0)[:, None])) == {50}


@pytest.mark.parametrize("count", [1, 2])
def test_a_small_group_has_a_mean_of_fifty(count: int) -> None:
    score, priors = scores(300, 8)

    assert growth_percentiles(score, priors[:, :count]).mean() == pytest.approx(50, abs=0.3)


def test_a_state_sized_group_takes_well_under_a_minute() -> None:
    score, priors = scores(10_000, 9)

    before = time.process_time()
    growth_percentiles(score, priors)

    assert time.process_time() - before < 60


@pytest.mark.skipif(not PUBLIC.exists(), reason=f"the SGPdata package's example scores are not at {PUBLIC}")
def test_percentiles_of_the_reference_packages_own_example_are_uniform_and_free_of_the_prior_score() -> None:
    of_subject = pl.scan_parquet(PUBLIC).filter(
        pl.col("CONTENT_AREA") == "MATHEMATICS",
        pl.col("VALID_CASE") == "VALID_CASE",
        pl.col("SCALE_SCORE").is_not_null(),
    )
    now = of_subject.filter(pl.col("YEAR") == "2024_2025", pl.col("GRADE") == "5").select("ID", "SCALE_SCORE")
    prior = of_subject.filter(pl.col("YEAR") == "2023_2024", pl.col("GRADE") == "4").select("ID", prior="SCALE_SCORE")
    data = now.join(prior, on="ID").collect()
    assert data.height > 1_000

    found = growth_percentiles(data["SCALE_SCORE"].to_numpy(), data.select("prior").to_numpy())

    assert np.abs(share_by_tenth(found) - 0.1).max() < 0.02
    assert np.median(found) == pytest.approx(50, abs=1)
    assert abs(np.corrcoef(found, data["prior"])[0, 1]) < 0.02
