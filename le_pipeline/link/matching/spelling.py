"""How people are spelt: records as they come, made into the plain columns that matching compares.

Every distinct value is judged once and joined back, since names and places repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import polars as pl

from schemas import registry

Kind = Literal[
    "given_name", "surname", "middle_name", "birth_date", "email", "identifier", "sex", "place", "text", "context"
]
Columns = dict[str, tuple[str, Kind]]  # name of the compared column -> the field it is made of, and its kind

TEXT = pl.List(pl.String)
# letters that Unicode does not take apart into a letter and a mark
LETTERS = {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ß": "ss", "æ": "ae", "œ": "oe", "ı": "i"}
PARTICLES = [
    *("a", "al", "bin", "da", "das", "de", "del", "della", "den", "der", "di", "do", "dos", "du", "e", "el", "ibn"),
    *("la", "las", "le", "los", "mac", "mc", "saint", "san", "santa", "st", "ten", "ter", "van", "von", "y"),
]
GENERATIONS = {"sr": 1, "senior": 1, "jr": 2, "junior": 2, "ii": 2, "2nd": 2, "iii": 3, "3rd": 3, "iv": 4, "4th": 4}
SUFFIX = rf" ({'|'.join(GENERATIONS)})$"
NOBODY = ["unknown", "n a", "not available", "not applicable"]
NO_DATE = ["00000000", "99999999"]


def spelt(records: pl.DataFrame, columns: Columns) -> pl.DataFrame:
    """The records with each field as the columns its comparison reads; rows in their order.

    Args:
        records: one row per spelling; other columns stay.
        columns: the compared columns, such as `surname_0`, whose further columns are called `surname_0_tokens`.
    """
    for column, (field, kind) in columns.items():
        values = records[field]
        if kind == "context":
            made = _context(values, column)
            records = pl.concat([records, made], how="horizontal")
        else:
            text = values.cast(pl.String).alias(column)
            distinct = text.unique().drop_nulls()
            made = MAKERS[kind](distinct, column).with_columns(distinct.alias("_said"))
            # an inner name, as a field may be called like the column made of it
            records = records.with_columns(text.alias("_said")).join(
                made, on="_said", how="left", maintain_order="left"
            )
            records = records.drop("_said")
    return records


def _plain(column: str) -> pl.Expr:
    """Lower case, without accents."""
    marked = pl.col(column).str.to_lowercase().str.normalize("NFKD").str.replace_all(r"\p{M}", "")
    return marked.str.replace_many(LETTERS)


def _words(column: str) -> pl.Expr:
    """Words of letters and digits with one space between them; apostrophes and full stops part nothing."""
    closed = _plain(column).str.replace_all(r"['’‘`´ʼ.]", "").str.replace_all(r"[^\p{L}\p{N}]+", " ")
    return closed.str.strip_chars()


def _known(text: pl.Expr) -> pl.Expr:
    return pl.when((text != "") & ~text.is_in(NOBODY)).then(text)


def _name(distinct: pl.Series, column: str) -> pl.DataFrame:
    words = distinct.to_frame().select(_words(column).alias("words"))
    words = words.with_columns(
        generation=pl.col("words")
        .str.extract(SUFFIX, 1)
        .replace_strict(GENERATIONS, return_dtype=pl.Int8, default=None),
        words=_known(pl.col("words").str.replace(SUFFIX, "")),
    )
    tokens = pl.col("words").str.split(" ")
    bare = tokens.list.set_difference(pl.lit(PARTICLES, dtype=TEXT))
    return words.select(
        pl.col("words").str.replace_all(" ", "").alias(column),
        # a name that is nothing but particles is its own token
        pl.when(bare.list.len() > 0).then(bare).otherwise(tokens).list.sort().alias(f"{column}_tokens"),
        pl.col("generation").alias(f"{column}_generation"),
    )


def _given_name(distinct: pl.Series, column: str) -> pl.DataFrame:
    made = _name(distinct, column)
    forms = nicknames().rename({"nickname": column, "forms": f"{column}_forms"})
    made = made.join(forms, on=column, how="left", maintain_order="left")
    own = pl.concat_list(column)
    return made.with_columns(
        pl.when(pl.col(column).is_not_null()).then(
            pl.concat_list(pl.col(f"{column}_forms").fill_null(pl.lit([], dtype=TEXT)), own)
        )
    )


@cache
def nicknames() -> pl.DataFrame:
    """The names that each nickname stands for, one row per nickname with a list of `forms`."""
    pairs = pl.read_csv(registry.HERE / "reference" / "nickname.csv", infer_schema=False)
    return pairs.group_by("nickname", maintain_order=True).agg(forms=pl.col("name"))


@cache
def given_names() -> pl.Series:
    """Names that are known for given names, so that one of them is no other that was mistyped."""
    known = pl.read_csv(registry.HERE / "reference" / "given_name.csv", infer_schema=False)["name"]
    table = nicknames()
    return pl.concat([known, table["nickname"].rename("name"), table["forms"].explode().rename("name")]).unique()


def _birth_date(distinct: pl.Series, column: str) -> pl.DataFrame:
    """Eight digits, year, month, day, of what begins as an ISO or a compact date, be the date possible or not."""
    digits = distinct.to_frame().select(
        pl.col(column)
        .str.strip_chars()
        .str.extract(r"^(\d{4}[-/.]\d{2}[-/.]\d{2}|\d{8})(?:$|[T ])", 1)
        .str.replace_all(r"\D", "")
    )
    day, month = pl.col(column).str.slice(6, 2), pl.col(column).str.slice(4, 2)
    unordered = pl.col(column).str.slice(0, 4) + pl.min_horizontal(day, month) + pl.max_horizontal(day, month)
    dated = digits.with_columns(pl.when(~pl.col(column).is_in(NO_DATE)).then(column))
    return dated.with_columns(unordered.alias(f"{column}_unordered"))


def _email(distinct: pl.Series, column: str) -> pl.DataFrame:
    address = pl.col(column).str.to_lowercase().str.strip_chars()
    found = distinct.to_frame().select(pl.when(address.str.contains(r"^[^@\s]+@[^@\s]+$")).then(address).alias(column))
    return found.with_columns(pl.col(column).str.extract(r"^([^@]+)@", 1).alias(f"{column}_local"))


def _identifier(distinct: pl.Series, column: str) -> pl.DataFrame:
    signs = _plain(column).str.replace_all(r"[^\p{L}\p{N}]+", "")
    # one sign again and again (000000000) is nobody's
    return distinct.to_frame().select(
        pl.when(signs.str.strip_chars(signs.str.slice(0, 1)) != "").then(signs).alias(column)
    )


def _place(distinct: pl.Series, column: str) -> pl.DataFrame:
    return distinct.to_frame().select(_known(_words(column)).alias(column))


def _context(values: pl.Series, column: str) -> pl.DataFrame:
    """Elements of each list, and for `what@2015` the two pairs of years that it stands in."""
    if values.dtype == pl.Null:
        values = values.cast(TEXT)
    rows = pl.DataFrame({"row": pl.arange(len(values), eager=True), "element": values})
    one = rows.explode("element").with_columns(element=pl.col("element").str.to_lowercase().str.strip_chars())
    one = one.filter(pl.col("element") != "").unique()
    what, year = pl.col("element").str.extract(r"^(.*)@\d{4}$", 1), pl.col("element").str.extract(r"@(\d{4})$", 1)
    pairs = [what + "@" + (year.cast(pl.Int32) + shift).cast(pl.String) for shift in (0, 1)]
    near = pl.concat_list(pairs).explode(empty_as_null=False).drop_nulls()
    made = one.group_by("row").agg(pl.col("element").sort().alias(column), near.unique().sort().alias(f"{column}_near"))
    return rows.select("row").join(made, on="row", how="left", maintain_order="left").drop("row")


MAKERS: dict[Kind, Callable[[pl.Series, str], pl.DataFrame]] = {
    "given_name": _given_name,
    "surname": _name,
    "middle_name": _name,
    "birth_date": _birth_date,
    "email": _email,
    "identifier": _identifier,
    "sex": _place,
    "place": _place,
    "text": _place,
}
