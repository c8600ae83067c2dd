"""Maximum likelihood for an outcome that is 0 or 1, with errors that allow for clusters.

On person-period rows (one per person and year at risk) it is the discrete-time hazard model: with the logit link the
proportional odds model, with the complementary log-log link the grouped proportional hazards model (Prentice and
Gloeckler 1978, Biometrics 34, 57-67; Allison 1982, Sociological Methodology 13, 61-98).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference.collinear import collinear

Array = NDArray[np.float64]
LinkName = Literal["logit", "cloglog"]

MOST_STEPS = 100
CLOSE = 1e-10  # of a standard error: how near to the maximum is near enough
EXTREME = 1e-7  # fitted probabilities so near to 0 or 1 may be those of an estimate that runs away
MARGIN = 1e-3  # of a separating direction, in columns scaled to 1; what the solver lets pass is 1e-7


@dataclass(frozen=True)
class Link:
    """A link in four functions of the linear predictor, exact in both tails.

    `probability` of a 1, and its `slope`; `of_one` and `of_zero` give the log-likelihood of an outcome, its first
    derivative, and minus its second.
    """

    probability: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    of_one: Callable[[Array], tuple[Array, Array, Array]]
    of_zero: Callable[[Array], tuple[Array, Array, Array]]


def _logit_of_one(eta: Array) -> tuple[Array, Array, Array]:
    p, q = special.expit(eta), special.expit(-eta)
    return -np.logaddexp(0, -eta), q, p * q


def _logit_of_zero(eta: Array) -> tuple[Array, Array, Array]:
    p, q = special.expit(eta), special.expit(-eta)
    return -np.logaddexp(0, eta), -p, p * q


def _rate(eta: Array) -> Array:
    """exp(eta), above zero and below what exp(rate) can hold."""
    return np.asarray(np.exp(np.clip(eta, -700, 6.5)))


def _cloglog_of_one(eta: Array) -> tuple[Array, Array, Array]:
    rate = _rate(eta)
    grown = np.expm1(rate)
    first = rate / grown
    return np.log(-np.expm1(-rate)), first, first * (rate * (grown + 1) / grown - 1)


def _cloglog_of_zero(eta: Array) -> tuple[Array, Array, Array]:
    rate = _rate(eta)
    return -rate, -rate, rate


LINKS: dict[LinkName, Link] = {
    "logit": Link(special.expit, lambda eta: special.expit(eta) * special.expit(-eta), _logit_of_one, _logit_of_zero),
    "cloglog": Link(
        lambda eta: -np.expm1(-_rate(eta)),
        lambda eta: _rate(eta) * np.exp(-_rate(eta)),
        _cloglog_of_one,
        _cloglog_of_zero,
    ),
}


@dataclass(frozen=True)
class BinaryFit:
    """What was estimated of which columns.

    Where the outcome is `separated`, no finite estimate is most likely: `estimate`, `covariance` and `log_likelihood`
    are then None. `covariance` alone is None where there are fewer than two clusters. `n` is the number of rows,
    `dropped` names the collinear columns, which are in neither `names` nor `estimate`.
    """

    names: tuple[str, ...]
    estimate: Array | None
    covariance: Array | None
    n: int
    n_clusters: int | None
    log_likelihood: float | None
    dropped: tuple[str, ...]
    separated: bool
    link: LinkName
    design: Array = field(repr=False)
    weights: Array = field(repr=False)

    def average_marginal_effect(self, name: str) -> tuple[float | None, float | None]:
        """Change of the probability when a 0/1 column goes from 0 to 1, averaged over the rows, and its standard error.

        Everything else stays as each row has it. The error is by the delta method (Greene 2012, Econometric Analysis,
        section 17.3.2), for the rows as they are. Shares; times 100 they are percentage points.

        Returns:
            None for what is not known: both where the outcome is separated, the error where there is no covariance.

        Raises:
            ValueError: there is no such column in the estimate.
        """
        place = self.names.index(name)
        if self.estimate is None:
            return None, None
        off, on = self.design.copy(), self.design.copy()
        off[:, place], on[:, place] = 0, 1
        eta_off, eta_on = off @ self.estimate, on @ self.estimate
        link, share = LINKS[self.link], self.weights / self.weights.sum()
        effect = float(share @ (link.probability(eta_on) - link.probability(eta_off)))
        if self.covariance is None:
            return effect, None
        gradient = (share * link.slope(eta_on)) @ on - (share * link.slope(eta_off)) @ off
        return effect, float(np.sqrt(gradient @ self.covariance @ gradient))


def binary_response(  # noqa: PLR0913
    y: ArrayLike,
    x: ArrayLike,
    names: Sequence[str],
    *,
    link: LinkName = "logit",
    clusters: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> BinaryFit:
    """Fit P(y = 1) = F(x b) by Fisher scoring (McCullagh and Nelder 1989, section 2.5).

    Args:
        y: 0 or 1 of each row.
        x: one row per row of y, one column per name; an intercept is a column of ones.
        names: what the columns are called.
        link: `logit`, or `cloglog` (complementary log-log), whose coefficients are log hazard ratios.
        clusters: which rows may depend on each other. With it the covariance is the sandwich of Liang and Zeger (1986,
            Biometrika 73, 13-22) over scores summed by cluster, times G / (G - 1) x (N - 1) / (N - k): as for linear
            models, in pyfixest and in statsmodels. (Stata's logit and cloglog use G / (G - 1) alone.) Without it the
            covariance is the inverse of the expected information, which takes rows for independent.
        weights: how often each row counts (then the covariance without clusters is that of the repeated rows), or
            inverse probabilities of being drawn (then only the one with clusters is right).

    Returns:
        The fit. Columns that repeat others are dropped (`collinear`), the first of them stays.

    Raises:
        EstimationError: a value is empty or no 0 or 1, or the columns are on such different scales that the maximum is
            not found.
    """
    outcome, design = np.asarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64)
    if not (np.isin(outcome, (0, 1)).all() and np.isfinite(design).all()):
        raise EstimationError("an outcome is neither 0 nor 1, or a column has an empty value")
    weight = np.ones(len(outcome)) if weights is None else np.asarray(weights, dtype=np.float64)
    out = collinear(design.T @ design)
    design = design[:, ~out]
    codes = None if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    likelihood = _Likelihood(outcome, design, weight, LINKS[link])
    estimate = likelihood.maximum()
    return BinaryFit(
        names=tuple(name for name, is_out in zip(names, out, strict=True) if not is_out),
        estimate=estimate,
        covariance=None if estimate is None else likelihood.covariance(estimate, codes),
        n=len(outcome),
        n_clusters=None if codes is None else int(codes.max()) + 1,
        log_likelihood=None if estimate is None else likelihood.at(estimate),
        dropped=tuple(name for name, is_out in zip(names, out, strict=True) if is_out),
        separated=estimate is None,
        link=link,
        design=design,
        weights=weight,
    )


@dataclass(frozen=True)
class _Likelihood:
    y: Array
    x: Array
    weight: Array
    link: Link

    def parts(self, beta: Array) -> tuple[Array, Array, Array]:
        """Log-likelihood of each row, its slope and minus its curvature in the linear predictor."""
        eta = self.x @ beta
        is_one = self.y == 1
        pairs = zip(self.link.of_one(eta), self.link.of_zero(eta), strict=True)
        value, slope, curvature = (self.weight * np.where(is_one, one, zero) for one, zero in pairs)
        return value, slope, curvature

    def at(self, beta: Array) -> float:
        """The log-likelihood."""
        return float(self.parts(beta)[0].sum())

    def expected_information(self, beta: Array) -> Array:
        """Fisher's information: slope^2 / (p (1 - p)), in which the two slopes of the log-likelihood are multiplied."""
        eta = self.x @ beta
        spread = -self.link.of_one(eta)[1] * self.link.of_zero(eta)[1]
        return np.asarray(self.x.T @ (self.x * (self.weight * spread)[:, None]))

    def maximum(self) -> Array | None:
        """The estimate, or None where the outcome is separated.

        Raises:
            EstimationError: scoring does not settle, though there is a maximum.
        """
        beta, has_settled = self._scored()
        p = self.link.probability(self.x @ beta)
        is_extreme = bool(np.min(np.minimum(p, 1 - p), initial=1) < EXTREME)
        if (is_extreme or not has_settled) and self._is_separated():
            return None
        if not has_settled:
            raise EstimationError(
                "the likelihood has a maximum that scoring does not find; put the columns on like scales"
            )
        return beta

    def _scored(self) -> tuple[Array, bool]:
        beta = np.zeros(self.x.shape[1])
        best = self.at(beta)
        for _ in range(MOST_STEPS):
            gradient = self.x.T @ self.parts(beta)[1]
            try:
                step = np.linalg.solve(self.expected_information(beta), gradient)
            except np.linalg.LinAlgError:
                return beta, False
            if gradient @ step < CLOSE**2:
                return beta + step, True
            reached = self.at(beta + step)
            while reached < best - abs(best) * CLOSE:  # too far; half the way goes up again, since it is concave
                step = step / 2
                reached = self.at(beta + step)
            beta, best = beta + step, reached
        return beta, False

    def _is_separated(self) -> bool:
        """Whether some direction foretells every outcome and at least one of them strictly (Albert and Anderson 1984).

        Then no finite estimate is most likely. Such a direction is looked for by linear programming (Konis 2007).
        """
        signed = np.unique(np.where(self.y == 1, 1, -1)[:, None] * self.x / np.abs(self.x).max(axis=0), axis=0)
        found = optimize.linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1))
        return bool(np.max(signed @ found.x) > MARGIN)

    def covariance(self, beta: Array, codes: NDArray[np.intp] | None) -> Array | None:
        """Of the estimate; by clusters where there are codes."""
        if codes is None:
            return np.asarray(np.linalg.inv(self.expected_information(beta)))
        (n, k), groups = self.x.shape, int(codes.max()) + 1
        if groups < 2 or n <= k:  # noqa: PLR2004
            return None
        _, slope, curvature = self.parts(beta)
        scores = np.zeros((groups, k))
        np.add.at(scores, codes, self.x * slope[:, None])
        bread = np.linalg.inv(self.x.T @ (self.x * curvature[:, None]))
        factor = groups / (groups - 1) * (n - 1) / (n - k)
        return np.asarray(factor * bread @ (scores.T @ scores) @ bread)
