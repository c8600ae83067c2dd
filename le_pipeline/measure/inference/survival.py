"""How long people stay: life tables and the Kaplan-Meier estimate, with standard errors and intervals.

What is undefined is null: nobody is left at risk, or nobody (or everybody) has had the event, where the usual formulas
give an error of 0, which would claim certainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from le_pipeline.measure import statistics

Method = Literal["discrete", "actuarial"]


def life_table(counted: pl.DataFrame, by: Sequence[str] = (), *, method: Method = "discrete") -> pl.DataFrame:
    """Hazard and survival of each interval, from counts.

    Args:
        counted: `n_at_risk`, `n_left` and `n_censored` of each interval; within a group in order of time, from the
            first interval on.
        by: columns that say which rows are one life table.
        method: `discrete`: who is censored in an interval was at risk in all of it, since yearly files tell of the
            whole year (Singer and Willett 2003, Applied Longitudinal Data Analysis, section 10.1). `actuarial`: half
            of the censored count as at risk, as if they had been lost in its middle (Cutler and Ederer 1958, Journal
            of Chronic Diseases 8, 699-712).

    Returns:
        The rows with `hazard` = n_left / n_at_risk and `hazard_standard_error` = sqrt(h (1 - h) / n_at_risk) (Singer
        and Willett, section 10.4); `survival_share`, the product of 1 - hazard up to and with the interval; its
        `standard_error` by Greenwood (1926); `ci_low` and `ci_high` on the log(-log) scale (Kalbfleisch and Prentice
        1980, section 1.3), which stay within 0 and 1.
    """
    n = pl.col("n_at_risk").cast(pl.Float64)
    if method == "actuarial":
        n -= pl.col("n_censored") / 2
    h, s = pl.col("hazard"), pl.col("survival_share")
    within = list(by) or pl.lit(0)
    of_log = pl.col("_of_log")  # standard error of log S: Greenwood's sum
    of_log_log = of_log / s.log().abs()
    is_between = (s > 0) & (s < 1)
    return (
        counted.with_columns(hazard=statistics.share(pl.col("n_left"), n))
        .with_columns(
            hazard_standard_error=pl.when((h > 0) & (h < 1)).then((h * (1 - h) / n).sqrt()),
            survival_share=_until_unknown(h, (1 - h).cum_prod()).over(within),
            _of_log=_until_unknown(h, pl.when(h < 1).then(h / (n * (1 - h))).cum_sum().sqrt()).over(within),
        )
        .with_columns(
            standard_error=pl.when(is_between).then(s * of_log),
            ci_low=pl.when(is_between).then(s.pow((statistics.Z * of_log_log).exp())),
            ci_high=pl.when(is_between).then(s.pow((-statistics.Z * of_log_log).exp())),
        )
        .drop("_of_log")
    )


def _until_unknown(hazard: pl.Expr, value: pl.Expr) -> pl.Expr:
    """The value as long as every hazard so far is known."""
    return pl.when(hazard.is_null().cum_sum() == 0).then(value)


def kaplan_meier(time: ArrayLike, is_event: ArrayLike, entry: ArrayLike | None = None) -> pl.DataFrame:
    """The product-limit estimate (Kaplan and Meier 1958), one row per time at which somebody has the event.

    Args:
        time: when each person had the event or was last seen.
        is_event: whether it was the event.
        entry: when each person came under observation (left truncation): at risk at t are those with
            entry < t <= time (Klein and Moeschberger 2003, section 4.6). Without it everybody was from the start.

    Returns:
        `time`, `n_at_risk`, `n_left`, `n_censored` (from this time until before the next), and the columns of
        `life_table`.
    """
    until, ended = np.asarray(time, dtype=np.float64), np.asarray(is_event, dtype=np.bool_)
    since = np.full(len(until), -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    times, events = np.unique(until[ended], return_counts=True)
    # of those last seen at t or later, who had entered before t: entries are always before ends
    at_risk = np.searchsorted(np.sort(since), times) - np.searchsorted(np.sort(until), times)
    lost = np.searchsorted(np.sort(until[~ended]), np.append(times, np.inf))
    counted = pl.DataFrame({"time": times, "n_at_risk": at_risk, "n_left": events, "n_censored": np.diff(lost)})
    return life_table(counted)


def influence(at_risk: NDArray[np.float64], left: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much each cluster moves the survival share at the end of each interval, to first order.

    -S(t) x sum over j <= t of (left_cj - h_j x at_risk_cj) / (n_j (1 - h_j)): the infinitesimal jackknife of the
    product-limit estimate (Williams 1995, Lifetime Data Analysis 1, 171-186). Where clusters are people who all came
    under observation at the start, the squares sum to Greenwood's variance.

    Args:
        at_risk: people at risk, clusters by intervals.
        left: of these those who left.

    Returns:
        Clusters by intervals; NaN from the first interval on in which nobody was at risk.
    """
    n = at_risk.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        h = left.sum(axis=0) / n
        moved = np.where(h == 1, 0, (left - h * at_risk) / (n * (1 - h)))  # of S = 0 nothing is moved
    return np.asarray(-np.cumprod(1 - h) * np.cumsum(moved, axis=1))
