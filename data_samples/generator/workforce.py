"""People who work in schools, and the jobs they hold, one list of jobs per year."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from .names import FIRST_NAMES, SURNAMES, mailbox
from .places import District, School
from .settings import PROGRAMME, RACES, SCHOOL_YEARS, SCORES, TAUGHT_SUBJECTS, StateProfile

TEACHER = "Teacher"
COACH = "Instructional Coach"
ASSISTANT_PRINCIPAL = "Assistant Principal"
PRINCIPAL = "Principal"
COUNSELOR = "Counselor"


@dataclass(frozen=True, eq=False, slots=True)
class Person:
    """Someone on a state's staff; `effect` is the planted teacher effect by subject, in SD."""

    number: int
    staff_id: str
    first_name: str
    last_name: str
    email: str
    birth_date: date
    sex: str
    race: str
    degree: str
    experience_when_hired: int
    hired: int
    effect: dict[str, float]
    listed_by_email_only: bool


@dataclass(eq=False, slots=True)
class Job:
    """An assignment in one year.

    A desk below the school's number of desks has classes of its own, that number is the extra teacher's, and
    none means a teacher too many, who joins another's classes. Days count from the first day of school; none
    means that the job lasts the whole year on that side.
    """

    person: Person
    year: int
    school: School
    position: str
    desk: int | None = None
    fte: float = 1.0
    begin: int | None = None
    end: int | None = None
    separation_reason: str = ""
    outcome: str = ""

    @property
    def has_classes(self) -> bool:
        """Whether the job is a class teacher's."""
        return self.position == TEACHER and self.desk is not None and self.desk < self.school.desks


@dataclass
class Workforce:
    """Everyone who ever worked in a state's schools."""

    profile: StateProfile
    districts: tuple[District, ...]
    rng: np.random.Generator
    people: list[Person] = field(default_factory=list)
    jobs: dict[int, list[Job]] = field(default_factory=lambda: {year: [] for year in SCHOOL_YEARS})
    second_jobs: dict[int, list[Job]] = field(default_factory=lambda: {year: [] for year in SCHOOL_YEARS})
    _mailboxes: dict[str, int] = field(default_factory=dict)
    _by_district: dict[tuple[int, int], list[Job]] = field(default_factory=lambda: defaultdict(list))

    def hire(self, year: int, *, experienced: bool = False) -> Person:
        """A new person; newcomers after the first year are mostly at the start of their working life."""
        rng = self.rng
        number = len(self.people) + 1
        first, last = FIRST_NAMES[rng.integers(len(FIRST_NAMES))], SURNAMES[rng.integers(len(SURNAMES))]
        usual = 12 if experienced else 8 if year == SCHOOL_YEARS[0] else 2
        experience = min(int(rng.exponential(usual)), 35)
        person = Person(
            number=number,
            staff_id=f"{self.profile.code[0]}{number:06d}",
            first_name=first,
            last_name=last,
            email=self._email(first, last, number),
            birth_date=date(year - 24 - experience, 1, 1) - timedelta(days=int(rng.integers(2000))),
            sex="Female" if rng.random() < 0.77 else "Male",
            race=pick(rng, dict(zip(RACES, self.profile.race_shares, strict=True))),
            degree=pick(rng, {"Bachelor": 0.6, "Master": 0.37, "Doctorate": 0.03}),
            experience_when_hired=experience,
            hired=year,
            effect={subject: float(rng.normal(0, SCORES.teacher_sd[subject])) for subject in TAUGHT_SUBJECTS},
            listed_by_email_only=bool(rng.random() < PROGRAMME.email_only_share),
        )
        self.people.append(person)
        return person

    def _email(self, first: str, last: str, number: int) -> str:
        """Unique in any letter case, and written in mixed case for a third of the people."""
        name = mailbox(first, last)
        taken = self._mailboxes[name] = self._mailboxes.get(name, 0) + 1
        address = f"{name}{taken if taken > 1 else ''}@{self.profile.code.lower()}-schools.example"
        return address if number % 3 == 0 else address.lower()

    def teachers(self, district: District, year: int) -> list[Job]:
        """The year's teaching jobs in a district, without the second jobs, which have no classes."""
        if not self._by_district:
            for job in (job for jobs in self.jobs.values() for job in jobs if job.position == TEACHER):
                self._by_district[job.school.district, job.year].append(job)
        return self._by_district[district.index, year]

    def school_elsewhere(self, school: School, *, same_district: bool) -> School:
        """Some other school, of the same district or of any other district of the state."""
        district = school.district
        if not same_district:  # every number but the school's own district
            district = (district + 1 + int(self.rng.integers(len(self.districts) - 1))) % len(self.districts)
        schools = [other for other in self.districts[district].schools if other is not school]
        return schools[self.rng.integers(len(schools))]


def pick(rng: np.random.Generator, chances: dict[str, float]) -> str:
    """One of the keys, with its probability; the last one takes what rounding leaves."""
    threshold = rng.random()
    for key, chance in chances.items():
        threshold -= chance
        if threshold < 0:
            return key
    return key
