"""The fellowship: who applies, who is selected, who is mentored by whom, and for how long."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from .places import District, School, allocate
from .settings import (
    COHORTS,
    PROGRAMME,
    REFERENCE_STUDENTS,
    RETENTION,
    STATES,
    TAUGHT_SUBJECTS,
    StateProfile,
)
from .workforce import TEACHER, Job, Person


@dataclass(eq=False)
class Fellowship:
    """A fellow's membership; `last_year` is the cohort's for those who withdraw after their first year."""

    person: Person
    cohort: int
    region: str
    last_year: int
    withdrawn: bool = False

    def is_active(self, year: int) -> bool:
        """Whether the fellow takes part in the year."""
        return self.cohort <= year <= self.last_year

    @property
    def begin_date(self) -> date:
        """Fellowships begin with the fiscal year."""
        return date(self.cohort - 1, 7, 1)

    @property
    def end_date(self) -> date:
        """Last day, planned or, for those who withdraw, actual."""
        return date(self.last_year, 6, 30)

    def status(self, year: int) -> str:
        """As the year's list says it, which is written at the end of the year."""
        if self.withdrawn and year == self.last_year:
            return "Withdrawn"
        return "Completed" if year == self.last_year else "Active"


@dataclass(frozen=True, eq=False)
class Mentorship:
    """A fellow mentors a colleague of the same school for a year."""

    fellow: Person
    mentee: Person
    year: int
    subject: str

    @property
    def begin_date(self) -> date:
        """Mentoring starts once the school year is under way."""
        return date(self.year - 1, 9, 1)

    @property
    def end_date(self) -> date:
        """Last day of mentoring."""
        return date(self.year, 5, 15)


@dataclass(frozen=True, eq=False)
class Application:
    """A teacher's application to a cohort, and the school named in it."""

    job: Job
    year: int
    selected: bool


@dataclass(frozen=True)
class Role:
    """What a person is to the programme in a year."""

    name: str
    is_active: bool
    cohort: int | None
    region: str | None


def cohort_quota(state: int, cohort: int, total: int, students: int) -> int:
    """A state's part of a total over all cohorts; every state and cohort has at least one person."""
    scaled = round(total * students / REFERENCE_STUDENTS)
    by_cohort = allocate(scaled, np.ones(len(COHORTS)))[COHORTS.index(cohort)]
    shares = np.array([profile.student_share for profile in STATES])
    return max(1, int(allocate(int(by_cohort), shares)[state]))


@dataclass
class Programme:
    """The programme in one state, built up year by year from the jobs of that year."""

    profile: StateProfile
    districts: tuple[District, ...]
    students: int
    rng: np.random.Generator
    fellowships: dict[Person, Fellowship] = field(default_factory=dict)
    mentorships: list[Mentorship] = field(default_factory=list)
    applications: list[Application] = field(default_factory=list)
    mentored: dict[int, set[Person]] = field(default_factory=dict)
    turned_down: dict[Person, int] = field(default_factory=dict)

    def enrol(self, year: int, jobs: list[Job]) -> None:
        """Carry last year's fellows on, select this year's cohort, and let active fellows choose mentees."""
        if year not in COHORTS:
            return
        teachers = {job.person: job for job in jobs if job.position == TEACHER}
        self._withdraw(year, teachers)
        candidates = self._candidates(year, teachers)
        selected = self._select(year, PROGRAMME.fellows, candidates)
        for job in selected:
            region = self.districts[job.school.district].region
            last_year = year + PROGRAMME.fellowship_years - 1
            self.fellowships[job.person] = Fellowship(job.person, year, region or "", last_year)
        remaining = [job for job in candidates if job not in set(selected)]
        declined = self._select(year, PROGRAMME.applicants_not_selected, remaining)
        for job in declined:
            self.turned_down[job.person] = year
        self.applications += [Application(job, year, job in set(selected)) for job in (*selected, *declined)]
        self._mentor(year, teachers)

    def role(self, person: Person, year: int) -> Role:
        """Fellow from the cohort on, then mentee from the first mentored year on, then applicant likewise.

        Who is no longer a fellow or mentee keeps the role, inactive: the programme did reach them.
        """
        fellowship = self.fellowships.get(person)
        if fellowship and year >= fellowship.cohort:
            return Role("fellow", fellowship.is_active(year), fellowship.cohort, fellowship.region)
        if any(person in mentees for mentored, mentees in self.mentored.items() if mentored <= year):
            return Role("mentee", person in self.mentored.get(year, ()), None, None)
        if year >= self.turned_down.get(person, year + 1):
            return Role("applicant", False, None, None)
        return Role("none", False, None, None)

    def _withdraw(self, year: int, teachers: dict[Person, Job]) -> None:
        """End the fellowships whose fellow no longer teaches in the region, and a few others."""
        for fellowship in self.fellowships.values():
            if fellowship.cohort != year - 1:
                continue
            job = teachers.get(fellowship.person)
            stays = job is not None and self.districts[job.school.district].region == fellowship.region
            if not stays or self.rng.random() < PROGRAMME.withdrawal_share:
                fellowship.last_year, fellowship.withdrawn = year - 1, True

    def _candidates(self, year: int, teachers: dict[Person, Job]) -> list[Job]:
        """Class teachers of a region who have not applied yet, in the order in which they are taken.

        A few former mentees come first; the other former mentees are left out, or they would crowd out the rest.
        """
        eligible = [
            job
            for person, job in teachers.items()
            if job.has_classes
            and self.districts[job.school.district].region
            and person not in self.fellowships
            and person not in self.turned_down
        ]
        self.rng.shuffle(eligible)
        former = set().union(*self.mentored.values())
        quota = PROGRAMME.former_mentees_by_cohort[year] * max(1, self.students / REFERENCE_STUDENTS)
        mentees = [job for job in eligible if job.person in former][: round(quota * self.profile.student_share)]
        others = [job for job in eligible if job.person not in former]
        return mentees + self._spread(year, others, teachers)

    def _spread(self, year: int, candidates: list[Job], teachers: dict[Person, Job]) -> list[Job]:
        """One candidate of every school before any second, high-poverty schools first; active fellows count."""
        crowd: Counter[School] = Counter(
            teachers[person].school for person, fellowship in self.fellowships.items() if fellowship.is_active(year)
        )
        order = []
        for job in candidates:
            order.append((crowd[job.school], job.school.frpl_share[year] <= RETENTION.high_poverty_above))
            crowd[job.school] += 1
        return [candidates[index] for index in sorted(range(len(candidates)), key=order.__getitem__)]

    def _select(self, year: int, total: int, candidates: list[Job]) -> list[Job]:
        return candidates[: cohort_quota(STATES.index(self.profile), year, total, self.students)]

    def _mentor(self, year: int, teachers: dict[Person, Job]) -> None:
        """Active fellows keep last year's mentees who are still near, and fill up to three."""
        former = set().union(*self.mentored.values())
        chosen: set[Person] = set()
        colleagues: dict[str, list[Job]] = {}
        for job in teachers.values():
            if job.has_classes and job.person not in self.fellowships:
                colleagues.setdefault(job.school.school_id, []).append(job)
        kept = {pair.mentee: pair.fellow for pair in self.mentorships if pair.year == year - 1}
        active = [fellowship.person for fellowship in self.fellowships.values() if fellowship.is_active(year)]
        for fellow in active:
            near = colleagues.get(teachers[fellow].school.school_id, [])
            free = [job for job in near if job.person not in chosen and kept.get(job.person, fellow) is fellow]
            self.rng.shuffle(free)
            free.sort(key=lambda job: (job.person not in kept, job.person in former))
            for job in free[: PROGRAMME.mentees_per_fellow]:
                chosen.add(job.person)
                self.mentorships.append(Mentorship(fellow, job.person, year, self._subject(job)))
        self.mentored[year] = chosen

    def _subject(self, job: Job) -> str:
        """The subject the mentee teaches; one of them for a teacher of all subjects."""
        taught = [
            subject
            for subject in TAUGHT_SUBJECTS
            if any(
                job.school.desk(grade, subject, section) == job.desk
                for grade in job.school.grades
                for section in range(job.school.sections)
            )
        ]
        return taught[self.rng.integers(len(taught))]
