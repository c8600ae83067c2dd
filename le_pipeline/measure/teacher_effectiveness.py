"""teacher_effectiveness: value added of teachers, for matching on what they achieved before, and for nothing else."""

from __future__ import annotations

import duckdb
import polars as pl

from le_pipeline.errors import EstimationError
from le_pipeline.home import Home
from le_pipeline.measure.inference.least_squares import LinearModel, least_squares
from le_pipeline.measure.inference.sums import Rows
from schemas import registry

TABLE = registry.tables()["teacher_effectiveness"]
COVARIATES = (
    *("prior_z_score", "prior_z_score_squared", "prior_z_score_cubed", "prior_other_z_score", "lacks_prior_other"),
    *("is_female", "is_black", "is_hispanic", "is_asian", "is_other_race", "is_disadvantaged", "is_english_learner"),
    *("has_disability", "lacks_demographics", "lacks_status", "is_mobile"),
    *("class_prior_z_score", "class_disadvantaged_share", "class_english_learner_share", "class_disability_share"),
)
CELL = ["state", "subject", "school_year"]


def estimate(home: Home, con: duckdb.DuckDBPyConnection, counted: pl.DataFrame) -> pl.DataFrame:  # noqa: ARG001
    """The columns of linked.teacher_effectiveness.

    Residuals of a model of students' scores, by state and subject, averaged by teacher and year and shrunken towards
    zero by their reliability (empirical Bayes; Kane and Staiger 2008, NBER 14607): variance between teachers / (that
    variance + variance within / n), both by the method of moments within state, subject and year.
    """
    parts = [
        _residuals(con, state, subject) for state, subject in counted.select("state", "subject").unique().iter_rows()
    ]
    residuals = pl.concat([part for part in parts if part is not None] or [_EMPTY])
    squares, freedom = pl.col("squares") - pl.col("total") ** 2 / pl.col("n"), pl.col("n") - 1
    within = pl.when(freedom.sum().over(CELL) > 0).then(squares.sum().over(CELL) / freedom.sum().over(CELL))
    mean = pl.col("total") / pl.col("n")
    found = (
        residuals.sort(*CELL, "n", "total", "squares")
        .with_columns(mean_residual=mean, variance_within=within)
        .with_columns(
            between=(
                pl.col("mean_residual").var().over(CELL) - (pl.col("variance_within") / pl.col("n")).mean().over(CELL)
            )
        )
        .with_columns(between=pl.col("between").fill_null(0).clip(lower_bound=0))
        .with_columns(
            reliability=pl.when(pl.col("variance_within") > 0)
            .then(pl.col("between") / (pl.col("between") + pl.col("variance_within") / pl.col("n")))
            .otherwise(0.0)
        )
        .with_columns(value_added=pl.col("reliability") * pl.col("mean_residual"))
    )
    return counted.join(found.drop("n"), on=[*CELL, "staff_key"], how="left").select(TABLE.column_names)


_EMPTY = pl.DataFrame(
    schema={
        "state": pl.String, "subject": pl.String, "school_year": pl.Int32, "staff_key": pl.String,
        "n": pl.Int64, "total": pl.Float64, "squares": pl.Float64,
    }
)  # fmt: skip


def _residuals(con: duckdb.DuckDBPyConnection, state: str, subject: str) -> pl.DataFrame | None:
    """Sums of residuals and of their squares by teacher and year; nothing where there are too few rows for a model."""
    con.execute(
        "create or replace temp table of_subject as select * from linked.achievement_sample"
        " where state = $1 and subject = $2 and is_main_teacher and prior_z_score is not null",
        [state, subject],
    )
    try:
        fit = least_squares(
            Rows(con, "of_subject"), LinearModel("z_score", COVARIATES, ("teacher_key",), ("grade_year",))
        )
    except EstimationError:
        return None
    explained = " + ".join(f"{b:.17e} * {name}" for name, b in zip(fit.names, fit.estimate.tolist(), strict=True))
    exact = "cast({} as decimal(28, 12))"
    return con.sql(
        f"""
        with left_over as (
            select state, subject, school_year, teacher_key, grade_year, z_score - ({explained}) as residual
            from of_subject),
        centre as (select grade_year, cast(sum({exact.format("residual")}) as double) / count(*) as mean
            from left_over group by grade_year),
        centred as (select l.* exclude (residual), l.residual - c.mean as residual
            from left_over as l join centre as c on c.grade_year = l.grade_year)
        select
            state, subject, school_year, teacher_key as staff_key, count(*) as n,
            cast(sum({exact.format("residual")}) as double) as total,
            cast(sum({exact.format("residual * residual")}) as double) as squares
        from centred
        group by state, subject, school_year, teacher_key
        """
    ).pl()
