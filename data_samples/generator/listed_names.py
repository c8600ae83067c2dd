"""Names as lists of names write them: what typing, marriage, habit and last year's school make of a person.

Some entries of the programme's lists give no id and no e-mail address. Each has one trouble at most, kinds taking
turns, and the truth says which. Most such entries repeat a person who is listed with an id elsewhere, so that who fails
to resolve them still knows everybody's part in the programme; who resolves them wrongly gives a stranger a part. A few
people are listed by name alone (`Named.only_by_name`): those have a trouble that leaves no doubt, and nobody whose name
is near theirs.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .names import SURNAMES
from .places import School
from .workforce import TEACHER, Job, Person, Workforce

NO_TROUBLE = "none"
KINDS = (
    NO_TROUBLE,
    "typing_error",  # two letters of the surname have changed places
    "dropped_accent",
    "married_name",  # another surname: by name and school alone this is somebody else
    "swapped_names",  # given name in the place of the surname
    "short_form",  # the first syllable of the given name
    "shared_surname",  # an initial, and a colleague of the same school has the surname too
    "school_in_other_words",  # `MS` for `Middle`, or nothing for `School`
    "school_of_year_before",
    "double_surname",  # a second surname behind the first
    "initial",
    "dropped_part",  # of a surname with a hyphen, or the O' before it
)
DOUBTLESS = (NO_TROUBLE, "dropped_accent", "typing_error", "school_in_other_words")
OF_THE_SCHOOL = ("school_in_other_words", "school_of_year_before")
ID_OF_SOMEBODY_ELSE = "id_of_somebody_else"
SCHOOL_WORDS = {" School": ("", " Sch."), " Middle": (" MS", " Middle School")}
SYLLABLE = 4


@dataclass(frozen=True)
class Named:
    """A person as a list of names writes them."""

    person: Person
    last_name: str
    first_name: str
    school: str
    trouble: str = NO_TROUBLE
    only_by_name: bool = False

    @property
    def whole(self) -> str:
        """`Last, First`, as a list with one column for names has it."""
        return f"{self.last_name}, {self.first_name}"


class NameTrouble:
    """Writes names wrongly in one state, list after list, so that every kind of trouble takes its turn."""

    def __init__(self, workforce: Workforce, rng: np.random.Generator, *, dirt: bool) -> None:
        self._workforce = workforce
        self._rng = rng
        self._turn = deque(KINDS if dirt else (NO_TROUBLE,))
        self._doubtless = deque(DOUBTLESS if dirt else (NO_TROUBLE,))
        self._alone: set[Person] = set()

    def some(self, jobs: list[Job], count: int) -> list[Named]:
        """So many of the people, each with the trouble that has waited longest among those that they can have."""
        return list(self._planted(jobs, count, self._turn))

    def alone(self, jobs: list[Job], count: int) -> list[Named]:
        """Up to so many people who are listed by name alone, beyond doubt and never twice."""
        clear = [job for job in jobs if job.person not in self._alone and not self._near(job)]
        found = list(self._planted(clear, count, self._doubtless, only_by_name=True))
        self._alone |= {named.person for named in found}
        return found

    def stranger(self, person: Person, jobs: list[Job]) -> Person | None:
        """Somebody of another name, whose id a typing error makes of the person's."""
        others = [
            job.person
            for job in jobs
            if not _alike(job.person.first_name, person.first_name)
            and not _alike(job.person.last_name, person.last_name)
        ]
        return others[self._rng.integers(len(others))] if others else None

    def _planted(self, jobs: list[Job], count: int, turn: deque[str], *, only_by_name: bool = False) -> Iterator[Named]:
        left = list(jobs)
        while left and count > 0:
            kind, job = self._next(left, turn)
            turn.remove(kind)
            turn.append(kind)
            left.remove(job)
            count -= 1
            last_name, first_name, school = self._written(job, kind) or _as_it_is(job)
            yield Named(job.person, last_name, first_name, school, kind, only_by_name)

    def _next(self, jobs: list[Job], turn: deque[str]) -> tuple[str, Job]:
        """A rare trouble stays first in turn until somebody comes who can have it."""
        return next((kind, job) for kind in (*turn, NO_TROUBLE) for job in jobs if self._written(job, kind))

    def _written(self, job: Job, kind: str) -> tuple[str, str, str] | None:
        """Surname, given name and school with the trouble; nothing where this person cannot have it."""
        last, first, school = _as_it_is(job)
        before = self._school_before(job)
        written = {
            NO_TROUBLE: (last, first, school),
            "typing_error": (_typed(last), first, school),
            "dropped_accent": (_plain(last), _plain(first), school),
            "married_name": (self._other_surname(first), first, school),
            "swapped_names": (first, last, school),
            "short_form": (last, first[:SYLLABLE], school),
            "shared_surname": (last, f"{first[0]}.", school) if self._has_namesake(job) else None,
            "school_in_other_words": (last, first, _in_other_words(school, job.person.number)),
            "school_of_year_before": (last, first, before.name) if before else None,
            "double_surname": (f"{last}-{self._other_surname(first)}", first, school) if "-" not in last else None,
            "initial": (last, f"{first[0]}.", school),
            "dropped_part": (last.partition("-")[0].rpartition("'")[2], first, school),
        }[kind]
        return None if kind != NO_TROUBLE and written == (last, first, school) else written

    def _school_before(self, job: Job) -> School | None:
        """The school of the year before, where it was another."""
        earlier = (other.school for other in self._workforce.jobs.get(job.year - 1, ()) if other.person is job.person)
        school = next(earlier, job.school)
        return None if school is job.school else school

    def _has_namesake(self, job: Job) -> bool:
        return any(
            other.person is not job.person
            and other.school is job.school
            and other.person.last_name == job.person.last_name
            for other in self._workforce.jobs[job.year]
        )

    def _other_surname(self, first_name: str) -> str:
        """A plain surname that nobody of the state has with this given name; always the same one."""
        taken = {person.last_name for person in self._workforce.people if person.first_name == first_name}
        start = len(first_name) * len(self._workforce.people) % len(SURNAMES)
        surnames = SURNAMES[start:] + SURNAMES[:start]
        return next(name for name in surnames if name not in taken and name.isascii() and name.isalpha())

    def _near(self, job: Job) -> bool:
        """Whether somebody of the state has nearly this name."""
        last, first, _ = _as_it_is(job)
        return any(
            _alike(other.last_name, last)
            and _alike(other.first_name, first)
            and (other.last_name == last or other.first_name == first)
            for other in self._workforce.people
            if other is not job.person
        )


def administrators(workforce: Workforce, year: int) -> list[Job]:
    """Those of the year who do not teach in it, nor in a later year."""
    teaching = {
        job.person for later, jobs in workforce.jobs.items() if later >= year for job in jobs if job.position == TEACHER
    }
    return [job for job in workforce.jobs[year] if job.person not in teaching]


def _as_it_is(job: Job) -> tuple[str, str, str]:
    return job.person.last_name, job.person.first_name, job.school.name


def _typed(name: str) -> str:
    """The first two neighbours of the second half that differ, in each other's place."""
    for place in range(len(name) // 2, len(name) - 1):
        first, second = name[place], name[place + 1]
        if first != second and first.islower() and second.islower():
            return f"{name[:place]}{second}{first}{name[place + 2 :]}"
    return name


def _plain(name: str) -> str:
    """Without accents."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))


def _alike(one: str, other: str) -> bool:
    """Names of one first syllable."""
    return _plain(one)[:SYLLABLE] == _plain(other)[:SYLLABLE]


def _in_other_words(school: str, number: int) -> str:
    for words, others in SCHOOL_WORDS.items():
        if school.endswith(words):
            return school.removesuffix(words) + others[number % len(others)]
    return school
