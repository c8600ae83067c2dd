"""Faults planted in assessment sheets, and what each of them should lead to."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from .settings import DIRT
from .truth import ACCEPTED, DUPLICATE

# Stands in a text for a byte that is not UTF-8 (Latin-1's e acute) until the text becomes bytes.
STRAY_BYTE_MARK = "\ue000"
FAULTS = (
    "missing_student_id",
    "duplicate",
    "conflicting_scores",
    "impossible_grade",
    "impossible_scale_score",
    "bad_encoding",
    "bad_birth_date",
)
_COPIES = ("duplicate", "conflicting_scores")


@dataclass(frozen=True)
class Sheet:
    """Rows of text as a file will hold them, and per row what should become of each of its records.

    The other fields say where a layout keeps what a fault touches.
    """

    frame: pl.DataFrame
    status: np.ndarray
    student_id: str
    last_name: str
    grade: str
    birth_date: str
    scores: tuple[str, ...]
    middle_score: int
    blank: str
    bad_birth_dates: tuple[str, str]


@dataclass(frozen=True)
class Planted:
    """A fault and its row in the sheet, from 0."""

    fault: str
    row: int
    student_id: str


class Planter:
    """Plants in one file, sheet after sheet, so that every kind takes its turn over the whole file."""

    def __init__(self, turn: int) -> None:
        self._rows = 0
        self._turn = turn
        self._planted = 0

    def plant(self, sheet: Sheet, rng: np.random.Generator) -> tuple[Sheet, list[Planted]]:
        """The sheet with its part of the faults; copies stand at its end."""
        self._rows += len(sheet.frame)
        due = round(self._rows / DIRT.assessment_rows_per_fault) - self._planted
        free = rng.permutation(len(sheet.frame)).tolist()
        planted: list[Planted] = []
        for _ in range(due):
            fault = FAULTS[(self._turn + self._planted) % len(FAULTS)]
            wanted = np.all if fault in _COPIES else np.any
            row = next((row for row in free if wanted(sheet.status[row] == ACCEPTED)), None)
            if row is None:  # a sheet too small to hold it: the turn stays due
                break
            free.remove(row)
            planted.append(Planted(fault, row, sheet.frame[row, sheet.student_id]))
            sheet = _copy(sheet, fault, row) if fault in _COPIES else self._spoil(sheet, fault, row)
            if fault in _COPIES:
                planted.append(replace(planted[-1], row=len(sheet.frame) - 1))
            self._planted += 1
        return sheet, planted

    def _spoil(self, sheet: Sheet, fault: str, row: int) -> Sheet:
        """One wrong cell: all of the row's records that count are wrong, or one if it is a score."""
        records = np.flatnonzero(sheet.status[row] == ACCEPTED)
        variant = (self._planted // len(FAULTS)) % 2
        if fault == "impossible_scale_score":
            records = records[:1]
        column, value = {
            "missing_student_id": (sheet.student_id, sheet.blank),
            "impossible_grade": (sheet.grade, ("31", "99")[variant]),
            "impossible_scale_score": (sheet.scores[records[0]], ("9999", "0")[variant]),
            "bad_encoding": (sheet.last_name, _with_stray_byte(sheet.frame[row, sheet.last_name])),
            "bad_birth_date": (sheet.birth_date, sheet.bad_birth_dates[variant]),
        }[fault]
        frame, status = sheet.frame.clone(), sheet.status.copy()
        frame[row, column] = value
        status[row, records] = fault
        return replace(sheet, frame=frame, status=status)


def _copy(sheet: Sheet, fault: str, row: int) -> Sheet:
    """The row once more: the same, or with other scores, and then neither of the two can be believed."""
    again, status = sheet.frame[row], sheet.status.copy()
    if fault == "conflicting_scores":
        scores = pl.col(sheet.scores).cast(pl.Int32)
        # Towards the middle, or another score at the end of the scale would be impossible as well.
        other = scores + pl.when(scores < sheet.middle_score).then(7).otherwise(-7)
        again = again.with_columns(other.cast(pl.String))
        status[row] = fault
    copied = np.full((1, status.shape[1]), DUPLICATE if fault == "duplicate" else fault, dtype=status.dtype)
    return replace(sheet, frame=sheet.frame.vstack(again), status=np.concatenate([status, copied]))


def _with_stray_byte(name: str) -> str:
    return name[:2] + STRAY_BYTE_MARK + name[2:].removesuffix(" ")
