"""Record codes: what stands in an extract in the place of people and places.

34 CFR 99.31(b)(2) allows a code that lets a recipient tell records apart as long as it is not made of anything of the
student, and whoever hands it out does not say how it was made. So codes are random, and new ones for each extract.
"""

from __future__ import annotations

import secrets

import polars as pl

CODE_BYTES = 8  # among a million people the chance that any two draw the same code is below 1e-7
LETTERS = {"student_key": "s", "staff_key": "t", "school_id": "k", "lea_id": "d"}
SEALED: dict[str, pl.DataType] = {"key": pl.String(), "code": pl.String(), "of": pl.String()}


def record_codes(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """A random code for each student, teacher, school and district of the frame, as far as it has their columns.

    Returns:
        By column, its distinct values and the `code` of each. A letter in front keeps spreadsheets from taking a code
        for a number.
    """
    found = {}
    for column, letter in LETTERS.items():
        if column not in frame.columns:
            continue
        values = frame.select(pl.col(column).drop_nulls().unique())
        codes: set[str] = set()
        while len(codes) < values.height:  # drawn again where two are the same
            codes.add(letter + secrets.token_hex(CODE_BYTES))
        found[column] = values.with_columns(pl.Series("code", list(codes), dtype=pl.String))
    return found


def together(codes: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Codes of all kinds as they are sealed in the vault: the `key` or id, its `code`, and which column it is `of`."""
    parts = [known.select(pl.col(column).alias("key"), "code", of=pl.lit(column)) for column, known in codes.items()]
    return pl.concat([pl.DataFrame(schema=SEALED), *parts])


def rekeyed(sealed: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Sealed codes with another pseudonym (`new`) in the place of each (`old`); ids of places stay.

    A pseudonym without another goes: nothing tells any more whose it is.
    """
    of_people = pl.col("of").str.ends_with("_key")
    there = sealed.join(pairs.select(key="old", new="new"), on="key", how="left", maintain_order="left")
    return there.with_columns(key=pl.when(of_people).then("new").otherwise("key")).drop("new").drop_nulls("key")
