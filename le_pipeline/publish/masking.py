"""What a released table shows: every figure whose cells may all be shown, and a marker in the place of every other.

Primary and secondary cells, and figures that are made of them, carry one and the same marker. Whether there is a figure
under a marker is not told either.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from le_pipeline.publish.book import Book, Key
from le_pipeline.publish.control import Controlled
from le_pipeline.publish.tables import Keys, Row, Sheet
from le_pipeline.warehouse.lake import polars_schema
from schemas.registry import Column, Field, Table

CODED, SUPPRESSED = "coded", "suppressed"
DIGITS = {"share": 4, "percentage points": 2}  # by unit; 3 of everything else
HIDDEN = Field(
    name=SUPPRESSED,
    type="text",
    description="Columns of the row that are not shown, in their order; empty where all are",
    privacy="none",
)
MarkerOf = Callable[[str], str]


@dataclass(frozen=True)
class Masked:
    """A released table twice: `figures` with types, empty where nothing is shown; `texts` with the marker there.

    `hidden`: how many figures are not shown; `left_out`: how many rows, since nothing of them may be; `told`: the cells
    that figures which are shown give away.
    """

    table: Table
    figures: pl.DataFrame
    texts: pl.DataFrame
    hidden: int
    left_out: int
    told: frozenset[Key]


@cache
def released(table: Table) -> Table:
    """The table as it is released: figures may be missing, shares are told in bands too, hidden columns are named."""
    columns: list[Column] = []
    for column in table.columns:
        columns.append(column if column.name in table.key else column.model_copy(update={"required": False}))
        if _is_coded(column):
            columns.append(Column(name=f"{column.name}_{CODED}", field=_code_of(column.field)))
    columns.append(Column(name=SUPPRESSED, field=HIDDEN, required=True))
    return table.model_copy(update={"layer": "published", "columns": tuple(columns)})


def mask(sheet: Sheet, book: Book, controlled: Controlled, marker_of: MarkerOf) -> Masked:
    """The table as it may be released.

    Args:
        sheet: the table, and what its columns give away.
        book: the cells.
        controlled: which cells may be shown.
        marker_of: what stands for a figure that is not shown, by state.
    """
    table = released(sheet.table)
    rows, texts, hidden = [], [], 0
    given_away: set[Key] = set()
    for row, revealed, parts in _there(sheet, book, controlled):
        figures: dict[str, Any] = {}
        for column in sheet.table.columns:
            name, keys = column.name, revealed.get(column.name, ())
            value = _rounded(row[name], column)
            is_shown = keys is not None and controlled.shown.issuperset(keys)
            if is_shown and keys:
                given_away |= set(keys)
            figures[name] = value if is_shown else HIDE
            if _is_coded(column):
                figures[f"{name}_{CODED}"] = _code(parts.get(name), is_shown=is_shown, book=book, told=controlled)
        suppressed = [name for name, value in figures.items() if value is HIDE]
        hidden += len(suppressed)
        marker = marker_of(row["state"])
        texts.append({name: marker if value is HIDE else _text(value) for name, value in figures.items()})
        rows.append(
            {name: None if value is HIDE else value for name, value in figures.items()}
            | {SUPPRESSED: ", ".join(suppressed)}
        )
    schema = polars_schema(table)
    columns = [name for name in table.column_names if name != SUPPRESSED]
    return Masked(
        table,
        pl.DataFrame(rows, schema=schema, orient="row"),
        pl.DataFrame(texts, schema=dict.fromkeys(columns, pl.String), orient="row"),
        hidden,
        sum(sheet.is_chosen) - len(rows),
        frozenset(given_away),
    )


class _Hide:
    """Stands for a figure that is not shown, while a row is put together."""


HIDE = _Hide()


def _there(sheet: Sheet, book: Book, controlled: Controlled) -> Iterator[tuple[Row, Mapping[str, Keys | None], Any]]:
    """The rows that may be there: of each it is shown anyway that somebody is in it."""
    lines = zip(sheet.frame.iter_rows(named=True), sheet.reveals, sheet.parts, sheet.there, strict=True)
    for row, revealed, parts, reasons in itertools.compress(lines, sheet.is_chosen):
        if any(all(key in controlled.shown and book.cells[key].value > 0 for key in keys) for keys in reasons):
            yield row, revealed, parts


def _is_coded(column: Column) -> bool:
    return column.name in ("retention_share", "proficient_share_a", "proficient_share_b", "start_share", "end_share")


def _code_of(field: Field) -> Field:
    return Field(
        name=f"{field.name}_{CODED}",
        type="text",
        description=f"{field.name} as a percentage in bands, whose width depends on the size of the group",
        privacy="none",
    )


def _code(part: Key | None, *, is_shown: bool, book: Book, told: Controlled) -> Any:
    """The band of a share: where the share itself is shown, or where the band may be told."""
    if part is None:
        return None if is_shown else HIDE
    band = book.bands.get(part)
    if part in told.told or (is_shown and band):
        return band[1].label if band else HIDE
    return None if is_shown else HIDE


def _rounded(value: Any, column: Column) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, DIGITS.get(column.field.unit or "", 3)) + 0.0  # no negative zero


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
