"""matching: the score against statsmodels, the weights by hand, and what no order of rows may change."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from le_pipeline.measure.inference.matching import Options, match, support

EVERY = [
    Options("nearest"),
    Options("nearest", ratio=2),
    Options("nearest", ratio=2, replace=True),
    Options("full"),
    Options("weighting"),
]
FOUND = ["propensity_logit", "is_on_support", "match_set", "weight", "is_tied"]


def teachers(n: int, seed: int = 2016) -> pl.DataFrame:
    """Teachers in two states, of whom the experienced and effective are more often treated."""
    random = np.random.default_rng(seed)
    experience, effect, state = random.integers(0, 30, n), random.normal(size=n), random.integers(0, 2, n)
    logit = -2.5 + 0.05 * experience + 0.8 * effect + 0.7 * state
    return pl.DataFrame(
        {
            "state": np.where(state == 1, "LA", "MO"),
            "is_treated": random.random(n) < 1 / (1 + np.exp(-logit)),
            "experience": experience,
            "effect": effect,
            "is_certified": random.random(n) < 0.7,
        }
    )


COVARIATES = ["experience", "effect", "is_certified"]


@st.composite
def small(draw: st.DrawFn) -> pl.DataFrame:
    row = st.tuples(st.booleans(), st.sampled_from("ab"), st.integers(0, 4), st.booleans())
    rows: list[tuple[Any, ...]] = draw(st.lists(row, min_size=1, max_size=25))
    return pl.DataFrame(rows, schema=["is_treated", "stratum", "x", "z"], orient="row")


def test_the_score_is_that_of_a_logistic_regression_with_an_intercept_per_stratum() -> None:
    frame = teachers(800)

    found = match(frame, "is_treated", COVARIATES, ["state"]).units

    x = frame.select(*COVARIATES, la=pl.col("state") == "LA", mo=pl.col("state") == "MO").cast(pl.Float64).to_numpy()
    fitted = sm.Logit(frame["is_treated"].to_numpy().astype(float), x).fit(disp=0)
    assert found["propensity_logit"].to_numpy() == pytest.approx(x @ fitted.params, abs=1e-6)


def test_a_covariate_that_parts_the_groups_leaves_the_score_finite_and_nobody_on_support() -> None:
    frame = pl.DataFrame({"is_treated": [True, True, False, False, False], "x": [5.0, 4.0, 1.0, 2.0, 3.0]})

    found = match(frame, "is_treated", ["x"], [])

    assert found.units["propensity_logit"].is_finite().all()
    assert found.support["n_treated_off_support"].item() == 2
    assert found.support["n_pool_off_support"].item() == 3


def test_groups_that_lie_far_apart_in_every_stratum_leave_the_score_finite() -> None:
    frame = pl.DataFrame(
        {
            "is_treated": [True, False, True, False, True, False],
            "stratum": ["a", "a", "b", "b", "c", "c"],
            "x": [1.0, 0.0, 1e6, -1e6, 1e3, 0.0],
        }
    )

    found = match(frame, "is_treated", ["x"], ["stratum"])

    assert found.units["propensity_logit"].is_finite().all()
    assert found.support["n_comparison"].sum() == 0


def test_a_covariate_that_never_varies_changes_no_match() -> None:
    frame = teachers(200).with_columns(constant=pl.lit(0.1))

    with_it, without = (
        match(frame, "is_treated", chosen, []).units for chosen in ([*COVARIATES, "constant"], COVARIATES)
    )

    assert_frame_equal(with_it.select(FOUND), without.select(FOUND), abs_tol=1e-8)


def test_the_caliper_is_a_share_of_the_standard_deviation_of_the_logit_within_strata() -> None:
    frame = teachers(400)
    logit = pl.col("propensity_logit")

    units = match(frame, "is_treated", COVARIATES, ["state"], Options(caliper=0.05)).units

    variance = units.group_by("is_treated").agg(
        ((logit - logit.mean().over("state")) ** 2).sum() / (pl.len() - pl.col("state").n_unique())
    )
    caliper = 0.05 * np.sqrt(variance["propensity_logit"].mean())
    pairs = units.filter(pl.col("weight") > 0).group_by("match_set").agg((logit.max() - logit.min()).alias("distance"))
    assert pairs["distance"].max() <= caliper
    # and whoever is unmatched has nobody within it who is free
    free = units.filter(~pl.col("is_treated") & (pl.col("weight") == 0))
    alone = units.filter(pl.col("is_treated") & (pl.col("weight") == 0))
    assert not alone.is_empty()
    near = alone.join(free, on="state").filter((logit - pl.col("propensity_logit_right")).abs() < caliper - 1e-9)
    assert near.is_empty()


def test_weighting_gives_the_odds_within_common_support_scaled_to_the_treated_there() -> None:
    units = match(teachers(300), "is_treated", COVARIATES, [], Options("weighting")).units

    treated, pool = (units.filter(pl.col("is_treated") == chosen)["propensity_logit"] for chosen in (True, False))
    low, high = max(treated.min(), pool.min()), min(treated.max(), pool.max())  # type: ignore[type-var]
    inside = pl.col("propensity_logit").is_between(low, high)
    odds = pl.when(inside & ~pl.col("is_treated")).then(pl.col("propensity_logit").exp()).otherwise(0)
    expected = units.select(
        is_on_support=inside,
        weight=pl.when("is_treated")
        .then(inside.cast(pl.Float64))
        .otherwise(odds / odds.sum() * (inside & pl.col("is_treated")).sum()),
    )
    assert_frame_equal(units.select("is_on_support", "weight"), expected, rel_tol=1e-12)
    assert not units["is_on_support"].all()


def test_a_stratum_of_one_group_is_counted_and_not_matched() -> None:
    frame = teachers(300).with_columns(
        pl.when(pl.col("is_treated") & (pl.int_range(pl.len()) % 5 == 0))
        .then(pl.lit("MS"))
        .otherwise("state")
        .alias("state")
    )

    found = match(frame, "is_treated", COVARIATES, ["state"])

    alone = found.support.row(by_predicate=pl.col("state") == "MS", named=True)
    n = alone["n_treated"]
    assert n > 0
    assert alone == {
        "state": "MS",
        "n_treated": n,
        "n_pool": 0,
        "n_treated_off_support": n,
        "n_pool_off_support": 0,
        "n_treated_unmatched": n,
        "n_comparison": 0,
        "n_tied": 0,
        "effective_sample_size": None,
    }
    assert found.units.filter(state="MS")["propensity_logit"].null_count() == n
    others = match(frame.filter(pl.col("state") != "MS"), "is_treated", COVARIATES, ["state"])
    assert_frame_equal(found.support.filter(pl.col("state") != "MS"), others.support)


def test_support_counts_the_matched_sample() -> None:
    units = pl.DataFrame(
        {
            "is_treated": [True, True, True, False, False, False, False],
            "is_on_support": [True, True, False, True, True, True, False],
            "weight": [1.0, 1.0, 0.0, 0.5, 0.5, 1.0, 0.0],
            "is_tied": [False] * 6 + [True],
        }
    )

    assert support(units, "is_treated", []).row(0, named=True) == {
        "n_treated": 3,
        "n_pool": 4,
        "n_treated_off_support": 1,
        "n_pool_off_support": 1,
        "n_treated_unmatched": 1,
        "n_comparison": 3,
        "n_tied": 1,
        "effective_sample_size": pytest.approx(2**2 / 1.5),
    }


def test_among_equals_row_order_decides_and_says_so() -> None:
    frame = pl.DataFrame({"is_treated": [True, False, False, False], "x": [1.0, 1.0, 1.0, 0.0]})

    found = match(frame, "is_treated", ["x"], [])

    assert found.units["weight"].to_list() == [1.0, 1.0, 0.0, 0.0]
    assert found.units["is_tied"].to_list() == [False, True, True, False]
    assert found.support["n_tied"].item() == 2


def test_units_keep_their_rows_and_their_order() -> None:
    frame = teachers(50)

    assert_frame_equal(match(frame, "is_treated", COVARIATES, ["state"]).units.drop(FOUND), frame)


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_of_nobody_nobody_is_matched(options: Options) -> None:
    found = match(teachers(50).clear(), "is_treated", COVARIATES, ["state"], options)

    assert found.units.is_empty()
    assert found.support.is_empty()


@pytest.mark.parametrize("options", EVERY, ids=str)
@given(frame=small(), seed=st.integers(0, 2**16))
@settings(deadline=None)
def test_the_order_of_rows_changes_nothing_but_which_of_equals_is_taken(
    options: Options, frame: pl.DataFrame, seed: int
) -> None:
    shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)

    found, other = (match(rows, "is_treated", ["x", "z"], ["stratum"], options) for rows in (frame, shuffled))

    assert_frame_equal(found.units, other.units, check_row_order=False, check_exact=True)
    assert_frame_equal(found.support, other.support, check_exact=True)


@pytest.mark.parametrize("options", EVERY, ids=str)
@given(frame=small())
@settings(deadline=None)
def test_sets_stay_within_a_stratum_and_their_weights_sum_to_their_treated(
    options: Options, frame: pl.DataFrame
) -> None:
    units = match(frame, "is_treated", ["x", "z"], ["stratum"], options).units

    assert (units["match_set"].is_null() == (units["weight"] == 0)).all()
    assert units.filter(pl.col("is_treated") & (pl.col("weight") != 0) & (pl.col("weight") != 1)).is_empty()
    sets = (
        units.drop_nulls("match_set")
        .group_by("match_set")
        .agg(
            strata=pl.col("stratum").n_unique(),
            treated=pl.col("is_treated").sum(),
            weight=pl.col("weight").filter(~pl.col("is_treated")).sum(),
        )
    )
    assert (sets["strata"] == 1).all()
    assert sets["weight"].to_list() == pytest.approx(sets["treated"].to_list())
    assert sorted(sets["match_set"]) == list(range(1, len(sets) + 1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"effect": None}, "effect"),
        ({"effect": float("inf")}, "effect"),
        ({"state": None}, "state"),
        ({"is_treated": 1}, "is_treated"),
    ],
)
def test_gaps_are_named_and_not_filled(change: dict[str, Any], named: str) -> None:
    frame = teachers(20).with_columns(pl.lit(value).alias(name) for name, value in change.items())

    with pytest.raises(ValueError, match=named):
        match(frame, "is_treated", COVARIATES, ["state"])


@pytest.mark.parametrize("options", EVERY, ids=str)
def test_300_among_20_000_are_matched_within_two_seconds(options: Options) -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(20_300, 8))
    x[:300, 0] += 1
    frame = pl.DataFrame(x, schema=[f"x{k}" for k in range(8)]).with_columns(is_treated=pl.int_range(pl.len()) < 300)

    start = time.perf_counter()
    match(frame, "is_treated", [f"x{k}" for k in range(8)], [], options)

    assert time.perf_counter() - start < 2
