"""The estimator beside pyfixest: student rows, two fixed effects, errors clustered by teacher; up to 20 million rows.

Each fit runs in a process of its own that fits twice; the second, warm one counts. Both read the same Parquet file: the
estimator scans it, pyfixest is given the rows in memory, and is not charged for reading them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
from rich.table import Table

MILLION = 1_000_000
COVARIATES = ("fellow", "prior", "prior_squared", "disadvantaged", "english_learner")
EFFECTS, CLUSTER = ("school", "grade_year"), "teacher"
ROUNDS = 3
PROMISED = "at least 3 times faster than pyfixest, at most a third of its memory; linear to 20 million, under 4,000 MB"


def rows(path: Path, n: int) -> Path:
    """Students of 100 to a teacher, 30 teachers to a school, in 30 grades and years, with an effect of 0.05."""
    random = np.random.default_rng(2016)
    teacher = random.integers(0, n // 100, n)
    prior, disadvantaged = random.normal(size=n), (random.random(n) < 0.5) * 1.0
    fellow = ((teacher % 17 == 0) & (random.random(n) < 0.6)) * 1.0
    score = 0.7 * prior + 0.05 * fellow - 0.1 * disadvantaged + random.normal(0, 0.15, n // 100)[teacher]
    pl.DataFrame(
        {
            "teacher": teacher.astype(np.int32),
            "school": (teacher // 30).astype(np.int32),
            "grade_year": random.integers(0, 30, n).astype(np.int32),
            "score": score + random.normal(0, 0.7, n),
            "fellow": fellow,
            "prior": prior,
            "prior_squared": prior**2,
            "disadvantaged": disadvantaged,
            "english_learner": (random.random(n) < 0.1) * 1.0,
        }
    ).write_parquet(path)
    return path


def fit_ours(path: str) -> dict[str, Any]:
    """The estimator, twice."""
    from le_pipeline.measure.inference.least_squares import LinearModel, least_squares
    from le_pipeline.measure.inference.sums import Rows

    source = Rows(duckdb.connect(), f"'{path}'")
    for _ in range(2):
        began = time.perf_counter()
        fit = least_squares(source, LinearModel("score", COVARIATES, (CLUSTER,), EFFECTS))
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "estimate": fit.estimate.tolist(), "error": fit.standard_error.tolist()}


def fit_pyfixest(path: str) -> dict[str, Any]:
    """The package, twice; its own process is not charged for imports, nor for reading the rows."""
    import pyfixest

    frame = pl.read_parquet(path).to_pandas()
    for _ in range(2):
        began = time.perf_counter()
        fit = pyfixest.feols(f"score ~ {' + '.join(COVARIATES)} | {' + '.join(EFFECTS)}", frame, vcov={"CRV1": CLUSTER})
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "estimate": fit.coef().tolist(), "error": fit.se().tolist()}


def alone(which: str, path: Path) -> dict[str, Any]:
    """One of the two in a process of its own, with its peak memory in MB."""
    process = subprocess.Popen([sys.executable, "-m", "bench.estimator", which, str(path)], stdout=subprocess.PIPE)
    told = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{which} failed")
    return json.loads(told) | {"megabytes": usage.ru_maxrss / 1024}


def estimator(scratch: Path) -> Table:
    """Time both, check that they agree, and print how the estimator grows."""
    table = Table("linear model", "rows", "seconds, warm", "peak MB", "ratio", "of memory", title=PROMISED)
    path = rows(scratch / "rows.parquet", 5 * MILLION)
    pairs = [(alone("ours", path), alone("pyfixest", path)) for _ in range(ROUNDS)]
    for ours, trusted in pairs:
        for what in ("estimate", "error"):
            # pyfixest takes fixed effects out to a tolerance of its own
            if not np.allclose(ours[what], trusted[what], rtol=1e-5, atol=1e-9):
                raise SystemExit(f"{what}: {ours[what]} beside pyfixest's {trusted[what]}")
    seconds = [statistics.median(pair[side]["seconds"] for pair in pairs) for side in (0, 1)]
    megabytes = [max(pair[side]["megabytes"] for pair in pairs) for side in (0, 1)]
    ratio = statistics.median(trusted["seconds"] / ours["seconds"] for ours, trusted in pairs)
    table.add_row("pyfixest", f"{5 * MILLION:,}", f"{seconds[1]:.2f}", f"{megabytes[1]:,.0f}", "", "")
    of_memory = f"{megabytes[0] / megabytes[1]:.2f}"
    table.add_row("ours", f"{5 * MILLION:,}", f"{seconds[0]:.2f}", f"{megabytes[0]:,.0f}", f"{ratio:.1f}", of_memory)
    for millions in (10, 20):
        ours = alone("ours", rows(path, millions * MILLION))
        share = ours["seconds"] / seconds[0] / (millions / 5)
        table.add_row(
            "ours", f"{millions * MILLION:,}", f"{ours['seconds']:.2f}", f"{ours['megabytes']:,.0f}",
            f"{share:.2f} x linear", "",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    print(json.dumps({"ours": fit_ours, "pyfixest": fit_pyfixest}[sys.argv[1]](sys.argv[2])))
