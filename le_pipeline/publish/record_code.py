"""Record codes: what stands in an extract in the place of people and places.

34 CFR 99.31(b)(2) allows a code that lets a recipient tell records apart as long as it is not made of anything of the
student, and whoever hands it out does not say how it was made. So codes are random, and new ones for each extract.
"""

from __future__ import annotations

import secrets

import polars as pl

CODE_BYTES = 8  # among a million people the chance that any two draw the same code is below 1e-7
LETTERS = {"student_key": "s", "staff_key": "t", "school_id": "k", "lea_id": "d"}


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
