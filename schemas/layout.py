"""The layout format: how one kind of delivered file is recognised, read and brought into canonical fields.

A layout is a YAML file; docs/layouts.md explains every key with examples. Adding a source, or a new year of one, is a
new file in `schemas/layouts/` or in `LE_HOME/layouts/` and nothing else.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas import registry, yaml_file

SHIPPED = registry.HERE / "layouts"
NO_FEED = "none"  # a file that is known and holds nothing the pipeline needs, such as a manifest
ANY_ISSUER = "*"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _as_tuple(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


class Recognise(_Part):
    """How a file is known: these columns must all be there; name and years narrow the choice."""

    columns: tuple[str, ...] = Field(min_length=1)
    name: Texts = ("*",)
    school_years: tuple[int, int] | None = None
    states: Texts | None = None


class Read(_Part):
    """How the bytes become rows of text."""

    format: Literal["delimited", "excel"]
    delimiter: str = ","
    quote: str | None = '"'
    encoding: str = "utf-8"
    nulls: tuple[str, ...] = ("",)
    sheet: str | None = None

    @model_validator(mode="after")
    def _can_be_read(self) -> Read:
        if len(self.delimiter) != 1:
            raise ValueError('delimiter must be one character; a tab is "\\t"')
        if self.quote is not None and len(self.quote) != 1:
            raise ValueError("quote must be one character, or null where quotes mean nothing")
        try:
            "".encode(self.encoding)  # says no to what is a codec but no text encoding, such as base64
        except LookupError:
            raise ValueError(f"encoding {self.encoding!r} is not known; use utf-8 or windows-1252") from None
        return self


class Source(_Part):
    """Where one field comes from.

    `from` names a column, or several that are put together with `join`; `school.identifier` is the column identifier of
    the lookup school. `value` is a constant. `date` is one or more formats, tried in order; `map` turns the file's
    values into allowed ones (`""` stands for an empty cell, `"*"` for any other); `width` fills up with leading zeros.
    `range` and `allowed` narrow what the field may hold in this file.
    """

    from_: Texts | None = Field(default=None, alias="from")
    value: str | None = None
    join: str = ""
    date: Texts | None = None
    map: dict[str, str | None] | None = None
    width: int | None = None
    range: tuple[float, float] | None = None
    allowed: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"from": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        if (self.from_ is None) == (self.value is None):
            raise ValueError("give either `from` (a column) or `value` (a constant)")
        for pattern in self.date or ():
            if not _tells_a_day(pattern):
                raise ValueError(f"date {pattern!r} must tell day, month and year, such as %m/%d/%Y")
        if self.range and self.range[0] > self.range[1]:
            raise ValueError("range must go from the lowest to the highest")
        return self


class Lookup(_Part):
    """Another file of the same folder, joined by `by` (a column of this file, or of a lookup above) = `key`."""

    file: str = Field(pattern=r"^[^/\\]+$")  # a name, never a path: nothing outside the folder is read
    key: str
    by: Source


class Condition(_Part):
    """Values that a field or column has, or (`not`) does not have; null means empty."""

    values: tuple[str | None, ...]
    negated: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, dict):
            if set(data) != {"not"}:
                raise ValueError("give a value, a list of values, or {not: ...}")
            return {"values": _as_tuple(data["not"]), "negated": True}
        return {"values": _as_tuple(data)}


class Levels(_Part):
    """Achievement levels from the lowest to the highest, and the first that counts as proficient."""

    order: tuple[str, ...]
    proficient_from: str

    @model_validator(mode="before")
    @classmethod
    def _from_reference(cls, data: Any) -> Any:
        return reference_levels(data) if isinstance(data, str) else data

    @model_validator(mode="after")
    def _knows_proficient(self) -> Levels:
        if self.proficient_from not in self.order:
            raise ValueError(f"proficient_from {self.proficient_from!r} is not one of the levels in order")
        return self


class Unpivot(_Part):
    """Several columns into rows: `over` is the field, `stems` its values with what stands for `{}` in the columns."""

    over: str
    stems: dict[str, str]
    fill: dict[str, Source]

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        over = [key for key in data if key != "fill"]
        if len(over) != 1 or "fill" not in data:
            raise ValueError("give one field with its values and column stems, and `fill`")
        return {"over": over[0], "stems": data[over[0]], "fill": data["fill"]}


class Layout(_Part):
    """One kind of delivered file."""

    name: str = Field(alias="layout", pattern="^[a-z0-9_]+$")
    feed: str
    issuer: str = Field(pattern=r"^(\*|[A-Za-z0-9_.-]+)$")  # a bar would blur where the issuer ends in a pseudonym
    about: str
    recognise: Recognise
    read: Read
    fill: dict[str, Source] = {}
    unpivot: Unpivot | None = None
    lookup: dict[str, Lookup] = {}
    levels: Levels | None = None
    exclude: dict[str, dict[str, Condition]] = {}
    ignore: tuple[str, ...] = ()
    correction: Literal["file", "rows"] = "rows"
    tolerance: float = Field(default=0.01, ge=0, le=1)
    hash: str = ""

    @property
    def table(self) -> registry.Table:
        """The canonical table that the layout's feed fills, narrowed to what this file may hold."""
        table = registry.feeds()[self.feed]
        narrowed = {loc[-1]: narrowing for loc, source in self.sources() if (narrowing := _narrowing(source))}
        if self.levels:
            narrowed["performance_level"] = {"values": self.levels.order}
        if not narrowed:
            return table
        columns = tuple(
            column.model_copy(update={"field": column.field.model_copy(update=narrowed[column.name])})
            if column.name in narrowed
            else column
            for column in table.columns
        )
        return table.model_copy(update={"columns": columns})

    @property
    def states(self) -> tuple[str, ...] | None:
        """State folders in which the layout may be used, or None for any."""
        return self.recognise.states or (None if self.issuer == ANY_ISSUER else (self.issuer,))

    def split(self, name: str) -> tuple[str | None, str]:
        """The lookup that a column name points into, if it does, and the column's own name."""
        lookup, dot, column = name.partition(".")
        return (lookup, column) if dot and lookup in self.lookup else (None, name)

    def sources(self) -> Iterator[tuple[tuple[str, ...], Source]]:
        """Every source of the layout with its place in the file."""
        for name, source in self.fill.items():
            yield ("fill", name), source
        if self.unpivot:
            for name, source in self.unpivot.fill.items():
                yield ("unpivot", "fill", name), source
        for name, lookup in self.lookup.items():
            yield ("lookup", name, "by"), lookup.by


def load_layout(path: Path) -> Layout:
    """Read and check one layout file.

    Raises:
        ContractError: names the file, line and key of every fault.
    """
    return _load_layout(path, _hash(path))


@lru_cache(maxsize=1024)
def _load_layout(path: Path, file_hash: str) -> Layout:
    layout = yaml_file.load_model(path, Layout)
    _, lines = yaml_file.load(path)
    faults = [
        f"{path.name}, line {yaml_file.line_of(loc, lines)}: {'.'.join(loc)}: {say}" for loc, say in _faults(layout)
    ]
    if faults:
        raise yaml_file.ContractError("\n".join(faults))
    return layout.model_copy(update={"hash": file_hash})


def load_layouts(folder: Path) -> dict[str, Layout]:
    """Every layout of a folder, by name.

    Raises:
        ContractError: a layout is wrong, or two have one name.
    """
    layouts: dict[str, Layout] = {}
    for path in sorted(folder.glob("*.y*ml")):
        layout = load_layout(path)
        if layout.name in layouts:
            raise yaml_file.ContractError(f"{path.name}: layout {layout.name!r} is already defined in this folder")
        layouts[layout.name] = layout
    return layouts


@cache
def reference_levels(assessment: str) -> dict[str, Any]:
    """Achievement levels of an assessment from `reference/achievement_level.csv`, in the form `levels` takes.

    Raises:
        ValueError: the reference table does not know the assessment.
    """
    with (registry.HERE / "reference" / "achievement_level.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assessment"] == assessment]
    if not rows:
        raise ValueError(f"{assessment!r} is not in reference/achievement_level.csv; give order and proficient_from")
    return {
        "order": [row["performance_level"] for row in rows],
        "proficient_from": next(row["performance_level"] for row in rows if row["proficient"] == "yes"),
    }


def _faults(layout: Layout) -> Iterator[tuple[tuple[str, ...], str]]:
    if layout.feed == NO_FEED:
        return
    if layout.feed not in registry.feeds():
        yield ("feed",), f"{layout.feed!r} is not a feed; the feeds are {', '.join(registry.feeds())}"
        return
    for loc, source in layout.sources():
        yield from _source_faults(layout, loc, source)
    filled = set(layout.fill)
    if layout.unpivot:
        yield from _unpivot_faults(layout, layout.unpivot)
        filled |= {*layout.unpivot.fill, layout.unpivot.over}
    allowed = layout.table.source_fields
    yield from _condition_faults(layout)
    for column in layout.table.columns:
        needed = column.field.of or column.name
        if column.required and needed in allowed and needed not in filled and needed not in DEFAULTS:
            yield ("fill",), f"{needed} is missing; {layout.feed} needs it in every row"


def _source_faults(layout: Layout, loc: tuple[str, ...], source: Source) -> Iterator[tuple[tuple[str, ...], str]]:
    name, allowed = loc[-1], registry.feeds()[layout.feed].source_fields
    if loc[0] == "lookup":
        return
    if name not in allowed:
        yield loc, f"{name!r} is not a field of {layout.feed}; its fields are {', '.join(allowed)}"
        return
    field = allowed[name]
    if source.date and field.type != "date":
        yield loc, f"`date` is for dates, {name} is of type {field.type}"
    if source.range and field.type not in ("number", "integer"):
        yield loc, f"`range` is for numbers, {name} is of type {field.type}"
    if source.allowed and not field.values:
        yield loc, f"`allowed` is for fields with a list of values, {name} has none"
    named = [("map", value) for value in (source.map or {}).values()] + [
        ("allowed", value) for value in source.allowed or ()
    ]
    for key, value in named:
        if field.values and value is not None and value not in field.values:
            yield (*loc, key), f"{value!r} is not an allowed value of {name}: {', '.join(field.values)}"


def _condition_faults(layout: Layout) -> Iterator[tuple[tuple[str, ...], str]]:
    """A condition on a value that its field never holds would exclude nothing, and nobody would notice."""
    allowed = registry.feeds()[layout.feed].source_fields
    for reason, conditions in layout.exclude.items():
        for name, condition in conditions.items():
            field = allowed.get(name)
            if field is None or not field.values or field.type == "grade":
                continue
            words = (*registry.YES, *registry.NO) if field.type == "yes_no" else field.values
            known = {registry.word(text) for text in words}
            for value in condition.values:
                if value is not None and registry.word(value) not in known:
                    yield ("exclude", reason, name), f"{value!r} is not a value of {name}: {', '.join(field.values)}"


def _unpivot_faults(layout: Layout, unpivot: Unpivot) -> Iterator[tuple[tuple[str, ...], str]]:
    allowed = layout.table.source_fields
    if unpivot.over not in allowed:
        yield ("unpivot",), f"{unpivot.over!r} is not a field of {layout.feed}"
        return
    for name in sorted(set(layout.fill) & {unpivot.over, *unpivot.fill}):
        yield ("fill", name), "is filled by unpivot already"
    values = allowed[unpivot.over].values or ()
    for value in unpivot.stems:
        if values and value not in values:
            yield ("unpivot", unpivot.over, value), f"is not an allowed value: {', '.join(values)}"


# fields that have a value where a layout does not fill them (docs/layouts.md)
DEFAULTS = ("school_year", "assessment", "is_teacher")


def _tells_a_day(pattern: str) -> bool:
    """Whether a date written in the format can be read back whole; else every row would fail, or days be made up."""
    day = datetime.datetime(2003, 11, 25, 0, 0, tzinfo=datetime.UTC)
    try:
        return datetime.datetime.strptime(day.strftime(pattern), pattern).date() == day.date()
    except ValueError:
        return False


def _narrowing(source: Source) -> dict[str, Any]:
    low_high = {"min": f"{source.range[0]:g}", "max": f"{source.range[1]:g}"} if source.range else {}
    return low_high | ({"values": source.allowed} if source.allowed else {})


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
