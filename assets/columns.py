"""Columns, descriptions and lineage of tables as Dagster shows them, from the registry and the SQL."""

from __future__ import annotations

from functools import cache

import dagster as dg
import sqlglot
from sqlglot import exp
from sqlglot.lineage import Node, lineage

from le_pipeline.warehouse.ddl import column_comment, sql_type
from le_pipeline.warehouse.engine import REFERENCE, Step
from schemas import registry
from schemas.registry import Table


def asset_key(qualified_name: str) -> dg.AssetKey:
    """The asset key of a table."""
    return dg.AssetKey(qualified_name.split("."))


def description(table: Table) -> str:
    """Grain first, then what the table is for and what to mind."""
    warnings = "".join(f"\n- {warning}" for warning in table.warnings)
    return f"**{table.grain}.**\n\n{table.description}" + (f"\n\nMind:\n{warnings}" if warnings else "")


def column_schema(table: Table) -> dg.TableSchema:
    """The columns tab: types, meaning, allowed values, privacy class, and what must hold."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                type=sql_type(column),
                description=column_comment(column),
                constraints=dg.TableColumnConstraints(nullable=not column.required, unique=table.key == (column.name,)),
                tags={"privacy": column.field.privacy},
            )
            for column in table.columns
        ]
    )


@cache
def column_lineage(step: Step) -> dg.TableColumnLineage:
    """Which columns of which tables each column that the SQL gives is made from."""
    schema: dict[str, dict[str, dict[str, str]]] = {}
    for name in step.inputs:
        layer, _, table = name.partition(".")
        if layer != REFERENCE:
            schema.setdefault(layer, {})[table] = {c.name: sql_type(c) for c in registry.tables()[table].columns}
    parsed = sqlglot.parse_one(step.sql, dialect="duckdb")
    nodes = lineage(None, parsed, schema=schema, dialect="duckdb")
    counted = {name: _sources(nodes[name]) for name in parsed.named_selects}
    # what `finish` adds, it computes from what the SQL counts
    figures = [dep for name, deps in counted.items() if name not in step.table.key for dep in deps]
    return dg.TableColumnLineage(
        {name: counted.get(name, list(dict.fromkeys(figures))) for name in step.table.column_names}
    )


def _sources(node: Node) -> list[dg.TableColumnDep]:
    found: dict[tuple[str, str], None] = {}
    for leaf in node.walk():
        if isinstance(leaf.expression, exp.Table) and leaf.expression.db in registry.LAYERS:
            found[f"{leaf.expression.db}.{leaf.expression.name}", leaf.name.split(".")[-1].strip('"')] = None
    return [dg.TableColumnDep(asset_key=asset_key(table), column_name=column) for table, column in found]
