"""A panel of schools and years with staggered first years of treatment, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from le_pipeline.errors import PanelError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EventStudyDesign:
    """Which columns of a panel are what, and with whom the treated are compared.

    `never_treated`: schools not treated by the last year. `not_yet_treated`: also those treated later than both years
    that are compared; more schools, but not the same ones for all years.
    """

    unit: str
    time: str
    first_treated: str
    outcome: str
    weight: str | None = None
    comparison: Literal["never_treated", "not_yet_treated"] = "never_treated"


@dataclass(frozen=True)
class SchoolPanel:
    """T years; of n schools the name, the cohort, the weight, and each column of values (n x T).

    The cohort is the first year of treatment, infinite where that does not come by the last year. The weight is that of
    a school's first observed year, so that no change of enrollment looks like an effect. Values are NaN in the years in
    which a school is not observed. Schools treated in the first year of the panel or before have no base year and are
    not among the n; `without_base` has their cohorts.
    """

    years: NDArray[np.int64]
    unit: pl.Series
    cohort: Floats
    weight: Floats
    values: tuple[Floats, ...]
    without_base: Floats

    @classmethod
    def read(cls, panel: pl.DataFrame, design: EventStudyDesign, *beside: str) -> Self:
        """The values are the outcome, then the columns `beside`; schools are in order of what they hold, not of keys.

        Args:
            panel: one row per school and year; years are whole numbers, the first year of treatment is null where it
                never comes. A row without a finite outcome or a positive weight is not an observation.
            design: what the columns are.
            beside: further columns, which may be null.

        Raises:
            PanelError: a school stands twice in a year, or has two first years.
        """
        rows = _observed(panel, design, beside)
        years, year = np.unique(rows["time"].to_numpy(), return_inverse=True)
        ranks, first_row, unit = np.unique(rows["unit"].to_numpy(), return_index=True, return_inverse=True)
        names = panel[design.unit].unique().sort().gather(ranks - 1)
        wide = np.full((2 + len(beside), len(first_row), len(years)), np.nan)
        for place, column in enumerate(rows.drop("unit", "time", "cohort")):
            wide[place, unit, year] = column.fill_null(np.nan).to_numpy()
        weights, *values = wide
        weight = np.array([row[np.isfinite(row)][0] for row in weights])
        cohort = rows["cohort"].fill_null(np.inf).to_numpy()[first_row]
        cohort = np.where(cohort > years.max(initial=0), np.inf, cohort)
        based = cohort > (years[0] if len(years) else 0)
        keys = [column for block in values for column in block[based].T]
        order = np.flatnonzero(based)[np.lexsort([*keys, weight[based], cohort[based]])]
        inside = tuple(block[order] for block in values)
        return cls(years, names.gather(order), cohort[order], weight[order], inside, cohort[~based])

    @property
    def cohorts(self) -> list[float]:
        """The first years of treatment, in order."""
        return [float(cohort) for cohort in np.unique(self.cohort) if np.isfinite(cohort)]

    def members(self, treated: Floats, comparison: Floats) -> pl.DataFrame:
        """The schools that have a share (n) in an estimate, by name: unit, is_treated.

        A school stands twice where it is compared with those treated before it, and treated later.
        """
        sides = [(treated, True), (comparison, False)]
        found = [self.unit.filter(share > 0).to_frame("unit").with_columns(is_treated=side) for share, side in sides]
        return pl.concat(found).sort("unit", "is_treated")

    def first_place(self, cohort: float) -> int:
        """Where the cohort's first treated year stands among the years; the base year is the one before.

        A year without tests is passed over: after 2019 and 2021, the base year of 2021 is 2019.
        """
        return int(np.searchsorted(self.years, cohort))


def _observed(panel: pl.DataFrame, design: EventStudyDesign, beside: tuple[str, ...]) -> pl.DataFrame:
    """The observations as unit, time, cohort, weight, outcome and what is beside it."""
    weight = pl.lit(1.0) if design.weight is None else pl.col(design.weight)
    rows = panel.select(
        pl.col(design.unit).rank("dense").alias("unit"),
        pl.col(design.time).cast(pl.Int64).alias("time"),
        pl.col(design.first_treated).cast(pl.Float64).alias("cohort"),
        weight.cast(pl.Float64).alias("weight"),
        pl.col(design.outcome).cast(pl.Float64).alias("outcome"),
        *(pl.col(column).cast(pl.Float64).alias(f"beside_{place}") for place, column in enumerate(beside)),
    ).filter(pl.col("weight") > 0, pl.col("weight").is_finite(), pl.col("outcome").is_finite())
    if rows.select("unit", "time").is_duplicated().any():
        raise PanelError(f"{design.unit} and {design.time} are no key of the panel: give one row per school and year")
    if rows.select("unit", "cohort").unique()["unit"].is_duplicated().any():
        raise PanelError(
            f"{design.first_treated} changes within a {design.unit}: give the first year in all of its rows"
        )
    return rows
