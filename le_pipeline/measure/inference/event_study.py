"""Event study with staggered cohorts, after Callaway and Sant'Anna (2021), Journal of Econometrics 225, 200-230.

The effect on the schools first treated in g, in year t, is their mean change since the base year less that of schools
not treated by then: ATT(g, t). These are put together by event time, by cohort and into one number, never by two-way
fixed effects, which take schools treated earlier for comparisons (Goodman-Bacon 2021, Journal of Econometrics 225,
254-277).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import stats

from le_pipeline.measure.inference.influence import (
    CERTAIN,
    FEWEST_IN_CELL,
    FEWEST_SCHOOLS,
    Effect,
    Effects,
    Truths,
    freedom,
)
from le_pipeline.measure.inference.school_panel import EventStudyDesign, Floats, SchoolPanel

PRE_TREND = {
    "effects": pl.String,
    "n_effects": pl.Int64,
    "wald": pl.Float64,
    "p_value_chi_squared": pl.Float64,
    "f_statistic": pl.Float64,
    "f_degrees_of_freedom": pl.Float64,
    "p_value": pl.Float64,
    "null_reason": pl.String,
}


@dataclass(frozen=True)
class EventStudy:
    """Effects in the unit of the outcome, one row each, and what was left out.

    Rows: `group_time`, cohort x time; `event_time`, years since g; `by_cohort`, the mean over a cohort's treated years;
    `overall`: `simple`, all treated years of all cohorts weighted by the size of the cohort, and `event_time`, the mean
    of the reported event times from 0 on. The base year, 0 by construction, has no row.

    Columns: estimate, standard_error, degrees_of_freedom, p_value, ci_low and ci_high (95 percent, of one effect),
    band_low and band_high (95 percent, of all effects of the frame at once; not in `overall`), n_treated and
    n_comparison (schools), null_reason: why there is no estimate (`too_few_treated_schools`,
    `too_few_comparison_schools`) or no error (`no_variation`).

    `members`: the schools that the `overall` estimate by event time rests on, as `SchoolPanel.members` has them.

    `pre_trend`: one row for the effects of `group_time` before treatment, one for those of `event_time`. wald is a
    chi-squared of n_effects degrees of freedom (p_value_chi_squared, as in `did`) where schools are many; f_statistic
    and p_value are Hotelling's, with n_effects and f_degrees_of_freedom, and hold where they are few, too. null_reason:
    `no_pre_period`, `too_few_schools`, `singular_covariance`.
    """

    group_time: pl.DataFrame
    event_time: pl.DataFrame
    by_cohort: pl.DataFrame
    overall: pl.DataFrame
    members: pl.DataFrame
    pre_trend: pl.DataFrame
    n_cohorts_without_base: int
    n_schools_without_base: int


def event_study(panel: pl.DataFrame, design: EventStudyDesign) -> EventStudy:
    """Group-time effects, what they come to, and the test of trends before treatment.

    The base year is the last year of the panel before g, for the years before it and after it alike (a universal base).
    A school counts in a cell where both years are observed. Cells with fewer than two schools on a side have no
    estimate and are in no average.

    Args:
        panel: one row per school and year, as `SchoolPanel.read` takes it.
        design: what the columns are.

    Raises:
        PanelError: a school stands twice in a year, or has two first years.
    """
    schools = SchoolPanel.read(panel, design)
    cells, size = _cells(schools, design)
    enough = cells.enough(FEWEST_IN_CELL)
    used, size = cells.keep(enough), size[:, enough]
    since = _treated_years(used)
    by_event = _put_together(used, size, "event_time")
    reported = by_event.keep(by_event.enough(FEWEST_SCHOOLS))
    by_cohort = _put_together(used.keep(since), size[:, since], "cohort")
    overall = Effects.of(
        pl.DataFrame({"aggregation": ["simple", "event_time"]}),
        [_by_size(used.keep(since), size[:, since]), _mean(reported.keep(_treated_years(reported)))],
        len(schools.cohort),
    )
    before = {"group_time": used.keep(~since), "event_time": reported.keep(~_treated_years(reported))}
    return EventStudy(
        group_time=cells.table(FEWEST_IN_CELL),
        event_time=by_event.table(FEWEST_SCHOOLS),
        by_cohort=by_cohort.table(FEWEST_SCHOOLS),
        overall=overall.table(FEWEST_SCHOOLS).drop("band_low", "band_high"),
        members=schools.members(overall.treated[:, -1], overall.comparison[:, -1]),
        pre_trend=pl.DataFrame([_pre_trend(effects) | {"effects": of} for of, effects in before.items()], PRE_TREND),
        n_cohorts_without_base=len(np.unique(schools.without_base)),
        n_schools_without_base=len(schools.without_base),
    )


def _treated_years(effects: Effects) -> Truths:
    return (effects.label["event_time"] >= 0).to_numpy()


def _cells(schools: SchoolPanel, design: EventStudyDesign) -> tuple[Effects, Floats]:
    """All ATT(g, t), and for each the weight (n x k) of the cohort's schools observed in the base year."""
    outcome, years, cohort = schools.values[0], schools.years, schools.cohort
    labels, effects, sizes = [], [], []
    for g in schools.cohorts:
        base = schools.first_place(g) - 1
        member = (cohort == g) & np.isfinite(outcome[:, base])
        for place in (place for place in range(len(years)) if place != base):
            untreated = max(years[place], years[base]) if design.comparison == "not_yet_treated" else years[-1]
            change = outcome[:, place] - outcome[:, base]
            seen = np.isfinite(change)
            labels.append((int(g), int(years[place]), int(years[place] - g)))
            effects.append(_cell(change, schools.weight, member & seen, (cohort > untreated) & (cohort != g) & seen))
            sizes.append(np.where(member, schools.weight, 0.0))
    label = pl.DataFrame(labels, schema=dict.fromkeys(("cohort", "time", "event_time"), pl.Int64), orient="row")
    size = np.array(sizes, dtype=np.float64).reshape(len(sizes), len(cohort)).T
    return Effects.of(label, effects, len(cohort)), size


def _cell(change: Floats, weight: Floats, treated: Truths, comparison: Truths) -> Effect:
    """The difference of two weighted mean changes (Callaway and Sant'Anna 2021, theorem 1, without covariates)."""
    estimate, influence, shares = 0.0, np.zeros(len(change)), []
    for sign, side in ((1, treated), (-1, comparison)):
        share = np.zeros(len(change))
        if side.any():
            share[side] = weight[side] / weight[side].sum()
            mean = float(share[side] @ change[side])
            estimate += sign * mean
            influence[side] += sign * share[side] * (change[side] - mean)
        shares.append(share)
    return Effect(estimate, influence, *shares)


def _put_together(cells: Effects, size: Floats, by: str) -> Effects:
    """One effect for each value of the label `by`, in order."""
    label = cells.label.select(pl.col(by).unique().sort())
    places = [(cells.label[by] == value).to_numpy() for value in label[by]]
    return Effects.of(label, [_by_size(cells.keep(place), size[:, place]) for place in places], len(size))


def _by_size(cells: Effects, size: Floats) -> Effect:
    """The mean of effects, each weighted by the size of its cohort (Callaway and Sant'Anna 2021, section 3).

    That the sizes are estimated, too, has its part in the influence, as it has in `did`.
    """
    total = size.sum() if size.size else 1.0
    mean = cells.average(size.sum(axis=0) / total)
    return mean._replace(influence=mean.influence + size @ (cells.estimate - mean.estimate) / total)


def _mean(effects: Effects) -> Effect:
    count = len(effects.estimate)
    return effects.average(np.full(count, 1 / max(count, 1)))


def _pre_trend(effects: Effects) -> dict[str, object]:
    """Wald's test that all of the effects are 0, and Hotelling's, in columns of `PRE_TREND`.

    Hotelling (1931), Annals of Mathematical Statistics 2, 360-378: where the covariance of k effects has nu degrees of
    freedom, wald x (nu - k + 1) / (k nu) is an F of k and nu - k + 1. nu is that of the mean of the effects.
    """
    k, error = len(effects.estimate), effects.error
    if k == 0:
        return {"n_effects": k, "null_reason": "no_pre_period"}
    mean = _mean(effects)
    nu = float(freedom(mean.treated, mean.comparison))
    if nu < k:
        return {"n_effects": k, "null_reason": "too_few_schools"}
    if (error <= CERTAIN).any() or np.linalg.matrix_rank(effects.influence / error, tol=1e-6) < k:
        return {"n_effects": k, "null_reason": "singular_covariance"}
    t, scaled = effects.estimate / error, effects.influence / error
    wald, rest = float(t @ np.linalg.solve(scaled.T @ scaled, t)), nu - k + 1
    f = wald * rest / (k * nu)
    return {
        "n_effects": k,
        "wald": wald,
        "p_value_chi_squared": float(stats.chi2.sf(wald, k)),
        "f_statistic": f,
        "f_degrees_of_freedom": rest,
        "p_value": float(stats.f.sf(f, k, rest)),
    }
