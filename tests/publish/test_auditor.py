"""The auditor: whatever it passes, no attack recovers; what it fails, one does."""

from __future__ import annotations

import numpy as np
import pytest

from le_pipeline.publish.auditor import audit, possible_values
from le_pipeline.publish.suppression.need import people_alone
from le_pipeline.publish.system import Mask, System
from publish.counts import SMALLEST, crossed, nested, patterns, possible


def passes(system: System, hidden: Mask, smallest: int = 10) -> bool:
    small = (system.values > 0) & (system.values < smallest)
    person = people_alone(system, small & (system.values == 1))
    reach = np.where(small, system.values - 1, np.nan), np.where(small, smallest, np.nan)
    return audit(system, hidden, reach, person).passed


def cells(system: System, *places: int) -> Mask:
    return np.isin(np.arange(system.size), places)


def is_safe(system: System, hidden: Mask, protected: Mask) -> bool:
    """The same question answered by trying every table there is."""
    tables = possible(system, hidden, highest=9)
    small = np.flatnonzero(protected)
    person = people_alone(system, protected & (system.values == 1))
    for who in set(person[person >= 0].tolist()):
        own = np.flatnonzero(person == who)
        known = tables[(tables[:, own] == system.values[own]).all(axis=1)]
        if any(len(np.unique(known[:, cell])) == 1 for cell in small if person[cell] != who):
            return False
    return all(tables[:, cell].min() <= system.values[cell] - 1 and tables[:, cell].max() >= SMALLEST for cell in small)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_trying_every_table_never_recovers_what_the_auditor_passes(seed: int) -> None:
    """1,000 tables of up to 12 cells for each seed, hidden at random; what the auditor fails, the trial recovers."""
    verdicts = [
        (passes(system, hidden, SMALLEST), is_safe(system, hidden, protected))
        for system, protected, hidden in patterns(np.random.default_rng(seed), 1_000)
    ]

    assert [said for said, _ in verdicts] == [truth for _, truth in verdicts]
    assert 200 < sum(said for said, _ in verdicts) < 800  # both verdicts are put to the test


def test_the_total_minus_the_rest_is_found() -> None:
    system = nested(np.array([[4.0, 15, 40], [61, 70, 30]]))

    assert not passes(system, cells(system, 0))
    assert possible_values(system, cells(system, 0), 0) == (4, 4)


def test_two_tables_that_are_each_safe_can_be_unsafe_together() -> None:
    """Sex and disability of the same 60 students: each hides its total and a group; the other's total gives it away."""
    by_sex = System.of([60.0, 53, 7], [[(0, -1), (1, 1), (2, 1)]])
    by_disability = System.of([60.0, 52, 8], [[(0, -1), (1, 1), (2, 1)]])
    together = System.of([60.0, 53, 7, 52, 8], [[(0, -1), (1, 1), (2, 1)], [(0, -1), (3, 1), (4, 1)]])

    assert passes(by_sex, cells(by_sex, 0, 2)) and passes(by_disability, cells(by_disability, 1, 2))
    assert not passes(together, cells(together, 2, 3, 4))  # the one shows the total that the other hides
    assert passes(together, cells(together, 1, 2, 3, 4))


def test_who_is_alone_in_a_cell_does_not_learn_the_other_of_two() -> None:
    system = nested(np.array([[1.0, 4, 40], [61, 70, 30]]))

    assert not passes(system, cells(system, 0, 1))
    assert passes(system, cells(system, 0, 1, 2))


def test_a_total_and_its_only_part_are_one_persons() -> None:
    system = crossed(np.array([[1.0, 0, 20], [14, 30, 41], [25, 16, 33]]))
    person = people_alone(system, system.values == 1)

    assert person[0] >= 0
    assert (person >= 0).sum() == 1

    alone = crossed(np.array([[1.0, 0], [14, 30]]))
    person = people_alone(alone, alone.values == 1)
    assert person[0] == person[2]  # the row's total is the same child


def test_what_one_person_knows_of_themselves_does_not_excuse_that_another_learns_it() -> None:
    """The one child of the first cell is that of the second; the third cell's child learns of them from the total."""
    values = [1.0, 1, 1, 2]
    system = System.of(values, [[(0, -1), (1, 1)], [(3, -1), (0, 1), (2, 1)]])
    person = np.array([0, 1, 2, -1])
    reach = np.array([0.0, np.nan, np.nan, np.nan]), np.array([2.0, np.nan, np.nan, np.nan])

    with_total, without = (audit(system, hidden, reach, person) for hidden in (cells(system, 0, 1, 2), person > -2))

    assert [(exposure.cell, exposure.insider) for exposure in with_total.exposures] == [(0, True)]
    assert without.passed


def test_whole_numbers_are_asked_for_where_halves_would_pass() -> None:
    """Three sums of two cells each: halves fit, but whole tables are fewer."""
    system = System.of(
        [1.0, 1, 1, 2, 2, 2], [[(3, -1), (0, 1), (1, 1)], [(4, -1), (1, 1), (2, 1)], [(5, -1), (0, 1), (2, 1)]]
    )

    assert not passes(system, cells(system, 0, 1, 2), SMALLEST)


def test_what_is_known_of_a_cell_without_tables_counts() -> None:
    values = np.array([40.0, 4, 36])
    sums = [[(0, -1.0), (1, 1.0), (2, 1.0)]]
    hidden = np.array([False, True, True])

    assert passes(System.of(values, sums), hidden)
    assert not passes(System.of(values, sums, most=np.array([np.inf, 8, np.inf])), hidden)


def test_a_system_whose_sums_do_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold"):
        System.of([3.0, 1, 1], [[(0, -1), (1, 1), (2, 1)]])
