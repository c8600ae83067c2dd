"""program_impact: every effect that the analysis plan declares, estimated, judged, and held against the plan."""

from __future__ import annotations

from itertools import chain

import duckdb
import polars as pl
from threadpoolctl import threadpool_limits

from le_pipeline.home import Home
from le_pipeline.measure import achievement_effect, evidence, retention_effect, school_effect, statistics
from le_pipeline.measure.impact import Row
from le_pipeline.measure.inference import balance
from le_pipeline.measure.plan_ledger import PlanLedger
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.analysis_plan import AnalysisPlan, load_plan

TABLE = registry.tables()["program_impact"]
DESIGNS = (achievement_effect, retention_effect, school_effect)
CELL = ["outcome", "population", "state", "region", "subject", "period", "estimate_unit"]
DIGITS = 7  # that are kept: in models that are hardly determined, those beyond differ with the order of clusters
# what baseline_difference is of, by design; a design without one allows for it in its outcome
BASELINE = {"achievement": "prior_z_score", "retention": "experience_years"}
MEASURED = ["estimate", "standard_error", "ci_low", "ci_high", "p_value", "degrees_of_freedom", "comparison_mean"]
MEASURED += ["baseline_difference", "minimum_detectable_effect", "effect_size", "improvement_index"]
MEASURED += ["mean_percentile_gain", "ratio"]


def settings(home: Home) -> object:
    """The plan as the home has it: what the table is made from besides other tables."""
    plan = load_plan(home.analysis_plan)
    return {name: plan.hash_of(name) for name in plan.specifications}


def estimate(home: Home, con: duckdb.DuckDBPyConnection, years: pl.DataFrame) -> pl.DataFrame:
    """The columns of marts.program_impact.

    The plan is put on record before anything is estimated, and what was estimated after it.

    Args:
        home: whose plan it is.
        con: the samples.
        years: the states and school years that there are estimates of.

    Raises:
        ContractError: the plan is wrong.
        ChainError: the record of plans was changed.
    """
    plan = load_plan(home.analysis_plan)
    ledger = PlanLedger(home)
    ledger.declare(plan)
    with threadpool_limits(limits=1, user_api="blas"):
        rows: list[Row] = list(chain.from_iterable(design.effects(con, plan) for design in DESIGNS))
    schema = {name: type_ for name, type_ in polars_schema(TABLE).items() if any(name in row for row in rows)}
    found = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=polars_schema(TABLE))
    found = found.with_columns(
        pl.lit(None, type_).alias(name) for name, type_ in polars_schema(TABLE).items() if name not in found.columns
    )
    judged = _judged(found, plan).with_columns(
        plan_status=pl.Series(
            [
                ledger.status(plan.hash_of(name), state, period)
                for name, state, period in found.select("specification", "state", "period").iter_rows()
            ],
            dtype=pl.String,
        )
    )
    ledger.estimated(years.select("state", "school_year").unique().sort("state", "school_year").rows())
    return judged.select(TABLE.column_names)


def _judged(found: pl.DataFrame, plan: AnalysisPlan) -> pl.DataFrame:
    adjusts = [
        name
        for name, one in plan.specifications.items()
        if one.design not in BASELINE or BASELINE[one.design] in plan.columns(one)
    ]
    apart, size = pl.col("baseline_difference").abs(), found["effect_size"]
    # errors of logit and hazard have no correction for few clusters: they are checks of the linear model beside them
    lower_bound = pl.when(pl.col("error_kind") != "CR1_delta").then(pl.col("ci_low"))
    lowest = lower_bound.min().over(CELL)
    judged = found.with_columns(
        covariates=pl.col("specification").replace_strict(
            {name: ", ".join(plan.columns(one)) for name, one in plan.specifications.items()}, return_dtype=pl.String
        ),
        specification_hash=pl.col("specification").replace_strict(
            {name: plan.hash_of(name) for name in plan.specifications}, return_dtype=pl.String
        ),
        baseline_equivalence=pl.when(apart <= balance.SATISFIED)
        .then(pl.lit("satisfied"))
        .when((apart <= balance.WITH_ADJUSTMENT) & pl.col("specification").is_in(adjusts))
        .then(pl.lit("satisfied_with_adjustment"))
        .when(apart.is_not_null())
        .then(pl.lit("not_satisfied")),
        minimum_detectable_effect=pl.Series(
            [
                None if error is None else evidence.minimum_detectable_effect(error, df)
                for error, df in found.select("standard_error", "degrees_of_freedom").iter_rows()
            ],
            dtype=pl.Float64,
        ),
        improvement_index=statistics.improvement_index(size),
        mean_percentile_gain=statistics.mean_percentile_gain(size),
    ).with_columns(pl.col(MEASURED).round_sig_figs(DIGITS))
    # of equal lower bounds the first by name: one row of a cell, and no more, is the most conservative
    first = pl.col("specification").filter(lower_bound == lowest).min().over(CELL)
    return judged.with_columns(
        is_most_conservative=(lower_bound.is_not_null() & (pl.col("specification") == first)).fill_null(value=False)
    )
