"""Effects that the generator plants, found again: a few states, so that a broken model is noticed.

`make bench` has two hundred, every specification, and the intervals.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from planted import (
    MODELS,
    NOTHING,
    PLANTED,
    connected,
    draw,
    draw_careers,
    estimates,
    put_careers,
    put_chances,
    put_scores,
    retention_estimates,
)
from schemas.analysis_plan import AnalysisPlan, load_plan

pytestmark = pytest.mark.slow
SEEDS = (1, 2, 3, 4)
CELL = ["seed", "subject", "population"]


def plan_of(name: str) -> AnalysisPlan:
    """One specification of the shipped plan."""
    shipped = load_plan(Path("none of its own"))
    return AnalysisPlan(covariates=shipped.covariates, specifications={name: shipped.specifications[name]})


@pytest.fixture(scope="module")
def found() -> pl.DataFrame:
    """Estimates of the model of all teachers, one row per state, arm, subject and population."""
    plan, rows = plan_of("all_teachers"), []
    for seed in SEEDS:
        state = draw(4_000, seed)
        with connected(state.tables) as con:
            for arm in MODELS:
                put_scores(con, state.assessments[arm])
                rows += [row | {"seed": seed, "arm": arm} for row in estimates(con, plan)]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_what_is_planted_is_what_the_estimate_rises_by(found: pl.DataFrame) -> None:
    pairs = found.filter(arm=PLANTED).join(found.filter(arm=NOTHING), on=CELL, suffix="_nothing")
    rise = pl.col("estimate") - pl.col("estimate_nothing")
    cells = pairs.group_by("subject", "population").agg(
        apart=(rise.mean() / pl.col("planted").mean() - 1).abs(),
        error=rise.std() / pl.len().sqrt() / pl.col("planted").mean(),
    )

    assert cells.height == 4
    assert (cells["error"] < 0.05).all()
    assert (cells["apart"] < 0.05 + 4 * cells["error"]).all(), cells


def test_estimates_lie_about_what_is_planted_as_far_as_their_errors_say(found: pl.DataFrame) -> None:
    planted = pl.when(arm=PLANTED).then("planted").otherwise(0.0)
    t = found.select(((pl.col("estimate") - planted) / pl.col("standard_error")).alias("t"))["t"]

    assert t.abs().max() < 5
    assert 0.3 < t.std() < 2


def test_what_is_planted_in_the_chance_to_stay_is_what_is_expected_of_fellows() -> None:
    apart = []
    for seed in SEEDS:
        careers = draw_careers(12_000, seed, PLANTED)
        with connected(careers.tables) as con:
            put_careers(con)
            put_chances(con, careers.chances)
            fellow = retention_estimates(con, plan_of("retained_in_school"))[0]
        apart.append(fellow["estimate"] / fellow["planted"] - 1)

    assert max(apart) < 0.1
    assert min(apart) > -0.1
