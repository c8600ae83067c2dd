"""Every formula that turns counts and sums into estimates and intervals, each with its source.

Functions take and give Polars expressions or NumPy arrays; what is undefined is null, never infinite.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
Z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
FEWEST_CLUSTERS = 10  # below it a bootstrap over clusters says little of what other clusters would have given
MANY_CLUSTERS = 40  # below it CR1 errors tend to be too small (Cameron and Miller 2015, JHR 50, 317-372, section VI)
REPLICATES = 999
SEED = 2016


def share(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """A share, part / whole; null where whole is 0."""
    return pl.when(whole > 0).then(part / whole)


def wilson(successes: pl.Expr, n: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Wilson's score interval of a share (Wilson 1927, JASA 22, 209-212)."""
    p, z2 = share(successes, n), Z**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * (p * (1 - p) / n + z2 / (4 * n * n)).sqrt()
    # at 0 and at n successes an end is the share itself, which rounding may miss on either side
    low, high = pl.min_horizontal(centre - half, p), pl.max_horizontal(centre + half, p)
    return low.clip(lower_bound=0), high.clip(upper_bound=1)


def share_difference(part_a: pl.Expr, n_a: pl.Expr, part_b: pl.Expr, n_b: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Interval of the difference a - b of two independent shares from their Wilson intervals.

    Newcombe 1998, Statistics in Medicine 17, 873-890, method 10: keeps its width where a share is 0 or 1.
    """
    a, b = share(part_a, n_a), share(part_b, n_b)
    (low_a, high_a), (low_b, high_b) = wilson(part_a, n_a), wilson(part_b, n_b)
    low = a - b - ((a - low_a) ** 2 + (high_b - b) ** 2).sqrt()
    high = a - b + ((high_a - a) ** 2 + (b - low_b) ** 2).sqrt()
    return pl.when((n_a > 0) & (n_b > 0)).then(low), pl.when((n_a > 0) & (n_b > 0)).then(high)


def small_sample_factor(n: pl.Expr) -> pl.Expr:
    """Factor omega = 1 - 3 / (4 N - 9), N of both groups (WWC Procedures Handbook 4.1, appendix E); null below 3."""
    return pl.when(n > 2).then(1 - 3 / (4 * n - 9))  # noqa: PLR2004


def pooled_variance(n_a: pl.Expr, variance_a: pl.Expr, n_b: pl.Expr, variance_b: pl.Expr) -> pl.Expr:
    """Variance within two groups, each weighted by its degrees of freedom; null below 3 people in all."""
    within = (n_a - 1) * variance_a.fill_null(0) + (n_b - 1) * variance_b.fill_null(0)
    return pl.when(n_a + n_b > 2).then(within / (n_a + n_b - 2))  # noqa: PLR2004


def variance(n: pl.Expr, total: pl.Expr, squares: pl.Expr) -> pl.Expr:
    """Sample variance (n - 1) from a sum and a sum of squares; null below 2."""
    return pl.when(n > 1).then((squares - total * total / n) / (n - 1)).clip(lower_bound=0)


def hedges_g_error(d: pl.Expr, n_a: pl.Expr, n_b: pl.Expr) -> pl.Expr:
    """Standard error of Hedges g = omega x d for two independent groups.

    omega x sqrt((n_a + n_b) / (n_a n_b) + d^2 / (2 (n_a + n_b))): Borenstein and others 2009, Introduction to
    Meta-Analysis, formulas 4.20 and 4.24.
    """
    return small_sample_factor(n_a + n_b) * ((n_a + n_b) / (n_a * n_b) + d * d / (2 * (n_a + n_b))).sqrt()


def cox_index(p1: pl.Expr, n1: pl.Expr, p0: pl.Expr, n0: pl.Expr) -> pl.Expr:
    """Cox index, omega x (logit p1 - logit p0) / 1.65 (WWC Procedures Handbook 4.1, appendix E); null at 0 or 1."""
    defined = (p1 > 0) & (p1 < 1) & (p0 > 0) & (p0 < 1)
    log_odds = (p1 / (1 - p1)).log() - (p0 / (1 - p0)).log()
    return pl.when(defined).then(small_sample_factor(n1 + n0) * log_odds / 1.65)


def odds_ratio(p1: pl.Expr, p0: pl.Expr) -> pl.Expr:
    """Odds at p1 over odds at p0; null where either is 0 or 1."""
    defined = (p1 > 0) & (p1 < 1) & (p0 > 0) & (p0 < 1)
    return pl.when(defined).then(p1 / (1 - p1) / (p0 / (1 - p0)))


def v_statistic(ahead: pl.Series) -> pl.Series:
    """V = sqrt(2) x inverse normal of P(a > b) + half of ties (Ho and Haertel 2006); null at 0 and 1."""
    p = ahead.to_numpy()
    with np.errstate(invalid="ignore"):
        inside = (p > 0) & (p < 1)
    found = np.sqrt(2) * stats.norm.ppf(np.where(inside, p, 0.5))
    return pl.Series(ahead.name, np.where(inside, found, np.nan)).fill_nan(None)


def cluster_robust_error(squared_influence: pl.Expr, n_clusters: pl.Expr, n: pl.Expr, coefficients: int = 2) -> pl.Expr:
    """CR1 standard error from the sum over clusters of squared influence: of a difference of two means, or of one mean.

    The difference is the slope of a least-squares line on a group indicator, and a mean the constant of one without a
    slope, so the sandwich of Liang and Zeger (1986) reduces to that sum, times G / (G - 1) x (N - 1) / (N - k) with
    k = 2 `coefficients` for a difference and 1 for a mean. Null below 2 clusters, and where nothing varies in any
    of them: an error of 0 would claim certainty.
    """
    correction = n_clusters / (n_clusters - 1) * (n - 1) / (n - coefficients)
    is_defined = (squared_influence > 0) & (n_clusters > 1) & (n > coefficients)
    return pl.when(is_defined).then((squared_influence * correction).sqrt())


def improvement_index(d: pl.Series) -> pl.Series:
    """100 x (Phi(d) - 0.5), the new rank of the median comparison student less 50.

    What Works Clearinghouse, Procedures and Standards Handbook 2.0 (2008), appendix F.
    """
    return _normal_share(d)


def mean_percentile_gain(d: pl.Series) -> pl.Series:
    """100 x (Phi(d / sqrt 2) - 0.5), the mean gain in rank over all students.

    Phi(d / sqrt 2) is the probability that a score of one normal distribution is above one of another of the same
    spread whose mean is d lower (McGraw and Wong 1992, Psychological Bulletin 111, 361-365).
    """
    return _normal_share(d / np.sqrt(2))


def _normal_share(d: pl.Series) -> pl.Series:
    found = 100 * (stats.norm.cdf(d.cast(pl.Float64).to_numpy()) - 0.5)
    return pl.Series(d.name, found).fill_nan(None)


def t_quantile(degrees_of_freedom: pl.Series) -> pl.Series:
    """The quantile of Student's t that a two-sided 95 percent interval needs; null below 1 degree of freedom."""
    df = degrees_of_freedom.cast(pl.Float64).to_numpy()
    with np.errstate(invalid="ignore"):
        found = stats.t.ppf(0.5 + CONFIDENCE / 2, np.where(df >= 1, df, np.nan))
    return pl.Series(degrees_of_freedom.name, found).fill_nan(None)


def bootstrap_sums(clusters: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over clusters drawn with replacement, one row per replicate (Efron and Tibshirani 1993, chapter 6).

    Args:
        clusters: one row per cluster, one column per quantity.

    The draws depend on the number of clusters alone, so the same data give the same interval in every run.
    """
    count = len(clusters)
    random = np.random.default_rng([SEED, count])
    drawn = random.integers(0, count, size=(REPLICATES, count), dtype=np.int32)
    places = drawn + np.arange(REPLICATES, dtype=np.int64)[:, None] * count
    times = np.bincount(places.ravel(), minlength=REPLICATES * count).reshape(REPLICATES, count)
    return np.asarray(times @ clusters)


def share_beside_rest(counted: pl.DataFrame, part: str, rest_part: str, name: str) -> pl.DataFrame:
    """Adds the share of each group with its Wilson interval, and its difference from the rest in percentage points.

    Args:
        counted: `n` and `rest_n`, people or records of the group and of all others; empty where there is no rest.
        part: the column with those of the group that count.
        rest_part: the column with those of the rest that count.
        name: what the share is called.
    """
    n, of_n, rest_n, of_rest = (pl.col(column).cast(pl.Float64) for column in ("n", part, "rest_n", rest_part))
    known = (n > 0) & of_n.is_not_null()
    p = share(of_n, n)
    low, high = wilson(of_n, n)
    difference_low, difference_high = share_difference(of_n, n, of_rest, rest_n)
    return counted.with_columns(
        p.alias(name),
        standard_error=pl.when(known).then((p * (1 - p) / n).sqrt()),
        ci_low=pl.when(known).then(low),
        ci_high=pl.when(known).then(high),
        difference_percentage_points=100 * (p - share(of_rest, rest_n)),
        difference_ci_low=100 * difference_low,
        difference_ci_high=100 * difference_high,
    )
