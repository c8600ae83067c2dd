"""Scores: the planted model, and which of the tests count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .programme import Programme, Role
from .pupils import Pupils
from .rosters import Roster
from .settings import ROSTER, SCORES, TAUGHT_SUBJECTS, TESTING, ScoreModel, StateProfile
from .workforce import Person


@dataclass(frozen=True)
class Tests:
    """A district's tests of a year.

    `rows`, `grade` and `school` are one per student tested; the matrices are student by subject of the state.
    """

    __test__ = False  # not a pytest class

    year: int
    rows: np.ndarray
    grade: np.ndarray
    school: np.ndarray
    score: np.ndarray
    is_tested: np.ndarray
    is_void: np.ndarray
    is_alternate: np.ndarray


def draw_tests(
    profile: StateProfile, pupils: Pupils, roster: Roster, teaching: np.ndarray, rng: np.random.Generator
) -> Tests:
    """Test the year's students, but for a few who are absent."""
    present = rng.random(len(roster.attendance.rows)) >= ROSTER.not_tested
    rows, grade, school = (values[present] for values in roster.attendance)
    school_effect = np.array([place.effect for place in roster.district.schools])
    grade_shift = np.array([SCORES.grade_shift.get(number, 0.0) for number in range(9)])
    z = pupils.ability[rows] + pupils.disadvantage[rows] + teaching[rows]
    z += (school_effect[school] + grade_shift[grade])[:, None] + rng.normal(0, SCORES.noise_sd, z.shape)
    score = np.rint(profile.scale_center + profile.points_per_sd * z).astype(int)
    tested_grades = [TESTING.tested_grades[subject] for subject in profile.subjects]
    is_tested = np.stack([np.isin(grade, grades) for grades in tested_grades], axis=1)
    takes_alternate = pupils.people["takes_alternate"].to_numpy()[rows]
    is_alternate = np.repeat(takes_alternate[:, None], len(profile.subjects), axis=1)
    return Tests(
        year=roster.year,
        rows=rows,
        grade=grade,
        school=school,
        score=np.clip(score, profile.lowest_score, profile.highest_score),
        is_tested=is_tested,
        is_void=is_tested & ~is_alternate & (rng.random(score.shape) < TESTING.void_share),
        is_alternate=is_alternate,
    )


def teaching_effects(
    profile: StateProfile,
    pupils: Pupils,
    roster: Roster,
    people: list[Person],
    programme: Programme,
    *,
    model: ScoreModel = SCORES,
) -> np.ndarray:
    """Per student and subject, the effects of the teachers linked, each by its weight.

    Another `model` plants other effects of the programme. Summed in row order: a sum whose order varied could tip a
    rounded score.
    """
    effects = np.zeros((len(pupils.people), len(profile.subjects)))
    for column, subject in enumerate(TAUGHT_SUBJECTS):
        links = roster.links.filter(subject=subject)
        numbers = links["staff_number"].to_numpy()
        effect = {
            number: _teacher_effect(people[number - 1], subject, programme.role(people[number - 1], roster.year), model)
            for number in np.unique(numbers).tolist()
        }
        by_link = np.array([effect[number] for number in numbers.tolist()], dtype=float)
        weighted = by_link * links["weight"].to_numpy()
        effects[:, column] = np.bincount(links["pupil"].to_numpy(), weighted, minlength=len(effects))
    return effects


def _teacher_effect(person: Person, subject: str, role: Role, model: ScoreModel) -> float:
    """The person's own effect, and the programme's in the years in which the person takes part."""
    if role.name == "fellow" and role.is_active:
        return person.effect[subject] + model.fellow_effect[subject]
    if role.name == "mentee" and role.is_active:
        return person.effect[subject] + model.mentee_effect[subject]
    return person.effect[subject]


def levels(profile: StateProfile, score: np.ndarray) -> np.ndarray:
    """Achievement level of each score, from 0; a cut score belongs to the level above it."""
    return np.searchsorted(profile.cut_scores, score, side="right")
