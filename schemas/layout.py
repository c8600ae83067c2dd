"""The layout format: how one kind of delivered file is recognised, read and brought into canonical fields.

A layout is a YAML file; docs/layouts.md explains every key with examples. Adding a source, or a new year of one, is a
new file in `schemas/layouts/` or in `LE_HOME/layouts/` and nothing else.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas import registry, yaml_file

SHIPPED = registry.HERE / "layouts"
NO_FEED = "none"  # a file that is known and holds nothing the pipeline needs, such as a manifest
ANY_ISSUER = ANY = "*"
FILE, SHEET = "@file", "@sheet"  # what a source may read beside the columns: the name of the file and of the sheet
LABEL = "part"  # an unpivot over nothing but a label: several people of one kind in one row


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


def _as_tuple(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else (value,)


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]


def _regex(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error:
        raise ValueError(f"{text!r} is no regular expression") from None
    if re.search(r"\(\?[=!<]", text) or groups > 1:
        raise ValueError(f"{text!r}: one group at most, and no look-around")
    return text


Regex = Annotated[str, AfterValidator(_regex)]
Regexes = Annotated[tuple[Regex, ...], BeforeValidator(_as_tuple)]


class Recognise(_Part):
    """How a file is known: these columns must all be there; name and years narrow the choice.

    `values`: what the filled cells of a column look like, as regular expressions that fit the whole cell. They tell
    apart what has the same columns, such as two years of a fixed-width file.
    """

    columns: tuple[str, ...] = Field(min_length=1)
    name: Texts = ("*",)
    school_years: tuple[int, int] | None = None
    states: Texts | None = None
    values: dict[str, Regex] = {}


Span = tuple[int, int]  # first and last character of a line, counted from 1, both in


def _span(value: Any) -> Any:
    """`48-62`, or `5` for one character."""
    first, dash, last = str(value).partition("-")
    if not first.isdigit() or (dash and not last.isdigit()) or int(last or first) < int(first) or int(first) < 1:
        raise ValueError(f"{value!r} is no place in a line; give the first and the last character, such as 48-62")
    return int(first), int(last or first)


class Read(_Part):
    """How the bytes become rows of text.

    `header`: rows of the header; names of several rows are put together with ` / `. `preamble`: rows that may stand
    above it. `columns`: the names, where there is no header. `repeated`: names that several unneeded columns may have,
    such as Filler. `positions`: where the columns of a fixed-width line are. `or_text`: a sheet of the workbook may
    come as CSV, as the layout of the same name with `_text`.
    """

    format: Literal["delimited", "fixed_width", "excel", "parquet", "json_lines"]
    delimiter: str = ","
    quote: str | None = '"'
    encoding: Texts = ("utf-8",)
    nulls: tuple[str, ...] = ("",)
    sheet: Texts | None = None
    or_text: bool = False
    preamble: int = Field(default=0, ge=0, le=100)
    header: int = Field(default=1, ge=0, le=5)
    columns: tuple[str, ...] = ()
    repeated: Texts = ()
    positions: dict[str, Annotated[Span, BeforeValidator(_span)]] = {}
    record_length: Annotated[Span, BeforeValidator(_span)] | None = None  # from the shortest to the longest

    @model_validator(mode="after")
    def _can_be_read(self) -> Read:
        if len(self.delimiter) != 1:
            raise ValueError('delimiter must be one character; a tab is "\\t"')
        if self.quote is not None and len(self.quote) != 1:
            raise ValueError("quote must be one character, or null where quotes mean nothing")
        for encoding in self.encoding:
            try:
                "".encode(encoding)  # says no to what is a codec but no text encoding, such as base64
            except LookupError:
                raise ValueError(f"encoding {encoding!r} is not known; use utf-8 or windows-1252") from None
        if (self.format == "fixed_width") != bool(self.positions):
            raise ValueError("a fixed-width file needs `positions`, and no other file has them")
        if self.or_text and self.format != "excel":
            raise ValueError("`or_text` is for workbooks whose sheets may come as CSV")
        if (self.header == 0) != bool(self.columns):
            raise ValueError("a file without a header (`header: 0`) needs the names of its `columns`")
        return self


class Source(_Part):
    """Where one field comes from.

    `from` names a column, or several that are put together with `join` (with
    `keep_empty` though some are empty); `school.identifier` is the column identifier of
    the lookup school. `either` are columns of which the first that is filled counts. `candidates` are columns of which
    the one is taken that fits the roster. `flags` are columns that say yes or no, one for each value of the field;
    where two say yes, `first` comes before all others, and `several` stands for any other two. `value` is a constant.
    `extract` takes the part of the text that a regular expression finds, of several the first that finds one; `date` is
    one or more formats, tried in order;
    `map` turns the file's values into allowed ones (`""` stands for an empty cell, `"*"` for any other); `width` is the
    number of characters of an id, or of a date without its leading zeros. `range` and `allowed` narrow what the field
    may hold in this file; `marks` are further signs that a published figure is held back. `optional`: files of the
    layout may lack the column; what it would say stays empty. `required`: every row of this file must fill it.
    `percent`: a share that the file gives as a percentage. `proportion`: a percentage that the file may give as a share
    of 1.
    """

    from_: Texts | None = Field(default=None, alias="from")
    either: Texts | None = None
    candidates: Texts | None = None
    flags: dict[str, str] | None = None
    first: str | None = None
    several: str | None = None
    value: str | None = None
    join: str = ""
    keep_empty: bool = False
    extract: Regexes = ()
    date: Texts | None = None
    map: dict[str, str | None] | None = None
    width: int | None = None
    range: tuple[float, float] | None = None
    allowed: tuple[str, ...] | None = None
    marks: tuple[str, ...] = ()
    optional: bool = False
    required: bool = False
    percent: bool = False
    proportion: bool = False

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"from": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one_origin(self) -> Source:
        origins = (self.from_, self.either, self.candidates, self.flags, self.value)
        if len(origins) - origins.count(None) != 1:
            raise ValueError(
                "give `from` (a column), `either` (the first that is filled), `candidates` (columns to choose from),"
                " `flags` (a column for each value) or `value` (a constant)"
            )
        if (self.first or self.several) and not self.flags:
            raise ValueError("`first` and `several` are for `flags`")
        if self.first and self.first not in (self.flags or {}):
            raise ValueError(f"`first`: {self.first!r} is not one of the `flags`")
        for pattern in self.date or ():
            if not _tells_a_day(pattern):
                raise ValueError(f"date {pattern!r} must tell day, month and year, such as %m/%d/%Y")
        if self.range and self.range[0] > self.range[1]:
            raise ValueError("range must go from the lowest to the highest")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the source may read."""
        return self.from_ or self.either or self.candidates or tuple((self.flags or {}).values())

    @property
    def reads_one_of_several(self) -> bool:
        """Whether of the columns that are there one will do."""
        return self.either is not None or self.candidates is not None


class Climb(_Part):
    """From a row to the one above it (`by` names its key), until `where` holds."""

    by: str
    where: dict[str, str]


class Lookup(_Part):
    """Another file of the same folder, joined by `by` (columns of this file, or of a lookup above) = `key`.

    `split`: the cell holds several keys; then the first row found counts, but for the columns that `pick` names.
    `optional`: the file, a column of it or the column that leads there may be missing; what it would say stays empty.
    """

    file: str = Field(pattern=r"^[^/\\]+$")  # a name, never a path: nothing outside the folder is read
    key: Texts  # several columns are put together as those of `by` are
    by: Source
    split: str | None = None
    pick: dict[str, Literal["lowest", "highest"]] = {}
    climb: Climb | None = None
    optional: bool = False


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


def _by_assessment(data: Any) -> Any:
    """`levels` of one list, or of several assessments that a file holds."""
    if isinstance(data, (list, tuple)):
        return {name: name for name in data}
    return {ANY: data} if data else {}


class Unpivot(_Part):
    """Several columns into rows: `over` are the fields, each with its values and what stands for them in the columns.

    `{}` in a column's name stands for the one field, `{subject}` for that of several; every combination is a record.
    """

    over: dict[str, dict[str, str]]
    fill: dict[str, Source]

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        over = {key: value for key, value in data.items() if key != "fill"}
        if not over or "fill" not in data:
            raise ValueError("give a field with its values and column stems, and `fill`")
        return {"over": over, "fill": data["fill"]}

    @property
    def parts(self) -> dict[str, dict[str, str]]:
        """What each record of a row is called, with the values of the fields it stands for."""
        return {" ".join(values): dict(zip(self.over, values, strict=True)) for values in product(*self.over.values())}

    def column(self, name: str, part: dict[str, str]) -> str:
        """The column that a name with placeholders means for a part."""
        for field, value in part.items():
            stem = self.over[field][value]
            name = name.replace(f"{{{field}}}", stem)
            if len(self.over) == 1:
                name = name.replace("{}", stem)
        return name


class Layout(_Part):
    """One kind of delivered file."""

    name: str = Field(alias="layout", pattern="^[a-z0-9_]+$")
    feed: str
    issuer: str = Field(pattern=r"^(\*|[A-Za-z0-9_.-]+)$")  # a bar would blur where the issuer ends in a pseudonym
    about: str
    recognise: Recognise
    read: Read
    fill: dict[str, Source] = {}
    unpivot: Annotated[tuple[Unpivot, ...], BeforeValidator(_as_tuple)] = ()
    explode: dict[str, str] = {}
    lookup: dict[str, Lookup] = {}
    levels: Annotated[dict[str, Levels], BeforeValidator(_by_assessment)] = {}
    exclude: dict[str, dict[str, Condition]] = {}
    ignore: tuple[str, ...] = ()
    correction: Literal["file", "group", "rows"] = "rows"
    tolerance: float = Field(default=0.01, ge=0, le=1)
    hash: str = ""

    @property
    def has_candidates(self) -> bool:
        """Whether the column of an id is chosen by evidence."""
        return any(source.candidates for source in self.fill.values())

    @property
    def names_its_columns(self) -> bool:
        """Whether the names of the columns are the layout's own, since the file has no header."""
        return self.read.header == 0 or self.read.format == "fixed_width"

    @property
    def table(self) -> registry.Table:
        """The canonical table that the layout's feed fills, narrowed to what this file may hold."""
        table = registry.feeds()[self.feed]
        narrowed = {loc[-1]: narrowing for loc, source in self.sources() if (narrowing := _narrowing(source))}
        if self.levels:
            every = [level for levels in self.levels.values() for level in levels.order]
            narrowed["performance_level"] = {"values": tuple(dict.fromkeys(every))}
        filled = {loc[-1] for loc, _ in self.sources()}
        must = {loc[-1] for loc, source in self.sources() if source.required}
        columns = tuple(
            column.model_copy(
                update={
                    "field": column.field.model_copy(update=narrowed.get(column.name, {})),
                    "required": column.required or column.name in must or (column.expected and column.name in filled),
                }
            )
            for column in table.columns
        )
        return table.model_copy(update={"columns": columns})

    @property
    def as_text(self) -> tuple[Layout, ...]:
        """The layout of the same columns in a sheet that was saved as CSV, where such files may come."""
        if not self.read.or_text:
            return ()
        read = Read(format="delimited", encoding=("utf-8", "windows-1252"), nulls=self.read.nulls)
        return (self.model_copy(update={"name": f"{self.name}_text", "read": read}),)

    @property
    def states(self) -> tuple[str, ...] | None:
        """State folders in which the layout may be used, or None for any."""
        return self.recognise.states or (None if self.issuer == ANY_ISSUER else (self.issuer,))

    def split(self, name: str) -> tuple[str | None, str]:
        """The lookup that a column name points into, if it does, and the column's own name."""
        lookup, dot, column = name.partition(".")
        return (lookup, column) if dot and lookup in self.lookup else (None, name)

    def named(self, source: Source) -> list[str]:
        """Columns of the delivered file (not of its lookups) that a source names, those of every part of a row."""
        return [name for name in self.names(source) if not self.split(name)[0]]

    def names(self, source: Source) -> list[str]:
        """The columns that a source names, those of lookups among them, with every placeholder filled in."""
        names = list(source.columns)
        blocks = [unpivot for unpivot in self.unpivot if source in unpivot.fill.values()]
        if not blocks:
            return names
        found = (unpivot.column(name, part) for unpivot in blocks for name in names for part in unpivot.parts.values())
        return list(dict.fromkeys(found))

    def sources(self) -> Iterator[tuple[tuple[str, ...], Source]]:
        """Every source of the layout with its place in the file."""
        for name, source in self.fill.items():
            yield ("fill", name), source
        for unpivot in self.unpivot:
            for name, source in unpivot.fill.items():
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
    layout, lines = yaml_file.load_model(path, Layout)
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
        for each in (layout, *layout.as_text):
            if each.name in layouts:
                raise yaml_file.ContractError(f"{path.name}: layout {each.name!r} is already defined in this folder")
            layouts[each.name] = each
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
        yield ("feed",), f"{layout.feed!r} is not a feed; the feeds are {', '.join(sorted(registry.feeds()))}"
        return
    yield from _file_faults(layout)
    for loc, source in layout.sources():
        yield from _source_faults(layout, loc, source)
    filled = set(layout.fill)
    for unpivot in layout.unpivot:
        yield from _unpivot_faults(layout, unpivot)
        filled |= {*unpivot.fill, *unpivot.over}
    allowed = layout.table.source_fields
    optional = {loc[-1] for loc, source in layout.sources() if source.optional}
    yield from _condition_faults(layout)
    yield from _public_faults(layout)
    for column in layout.table.columns:
        needed = column.field.of or column.name
        if not column.required or needed not in allowed or needed in DEFAULTS:
            continue
        if needed not in filled:
            yield ("fill",), f"{needed} is missing; {layout.feed} needs it in every row"
        elif needed in optional:
            yield ("fill", needed), f"cannot be optional; {layout.feed} needs it in every row"


def _file_faults(layout: Layout) -> Iterator[tuple[tuple[str, ...], str]]:
    if layout.correction == "group" and not layout.table.complete_for:
        yield ("correction",), f"files of {layout.feed} are not complete for any group; give file or rows"
    if layout.names_its_columns and not layout.recognise.values:
        yield ("recognise",), "a file without a header is known by `values` alone; give at least one"


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
    if source.percent and field.unit != "share":
        yield loc, f"`percent` is for shares, {name} is none"
    if source.proportion and field.unit != "percent":
        yield loc, f"`proportion` is for percentages, {name} is none"
    if source.allowed and not field.values:
        yield loc, f"`allowed` is for fields with a list of values, {name} has none"
    named = [
        *(("map", value) for value in (source.map or {}).values()),
        *(("allowed", value) for value in source.allowed or ()),
        *(("flags", value) for value in source.flags or ()),
        *((("several", source.several),) if source.several else ()),
    ]
    for key, value in named:
        if field.values and value is not None and value not in field.values:
            yield (*loc, key), f"{value!r} is not an allowed value of {name}: {', '.join(field.values)}"


def _public_faults(layout: Layout) -> Iterator[tuple[tuple[str, ...], str]]:
    """A column of names or ids would be in the lake as it is, were it taken for something public as well."""
    fields = registry.fields()
    direct = {
        column: name
        for (*_, name), source in layout.sources()
        if name in fields and fields[name].privacy == "direct" and name != "section_id" and not source.extract
        for column in source.columns
    }
    for loc, source in layout.sources():
        field = fields.get(loc[-1])
        if (
            loc[0] == "lookup"
            or field is None
            or field.privacy == "direct"
            or field.values
            or source.extract
            or source.map
        ):
            continue
        for column in source.columns:
            if column in direct:
                yield (
                    loc,
                    f"{column!r} is the {direct[column]}, which must not be taken for {field.name}: all may see that",
                )


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
    for over, stems in unpivot.over.items():
        if over == LABEL:
            continue
        if over not in allowed:
            yield ("unpivot",), f"{over!r} is not a field of {layout.feed}"
            continue
        values = allowed[over].values or ()
        for value in stems:
            if values and value not in values:
                yield ("unpivot", over, value), f"is not an allowed value: {', '.join(values)}"
    for name in sorted(set(layout.fill) & {*unpivot.over, *unpivot.fill}):
        yield ("fill", name), "is filled by unpivot already"


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
    as_percent = {"as_percent": True} if source.percent else {}
    return low_high | as_percent | ({"values": source.allowed} if source.allowed else {})


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
