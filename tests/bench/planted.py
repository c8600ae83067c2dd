"""Effects that are planted, found again: states drawn from one seed after another, by every specification.

Achievement: each state is drawn once and tested twice, with the effects of the programme and without, all other draws
being the same. The difference of the two estimates has hardly any noise, so that it tells a bias of a few percent of a
small effect, which the estimates themselves would take thousands of states to tell (common random numbers). Bias is
this difference less what was planted. Retention: the same model of the chances that outcomes were drawn from is what
its estimate is expected to be; bias is that less what was planted. Coverage, false positives and spread are of the
estimates themselves.
"""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import polars as pl
from rich.table import Table
from threadpoolctl import threadpool_limits

from le_pipeline.measure.impact import ALL, Row
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
    put_matches,
    put_scores,
    retention_estimates,
)
from schemas.analysis_plan import AnalysisPlan, RetentionSpecification, load_plan

SAMPLES, STUDENTS = 200, 6_000
CAREER_STUDENTS = 24_000  # a year of a teacher tells less of staying than a class tells of a test
EXPECTED = "expected"
CELL = ["subject", "population", "specification"]
KEPT = [*CELL, "planted", "estimate", "standard_error", "ci_low", "ci_high", "p_value", "wild_bootstrap_p_value"]
MOST_BIAS, COVERED, FALSE_POSITIVES = 0.05, (0.92, 0.98), (0.03, 0.07)
PROMISED = "all_teachers"


def sample(seed: int) -> list[Row]:
    """Effects in one state, with the programme's effects planted and without."""
    plan, state, rows = load_plan(Path("none of its own")), draw(STUDENTS, seed), []
    with threadpool_limits(limits=1), connected(state.tables) as con:
        for arm in MODELS:
            put_scores(con, state.assessments[arm])
            if arm == PLANTED:  # matched once: other pairs in the other arm would be noise, not bias
                put_matches(con)
            rows += _kept(seed, arm, estimates(con, plan))
    return rows


def career(seed: int) -> list[Row]:
    """Effects on being retained in the school in two states of the same places, one with the effect planted."""
    shipped, rows = load_plan(Path("none of its own")), []
    wanted = {
        name: one
        for name, one in shipped.specifications.items()
        if isinstance(one, RetentionSpecification)
        and (one.model, one.level, one.definition) == ("linear_probability", "school", "strict")
    }
    plan = AnalysisPlan(covariates=shipped.covariates, specifications=wanted)
    with threadpool_limits(limits=1):
        for arm in MODELS:
            careers = draw_careers(CAREER_STUDENTS, seed, arm)
            with connected(careers.tables) as con:
                put_careers(con)
                rows += _kept(seed, arm, retention_estimates(con, plan))
                if arm == PLANTED:
                    put_chances(con, careers.chances)
                    rows += _kept(seed, EXPECTED, retention_estimates(con, plan))
    return rows


def _kept(seed: int, arm: str, rows: list[Row]) -> list[Row]:
    return [{"seed": seed, "arm": arm} | {name: row.get(name) for name in KEPT} for row in rows]


def told(rows: list[Row]) -> pl.DataFrame:
    """One row per subject, population and specification; `_mc_error` is the Monte Carlo error of the column before.

    Bias and its error are shares of the planted effect. A state in which a specification has no estimate is left out.
    """
    found = pl.DataFrame(rows, infer_schema_length=None).drop_nulls("standard_error")
    expected = found.filter(arm=EXPECTED).select("seed", *CELL, expected="estimate")
    pairs = (
        found.filter(arm=PLANTED)
        .join(found.filter(arm=NOTHING), on=["seed", *CELL], suffix="_nothing")
        .join(expected, on=["seed", *CELL], how="left")
    )
    planted, root = pl.col("planted"), pl.len().sqrt()
    difference = pl.coalesce("expected", pl.col("estimate") - pl.col("estimate_nothing")) - planted
    size = pl.when(planted.mean() > 0).then(planted.mean())
    return (
        pairs.group_by(CELL)
        .agg(
            pl.len().alias("n"),
            planted.mean(),
            estimate=pl.col("estimate").mean(),
            bias=difference.mean() / size,
            bias_mc_error=difference.std() / root / size,
            nothing=pl.col("estimate_nothing").mean(),
            nothing_mc_error=pl.col("estimate_nothing").std() / root,
            covered=planted.is_between("ci_low", "ci_high").mean(),
            false_positives=(pl.col("p_value_nothing") < 0.05).mean(),
            wild_false_positives=(pl.col("wild_bootstrap_p_value_nothing") < 0.05).mean(),
            standard_error=pl.col("standard_error").mean(),
            spread=pl.col("estimate").std(),
        )
        .filter(pl.col("n") > 1)
        .sort(pl.col("subject") == ALL, *CELL)
        .with_columns(
            is_met=(pl.col("bias").abs() < MOST_BIAS).fill_null(value=True)
            & pl.col("covered").is_between(*COVERED)
            & pl.col("false_positives").is_between(*FALSE_POSITIVES)
        )
    )


def planted() -> Table:
    """Every specification of achievement over the samples, and the linear ones of retention.

    Raises:
        SystemExit: the model of all teachers is biased by more than is promised.
    """
    workers = len(os.sched_getaffinity(0))
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = told([row for draws in (sample, career) for rows in pool.map(draws, range(SAMPLES)) for row in rows])
    biased = found.filter((pl.col("specification") == PROMISED) & (pl.col("bias").abs() >= MOST_BIAS))
    if biased.height:
        raise SystemExit(f"planted effects are not found again: {biased.to_dicts()}")
    return shown(found)


def shown(found: pl.DataFrame) -> Table:
    """As a table; a Monte Carlo error stands behind its figure."""
    table = Table(
        *("subject", "population", "specification", "samples", "planted", "mean estimate"),
        *(f"bias (under {MOST_BIAS:.0%})", "mean, nothing planted", "covered (92-98%)", "false positives (3-7%)"),
        *("by wild bootstrap", "mean error", "spread"),
        "met",
        title=f"planted effects: {STUDENTS:,} students a sample, of retention {CAREER_STUDENTS:,}; (Monte Carlo error)",
    )
    for row in found.iter_rows(named=True):
        wild = row["wild_false_positives"]
        table.add_row(
            *(row[name] for name in CELL),
            str(row["n"]),
            *(f"{row[name]:.4f}" for name in ("planted", "estimate")),
            "" if row["bias_mc_error"] is None else f"{row['bias']:+.1%} ({row['bias_mc_error']:.1%})",
            f"{row['nothing']:+.4f} ({row['nothing_mc_error']:.4f})",
            *(f"{row[name]:.1%}" for name in ("covered", "false_positives")),
            "" if wild is None else f"{wild:.1%}",
            *(f"{row[name]:.4f}" for name in ("standard_error", "spread")),
            "yes" if row["is_met"] else "no",
        )
    return table
