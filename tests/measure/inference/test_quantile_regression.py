"""Quantile regression: equal to other solvers, to published figures and to what every quantile obeys."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from le_pipeline.measure.inference.quantile_regression import Array, check_loss, quantile_regression

seeds = st.integers(0, 2**32 - 1)
taus = st.floats(0.02, 0.98)


def random_design(seed: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    n, p = int(random.integers(20, 150)), int(random.integers(1, 6))
    x = np.column_stack([np.ones(n), random.normal(size=(n, p - 1)) * 10 ** random.uniform(-2, 3, p - 1)])
    return x, x @ random.normal(size=p) + random.standard_t(3, n)


def at(x: Array, y: Array, tau: float) -> Array:
    return quantile_regression(x, y, np.array([tau]))[0]


def linear_programme(x: Array, y: Array, tau: float) -> Array:
    """The same estimate by HiGHS's simplex method."""
    n, p = x.shape
    cost = np.r_[np.zeros(p), np.full(n, tau), np.full(n, 1 - tau)]
    bounds = [(None, None)] * p + [(0, None)] * (2 * n)
    found = linprog(cost, A_eq=np.c_[x, np.eye(n), -np.eye(n)], b_eq=y, bounds=bounds, method="highs-ds")
    return np.asarray(found.x[:p])


@settings(max_examples=60, deadline=None)
@given(seed=seeds, tau=taus)
def test_the_objective_is_the_least_and_the_coefficients_are_those_of_a_linear_programme(seed: int, tau: float) -> None:
    x, y = random_design(seed)

    found, exact = at(x, y, tau), linear_programme(x, y, tau)

    assert check_loss(y - x @ found, tau) == pytest.approx(check_loss(y - x @ exact, tau), abs=1e-8)
    if len(np.flatnonzero(np.abs(y - x @ exact) < 1e-9)) == x.shape[1] and (tau * len(y)) % 1 > 1e-3:
        assert found == pytest.approx(exact, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, tau=st.sampled_from([0.005, 0.1, 0.25, 0.5, 0.995]), n=st.integers(1, 80), p=st.integers(1, 6))
def test_the_objective_is_the_least_where_many_lines_are_and_columns_are_collinear(
    seed: int, tau: float, n: int, p: int
) -> None:
    random = np.random.default_rng(seed)
    x, y = np.round(random.normal(size=(n, p))), np.round(2 * random.normal(size=n))

    found, exact = at(x, y, tau), linear_programme(x, y, tau)

    assert check_loss(y - x @ found, tau) == pytest.approx(check_loss(y - x @ exact, tau), abs=1e-8)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.8])
def test_coefficients_are_those_of_statsmodels(tau: float) -> None:
    random = np.random.default_rng(11)
    x = np.column_stack([np.ones(400), random.normal(size=(400, 3))])
    y = x @ [1.0, 2.0, -1.0, 0.5] + random.normal(size=400) * (1 + 0.3 * x[:, 1] ** 2)

    fitted = sm.QuantReg(y, x).fit(q=tau, p_tol=1e-10, max_iter=20_000)

    found = at(x, y, tau)
    assert found == pytest.approx(np.asarray(fitted.params), abs=1e-5)
    assert check_loss(y - x @ found, tau) <= check_loss(y - x @ np.asarray(fitted.params), tau) + 1e-8


def test_engels_food_expenditure_has_the_published_lines() -> None:
    # Koenker and Bassett 1982, Econometrica 50, 43-61, have the data; the digits are those that R's quantreg gives
    data = sm.datasets.engel.load_pandas().data
    x = np.column_stack([np.ones(len(data)), data["income"]])

    found = quantile_regression(x, data["foodexp"].to_numpy(), np.array([0.25, 0.5, 0.9]))

    published = [[95.4835, 0.4741], [81.4822, 0.5602], [67.3509, 0.6863]]
    assert np.abs(found - published).max() < 6e-5


@settings(max_examples=60, deadline=None)
@given(seed=seeds, tau=taus)
def test_the_share_below_is_tau_but_for_the_points_that_the_line_runs_through(seed: int, tau: float) -> None:
    # Koenker and Bassett 1978, theorem 3.4
    x, y = random_design(seed)

    residuals = y - x @ at(x, y, tau)

    below, on = (residuals < -1e-6).sum(), (np.abs(residuals) <= 1e-6).sum()
    assert below <= tau * len(y) + 1e-6
    assert below + on >= tau * len(y) - 1e-6


@settings(max_examples=40, deadline=None)
@given(seed=seeds, tau=taus, factor=st.floats(0.01, 100))
def test_the_line_moves_with_the_outcome_and_turns_over_with_it(seed: int, tau: float, factor: float) -> None:
    # Koenker and Bassett 1978, theorem 3.2: equivariance to scale, shift of regression, and sign
    x, y = random_design(seed)
    shift = np.arange(1.0, x.shape[1] + 1)
    fits = x @ at(x, y, tau)

    moved, turned = x @ at(x, factor * y + x @ shift, tau), x @ at(x, -y, 1 - tau)

    close = 1e-5 * (np.abs(fits).max() + np.abs(x @ shift).max()) * max(factor, 1)
    assert _is_unique(x, y, tau) is False or np.abs(moved - factor * fits - x @ shift).max() < close
    assert _is_unique(x, y, tau) is False or np.abs(turned + fits).max() < close


def _is_unique(x: Array, y: Array, tau: float) -> bool:
    """Whether the line runs through as many points as it has coefficients, so that no other fits as well."""
    return bool((np.abs(y - x @ at(x, y, tau)) < 1e-7 * np.abs(y).max()).sum() == x.shape[1])


def test_with_a_constant_alone_it_is_the_quantile_and_amid_those_that_are_as_good() -> None:
    y = np.array([3.0, 1.0, 2.0, 10.0])

    found = quantile_regression(np.ones((4, 1)), y, np.array([0.1, 0.4, 0.5, 0.7]))[:, 0]

    assert found[[0, 1, 3]] == pytest.approx([1, 2, 3], abs=1e-8)
    assert 2 < found[2] < 3


def test_a_column_that_says_nothing_new_does_not_change_the_fit() -> None:
    x, y = random_design(4)

    found = at(np.column_stack([x, x[:, 0] + x[:, -1]]), y, 0.3)

    assert np.column_stack([x, x[:, 0] + x[:, -1]]) @ found == pytest.approx(x @ at(x, y, 0.3), abs=1e-7)


def test_outcomes_that_lie_on_a_line_give_that_line() -> None:
    x = np.column_stack([np.ones(30), np.arange(30.0)])

    assert quantile_regression(x, x @ [2.0, -3.0], np.array([0.05, 0.5])) == pytest.approx(np.array([[2, -3]] * 2))
    assert at(x, np.zeros(30), 0.5).tolist() == [0, 0]
