"""From sizes and a seed to a folder of deliveries with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from .assessment_files import AssessmentFile
from .careers import simulate
from .listed_names import NameTrouble
from .places import District, allocate, build_districts
from .programme import Programme
from .programme_files import ProgrammeFiles
from .pupils import Pupils, draw_pupils
from .roster_files import write_oneroster
from .rosters import Roster, build_roster
from .scores import draw_tests, teaching_effects
from .settings import RETENTION, SCHOOL_YEARS, STATES, RetentionModel, StateProfile
from .staff_files import add_staff_truth, write_directory, write_staff
from .truth import Truth
from .workforce import Workforce

ASSESSMENT_NAMES = {"LA": "leap_3_8_{}.csv", "MO": "map_{}.txt"}


@dataclass(frozen=True)
class Options:
    """Distinct students over all years and both states, the seed, and whether faults are planted."""

    students: int
    seed: int
    dirt: bool

    def random(self, *place: int) -> np.random.Generator:
        """A stream of its own for every place, so that one district's draws do not move another's."""
        return np.random.default_rng([self.seed, *place])


def deliver(out: Path, options: Options) -> None:
    """Write `landing` and `truth` under the folder."""
    truth = Truth(out)
    by_state = allocate(options.students, np.array([profile.student_share for profile in STATES]))
    for profile, students in zip(STATES, by_state.tolist(), strict=True):
        _deliver_state(out / "landing" / profile.code, profile, students, options, truth)
    truth.write(students=options.students, seed=options.seed, dirt=options.dirt)


def _deliver_state(folder: Path, profile: StateProfile, students: int, options: Options, truth: Truth) -> None:
    """Adults move between districts, so a state has all of them first; students come district by district."""
    state = STATES.index(profile)
    workforce, programme = draw_staff(profile, students, options)
    districts = workforce.districts
    truth.add_districts(profile.code, districts)
    add_staff_truth(workforce, programme, truth)
    trouble = NameTrouble(workforce, options.random(state, 4), dirt=options.dirt)
    lists = ProgrammeFiles(workforce, programme, trouble, truth, dirt=options.dirt)
    with ExitStack() as stack:
        tests: dict[int, AssessmentFile] = {}
        for year in SCHOOL_YEARS:
            landing = folder / str(year)
            landing.mkdir(parents=True, exist_ok=True)
            write_directory(landing / f"school_directory_{year}.csv", districts, year, truth)
            write_staff(landing / f"staff_{year}.csv", workforce, year, truth, dirt=options.dirt)
            lists.write(landing, year)
            path = landing / ASSESSMENT_NAMES[profile.code].format(year)
            tests[year] = stack.enter_context(AssessmentFile(path, profile, year, truth, dirt=options.dirt))
        for district in districts:
            rng = options.random(state, 3, district.index)
            for roster, pupils in draw_rosters(workforce, district, rng):
                oneroster = folder / str(roster.year) / f"oneroster_{district.code}"
                write_oneroster(oneroster, pupils, roster, truth)
                _add_links(pupils, roster, workforce, truth)
                teaching = teaching_effects(profile, pupils, roster, workforce.people, programme)
                taken = draw_tests(profile, pupils, roster, teaching, rng)
                tests[roster.year].append(district, pupils, taken, rng)


def draw_staff(
    profile: StateProfile, students: int, options: Options, model: RetentionModel = RETENTION
) -> tuple[Workforce, Programme]:
    """A state's districts for so many students, and the careers of its adults in and out of the programme."""
    state = STATES.index(profile)
    districts = build_districts(profile, students, options.random(state, 0))
    workforce = Workforce(profile, districts, options.random(state, 1))
    programme = Programme(profile, districts, options.students, options.random(state, 2))
    simulate(workforce, programme, model)
    return workforce, programme


def draw_rosters(workforce: Workforce, district: District, rng: np.random.Generator) -> Iterator[tuple[Roster, Pupils]]:
    """A district's years in order, since students who move stay where they went."""
    pupils = draw_pupils(workforce.profile, district, rng)
    for year in SCHOOL_YEARS:
        yield build_roster(pupils, district, workforce.teachers(district, year), year, rng), pupils


def _add_links(pupils: Pupils, roster: Roster, workforce: Workforce, truth: Truth) -> None:
    staff_ids = [workforce.people[number - 1].staff_id for number in roster.links["staff_number"].to_list()]
    truth.append(
        "link",
        roster.links.with_columns(
            state=pl.lit(workforce.profile.code),
            school_year=pl.lit(roster.year),
            student_id=pupils.people["student_id"].gather(roster.links["pupil"]),
            staff_id=pl.Series(staff_ids, dtype=pl.String),
        ),
    )
