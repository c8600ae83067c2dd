"""Linear quantile regression by an interior-point method.

The estimate at tau is a minimiser of the sum of tau x u over residuals u >= 0 and of (tau - 1) x u over those below 0
(Koenker and Bassett 1978, Econometrica 46, 33-50).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from le_pipeline.errors import EstimationError

Array = NDArray[np.float64]

CLOSE = 1e-12  # of the mean absolute residual of least squares: how far the mean objective may be from its bound
MOST_STEPS = 200
SHY = 0.99995  # a step goes this near to the boundary
COLLINEAR = 1e-10  # of the largest singular value


def quantile_regression(design: Array, outcome: Array, taus: Array) -> Array:
    """Coefficients of the conditional quantiles of the outcome, one row per tau, one column per column of the design.

    Args:
        design: one row per observation; a constant is a column like any other. Where columns are collinear, the
            coefficients of least norm are given; fitted values are the same whichever are taken.
        outcome: one value per observation.
        taus: each above 0 and below 1.

    Raises:
        EstimationError: the solver came to no end.

    Where several lines fit equally well, the one given lies amid them (the analytic centre), so that it does not depend
    on the order of rows.
    """
    left, size, right = np.linalg.svd(design, full_matrices=False)
    kept = size > COLLINEAR * size.max(initial=0)
    # in a basis of orthogonal columns the solver's equations are as well conditioned as they can be
    scale = np.sqrt(len(outcome))
    basis, back = left[:, kept] * scale, right[kept].T / size[kept] * scale
    # quantiles of what least squares leaves over, which has neither a unit nor a level, are added to its line
    line = basis.T @ outcome / len(outcome)
    left_over = outcome - basis @ line
    unit = float(np.abs(left_over).mean())
    if unit <= CLOSE * float(np.abs(outcome).mean()):  # the outcomes lie in the design
        return np.tile(back @ line, (len(taus), 1))
    return np.array([back @ (line + unit * _solve(basis, left_over / unit, float(tau))) for tau in taus])


def check_loss(residuals: Array, tau: float) -> float:
    """The objective: sum of tau x u where u >= 0 and of (tau - 1) x u where u < 0."""
    return float(np.sum(residuals * (tau - (residuals < 0))))


@dataclass(frozen=True)
class _Interior:
    """A point inside the bounds of both programmes: y - x b = v - w, and x'a = (1 - tau) x'1, are kept by every step.

    The dual programme maximises y'a for 0 <= a <= 1 (`rest` = 1 - a); the coefficients b are the prices of its
    equations, w those of a >= 0 and v those of a <= 1.
    """

    x: Array
    y: Array
    a: Array
    rest: Array
    b: Array
    v: Array
    w: Array

    @property
    def gap(self) -> float:
        """How far the two objectives are from each other."""
        return float(self.a @ self.w + self.rest @ self.v)

    @cached_property
    def weight(self) -> Array:
        return 1 / (self.w / self.a + self.v / self.rest)

    @cached_property
    def normal(self) -> Array:
        return self.x.T @ (self.x * self.weight[:, None])

    def step(self, of_w: Array, of_v: Array) -> _Step:
        """Newton's step towards a w = of_w and rest v = of_v."""
        aim = of_w / self.a - of_v / self.rest + self.y - self.x @ self.b
        # near the end the equations may have a direction left in which nothing can move
        b = np.asarray(np.linalg.lstsq(self.normal, self.x.T @ (self.weight * aim), rcond=None)[0], dtype=np.float64)
        a = self.weight * (aim - self.x @ b)
        return _Step(a, b, (of_v + self.v * a) / self.rest - self.v, (of_w - self.w * a) / self.a - self.w)

    def moved(self, step: _Step) -> _Interior:
        """The point after the step, or after as much of it as leaves everything above 0, by programme."""
        ahead = min(_room(self.a, step.a), _room(self.rest, -step.a))
        prices = min(_room(self.v, step.v), _room(self.w, step.w))
        return _Interior(
            self.x,
            self.y,
            self.a + ahead * step.a,
            self.rest - ahead * step.a,
            self.b + prices * step.b,
            self.v + prices * step.v,
            self.w + prices * step.w,
        )


@dataclass(frozen=True)
class _Step:
    a: Array
    b: Array
    v: Array
    w: Array


def _solve(x: Array, y: Array, tau: float) -> Array:
    """Coefficients by Portnoy and Koenker's Frisch-Newton method (1997, Statistical Science 12, 279-300).

    Each step is one of Mehrotra's (1992, SIAM Journal on Optimization 2, 575-601): it tries how far the gap would close
    by itself, and aims at a point the nearer to the boundary the more it would, with the error of the trial corrected.
    """
    v, w = np.maximum(y, 0) + 1, np.maximum(-y, 0) + 1
    start = np.full(len(y), 1 - tau), np.full(len(y), tau), np.zeros(x.shape[1])
    point = _Interior(x, y, *start, v, w)
    nothing = np.zeros(len(y))
    for _ in range(MOST_STEPS):
        if point.gap < CLOSE * len(y):
            return point.b
        trial = point.step(nothing, nothing)
        mean = point.gap / (2 * len(y)) * (point.moved(trial).gap / point.gap) ** 3
        point = point.moved(point.step(mean - trial.a * trial.w, mean + trial.a * trial.v))
    raise EstimationError(f"quantile regression at {tau:g} came to no end in {MOST_STEPS} steps")


def _room(value: Array, step: Array) -> float:
    """How much of a step leaves every value above 0; at most all of it."""
    falling = step < 0
    return min(1.0, SHY * float(np.min(-value[falling] / step[falling], initial=np.inf)))
