"""Districts and schools of a state, the same in every year but for the share of poor students."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from .names import place_name
from .settings import (
    MOST_DISTRICTS_FACTOR,
    REFERENCE_STUDENTS,
    ROSTER,
    SCHOOL_YEARS,
    SCORES,
    TAUGHT_SUBJECTS,
    StateProfile,
)

SUFFIXES = {"Elementary": "School", "Middle": "Middle"}
LEVEL_GRADES = {"Elementary": (3, 4, 5), "Middle": (6, 7, 8)}
# A school has one teacher more: who joins others' classes as an equal, helps in them, or does neither.
EXTRA_TEACHERS = ("co_teacher", "support", "specialist")
# Students enter grade 3 in one of nine years and are seen until grade 8 or the last year.
ENTRY_YEARS = tuple(range(SCHOOL_YEARS[0] - 5, SCHOOL_YEARS[-1] + 1))


@dataclass(frozen=True, eq=False)
class School:
    """A school; `index` is its place in its district, `sections` its parallel sections per grade."""

    school_id: str
    code: str
    name: str
    district: int
    index: int
    level: str
    charter: bool
    frpl_share: dict[int, float]
    nces_id: str
    sections: int
    semesters: bool
    extra_teacher: str
    effect: float

    @property
    def grades(self) -> tuple[int, ...]:
        """Grades taught, youngest first."""
        return LEVEL_GRADES[self.level]

    def _desks(self, grade: int) -> int:
        """Classroom teachers that a grade needs."""
        if grade in ROSTER.self_contained_grades:
            return self.sections
        return len(TAUGHT_SUBJECTS) * ceil(self.sections / 2)

    @property
    def desks(self) -> int:
        """Classroom teachers that the school needs; the extra teacher sits at the desk of this number."""
        return sum(self._desks(grade) for grade in self.grades)

    def desk(self, grade: int, subject: str, section: int) -> int:
        """Which desk teaches a class: one teacher for all subjects, or one per subject for two sections."""
        first = sum(self._desks(younger) for younger in self.grades if younger < grade)
        if grade in ROSTER.self_contained_grades:
            return first + section
        return first + TAUGHT_SUBJECTS.index(subject) * ceil(self.sections / 2) + section // 2


@dataclass(frozen=True)
class District:
    """A local education agency (LEA), its region of the programme (none for some) and all its students."""

    code: str
    name: str
    index: int
    region: str | None
    schools: tuple[School, ...]
    students: int
    first_student: int

    def of_level(self, level: str) -> list[int]:
        """Places of the schools of a level."""
        return [school.index for school in self.schools if school.level == level]


def allocate(total: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers in proportion to the weights that add up to the total (largest remainders)."""
    exact = total * weights / weights.sum()
    whole: np.ndarray = np.floor(exact).astype(int)
    whole[np.argsort(whole - exact, kind="stable")[: total - whole.sum()]] += 1
    return whole


def build_districts(profile: StateProfile, students: int, rng: np.random.Generator) -> tuple[District, ...]:
    """The state's districts for so many of the state's students."""
    scale = students / profile.student_share / REFERENCE_STUDENTS
    most = profile.districts * MOST_DISTRICTS_FACTOR
    count = min(max(profile.fewest_districts, round(profile.districts * scale)), most)
    schools_each = max(2, round(profile.schools * scale / count))
    sizes = allocate(students, rng.uniform(0.75, 1.25, count))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    served = count - ceil(count * profile.unserved_district_share - 1e-9)
    return tuple(
        District(
            code=_district_code(profile, index),
            name=place_name(index + (0 if profile.code == "LA" else 500)),
            index=index,
            region=profile.regions[index % len(profile.regions)] if index < served else None,
            schools=_schools(profile, index, schools_each, int(sizes[index]), rng),
            students=int(sizes[index]),
            first_student=int(starts[index]),
        )
        for index in range(count)
    )


def _district_code(profile: StateProfile, index: int) -> str:
    """Three digits in Louisiana; six, of county and district, in Missouri."""
    return f"{36 + index:03d}" if profile.code == "LA" else f"{48 + index // 9:03d}{90 + index % 9:03d}"


def _schools(
    profile: StateProfile, district: int, count: int, students: int, rng: np.random.Generator
) -> tuple[School, ...]:
    elementary = ceil(count / 2)
    schools = []
    for index in range(count):
        level = "Elementary" if index < elementary else "Middle"
        of_level = elementary if level == "Elementary" else count - elementary
        number = district * count + index
        district_code = _district_code(profile, district)
        # Missouri's school codes repeat from district to district: only both codes together name a school.
        code = f"{district_code}{index + 1:03d}" if profile.code == "LA" else f"{1020 + 30 * index:04d}"
        schools.append(
            School(
                school_id=code if profile.code == "LA" else f"{district_code}-{code}",
                code=code,
                name=f"{place_name(number + (1000 if profile.code == 'LA' else 1600))} {SUFFIXES[level]}",
                district=district,
                index=index,
                level=level,
                charter=bool(rng.random() < 0.3),
                frpl_share=_frpl_shares(high=number % 3 == 1, rng=rng),
                # Real NCES ids begin with a state's FIPS code, which is never 00.
                nces_id=f"00{1 if profile.code == 'LA' else 2}{district + 100:04d}{index + 1:05d}",
                sections=max(1, round(students / len(ENTRY_YEARS) / of_level / ROSTER.section_size)),
                semesters=level == "Middle" and number % 8 == 2,
                extra_teacher=EXTRA_TEACHERS[number % len(EXTRA_TEACHERS)],
                effect=float(rng.normal(0, SCORES.school_sd)),
            )
        )
    return tuple(schools)


def _frpl_shares(*, high: bool, rng: np.random.Generator) -> dict[int, float]:
    """A third of the schools lie above 0.75; a few cross that line from one year to the next."""
    usual = rng.uniform(0.77, 0.97) if high else rng.uniform(0.30, 0.73)
    return {year: round(float(np.clip(usual + rng.normal(0, 0.01), 0, 1)), 4) for year in SCHOOL_YEARS}
