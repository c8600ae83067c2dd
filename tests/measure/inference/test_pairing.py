"""pairing: who is matched with whom on a score, held against published pairs, brute force and another solver."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from le_pipeline.measure.inference import pairing
from le_pipeline.measure.inference.pairing import Pairs

ANY = 10**6

# optmatch (Hansen and others), tests of optimality: treated A = 0 and B = 2; comparison C = -3, D = 0 and E = 6
TREATED, POOL = np.array([0, 2]), np.array([-3, 0, 6])

# Net capacity (MW) of nuclear power plants built on the site of another plant, and on sites of their own: Cox and
# Snell 1981, Applied Statistics, example G; the data set `nuclearplants` of optmatch
SITES_SHARED = np.sort([1065, 1065, 822, 530, 1050, 828, 821, 886, 745, 886])
SITES_NEW = np.sort(
    [687, 1065, 1065, 514, 822, 457, 792, 560, 790, 530, 1050, 850, 778, 845, 1090, 913, 786, 538, 1130, 745, 821, 886]
)

scores = st.lists(st.integers(-12, 12), min_size=1, max_size=5).map(lambda found: np.array(sorted(found)))
calipers = st.integers(0, 12)


def cost(pairs: Pairs, treated: NDArray[np.int64], pool: NDArray[np.int64]) -> int:
    return int(np.abs(treated[pairs.treated] - pool[pairs.comparison]).sum())


def members(pairs: Pairs) -> list[tuple[int, int]]:
    return [(int(i), int(j)) for i, j in zip(pairs.treated, pairs.comparison, strict=True)]


def cheapest_cover(treated: NDArray[np.int64], pool: NDArray[np.int64], caliper: int) -> int:
    """The least cost of any sets that hold everybody who has a counterpart: all choices of the treated are tried."""
    distance = np.abs(treated[:, None] - pool[None, :])
    allowed = distance <= caliper
    rows, columns = allowed.any(axis=1), allowed.any(axis=0)
    distance, allowed = distance[rows][:, columns], allowed[rows][:, columns]
    least = np.where(allowed, distance, ANY).min(axis=0, initial=ANY)
    return min(
        sum(distance[i, j] for i, j in enumerate(choice)) + sum(least[j] for j in {*range(len(least))} - {*choice})
        for choice in product(*(np.flatnonzero(row) for row in allowed))
    )


def cheapest_cover_by_assignment(treated: NDArray[np.int64], pool: NDArray[np.int64]) -> int:
    """The same by another way: everybody's nearest, less what is saved by sharing a pair (a maximum matching)."""
    distance = np.abs(treated[:, None] - pool[None, :])
    nearest = distance.min(axis=1)[:, None], distance.min(axis=0)[None, :]
    saved = np.maximum(nearest[0] + nearest[1] - distance, 0)
    return int(nearest[0].sum() + nearest[1].sum() - saved[linear_sum_assignment(-saved)].sum())


def test_full_matching_finds_the_published_sets() -> None:
    found = pairing.full(TREATED, POOL, ANY)

    assert members(found) == [(0, 0), (0, 1), (1, 2)]
    assert cost(found, TREATED, POOL) == 7
    assert [sets.tolist() for sets in found.sets((2, 3))] == [[1, 2], [1, 1, 2]]
    assert found.comparison_weights(3).tolist() == [0.5, 0.5, 1.0]


def test_nearest_takes_from_the_highest_score_down_and_may_pay_for_it() -> None:
    # the published optimal pairs are A with D and B with E, together 4; B comes first and takes D
    found = pairing.nearest(TREATED, POOL, ANY, 1)

    assert members(found) == [(0, 0), (1, 1)]
    assert cost(found, TREATED, POOL) == 5


def test_full_matching_of_the_nuclear_plants_costs_what_another_solver_finds() -> None:
    found = pairing.full(SITES_SHARED, SITES_NEW, ANY)

    assert cost(found, SITES_SHARED, SITES_NEW) == cheapest_cover_by_assignment(SITES_SHARED, SITES_NEW)
    assert set(found.treated) == set(range(10))
    assert set(found.comparison) == set(range(22))


@given(scores, scores, calipers)
def test_full_matching_costs_no_more_than_any_other_sets(
    treated: NDArray[np.int64], pool: NDArray[np.int64], caliper: int
) -> None:
    found = pairing.full(treated, pool, caliper)

    assert cost(found, treated, pool) == cheapest_cover(treated, pool, caliper)


@given(st.integers(0, 10**6))
def test_full_matching_of_many_costs_what_another_solver_finds(seed: int) -> None:
    random = np.random.default_rng(seed)
    treated, pool = (np.sort(random.integers(0, 300, random.integers(1, 60))) for _ in range(2))

    found = pairing.full(treated, pool, ANY)

    assert cost(found, treated, pool) == cheapest_cover_by_assignment(treated, pool)


@given(scores, scores, calipers)
def test_sets_of_full_matching_have_one_treated_or_one_comparison_unit_and_hold_all_who_have_a_counterpart(
    treated: NDArray[np.int64], pool: NDArray[np.int64], caliper: int
) -> None:
    found = pairing.full(treated, pool, caliper)

    times = np.bincount(found.treated, minlength=1), np.bincount(found.comparison, minlength=1)
    assert all(times[0][i] == 1 or times[1][j] == 1 for i, j in members(found))
    allowed = np.abs(treated[:, None] - pool[None, :]) <= caliper
    assert set(found.treated) == set(np.flatnonzero(allowed.any(axis=1)))
    assert set(found.comparison) == set(np.flatnonzero(allowed.any(axis=0)))


@pytest.mark.parametrize("method", ["full", "nearest", "nearest_replaced"])
@given(treated=scores, pool=scores, caliper=calipers, ratio=st.integers(1, 3))
def test_no_pair_is_beyond_the_caliper_and_the_weights_of_a_set_sum_to_its_treated(
    method: str, treated: NDArray[np.int64], pool: NDArray[np.int64], caliper: int, ratio: int
) -> None:
    take = getattr(pairing, method)
    found: Pairs = take(treated, pool, caliper) if method == "full" else take(treated, pool, caliper, ratio)

    assert (np.abs(treated[found.treated] - pool[found.comparison]) <= caliper).all()
    assert len(members(found)) == len(set(members(found)))
    sets_of_treated, sets_of_pool = found.sets((len(treated), len(pool)))
    weights = found.comparison_weights(len(pool))
    assert weights[sets_of_pool == 0].sum() == 0
    for number in set(sets_of_treated) - {0}:
        assert weights[sets_of_pool == number].sum() == pytest.approx((sets_of_treated == number).sum())


@given(scores, scores, calipers, st.integers(1, 3))
def test_without_replacement_nobody_serves_twice_and_nobody_nearer_is_left(
    treated: NDArray[np.int64], pool: NDArray[np.int64], caliper: int, ratio: int
) -> None:
    found = pairing.nearest(treated, pool, caliper, ratio)

    assert len(set(found.comparison)) == len(found.comparison)
    assert np.bincount(found.treated, minlength=1).max() <= ratio
    left = np.delete(pool, found.comparison)
    for i, j in members(found):
        assert (np.abs(left - treated[i]) >= abs(pool[j] - treated[i])).all()
    for i in set(range(len(treated))) - set(found.treated):
        assert (np.abs(left - treated[i]) > caliper).all()


@given(scores, scores, calipers, st.integers(1, 3))
def test_with_replacement_everybody_gets_their_nearest(
    treated: NDArray[np.int64], pool: NDArray[np.int64], caliper: int, ratio: int
) -> None:
    found = pairing.nearest_replaced(treated, pool, caliper, ratio)

    for i, score in enumerate(treated):
        distance = np.sort(np.abs(pool - score))
        taken = np.sort(np.abs(pool[found.comparison[found.treated == i]] - score))
        assert taken.tolist() == distance[distance <= caliper][:ratio].tolist()


def test_everybody_has_a_first_before_anybody_has_a_second() -> None:
    found = pairing.nearest(np.array([10, 11]), np.array([9, 12, 13]), ANY, 2)

    # 11 takes 12 and 10 takes 9, then 11 takes 13 and nobody is left
    assert members(found) == [(0, 0), (1, 1), (1, 2)]


def test_those_who_share_a_comparison_unit_are_one_set() -> None:
    found = pairing.nearest_replaced(np.array([0, 1, 9]), np.array([0, 8, 10]), 3, 1)

    assert members(found) == [(0, 0), (1, 0), (2, 1)]  # of 8 and 10, both 1 away, the lower
    assert [sets.tolist() for sets in found.sets((3, 3))] == [[1, 1, 2], [1, 2, 0]]
    assert found.comparison_weights(3).tolist() == [2.0, 1.0, 0.0]


def test_where_nobody_is_near_there_are_no_pairs() -> None:
    for found in (pairing.full(TREATED, POOL + 99, 5), pairing.nearest(TREATED, POOL + 99, 5, 1)):
        assert members(found) == []
        assert [sets.tolist() for sets in found.sets((2, 3))] == [[0, 0], [0, 0, 0]]
        assert found.comparison_weights(3).tolist() == [0.0] * 3
