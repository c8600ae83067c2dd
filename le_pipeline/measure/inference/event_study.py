"""Event study with staggered cohorts, after Callaway and Sant'Anna (2021), Journal of Econometrics 225, 200-230.

The effect on the schools first treated in g, in year t, is their mean change since the base year less that of schools
not treated by then: ATT(g, t). These are put together by event time, by cohort and into one number, never by two-way
fixed effects, which take schools treated earlier for comparisons (Goodman-Bacon 2021, Journal of Econometrics 225,
254-277). Every estimate carries the influence of each school on it, and from that its error: schools are the clusters.

Belongs here: the panel, the estimates, their errors, and the test of trends before treatment. Dosage is in `dosage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from le_pipeline.errors import PanelError
from le_pipeline.measure.statistics import CONFIDENCE, REPLICATES, SEED, Z

FEWEST_IN_CELL = 2  # a variance needs two
FEWEST_SCHOOLS = 5  # on either side of a figure that is put together; `did` warns of groups below it
CERTAIN = 1e-9  # an error below it is rounding: what was measured does not vary between schools

Floats = NDArray[np.float64]
Truths = NDArray[np.bool_]


@dataclass(frozen=True)
class EventStudyDesign:
    """Which columns of a panel are what, and with whom the treated are compared.

    `never_treated`: schools not treated by the last year. `not_yet_treated`: also those treated later than both years
    that are compared; more schools, but not the same ones for all years.
    """

    unit: str
    time: str
    first_treated: str
    outcome: str
    weight: str | None = None
    comparison: Literal["never_treated", "not_yet_treated"] = "never_treated"


@dataclass(frozen=True)
class EventStudy:
    """Effects in the unit of the outcome, one row each, and what was left out.

    Rows: `group_time`, cohort x time; `event_time`, years since g; `by_cohort`, the mean over a cohort's treated years;
    `overall`: `simple`, all treated years of all cohorts weighted by the size of the cohort, and `event_time`, the mean
    of the reported event times from 0 on. The base year, 0 by construction, has no row.

    Columns: estimate, standard_error, degrees_of_freedom, p_value, ci_low and ci_high (95 percent, of one effect),
    band_low and band_high (95 percent, of all effects of the frame at once; not in `overall`), n_treated, n_comparison
    (schools), null_reason: why there is no estimate (`too_few_treated_schools`, `too_few_comparison_schools`) or no error
    (`no_variation`).

    `pre_trend`: one row for the effects of `group_time` before treatment, one for those of `event_time`. wald is a
    chi-squared of n_effects degrees of freedom (p_value_chi_squared, as in `did`) where schools are many; f_statistic
    and p_value are Hotelling's, with n_effects and f_degrees_of_freedom, for few. null_reason: `no_pre_period`,
    `too_few_schools`, `singular_covariance`.
    """

    group_time: pl.DataFrame
    event_time: pl.DataFrame
    by_cohort: pl.DataFrame
    overall: pl.DataFrame
    pre_trend: pl.DataFrame
    n_cohorts_without_base: int
    n_schools_without_base: int


def event_study(panel: pl.DataFrame, design: EventStudyDesign) -> EventStudy:
    """Group-time effects, what they come to, and the test of trends before treatment.

    The base year is the last year of the panel before g, for the years before it and after it alike (a universal base).
    A school counts in a cell where both years are observed. Its weight is that of its first observed year, in all cells,
    so that no change of enrollment looks like an effect. Errors are the analytic ones of the R package `did` (the root
    of the sum of squared influence, without a small-sample factor); intervals take t with as many degrees of freedom as
    there are schools on the smaller side, less one.

    Args:
        panel: one row per school and year; years are whole numbers, first_treated is null where never. A row without a
            finite outcome or a positive weight is not an observation.
        design: what the columns are.

    Raises:
        PanelError: a school stands twice in a year, or has two first years.
    """
    schools = Schools.read(panel, design)
    cells, size = _cells(schools, design.comparison)
    enough = cells.enough(FEWEST_IN_CELL)
    used, size = cells.keep(enough), size[:, enough]
    after = (used.label["event_time"] >= 0).to_numpy()
    treated, treated_size = used.keep(after), size[:, after]
    by_event = _put_together(used, size, "event_time")
    reported = by_event.keep(by_event.enough(FEWEST_SCHOOLS))
    event_after = (reported.label["event_time"] >= 0).to_numpy()
    overall = Effects.of(
        pl.DataFrame({"aggregation": ["simple", "event_time"]}),
        [_by_size(treated, treated_size), _mean(reported.keep(event_after))],
        len(schools.cohort),
    )
    return EventStudy(
        group_time=cells.table(FEWEST_IN_CELL),
        event_time=by_event.table(FEWEST_SCHOOLS),
        by_cohort=_put_together(treated, treated_size, "cohort").table(FEWEST_SCHOOLS),
        overall=overall.table(FEWEST_SCHOOLS).drop("band_low", "band_high"),
        pre_trend=pl.concat(
            [_pre_trend("group_time", used.keep(~after)), _pre_trend("event_time", reported.keep(~event_after))]
        ),
        n_cohorts_without_base=len(np.unique(schools.without_base)),
        n_schools_without_base=len(schools.without_base),
    )


@dataclass(frozen=True)
class Schools:
    """A panel as arrays: T years; of n schools the cohort, the weight, and each column of values (n x T).

    The cohort is the first year of treatment, infinite where that does not come by the last year. Values are NaN in the
    years in which a school is not observed. Schools treated in the first year of the panel or before have no base year
    and are not among the n; `without_base` has their cohorts.
    """

    years: NDArray[np.int64]
    cohort: Floats
    weight: Floats
    values: tuple[Floats, ...]
    without_base: Floats

    @classmethod
    def read(cls, panel: pl.DataFrame, design: EventStudyDesign, *beside: str) -> Self:
        """The values are the outcome, then the columns `beside`; schools are in an order of what they hold, not of keys.

        Raises:
            PanelError: a school stands twice in a year, or has two first years.
        """
        weight = pl.lit(1.0) if design.weight is None else pl.col(design.weight)
        columns = (design.outcome, *beside)
        rows = panel.select(
            pl.col(design.unit).rank("dense").alias("unit"),
            pl.col(design.time).cast(pl.Int64).alias("time"),
            pl.col(design.first_treated).cast(pl.Float64).alias("cohort"),
            weight.cast(pl.Float64).alias("weight"),
            *(pl.col(column).cast(pl.Float64).alias(f"value_{place}") for place, column in enumerate(columns)),
        ).filter(pl.col("weight") > 0, pl.col("weight").is_finite(), pl.col("value_0").is_finite())
        if rows.select("unit", "time").is_duplicated().any():
            raise PanelError(f"{design.unit} and {design.time} are no key of the panel: give one row per school and year")
        if rows.select("unit", "cohort").unique()["unit"].is_duplicated().any():
            raise PanelError(f"{design.first_treated} changes within a {design.unit}: give the first year in all rows")
        years, year = np.unique(rows["time"].to_numpy(), return_inverse=True)
        _, first, unit = np.unique(rows["unit"].to_numpy(), return_index=True, return_inverse=True)
        wide = np.full((len(columns) + 1, len(first), len(years)), np.nan)
        for place, column in enumerate(["weight", *(f"value_{place}" for place in range(len(columns)))]):
            wide[place, unit, year] = rows[column].fill_null(np.nan).to_numpy()
        weights, *values = wide
        cohort = rows["cohort"].fill_null(np.inf).to_numpy()[first]
        last, opening = (years[-1], years[0]) if len(years) else (0, 0)
        cohort = np.where(cohort > last, np.inf, cohort)
        weight_held = np.array([row[np.isfinite(row)][0] for row in weights])
        based = cohort > opening
        order = np.lexsort([column[based] for block in values for column in block.T] + [weight_held[based], cohort[based]])
        return cls(
            years=years,
            cohort=cohort[based][order],
            weight=weight_held[based][order],
            values=tuple(block[based][order] for block in values),
            without_base=cohort[~based],
        )

    @property
    def cohorts(self) -> list[float]:
        """The first years of treatment in the panel, in order."""
        return [float(cohort) for cohort in np.unique(self.cohort) if np.isfinite(cohort)]


class Effect(NamedTuple):
    """An estimate, the influence of each of n schools on it, and who is treated and who is a comparison in it."""

    estimate: float
    influence: Floats
    treated: Truths
    comparison: Truths


@dataclass(frozen=True)
class Effects:
    """Effects side by side: k labels and estimates; influence, treated and comparison are n x k."""

    label: pl.DataFrame
    estimate: Floats
    influence: Floats
    treated: Truths
    comparison: Truths

    @classmethod
    def of(cls, label: pl.DataFrame, effects: Sequence[Effect], n: int) -> Self:
        """One label to an effect; n schools, for where there is no effect."""
        sides = [
            np.array([effect[place] for effect in effects], dtype=kind).reshape(len(effects), n).T
            for place, kind in ((1, np.float64), (2, np.bool_), (3, np.bool_))
        ]
        return cls(label, np.array([effect.estimate for effect in effects], dtype=np.float64), *sides)

    def keep(self, which: Truths) -> Effects:
        """Those of the effects."""
        sides = (side[:, which] for side in (self.influence, self.treated, self.comparison))
        return Effects(self.label.filter(which), self.estimate[which], *sides)

    def enough(self, fewest: int) -> Truths:
        """Whether there are as many schools on either side of an effect."""
        return np.asarray(np.minimum(self.treated.sum(axis=0), self.comparison.sum(axis=0)) >= fewest)

    def table(self, fewest: int) -> pl.DataFrame:
        """The columns that `EventStudy` tells of, beside the labels.

        The band takes the quantile of the largest of all |t| under Rademacher multipliers of the influence (Callaway and
        Sant'Anna 2021, algorithm 1, who take Mammen's; with few clusters signs do better: Webb 2023, Canadian Journal of
        Economics 56, 839-858), carried to t by its tail probability. The draws depend on the number of schools alone.
        """
        error = np.sqrt((self.influence**2).sum(axis=0))
        known = self.enough(fewest)
        sure = known & (error > CERTAIN)
        n_treated, n_comparison = self.treated.sum(axis=0), self.comparison.sum(axis=0)
        freedom = np.minimum(n_treated, n_comparison) - 1
        scale = np.where(sure, error, np.nan)
        df = np.where(sure, freedom, np.nan)
        point = stats.t.isf((1 - CONFIDENCE) / 2, df) * scale
        band = stats.t.isf(stats.norm.sf(_largest(self.influence[:, sure] / error[sure])), df) * scale
        floats = {
            "estimate": np.where(known, self.estimate, np.nan),
            "standard_error": scale,
            "degrees_of_freedom": df,
            "p_value": 2 * stats.t.sf(np.abs(self.estimate) / scale, df),
            "ci_low": self.estimate - point,
            "ci_high": self.estimate + point,
            "band_low": self.estimate - band,
            "band_high": self.estimate + band,
        }
        reason = (
            pl.when(pl.col("n_treated") < fewest)
            .then(pl.lit("too_few_treated_schools"))
            .when(pl.col("n_comparison") < fewest)
            .then(pl.lit("too_few_comparison_schools"))
            .when(pl.col("standard_error").is_null())
            .then(pl.lit("no_variation"))
        )
        return self.label.with_columns(
            *(pl.Series(name, column, dtype=pl.Float64).fill_nan(None) for name, column in floats.items()),
            pl.Series("n_treated", n_treated, dtype=pl.Int64),
            pl.Series("n_comparison", n_comparison, dtype=pl.Int64),
        ).with_columns(pl.col("degrees_of_freedom").cast(pl.Int64), null_reason=reason)


def base_place(years: NDArray[np.int64], cohort: float) -> int:
    """Where the last year before the cohort's first stands among the years; a year without tests is passed over."""
    return int(np.searchsorted(years, cohort)) - 1


def _cells(schools: Schools, comparison: str) -> tuple[Effects, Floats]:
    """All ATT(g, t), and for each the weight (n x k) of the cohort's schools observed in the base year."""
    outcome, years, cohort = schools.values[0], schools.years, schools.cohort
    labels, effects, sizes = [], [], []
    for g in schools.cohorts:
        base = base_place(years, g)
        member = (cohort == g) & np.isfinite(outcome[:, base])
        for place in (place for place in range(len(years)) if place != base):
            untreated = max(years[place], years[base]) if comparison == "not_yet_treated" else years[-1]
            change = outcome[:, place] - outcome[:, base]
            seen = np.isfinite(change)
            labels.append((int(g), int(years[place]), int(years[place] - g)))
            effects.append(_cell(change, schools.weight, member & seen, (cohort > untreated) & (cohort != g) & seen))
            sizes.append(np.where(member, schools.weight, 0.0))
    names = {name: pl.Int64 for name in ("cohort", "time", "event_time")}
    n = len(cohort)
    return (
        Effects.of(pl.DataFrame(labels, schema=names, orient="row"), effects, n),
        np.array(sizes, dtype=np.float64).reshape(len(sizes), n).T,
    )


def _cell(change: Floats, weight: Floats, treated: Truths, comparison: Truths) -> Effect:
    """The difference of two weighted mean changes (Callaway and Sant'Anna 2021, equation 2.5, without covariates)."""
    estimate, influence = 0.0, np.zeros(len(change))
    for sign, side in ((1, treated), (-1, comparison)):
        if side.any():
            share = np.where(side, weight, 0.0) / weight[side].sum()
            mean = float(share[side] @ change[side])
            estimate += sign * mean
            influence[side] += sign * share[side] * (change[side] - mean)
    return Effect(estimate, influence, treated, comparison)


def _put_together(cells: Effects, size: Floats, by: str) -> Effects:
    """One effect for each value of the label `by`, in order."""
    label = cells.label.select(pl.col(by).unique().sort())
    places = [(cells.label[by] == value).to_numpy() for value in label[by]]
    return Effects.of(label, [_by_size(cells.keep(place), size[:, place]) for place in places], len(size))


def _by_size(cells: Effects, size: Floats) -> Effect:
    """The mean of effects, each weighted by the size of its cohort (Callaway and Sant'Anna 2021, section 3).

    That the sizes are estimated, too, has a part in the influence, as it has in `did`.
    """
    total = size.sum() if size.size else 1.0
    share = size.sum(axis=0) / total
    estimate = float(cells.estimate @ share)
    influence = cells.influence @ share + size @ (cells.estimate - estimate) / total
    return Effect(estimate, influence, cells.treated.any(axis=1), cells.comparison.any(axis=1))


def _mean(effects: Effects) -> Effect:
    count = max(len(effects.estimate), 1)
    return Effect(
        float(effects.estimate.sum()) / count,
        effects.influence.sum(axis=1) / count,
        effects.treated.any(axis=1),
        effects.comparison.any(axis=1),
    )


def _largest(influence: Floats) -> float:
    """The 95 percent quantile of the largest |t| of k effects at once; influence (n x k) over its error; at least Z."""
    n, k = influence.shape
    if not k:
        return Z
    signs = np.random.default_rng([SEED, n]).integers(0, 2, size=(REPLICATES, n)) * 2.0 - 1.0
    return max(float(np.quantile(np.abs(signs @ influence).max(axis=1), CONFIDENCE, method="higher")), Z)


def _pre_trend(name: str, effects: Effects) -> pl.DataFrame:
    """Wald's test that all of the effects are 0, and Hotelling's for few schools.

    Hotelling (1931), Annals of Mathematical Statistics 2, 360-378: with nu degrees of freedom of the covariance of k
    effects, wald x (nu - k + 1) / (k nu) is an F of k and nu - k + 1. nu is what intervals take: the schools on the
    smaller side, less one.
    """
    k = len(effects.estimate)
    freedom = int(min(effects.treated.any(axis=1).sum(), effects.comparison.any(axis=1).sum())) - 1
    error = np.sqrt((effects.influence**2).sum(axis=0))
    row: dict[str, object] = {}
    reason = None
    if k == 0:
        reason = "no_pre_period"
    elif freedom < k:
        reason = "too_few_schools"
    elif (error <= CERTAIN).any() or np.linalg.matrix_rank(effects.influence / error, tol=1e-6) < k:
        reason = "singular_covariance"
    else:
        t, scaled = effects.estimate / error, effects.influence / error
        wald = float(t @ np.linalg.solve(scaled.T @ scaled, t))
        f, rest = wald * (freedom - k + 1) / (k * freedom), freedom - k + 1
        row = {
            "wald": wald,
            "p_value_chi_squared": float(stats.chi2.sf(wald, k)),
            "f_statistic": f,
            "f_degrees_of_freedom": rest,
            "p_value": float(stats.f.sf(f, k, rest)),
        }
    schema = {
        "effects": pl.String,
        "n_effects": pl.Int64,
        "wald": pl.Float64,
        "p_value_chi_squared": pl.Float64,
        "f_statistic": pl.Float64,
        "f_degrees_of_freedom": pl.Int64,
        "p_value": pl.Float64,
        "null_reason": pl.String,
    }
    return pl.DataFrame([{"effects": name, "n_effects": k, "null_reason": reason, **row}], schema=schema)
