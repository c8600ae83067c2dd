"""What the engine adds up for a linear model: sums by level of a fixed effect, cross products, scores; exactly.

Rows are scanned and never held, so memory grows with levels, clusters and the pairs of levels that occur. Each term is
rounded to a step of 2^-52 of what all rows together may reach; these add up without any error, so sums, and with them
every estimate, are the same in whatever order, and on however many threads, the engine takes the rows (Demmel and
Nguyen 2015, Parallel reproducible summation).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement, count

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference.exact import ROWS, CrossProducts

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Flags = NDArray[np.bool_]

LARGEST = 1e100  # value whose square, summed over all rows, a double holds
FARTHEST = 4.0  # a variable whose values are farther from zero than so many half ranges is counted from its centre
NUMBERS = count()
MOST_FINE = 1_000_000  # rows whose rounding is added up too; with more, errors of rounding cancel out well enough
MOST_NARROW = 20  # variables whose cross products the engine adds up itself: SQL of more takes longer to read
FEWEST_LONG = 20_000  # rows from which it does: with fewer it takes longer to read the SQL than to run it
EFFECT = "fixed_effect_of_linear_model"


@dataclass(frozen=True)
class Rows:
    """Rows that DuckDB can scan: the name of a table or view of the connection, or a query in brackets."""

    con: duckdb.DuckDBPyConnection
    source: str


@dataclass(frozen=True)
class Cells:
    """Rows that share the levels of some groups: their number, their weight, and sums of the variables by weight.

    `codes` has one array per group: the place of the level among its levels in order of value. `products` has the cross
    products of the variables over all cells, where they were asked for.
    """

    n: NDArray[np.int64]
    weight: Floats
    sums: Floats
    codes: tuple[Codes, ...]
    products: Floats | None = None

    def take(self, kept: Flags | Codes) -> Cells:
        """Those cells only."""
        return Cells(self.n[kept], self.weight[kept], self.sums[kept], tuple(codes[kept] for codes in self.codes))

    @cached_property
    def means(self) -> Floats:
        """Weighted means of the variables."""
        return self.sums / self.weight[:, None]


@dataclass(frozen=True)
class Effect:
    """What a fixed effect, or all of them together, add to each variable: one row per combination of levels."""

    groups: tuple[str, ...]
    levels: tuple[pl.Series, ...]
    parts: Floats


class Sums:
    """The sums of one model's rows. `variables` are SQL expressions, the last one the outcome; `groups` are columns."""

    def __init__(self, rows: Rows, variables: list[str], groups: tuple[str, ...], weight: str | None) -> None:
        self._rows = rows
        self._names = [f"v{place}" for place in range(len(variables))]
        self._is_weighted = weight is not None
        # names of our own, since a column may be called anything
        self._column = {group: f"k{place}" for place, group in enumerate(dict.fromkeys(groups))}
        columns = [f"{self._level(group)} as {name}" for group, name in self._column.items()]
        selected = [f"cast({term} as double) as {name}" for term, name in zip(variables, self._names, strict=True)]
        weighed = [f"cast({quoted(weight)} as double) as w"] if weight else []
        self._from = f"(select {', '.join([*selected, *weighed, *columns])} from {rows.source})"
        numbers = [*self._names, *(["w"] if weight else [])]
        low, high, self.n = self._ranges(numbers, list(self._column.values()))
        self.heaviest = float(high[-1]) if weight and self.n else 1.0
        low, high = low[: len(variables)], high[: len(variables)]
        if max(np.abs(low).max(), np.abs(high).max()) > LARGEST:
            raise EstimationError(f"a variable has values beyond {LARGEST:g}, whose squares cannot be told; scale it")
        middle, half = (low + high) / 2, (high - low) / 2
        self.centre = np.where((np.abs(middle) > FARTHEST * half) & (half > 0), middle, 0.0)
        self.bound = np.maximum(np.abs(low - self.centre), np.abs(high - self.centre))
        self._terms = [
            f"({name} - {_number(centre)})" if centre else name
            for name, centre in zip(self._names, self.centre.tolist(), strict=True)
        ]

    def leave_out(self, group: str, levels: pl.Series) -> None:
        """From now on, leave out the rows of some levels of a group."""
        name = f"{EFFECT}_left_out_{next(NUMBERS)}"  # another model of the connection may have left out others
        self._rows.con.register(name, pl.DataFrame({"level": levels}).to_arrow())
        self._from = f"(select * from {self._from} where {self._column[group]} not in (select level from {name}))"

    def cells(
        self, groups: tuple[str, ...], *, with_sums: bool = True, with_products: bool = False
    ) -> tuple[Cells, tuple[pl.Series, ...]]:
        """One per combination of levels that occurs, in order of value; and the levels of each group."""
        terms = dict(zip((f"s{place}" for place in range(len(self._terms))), self._weighed(self._terms), strict=True))
        sums = [
            f"{self._sum(term, bound)} as {name}"
            for (name, term), bound in zip(terms.items(), self.bound * self.heaviest, strict=True)
        ]
        products = [f"{term} as p{place}" for place, term in enumerate(self._products())] if with_products else []
        weight = (
            f"{self._sum('w', self.heaviest)} as weight" if self._is_weighted else "cast(count(*) as double) as weight"
        )
        named = {f"g{place}": self._column[group] for place, group in enumerate(groups)}
        selected = [*(f"{column} as {name}" for name, column in named.items()), "count(*) as n", weight]
        selected += [*(sums if with_sums else []), *products]
        frame = self._query(", ".join(selected), by=", ".join(named.values())).pl()
        coded = frame.select(pl.col(name).rank("dense").cast(pl.Int64) - 1 for name in named)
        order = coded.select(pl.arg_sort_by(*named)).to_series() if named else pl.Series([0])
        levels = tuple(frame[name].unique().sort() for name in named)
        frame, coded = frame[order], coded[order] if named else coded
        cells = Cells(
            n=frame["n"].to_numpy().astype(np.int64),
            weight=frame["weight"].to_numpy(),
            sums=frame.select(list(terms)).to_numpy() if with_sums else np.zeros((len(frame), 0)),
            codes=tuple(coded[name].to_numpy() for name in named),
            products=self._square(frame.select(f"p{place}" for place in range(len(products))).sum().row(0))
            if products
            else None,
        )
        return cells, levels

    def is_nested(self, inner: str, outer: str) -> bool:
        """Whether every level of one group lies in one level of another."""
        if inner == outer:
            return True
        within, around = self._column[inner], self._column[outer]
        spread = f"select min({around}) < max({around}) as spread from {self._from} group by {within}"
        return not (self._rows.con.sql(f"select bool_or(spread) from ({spread})").fetchone() or (False,))[0]

    def cross_products(self) -> Floats:
        """Sum over rows of weight x variable x variable, all variables by all variables."""
        if not self.is_narrow:
            return np.asarray(self._in_batches()[0])
        return self._square(self._query(", ".join(self._products())).fetchone() or ())

    @property
    def is_narrow(self) -> bool:
        """Whether the variables are few enough, and the rows enough, for the engine to add up cross products itself."""
        return len(self._terms) <= MOST_NARROW and self.n >= FEWEST_LONG

    def _pairs(self) -> list[tuple[int, int]]:
        return list(combinations_with_replacement(range(len(self._terms)), 2))

    def _products(self) -> list[str]:
        weighed, bound = self._weighed(self._terms), self.bound * self.heaviest
        return [self._sum(f"{weighed[i]} * {self._terms[j]}", bound[i] * self.bound[j]) for i, j in self._pairs()]

    def _square(self, sums: tuple[float, ...]) -> Floats:
        found = np.empty((len(self._terms), len(self._terms)))
        for (i, j), value in zip(self._pairs(), sums, strict=True):
            found[i, j] = found[j, i] = value
        return found

    def cross_products_by(self, group: str, n_groups: int) -> Floats:
        """The same for each level of a group, in order of value; there are so many."""
        return self._in_batches(group, n_groups)

    def _in_batches(self, group: str | None = None, n_groups: int = 1) -> Floats:
        """Cross products by way of memory, a batch of rows at a time: SQL of many sums takes longer to read."""
        by = f"dense_rank() over (order by {self._column[group]}) - 1" if group else "0"
        weight = ["w"] if self._is_weighted else []
        selected = f"{', '.join([*self._terms, *weight])}, {by} as g"
        found = CrossProducts(n_groups, self.bound * self.heaviest, self.bound)
        for batch in self._query(selected).to_arrow_reader(ROWS):
            *columns, groups = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
            right = np.stack(columns[: len(self._terms)], axis=1)
            left = right * columns[-1][:, None] if self._is_weighted else right
            for start in range(0, len(right), ROWS):
                rows = slice(start, start + ROWS)
                found.add(left[rows], right[rows], groups[rows].astype(np.intp) if group else None)
        return found.total()

    def scores(
        self, coefficients: Floats, effects: list[Effect], groups: tuple[str, ...]
    ) -> tuple[NDArray[np.int64], Floats]:
        """Sum of weight x covariate x residual, both within fixed effects, by combination of groups.

        Args:
            coefficients: one per covariate.
            effects: what the fixed effects add to the variables.
            groups: the clusters.

        Returns:
            The codes of each combination, one row per group; and the sums, one row per combination.
        """
        reach = self.bound + sum((np.abs(effect.parts).max(axis=0) for effect in effects), start=np.zeros(1))
        beyond = float(reach[:-1] @ np.abs(coefficients) + reach[-1])
        with self._joined(effects) as (joined, within):
            left = " - ".join(
                [within[-1], *(f"{_number(b)} * {x}" for b, x in zip(coefficients.tolist(), within, strict=False))]
            )
            residual = f"w * ({left})" if self._is_weighted else left
            inner = ", ".join(
                [
                    *(f"{self._column[group]} as g{place}" for place, group in enumerate(groups)),
                    *(f"{term} as x{place}" for place, term in enumerate(within[:-1])),
                    f"{residual} as r",
                ]
            )
            by = ", ".join(f"g{place}" for place in range(len(groups)))
            terms = [
                f"{self._sum(f'x{place} * r', float(reach[place]) * beyond * self.heaviest)} as s{place}"
                for place in range(len(coefficients))
            ]
            frame = self._rows.con.sql(
                f"select {by}, {', '.join(terms)} from (select {inner} from {joined}) group by {by}"
            ).pl()
        frame = frame.sort(*(f"g{place}" for place in range(len(groups))))
        codes = frame.select(pl.col(f"g{place}").rank("dense").cast(pl.Int64) - 1 for place in range(len(groups)))
        return codes.to_numpy().T, frame.select(f"s{place}" for place in range(len(coefficients))).to_numpy()

    @contextmanager
    def _joined(self, effects: list[Effect]) -> Iterator[tuple[str, list[str]]]:
        joined, within = f"{self._from} as r", list(self._terms)
        names = [f"{EFFECT}_{place}" for place in range(len(effects))]
        for name, effect in zip(names, effects, strict=True):
            columns = {f"{name}_{place}": effect.parts[:, place] for place in range(effect.parts.shape[1])}
            levels = {f"{name}_of_{place}": levels for place, levels in enumerate(effect.levels)}
            self._rows.con.register(name, pl.DataFrame({**levels, **columns}).to_arrow())
            same = [f"{of} = r.{self._column[group]}" for of, group in zip(levels, effect.groups, strict=True)]
            joined += f" join {name} on {' and '.join(same)}"
            within = [f"{term} - {column}" for term, column in zip(within, columns, strict=True)]
        try:
            yield joined, [f"({term})" for term in within]
        finally:
            for name in names:
                self._rows.con.unregister(name)

    def _level(self, group: str) -> str:
        """A group's column; of numbers with a fraction NaN is missing, and minus zero is zero."""
        column = quoted(group)
        (type_,) = self._rows.con.sql(f"select {column} from {self._rows.source} limit 0").types
        is_float = str(type_) in ("DOUBLE", "FLOAT")
        return f"case when not isnan({column}) then {column} + 0.0 end" if is_float else column

    def _ranges(self, numbers: list[str], groups: list[str]) -> tuple[Floats, Floats, int]:
        """Least and greatest value of each number over the rows that have everything, and how many rows these are."""
        told = ", ".join([*(f"min({name}), max({name})" for name in numbers), "count(*)"])
        # a sum is missing or infinite as soon as one of its terms is
        usable = [f"isfinite({' + '.join(numbers)})", *(f"{group} is not null" for group in groups)]
        usable += ["w > 0"] if self._is_weighted else []
        *ends, n, n_usable = self._query(f"{told}, count(*) filter ({' and '.join(usable)})").fetchone() or ()
        if n_usable < n:
            self._from = f"(select * from {self._from} where {' and '.join(usable)})"
            *ends, n = self._query(told).fetchone() or ()
        if not n:
            return np.zeros(len(numbers)), np.zeros(len(numbers)), 0
        return np.array(ends[::2], dtype=float), np.array(ends[1::2], dtype=float), int(n)

    def _query(self, selected: str, by: str = "") -> duckdb.DuckDBPyRelation:
        return self._rows.con.sql(f"select {selected} from {self._from}" + (f" group by {by}" if by else ""))

    def _weighed(self, terms: list[str]) -> list[str]:
        return [f"w * {term}" for term in terms] if self._is_weighted else terms

    def _sum(self, term: str, bound: float) -> str:
        """A sum without error of a term that is at most so far from zero."""
        if bound == 0:
            return "0e0"
        # adding and taking away a number of this size rounds to 2^-52 of the greatest sum
        size = float(1.5 * 2.0 ** np.ceil(np.log2(bound * max(self.n, 4))))
        rounded = f"({term} + {_number(size)}) - {_number(size)}"
        if self.n > MOST_FINE:
            return f"sum({rounded})"
        finer = _number(size * max(self.n, 4) * 2.0**-52)
        return f"(sum({rounded}) + sum((({term} - ({rounded})) + {finer}) - {finer}))"


def quoted(name: str) -> str:
    """A column's name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _number(value: float) -> str:
    """A literal that SQL reads as this very double; without an exponent it would be a decimal."""
    return f"{value:.17e}"
