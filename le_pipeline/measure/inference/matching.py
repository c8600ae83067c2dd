"""Matching of treated units with comparison units like them, on a propensity score and within exact strata.

Belongs here: the score, the caliper, common support, sets and weights for the effect on the treated. Who is paired with
whom on a score is `pairing`; whether the groups are alike afterwards is `balance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference import pairing

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
UNIT = 1e9  # scores are told apart to the ninth decimal of the logit; what is beyond it is noise of the fit
RIDGE = 1e-6  # keeps coefficients finite where a covariate parts the groups, and is not felt otherwise
CONVERGED = 1e-10
STEPS = 100
PLACE = "_place"


@dataclass(frozen=True)
class Options:
    """How to match.

    Attributes:
        method: `nearest` neighbours, optimal `full` matching, or `weighting` by the odds.
        ratio: comparison units a treated unit may have at most; `nearest` only.
        replace: whether a comparison unit may serve several treated ones; `nearest` only.
        caliper: longest distance allowed, in standard deviations of the logit; `nearest` and `full`. The default 0.2
            had the least mean squared error, or nearly so, in Austin 2011 (Pharmaceutical Statistics 10, 150-161).
    """

    method: Literal["nearest", "full", "weighting"] = "nearest"
    ratio: int = 1
    replace: bool = False
    caliper: float = 0.2


@dataclass(frozen=True)
class Matched:
    """What matching has found.

    Attributes:
        units: the rows given, in their order, and of each: `propensity_logit` (null where its stratum has one group
            only), `is_on_support`, `match_set` (null: not in the matched sample), `weight` (0: likewise) and `is_tied`
            (units that are equal in all that was given have got different weights; row order decided among them).
        support: one row per stratum, see `support`.
    """

    units: pl.DataFrame
    support: pl.DataFrame


def match(
    frame: pl.DataFrame, treated: str, covariates: list[str], strata: list[str], options: Options | None = None
) -> Matched:
    """Matches treated with comparison units of the same stratum that were about as likely to be treated.

    Propensity is a logistic regression with one intercept per stratum and common slopes (Rosenbaum and Rubin 1983,
    Biometrika 70, 41-55), on the strata that have both groups. The caliper's standard deviation is that of the
    logit within strata, its variance the mean of the two groups' (Rosenbaum and Rubin 1985, The American Statistician
    39, 33-38). `weighting` gives comparison units the odds of treatment within the common support (Hirano,
    Imbens and Ridder 2003, Econometrica 71, 1161-1189), scaled so that they sum to the treated of the stratum.

    Everything is computed in the order of strata, score and covariates. Other columns, and the order of rows, decide
    nothing but who of units that are equal in all of these is taken.

    Args:
        frame: one row per unit.
        treated: a Boolean column.
        covariates: numbers or Booleans.
        strata: columns whose values a set has in common; may be empty.
        options: how to match; by default one nearest neighbour without replacement.

    Raises:
        ValueError: a column has gaps, or a covariate is not finite: whoever asks decides what a gap means. Or `treated`
            is not Boolean.
        EstimationError: the logistic regression did not converge.
    """
    _whole(frame, [treated, *strata], covariates)
    chosen = options or Options()
    by_value = frame.select(treated, *strata, pl.col(covariates).cast(pl.Float64)).with_row_index(PLACE)
    by_value = by_value.sort(*strata, *covariates, treated, maintain_order=True)
    by_score = _scored(by_value, treated, covariates, strata).sort(
        *strata, "propensity_logit", *covariates, treated, maintain_order=True
    )
    found = _matched(by_score, treated, chosen)
    alike = [*strata, treated, *covariates]
    found = found.with_columns(is_tied=pl.col("weight").n_unique().over(alike) > 1).sort(PLACE)
    units = frame.with_columns(
        found.select("propensity_logit", "is_on_support", "match_set", "weight", "is_tied").get_columns()
    )
    return Matched(units, support(units, treated, strata))


def support(units: pl.DataFrame, treated: str, by: list[str]) -> pl.DataFrame:
    """Counts of the units of a match, one row per value of `by`, one row in all where that is empty.

    Common support is the range of logits that both groups of a stratum have (Dehejia and Wahba 1999, JASA 94,
    1053-1062). Effective sample size is that of the comparison units, (sum w)^2 / sum w^2 (Kish 1965, Survey Sampling,
    section 11.7); null where none is used. `n_tied` counts units among equals of whom row order took some.
    """
    is_treated, off = pl.col(treated), ~pl.col("is_on_support")
    used = pl.col("weight") > 0
    # in ascending order, so that sums are the same for every order of rows
    weights = pl.col("weight").filter(~is_treated & used).sort()
    counts = {
        "n_treated": is_treated,
        "n_pool": ~is_treated,
        "n_treated_off_support": is_treated & off,
        "n_pool_off_support": ~is_treated & off,
        "n_treated_unmatched": is_treated & ~used,
        "n_comparison": ~is_treated & used,
        "n_tied": pl.col("is_tied"),
    }
    found = [
        *(of.sum().cast(pl.Int64).alias(name) for name, of in counts.items()),
        pl.when(weights.len() > 0).then(weights.sum() ** 2 / (weights**2).sum()).alias("effective_sample_size"),
    ]
    return units.group_by(by).agg(found).sort(by) if by else units.select(found)


def _whole(frame: pl.DataFrame, labels: list[str], covariates: list[str]) -> None:
    numbers = frame.select(pl.col(covariates).cast(pl.Float64).is_finite().all())
    if frame[labels[0]].dtype != pl.Boolean:
        raise ValueError(f"{labels[0]} must say true or false")
    gaps = [name for name in [*labels, *covariates] if frame[name].null_count()]
    gaps += [name for name in covariates if not numbers[name].item()]
    if gaps:
        raise ValueError(f"matching needs a value in every row: fill or drop rows of {', '.join(gaps)}")


def _scored(rows: pl.DataFrame, treated: str, covariates: list[str], strata: list[str]) -> pl.DataFrame:
    """Adds `_stratum`, whether it has `_both` groups, and if so the logit of the propensity, rounded to `UNIT`."""
    stratum = pl.struct(strata).rle_id() if strata else pl.lit(0)
    rows = rows.with_columns(_stratum=stratum).with_columns(_both=pl.col(treated).n_unique().over("_stratum") > 1)
    fitted = rows.filter("_both").with_columns(_stratum=pl.col("_stratum").rank("dense") - 1)
    if fitted.is_empty():
        return rows.with_columns(propensity_logit=pl.lit(None, pl.Float64))
    logit = _logit(
        fitted.select(covariates).to_numpy(),
        fitted[treated].to_numpy(),
        fitted["_stratum"].to_numpy().astype(np.int64),
    )
    scored = fitted.select(PLACE, propensity_logit=pl.Series(np.rint(logit * UNIT) / UNIT))
    return rows.join(scored, on=PLACE, how="left", maintain_order="left")


def _logit(x: Floats, treated: NDArray[np.bool_], stratum: Ints) -> Floats:
    """Linear predictor of a logistic regression on x with an intercept per stratum, by Fisher scoring.

    Intercepts are eliminated from each step (their part of the information matrix is diagonal), so that many strata
    cost nothing. Steps are halved until the penalised likelihood rises.
    """
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    y = treated.astype(np.float64)
    slopes, intercepts = np.zeros(x.shape[1]), np.zeros(stratum.max() + 1)

    def predictor(slopes: Floats, intercepts: Floats) -> Floats:
        # column by column: equal rows get equal scores, which a product of matrices does not promise
        return intercepts[stratum] + sum((z[:, k] * slope for k, slope in enumerate(slopes)), np.zeros(len(z)))

    def likelihood(slopes: Floats, intercepts: Floats) -> float:
        eta = predictor(slopes, intercepts)
        penalty = RIDGE / 2 * (slopes @ slopes + intercepts @ intercepts)
        return float(y @ eta - np.logaddexp(0, eta).sum() - penalty)

    for _ in range(STEPS):
        p = expit(predictor(slopes, intercepts))
        w = p * (1 - p)
        of_slopes = z.T @ (y - p) - RIDGE * slopes
        of_intercepts = np.bincount(stratum, y - p) - RIDGE * intercepts
        between = np.stack([np.bincount(stratum, w * column) for column in z.T], axis=1)
        mean = between / (np.bincount(stratum, w) + RIDGE)[:, None]
        information = (z * w[:, None]).T @ z - between.T @ mean + RIDGE * np.eye(z.shape[1])
        step = np.linalg.solve(information, of_slopes - mean.T @ of_intercepts)
        shift = of_intercepts / (np.bincount(stratum, w) + RIDGE) - mean @ step
        gain = float(of_slopes @ step + of_intercepts @ shift)
        if gain <= CONVERGED:
            return predictor(slopes + step, intercepts + shift)
        size, now = 1.0, likelihood(slopes, intercepts)
        while likelihood(slopes + size * step, intercepts + size * shift) < now - CONVERGED * abs(now):
            size /= 2
        slopes, intercepts = slopes + size * step, intercepts + size * shift
    raise EstimationError("the propensity score did not converge: look for covariates with extreme values")


def _caliper_width(rows: pl.DataFrame, treated: str) -> float:
    """Standard deviation of the logit within strata, its variance the mean of the two groups'.

    Differences between strata do not count: nobody is matched across them. A group of one per stratum has none.
    """
    logit = pl.col("propensity_logit")
    variances = (
        rows.filter("_both")
        .with_columns(_off=(logit - logit.mean().over("_stratum", treated)) ** 2)
        .group_by(treated)
        .agg(squares=pl.col("_off").sort().sum(), df=pl.len() - pl.col("_stratum").n_unique())
        .filter(pl.col("df") > 0)
        .select((pl.col("squares") / pl.col("df")).sort())
        .to_series()
    )
    return float(np.sqrt(variances.to_numpy().mean())) if len(variances) else 0.0


def _matched(rows: pl.DataFrame, treated: str, options: Options) -> pl.DataFrame:
    """Adds support, set and weight to rows in the order of stratum and score."""
    caliper = int(options.caliper * _caliper_width(rows, treated) * UNIT)
    parts, sets = [], 0
    for part in rows.partition_by("_stratum", maintain_order=True) or [rows]:
        found = _stratum(part, treated, caliper, options) if part["_both"].any() else _apart(part)
        parts.append(found.with_columns(match_set=pl.col("match_set") + sets))
        sets += found["match_set"].drop_nulls().n_unique()
    return pl.concat(parts)


def _apart(rows: pl.DataFrame) -> pl.DataFrame:
    """Units of a stratum that has one group only."""
    return rows.with_columns(is_on_support=pl.lit(value=False), match_set=pl.lit(None, pl.Int64), weight=pl.lit(0.0))


def _stratum(rows: pl.DataFrame, treated: str, caliper: int, options: Options) -> pl.DataFrame:
    is_treated = rows[treated].to_numpy()
    score = np.rint(rows["propensity_logit"].to_numpy() * UNIT).astype(np.int64)
    groups = score[is_treated], score[~is_treated]
    on_support = (score >= max(map(min, groups))) & (score <= min(map(max, groups)))
    sets, weights = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows))
    if options.method == "weighting":
        sets[on_support] = 1
        weights = _odds(score, is_treated, on_support)
    else:
        pairs = _pairs(*groups, caliper, options)
        sets[is_treated], sets[~is_treated] = pairs.sets((len(groups[0]), len(groups[1])))
        weights[is_treated] = sets[is_treated] > 0
        weights[~is_treated] = pairs.comparison_weights(len(groups[1]))
    match_set = pl.Series(np.where(weights > 0, sets, 0)).replace(0, None)
    return rows.with_columns(is_on_support=on_support, match_set=match_set, weight=weights)


def _pairs(treated: Ints, pool: Ints, caliper: int, options: Options) -> pairing.Pairs:
    if options.method == "full":
        return pairing.full(treated, pool, caliper)
    take = pairing.nearest_replaced if options.replace else pairing.nearest
    return take(treated, pool, caliper, options.ratio)


def _odds(score: Ints, treated: NDArray[np.bool_], on_support: NDArray[np.bool_]) -> Floats:
    """1 for the treated on support, the odds of treatment for the others, scaled to the number of these treated."""
    kept, others = treated & on_support, ~treated & on_support
    weights = kept.astype(np.float64)
    if not kept.any() or not others.any():
        return np.zeros(len(score))
    odds = np.exp((score[others] - score[others].max()) / UNIT)  # of all only the ratios matter
    weights[others] = odds * (kept.sum() / odds.sum())
    return weights
