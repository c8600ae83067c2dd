"""The students of a district over all years, and which of them a year has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
import polars as pl

from .names import FIRST_NAMES, SURNAMES
from .places import ENTRY_YEARS, District, allocate
from .settings import RACES, SCORES, StateProfile

_INITIALS = np.array(["", *"ABCDEFGHJKLMNPRSTVW"])


class Attendance(NamedTuple):
    """The pupils of a year, one entry each: row among the district's students, grade, and place of the school."""

    rows: np.ndarray
    grade: np.ndarray
    school: np.ndarray


@dataclass
class Pupils:
    """One district's students: `people` is one row per student, the arrays are aligned with it.

    `schools` holds the elementary and the middle school of each, as places in the district; it changes when a
    student moves.
    """

    people: pl.DataFrame
    entry_year: np.ndarray
    ability: np.ndarray
    disadvantage: np.ndarray
    schools: np.ndarray

    def of_year(self, year: int) -> Attendance:
        """Those in grades 3 to 8, by school and grade."""
        grade = 3 + year - self.entry_year
        rows = np.flatnonzero((grade >= 3) & (grade <= 8))
        school = self.schools[rows, (grade[rows] > 5).astype(int)]
        order = np.lexsort((rows, grade[rows], school))
        return Attendance(rows[order], grade[rows][order], school[order])

    def move(self, attendance: Attendance) -> None:
        """Let the pupils go on at the schools they attend, until they leave that level."""
        self.schools[attendance.rows, (attendance.grade > 5).astype(int)] = attendance.school


def draw_pupils(profile: StateProfile, district: District, rng: np.random.Generator) -> Pupils:
    """The district's students with what does not change about them, but for their schools."""
    count = district.students
    cohorts = allocate(count, np.ones(len(ENTRY_YEARS)))
    entry_year = np.repeat(np.array(ENTRY_YEARS), cohorts)
    schools = np.stack([rng.choice(district.of_level(level), count) for level in ("Elementary", "Middle")], axis=1)
    poverty = np.array([np.mean(list(school.frpl_share.values())) for school in district.schools])
    race = rng.choice(len(RACES), count, p=profile.race_shares)
    hispanic_or_asian = np.isin(race, [1, 3])
    people = pl.DataFrame(
        {
            "student_id": _state_ids(profile, district),
            "last_name": np.array(SURNAMES)[rng.integers(len(SURNAMES), size=count)],
            "first_name": np.array(FIRST_NAMES)[rng.integers(len(FIRST_NAMES), size=count)],
            "middle_initial": _INITIALS[rng.integers(len(_INITIALS), size=count)],
            "birth_date": _birth_dates(entry_year, rng),
            "race": race,
            "is_female": rng.random(count) < 0.49,
            "is_disadvantaged": rng.random(count) < poverty[schools].mean(axis=1),
            "is_english_learner": rng.random(count) < np.where(hispanic_or_asian, 0.35, 0.02),
            "has_disability": rng.random(count) < 0.12,
            "is_migrant": rng.random(count) < 0.005,
            "is_homeless": rng.random(count) < 0.02,
            "has_section_504": rng.random(count) < 0.06,
            "takes_alternate": rng.random(count) < profile.alternate_share_of_disabled,
        }
    ).with_columns(pl.col("takes_alternate") & pl.col("has_disability"))
    general = rng.normal(0, SCORES.general_ability_sd, (count, 1))
    ability = general + rng.normal(0, SCORES.subject_ability_sd, (count, len(profile.subjects)))
    return Pupils(people, entry_year, ability, _disadvantage(people, profile), schools)


def _state_ids(profile: StateProfile, district: District) -> list[str]:
    """Ten digits, some with leading zeros; scattered, yet unique because the factor ends in 7."""
    offset = 1_234_567 if profile.code == "LA" else 5_000_111_222
    numbers = range(district.first_student, district.first_student + district.students)
    return [f"{(number * 7_654_321_987 + offset) % 10**10:010d}" for number in numbers]


def _birth_dates(entry_year: np.ndarray, rng: np.random.Generator) -> pl.Series:
    """Students turn eight by the end of September of the year in which they begin grade 3."""
    last = pl.Series([date(year - 9, 9, 30) for year in entry_year.tolist()])
    return last - pl.Series(rng.integers(365, size=len(entry_year)) * 86_400_000).cast(pl.Duration("ms"))


def _disadvantage(people: pl.DataFrame, profile: StateProfile) -> np.ndarray:
    """The demographic part of the score, one column per subject."""
    race_effect = np.array([SCORES.race_ethnicity.get(race, 0.0) for race in RACES])
    common = (
        SCORES.economically_disadvantaged * people["is_disadvantaged"].to_numpy()
        + SCORES.english_learner * people["is_english_learner"].to_numpy()
        + SCORES.disability * people["has_disability"].to_numpy()
        + race_effect[people["race"].to_numpy()]
    )
    female = np.array([SCORES.female[subject] for subject in profile.subjects])
    disadvantage: np.ndarray = common[:, None] + people["is_female"].to_numpy()[:, None] * female
    return disadvantage
