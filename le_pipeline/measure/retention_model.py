"""The models of effects on retention: from rows of teachers to the estimate's columns of marts.program_impact.

Rows hold outcome (0 or 1), treated, covariates, stratum (state and school year), cluster, weight and years_observed.
Their order decides the last digits of sums, so that it must not depend on what may change from run to run.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from scipy import stats

from le_pipeline.errors import EstimationError
from le_pipeline.measure import statistics
from le_pipeline.measure.impact import Row
from le_pipeline.measure.inference.binary_response import BinaryFit, LinkName, binary_response
from le_pipeline.measure.inference.least_squares import LinearModel, least_squares

TREATED = "treated"  # the last column of every model: where the others make it up, it is the one that goes
NOTHING = 1e-9  # a standard error below it is rounding
LEAST = 10  # leavers, and as many retained, of a group of years (Peduzzi and others 1996, J Clinical Epidemiology 49)

Model = Callable[[pl.DataFrame, tuple[str, ...], bool], Row]


def linear_probability(rows: pl.DataFrame, covariates: tuple[str, ...], is_few: bool) -> Row:
    """Least squares of being retained within strata, in percentage points (Angrist and Pischke 2009, section 3.4.2).

    Args:
        rows: see the module.
        covariates: columns of the rows.
        is_few: clusters are few: errors of kind CR2, Satterthwaite's degrees of freedom, and a wild bootstrap beside.
    """
    model = LinearModel(
        outcome="outcome",
        covariates=(*covariates, TREATED),
        clusters=("cluster",),
        fixed_effects=("stratum",),
        weight="weight",
        errors="CR2" if is_few else "CR1",
        tested=(TREATED,),
    )
    try:
        fit = least_squares(rows, model)
    except EstimationError:
        return {"null_reason": "not_estimable"}
    if TREATED not in fit.names:
        return {"null_reason": "not_estimable"}
    place = fit.names.index(TREATED)
    if abs(fit.estimate[place]) > 1:  # no share can change by more: hardly any row is left to tell
        return {"null_reason": "not_estimable"}
    error = float(fit.standard_error[place])
    if not error > NOTHING:
        return {"null_reason": "no_variation"}
    told = _tested(float(fit.estimate[place]), error, float(fit.degrees_of_freedom[place]))
    bootstrapped = {"wild_bootstrap_p_value": fit.wild_bootstrap(TREATED)} if is_few else {}
    return told | {"error_kind": model.errors} | bootstrapped


def logit(rows: pl.DataFrame, covariates: tuple[str, ...], is_few: bool) -> Row:  # noqa: ARG001
    """Average marginal effect of a logit of being retained, in percentage points, and the odds ratio."""
    return _binary(rows, rows["outcome"], "logit", (rows["stratum"], covariates))


def hazard(rows: pl.DataFrame, covariates: tuple[str, ...], is_few: bool) -> Row:  # noqa: ARG001
    """Discrete-time hazard of leaving: minus its average marginal effect, in percentage points, and the hazard ratio.

    Complementary log-log (Prentice and Gloeckler 1978), the baseline a step for each group of years observed.
    """
    strata = rows["stratum"], years_in_groups(rows["years_observed"], rows["outcome"])
    told = _binary(rows, 1 - rows["outcome"], "cloglog", (*strata, covariates))
    turned = {"estimate": "estimate", "ci_low": "ci_high", "ci_high": "ci_low"}
    return told | {name: -told[of] for name, of in turned.items() if told.get(of) is not None}


MODELS: dict[str, Model] = {"linear_probability": linear_probability, "logit": logit, "hazard": hazard}


def years_in_groups(years: pl.Series, retained: pl.Series) -> pl.Series:
    """The first year of the group that each row's year is in.

    From the first year on, years are put together until 10 people have left and 10 were retained; what is left at the
    end joins the last group.
    """
    counted = (
        pl.DataFrame({"year": years, "retained": retained})
        .group_by("year")
        .agg(n=pl.len(), retained=pl.col("retained").sum())
        .sort("year")
    )
    firsts: list[int] = []
    of_year: dict[int, int] = {}
    left = stayed = LEAST
    for year, n, n_retained in counted.iter_rows():
        if min(left, stayed) >= LEAST:
            firsts.append(year)
            left = stayed = 0
        left, stayed = left + n - n_retained, stayed + n_retained
        of_year[year] = firsts[-1]
    if min(left, stayed) < LEAST and len(firsts) > 1:
        of_year = {year: min(first, firsts[-2]) for year, first in of_year.items()}
    return years.replace_strict(of_year, return_dtype=pl.Int64)


def _binary(
    rows: pl.DataFrame, outcome: pl.Series, link: LinkName, parts: tuple[pl.Series | tuple[str, ...], ...]
) -> Row:
    """`parts` of the design from left to right: series give a column for each of their values, names a column each."""
    columns: dict[str, pl.Series] = {}
    for part in parts:
        if isinstance(part, pl.Series):
            columns |= {f"{part.name} {value}": part == value for value in part.unique().sort()}
        else:
            columns |= {name: rows[name] for name in part}
    columns[TREATED] = rows[TREATED]
    try:
        fit = binary_response(
            outcome.to_numpy(),
            np.column_stack([column.cast(pl.Float64).to_numpy() for column in columns.values()]),
            list(columns),
            link=link,
            clusters=rows["cluster"].to_numpy(),
            weights=rows["weight"].to_numpy(),
        )
    except EstimationError:
        return {"null_reason": "not_converged"}
    return _marginal(fit)


def _marginal(fit: BinaryFit) -> Row:
    if TREATED not in fit.names:
        return {"null_reason": "not_estimable"}
    effect, error = fit.average_marginal_effect(TREATED)
    if fit.estimate is None or effect is None:
        return {"null_reason": "separated"}
    if error is None or fit.n_clusters is None:
        return {"null_reason": "not_estimable"}
    ratio = float(np.exp(fit.estimate[fit.names.index(TREATED)]))
    return _tested(effect, error, fit.n_clusters - 1) | {"error_kind": "CR1_delta", "ratio": ratio}


def _tested(share: float, error: float, degrees_of_freedom: float) -> Row:
    """Estimate, error and 95 percent interval in percentage points; no interval below one degree of freedom."""
    told = {"estimate": 100 * share, "standard_error": 100 * error, "degrees_of_freedom": degrees_of_freedom}
    if not degrees_of_freedom >= 1:
        return told
    half = float(stats.t.ppf(0.5 + statistics.CONFIDENCE / 2, degrees_of_freedom)) * error
    return told | {
        "ci_low": 100 * (share - half),
        "ci_high": 100 * (share + half),
        "p_value": float(2 * stats.t.sf(abs(share / error), degrees_of_freedom)),
    }
