"""Tables of counts for tests of disclosure control."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from le_pipeline.publish.system import Mask, Numbers, System


def crossed(inner: Numbers) -> System:
    """A table of rows and columns with its totals: cells in order of row, the total of each row after its cells."""
    full = np.vstack([inner, inner.sum(axis=0)])
    full = np.hstack([full, full.sum(axis=1, keepdims=True)])
    rows, columns = full.shape
    place = np.arange(full.size).reshape(full.shape)
    sums = [[(place[row, -1], -1.0), *((cell, 1.0) for cell in place[row, :-1])] for row in range(rows)]
    sums += [[(place[-1, col], -1.0), *((cell, 1.0) for cell in place[:-1, col])] for col in range(columns)]
    return System.of(full.ravel(), sums)


def nested(schools: Numbers) -> System:
    """Schools (one row of the array for each district), then districts, then the state."""
    districts = schools.sum(axis=1)
    values = np.concatenate([schools.ravel(), districts, [districts.sum()]])
    place = np.arange(schools.size).reshape(schools.shape)
    first = schools.size
    sums = [[(first + i, -1.0), *((cell, 1.0) for cell in row)] for i, row in enumerate(place)]
    sums.append([(len(values) - 1, -1.0), *((first + i, 1.0) for i in range(len(districts)))])
    return System.of(values, sums)


def possible(system: System, suppressed: Mask, highest: int) -> Numbers:
    """Every table of whole numbers up to `highest` that agrees with what is shown, by trying all of them."""
    equations, unknown = system.equations.toarray(), np.flatnonzero(suppressed)
    free, bound = _basis(equations, unknown)
    known = equations[:, ~suppressed] @ system.values[~suppressed]
    choices = list(
        itertools.product(range(int(max(highest, system.values[free].max(initial=0) + 1)) + 1), repeat=len(free))
    )
    tried = np.array(choices, dtype=np.float64).reshape(len(choices), len(free))
    solved, *_ = np.linalg.lstsq(equations[:, bound], -(known[:, None] + equations[:, free] @ tried.T), rcond=None)
    rest = np.round(solved).T if len(bound) else np.zeros((len(tried), 0))
    tables = np.tile(system.values, (len(tried), 1))
    tables[:, free], tables[:, bound] = tried, rest
    agrees = (np.abs(tables @ equations.T).max(axis=1) < 1e-6) & (tables >= 0).all(axis=1)
    return tables[agrees]


def _basis(equations: Numbers, unknown: np.ndarray) -> tuple[list[int], list[int]]:
    """Unknown cells that may be chosen freely, and those that follow from them."""
    bound: list[int] = []
    for cell in map(int, unknown[::-1]):  # totals follow from what is inside
        if np.linalg.matrix_rank(equations[:, [*bound, cell]]) > len(bound):
            bound.append(cell)
    return [int(cell) for cell in unknown if cell not in bound], bound


def patterns(rng: np.random.Generator, count: int) -> Iterator[tuple[System, Mask, Mask]]:
    """Small random tables of up to 12 cells, each with its protected cells and a pattern that hides them and others."""
    for _ in range(count):
        shape = [(2, 2), (2, 2), (2, 3), (1, 3)][rng.integers(4)]
        inner = rng.poisson(rng.choice([1.0, 2.5, 5.0]), shape).astype(np.float64)
        system = nested(inner) if rng.random() < 0.3 else crossed(inner)
        protected = (system.values > 0) & (system.values < SMALLEST)
        yield system, protected, protected | (rng.random(system.size) < rng.choice([0.2, 0.5]))


SMALLEST = 3
