"""collinear: columns that say nothing new, by the rule of fixest."""

from __future__ import annotations

import numpy as np
import pytest
from pyfixest.core.collinear import find_collinear_variables

from le_pipeline.measure.inference.collinear import collinear


@pytest.mark.parametrize("seed", range(40))
def test_the_columns_dropped_are_those_that_pyfixest_drops(seed: int) -> None:
    random = np.random.default_rng(seed)
    # with larger numbers pyfixest keeps columns for what rounding leaves of them
    base = random.normal(size=(60, 6)) * 10.0 ** random.integers(-4, 2, 6)
    repeated = base @ random.integers(-2, 3, (6, 3))
    dummies = np.eye(4)[random.integers(0, 4, 60)]
    design = np.hstack([base, repeated, dummies, np.ones((60, 1))])[:, random.permutation(14)]
    gram = design.T @ design

    expected, count, _ = find_collinear_variables(gram, 1e-9)

    assert collinear(gram).tolist() == expected.tolist()
    assert count > 0


def test_of_columns_that_say_the_same_the_first_stays() -> None:
    design = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0]], dtype=float)

    assert collinear(design.T @ design).tolist() == [False, False, True, True]


def test_what_is_left_of_a_large_column_by_rounding_is_not_kept() -> None:
    random = np.random.default_rng(21)
    base = random.normal(size=(60, 2)) * 1e5
    design = np.hstack([base, base @ [[1.0], [-2.0]]])

    assert collinear(design.T @ design).tolist() == [False, False, True]
