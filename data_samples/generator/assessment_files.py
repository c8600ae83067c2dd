"""A state's assessment file of a year, written district by district, and the truth about its records."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import polars as pl

from .dirt import STRAY_BYTE_MARK, Planter
from .louisiana import leap_sheet
from .missouri import map_sheet
from .places import District
from .pupils import Pupils
from .scores import Tests, levels
from .settings import RACES, StateProfile
from .truth import ACCEPTED, Truth


class AssessmentFile:
    """An open file: the header is written with the first district."""

    def __init__(self, path: Path, profile: StateProfile, year: int, truth: Truth, *, dirt: bool) -> None:
        self._path = path
        self._profile = profile
        self._truth = truth
        self._count = truth.file(path)
        # Another kind of fault comes first each year, so that a small delivery too has most kinds.
        self._planter = Planter(turn=2 * year) if dirt else None
        self._handle: BinaryIO = path.open("wb")

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._handle.close()

    def append(self, district: District, pupils: Pupils, tests: Tests, rng: np.random.Generator) -> None:
        """Write a district's rows, dirt included, and record which of the scores are good."""
        is_leap = self._profile.code == "LA"
        if is_leap:
            sheet = leap_sheet(self._profile, district, pupils, tests, rng)
        else:
            sheet = map_sheet(self._profile, district, pupils, tests)
        if self._planter:
            sheet, planted = self._planter.plant(sheet, rng)
            for fault in planted:
                row = self._count.physical_rows + fault.row + 1
                self._truth.add_fault(self._path, row, fault.fault, fault.student_id)
        text = sheet.frame.write_csv(
            include_header=self._count.physical_rows == 0,
            separator="," if is_leap else "\t",
            quote_style="never",
        )
        self._handle.write(text.encode().replace(STRAY_BYTE_MARK.encode(), "é".encode("latin-1")))
        self._count.add(len(sheet.frame), Counter(sheet.status.ravel().tolist()))
        good = sheet.status.ravel()[: tests.score.size].reshape(tests.score.shape) == ACCEPTED
        self._add_truth(district, pupils, tests, good)

    def _add_truth(self, district: District, pupils: Pupils, tests: Tests, good: np.ndarray) -> None:
        """The good scores with what the reader should know of their students, subject by subject."""
        people = pupils.people[tests.rows].select(
            pl.lit(self._profile.code).alias("state"),
            pl.lit(tests.year).alias("school_year"),
            pl.col("student_id"),
            pl.Series("grade", np.char.zfill(tests.grade.astype(str), 2)),
            pl.Series("school_id", np.array([school.school_id for school in district.schools])[tests.school]),
            pl.lit(district.code).alias("lea_id"),
            pl.when("is_female").then(pl.lit("female")).otherwise(pl.lit("male")).alias("sex"),
            pl.Series("race_ethnicity", list(RACES)).gather(pupils.people["race"][tests.rows]),
            _yes_no("is_disadvantaged", "economically_disadvantaged"),
            _yes_no("is_english_learner", "english_learner"),
            _yes_no("has_disability", "disability"),
        )
        for column, subject in enumerate(self._profile.subjects):
            score = tests.score[:, column]
            rows = people.with_columns(
                pl.lit(subject).alias("subject"),
                pl.Series("scale_score", score),
                pl.Series("performance_level", np.array(self._profile.levels)[levels(self._profile, score)]),
            )
            self._truth.append("student_score", rows.filter(pl.Series(good[:, column])))


def _yes_no(flag: str, name: str) -> pl.Expr:
    return pl.when(flag).then(pl.lit("yes")).otherwise(pl.lit("no")).alias(name)
