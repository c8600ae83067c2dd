"""What the designs of program_impact share: the cells that effects are estimated in, and the row that each gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import duckdb

Row = dict[str, Any]  # columns of marts.program_impact by name; what is not there is null
ALL = "all"
FEW = 200  # clusters in either group, below which errors are those for few clusters (docs/methods.md says why not 40)


@dataclass(frozen=True)
class Cell:
    """A value of each dimension, or all of them."""

    state: str
    region: str
    subject: str
    period: str

    @property
    def where(self) -> str:
        """The rows of the cell, as a condition on state, region, subject and school_year."""
        said = {"state": self.state, "region": self.region, "subject": self.subject}
        found = [f"{name} = {literal(value)}" for name, value in said.items() if value != ALL]
        found += [f"school_year = {int(self.period)}"] if self.period != ALL else []
        return " and ".join(found) or "true"

    @property
    def row(self) -> Row:
        """The dimensions as columns."""
        return {"state": self.state, "region": self.region, "subject": self.subject, "period": self.period}


def cells(con: duckdb.DuckDBPyConnection, treated: str, *, subjects: bool = True) -> Iterator[Cell]:
    """Every cell in which anybody is treated, in order.

    Each year and all years, each subject (or `all` alone, for outcomes without one), each region of a state, the whole
    state, and all states where there are several.

    Args:
        con: a connection.
        treated: a query of the treated rows, with state, region, school_year and, with `subjects`, subject.
        subjects: whether the outcome has a subject.
    """
    subject = "subject" if subjects else f"'{ALL}'"
    found = con.sql(f"select distinct state, region, {subject}, school_year from ({treated})").fetchall()
    states = {state for state, *_ in found}
    seen = set()
    for state, region, taught, year in found:
        places = [(state, region)] if region is not None else []
        places += [(state, ALL)] + ([(ALL, ALL)] if len(states) > 1 else [])
        periods = str(year), ALL
        seen |= {Cell(of, within, taught, period) for (of, within), period in product(places, periods)}
    yield from sorted(seen, key=lambda cell: (cell.state, cell.region, cell.subject, cell.period))


def literal(text: str) -> str:
    """A text as SQL takes it."""
    return "'" + text.replace("'", "''") + "'"
