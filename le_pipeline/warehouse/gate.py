"""The gate before a swap: Great Expectations over marts and released tables, rendered from the registry.

Results are boolean only: what Great Expectations would tell of a failure can hold values.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import pandas as pd  # type: ignore[import-untyped]

from le_pipeline.errors import GateError
from le_pipeline.home import Home
from le_pipeline.warehouse.build import building
from schemas import registry
from schemas.registry import Column, Table


@dataclass(frozen=True)
class Expectation:
    """One expectation of one table and whether it was met."""

    table: str
    name: str
    column: str | None
    is_met: bool


def check_marts(home: Home) -> list[Expectation]:
    """Check every mart of the warehouse that has just been built."""
    with duckdb.connect(building(home), read_only=True) as con:
        marts = (table for table in registry.tables().values() if table.layer == "marts")
        return check({table: con.execute(f"from {table.qualified_name}").df() for table in marts})


def check(
    frames: Mapping[Table, pd.DataFrame], forbidden: Mapping[str, Mapping[str, list[int]]] | None = None
) -> list[Expectation]:
    """Check tables against what the registry says of them.

    Args:
        frames: the tables.
        forbidden: by table and column, counts that may not be there.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("tables")
    results: list[Expectation] = []
    for table, frame in frames.items():
        batch = source.add_dataframe_asset(table.name).add_batch_definition_whole_dataframe("all")
        expectations = _expectations(gx, table, frame)
        for column, counts in (forbidden or {}).get(table.name, {}).items():
            expectations.append(gx.expectations.ExpectColumnValuesToNotBeInSet(column=column, value_set=counts))
        suite = gx.ExpectationSuite(name=table.name, expectations=expectations)
        outcome = batch.get_batch({"dataframe": frame}).validate(suite, result_format="BOOLEAN_ONLY")
        results += [
            Expectation(
                table.name, r.expectation_config.type, r.expectation_config.kwargs.get("column"), bool(r.success)
            )
            for r in outcome.results
        ]
    return results


def require(expectations: list[Expectation]) -> None:
    """Stop the swap where an expectation is not met.

    Raises:
        GateError: names tables, columns and expectations, no value.
    """
    failed = [f"{e.table}.{e.column or '(rows)'}: {e.name}" for e in expectations if not e.is_met]
    if failed:
        raise GateError(
            f"the marts do not meet their expectations, so the warehouse was not replaced: {'; '.join(failed)}"
        )


def _expectations(gx: Any, table: Table, frame: pd.DataFrame) -> list[Any]:
    expect = gx.expectations
    suite = [
        expect.ExpectTableColumnsToMatchOrderedList(column_list=list(table.column_names)),
        expect.ExpectCompoundColumnsToBeUnique(column_list=list(table.key))
        if len(table.key) > 1
        else expect.ExpectColumnValuesToBeUnique(column=table.key[0]),
    ]
    for column in table.columns:
        suite += _of_column(expect, column, has_values=bool(frame[column.name].notna().any()))
    if table.estimate and frame["ci_low"].notna().any():
        for low, high in (("ci_low", table.estimate), (table.estimate, "ci_high")):
            suite.append(
                expect.ExpectColumnPairValuesAToBeGreaterThanB(
                    column_A=high, column_B=low, or_equal=True, ignore_row_if="either_value_is_missing"
                )
            )
    return suite


def _of_column(expect: Any, column: Column, *, has_values: bool) -> list[Any]:
    found: list[Any] = []
    if column.required:
        found.append(expect.ExpectColumnValuesToNotBeNull(column=column.name))
    if column.values:
        found.append(expect.ExpectColumnValuesToBeInSet(column=column.name, value_set=list(column.values)))
    if column.field.type in ("integer", "number") and has_values:
        # the widest bounds still refuse infinity
        low, high = float(column.field.min or -1e15), float(column.field.max or 1e15)
        found.append(expect.ExpectColumnValuesToBeBetween(column=column.name, min_value=low, max_value=high))
    return found
