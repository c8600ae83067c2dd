"""A table of the lake held against its contract, by counting; no value is ever looked at or told."""

from __future__ import annotations

from le_pipeline.warehouse import ddl
from le_pipeline.warehouse.engine import Engine
from schemas.registry import Column, Table, tables


def violations(engine: Engine, table: Table) -> dict[str, int]:
    """How many rows break each rule of the table's contract: key, required, allowed and possible values."""
    counts = {
        "key": f"count(*) - (select count(*) from (select distinct {', '.join(table.key)} from {table.qualified_name}))"
    }
    for column in table.columns:
        for rule, condition in _broken_when(column).items():
            counts[f"{column.name} {rule}"] = f"count(*) filter ({condition})"
    selected = ", ".join(f'{count} as "{name}"' for name, count in counts.items())
    with engine.connection((table.qualified_name,)) as con:
        row = con.execute(f"select {selected} from {table.qualified_name}").fetchone() or ()
    return dict(zip(counts, map(int, row), strict=True))


def notices(engine: Engine, table: Table) -> dict[str, int]:
    """How many rows there are of each notice, and how many point to no row of a table they reference."""
    counts = {name: f"count(*) filter ({notice.where})" for name, notice in table.notices.items()}
    for parent, columns in references(table).items():
        same = " and ".join(f"p.{name} = c.{name}" for name in columns)
        given = " and ".join(f"c.{name} is not null" for name in columns)
        missing = f"not exists (select 1 from {parent.qualified_name} as p where {same})"
        counts[unknown(parent)] = f"count(*) filter ({given} and {missing})"
    names = (table.qualified_name, *(parent.qualified_name for parent in references(table)))
    with engine.connection(names) as con:
        return {
            name: int((con.execute(f"select {count} from {table.qualified_name} as c").fetchone() or (0,))[0])
            for name, count in counts.items()
        }


def references(table: Table) -> dict[Table, tuple[str, ...]]:
    """The tables that rows of this one should point to, with the columns that do."""
    return {tables()[name]: columns for name, columns in table.references.items()}


def unknown(parent: Table) -> str:
    """The name of the notice of rows that point to no row of `parent`."""
    return f"unknown_{parent.name}"


def _broken_when(column: Column) -> dict[str, str]:
    field, name = column.field, column.name
    found = {}
    if column.required:
        found["required"] = f"{name} is null"
    if column.values:
        found["allowed_values"] = f"{name} not in ({', '.join(map(ddl.literal, column.values))})"
    if field.type in ("integer", "number", "school_year"):
        bounds = [f"{name} < {field.min}"] if field.min else []
        bounds += [f"{name} > {field.max}"] if field.max else []
        bounds += [f"not isfinite({name})"] if field.type == "number" else []
        if bounds:
            found["range"] = " or ".join(bounds)
    return found
