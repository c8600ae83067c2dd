"""The registry: every field once, every table as a list of fields.

Pandera schemas, DuckDB DDL, the columns shown in Dagster and the checks are all rendered from here.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from schemas import yaml_file

HERE = Path(__file__).parent

Type = Literal["text", "integer", "number", "date", "timestamp", "boolean", "yes_no", "grade", "school_year", "key"]
Privacy = Literal["direct", "quasi", "pseudonym", "none"]
# the last two leave the organisation, and are in no warehouse
Layer = Literal["canonical", "linked", "marts", "extract", "published"]
Person = Literal["student", "staff"]

LAYERS: tuple[Layer, ...] = ("canonical", "linked", "marts")
PROVENANCE = ("delivery_id", "source_row")
# whom the pseudonyms of a domain stand for
PEOPLE: dict[str, tuple[Person, ...]] = {
    "student": ("student",),
    "staff": ("staff",),
    "staff_email": ("staff",),
    "staff_name": ("staff",),
    "person": ("student", "staff"),
    "section": (),
}

# what a yes_no field may say in a file that needs no map
YES = ("Y", "YES", "T", "TRUE", "1")
NO = ("N", "NO", "F", "FALSE", "0")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Field(_Strict):
    """One field: meaning, type, allowed values and privacy class. `of` and `domain` are for key fields.

    `made_of`: the direct fields that are put together into this one. `of_any_issuer`: what the key is made from is one
    thing whoever gives it, as an e-mail address is. `is_published`: a figure that may be held back; `derived`: made
    from other fields by the pipeline, so that no layout fills it. `as_percent`: a share that a file gives as a
    percentage, so that its range is told as one. `code_of`: the key or id in whose place this random code stands in a
    research extract.
    """

    name: str
    type: Type
    description: str
    privacy: Privacy
    unit: str | None = None
    standard: str | None = None
    example: str | None = None
    values: tuple[str, ...] | None = None
    min: str | None = None
    max: str | None = None
    pattern: str | None = None
    keep_source: bool = False
    of: str | None = None
    domain: str | None = None
    code_of: str | None = None
    of_any_issuer: bool = False
    made_of: tuple[str, ...] = ()
    is_published: bool = False
    derived: bool = False
    as_percent: bool = False

    @model_validator(mode="before")
    @classmethod
    def _yes_no_has_its_values(cls, data: Any) -> Any:
        return {**data, "values": ("yes", "no")} if data.get("type") == "yes_no" else data

    @property
    def range(self) -> str:
        """The allowed range in words, such as `from 0 to 1`; empty where any value is allowed."""
        ends = {"from": self.min, "to": self.max}
        if self.as_percent:
            ends = {word: f"{100 * float(end):g}%" for word, end in ends.items() if end is not None}
        return " ".join(f"{word} {end}" for word, end in ends.items() if end is not None)


class Column(_Strict):
    """A field in a table: under its own name there, with values that only this table adds.

    `required`: every row has it. `expected`: every row of a file whose layout fills it.
    """

    name: str
    field: Field
    required: bool = False
    expected: bool = False
    also: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...] | None:
        """Allowed values in this table, or None where any value is."""
        return None if self.field.values is None else self.field.values + self.also

    @property
    def widened(self) -> Field:
        """The field with the values that this table adds."""
        return self.field.model_copy(update={"values": self.values}) if self.also else self.field


class Rule(_Strict):
    """A rule over several fields of a row: one of `any_of` is filled; `ordered` dates do not run backwards.

    Dates `within_year` lie between the June before the row's school year and the August after it.
    """

    any_of: tuple[str, ...] = ()
    ordered: tuple[str, ...] = ()
    within_year: tuple[str, ...] = ()


class Notice(_Strict):
    """Rows that break no rule and that somebody should know of: `where` finds them, `says` what they are."""

    where: str
    says: str


class Table(_Strict):
    """One table: grain in a sentence, columns, key, usage warnings.

    `references` names the columns that should point to a row of another table, which has them under the same names.
    `roster` names the ids by which its people are known, the canonical one first, so that the ids of other files can be
    tried against them. `feed` names the canonical input that fills the table; `purpose` says why partners are asked for
    it; `complete_for` the columns for whose values a file is complete, by layouts whose correction is by `group`;
    `identity` the direct identifiers of that input, which go to the vault; `estimate` the column that
    standard_error, ci_low and ci_high belong to. `about` says whose records its rows point to,
    where no key in them does.
    """

    name: str
    layer: Layer
    grain: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    feed: str | None = None
    purpose: str | None = None
    identity: tuple[Field, ...] = ()
    rules: tuple[Rule, ...] = ()
    estimate: str | None = None
    warnings: tuple[str, ...] = ()
    references: dict[str, tuple[str, ...]] = {}
    roster: tuple[str, ...] = ()
    complete_for: tuple[str, ...] = ()
    about: tuple[Person, ...] = ()
    notices: dict[str, Notice] = {}

    def __hash__(self) -> int:
        """By name: a table holds dictionaries, and is a key of caches."""
        return hash(self.qualified_name)

    @property
    def qualified_name(self) -> str:
        """Layer and name, as SQL writes them."""
        return f"{self.layer}.{self.name}"

    @property
    def people(self) -> frozenset[Person]:
        """Whose records its rows are: the students' or staff's whose pseudonyms it holds; nobody's in an aggregate."""
        domains = (column.field.domain for column in self.columns if column.field.domain)
        return frozenset(self.about).union(*(PEOPLE[domain] for domain in domains))

    @property
    def level(self) -> str:
        """`student`, `staff`, `student and staff`, or `aggregate`."""
        return " and ".join(sorted(self.people, reverse=True)) or "aggregate"

    def column(self, name: str) -> Column:
        """The column of that name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def source_fields(self) -> dict[str, Field]:
        """Fields that a layout may fill: the table's own, with the direct id in place of its key, and the identity."""
        filled = {c.field.of or c.name: field_of(c.field.of) if c.field.of else c.widened for c in self.columns}
        derived = {*PROVENANCE, "state"} | {f"{c.name}_source" for c in self.columns if c.field.keep_source}
        return {
            name: field
            for name, field in (filled | {field.name: field for field in self.identity}).items()
            if name not in derived and not field.derived
        }


@cache
def fields() -> dict[str, Field]:
    """Every field by name."""
    content, _ = yaml_file.load(HERE / "fields.yaml")
    return {name: Field(name=name, **spec) for name, spec in content.items()}


def field_of(name: str) -> Field:
    """The field of that name."""
    return fields()[name]


@cache
def tables() -> dict[str, Table]:
    """Every table by its name; names are unique over the layers."""
    found = (_table(path, layer) for layer in LAYERS for path in sorted((HERE / "tables" / layer).glob("*.yaml")))
    return {table.name: table for table in found}


@cache
def research_extract() -> Table:
    """What a research extract may hold; each agreement asks for some of its columns."""
    return _table(HERE / "tables" / "extract" / "research_extract.yaml", "extract")


def word(text: str) -> str:
    """A value of a list of values as it is compared: without case and punctuation."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


@cache
def feeds() -> dict[str, Table]:
    """The canonical table that each feed fills; rosters come first, since others are compared with them."""
    found = sorted(tables().values(), key=lambda table: not table.roster)
    return {table.feed: table for table in found if table.feed}


def rosters(table: Table) -> list[Table]:
    """The rosters that the ids of a table may be tried against."""
    given = table.source_fields
    return [other for other in feeds().values() if other.roster and other != table and other.roster[0] in given]


def _table(path: Path, layer: Layer) -> Table:
    content, _ = yaml_file.load(path)
    if content["table"] != path.stem:
        raise yaml_file.ContractError(f"{path.name}: table {content['table']!r} must be named as its file")
    columns = [_column(name, spec) for name, spec in content.pop("fields").items()]
    if "feed" in content:
        columns += [
            Column(name=f"{c.name}_source", field=_source_of(c.field)) for c in columns if c.field.keep_source
        ] + [_column(name, "required") for name in PROVENANCE]
    return Table(
        name=content.pop("table"),
        layer=layer,
        columns=tuple(columns),
        identity=tuple(field_of(name) for name in content.pop("identity", ())),
        **content,
    )


def _column(name: str, spec: Any) -> Column:
    if spec is None or spec in ("required", "expected"):
        return Column(name=name, field=field_of(name), required=spec == "required", expected=spec == "expected")
    return Column(name=name, field=field_of(spec.pop("as", name)), **spec)


def _source_of(field: Field) -> Field:
    return Field(
        name=f"{field.name}_source",
        type="text",
        description=f"{field.name} as the delivered file has it",
        privacy=field.privacy,
    )
