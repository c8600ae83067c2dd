"""The figures that a claim rests on: the marts' rows that it is about, in the claim's own unit, with interval and p."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import stats

from le_pipeline.measure import evidence, statistics
from schemas.evidence_claim import Evidence

NAMES = {"population": "role", "period": "school_year"}  # of program_impact, as the SQL calls them
ENDS = ("estimate", "ci_low", "ci_high")
ERRORS = ("standard_error", "minimum_detectable_effect")


def chosen(wanted: Evidence, gathered: pl.DataFrame) -> pl.DataFrame:
    """The rows of evidence_claim.sql that are meant, in `wanted.unit`; one row per cell.

    `adjusted_p_value` allows for all rows that are meant. Where a figure cannot be made of a row, its estimate is null.
    """
    meant = [pl.col("source") == wanted.table]
    meant += [pl.col("figure") == wanted.figure] if wanted.table == "program_reach" else []
    meant += [pl.col(NAMES.get(name, name)).is_in(values) for name, values in wanted.where.items()]
    meant += [pl.col(NAMES.get(name, name)) != "all" for name in wanted.each]
    return adjusted(_in_unit(_with_interval(gathered.filter(*meant)), wanted.figure))


def adjusted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with what each p-value is worth among all of them, as `adjusted_p_value`."""
    known = pl.col("p_value").is_not_null() & pl.col("estimate").is_not_null()
    tested = rows.filter(known)
    found = pl.Series("adjusted_p_value", evidence.adjusted_p_values(tested["p_value"].to_list()), dtype=pl.Float64)
    rest = rows.filter(~known).with_columns(adjusted_p_value=pl.lit(None, dtype=pl.Float64))
    return pl.concat([tested.with_columns(found), rest])


def _with_interval(rows: pl.DataFrame) -> pl.DataFrame:
    """Interval and p-value by Student's t where the mart gives none, by the normal distribution without freedom.

    Also the minimum detectable effect, in the mart's unit.
    """
    half = pl.col("standard_error") * statistics.t_quantile(rows["degrees_of_freedom"])
    freedom = rows["degrees_of_freedom"].fill_null(np.inf).to_numpy()
    t = (rows["estimate"] / rows["standard_error"]).abs().to_numpy()
    p = pl.Series(2 * stats.t.sf(t, freedom), dtype=pl.Float64).fill_nan(None)
    detectable = [
        None if error is None else evidence.minimum_detectable_effect(error, df)
        for error, df in rows.select("standard_error", "degrees_of_freedom").iter_rows()
    ]
    return rows.with_columns(
        pl.Series("minimum_detectable_effect", detectable, dtype=pl.Float64),
        ci_low=pl.col("ci_low").fill_null(pl.col("estimate") - half),
        ci_high=pl.col("ci_high").fill_null(pl.col("estimate") + half),
        p_value=pl.col("p_value").fill_null(p),
    )


def _in_unit(rows: pl.DataFrame, figure: str) -> pl.DataFrame:
    if figure == "relative_change_percent":
        of_retention = pl.col("figure").is_in(["risk_difference_percentage_points", "percentage_points"])
        return _scaled(rows, pl.when(of_retention & (pl.col("comparison") > 0)).then(100 / pl.col("comparison")))
    if figure not in ("effect_size", "improvement_index"):
        return rows
    # an estimate of exactly 0 does not tell what the mart scales it by; one in student_sd is about what it is
    in_sd = pl.when(pl.col("figure") == "student_sd").then(1.0)
    factor = pl.when(pl.col("estimate") != 0).then(pl.col("effect_size") / pl.col("estimate")).otherwise(in_sd)
    sizes = _scaled(rows, factor)
    return sizes if figure == "effect_size" else _as_improvement(sizes)


def _scaled(rows: pl.DataFrame, factor: pl.Expr) -> pl.DataFrame:
    return rows.with_columns(pl.col(*ENDS) * factor, pl.col(*ERRORS) * factor.abs())


def _as_improvement(sizes: pl.DataFrame) -> pl.DataFrame:
    """Ends and detectable effect are converted alike, the error by the delta method: 100 x phi(d) x error of d."""
    density = pl.Series(stats.norm.pdf(sizes["estimate"].to_numpy()), dtype=pl.Float64).fill_nan(None)
    return sizes.with_columns(
        *(statistics.improvement_index(sizes[name]) for name in (*ENDS, "minimum_detectable_effect")),
        standard_error=100 * density * sizes["standard_error"],
    )
