"""Columns that say few things many times: rows hold the code of a text (a Polars Categorical), each text stands once.

A file is read into codes as fast as into texts. What a text comes to is then worked out once, and neither memory nor
Parquet holds it row by row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

FEW = 0.25  # of the rows: where a larger share of the texts is distinct, codes gain nothing
Coding = dict[str, pl.Categorical]  # by column


def coding(sample: pl.DataFrame, columns: Iterable[str]) -> Coding:
    """How those of the columns are coded that say few things in a sample of the rows."""
    most = FEW * sample.height
    return {name: pl.Categorical(pl.Categories.random()) for name in columns if sample[name].n_unique() <= most}


def coding_of(frame: pl.DataFrame) -> Coding:
    """The columns of a frame that are coded."""
    return {name: type_ for name, type_ in frame.schema.items() if isinstance(type_, pl.Categorical)}


def as_texts(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its codes as the texts that they stand for."""
    return frame.with_columns(pl.selectors.categorical().cast(pl.String))


@dataclass(frozen=True)
class Coded:
    """A coded column: what it says, each text once and empty last, and the place in it of what each row says."""

    texts: pl.Series
    places: pl.Series

    @classmethod
    def of(cls, column: pl.Series) -> Coded:
        """Take a Categorical column apart."""
        texts = column.dtype.categories.to_series()  # type: ignore[attr-defined]
        places = column.to_physical().rechunk().fill_null(texts.len())
        return cls(pl.concat([texts, pl.Series([None], dtype=pl.String)]).rechunk(), places)

    @property
    def is_worth_it(self) -> bool:
        """Whether the texts are still few: further down a file may say more than at its beginning."""
        return self.texts.len() <= max(FEW * self.places.len(), 1)

    def of_rows(self, values: pl.Series) -> pl.Series:
        """What stands for each text, row by row."""
        return values.rechunk().gather(self.places)  # to gather from several chunks takes ten times as long


def hashes(column: pl.Series) -> pl.Series:
    """The hash of each text; the same whether the column is coded or not, which Polars' own is not."""
    if not isinstance(column.dtype, pl.Categorical):
        return column.hash()
    coded = Coded.of(column)
    return coded.of_rows(coded.texts.hash())
