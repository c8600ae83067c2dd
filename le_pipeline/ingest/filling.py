"""Text to canonical fields, as a layout says: columns, maps, dates, lookups, several columns into rows.

A value that cannot be read as its field's type becomes empty, and its place is marked, so that the row is quarantined
and never kept with a silent gap.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import polars as pl

from le_pipeline.errors import MissingColumnError, UnreadableFileError
from le_pipeline.home import Partition
from le_pipeline.ingest import reading
from le_pipeline.ingest.reading import OVERFLOW, REPLACEMENT, ROW
from le_pipeline.warehouse.lake import POLARS_TYPES
from schemas.layout import Condition, Layout, Source
from schemas.registry import NO, YES, Field, word

PART = "part"
EXCLUDED = "excluded_by"
UNREADABLE = "__unreadable_"  # prefix of the marks
DAMAGED = "__damaged"
NOT_TESTED = "not_tested"

VOID = "void"
GRADE_WORDS = {"K": "KG", "0": "KG", "00": "KG", "P": "PK", "PS": "PK"}
ISO_DATE = "%Y-%m-%d"
SAMPLE, FEW = 10_000, 0.25  # where no larger share of a sample is distinct, to convert distinct texts is cheaper
FIRST_YEAR, LAST_YEAR = 1900, 2100  # `%Y` reads 1/2/16 as the year 16

Said = dict[str, pl.Series]  # what columns say, each text once, where that is little

# a cell without a letter, an address, a cell of several, a long number: what stands in records, hardly ever in a header
LOOKS_LIKE_DATA = re.compile(r"^[\W\d_]*$|[@,;\r\n]|\d{5}")


class Filler:
    """Brings the batches of one file into the fields of its layout's feed."""

    def __init__(self, layout: Layout, path: Path, columns: list[str], partition: Partition) -> None:
        self.layout = layout
        self.partition = partition
        self.fields = layout.table.source_fields
        self._header = columns
        self._columns = set(columns)
        self._lookups = {name: _lookup(layout, name, path) for name in layout.lookup}
        self._require_columns()

    @property
    def used_columns(self) -> list[str]:
        """Columns of the delivered file that the layout reads, in order."""
        named = [column for _, source in self.layout.sources() for column in self._named(source)]
        return list(dict.fromkeys(named + self._condition_columns()))

    @property
    def unknown_columns(self) -> list[str]:
        """Columns of the delivered file that the layout neither reads nor ignores.

        By name, or by place where a name may be data: where the line end below the header is lost, or a quote left
        open, the header goes on with somebody's record.
        """
        named = {*self.used_columns, *self.layout.recognise.columns}
        known = [*map(fnmatch.translate, self.layout.ignore), *map(re.escape, named)]
        is_known = re.compile("|".join(known)).fullmatch
        unknown = {name: place for place, name in enumerate(self._header, start=1) if not is_known(name)}
        if any(LOOKS_LIKE_DATA.search(name) for name in unknown):
            return [f"column {place}" for place in unknown.values()]
        return sorted(unknown)

    @property
    def missing_columns(self) -> list[str]:
        """Columns that the layout reads and the delivered file does not have; their fields stay empty."""
        return [name for name in self.used_columns if name not in self._columns]

    def source_columns(self, field: str, part: str | None) -> str:
        """The column or columns of the file that a field comes from, for messages."""
        source = self._source(field)
        if source is None or source.from_ is None:
            return field
        return "+".join(self._stem(name, part) for name in source.from_)

    def fill(self, raw: pl.DataFrame) -> pl.DataFrame:
        """One row per record: the feed's fields, `part`, `excluded_by` and the marks of what was unreadable."""
        clean, said = self._clean(raw)
        clean = self._mark_damaged(self._look_up(clean), said)
        unpivot = self.layout.unpivot
        if unpivot is None:
            return self._records(clean, said, None)
        return pl.concat([self._records(clean, said, part) for part in unpivot.stems])

    def _clean(self, raw: pl.DataFrame) -> tuple[pl.DataFrame, Said]:
        """The rows with clean texts, and what is said in their columns."""
        clean: dict[str, pl.Series] = {}
        said: Said = {}
        for name in (name for name in self.used_columns if name in self._columns):
            texts = raw[name]
            few = _few(texts)
            clean[name] = _converted(texts, few, lambda text: _present(text.str.strip_chars(), self.layout))
            few = few if clean[name] is texts else _few(clean[name])
            said |= {} if few is None else {name: few}
        return raw.with_columns(clean.values()), said

    def _look_up(self, clean: pl.DataFrame) -> pl.DataFrame:
        for name, lookup in self.layout.lookup.items():
            by = self._text(lookup.by, None).alias("__by")
            key = f"{name}.{lookup.key}"
            clean = clean.with_columns(by).join(
                self._lookups[name], left_on="__by", right_on=key, how="left", coalesce=False, maintain_order="left"
            )
        return clean

    def _mark_damaged(self, clean: pl.DataFrame, said: Said) -> pl.DataFrame:
        read = [name for name in self.used_columns if name in self._columns]
        read += [name for lookup in self._lookups.values() for name in lookup.columns]
        hit = [name for name in read if said.get(name, clean[name]).str.contains(REPLACEMENT, literal=True).any()]
        damaged = pl.any_horizontal(pl.col(hit).str.contains(REPLACEMENT, literal=True).fill_null(value=False))
        return clean.with_columns((damaged if hit else pl.lit(value=False)).alias(DAMAGED))

    def _records(self, clean: pl.DataFrame, said: Said, part: str | None) -> pl.DataFrame:
        values: list[pl.Expr | pl.Series] = []
        marks: list[pl.Series] = []
        for name, field in self.fields.items():
            source = self._source(name)
            if source is None:
                values.append(self._default(name, field, part).alias(name))
                continue
            text = clean.with_columns(self._text(source, part).alias(name))[name]
            if _is_free_text(field, source):
                values.append(text)
            else:
                typed = partial(_typed, field=field, source=source, dates=self._dates(source))
                value = _converted(text, self._said_by(source, part, text, said), typed)
                values.append(value)
                marks.append(_unreadable(text, value, source).alias(UNREADABLE + name))
            if field.keep_source:
                values.append(text.alias(f"{name}_source"))
        kept = [pl.lit(part, pl.String).alias(PART), pl.col(ROW).cast(pl.Int64).alias("source_row")]
        long = (pl.col(OVERFLOW).is_not_null()).alias(UNREADABLE + OVERFLOW)
        raw_conditions = [pl.col(name).alias(f"__raw_{name}") for name in self._condition_columns()]
        records = clean.select(*kept, *values, *marks, long, DAMAGED, *raw_conditions)
        records = records.with_columns(*self._levels(records), pl.lit(self.partition.state).alias("state"))
        return records.with_columns(self._excluded(part)).drop(pl.selectors.starts_with("__raw_"))

    def _dates(self, source: Source) -> tuple[str, ...]:
        """The formats of a date. A cell that Excel itself holds as a date comes as an ISO date, however it looks."""
        return (*(source.date or ()), *((ISO_DATE,) if self.layout.read.format == "excel" else ()))

    def _levels(self, records: pl.DataFrame) -> list[pl.Series]:
        levels = self.layout.levels
        if levels is None:
            return []
        order = {level: place for place, level in enumerate(levels.order, start=1)}
        proficient = {
            level: "yes" if place >= order[levels.proficient_from] else "no" for level, place in order.items()
        }
        level = records["performance_level"]
        few = _few(level)
        return [
            _converted(level, few, partial(_mapped, known=order, to=pl.Int64())).alias("level_order"),
            _converted(level, few, partial(_mapped, known=proficient, to=pl.String())).alias("proficient"),
        ]

    def _excluded(self, part: str | None) -> pl.Expr:
        """The first reason that holds; a voided result is out whether or not the layout says so."""
        reasons = [pl.when(self._not_tested(part)).then(pl.lit(NOT_TESTED))]
        if VOID in self.fields:
            reasons.append(pl.when(pl.col(VOID) == "yes").then(pl.lit(VOID)))
        for reason, conditions in self.layout.exclude.items():
            met = pl.all_horizontal(self._met(name, condition) for name, condition in conditions.items())
            reasons.append(pl.when(met).then(pl.lit(reason)))
        return pl.coalesce(reasons).cast(pl.String).alias(EXCLUDED)

    def _not_tested(self, part: str | None) -> pl.Expr:
        """A record of which the file holds nothing but flags: the student did not sit the subject."""
        unpivot = self.layout.unpivot
        if unpivot is None or part is None:
            return pl.lit(value=False)
        told = [name for name in unpivot.fill if self.fields[name].type != "yes_no"]
        marks = [UNREADABLE + name for name in told if not _is_free_text(self.fields[name], unpivot.fill[name])]
        nothing = pl.all_horizontal(pl.col(name).is_null() for name in told)
        return nothing & ~pl.any_horizontal(marks) if marks else nothing

    def _met(self, name: str, condition: Condition) -> pl.Expr:
        if name in self.fields:
            value, field = pl.col(name).cast(pl.String), self.fields[name]
            wanted = [_canonical(text, field) for text in condition.values if text is not None]
        else:
            value, wanted = pl.col(f"__raw_{name}"), [text for text in condition.values if text is not None]
        met = value.is_in(wanted).fill_null(value=False) if wanted else pl.lit(value=False)
        if None in condition.values:
            met = met | value.is_null()
        return ~met if condition.negated else met

    def _default(self, name: str, field: Field, part: str | None) -> pl.Expr:
        unpivot = self.layout.unpivot
        if unpivot and name == unpivot.over:
            return pl.lit(part)
        if name == "school_year":
            return pl.lit(self.partition.school_year, pl.Int32)
        if name == "assessment":
            return pl.lit(self.layout.name)
        return pl.lit(None, POLARS_TYPES[field.type])

    def _source(self, name: str) -> Source | None:
        unpivot = self.layout.unpivot
        if unpivot and name in unpivot.fill:
            return unpivot.fill[name]
        source = self.layout.fill.get(name)
        if source and not self._columns.issuperset(self._named(source)):
            return None  # an optional column that this file does not have; the delivery names it
        return source

    def _text(self, source: Source, part: str | None) -> pl.Expr:
        if source.from_ is None:
            text = pl.lit(source.value)
        else:
            names = [name if self.layout.split(name)[0] else self._stem(name, part) for name in source.from_]
            text = pl.col(names[0]) if len(names) == 1 else pl.concat_str(names, separator=source.join)
        return text.str.zfill(source.width) if source.width else text

    def _said_by(self, source: Source, part: str | None, text: pl.Series, said: Said) -> pl.Series | None:
        """What the text of a source says; known already where the text is a column as it stands."""
        names = source.from_ or ()
        few = said.get(self._stem(names[0], part)) if len(names) == 1 and not source.width else None
        return _few(text) if few is None else few

    def _stem(self, column: str, part: str | None) -> str:
        unpivot = self.layout.unpivot
        return column.replace("{}", unpivot.stems[part]) if unpivot and part else column

    def _named(self, source: Source) -> list[str]:
        """Columns of the delivered file (not of its lookups) that a source names."""
        names = [name for name in source.from_ or () if not self.layout.split(name)[0]]
        unpivot = self.layout.unpivot
        stems = unpivot.stems.values() if unpivot else ()
        return [name.replace("{}", stem) for name in names for stem in (stems if "{}" in name else ("",))]

    def _condition_columns(self) -> list[str]:
        named = [name for conditions in self.layout.exclude.values() for name in conditions]
        return list(dict.fromkeys(name for name in named if name not in self.fields))

    def _require_columns(self) -> None:
        required = {c.field.of or c.name for c in self.layout.table.columns if c.required}
        needed = set(self.layout.recognise.columns) | set(self._condition_columns())
        for loc, source in self.layout.sources():
            if loc[0] != "fill" or loc[-1] in required:
                needed |= set(self._named(source))
        if missing := sorted(needed - self._columns):
            raise MissingColumnError(
                f"lacks {', '.join(missing)}, which layout {self.layout.name} needs; ask the sender for a file with it"
            )


def _lookup(layout: Layout, name: str, path: Path) -> pl.DataFrame:
    lookup = layout.lookup[name]
    beside = path.with_name(lookup.file)
    if not beside.exists():
        raise MissingColumnError(f"needs {lookup.file} beside it, which is not there; land the whole set in one folder")
    if beside.resolve().parent != path.resolve().parent:
        raise UnreadableFileError(
            f"needs {lookup.file} beside it, which is a link to another place; land the file itself"
        )
    frame = reading.whole(beside, layout.read).drop(ROW, OVERFLOW)
    named = [layout.split(column) for _, source in layout.sources() for column in source.from_ or ()]
    wanted = {lookup.key} | {column for owner, column in named if owner == name}
    if missing := sorted(wanted - set(frame.columns)):
        raise MissingColumnError(f"needs {', '.join(missing)} in {lookup.file}; ask the sender for a file with it")
    clean = frame.select(_present(pl.col(sorted(wanted)).str.strip_chars(), layout))
    # a key that stands twice would multiply rows; the first stands, as the file's own order says
    return clean.unique(lookup.key, keep="first", maintain_order=True).rename(lambda column: f"{name}.{column}")


def _present(text: pl.Expr, layout: Layout) -> pl.Expr:
    """The text, or empty where it stands for an empty cell; a quoted nothing is an empty cell as well."""
    return pl.when(~text.is_in(["", *layout.read.nulls])).then(text)


def _few(texts: pl.Series) -> pl.Series | None:
    """What a column says, each text once, if it says few things many times; None for ids and the like."""
    sample = texts[:SAMPLE]
    return texts.unique().drop_nulls() if sample.n_unique() <= FEW * sample.len() else None


def _converted(texts: pl.Series, few: pl.Series | None, convert: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """The texts converted; where they are few, each of them once. The same series where nothing changes."""
    if few is None:  # lazy, so that what the conversion names twice is worked out once
        return texts.to_frame().lazy().select(convert(pl.col(texts.name)).alias(texts.name)).collect().to_series()
    said = pl.concat([few, pl.Series([None], dtype=pl.String)])  # an empty cell comes last
    value = said.to_frame("said").select(convert(pl.col("said"))).to_series()
    if value.dtype == said.dtype and value.equals(said):
        return texts
    places = texts.cast(pl.Enum(few)).to_physical().fill_null(few.len())
    return value.gather(places).alias(texts.name)


def _mapped(text: pl.Expr, known: Mapping[str, object], to: pl.DataType) -> pl.Expr:
    return text.replace_strict(known, default=None, return_dtype=to)


def _unreadable(text: pl.Series, value: pl.Series, source: Source) -> pl.Series:
    """Where a text came to nothing, and the layout's map does not say that it is to be left empty."""
    lost = text.is_not_null() & value.is_null()
    if source.map is None or not lost.any():
        return lost
    meant = text.is_in([given for given, value in source.map.items() if value is None])
    return lost & ~(meant | ~text.is_in(list(source.map)) if source.map.get("*", "") is None else meant)


def _is_free_text(field: Field, source: Source) -> bool:
    return field.type == "text" and field.values is None and source.map is None


def _typed(text: pl.Expr, field: Field, source: Source, dates: tuple[str, ...]) -> pl.Expr:
    """The text as a value of the field; empty where it cannot be read as one."""
    if source.map is not None:
        other = source.map.get("*")
        known = {k: v for k, v in source.map.items() if k != "*"}
        default = pl.when(text.is_not_null()).then(pl.lit(other)) if "*" in source.map else pl.lit(None, pl.String)
        filled = text.fill_null("") if "" in known else text
        text = filled.replace_strict(known, default=default, return_dtype=pl.String)
    if source.date is not None:
        return _possible(pl.coalesce(text.str.to_date(pattern, strict=False) for pattern in dates))
    return _parse(text, field)


def _parse(text: pl.Expr, field: Field) -> pl.Expr:
    if parser := _PARSERS.get(field.type):
        return parser(text, field)
    if field.values is None:
        return text
    known = {word(value): value for value in field.values}
    said = text.str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_").str.strip_chars("_")
    return said.replace_strict(known, default=None, return_dtype=pl.String)


def _integer(text: pl.Expr, _: Field) -> pl.Expr:
    return text.cast(pl.Int64, strict=False)


def _number(text: pl.Expr, _: Field) -> pl.Expr:
    number = text.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _date(text: pl.Expr, _: Field) -> pl.Expr:
    """An ISO date; the time of a timestamp is left off."""
    return _possible(text.str.extract(r"^(\d{4}-\d{2}-\d{2})(?:[T ].*)?$").str.to_date(ISO_DATE, strict=False))


def _possible(date: pl.Expr) -> pl.Expr:
    return pl.when(date.dt.year().is_between(FIRST_YEAR, LAST_YEAR)).then(date)


def _yes_no(text: pl.Expr, _: Field) -> pl.Expr:
    known = dict.fromkeys(YES, "yes") | dict.fromkeys(NO, "no")
    return text.str.to_uppercase().replace_strict(known, default=None, return_dtype=pl.String)


def _grade(text: pl.Expr, field: Field) -> pl.Expr:
    bare = text.str.to_uppercase().replace(GRADE_WORDS)
    padded = pl.when(bare.str.contains(r"^\d$")).then("0" + bare).otherwise(bare)
    return pl.when(padded.is_in(list(field.values or ()))).then(padded)


def _school_year(text: pl.Expr, _: Field) -> pl.Expr:
    """2016, 2015-16, 2015-2016 and 2015_2016 are all the year that ends in 2016."""
    single = text.str.extract(r"^(\d{4})$").cast(pl.Int32, strict=False)
    start = text.str.extract(r"^(\d{4})[-_/ ]+(?:\d{4}|\d{2})$").cast(pl.Int32, strict=False)
    end = text.str.extract(r"^\d{4}[-_/ ]+(\d{4}|\d{2})$").cast(pl.Int32, strict=False)
    return pl.when((end % 100) == ((start + 1) % 100)).then(start + 1).otherwise(single)


_PARSERS: dict[str, Callable[[pl.Expr, Field], pl.Expr]] = {
    "integer": _integer,
    "number": _number,
    "date": _date,
    "yes_no": _yes_no,
    "grade": _grade,
    "school_year": _school_year,
}


def _canonical(text: str, field: Field) -> str:
    """A value of an exclusion as the field would hold it: `Y` of a yes_no field is `yes`."""
    value = pl.select(_parse(pl.lit(text), field).cast(pl.String)).item()
    return text if value is None else str(value)
