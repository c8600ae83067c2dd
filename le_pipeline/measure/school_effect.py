"""The school half of program_impact: how schools' mean scores changed with their first fellow, and with dosage."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import polars as pl

from le_pipeline.measure.impact import Row
from le_pipeline.measure.inference.dosage import dosage_effect
from le_pipeline.measure.inference.event_study import event_study
from le_pipeline.measure.inference.influence import FEWEST_SCHOOLS
from le_pipeline.measure.school_event_study import design, panels
from schemas.analysis_plan import AnalysisPlan, SchoolSpecification

# the estimators' reasons in the words of the mart
REASONS = {"too_few_treated_schools": "too_few_treated", "too_few_comparison_schools": "too_few_comparison"}
FIGURES = ("estimate", "standard_error", "ci_low", "ci_high", "p_value", "degrees_of_freedom")


def effects(con: duckdb.DuckDBPyConnection, plan: AnalysisPlan) -> Iterator[Row]:
    """One row per specification of design `school` and cell in which schools are treated, all years together.

    The estimate of an event study is the mean effect of the reported event times from 0 on, in student-level standard
    deviations; that of dosage the effect of 10 percentage points of a school's teachers. n counts students with a
    standard score in the schools of the estimate, in each year anew, n_treated those of treated schools from the first
    year with a fellow on; where nothing could be put together, n is that of all schools of the cell. What cannot be
    estimated has a null_reason.

    Args:
        con: a connection to linked.school_outcome.
        plan: the specifications; those of other designs are passed over.
    """
    schools = con.sql("from linked.school_outcome").pl()
    for cell, panel in panels(con, schools):
        for name, specification in plan.specifications.items():
            if isinstance(specification, SchoolSpecification):
                yield cell.row | {"specification": name} | _effect(panel, specification)


def _effect(panel: pl.DataFrame, specification: SchoolSpecification) -> Row:
    compared = design(specification.comparison)
    is_dosage = specification.estimator == "dosage"
    if is_dosage:
        dosage = dosage_effect(panel, compared, "trained_share")
        effect, members = dosage.effect, dosage.members
    else:
        study = event_study(panel, compared)
        effect, members = study.overall.filter(aggregation="event_time"), study.members
    found = effect.row(0, named=True)
    return {
        "population": "school",
        "outcome": "school_achievement",
        **{name: found[name] for name in FIGURES},
        "estimate_unit": "student_sd_per_10_percentage_points" if is_dosage else "student_sd",
        "error_kind": None if found["standard_error"] is None else "influence",
        "null_reason": REASONS.get(found["null_reason"], found["null_reason"]),
        "effect_size": None if is_dosage else found["estimate"],
        **(_nothing(panel) if members.is_empty() else _sizes(panel, members) | _base_year(panel, members)),
    }


def _nothing(panel: pl.DataFrame) -> Row:
    """The sizes of the cell in which no cohort could be compared with anybody, and why."""
    is_treated = (pl.col("school_year") >= pl.col("first_treated")).any().fill_null(False)
    everybody = panel.group_by(pl.col("school").alias("unit")).agg(is_treated=is_treated)
    sizes = _sizes(panel, everybody)
    if sizes["n_treated_schools"] < FEWEST_SCHOOLS:
        return sizes | {"null_reason": "too_few_treated"}
    is_alone = sizes["n_schools"] - sizes["n_treated_schools"] < FEWEST_SCHOOLS
    return sizes | {"null_reason": "too_few_comparison" if is_alone else "not_estimable"}


def _sizes(panel: pl.DataFrame, members: pl.DataFrame) -> Row:
    treated = _of(panel, members.filter("is_treated")).filter(pl.col("school_year") >= pl.col("first_treated"))
    n_schools, n_treated_schools = members["unit"].n_unique(), members.filter("is_treated").height
    return {
        "n": _of(panel, members)["n"].sum(),
        "n_treated": treated["n"].sum(),
        "n_schools": n_schools,
        "n_treated_schools": n_treated_schools,
        "n_clusters": n_schools,
        "n_treated_clusters": n_treated_schools,
    }


def _base_year(panel: pl.DataFrame, members: pl.DataFrame) -> Row:
    """Mean standard scores, by student, in the last year before the first fellow, and how far apart they were.

    Schools compared with a cohort are those without a fellow by its first year; they weigh as its students do. The
    difference is in student-level standard deviations since standard scores are.
    """
    treated, others = (_of(panel, members.filter(is_treated=side)) for side in (True, False))
    n, own, other = 0, 0.0, 0.0
    for first in treated["first_treated"].unique().sort():
        base = panel.filter(pl.col("school_year") < first)["school_year"].max()
        untreated = (pl.col("first_treated") > first) | pl.col("first_treated").is_null()
        students, mean = _mean(treated.filter(first_treated=first, school_year=base))
        n, own = n + students, own + students * mean
        other += students * _mean(others.filter(untreated, school_year=base))[1]
    return {"comparison_mean": other / n, "baseline_difference": (own - other) / n}


def _of(panel: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    return panel.join(members, left_on="school", right_on="unit", how="semi", maintain_order="left")


def _mean(rows: pl.DataFrame) -> tuple[int, float]:
    """Students and the mean of their scores."""
    n = int(rows["n"].sum())
    return n, float((rows["n"] * rows["mean_z_score"]).sum()) / n
