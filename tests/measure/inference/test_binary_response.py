"""binary_response: against published estimates, and against statsmodels.

The data were read from their source; the published estimates are quoted from memory.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from statsmodels.datasets import spector

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference.binary_response import BinaryFit, LinkName, binary_response

LINKS = {"logit": sm.families.links.Logit(), "cloglog": sm.families.links.CLogLog()}
GRADES = [f"grade_{grade}" for grade in range(7, 13)]
every_link = pytest.mark.parametrize("link", ["logit", "cloglog"])
every_seed = pytest.mark.parametrize("seed", range(5))

# Capaldi, Crosby and Stoolmiller 1996, as tabulated by Singer and Willett 2003, table 11.1: boys by the grade of their
# first intercourse (7 to 12, then never so far), of families without and with a parental transition
FIRST = {0: [2, 2, 8, 8, 10, 8, 34], 1: [13, 5, 16, 21, 15, 18, 20]}


def boys() -> tuple[list[int], NDArray[np.float64]]:
    """Person-period rows: whether it was in this grade, by grade and parental transition."""
    y, x = [], []
    for transition, boys_by_grade in FIRST.items():
        for last, boys_of_grade in enumerate(boys_by_grade):
            for grade in range(min(last, 5) + 1):
                y += [int(grade == last)] * boys_of_grade
                x += [[*np.eye(6)[grade], transition]] * boys_of_grade
    return y, np.array(x, dtype=float)


def test_the_discrete_time_hazard_of_first_intercourse_is_the_published_one() -> None:
    y, x = boys()

    without = binary_response(y, x[:, :6], GRADES)
    with_transition = binary_response(y, x, [*GRADES, "transition"])

    # Singer and Willett 2003, table 11.3, models A and B
    assert len(y) == 822
    assert without.estimate == pytest.approx([-2.3979, -3.1167, -1.7198, -1.2867, -1.1632, -0.7309], abs=5.1e-5)
    expected = [-2.9943, -3.7001, -2.2811, -1.8226, -1.6542, -1.1791, 0.8736]
    assert with_transition.estimate == pytest.approx(expected, abs=5.1e-5)
    assert errors(with_transition)[-1] == pytest.approx(0.2174, abs=5.1e-5)
    assert [-2 * found(fit.log_likelihood) for fit in (without, with_transition)] == pytest.approx(
        [651.96, 634.66], abs=0.0051
    )


def test_the_grouped_proportional_hazards_of_first_intercourse_are_the_published_ones() -> None:
    y, x = boys()

    fit = binary_response(y, x, [*GRADES, "transition"], link="cloglog")

    # Singer and Willett 2003, table 12.3
    assert found(fit.estimate)[-1] == pytest.approx(0.7854, abs=5.1e-5)


def test_spector_and_mazzeos_logit_and_its_marginal_effect_are_the_published_ones() -> None:
    data = spector.load_pandas()
    x = np.column_stack([np.ones(32), data.exog.to_numpy()])

    fit = binary_response(data.endog.to_numpy(), x, ["constant", "gpa", "tuce", "psi"])

    # Greene 2003, Econometric Analysis, table 21.1 and example 21.3
    assert fit.estimate == pytest.approx([-13.021, 2.826, 0.095, 2.379], abs=5.1e-4)
    assert errors(fit) == pytest.approx([4.931, 1.263, 0.142, 1.065], abs=5.1e-4)
    assert fit.log_likelihood == pytest.approx(-12.890, abs=5.1e-4)


def random_data(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """(y, x with a 0/1 column last, clusters, weights)."""
    random = np.random.default_rng(seed)
    clusters = random.integers(0, 30, 500)
    x = np.column_stack([np.ones(500), random.normal(size=(500, 2)), random.random(500) < 0.4])
    eta = x @ [-0.7, 0.5, -0.4, 0.6] + random.normal(size=30)[clusters] / 2
    y = (random.random(500) < 1 / (1 + np.exp(-eta))).astype(float)
    return y, x, clusters, random.integers(1, 4, 500).astype(float)


def statsmodels_fit(y: Any, x: Any, link: str, weights: Any = None, **said: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cluster-robust with frequency weights is marked as new there
        model = sm.GLM(y, x, family=sm.families.Binomial(LINKS[link]), freq_weights=weights)
        return model.fit(tol=1e-14, maxiter=200, tol_criterion="params", **said)


@every_link
@every_seed
@pytest.mark.parametrize("is_weighted", [False, True])
def test_estimates_and_both_covariances_are_those_of_statsmodels(link: LinkName, seed: int, is_weighted: bool) -> None:
    y, x, clusters, weights = random_data(seed)
    told = {"weights": weights} if is_weighted else {}

    plain = binary_response(y, x, list("abcd"), link=link, **told)
    clustered = binary_response(y, x, list("abcd"), link=link, clusters=clusters, **told)

    other = statsmodels_fit(y, x, link, **told)
    robust = statsmodels_fit(y, x, link, **told, cov_type="cluster", cov_kwds={"groups": clusters})
    assert plain.estimate == pytest.approx(other.params, abs=1e-8)
    assert plain.covariance == pytest.approx(other.cov_params(), abs=1e-8)
    assert clustered.covariance == pytest.approx(robust.cov_params(), abs=1e-8)
    assert plain.log_likelihood == pytest.approx(other.llf, abs=1e-8)
    assert (clustered.n, clustered.n_clusters, plain.n_clusters) == (500, 30, None)


@every_seed
def test_the_average_marginal_effect_is_that_of_statsmodels(seed: int) -> None:
    y, x, *_ = random_data(seed)

    effect = binary_response(y, x, list("abcd")).average_marginal_effect("d")

    other = sm.Logit(y, x).fit(disp=0, tol=1e-14).get_margeff(dummy=True)
    assert effect == pytest.approx((other.margeff[-1], other.margeff_se[-1]), abs=1e-8)


@every_link
def test_with_one_indicator_the_marginal_effect_is_the_difference_of_two_shares(link: LinkName) -> None:
    y = [1] * 30 + [0] * 10 + [1] * 20 + [0] * 20
    x = [[1, 1]] * 40 + [[1, 0]] * 40

    effect, error = binary_response(y, x, ["constant", "is_fellow"], link=link).average_marginal_effect("is_fellow")

    assert effect == pytest.approx(0.25)
    assert error == pytest.approx((0.75 * 0.25 / 40 + 0.5 * 0.5 / 40) ** 0.5)


@every_link
def test_weights_count_rows_as_often_as_they_say(link: LinkName) -> None:
    y, x, _, weights = random_data(9)
    times = weights.astype(int)

    weighted = binary_response(y, x, list("abcd"), link=link, weights=weights)
    repeated = binary_response(np.repeat(y, times), np.repeat(x, times, axis=0), list("abcd"), link=link)

    assert weighted.estimate == pytest.approx(repeated.estimate, abs=1e-10)
    assert weighted.covariance == pytest.approx(repeated.covariance, abs=1e-10)
    assert weighted.average_marginal_effect("d") == pytest.approx(repeated.average_marginal_effect("d"), abs=1e-10)


@every_link
@pytest.mark.parametrize(
    ("y", "x"),
    [
        ([0, 0, 0, 1, 1, 1], [[1, v] for v in range(6)]),  # a threshold tells all of them
        ([0, 0, 1, 0, 1, 1], [[1, v] for v in (0, 1, 2, 2, 3, 4)]),  # all but those on it
        ([0, 1, 0, 1, 1, 1], [[1, v] for v in (0, 0, 0, 1, 1, 1)]),  # everybody of one group stayed
        ([1, 1, 1], [[1], [1], [1]]),
        ([0, 0, 0], [[1], [1], [1]]),
    ],
)
def test_where_the_outcome_is_separated_it_is_said_and_no_number_runs_away(link: LinkName, y: Any, x: Any) -> None:
    fit = binary_response(y, x, ["constant", "v"][: len(x[0])], link=link)

    assert fit.separated
    assert (fit.estimate, fit.covariance, fit.log_likelihood) == (None, None, None)
    assert fit.average_marginal_effect("constant") == (None, None)


@every_link
def test_rare_outcomes_that_overlap_are_not_taken_for_separated(link: LinkName) -> None:
    y = np.zeros(20_000)
    y[[5, 15_000]] = 1
    x = np.column_stack([np.ones(20_000), np.arange(20_000) >= 10_000])

    fit = binary_response(y, x, ["constant", "is_late"], link=link)

    assert not fit.separated
    assert found(fit.estimate)[1] == pytest.approx(0, abs=1e-8)


@every_link
def test_columns_that_repeat_others_are_dropped_by_name(link: LinkName) -> None:
    y, x, *_ = random_data(2)
    repeated = np.column_stack([x, 1 - x[:, 3]])

    fit = binary_response(y, repeated, ["constant", "a", "b", "is_fellow", "is_not"], link=link)

    assert (fit.names, fit.dropped) == (("constant", "a", "b", "is_fellow"), ("is_not",))
    assert fit.estimate == pytest.approx(found(binary_response(y, x, list("abcd"), link=link).estimate), abs=1e-12)


@pytest.mark.parametrize(
    ("y", "x"), [([0, 1, 2], [[1], [1], [1]]), ([0, 1, np.nan], [[1]] * 3), ([0, 1, 1], [[1], [np.nan], [1]])]
)
def test_values_that_are_empty_or_no_outcome_are_refused(y: Any, x: Any) -> None:
    with pytest.raises(EstimationError, match="neither 0 nor 1"):
        binary_response(y, x, ["constant"])


def test_one_cluster_says_nothing_of_how_clusters_vary() -> None:
    y, x, *_ = random_data(4)

    fit = binary_response(y, x, list("abcd"), clusters=np.zeros(500))

    assert fit.estimate is not None
    assert (fit.n_clusters, fit.covariance) == (1, None)
    effect, error = fit.average_marginal_effect("d")
    assert effect is not None
    assert error is None


def found(value: Any) -> Any:
    assert value is not None
    return value


def errors(fit: BinaryFit) -> NDArray[np.float64]:
    return np.sqrt(np.diag(found(fit.covariance)))
