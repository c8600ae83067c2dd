"""DuckDB DDL from the registry: types, keys, allowed values and comments."""

from __future__ import annotations

from schemas.registry import Column, Table

SQL_TYPES = {
    "text": "varchar",
    "integer": "bigint",
    "number": "double",
    "date": "date",
    "timestamp": "timestamp",
    "boolean": "boolean",
    "yes_no": "varchar",
    "grade": "varchar",
    "school_year": "integer",
    "key": "varchar",
}


def literal(text: str) -> str:
    """The text as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def sql_type(column: Column) -> str:
    """The DuckDB type of a column."""
    return SQL_TYPES[column.field.type]


def create_table(table: Table) -> list[str]:
    """The statements that make an empty table with its constraints and comments."""
    parts = [_column(column) for column in table.columns]
    if all(table.column(name).required for name in table.key):
        parts.append(f"primary key ({', '.join(table.key)})")
    comments = [f"comment on table {table.qualified_name} is {literal(table_comment(table))}"] + [
        f"comment on column {table.qualified_name}.{column.name} is {literal(column_comment(column))}"
        for column in table.columns
    ]
    return [f"create table {table.qualified_name} ({', '.join(parts)})", *comments]


def table_comment(table: Table) -> str:
    """Grain, meaning, warnings and level in one text."""
    warnings = (f"Mind: {warning}." for warning in table.warnings)
    return " ".join([f"{table.grain}.", table.description, *warnings, f"Level: {table.level}."])


def column_comment(column: Column) -> str:
    """Meaning, unit, allowed values and privacy class in one text."""
    field = column.field
    parts = [field.description]
    if field.unit:
        parts.append(f"Unit: {field.unit}")
    if column.values:
        parts.append(f"Values: {', '.join(column.values)}")
    if field.standard:
        parts.append(field.standard)
    return ". ".join([*parts, f"Privacy: {field.privacy}"])


def _column(column: Column) -> str:
    rules = [column.name, sql_type(column)]
    if column.required:
        rules.append("not null")
    if column.values:
        rules.append(f"check ({column.name} in ({', '.join(map(literal, column.values))}))")
    if column.field.type in ("number", "integer", "school_year"):
        bounds = [f"{column.name} >= {column.field.min}"] if column.field.min else []
        bounds += [f"{column.name} <= {column.field.max}"] if column.field.max else []
        if column.field.type == "number":
            bounds.append(f"isfinite({column.name})")
        if bounds:
            rules.append(f"check ({' and '.join(bounds)})")
    return " ".join(rules)
