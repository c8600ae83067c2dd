"""The registry holds together, and whatever is rendered from it says the same."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pytest

from assets.columns import column_schema, description
from le_pipeline.ingest.contract import pandera_schema
from le_pipeline.warehouse import ddl
from le_pipeline.warehouse.lake import POLARS_TYPES, Lake, polars_schema
from schemas import registry
from schemas.registry import Column, Table

TABLES = [*registry.tables().values(), registry.research_extract()]
FED = list(registry.feeds().values())
VALUE_TYPES = {"text", "yes_no", "grade"}
NAMES = [table.name for table in TABLES]

every_table = pytest.mark.parametrize("table", TABLES, ids=NAMES)
every_feed = pytest.mark.parametrize("table", FED, ids=[table.feed for table in FED])


@every_table
def test_key_rules_and_estimate_name_columns_of_the_table(table: Table) -> None:
    named = {*table.key, *(name for rule in table.rules for name in (*rule.any_of, *rule.ordered, *rule.within_year))}
    named |= {table.estimate} if table.estimate else set()
    assert table.key
    assert named - set(table.column_names) == set()
    assert len(set(table.column_names)) == len(table.columns)


@every_table
def test_a_table_says_its_grain_and_meaning(table: Table) -> None:
    assert table.grain.startswith("One row per ")
    assert not table.grain.endswith(".")
    assert table.description.endswith(".")


def test_every_field_stands_in_a_table() -> None:
    used = {column.field.name for table in TABLES for column in table.columns}
    used |= {field.name for table in TABLES for field in table.identity}
    used |= {column.field.of for table in TABLES for column in table.columns if column.field.of}
    assert set(registry.fields()) - used == set()


@every_table
def test_no_direct_identifier_is_a_column(table: Table) -> None:
    assert [column.name for column in table.columns if column.field.privacy == "direct"] == []


@every_feed
def test_identities_are_direct_and_only_they_are(table: Table) -> None:
    assert {field.privacy for field in table.identity} <= {"direct"}
    keys = [column.field for column in table.columns if column.field.of]
    assert {registry.field_of(str(field.of)).privacy for field in keys} <= {"direct"}


def test_what_identifies_a_person_is_never_called_anything_but_direct() -> None:
    telling = ("_name", "birth_date", "email", "student_id", "staff_id")
    places = {"school_name", "lea_name"}
    named = [
        f for f in registry.fields().values() if f.name.endswith(telling) and f.name not in places and f.type != "key"
    ]
    assert {field.privacy for field in named} == {"direct"}
    assert len(named) >= 10


def test_keys_are_pseudonyms_of_a_known_domain_and_nothing_else_is() -> None:
    for field in registry.fields().values():
        assert (field.type == "key") == (field.privacy == "pseudonym") == (field.domain is not None)
        assert field.of is None or field.of in registry.fields()
        assert (field.type == "key") == field.name.endswith("_key")


def test_allowed_values_bounds_and_patterns_fit_the_type_of_their_field() -> None:
    for field in registry.fields().values():
        assert field.values is None or (field.type in VALUE_TYPES and len(set(field.values)) == len(field.values))
        assert (field.min, field.max) == (None, None) or field.type in ("integer", "number", "school_year", "date")
        assert field.pattern is None or field.type == "text"
        assert field.type != "grade" or field.values


@every_feed
def test_where_a_row_came_from_is_on_every_row_of_a_feed(table: Table) -> None:
    assert table.column_names[-2:] == registry.PROVENANCE
    assert all(table.column(name).required for name in registry.PROVENANCE)


def built(table: Table) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute(f"create schema {table.layer}")
    for statement in ddl.create_table(table):
        con.execute(statement)
    return con


@every_table
def test_duckdb_polars_and_dagster_have_the_same_columns_in_the_same_order(table: Table, tmp_path: Path) -> None:
    expected = [(c.name, ddl.sql_type(c).upper(), not c.required) for c in table.columns]
    in_key = set(table.key) if all(table.column(name).required for name in table.key) else set()
    with built(table) as con:
        made = con.execute(
            "select column_name, data_type, is_nullable, comment from duckdb_columns() where table_name = ?",
            [table.name],
        ).fetchall()
        (comment,) = con.execute("select comment from duckdb_tables()").fetchall()
        con.execute(f"copy {table.qualified_name} to '{tmp_path / 'empty.parquet'}'")
    assert [row[:3] for row in made] == [(n, t, null and n not in in_key) for n, t, null in expected]
    assert [row[3] for row in made] == [ddl.column_comment(column) for column in table.columns]
    assert comment == (ddl.table_comment(table),)
    assert pl.read_parquet_schema(tmp_path / "empty.parquet") == polars_schema(table)
    shown = column_schema(table)
    assert [(c.name, (c.type or "").upper(), c.constraints.nullable) for c in shown.columns] == expected
    assert [c.description for c in shown.columns] == [ddl.column_comment(column) for column in table.columns]
    assert [c.tags for c in shown.columns] == [{"privacy": column.field.privacy} for column in table.columns]
    assert isinstance(shown, dg.TableSchema)


@every_table
def test_meaning_and_warnings_reach_the_reader_of_every_rendering(table: Table) -> None:
    for text in (ddl.table_comment(table), description(table)):
        assert all(said in text for said in (table.grain, table.description, *table.warnings))


@every_feed
def test_pandera_holds_the_columns_of_the_table_and_its_identities(table: Table) -> None:
    schema = pandera_schema(table)
    expected = polars_schema(table) | {field.name: POLARS_TYPES[field.type] for field in table.identity}
    assert {name: column.dtype.type for name, column in schema.columns.items()} == expected
    required = {column.name for column in table.columns if column.required}
    assert {name for name, column in schema.columns.items() if not column.nullable} == required
    assert len(schema.checks) == len(table.rules)


def example(column: Column) -> object:
    """A value that the column's contract allows."""
    field = column.field
    if column.values:
        return column.values[-1]
    return {
        "text": "220000000001" if field.pattern else "x",
        "key": "0" * 32,
        "integer": int(field.min or 1),
        "school_year": 2016,
        "number": float(field.max or field.min or 1),
        "date": datetime.date(2015, 8, 1),
        "timestamp": datetime.datetime(2016, 7, 1, 12),
        "boolean": True,
    }[field.type]


def forbidden(column: Column) -> list[object]:
    """Values that the column's contract does not allow."""
    field, found = column.field, []
    found += [None] if column.required else []
    found += ["no such value"] if column.values else []
    if field.type in ("integer", "number", "school_year"):
        found += [float(field.min) - 1] if field.min else []
        found += [float(field.max) + 1] if field.max else []
    return found


def row_of(table: Table) -> dict[str, Any]:
    return {column.name: example(column) for column in table.columns}


@every_table
def test_the_warehouse_takes_what_the_contract_allows_and_refuses_what_it_does_not(table: Table) -> None:
    marks = ", ".join("?" for _ in table.columns)
    insert = f"insert into {table.qualified_name} values ({marks})"  # noqa: S608
    with built(table) as con:
        for column in table.columns:
            for value in forbidden(column):
                with pytest.raises(duckdb.ConstraintException):
                    con.execute(insert, list((row_of(table) | {column.name: value}).values()))
        con.execute(insert, list(row_of(table).values()))
        assert con.execute(f"select count(*) from {table.qualified_name}").fetchone() == (1,)  # noqa: S608


@every_feed
def test_pandera_takes_what_the_contract_allows_and_refuses_what_it_does_not(table: Table) -> None:
    from pandera.errors import SchemaErrors

    schema = pandera_schema(table)
    types = polars_schema(table) | {field.name: POLARS_TYPES[field.type] for field in table.identity}
    assert schema.validate(pl.DataFrame([row_of(table)], schema=types), lazy=True).height == 1
    for column in table.columns:
        for value in forbidden(column):
            frame = pl.DataFrame([row_of(table) | {column.name: value}], schema=types, strict=False)
            with pytest.raises(SchemaErrors) as broken:
                schema.validate(frame, lazy=True)
            assert column.name in broken.value.failure_cases["column"].to_list()


@every_table
def test_a_table_without_files_reads_as_its_columns(table: Table, tmp_path: Path) -> None:
    assert dict(Lake(tmp_path).read(table).schema) == polars_schema(table)
    read = duckdb.sql(Lake(tmp_path).query(table))
    assert list(zip(read.columns, map(str, read.types), strict=True)) == [
        (column.name, ddl.sql_type(column).upper()) for column in table.columns
    ]
