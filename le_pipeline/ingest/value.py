"""What the text of a cell is as a value of a field: put together, read as a type, or known to be no id.

Everything here is an expression over texts; what cannot be read is empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl

from schemas.layout import Layout, Source
from schemas.registry import NO, YES, Field, word

ORDINALS = [
    *("FIRST", "SECOND", "THIRD", "FOURTH", "FIFTH", "SIXTH"),
    *("SEVENTH", "EIGHTH", "NINTH", "TENTH", "ELEVENTH", "TWELFTH"),
]
# what files say for a grade: numbers, the codes of CEDS and OneRoster, the words of Ed-Fi and Clever; without blanks
GRADE_WORDS = {
    **dict.fromkeys(("K", "0", "00", "TK", "KINDERGARTEN", "TRANSITIONALKINDERGARTEN"), "KG"),
    **dict.fromkeys(("P", "PS", "PR", "IT", "PREKINDERGARTEN", "PRESCHOOL", "PRESCHOOLPREKINDERGARTEN"), "PK"),
    **dict.fromkeys(("INFANTTODDLER", "EARLYEDUCATION"), "PK"),
    **dict.fromkeys(("UNGRADED", "OTHER"), "UG"),
    **{f"{ordinal}GRADE": f"{place:02d}" for place, ordinal in enumerate(ORDINALS, start=1)},
}
ISO_DATE = "%Y-%m-%d"
FIRST_YEAR, LAST_YEAR = 1900, 2100  # `%Y` reads 1/2/16 as the year 16
SPREADSHEET_EXPONENT = r"^\d(?:\.\d+)?E\+\d+$"
SPREADSHEET_DECIMAL = r"^\d+\.0+$"
PERCENT = r"^(\d+(?:\.\d*)?|\.\d+)\s*%?$"
# what is nobody's id: a fraction, a number below nothing or of zeros alone, an answer, an error, a word for none
NO_ID = r"(?i)^(?:-.*|\d*\.\d*[1-9]\d*|0+|true|false|#.*|n/?a|null|none|nan)$"


def put_together(source: Source, cells: list[pl.Expr]) -> pl.Expr:
    """One text from the cells of a source's columns."""
    if source.either:
        return pl.coalesce(cells)
    if source.flags:
        return _flagged(source, source.flags, cells)
    return cells[0] if len(cells) == 1 else _joined(cells, source)


def _joined(there: list[pl.Expr], source: Source) -> pl.Expr:
    """Several columns put together; empty where one of them is, or only where all are."""
    if not source.keep_empty:
        return pl.concat_str(there, separator=source.join)
    filled = pl.concat_str([text.fill_null("") for text in there], separator=source.join)
    return pl.when(pl.any_horizontal(text.is_not_null() for text in there)).then(filled)


def _flagged(source: Source, flags: dict[str, str], cells: list[pl.Expr]) -> pl.Expr:
    """The value whose flag says yes; a cell that is no flag stands for itself, so that it is found unreadable."""
    said = [cell.str.to_uppercase() for cell in cells]
    is_set = {value: flag.is_in(YES).fill_null(value=False) for value, flag in zip(flags, said, strict=True)}
    strange = [pl.when(~flag.is_in([*YES, *NO])).then(cell) for flag, cell in zip(said, cells, strict=True)]
    first = [pl.when(is_set[source.first]).then(pl.lit(source.first))] if source.first else []
    several = [pl.when(pl.sum_horizontal(is_set.values()) > 1).then(pl.lit(source.several))] if source.several else []
    return pl.coalesce(
        [*strange, *first, *several, *(pl.when(flag).then(pl.lit(value)) for value, flag in is_set.items())]
    )


def extracted(given: pl.Expr, source: Source) -> pl.Expr:
    """The part of the text that is meant."""
    if source.extract:
        given = pl.coalesce(given.str.extract(found, re.compile(found).groups) for found in source.extract)
    return given.str.zfill(source.width) if source.width and source.date else given


def present(text: pl.Expr, layout: Layout) -> pl.Expr:
    """The text, or empty where it stands for an empty cell; a quoted nothing is an empty cell as well."""
    return pl.when(~text.is_in(["", *layout.read.nulls])).then(text)


def is_meant_empty(text: pl.Expr, source: Source) -> pl.Expr:
    """Whether the layout's map says of the value that it is to be left empty."""
    known = source.map or {}
    meant = text.is_in([given for given, value in known.items() if value is None])
    return meant | ~text.is_in(list(known)) if "*" in known and known["*"] is None else meant


def is_free_text(field: Field, source: Source) -> bool:
    """Whether a cell may say anything at all."""
    return field.type == "text" and field.values is None and source.map is None


def is_id(field: Field) -> bool:
    """Whether the field is an id as an issuer gives it."""
    return field.type == "text" and field.name.endswith("_id") and field.name != "delivery_id"


def is_damaged_id(text: pl.Expr, field: Field, width: int | None) -> pl.Expr:
    """Whether a spreadsheet has taken from the id what nobody can give back, or it is no person's id at all."""
    signs = [SPREADSHEET_EXPONENT, *([] if width else [SPREADSHEET_DECIMAL])]
    damaged = text.str.contains("|".join(signs))
    if width:
        damaged |= text.str.replace(r"\.0+$", "").str.len_chars() > width
    return damaged | text.str.contains(NO_ID) if field.privacy == "direct" else damaged


def of_width(text: pl.Expr, width: int | None) -> pl.Expr:
    """The id with the zeros that a spreadsheet has dropped, and without the decimals that it has added."""
    if not width:
        return text
    bare = pl.when(text.str.contains(SPREADSHEET_DECIMAL)).then(text.str.replace(r"\.0+$", "")).otherwise(text)
    return pl.when(bare.str.contains(r"^\d+$")).then(bare.str.zfill(width)).otherwise(bare)


def typed(text: pl.Expr, field: Field, source: Source, dates: tuple[str, ...]) -> pl.Expr:
    """The text as a value of the field; empty where it cannot be read as one."""
    if source.map is not None:
        other = source.map.get("*")
        known = {k: v for k, v in source.map.items() if k != "*"}
        default = pl.lit(None, pl.String)
        if "*" in source.map:  # nothing may pass for any other value because of its capitals
            folded = {k.lower(): v for k, v in reversed(known.items())}
            default = pl.when(text.is_not_null()).then(
                text.str.to_lowercase().replace_strict(folded, default=pl.lit(other), return_dtype=pl.String)
            )
        filled = text.fill_null("") if "" in known else text
        text = filled.replace_strict(known, default=default, return_dtype=pl.String)
    if field.is_published:
        return pl.lit(None, pl.Float64)  # read with its bounds, once the record's unit is known
    if source.date is not None:
        return _possible(pl.coalesce(text.str.to_date(pattern, strict=False) for pattern in dates))
    value = _percent(text) if source.percent else _parse(text, field)
    return pl.when(value <= 1).then((value * 100).round(12)).otherwise(value) if source.proportion else value


def _percent(text: pl.Expr) -> pl.Expr:
    """The share that a percentage is. A workbook holds 50% as 0.5: without a sign, what is at most 1 may be either."""
    number = text.str.extract(PERCENT, 1).cast(pl.Float64, strict=False)
    is_unsure = ~text.str.ends_with("%") & (number > 0) & (number <= 1)
    return pl.when(~is_unsure).then((number / 100).round(12))


def _parse(text: pl.Expr, field: Field) -> pl.Expr:
    if parser := _PARSERS.get(field.type):
        return parser(text, field)
    if field.values is None:
        return text
    known = {word(value): value for value in field.values}
    said = text.str.to_lowercase().str.replace_all(r"[^a-z0-9]+", "_").str.strip_chars("_")
    return said.replace_strict(known, default=None, return_dtype=pl.String)


def as_field_holds_it(text: str, field: Field) -> str:
    """A value of an exclusion as the field would hold it: `Y` of a yes_no field is `yes`."""
    value = pl.select(_parse(pl.lit(text), field).cast(pl.String)).item()
    return text if value is None else str(value)


def _integer(text: pl.Expr, _: Field) -> pl.Expr:
    return _whole(text).cast(pl.Int64, strict=False)


def _whole(text: pl.Expr) -> pl.Expr:
    """The text without the decimals that a whole number gets where a column has gaps (`3.0`, as pandas writes it)."""
    return text.str.replace(r"^([+-]?\d+)\.0+$", "$1")


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
    bare = _whole(text.str.to_uppercase().str.replace_all("[ /]", "")).replace(GRADE_WORDS)
    padded = pl.when(bare.str.contains(r"^\d$")).then("0" + bare).otherwise(bare)
    return pl.when(padded.is_in(list(field.values or ()))).then(padded)


def _school_year(text: pl.Expr, _: Field) -> pl.Expr:
    """2016, 2015-16, 2015-2016 and 2015_2016 are all the year that ends in 2016."""
    single = text.str.extract(r"^(\d{4})(?:\.0+)?$").cast(pl.Int32, strict=False)
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
