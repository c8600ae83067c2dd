"""The Pandera schema of a feed, rendered from the registry, and what a batch breaks of it.

Pandera's own messages and failure cases hold values and whole rows, so of a failure only the rule, the column and the
row's place are taken.
"""

from __future__ import annotations

import datetime
from functools import cache

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from le_pipeline.ingest.coded import as_texts, coding_of
from le_pipeline.ingest.filling import DAMAGED, FAULT
from le_pipeline.warehouse.lake import POLARS_TYPES
from schemas.registry import Column, Field, Rule, Table
from schemas.rules import kind, rule_texts

EMPTYING = ("unreadable", "damaged_id", "not_on_roster")
MOST_WORDS = 30  # that a fix tells
BROKEN_SCHEMA = {"index": pl.UInt32(), "rule": pl.String(), "field": pl.String()}


@cache
def pandera_schema(table: Table) -> pa.DataFrameSchema:
    """The schema of a canonical table's records, with the identity fields that the vault will take."""
    return pa.DataFrameSchema(
        {column.name: _column(column) for column in _columns(table)},
        checks=[_across(rule) for rule in table.rules],
    )


def broken(records: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Every broken rule: `index` (place of the record in the batch), `rule` and `field`. No value, ever."""
    found = [_marked(records), _damaged(records)]
    doubtful = doubtful_places(records, table)
    if doubtful.len():
        found.append(_judged(as_texts(records[doubtful]), doubtful, table))
    faults = pl.concat(found)
    # a value that could not be taken is empty afterwards; that it, or its key, is missing is then no fault of its own
    keys = {column.name: column.field.of for column in table.columns if column.field.of}
    taken = faults.filter(pl.col("rule").is_in(EMPTYING)).select("index", behind="field").unique()
    missing = faults.filter(pl.col("rule") == "required").with_columns(behind=pl.col("field").replace(keys))
    excused = missing.join(taken, on=["index", "behind"], how="semi").drop("behind")
    return faults.join(excused, on=["index", "rule", "field"], how="anti", maintain_order="left").unique(
        maintain_order=True
    )


def fix(rule: str, field: Field | None, label: str, words: tuple[str, ...] = ()) -> str:
    """What a person should do about a broken rule, in the words of rules.yaml.

    Args:
        rule: its name.
        field: the field that breaks it.
        label: names the column or columns of the file.
        words: what the layout knows in their cells, where it maps them; else the field's own values are told.
    """
    values = words or (field.values if field else None) or ()
    told = ", ".join(values[:MOST_WORDS])
    told += f", or {len(values) - MOST_WORDS} more of the layout" if len(values) > MOST_WORDS else ""
    said = "allowed_values" if rule == "unreadable" and values else rule
    if rule == "any_of" and " or " not in label:  # the file has one of the columns
        said = "required"
    text = rule_texts()[said]
    own = {"values": told, "range": field.range, "description": field.description, "kind": kind(field)} if field else {}
    return f"{label}: {text.how.format_map(own)}"


def doubtful_places(records: pl.DataFrame, table: Table) -> pl.Series:
    """Places of the records that do not plainly keep every rule; these alone Pandera judges, which takes longer."""
    coded = coding_of(records)
    types = {**records.schema, **dict.fromkeys(coded, pl.String)}
    if any(types.get(column.name) != POLARS_TYPES[column.field.type] for column in _columns(table)):
        return pl.Series(range(records.height), dtype=pl.UInt32)
    return records.select(_is_plain(table)).to_series().not_().arg_true()


@cache
def _is_plain(table: Table) -> pl.Expr:
    tests = [pl.lit(value=True)]
    for column in _columns(table):
        value, field = pl.col(column.name), column.field
        if column.required:
            tests.append(value.is_not_null())
        if column.values and field.type != "key":
            tests.append(value.is_in(list(column.values)))
        low, high = (_bound(field, text) for text in (field.min, field.max))
        tests += [value >= low] if low is not None else []
        tests += [value <= high] if high is not None else []
        tests += [value.cast(pl.String).str.contains(f"^(?:{field.pattern})")] if field.pattern else []
    tests += map(_keeps, table.rules)
    return pl.all_horizontal(test.fill_null(value=True) for test in tests)


def _columns(table: Table) -> tuple[Column, ...]:
    """What a record is checked for: the table's columns and the identity fields that the vault will take."""
    return (*table.columns, *(Column(name=field.name, field=field) for field in table.identity))


def _judged(doubtful: pl.DataFrame, places: pl.Series, table: Table) -> pl.DataFrame:
    """What Pandera finds in records that stand at these places of the batch."""
    try:
        pandera_schema(table).validate(doubtful, lazy=True)
    except SchemaErrors as errors:
        found = _places(errors.failure_cases)
        return found.with_columns(places.gather(found["index"]).alias("index"))
    return pl.DataFrame(schema=BROKEN_SCHEMA)


def _column(column: Column) -> pa.Column:
    field = column.field
    checks = []
    if column.values and field.type != "key":
        checks.append(pa.Check.isin(list(column.values), error="allowed_values"))
    if field.min is not None or field.max is not None:
        low, high = (_bound(field, text) for text in (field.min, field.max))
        checks += [pa.Check.ge(low, error="range")] if low is not None else []
        checks += [pa.Check.le(high, error="range")] if high is not None else []
    if field.pattern:
        checks.append(pa.Check.str_matches(field.pattern, error="pattern"))
    return pa.Column(POLARS_TYPES[field.type], checks, nullable=not column.required)


def _bound(field: Field, text: str | None) -> float | datetime.date | None:
    if text is None:
        return None
    if field.type == "date":
        return datetime.date.today() if text == "today" else datetime.date.fromisoformat(text)
    return float(text) if field.type == "number" else int(text)


def _across(rule: Rule) -> pa.Check:
    name = next(f"{kind} {'+'.join(fields)}" for kind, fields in rule if fields)
    return pa.Check(lambda data: data.lazyframe.select(_keeps(rule)), error=name)


def _keeps(rule: Rule) -> pl.Expr:
    if rule.any_of:
        return pl.any_horizontal(pl.col(list(rule.any_of)).is_not_null())
    if rule.within_year:
        year = pl.col("school_year").clip(1, 9999)  # of years that are none, which their own rule tells of, no date
        low, high = pl.date(year - 1, 6, 1), pl.date(year, 8, 31)
        return pl.all_horizontal(pl.col(name).is_between(low, high).fill_null(value=True) for name in rule.within_year)
    first, second = rule.ordered
    return (pl.col(first) <= pl.col(second)).fill_null(value=True)


def _marked(records: pl.DataFrame) -> pl.DataFrame:
    marks = [name for name in records.columns if name.startswith(FAULT)]
    found = [pl.DataFrame(schema=BROKEN_SCHEMA)]
    for mark in marks:
        if records[mark].any():
            _, rule, field = mark.split(":")
            found.append(_faults(records[mark].arg_true(), rule, field))
    return pl.concat(found)


def _damaged(records: pl.DataFrame) -> pl.DataFrame:
    return _faults(records[DAMAGED].arg_true(), "encoding", "")


def _faults(index: pl.Series, rule: str, field: str) -> pl.DataFrame:
    return pl.DataFrame({"index": index, "rule": rule, "field": field}, schema=BROKEN_SCHEMA)


def _places(cases: pl.DataFrame) -> pl.DataFrame:
    if cases["index"].null_count():
        # a check that could not run names no row; to go on would accept what nobody checked
        raise RuntimeError("a check of the contract did not run")
    rule = pl.col("check").replace("not_nullable", "required")
    return cases.select(
        pl.col("index").cast(pl.UInt32),
        rule.str.extract(r"^(\S+)").alias("rule"),
        pl.coalesce(pl.col("column"), pl.col("check").str.extract(r"^\S+ (.*)$")).alias("field"),
    )
