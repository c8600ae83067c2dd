"""Panels of schools with staggered first years of treatment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from scenario import Row

Floats = NDArray[np.float64]
Cohorts = dict[int | None, int]  # schools by first year of treatment, None where never


def first_years(cohorts: Cohorts) -> Floats:
    """The first year of each school, infinite where never."""
    return np.repeat([np.inf if first is None else float(first) for first in cohorts], list(cohorts.values()))


def panel(outcome: Floats, first: Floats, years: Sequence[int], **columns: Floats) -> pl.DataFrame:
    """One row per school and year; columns are by school and year, or by school."""
    n, t = outcome.shape
    wide = {
        name: np.broadcast_to(column if column.ndim == 2 else column[:, None], (n, t))
        for name, column in columns.items()
    }
    return pl.DataFrame(
        {
            "school": np.repeat(np.arange(n), t),
            "year": np.tile(np.asarray(years), n),
            "first": np.repeat(first, t),
            "z": outcome.ravel(),
            **{name: column.ravel() for name, column in wide.items()},
        }
    ).with_columns(first=pl.when(pl.col("first").is_finite()).then(pl.col("first")).cast(pl.Int64))


def levels(n: int, t: int, seed: int = 0) -> Floats:
    """Differences between schools and between years, which no estimate may depend on (n x t)."""
    random = np.random.default_rng(seed)
    return random.normal(0, 2, (n, 1)) + random.normal(0, 1, t)


def lasting(n: int, t: int, random: np.random.Generator) -> Floats:
    """Noise of which half is left a year later (n x t)."""
    noise = random.standard_normal((n, t))
    for year in range(1, t):
        noise[:, year] += noise[:, year - 1] / 2
    return noise


def outcomes(rows: pl.DataFrame, **said: Any) -> list[Row]:
    """The panel as rows of linked.school_outcome; columns students and dosage are taken where it has them."""
    columns = {"year": "school_year", "first": "first_treated", "z": "mean_z_score"}
    columns |= {"students": "n", "dosage": "trained_share"}
    state = said.get("state", "LA")
    told = [{to: row[name] for name, to in columns.items() if name in row} | row for row in rows.to_dicts()]
    return [
        {"subject": "ela", "n": 20, "n_teachers": 10}
        | {name: value for name, value in row.items() if name in columns.values()}
        | {"school_id": f"{row['school']:03}", "school": f"{state} {row['school']:03}"}
        | said
        for row in told
    ]
