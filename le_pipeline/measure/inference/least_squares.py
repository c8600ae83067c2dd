"""Linear models with fixed effects and errors that are robust to clusters, from sums that the engine makes.

Compress first, then solve (Wong and others 2021, You Only Compress Once): cross products of the rows, and their sums by
level of each fixed effect, give the cross products that are left once the effects are taken out (Frisch and Waugh),
and with them the coefficients; one more scan gives scores by cluster. Both are those of the rows, to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars import selectors
from scipy import linalg, stats

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference import cluster_robust, compressed
from le_pipeline.measure.inference.collinear import collinear
from le_pipeline.measure.inference.solved import Solved, solve
from le_pipeline.measure.inference.sums import Floats, Rows, Sums, quoted

INTERCEPT = "(intercept)"
# DuckDB's types of numbers
SIGNED = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
NUMBERS = ("DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN", *SIGNED, *(f"U{name}" for name in SIGNED))
Errors = Literal["CR1", "CR2", "CR3", "jackknife"]


@dataclass(frozen=True)
class LinearModel:
    """What is estimated: columns of the rows, by name.

    Covariates are numbers or booleans; fixed effects and clusters may be of any type. Without fixed effects the model
    has an intercept. There are one or two clusters; errors of every kind but CR1 take one, and CR2 one fixed effect at
    most. CR3 is pyfixest's: the jackknife times G / (G - 1) and more. `tested` are the covariates that degrees of
    freedom are wanted for, with CR2; by default all.
    """

    outcome: str
    covariates: tuple[str, ...]
    clusters: tuple[str, ...]
    fixed_effects: tuple[str, ...] = ()
    weight: str | None = None
    errors: Errors = "CR1"
    tested: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.errors not in get_args(Errors):
            raise EstimationError(f"errors are of one of the kinds {', '.join(get_args(Errors))}")
        unknown = set(self.tested or ()) - {*self.covariates, INTERCEPT}
        if unknown:
            raise EstimationError(f"{', '.join(sorted(unknown))}: tested, and not among the covariates")
        if len(self.clusters) not in (1, 2):
            raise EstimationError("a linear model takes one or two clusters; name the columns in `clusters`")
        if self.errors != "CR1" and len(self.clusters) > 1:
            raise EstimationError(f"errors of kind {self.errors} take one cluster; CR1 takes two")
        if self.errors == "CR2" and len(self.fixed_effects) > 1:
            raise EstimationError("errors of kind CR2 take one fixed effect; give the others as covariates of 0 and 1")


@dataclass(frozen=True)
class LinearFit:
    """Estimates, with what a table has to say of them.

    `names` are the covariates that are left, in the model's order, after the intercept where there is one; `dropped`
    those that the others, or the fixed effects, make up. `degrees_of_freedom` is one per name: clusters - 1, or
    Satterthwaite's with CR2 (NaN where it was not asked for). `n` counts rows without singletons.
    """

    names: tuple[str, ...]
    estimate: Floats
    covariance: Floats
    degrees_of_freedom: Floats
    dropped: tuple[str, ...]
    n: int
    n_singletons: int
    n_clusters: tuple[int, ...]
    n_parameters: int
    solved: Solved = field(repr=False)

    @cached_property
    def standard_error(self) -> Floats:
        """NaN where clusters in two ways give a negative variance."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.diag(self.covariance)))

    def table(self, confidence: float = 0.95) -> pl.DataFrame:
        """One row per name: term, estimate, standard_error, t, p_value, degrees_of_freedom, ci_low, ci_high."""
        t = self.estimate / self.standard_error
        reach = stats.t.ppf(0.5 + confidence / 2, self.degrees_of_freedom) * self.standard_error
        return pl.DataFrame(
            {
                "term": self.names,
                "estimate": self.estimate,
                "standard_error": self.standard_error,
                "t": t,
                "p_value": 2 * stats.t.sf(np.abs(t), self.degrees_of_freedom),
                "degrees_of_freedom": self.degrees_of_freedom,
                "ci_low": self.estimate - reach,
                "ci_high": self.estimate + reach,
            }
        ).with_columns(selectors.float().fill_nan(None))

    def wild_bootstrap(self, name: str, replicates: int = 9999, seed: int = 2016) -> float:
        """Two-sided p-value of the wild cluster bootstrap of the hypothesis that a covariate has no effect.

        See `cluster_robust.wild_bootstrap`, which says what is drawn and where it comes from.

        Raises:
            EstimationError: the model has two clusters, or no such coefficient.
        """
        if len(self.n_clusters) > 1:
            raise EstimationError("the wild bootstrap takes one cluster")
        if name not in self.names:
            raise EstimationError(f"{name} has no coefficient in this model; there are {', '.join(self.names)}")
        return cluster_robust.wild_bootstrap(self.solved, self.names.index(name), replicates, seed)


def least_squares(rows: Rows | pl.DataFrame, model: LinearModel) -> LinearFit:
    """Estimate a linear model by (weighted) least squares.

    Rows with a missing or infinite value, or without a positive weight, are left out. So are rows that are alone in a
    value of a fixed effect (singletons), until none is: they say nothing of the covariates (Correia 2015).

    Args:
        rows: one observation per row; what DuckDB scans (`Rows`), or a frame.
        model: what to estimate.

    Returns:
        Coefficients equal to those of pyfixest's `feols`, and errors equal to its kinds CRV1 and CRV3 under its default
        factors: (N - 1) / (N - K) x G / (G - 1), K without fixed effects that are nested in clusters, G the smaller
        number of clusters.

    Raises:
        EstimationError: no rows are left, there are fewer than two clusters, or no covariate can be estimated.
    """
    has_intercept = not model.fixed_effects
    names = (INTERCEPT, *model.covariates) if has_intercept else model.covariates
    terms = [*(["1"] if has_intercept else []), *(quoted(name) for name in (*model.covariates, model.outcome))]
    source = _rows(rows)
    _check_columns(source, model)
    sums = Sums(source, terms, (*model.fixed_effects, *model.clusters), model.weight)
    n_complete = sums.n
    if not n_complete:
        raise EstimationError("no row has every variable of the model; look at what its columns leave empty")
    found = (
        compressed.by_level(sums, model.fixed_effects, model.clusters)
        if model.errors == "CR1"
        else compressed.by_cell(sums, model.fixed_effects, model.clusters[0])
    )
    solved = _solved(sums, model, found)
    kept = solved.kept
    names_kept = tuple(names[place] for place in kept)
    to_units, gained = _uncentred(sums, kept, has_intercept=has_intercept)
    estimate = to_units @ solved.coefficients
    estimate[0] += gained
    covariance, degrees = _errors(solved, model, names_kept, to_units, min(found.n_clusters))
    return LinearFit(
        names=names_kept,
        estimate=estimate,
        covariance=to_units @ covariance @ to_units.T,
        degrees_of_freedom=degrees,
        dropped=tuple(name for place, name in enumerate(names) if place not in set(kept)),
        n=sums.n,
        n_singletons=n_complete - sums.n,
        n_clusters=found.n_clusters,
        n_parameters=_n_parameters(kept, found),
        solved=solved,
    )


def _solved(sums: Sums, model: LinearModel, found: compressed.Compressed) -> Solved:
    """The coefficients of the covariates that are not made up by those before them, on centred variables."""
    parts = found.effects.fit(found.by_level)
    cross = found.cross
    gram = cross - sum(
        (total.T @ part for total, part in zip(found.by_level, parts, strict=True)), np.zeros_like(cross)
    )
    gram = (gram + gram.T) / 2
    dropped = collinear(gram[:-1, :-1] / sums.heaviest, np.diag(cross)[:-1] / sums.heaviest)
    kept = np.flatnonzero(~dropped)
    if not len(kept):
        raise EstimationError("the fixed effects make up every covariate, so that nothing is left to estimate")
    inner = gram[np.ix_(kept, kept)]
    scale = 1 / np.sqrt(np.diag(inner))
    inverse = linalg.inv(inner * np.outer(scale, scale)) * np.outer(scale, scale)
    coefficients = solve(inner, gram[kept, -1])
    return Solved(
        sums=sums,
        clusters=model.clusters,
        effect_names=model.fixed_effects,
        compressed=found,
        parts=tuple(parts),
        kept=kept,
        gram=gram,
        inverse=inverse,
        coefficients=coefficients,
        small_sample_factor=_factor(sums.n, _n_parameters(kept, found), min(found.n_clusters)),
    )


def _n_parameters(kept: NDArray[np.intp], found: compressed.Compressed) -> int:
    return len(kept) + found.effects.count(found.nested)


def _rows(rows: Rows | pl.DataFrame) -> Rows:
    if isinstance(rows, Rows):
        return rows
    con = duckdb.connect(config={"threads": 1})  # what fits into a frame is not worth starting others
    con.register("frame", rows.to_arrow())
    return Rows(con, "frame")


def _check_columns(rows: Rows, model: LinearModel) -> None:
    """Whether every column is there, under one name, and the variables are numbers."""
    described = rows.con.sql(f"select * from {rows.source} limit 0")
    kinds = dict(zip(described.columns, map(str, described.types), strict=True))
    weight = (model.weight,) if model.weight else ()
    variables = (model.outcome, *model.covariates, *weight)
    missing = [name for name in (*variables, *model.fixed_effects, *model.clusters) if name not in kinds]
    if missing:
        raise EstimationError(
            f"the rows have no column {', '.join(dict.fromkeys(missing))}; names are told by case, too"
        )
    folded = [name.lower() for name in kinds]
    if twice := sorted({name for name in folded if folded.count(name) > 1}):
        raise EstimationError(f"columns that differ in case alone: {', '.join(twice)}; rename one of each")
    texts = [name for name in variables if not kinds[name].startswith(NUMBERS)]
    if texts:
        raise EstimationError(
            f"{', '.join(texts)}: not numbers; give categories as columns of 0 and 1, or as fixed effects"
        )


def _factor(n: int, n_parameters: int, n_clusters: int) -> float:
    if n <= n_parameters:
        raise EstimationError("the model has as many parameters as rows, so that no error can be told")
    return (n - 1) / (n - n_parameters) * n_clusters / (n_clusters - 1)


def _uncentred(sums: Sums, kept: NDArray[np.intp], *, has_intercept: bool) -> tuple[Floats, float]:
    """A matrix that turns coefficients of centred variables into those of the variables; what the intercept gains."""
    matrix = np.eye(len(kept))
    if not has_intercept:
        return matrix, 0.0
    matrix[0, 1:] = -sums.centre[kept[1:]]
    return matrix, float(sums.centre[-1])


def _errors(
    solved: Solved, model: LinearModel, names: tuple[str, ...], to_units: Floats, n_clusters: int
) -> tuple[Floats, Floats]:
    if model.errors == "CR2":
        tested = names if model.tested is None else model.tested
        places = [names.index(name) for name in tested if name in names]
        covariance, told = cluster_robust.cr2(solved, to_units[places])
        degrees = np.full(len(names), np.nan)
        degrees[places] = told
        return covariance, degrees
    degrees = np.full(len(names), float(n_clusters - 1))
    kinds = {"CR1": cluster_robust.cr1, "CR3": cluster_robust.cr3, "jackknife": cluster_robust.jackknife}
    return kinds[model.errors](solved), degrees
