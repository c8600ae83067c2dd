"""How well records hide behind each other: k-anonymity, l-diversity, t-closeness, risks of re-identification.

Records that agree in every quasi-identifier are one equivalence class; empty is a value like any other, before the
rest. What holds for rows holds for people where the frame has one row for each: whoever measures an extract counts
students, not scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Risks:
    """Chances of finding a person, from 0 to 1.

    `prosecutor`: of finding whoever is easiest to find, one over the smallest class. `average`: of finding a person
    drawn at random, classes over records. `uniqueness`: share of records that are alone in their class. (El Emam and
    Dankar 2008, Protecting privacy using k-anonymity; the intruder knows that the person is among the records.)
    """

    prosecutor: float
    average: float
    uniqueness: float


def k_anonymity(frame: pl.DataFrame, quasi_identifiers: Sequence[str]) -> int:
    """Records of the smallest class (Sweeney 2002, k-anonymity: a model for protecting privacy); 0 without records."""
    return min(_sizes(frame, quasi_identifiers), default=0)


def l_diversity(frame: pl.DataFrame, quasi_identifiers: Sequence[str], sensitive: str) -> int:
    """Fewest distinct sensitive values in a class; 0 without records.

    Distinct l-diversity of Machanavajjhala and others 2007 (l-diversity: privacy beyond k-anonymity).
    """
    distinct = frame.group_by(quasi_identifiers).agg(pl.col(sensitive).n_unique().alias("_distinct"))["_distinct"]
    return min(distinct, default=0)


def t_closeness(frame: pl.DataFrame, quasi_identifiers: Sequence[str], sensitive: str) -> float:
    """Largest distance, from 0 to 1, between the sensitive values of a class and those of all records.

    The earth mover's distance of Li, Li and Venkatasubramanian 2007 (t-closeness: privacy beyond k-anonymity and
    l-diversity), with p the shares in the class, q those of all records, over the m distinct values in order:
    numbers are one step of 1 / (m - 1) from the next, so it is the sum of |cumulated (p - q)| over m - 1; texts are all
    equally far apart, so it is half the sum of |p - q|. 0 where there is one value, or no record.
    """
    values = frame.group_by(sensitive).len("_all").sort(sensitive)
    if values.height < 2:  # noqa: PLR2004  # a distance needs two
        return 0.0
    present = frame.group_by(*quasi_identifiers, sensitive).len("_here")
    classes = present.group_by(quasi_identifiers).agg(pl.col("_here").sum().alias("_size"))
    apart = (
        classes.join(values, how="cross")
        .join(present, on=[*quasi_identifiers, sensitive], how="left", nulls_equal=True)
        .sort(*quasi_identifiers, sensitive)
        .with_columns(
            (pl.col("_here").fill_null(0) / pl.col("_size") - pl.col("_all") / frame.height).alias("_apart"),
        )
    )
    if frame.schema[sensitive].is_numeric():
        moved = pl.col("_apart").cum_sum().abs().sum() / (values.height - 1)
    else:
        moved = pl.col("_apart").abs().sum() / 2
    return float(max(apart.group_by(quasi_identifiers, maintain_order=True).agg(moved.alias("_moved"))["_moved"]))


def risks(frame: pl.DataFrame, quasi_identifiers: Sequence[str]) -> Risks:
    """The chances of finding a person by the quasi-identifiers; none without records."""
    sizes = _sizes(frame, quasi_identifiers)
    if sizes.is_empty():
        return Risks(0.0, 0.0, 0.0)
    alone = sizes.filter(sizes == 1).len()
    return Risks(1 / min(sizes), sizes.len() / frame.height, alone / frame.height)


def _sizes(frame: pl.DataFrame, quasi_identifiers: Sequence[str]) -> pl.Series:
    return frame.group_by(quasi_identifiers).len("_size")["_size"]
