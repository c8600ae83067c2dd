"""balance: standardised differences against published examples, verdicts at their thresholds, weights by hand."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from le_pipeline.measure.inference.balance import balance
from le_pipeline.measure.inference.matching import match


def half_and_half(n: int, mean: float, sd: float) -> list[float]:
    """Values of just this mean and standard deviation."""
    off = sd * math.sqrt((n - 1) / n)
    return [mean - off, mean + off] * (n // 2)


def two_groups(treated: list[Any], comparison: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {"is_treated": [True] * len(treated) + [False] * len(comparison), "x": [*treated, *comparison]}, strict=False
    )


def one(found: pl.DataFrame, sample: str = "before") -> dict[str, Any]:
    return found.row(by_predicate=pl.col("sample") == sample, named=True)


def test_the_row_of_a_published_example() -> None:
    # Borenstein and others 2009, Introduction to Meta-Analysis, chapter 4: means 103 and 100, sd 5.5 and 4.5, n 50 each
    found = balance(two_groups(half_and_half(50, 103, 5.5), half_and_half(50, 100, 4.5)), "is_treated", ["x"])

    assert found.to_dicts() == [
        {
            "covariate": "x",
            "is_dichotomous": False,
            "sample": "before",
            "n_treated": 50,
            "weighted_n_treated": 50.0,
            "mean_treated": pytest.approx(103),
            "sd_treated": pytest.approx(5.5),
            "n_comparison": 50,
            "weighted_n_comparison": 50.0,
            "mean_comparison": pytest.approx(100),
            "sd_comparison": pytest.approx(4.5),
            "standardised_difference": pytest.approx(0.5924, abs=5e-5),
            "variance_ratio": pytest.approx((5.5 / 4.5) ** 2),
            "equivalence": "not_satisfied",
            "null_reason": None,
        }
    ]


def test_hedges_g_of_a_small_study_is_the_published_one() -> None:
    # baselinr (Liang), first example of its documentation: pretest 5, 6, 7 against 4, 5, 6
    found = balance(two_groups([5, 6, 7], [4, 5, 6]), "is_treated", ["x"])

    assert one(found)["standardised_difference"] == pytest.approx(0.80)


def test_a_dichotomous_covariate_has_a_cox_index() -> None:
    # 80 percent of 40 against 50 percent of 60: odds 4 and 1, omega of 100
    frame = two_groups([1] * 32 + [0] * 8, [1] * 30 + [0] * 30)
    for kind in (pl.Int64, pl.Boolean, pl.Float64):
        found = one(balance(frame.with_columns(pl.col("x").cast(kind)), "is_treated", ["x"]))

        assert found["is_dichotomous"]
        assert found["standardised_difference"] == pytest.approx((1 - 3 / 391) * math.log(4) / 1.65)
        assert found["variance_ratio"] is None


@pytest.mark.parametrize(
    ("treated", "comparison", "reason"),
    [
        ([1, 1], [1, 0, 0], "share_of_0_or_1"),
        ([0, 0], [0, 0], "share_of_0_or_1"),
        ([3.0, 3.0], [3.0, 3.0], "no_variation"),
        ([2.0, 3.0], [], "empty_group"),
        ([2.0, 3.0], [None, None], "empty_group"),
    ],
)
def test_what_is_not_defined_is_null_and_says_why(
    treated: list[float], comparison: list[float | None], reason: str
) -> None:
    found = one(balance(two_groups(treated, comparison), "is_treated", ["x"]))

    assert found["null_reason"] == reason
    assert found["standardised_difference"] is None
    assert found["equivalence"] is None


@pytest.mark.parametrize(
    ("g", "verdict"),
    [
        (0.0, "satisfied"),
        (0.0499, "satisfied"),
        (-0.0501, "satisfied_with_adjustment"),
        (0.2499, "satisfied_with_adjustment"),
        (-0.2501, "not_satisfied"),
    ],
)
def test_the_verdict_follows_the_thresholds_on_either_side(g: float, verdict: str) -> None:
    difference = g / (1 - 3 / (4 * 200 - 9))

    found = one(balance(two_groups(half_and_half(100, difference, 1), half_and_half(100, 0, 1)), "is_treated", ["x"]))

    assert found["standardised_difference"] == pytest.approx(g, abs=1e-12)
    assert found["equivalence"] == verdict


def test_weights_move_the_means_and_not_the_standard_deviations() -> None:
    frame = two_groups([4.0, 6.0], [1.0, 3.0, 5.0, 99.0]).with_columns(w=pl.Series([1.0, 1.0, 0.5, 0.5, 1.0, 0.0]))

    found = one(balance(frame, "is_treated", ["x"], "w"), "after")

    # comparison: 1, 3 and 5; mean (0.5 + 1.5 + 5) / 2 = 3.5; sd 2 without weights; pooled variance (2 + 2 x 4) / 3
    assert found["n_comparison"] == 3
    assert found["weighted_n_comparison"] == 2
    assert found["mean_comparison"] == 3.5
    assert found["sd_comparison"] == 2
    assert found["standardised_difference"] == pytest.approx((1 - 3 / 11) * 1.5 / math.sqrt(10 / 3))
    # weighted squares 0.5 x 6.25 + 0.5 x 0.25 + 2.25 = 5.5 over 2 - 1.5 / 2
    assert found["variance_ratio"] == pytest.approx(2 / (5.5 / 1.25))


def test_equal_weights_change_nothing() -> None:
    frame = two_groups([4.0, 6.0, 7.0], [1.0, 3.0, 5.0, 9.0]).with_columns(w=pl.lit(3.0))

    found = balance(frame, "is_treated", ["x"], "w").drop("weighted_n_treated", "weighted_n_comparison")

    before, after = (found.filter(sample=sample).drop("sample") for sample in ("before", "after"))
    assert_frame_equal(before, after, rel_tol=1e-12)


def test_rows_without_a_value_do_not_count_for_it() -> None:
    with_gaps = balance(two_groups([4.0, None, 6.0], [1.0, 3.0, None]), "is_treated", ["x"])

    assert_frame_equal(with_gaps, balance(two_groups([4.0, 6.0], [1.0, 3.0]), "is_treated", ["x"]))


def test_groups_matched_on_equal_values_are_equivalent() -> None:
    frame = two_groups([3.0, 5.0, 5.0, 2.0], [1.0, 3.0, 5.0, 5.0, 2.0, 1.0, 0.0])

    found = balance(match(frame, "is_treated", ["x"], []).units, "is_treated", ["x"], "weight")

    assert one(found)["equivalence"] == "not_satisfied"
    assert one(found, "after")["standardised_difference"] == 0
    assert one(found, "after")["equivalence"] == "satisfied"


values = st.lists(st.tuples(st.booleans(), st.floats(-1e6, 1e6), st.floats(0, 5)), min_size=1, max_size=20)


@given(values, st.integers(0, 2**16))
def test_the_order_of_rows_changes_nothing(rows: list[tuple[bool, float, float]], seed: int) -> None:
    frame = pl.DataFrame(rows, schema=["is_treated", "x", "w"], orient="row")

    found, other = (
        balance(rows, "is_treated", ["x"], "w") for rows in (frame, frame.sample(fraction=1, shuffle=True, seed=seed))
    )

    assert_frame_equal(found, other, check_exact=True)


@given(values)
def test_the_other_group_s_difference_is_the_opposite(rows: list[tuple[bool, float, float]]) -> None:
    frame = pl.DataFrame(rows, schema=["is_treated", "x", "w"], orient="row")

    found, other = (
        balance(rows, "is_treated", ["x"], "w")["standardised_difference"]
        for rows in (frame, frame.with_columns(~pl.col("is_treated")))
    )

    assert found.to_list() == [None if g is None else pytest.approx(-g) for g in other]
