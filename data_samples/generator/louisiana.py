"""The LEAP grades 3 to 8 sheet: one row per student, four subjects side by side."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl

from .dirt import Sheet
from .places import District
from .pupils import Pupils
from .scores import Tests, levels
from .settings import RACES, StateProfile
from .truth import ACCEPTED

PREFIXES = {"ela": "ELA", "mathematics": "Math", "science": "Science", "social_studies": "Social"}
_RACE_CODES = np.array([str(code) for code in range(1, len(RACES) + 1)])


def leap_sheet(
    profile: StateProfile, district: District, pupils: Pupils, tests: Tests, rng: np.random.Generator
) -> Sheet:
    """A district's rows of a year."""
    people = pupils.people[tests.rows]
    # Written both ways, as districts' systems do.
    digits = np.where(rng.random(len(people)) < 0.3, 1, 2)
    schools = district.schools
    test_days = [date(tests.year, 4, 10 + grade).strftime("%m/%d/%Y") for grade in range(9)]
    frame = people.select(
        LASID="student_id",
        LastName="last_name",
        FirstName="first_name",
        MiddleInitial="middle_initial",
        DOB=pl.col("birth_date").dt.strftime("%m/%d/%Y"),
        Grade=pl.Series(np.char.zfill(tests.grade.astype(str), digits)),
        Gender=pl.when("is_female").then(pl.lit("F")).otherwise(pl.lit("M")),
        EthnicityRace=pl.Series(_RACE_CODES[people["race"].to_numpy()]),
        EducationClassification=pl.when("has_disability").then(pl.lit("Special")).otherwise(pl.lit("Regular")),
        EconomicallyDisadvantaged=_yes_no("is_disadvantaged"),
        ELStatus=_yes_no("is_english_learner"),
        Migrant=_yes_no("is_migrant"),
        Section504=_yes_no("has_section_504"),
        Homeless=_yes_no("is_homeless"),
        SchoolSystemCode=pl.lit(district.code),
        SchoolSystemName=pl.lit(district.name),
        SchoolCode=pl.Series(np.array([school.code for school in schools])[tests.school]),
        SchoolName=pl.Series(np.array([school.name for school in schools])[tests.school]),
        AdministrationDate=pl.Series(np.array(test_days)[tests.grade]),
    )
    for column, subject in enumerate(profile.subjects):
        frame = frame.with_columns(_subject_cells(profile, tests, column, PREFIXES[subject]))
    status = np.full(tests.score.shape, ACCEPTED, dtype="U24")
    status[tests.is_void] = "void"
    status[~tests.is_tested] = "not_tested"
    return Sheet(
        frame=frame,
        status=status,
        student_id="LASID",
        last_name="LastName",
        grade="Grade",
        birth_date="DOB",
        scores=tuple(f"{prefix}ScaleScore" for prefix in PREFIXES.values()),
        middle_score=(profile.lowest_score + profile.highest_score) // 2,
        blank="",
        bad_birth_dates=("05/09/2031", "13/45/2006"),
    )


def _yes_no(flag: str) -> pl.Expr:
    return pl.when(flag).then(pl.lit("Y")).otherwise(pl.lit("N"))


def _subject_cells(profile: StateProfile, tests: Tests, column: int, prefix: str) -> list[pl.Series]:
    """Four cells, all blank where not tested; a void test keeps its scores, so only its flag tells."""
    score, tested = tests.score[:, column], tests.is_tested[:, column]
    raw = (score - profile.lowest_score) * 60 // (profile.highest_score - profile.lowest_score)
    cells = {
        "RawScore": raw.astype(str),
        "ScaleScore": score.astype(str),
        "VoidFlag": np.where(tests.is_void[:, column], "Y", "N"),
        "AchievementLevel": np.array(profile.levels)[levels(profile, score)],
    }
    return [pl.Series(prefix + name, np.where(tested, values, "")) for name, values in cells.items()]
