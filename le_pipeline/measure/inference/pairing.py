"""Who is matched with whom on one score: nearest neighbours and optimal full matching.

Scores are whole numbers in ascending order, so that distances, ties and total costs are exact. What is returned are
pairs, as places in the two arrays; a unit may stand in several.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]
UNREACHABLE = np.int64(2**62)  # above every cost, and still far enough from overflow to have a distance added


@dataclass(frozen=True)
class Pairs:
    """Pairs of a treated and a comparison unit, as places in the arrays of scores; both arrays have one length."""

    treated: Ints
    comparison: Ints

    def comparison_weights(self, size: int) -> NDArray[np.float64]:
        """The weight of each of `size` comparison units: 1 / partners, summed over the treated it is paired with.

        So the weights of a set sum to the number of treated in it, which is what the effect on the treated asks for.
        """
        partners = np.bincount(self.treated)
        weights = np.bincount(self.comparison, weights=1 / partners[self.treated], minlength=size)
        return np.asarray(weights, dtype=np.float64)

    def sets(self, sizes: tuple[int, int]) -> tuple[Ints, Ints]:
        """The set of each treated and of each comparison unit: who is joined by pairs is in one. 0 is unmatched."""
        n_treated, n_comparison = sizes
        n = n_treated + n_comparison
        joined = coo_array((np.ones(len(self.treated)), (self.treated, n_treated + self.comparison)), shape=(n, n))
        label = connected_components(joined, directed=False)[1]
        first = {found: place for place, found in enumerate(dict.fromkeys(label[np.unique(self.treated)]), start=1)}
        numbered = np.array([first.get(found, 0) for found in label], dtype=np.int64)
        return numbered[:n_treated], numbered[n_treated:]


def nearest(treated: Ints, pool: Ints, caliper: int, ratio: int) -> Pairs:
    """Greedy matching without replacement: from the highest score down, each takes the nearest that is free.

    There are `ratio` rounds, so that nobody takes a second before everybody has had a choice of a first. The order and
    its reason (high scores have the fewest counterparts) are those of Rosenbaum and Rubin 1985, The American
    Statistician 39, 33-38. Of two at the same distance the lower is taken.
    """
    free = np.ones(len(pool), dtype=bool)
    low, high = _within(treated, pool, caliper)
    found = []
    for _ in range(ratio):
        for i in reversed(range(len(treated))):
            near = low[i] + np.flatnonzero(free[low[i] : high[i]])
            if len(near):
                j = near[np.argmin(np.abs(pool[near] - treated[i]))]
                free[j] = False
                found.append((i, j))
    return _pairs(found)


def nearest_replaced(treated: Ints, pool: Ints, caliper: int, ratio: int) -> Pairs:
    """Matching with replacement: each treated unit takes its `ratio` nearest, whoever else has them."""
    low, high = _within(treated, pool, caliper)
    return _pairs(
        [
            (i, low[i] + j)
            for i in range(len(treated))
            for j in np.argsort(np.abs(pool[low[i] : high[i]] - treated[i]), kind="stable")[:ratio]
        ]
    )


def full(treated: Ints, pool: Ints, caliper: int) -> Pairs:
    """Optimal full matching: sets of one treated or one comparison unit, of the least sum of distances.

    Everybody who has a counterpart within the caliper is in a set (Hansen 2004, JASA 99, 609-618; Rosenbaum 1991,
    JRSS B 53, 597-610). That is a cheapest edge cover of the bipartite graph. In general it is a minimum-cost flow; on
    a line, pairs that cross can be uncrossed without a longer total or a longer longest pair, so that a best cover
    runs through both ascending arrays in step (as in Colannino and others 2007, Graphs and Combinatorics 23,
    169-178). What is left is the cheapest way through the table of distances from its first to its last cell, each
    step going on by one treated unit, one comparison unit, or both. Each row of it is a running minimum, hence fast.

    Of equally cheap ways the search, backward from the highest scores, takes the step that begins another set.
    """
    some_pool = np.subtract(*_within(treated, pool, caliper)) < 0
    some_treated = np.subtract(*_within(pool, treated, caliper)) < 0
    rows, columns = np.flatnonzero(some_pool), np.flatnonzero(some_treated)
    if not len(rows):
        return _pairs([])
    way = _cheapest_way(treated[rows], pool[columns], caliper)
    return _pairs([(rows[i], columns[j]) for i, j in way])


def _within(these: Ints, others: Ints, caliper: int) -> tuple[Ints, Ints]:
    """From where to where the others are no farther away than the caliper."""
    return np.searchsorted(others, these - caliper, "left"), np.searchsorted(others, these + caliper, "right")


def _cheapest_way(treated: Ints, pool: Ints, caliper: int) -> list[tuple[int, int]]:
    """Cells of the cheapest way through the table of distances; cells beyond the caliper are closed."""
    low, high = _within(treated, pool, caliper)
    costs: list[Ints] = []  # of the cheapest way up to each open cell of a row

    def cost(i: int, j: int) -> np.int64:
        return costs[i][j - low[i]] if i >= 0 and low[i] <= j < high[i] else UNREACHABLE

    for i, score in enumerate(treated):
        above = np.full(high[i] - low[i] + 1, UNREACHABLE)  # the row before, from one cell to the left on
        if i == 0:
            above[0] = 0  # the way begins
        else:
            start, end = max(low[i] - 1, low[i - 1]), high[i - 1]
            above[start - low[i] + 1 : end - low[i] + 1] = costs[-1][start - low[i - 1] :]
        distance = np.abs(pool[low[i] : high[i]] - score)
        along = np.cumsum(distance)
        entered = np.minimum(above[:-1], above[1:]) - (along - distance)
        row = along + np.minimum.accumulate(entered)
        costs.append(np.where(row < UNREACHABLE // 2, row, UNREACHABLE))

    way = [(len(treated) - 1, len(pool) - 1)]
    while way[-1] != (0, 0):
        i, j = way[-1]
        way.append(min((i - 1, j - 1), (i - 1, j), (i, j - 1), key=lambda cell: cost(*cell)))
    return way


def _pairs(found: list[tuple[int, int]]) -> Pairs:
    ordered = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    return Pairs(ordered[:, 0], ordered[:, 1])
