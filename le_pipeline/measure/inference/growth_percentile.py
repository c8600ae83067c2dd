"""Student growth percentiles: where a score lies among those with like prior scores.

Betebenner 2009, Educational Measurement: Issues and Practice 28(4), 42-51: quantiles of the score at 0.005, 0.015, ...,
0.995 given the prior scores, each of these in a cubic B-spline. The growth percentile is the number of quantiles that
the score is above, and half of those that it lies on, 1 where there are none and 99 where all are.

Each curve runs through as many scores as it has coefficients p. Were these counted as not above it, as the SGP package
does, the mean of n students would be 50 p / n points too low: 1.4 points for two prior scores of 520 students.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline

from le_pipeline.measure.inference.quantile_regression import quantile_regression

TAUS = (np.arange(100) + 0.5) / 100
KNOTS = (0.2, 0.4, 0.6, 0.8)
DEGREE = 3
BEYOND = 0.1  # of the range: how far the spline's boundary lies outside of the prior scores
ON = 1e-6  # of the scores' mean distance from their median: what lies on a curve does so to within rounding

Array = NDArray[np.float64]


def growth_percentiles(score: Array, priors: Array) -> NDArray[np.int64]:
    """Growth percentile, 1 to 99, of each score.

    Args:
        score: one per student.
        priors: one row per student, one column per prior score, of which none is missing.

    Curves that cross are put in order student by student, which brings them nearer to the true ones (Chernozhukov,
    Fernandez-Val and Galichon 2010, Econometrica 78, 1093-1125). With it a higher score never has a lower percentile
    than a lower one with the same priors.

    Raises:
        EstimationError: the quantiles could not be computed.
    """
    # in an order of the scores themselves, for sums depend on it in their last digits
    order = np.lexsort((*priors.T, score))
    apart = score[order] - np.median(score)
    scaled = apart / (float(np.abs(apart).mean()) or 1.0)
    spline = _design(priors[order])
    curves = np.sort(spline @ quantile_regression(spline, scaled, TAUS).T, axis=1)
    found = np.empty(len(score), dtype=np.int64)
    below = (curves < scaled[:, None] - ON).sum(axis=1) + (curves <= scaled[:, None] + ON).sum(axis=1)
    found[order] = np.clip(np.rint(below / 2), 1, 99)
    return found


def _design(priors: Array) -> Array:
    """The splines of all prior scores; each sums to 1, so of every one but the first a column is left out."""
    first, *more = (_spline(column) for column in priors.T)
    return np.hstack([first, *(columns[:, 1:] for columns in more)])


def _spline(prior: Array) -> Array:
    """Cubic B-splines with knots at the 20th, 40th, 60th and 80th percentile; one row per student."""
    low, high = float(prior.min()), float(prior.max())
    beyond = BEYOND * (high - low) or 1.0
    knots = np.unique(np.quantile(prior, KNOTS))  # scores that many have may be several of them
    ends = [low - beyond] * (DEGREE + 1), [high + beyond] * (DEGREE + 1)
    return np.asarray(BSpline.design_matrix(prior, np.concatenate([ends[0], knots, ends[1]]), DEGREE).toarray())
