"""The retention half of program_impact: are fellows and mentees retained who otherwise would not be.

Belongs here: who is compared with whom in which cell, and what the row says of them. What is estimated is in
`retention_model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import duckdb
import numpy as np
import polars as pl

from le_pipeline.measure import impact, statistics
from le_pipeline.measure.impact import Cell, Row
from le_pipeline.measure.inference.balance import balance
from le_pipeline.measure.inference.matching import Options, match
from le_pipeline.measure.retention_model import MODELS, TREATED
from schemas.analysis_plan import AnalysisPlan, Matching, Population, RetentionSpecification

KNOWN = "retained_in_school is not null"
LEAST = 2  # clusters, and people, of either group


def effects(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan) -> Iterator[Row]:
    """The rows of marts.program_impact for outcomes of retention.

    One row per specification, population and cell in which the outcome of anybody of the population is observed; also
    where it cannot be estimated, with the reason. Teachers are those of the population and those it is compared with;
    who has another part in the programme, or had one, is left out.

    Args:
        con: a connection that has linked.retention_sample.
        plan: what to estimate.
    """
    for population in get_args(Population):
        treated = f"select * from linked.retention_sample where {KNOWN} and part = '{population}'"
        for cell in impact.cells(con, treated, subjects=False):
            yield from effects_in(con, plan, population, cell)


def effects_in(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan, population: Population, cell: Cell) -> Iterator[Row]:
    """A row of marts.program_impact for every specification of retention of one population, in one cell."""
    rows = f"part in ('{population}', 'none', 'applicant') and {KNOWN} and {cell.where}"
    teachers = _in_order(con.sql(f"select * from linked.retention_sample where {rows}").pl(), population)
    for name, specification in _declared(plan).items():
        if population in specification.populations:
            told = {"population": population, "specification": name} | cell.row
            yield told | _effect(teachers, specification, plan.columns(specification))


def _declared(plan: AnalysisPlan) -> dict[str, RetentionSpecification]:
    return {name: of for name, of in plan.specifications.items() if isinstance(of, RetentionSpecification)}


def _in_order(teachers: pl.DataFrame, population: str) -> pl.DataFrame:
    """Teachers, and their clusters, in an order that their keys do not decide; who has no school is a cluster alone.

    Sums, draws of signs and ties in matching follow the order, and keys are others under another key of the home.
    """
    said = [name for name in teachers.columns if name != "staff_key"]
    ordered = teachers.sort(*said, "staff_key").with_columns(
        place=pl.struct(said).rle_id(), owner=pl.coalesce("school", "staff_key")
    )
    clusters = ordered.group_by("owner").agg(pl.col("place").sort()).sort("place", "owner").with_row_index("cluster")
    return (
        ordered.join(clusters.select("owner", "cluster"), on="owner", how="left", maintain_order="left")
        .with_columns(
            (pl.col("part") == population).alias(TREATED),
            stratum=pl.col("state") + " " + pl.col("school_year").cast(pl.String),
            weight=pl.lit(1.0),
        )
        .drop("place", "owner")
    )


def _effect(teachers: pl.DataFrame, specification: RetentionSpecification, covariates: tuple[str, ...]) -> Row:
    outcome = f"retained_in_{specification.level}" + "_or_promoted" * (specification.definition == "inclusive")
    rows = (
        teachers.filter(pl.col(TREATED) | (pl.col("part") == specification.comparison), pl.col(outcome).is_not_null())
        .with_columns(outcome=pl.col(outcome).cast(pl.Float64))
        .filter(pl.len().over("stratum") > 1)  # who is alone says nothing of any difference
    )
    told = {"outcome": outcome, "estimate_unit": "percentage_points"}
    reason = _missing(rows)
    if specification.matching and not reason:
        try:
            rows = _matched(rows, covariates, specification.matching)
        except ArithmeticError:
            return told | _described(rows) | {"null_reason": "not_converged"}
        reason = _missing(rows)
    described = _described(rows)
    if reason:
        return told | described | {"null_reason": reason}
    is_few = min(described["n_treated_clusters"], rows.filter(~pl.col(TREATED))["cluster"].n_unique()) < impact.FEW
    estimated = MODELS[specification.model](rows, covariates, is_few)
    return told | described | estimated | {"effect_size": _cox_index(described, estimated.get("estimate"))}


def _missing(rows: pl.DataFrame) -> str | None:
    """Why nothing can be estimated of the rows, if so."""
    for group, reason in ((pl.col(TREATED), "too_few_treated"), (~pl.col(TREATED), "too_few_comparison")):
        of_group = rows.filter(group)
        if min(of_group["cluster"].n_unique(), of_group["staff_key"].n_unique()) < LEAST:
            return reason
    if rows["outcome"].n_unique() == 1:
        return "no_variation"
    # a group that all stay, or none, has no residuals, so that an error would claim certainty
    is_certain = rows.group_by(TREATED).agg(pl.col("outcome").n_unique())["outcome"].min() == 1
    return "separated" if is_certain else None


def _matched(rows: pl.DataFrame, covariates: tuple[str, ...], method: Matching) -> pl.DataFrame:
    """The rows that are matched, with their weights.

    Who of teachers that are alike in all covariates is taken is drawn: the rows' own order would go by the outcome.
    """
    drawn = rows.with_row_index("place")[np.random.default_rng(statistics.SEED).permutation(len(rows))]
    found = match(drawn.drop("weight"), TREATED, list(covariates), ["stratum"], Options(method))
    return found.units.filter(pl.col("weight") > 0).sort("place")


def _described(rows: pl.DataFrame) -> Row:
    """Counts of people-years, teachers, schools and clusters, and the groups before anything is estimated."""
    treated, others = rows.filter(pl.col(TREATED)), rows.filter(~pl.col(TREATED))
    experience = pl.when(pl.col("lacks_experience") == 0).then("experience_years").alias("experience_years")
    alike = balance(rows.with_columns(experience), TREATED, ["experience_years"], "weight")
    return {
        "n": len(rows),
        "n_treated": len(treated),
        "n_teachers": rows["staff_key"].n_unique(),
        "n_treated_teachers": treated["staff_key"].n_unique(),
        "n_schools": rows["school"].drop_nulls().n_unique(),
        "n_treated_schools": treated["school"].drop_nulls().n_unique(),
        "n_clusters": rows["cluster"].n_unique(),
        "n_treated_clusters": treated["cluster"].n_unique(),
        "comparison_mean": 100 * _mean(others) if len(others) else None,
        "baseline_difference": alike["standardised_difference"][-1],
    }


def _mean(rows: pl.DataFrame) -> float:
    return float(np.average(rows["outcome"].to_numpy(), weights=rows["weight"].to_numpy()))


def _cox_index(described: Row, estimate: float | None) -> float | None:
    """Cox index of the comparison's rate and that rate with the effect; see `statistics.cox_index`."""
    if estimate is None:
        return None
    n, n_treated, rate = described["n"], described["n_treated"], described["comparison_mean"] / 100
    shares = pl.lit(rate + estimate / 100), pl.lit(n_treated), pl.lit(rate), pl.lit(n - n_treated)
    found: float | None = pl.select(statistics.cox_index(*shares)).item()
    return found
