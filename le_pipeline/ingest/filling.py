"""Text to canonical fields, as a layout says: columns, maps, dates, lookups, several columns into rows.

A value that cannot be read as its field's type becomes empty, and its place is marked, so that the row is quarantined
and never kept with a silent gap.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import polars as pl

from le_pipeline.errors import MissingColumnError
from le_pipeline.home import Partition
from le_pipeline.ingest import published
from le_pipeline.ingest.coded import Coded, Coding, as_texts, coding_of
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.header import OVERFLOW, ROW
from le_pipeline.ingest.lookup import LOOKUP_KEY, of_several, read_lookup
from le_pipeline.ingest.value import (
    ISO_DATE,
    as_field_holds_it,
    extracted,
    is_damaged_id,
    is_free_text,
    is_id,
    is_meant_empty,
    of_width,
    present,
    put_together,
    typed,
)
from le_pipeline.privacy.pseudonym import canonical_id
from le_pipeline.warehouse.lake import POLARS_TYPES
from schemas.layout import ANY, FILE, SHEET, Condition, Layout, Levels, Source, Unpivot
from schemas.registry import Field

PART = "part"
EXCLUDED = "excluded_by"
FAULT = "__fault"  # marks of faults are named __fault:<rule>:<field>
DAMAGED = "__damaged"
RESTORED = "__restored"
NOT_TESTED = "not_tested"
NOT_ON_ROSTER = "not_on_roster"
REPLACEMENT = "\ufffd"  # what a byte that is not in the encoding is read as

CODES = "le_pipeline"  # the namespace of the codes of fields
CONSTANT = ("state", "proficient")  # or made of what is coded, beside the fields

VOID = "void"
TEXT = "__text"  # what is judged
CELL_FAULTS = ("damaged_id", "unreadable", "formula")
MANY = 10_000  # rows; for fewer it does not pay to work anything out beforehand

# a cell without a letter, an address, a cell of several, a long number: what stands in records, hardly ever in a header
LOOKS_LIKE_DATA = re.compile(r"^[\W\d_]*$|[@,;\r\n]|\d{5}|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
FORMULA = r"^(?:[=@]|[+-].*[(|!])"


@dataclasses.dataclass(frozen=True)
class Identity:
    """Which column holds the id, and the roster's id for each of its values; without a roster, the value itself."""

    column: str
    roster: pl.DataFrame | None = None  # columns given, student_id


PUBLISHED = "__published"  # a published figure as it is printed

Judge = Callable[[pl.Expr], dict[str, pl.Expr]]  # what a text comes to, by name
Judged = Mapping[str, pl.Expr | pl.Series]


@dataclasses.dataclass
class _Cells:
    """What the fields of one part of the rows come to: values, faults by rule and field, ids that were put right.

    `said`: what the coded columns say, which are not among the clean ones; `codes`: how fields are coded; `numbers`:
    columns of whole numbers alone, in which no sign is amiss.
    """

    clean: pl.DataFrame
    said: dict[str, Coded]
    numbers: set[str]
    codes: Coding
    unpivot: Unpivot | None
    over: dict[str, str]
    values: dict[str, pl.Expr | pl.Series] = dataclasses.field(default_factory=dict)
    faults: dict[tuple[str, str], pl.Expr | pl.Series] = dataclasses.field(default_factory=dict)
    restored: list[pl.Expr | pl.Series] = dataclasses.field(default_factory=list)


class Filler:
    """Brings the batches of one document into the fields of its layout's feed."""

    def __init__(
        self,
        layout: Layout,
        document: Document,
        columns: list[str],
        partition: Partition,
        identities: dict[str, Identity] | None = None,
    ) -> None:
        self.layout = layout
        self.partition = partition
        self.fields = layout.table.source_fields
        self._document = document
        self._header = columns
        self._columns = {*columns, FILE, SHEET}
        self._identities = identities or {}
        self._lookups = {name: read_lookup(layout, name, document) for name in layout.lookup}
        self._require_columns()

    @property
    def single_columns(self) -> list[str]:
        """Columns of which every cell fills a field by itself, so that they may come as codes."""
        alone: dict[str, bool] = dict.fromkeys([*self.layout.explode, *self._condition_columns()], False)
        for loc, source in self.layout.sources():
            is_alone = loc[0] != "lookup" and source.from_ is not None and len(source.from_) == 1
            for name in self.layout.names(source):
                alone[name] = alone.get(name, True) and is_alone
        return [name for name, is_alone in alone.items() if is_alone and name in self._header and not self._multiplies]

    @property
    def _multiplies(self) -> bool:
        """Whether a row of the file becomes several before its cells are read."""
        return bool(self.layout.explode)

    @property
    def used_columns(self) -> list[str]:
        """Columns of the delivered file that the layout reads, in order."""
        named = [column for _, source in self.layout.sources() for column in self._named(source)]
        named += [name for name in self.layout.explode if name not in named]
        return list(dict.fromkeys(named + self._own(self._condition_columns())))

    @property
    def unknown_columns(self) -> list[str]:
        """Columns of the delivered file that the layout neither reads nor ignores.

        By name, or by place where a name may be data: where the line end below the header is lost, or a quote left
        open, the header goes on with somebody's record.
        """
        known = self.known_columns
        shown = [shown for name, shown in self.shown_columns.items() if name not in known]
        return shown if any(name.startswith("column ") for name in shown) else sorted(shown)

    @property
    def known_columns(self) -> set[str]:
        """Columns of the delivered file that the layout reads or ignores."""
        named = {*self.used_columns, *self.layout.recognise.columns}
        known = [*map(fnmatch.translate, self.layout.ignore), *map(re.escape, named)]
        is_known = re.compile("|".join(known)).fullmatch
        return {name for name in self._header if is_known(name)}

    @property
    def shown_columns(self) -> dict[str, str]:
        """Every column of the delivered file with the name that may be told of it."""
        known = self.known_columns
        is_data = any(LOOKS_LIKE_DATA.search(name) for name in self._header if name not in known)
        places = enumerate(self._header, start=1)
        return {name: f"column {place}" if is_data and name not in known else name for place, name in places}

    @property
    def missing_columns(self) -> list[str]:
        """Columns that the layout reads and the delivered file does not have; their fields stay empty."""
        return [name for name in self.used_columns if name not in self._columns | self._optional_columns()]

    def source_columns(self, field: str, part: str | None) -> list[str]:
        """The column or columns of the file that a field comes from; the field's own name where it has none."""
        unpivot, values = self._part(part)
        source = self._source(field, unpivot)
        if source is None or source.value is not None:
            return [field]
        if source.candidates:
            return self._there(source.candidates)
        names = [unpivot.column(name, values) if unpivot else name for name in source.columns]
        return (self._there(names) or names) if source.either else names

    def label(self, field: str, part: str | None) -> str:
        """What a person calls these columns: put together, or one instead of the other."""
        source = self._source(field, self._part(part)[0])
        return (" or " if source and source.reads_one_of_several else "+").join(self.source_columns(field, part))

    def words(self, field: str, part: str | None) -> tuple[str, ...]:
        """What the cells of a field may say where the layout maps them."""
        source = self._source(field, self._part(part)[0]) if field in self.fields else None
        return tuple(said for said in (source.map if source and source.map else {}) if said not in ("", "*"))

    def fill(self, raw: pl.DataFrame) -> pl.DataFrame:
        """One row per record: the feed's fields, `part`, `excluded_by` and the marks of faults.

        Where columns come as codes (of `single_columns`), the fields that they fill are coded as well.
        """
        codes = self._codes(raw)
        clean, said, numbers = self._clean(raw)
        clean = self._identify(self._mark_damaged(self._look_up(self._explode(clean)), said, numbers))
        if not self.layout.unpivot:
            return self._records(_Cells(clean, said, numbers, codes, None, {}), None)
        records = [
            self._records(_Cells(clean, said, numbers, codes, unpivot, values), part)
            for unpivot in self.layout.unpivot
            for part, values in unpivot.parts.items()
        ]
        return pl.concat(records, how="diagonal").with_columns(pl.selectors.boolean().fill_null(value=False))

    # -- rows of the file ----------------------------------------------------------------------------------------

    def _codes(self, raw: pl.DataFrame) -> Coding:
        """The fields that are coded: what coded columns fill, and constants beside them."""
        coded = coding_of(raw)
        if not coded:
            return {}
        texts = {name for name, field in self.fields.items() if POLARS_TYPES[field.type] == pl.String}
        uncoded = {
            loc[-1] for loc, source in self.layout.sources() if not coded.keys() >= set(self.layout.names(source))
        }
        fields = [*(name for name in texts if name not in uncoded), *CONSTANT]
        kept = [f"{name}_source" for name in fields if name in texts and self.fields[name].keep_source]
        return {name: pl.Categorical(pl.Categories(name, CODES)) for name in (*fields, *kept)}

    def _clean(self, raw: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, Coded], set[str]]:
        """The rows with clean texts, what is said in the columns that are coded, and which hold numbers alone."""
        places = {FILE: self._document.file_name, SHEET: self._document.sheet}
        used = self.used_columns
        raw = raw.with_columns(pl.lit(text, pl.String).alias(name) for name, text in places.items() if name in used)
        names = [name for name in used if name in self._columns]
        said = {name: Coded.of(raw[name]) for name in coding_of(raw)}
        said = {name: one for name, one in said.items() if one.is_worth_it}
        said = {name: Coded(self._present_in(one.texts.alias(name)), one.places) for name, one in said.items()}
        rest = [name for name in names if name not in said]
        texts = as_texts(raw.drop(said))
        numbers = {name for name in rest if _are_numbers(texts[name])}
        bare = (pl.col(name) if name in numbers else pl.col(name).str.strip_chars() for name in rest)
        return texts.with_columns(present(text, self.layout) for text in bare), said, numbers

    def _present(self, name: str) -> pl.Expr:
        return present(pl.col(name).str.strip_chars(), self.layout)

    def _present_in(self, texts: pl.Series) -> pl.Series:
        return texts.to_frame().select(self._present(texts.name)).to_series()

    def _explode(self, clean: pl.DataFrame) -> pl.DataFrame:
        for column, separator in self.layout.explode.items():
            if column in self._columns:
                clean = clean.with_columns(pl.col(column).str.split(separator)).explode(column)
                clean = clean.with_columns(self._present(column))
        return clean

    def _look_up(self, clean: pl.DataFrame) -> pl.DataFrame:
        for name, lookup in self.layout.lookup.items():
            clean = clean.with_columns(extracted(self._given(lookup.by, None, {}), lookup.by).alias("__by"))
            found = self._lookups[name]
            if lookup.split:
                found = of_several(found, clean["__by"], name, lookup)
            clean = clean.join(
                found,
                left_on="__by",
                right_on=f"{name}.{LOOKUP_KEY}",
                how="left",
                coalesce=False,
                maintain_order="left",
            )
        return clean

    def _mark_damaged(self, clean: pl.DataFrame, said: dict[str, Coded], numbers: set[str]) -> pl.DataFrame:
        read = [name for name in self.used_columns if name in clean.columns and name not in numbers]
        read += [name for lookup in self._lookups.values() for name in lookup.columns]
        marks: list[pl.Expr | pl.Series] = [pl.col(name).str.contains(REPLACEMENT, literal=True) for name in read]
        for one in said.values():
            is_damaged = one.texts.str.contains(REPLACEMENT, literal=True)
            marks += [one.of_rows(is_damaged)] if is_damaged.any() else []
        damaged = pl.any_horizontal(pl.lit(value=False), *marks).fill_null(value=False)
        return clean.with_columns(damaged.alias(DAMAGED))

    def _identify(self, clean: pl.DataFrame) -> pl.DataFrame:
        """The id that the roster has for what the chosen column holds, and whether it has none."""
        for field, identity in self._identities.items():
            source = self._source(field, None)
            given = of_width(pl.col(identity.column), source.width if source else None)
            if identity.roster is None:
                clean = clean.with_columns(given.alias(f"__{field}"), pl.lit(value=False).alias(f"__{field}_missing"))
                continue
            clean = (
                clean.with_columns(canonical_id(given).alias("__given"))
                .join(identity.roster, left_on="__given", right_on="given", how="left", maintain_order="left")
                .rename({"roster_id": f"__{field}"})
                .with_columns(
                    (pl.col("__given").is_not_null() & pl.col(f"__{field}").is_null()).alias(f"__{field}_missing")
                )
                .drop("__given")
            )
        return clean

    # -- records -------------------------------------------------------------------------------------------------

    def _records(self, cells: _Cells, part: str | None) -> pl.DataFrame:
        unpivot, over = cells.unpivot, cells.over
        for name, field in self.fields.items():
            source = self._source(name, unpivot)
            if source is None:
                cells.values[name] = self._default(name, field, over)
            else:
                self._read(cells, name, source)
        overflow = "record_length" if self.layout.read.format == "fixed_width" else "too_many_cells"
        cells.faults[overflow, ""] = pl.col(OVERFLOW).is_not_null()
        records = cells.clean.select(
            pl.lit(part, pl.String).alias(PART),
            pl.col(ROW).cast(pl.Int64).alias("source_row"),
            *(value.alias(name) for name, value in cells.values.items()),
            *(
                fault.fill_null(value=False).alias(f"{FAULT}:{rule}:{name}")
                for (rule, name), fault in cells.faults.items()
            ),
            pl.sum_horizontal(pl.lit(0, pl.UInt32), *cells.restored).alias(RESTORED),
            DAMAGED,
            *(
                pl.col(unpivot.column(name, over) if unpivot else name).alias(f"__raw_{name}")
                for name in self._conditions()
            ),
        )
        records = records.with_columns(*self._levels(records, cells.codes), pl.lit(self.partition.state).alias("state"))
        records = self._with_bounds(records, unpivot)
        records = records.cast({name: type_ for name, type_ in cells.codes.items() if name in records.columns})
        told = self._told(unpivot) if unpivot else ()
        return records.with_columns(self._excluded(records, told)).drop(pl.selectors.starts_with("__raw_"))

    def _read(self, cells: _Cells, name: str, source: Source) -> None:
        """Add what one field comes to: its value, what is kept beside it, and what is wrong with it."""
        field = self.fields[name]
        given = self._given(source, cells.unpivot, cells.over)
        if source.candidates:
            given = pl.col(f"__{name}")
            cells.faults[NOT_ON_ROSTER, name] = pl.col(f"__{name}_missing")
        is_doubtful = not source.candidates and is_id(field)
        is_number = source.from_ is not None and cells.numbers.issuperset(self._columns_of(cells, source))
        is_doubtful = is_doubtful and bool(
            source.width or (field.privacy == "direct" and not is_number) or self._may_be_damaged(cells, source)
        )
        judge = partial(self._judge, field=field, source=source, is_doubtful=is_doubtful, is_number=is_number)
        types = {"value": cells.codes.get(name), "text": cells.codes.get(f"{name}_source")}
        judged = _once_per_text(cells.clean, given, self._said_by(cells, source), judge, types)
        if field.is_published:
            cells.values[PUBLISHED] = judged["text"]
        cells.values[name] = judged["value"]
        if field.keep_source:
            cells.values[f"{name}_source"] = judged["text"]
        if "restored" in judged:
            cells.restored.append(judged["restored"])
        cells.faults |= {(rule, name): judged[rule] for rule in CELL_FAULTS if rule in judged}

    def _judge(
        self, given: pl.Expr, *, field: Field, source: Source, is_doubtful: bool, is_number: bool
    ) -> dict[str, pl.Expr]:
        """What the text given in a cell comes to: the text that is meant, its value, and what is wrong with it.

        `is_doubtful`: it is an id that a spreadsheet may have damaged; `is_number`: it is made of digits.
        """
        judged: dict[str, pl.Expr] = {}
        text = extracted(given, source)
        if is_doubtful:
            judged["damaged_id"] = damaged = is_damaged_id(text, field, source.width)
            whole = of_width(text, source.width)
            judged["restored"] = (whole != text).fill_null(value=False) & ~damaged
            text = pl.when(~damaged).then(whole)
        value = typed(text, field, source, self._dates(source))
        unreadable = []
        if not is_free_text(field, source):
            unreadable.append(text.is_not_null() & value.is_null() & ~is_meant_empty(text, source))
        if source.extract and "" not in (source.map or {}):
            unreadable.append(given.is_not_null() & text.is_null())
        if unreadable:
            judged["unreadable"] = pl.any_horizontal(unreadable)
        if is_free_text(field, source) and (field.privacy != "none" or is_id(field)):
            judged["formula"] = pl.lit(value=False) if is_number else text.str.contains(FORMULA)
        return judged | {"text": text, "value": value}

    def _said_by(self, cells: _Cells, source: Source) -> Coded | None:
        """What the texts of a source say, where they are a column as it stands and it is known of that."""
        if source.from_ is None or len(source.from_) > 1:
            return None
        return cells.said.get(self._columns_of(cells, source)[0])

    def _columns_of(self, cells: _Cells, source: Source) -> list[str]:
        return [cells.unpivot.column(name, cells.over) if cells.unpivot else name for name in source.columns]

    def _may_be_damaged(self, cells: _Cells, source: Source) -> bool:
        """Whether any cell has what a spreadsheet leaves; to ask so first spares a slow search of every id."""
        there = {*cells.clean.columns, *cells.said} - cells.numbers
        columns = (name for name in self._columns_of(cells, source) if name in there)
        texts = (cells.said[name].texts if name in cells.said else cells.clean[name] for name in columns)
        return any(text.str.contains(sign, literal=True).any() for text in texts for sign in (".0", "E+"))

    def _with_bounds(self, records: pl.DataFrame, unpivot: Unpivot | None) -> pl.DataFrame:
        published_fields = [name for name, field in self.fields.items() if field.is_published]
        if PUBLISHED not in records.columns:
            return records
        source = self._source(published_fields[0], unpivot)
        read = published.bounds(pl.col(PUBLISHED), pl.col("measure_unit"), source.marks if source else ())
        unreadable = read.pop("is_unreadable").alias(f"{FAULT}:unreadable:{published_fields[0]}")
        return records.with_columns(*(value.alias(name) for name, value in read.items()), unreadable).drop(
            "__published"
        )

    def _dates(self, source: Source) -> tuple[str, ...]:
        """The formats of a date. What a workbook or Parquet itself holds as a date comes as an ISO date."""
        is_typed = self.layout.read.format in ("excel", "parquet")
        return (*(source.date or ()), *((ISO_DATE,) if is_typed else ()))

    def _levels(self, records: pl.DataFrame, codes: Coding) -> list[pl.Expr]:
        if not self.layout.levels:
            return []
        orders: list[pl.Expr | pl.Series] = []
        proficient: list[pl.Expr | pl.Series] = []
        given = records["performance_level"]
        said = Coded.of(given) if isinstance(given.dtype, pl.Categorical) else None
        types = {"proficient": codes.get("proficient")}
        for assessment, levels in self.layout.levels.items():
            judge = partial(_level, levels=levels)
            told = _once_per_text(records, pl.col("performance_level"), said, judge, types)
            if assessment != ANY:
                is_meant = pl.col("assessment") == assessment
                told = {name: pl.when(is_meant).then(column) for name, column in told.items()}
            orders.append(told["order"])
            proficient.append(told["proficient"])
        return [pl.coalesce(orders).alias("level_order"), pl.coalesce(proficient).alias("proficient")]

    def _excluded(self, records: pl.DataFrame, told: tuple[str, ...]) -> pl.Expr:
        """The first reason that holds; a voided result is out whether or not the layout says so."""
        reasons = []
        if told:
            marks = [pl.col(name) for name in records.columns if name.startswith(FAULT) and name.split(":")[2] in told]
            nothing = pl.all_horizontal(pl.col(name).is_null() for name in told)
            reasons.append(pl.when(nothing & ~pl.any_horizontal(marks) if marks else nothing).then(pl.lit(NOT_TESTED)))
        if VOID in self.fields:
            reasons.append(pl.when(pl.col(VOID) == "yes").then(pl.lit(VOID)))
        for reason, conditions in self.layout.exclude.items():
            met = pl.all_horizontal(self._met(name, condition) for name, condition in conditions.items())
            reasons.append(pl.when(met).then(pl.lit(reason)))
        if not reasons:
            return pl.lit(None, pl.String).alias(EXCLUDED)
        return pl.coalesce(reasons).cast(pl.String).alias(EXCLUDED)

    def _told(self, unpivot: Unpivot) -> tuple[str, ...]:
        """What a record needs any of; where the file holds nothing but flags, the student did not sit the subject."""
        told = [name for name in unpivot.fill if self.fields[name].type != "yes_no"]
        return tuple(told + (["mark"] if any(self.fields[name].is_published for name in told) else []))

    def _met(self, name: str, condition: Condition) -> pl.Expr:
        if name in self.fields:
            value, field = pl.col(name).cast(pl.String), self.fields[name]
            wanted = [as_field_holds_it(text, field) for text in condition.values if text is not None]
        else:
            value, wanted = pl.col(f"__raw_{name}"), [text for text in condition.values if text is not None]
        met = value.is_in(wanted).fill_null(value=False) if wanted else pl.lit(value=False)
        if None in condition.values:
            met = met | value.is_null()
        return ~met if condition.negated else met

    def _default(self, name: str, field: Field, over: dict[str, str]) -> pl.Expr:
        if name in over:
            return pl.lit(over[name])
        if name == "school_year":
            return pl.lit(self.partition.school_year, pl.Int32)
        if name == "assessment":
            return pl.lit(self.layout.name)
        return pl.lit(None, POLARS_TYPES[field.type])

    # -- sources -------------------------------------------------------------------------------------------------

    def _part(self, part: str | None) -> tuple[Unpivot | None, dict[str, str]]:
        found = ((unpivot, unpivot.parts[part]) for unpivot in self.layout.unpivot if part and part in unpivot.parts)
        return next(found, (None, {}))

    def _source(self, name: str, unpivot: Unpivot | None) -> Source | None:
        if unpivot and name in unpivot.fill:
            return unpivot.fill[name]
        source = self.layout.fill.get(name)
        if source is None:
            return None
        named = self._there(source.columns) if source.reads_one_of_several else self._named(source)
        if source.either and not named:
            return None
        # an optional column that this file does not have stays empty; the delivery names it
        return source if self._columns.issuperset(named) else None

    def _there(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self._columns]

    def _given(self, source: Source, unpivot: Unpivot | None, over: dict[str, str]) -> pl.Expr:
        """What the columns of a source hold, put together."""
        if source.value is not None:
            return pl.lit(source.value)
        if source.candidates:
            return pl.lit(None, pl.String)  # what the roster has stands in a column of its own
        names = [unpivot.column(name, over) if unpivot else name for name in source.columns]
        there = [pl.col(name) if self._is_there(name) else pl.lit(None, pl.String) for name in names]
        return put_together(source, there)

    def _is_there(self, name: str) -> bool:
        return name in self._columns or self.layout.split(name)[0] is not None

    def _named(self, source: Source) -> list[str]:
        """Columns of this file that a source names; where it has none of several that would do, all of them."""
        names = self.layout.named(source)
        return (self._there(names) or names) if source.reads_one_of_several else names

    def _own(self, names: list[str]) -> list[str]:
        return [name for name in names if not self.layout.split(name)[0]]

    def _optional_columns(self) -> set[str]:
        """Columns that a file may lack: those of optional sources, and those that lead to an optional lookup."""
        sources = [source for _, source in self.layout.sources() if source.optional]
        sources += [lookup.by for lookup in self.layout.lookup.values() if lookup.optional]
        return {name for source in sources for name in self.layout.named(source)}

    def _conditions(self) -> list[str]:
        """What conditions name that is no field: columns, with a placeholder where they differ from part to part."""
        named = [name for conditions in self.layout.exclude.values() for name in conditions]
        return list(dict.fromkeys(name for name in named if name not in self.fields))

    def _condition_columns(self) -> list[str]:
        parts = [(unpivot, part) for unpivot in self.layout.unpivot for part in unpivot.parts.values()]
        named = [unpivot.column(name, part) for name in self._conditions() for unpivot, part in parts]
        return list(dict.fromkeys(named)) if parts else self._conditions()

    def _require_columns(self) -> None:
        required = {c.field.of or c.name for c in self.layout.table.columns if c.required}
        needed = set(self.layout.recognise.columns) | set(self._own(self._condition_columns()))
        for loc, source in self.layout.sources():
            if source.candidates and not self._there(source.candidates):
                needed |= {source.candidates[0]}
            elif not source.candidates and (loc[0] == "lookup" or loc[-1] in required):
                needed |= set(self._named(source))
        if missing := sorted(needed - self._columns - self._optional_columns()):
            raise MissingColumnError(
                f"lacks {', '.join(missing)}, which layout {self.layout.name} needs; ask the sender for a file with it"
            )


def _once_per_text(
    frame: pl.DataFrame, given: pl.Expr, said: Coded | None, judge: Judge, types: Mapping[str, pl.Categorical | None]
) -> Judged:
    """What is given in each row, judged; where it is coded, every text once.

    Args:
        frame: the rows.
        given: the text that is judged.
        said: what it says, where it is coded.
        judge: what a text comes to.
        types: how that is coded, by its name.
    """
    if said is None and frame.height < MANY:
        return judge(given)
    texts = frame.select(given).to_series() if said is None else said.texts
    if said is None and texts.len() < frame.height:  # a constant
        return judge(given)
    # lazy, so that what the judgement names twice is worked out once
    judged = texts.alias(TEXT).to_frame().lazy().select(**judge(pl.col(TEXT))).collect().to_dict()
    if said is None:
        return judged
    return {name: _of_rows(values, said, types.get(name)) for name, values in judged.items()}


def _of_rows(values: pl.Series, said: Coded, type_: pl.Categorical | None) -> pl.Expr | pl.Series:
    """What stands for each text, row by row; nothing is copied where nothing is wrong."""
    if values.dtype == pl.Boolean and not values.any():
        return pl.lit(value=False)
    return said.of_rows(values.cast(type_) if type_ is not None else values)


def _level(level: pl.Expr, levels: Levels) -> dict[str, pl.Expr]:
    """The place of a level in its order, and whether it counts as proficient."""
    order = {name: place for place, name in enumerate(levels.order, start=1)}
    first = order[levels.proficient_from]
    proficient = {name: "yes" if place >= first else "no" for name, place in order.items()}
    return {
        "order": level.replace_strict(order, default=None, return_dtype=pl.Int64),
        "proficient": level.replace_strict(proficient, default=None, return_dtype=pl.String),
    }


def _are_numbers(texts: pl.Series) -> bool:
    """Whether every text is a whole number above nothing; soon told, and spares a search for every sign."""
    if texts.len() < MANY:
        return False
    numbers = texts.cast(pl.Int64, strict=False)
    return numbers.null_count() == texts.null_count() and numbers.min() is not None and (numbers <= 0).sum() == 0
