"""A synthetic state's table: cells hidden beside the small ones, seconds, and what an audit finds."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from rich.table import Table

from le_pipeline.publish.auditor import audit
from le_pipeline.publish.suppression import Protection, suppress
from le_pipeline.publish.suppression.need import people_alone
from le_pipeline.publish.system import System

DISTRICTS, SCHOOLS, RACES, SEXES = 70, 1_300, 7, 2
SHARES = (0.47, 0.36, 0.08, 0.04, 0.03, 0.015, 0.005)
SMALLEST = 10
MOST_SECONDS, MOST_AUDIT_SECONDS, MOST_ADDED = 60, 180, 0.30


@dataclass(frozen=True)
class Schools:
    """How large the schools of a state are, and how alike.

    `median`: students of the median school. `alike`: of districts in a state, and of schools in a district, the
    concentration of the Dirichlet distribution that their shares by race are drawn from.
    """

    median: int
    alike: tuple[int, int]


# the first has the 10,000 small cells of the promise; the second is harder: many cells of one or two people
STATES = {"usual schools": Schools(330, (100, 200)), "small schools, unlike each other": Schools(100, (30, 60))}


@dataclass(frozen=True)
class Hidden:
    """Small cells, cells hidden beside them, seconds of either step, and protected cells that an attack recovers."""

    small: int
    added: int
    seconds: float
    audit_seconds: float
    exposed: int


def state(schools: Schools, seed: int) -> System:
    """Students by school x race x sex, with totals of every kind: 32,904 cells, a third of them small."""
    districts_alike, schools_alike = schools.alike
    rng = np.random.default_rng(seed)
    size = rng.pareto(1.2, DISTRICTS) + 0.3
    more = rng.choice(DISTRICTS, SCHOOLS - DISTRICTS, p=size / size.sum())
    district = np.sort(np.concatenate([np.arange(DISTRICTS), more]))
    mix = np.array([rng.dirichlet(np.array(SHARES) * districts_alike) for _ in range(DISTRICTS)])
    counts = np.zeros((SCHOOLS, RACES, SEXES))
    sizes = np.maximum(rng.lognormal(np.log(schools.median), 0.8, SCHOOLS), 8).astype(int)
    for school, students in enumerate(sizes):
        by_race = rng.multinomial(students, rng.dirichlet(mix[district[school]] * schools_alike + 1e-3))
        girls = rng.binomial(by_race, 0.49)
        counts[school] = np.stack([girls, by_race - girls], axis=1)
    return _with_totals(counts, district)


def _with_totals(counts: NDArray[np.float64], district: NDArray[np.intp]) -> System:
    parents = sp.csr_matrix((np.ones(SCHOOLS), (district, np.arange(SCHOOLS))))
    by_district = (parents @ counts.reshape(SCHOOLS, -1)).reshape(DISTRICTS, RACES, SEXES)
    units = np.concatenate([counts, by_district, by_district.sum(axis=0)[None]])
    units = np.concatenate([units, units.sum(axis=1, keepdims=True)], axis=1)
    units = np.concatenate([units, units.sum(axis=2, keepdims=True)], axis=2)
    place = np.arange(units.size).reshape(units.shape)
    sums = [[(total, -1.0), *((cell, 1.0) for cell in row)] for *row, total in place.reshape(-1, SEXES + 1)]
    by_race = place.transpose(0, 2, 1).reshape(-1, RACES + 1)
    sums += [[(total, -1.0), *((cell, 1.0) for cell in row)] for *row, total in by_race]
    members = [np.flatnonzero(district == i) for i in range(DISTRICTS)]
    for race in range(RACES + 1):
        for sex in range(SEXES + 1):
            column = place[:, race, sex]
            for i, schools in enumerate(members):
                sums.append([(column[SCHOOLS + i], -1.0), *((column[school], 1.0) for school in schools)])
            sums.append([(column[-1], -1.0), *((cell, 1.0) for cell in column[SCHOOLS:-1])])
    return System.of(units.ravel(), sums)


def hidden(system: System, *, alone: bool) -> Hidden:
    """Hide and audit one state's table. `alone`: also against what a student knows who is alone in a cell."""
    values = system.values
    small = (values > 0) & (values < SMALLEST)
    person = people_alone(system, small & (values == 1)) if alone else None
    need = Protection.of(
        np.where(small, SMALLEST - values, 0), np.where(small, 1, 0), np.log1p(np.maximum(values, 1)), person=person
    )
    began = time.monotonic()
    found = suppress(system, need)
    done = time.monotonic()
    reach = np.where(small, values - 1, np.nan), np.where(small, SMALLEST, np.nan)
    verdict = audit(system, found, reach, person)
    exposed = len(verdict.exposures)
    return Hidden(int(small.sum()), int((found & ~small).sum()), done - began, time.monotonic() - done, exposed)


def suppression() -> Table:
    """Two kinds of state, with and without the rule about lone students; what was promised stands beside."""
    table = Table(
        f"{(DISTRICTS + SCHOOLS + 1) * (RACES + 1) * (SEXES + 1):,} cells",
        "small",
        "hidden beside them",
        f"share (at most {MOST_ADDED:.0%})",
        f"seconds (under {MOST_SECONDS})",
        f"audit (under {MOST_AUDIT_SECONDS})",
        "recoverable (none)",
    )
    for name, schools in STATES.items():
        for alone in (False, True):
            found = hidden(state(schools, 1), alone=alone)
            table.add_row(
                f"{name}, {'lone students too' if alone else 'outsiders'}",
                f"{found.small:,}",
                f"{found.added:,}",
                f"{found.added / found.small:.1%}",
                f"{found.seconds:.0f}",
                f"{found.audit_seconds:.0f}",
                str(found.exposed),
            )
    return table
