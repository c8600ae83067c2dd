"""school_event_study: from schools' mean scores to their course before and after the first fellow, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import duckdb
import polars as pl

from le_pipeline.home import Home
from le_pipeline.measure.impact import ALL, Cell, Row, cells
from le_pipeline.measure.inference.event_study import EventStudy, event_study
from le_pipeline.measure.inference.school_panel import EventStudyDesign
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry

TABLE = registry.tables()["school_event_study"]
TREATED = "select state, region, subject, school_year from linked.school_outcome where school_year >= first_treated"
Comparison = Literal["never_treated", "not_yet_treated"]


def estimate(_: Home, con: duckdb.DuckDBPyConnection, schools: pl.DataFrame) -> pl.DataFrame:
    """The rows of marts.school_event_study from those of its SQL."""
    rows: list[Row] = []
    for cell, panel in panels(con, schools):
        place = {"state": cell.state, "region": cell.region, "subject": cell.subject}
        for comparison in get_args(Comparison):
            study = event_study(panel, design(comparison))
            about = place | {"comparison": comparison} | _pre_trend(study)
            rows += [row | about for row in _course(study).to_dicts()]
    return pl.DataFrame(rows, schema=polars_schema(TABLE))


def panels(con: duckdb.DuckDBPyConnection, schools: pl.DataFrame) -> Iterator[tuple[Cell, pl.DataFrame]]:
    """The cells in which schools are treated, all years together, each with its rows of linked.school_outcome.

    Rows are in the order of school and year, so that sums come out alike whatever order they were read in.
    """
    ordered = schools.sort("school", "subject", "school_year")
    for cell in cells(con, TREATED):
        if cell.period == ALL:
            said = [pl.col(name) == value for name, value in cell.row.items() if value != ALL]
            yield cell, ordered.filter(*said)


def design(comparison: Comparison) -> EventStudyDesign:
    """What the columns of linked.school_outcome are to the estimators; schools weigh by their students."""
    return EventStudyDesign("school", "school_year", "first_treated", "mean_z_score", "n", comparison)


def _course(study: EventStudy) -> pl.DataFrame:
    """The effects by event time, and the event times of which no cohort has an effect, with what is known of them."""
    without = (
        study.group_time.join(study.event_time, on="event_time", how="anti")
        .group_by("event_time")
        .agg(
            pl.col("n_treated").sum(),
            pl.col("n_comparison").max(),
            # treated schools are too few if they are so in every cohort
            null_reason=pl.col("null_reason").min(),
        )
    )
    return pl.concat([study.event_time, without], how="diagonal")


def _pre_trend(study: EventStudy) -> Row:
    tests = {row["effects"]: row for row in study.pre_trend.to_dicts()}
    return {
        f"{prefix}pre_trend_{name}": tests[effects][name]
        for effects, prefix in (("event_time", ""), ("group_time", "group_time_"))
        for name in ("p_value", "p_value_chi_squared", "null_reason")
    }
