"""Complementary suppression: published optima, the least weight against all choices, and protection that holds."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from le_pipeline.publish.auditor import audit, possible_values
from le_pipeline.publish.suppression import Protection, UnprotectableError, exact, suppress
from le_pipeline.publish.suppression.need import people_alone
from le_pipeline.publish.system import Mask, Numbers, System
from publish.counts import SMALLEST, crossed, nested, patterns

DATA = Path(__file__).parents[3] / "shared" / "data" / "suppression" / "instances.json"
published = pytest.mark.skipif(not DATA.exists(), reason="the public data are not beside the project (../shared/data)")


def instance(name: str) -> tuple[System, Protection, dict[str, object]]:
    (found,) = [given for given in json.loads(DATA.read_text(encoding="utf-8")) if given["name"] == name]
    values = np.array(found["values"])
    up, down = np.zeros(len(values)), np.zeros(len(values))
    for levels, key in ((up, "upl"), (down, "lpl")):
        for cell, level in found[key].items():
            levels[int(cell)] = level
    return System.of(values, found["equations"]), Protection.of(up, down, values), found["expected"]


@published
@pytest.mark.parametrize("name", ["fischetti-salazar-3x3", "sdcTable-microdata1-freq"])
def test_the_published_optimal_pattern_is_found(name: str) -> None:
    system, need, expected = instance(name)

    hidden = suppress(system, need)

    assert np.flatnonzero(hidden).tolist() == expected["optimal_suppressed"]
    assert system.values[hidden].sum() == expected["optimal_total_weight"]


@published
def test_the_published_interval_is_what_an_attacker_finds() -> None:
    system, need, expected = instance("fischetti-salazar-3x3")

    assert list(possible_values(system, suppress(system, need), 11)) == expected["interval"]["11"]  # type: ignore[index]


@published
def test_a_cell_that_a_hidden_equation_gives_away_is_protected_by_one_more() -> None:
    system, need, expected = instance("sdcTable-hidden-equation-4x4")
    before = need.primary
    disclosed = [cell for cell in np.flatnonzero(before) if len(set(possible_values(system, before, int(cell)))) == 1]

    hidden = suppress(system, need)

    assert disclosed == expected["before_exactly_disclosed"]
    assert np.flatnonzero(hidden & ~before).tolist() == expected["optimal_additional"]
    assert list(possible_values(system, hidden, 7)) == expected["interval_after"]["7"]  # type: ignore[index]


def counted(system: System, smallest: int) -> tuple[Protection, Mask]:
    """The protection of counts below a smallest size, whose possible values must reach it, and one below their own."""
    small = (system.values > 0) & (system.values < smallest)
    return (
        Protection.of(
            np.where(small, smallest - system.values, 0),
            np.where(small, 1, 0),
            np.log1p(system.values),
            person=people_alone(system, small & (system.values == 1)),
        ),
        small,
    )


def reach(system: System, small: Mask, smallest: int) -> tuple[Numbers, Numbers]:
    return np.where(small, system.values - 1, np.nan), np.where(small, smallest, np.nan)


@pytest.mark.parametrize("seed", range(12))
def test_no_choice_of_cells_is_lighter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inner = rng.poisson(rng.gamma(1, 9, (2, 3) if seed % 2 else (2, 2))).astype(float)
    system = crossed(inner)
    small = (system.values > 0) & (system.values < 6)
    up, down, weights = np.where(small, 6 - system.values, 0), small * 1.0, np.log1p(system.values)

    def protects(hidden: Mask) -> bool:
        ends = [(possible_values(system, hidden, int(cell)), system.values[cell]) for cell in np.flatnonzero(small)]
        return all(low <= value - 1 + 1e-6 and high >= 6 - 1e-6 for (low, high), value in ends)

    found = suppress(system, Protection.of(up, down, weights))

    others = np.flatnonzero(~small)
    choices = itertools.chain.from_iterable(itertools.combinations(others, n) for n in range(len(others) + 1))
    lighter = [c for c in choices if weights[list(c)].sum() < weights[found & ~small].sum() - 1e-9]
    assert protects(found)
    assert not any(protects(small | np.isin(np.arange(system.size), choice)) for choice in lighter)


@pytest.mark.parametrize("size", [4, 6, 8])
def test_the_search_for_large_tables_comes_near_the_least_weight(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    least, searched = 0.0, 0.0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        system = crossed(rng.poisson(rng.gamma(1, 12, (size, size - 1))).astype(float))
        need, small = counted(system, 10)
        monkeypatch.setattr(exact, "SIZE", 1_000)
        least += float(need.weights[suppress(system, need) & ~small].sum())
        monkeypatch.setattr(exact, "SIZE", 0)
        hidden = suppress(system, need)
        searched += float(need.weights[hidden & ~small].sum())
        assert audit(system, hidden, reach(system, small, 10), need.person).passed

    assert searched <= 1.15 * least


def test_what_is_hidden_protects_every_small_count_of_small_tables() -> None:
    rng, unprotectable = np.random.default_rng(7), 0
    for system, *_ in patterns(rng, 300):
        need, small = counted(system, SMALLEST)
        try:
            hidden = suppress(system, need)
        except UnprotectableError:
            unprotectable += 1
            continue
        assert audit(system, hidden, reach(system, small, SMALLEST), need.person).passed

    assert unprotectable < 15  # two people alone who make up a whole table know each other


def test_totals_are_kept_where_cells_inside_can_be_hidden_instead() -> None:
    system = nested(np.array([[3.0, 40, 52], [61, 70, 30]]))
    need, _ = counted(system, 10)

    hidden = suppress(system, need)

    assert np.flatnonzero(hidden).tolist() == [0, 1]  # the small school, and the lightest beside it


def test_a_zero_is_no_cover_for_a_small_count() -> None:
    """A hidden zero can only rise, so that the small count beside it could only be smaller."""
    system = crossed(np.array([[3.0, 0, 25], [12, 30, 41]]))
    need, small = counted(system, 10)

    with_zero = small | np.isin(np.arange(system.size), [1])

    assert not audit(system, with_zero, reach(system, small, 10)).passed
    assert audit(system, suppress(system, need), reach(system, small, 10)).passed


def test_a_cell_that_everybody_knows_protects_nothing() -> None:
    system = nested(np.array([[4.0, 15, 40], [61, 70, 30]]))
    need, small = counted(system, 10)
    known = np.isin(np.arange(system.size), [1])  # shown in an earlier release
    need = Protection.of(need.up, need.down, need.weights, shown=known)

    hidden = suppress(system, need)

    assert not hidden[1]
    assert audit(system, hidden, reach(system, small, 10)).passed


def test_a_small_count_that_nothing_can_hide_is_said_to_be_so() -> None:
    system = nested(np.array([[4.0, 15], [61, 70]]))
    need, _ = counted(system, 10)
    everything_else = np.arange(system.size) != 0
    need = Protection.of(need.up, need.down, need.weights, shown=everything_else)

    with pytest.raises(UnprotectableError, match="1 cells cannot be protected"):
        suppress(system, need)


def test_the_same_table_gives_the_same_pattern() -> None:
    rng = np.random.default_rng(3)
    system = crossed(rng.poisson(rng.gamma(1, 12, (9, 14))).astype(float))
    need, _ = counted(system, 10)

    assert suppress(system, need).tolist() == suppress(system, need).tolist()
