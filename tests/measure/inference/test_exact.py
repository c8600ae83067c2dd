"""Exact cross products: against Python's whole numbers and fractions, and models with many covariates."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import polars as pl
import pyfixest
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from le_pipeline.measure.inference import exact
from le_pipeline.measure.inference.exact import BITS, ROWS, CrossProducts, Floats
from le_pipeline.measure.inference.least_squares import LinearModel, least_squares
from le_pipeline.measure.inference.sums import MOST_NARROW

FINE = 2.0**-BITS


def products(left: Floats, right: Floats, groups: np.ndarray | None = None, size: int = ROWS) -> Floats:
    """What is added up of batches of so many rows."""
    n_groups = 1 if groups is None else int(groups.max()) + 1
    found = CrossProducts(n_groups, np.abs(left).max(axis=0), np.abs(right).max(axis=0))
    for start in range(0, len(left), size):
        rows = slice(start, start + size)
        found.add(left[rows], right[rows], None if groups is None else groups[rows])
    return found.total()


def in_fractions(left: Floats, right: Floats) -> list[list[Fraction]]:
    return [
        [sum((Fraction(a) * Fraction(b) for a, b in zip(x, y, strict=True)), Fraction(0)) for y in right.T.tolist()]
        for x in left.T.tolist()
    ]


whole = st.integers(-(2**18), 2**18).map(float)
columns = hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=whole)
real = st.floats(-1e6, 1e6).map(lambda x: x if abs(x) > 1e-60 else 0.0)  # whose squares are doubles too
reals = hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=real)


@settings(max_examples=60, deadline=None)
@given(numbers=columns, scale=st.integers(-40, 40))
def test_of_numbers_with_few_digits_the_products_are_those_of_fractions(numbers: Floats, scale: int) -> None:
    numbers = numbers * 2.0**scale

    expected = [[float(cell) for cell in row] for row in in_fractions(numbers, numbers)]

    assert products(numbers, numbers)[0].tolist() == expected


@settings(max_examples=60, deadline=None)
@given(numbers=reals)
def test_of_any_numbers_they_are_off_by_less_than_a_double_can_tell_of_the_largest_terms(numbers: Floats) -> None:
    found = products(numbers, numbers)[0]

    reach = np.abs(numbers).max(axis=0)
    most = 2.0**-52 * len(numbers) * np.outer(reach, reach)
    for row, true, off in zip(found.tolist(), in_fractions(numbers, numbers), most.tolist(), strict=True):
        assert all(abs(Fraction(a) - b) <= Fraction(c) for a, b, c in zip(row, true, off, strict=True))


@settings(max_examples=40, deadline=None)
@given(numbers=reals, seed=st.integers(0, 10_000), size=st.integers(1, 50))
def test_neither_the_order_of_rows_nor_batches_move_a_digit(numbers: Floats, seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.integers(0, 3, len(numbers))
    groups[0] = 2
    order = random.permutation(len(numbers))

    first = products(numbers, numbers, groups)
    again = products(numbers[order], numbers[order], groups[order], size)

    assert first.tolist() == again.tolist()


@settings(max_examples=40, deadline=None)
@given(numbers=columns, seed=st.integers(0, 10_000))
def test_each_group_has_the_products_of_its_own_rows(numbers: Floats, seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 3, len(numbers))

    found = products(numbers, numbers, groups)

    for group, of_group in enumerate(found):
        own = numbers[groups == group]
        assert of_group.tolist() == [[float(cell) for cell in row] for row in in_fractions(own, own)]


def test_a_full_batch_of_the_largest_numbers_is_exact_and_so_are_many_batches() -> None:
    """Ones, and numbers with all of a slice's bits: their sums are the largest that a batch can have."""
    one, full = np.ones(ROWS), np.full(ROWS, 1 - FINE)
    numbers = np.stack([one, full, -full], axis=1)

    found = products(np.tile(numbers, (40, 1)), np.tile(numbers, (40, 1)))[0]

    n, part = 40 * ROWS, Fraction(2**BITS - 1, 2**BITS)
    side = (Fraction(1), part, -part)
    assert found.tolist() == [[float(n * a * b) for b in side] for a in side]


def test_what_cancels_leaves_nothing() -> None:
    random = np.random.default_rng(1)
    drawn = random.normal(size=(5000, 3)) * 10.0 ** random.integers(-3, 4, (5000, 1))
    sign = np.repeat([1.0, -1.0], 5000)[:, None]

    twice = np.concatenate([drawn, drawn])

    assert products(sign * twice, twice).tolist() == [[[0.0] * 3] * 3]


def test_a_column_of_zeros_has_products_of_zero() -> None:
    numbers = np.array([[0.0, 2.0], [0.0, 3.0]])

    assert products(numbers, numbers)[0].tolist() == [[0, 0], [0, 13]]


# -- models with more covariates than the engine adds up itself ------------------------------------------------------


def wide(seed: int, n: int) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Covariates of unlike scales, flags, a cube and one that two others make up; clusters and fixed effects."""
    random = np.random.default_rng(seed)
    names = tuple(f"x{i}" for i in range(MOST_NARROW + 8))
    drawn = {name: random.normal(size=n) * 10.0 ** (i % 5 - 2) for i, name in enumerate(names)}
    drawn["x3"] = (drawn["x3"] > 0).astype(float)
    drawn["x7"] = drawn["x5"] ** 3
    drawn[names[-1]] = drawn["x1"] - 2 * drawn["x6"]
    cluster = random.integers(0, 45, n)
    y = drawn["x0"] + 0.3 * drawn["x3"] + random.normal(size=45)[cluster] + random.normal(size=n)
    frame = pl.DataFrame(drawn | {"y": y, "cluster": cluster, "level": random.integers(0, 9, n)})
    return frame.with_columns(w=pl.Series(random.uniform(0.1, 2, n))), names


@pytest.mark.parametrize(
    ("effects", "weight", "n"),
    [
        ((), None, 700),
        ((), "w", 700),
        (("level",), "w", ROWS + 700),
        (("cluster",), None, 700),
        (("cluster",), "w", 700),
    ],
)
def test_a_wide_model_is_that_of_pyfixest_with_weights_and_clusters(
    effects: tuple[str, ...], weight: str | None, n: int
) -> None:
    frame, names = wide(1, n)

    fit = least_squares(frame, LinearModel("y", names, ("cluster",), effects, weight))

    formula = f"y ~ {' + '.join(names)}" + (f" | {effects[0]}" if effects else "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trusted = pyfixest.feols(formula, frame.to_pandas(), vcov={"CRV1": "cluster"}, weights=weight)
    assert fit.dropped == (names[-1],)
    assert fit.estimate == pytest.approx(trusted.coef().to_numpy(), rel=1e-7, abs=1e-9)
    assert fit.standard_error == pytest.approx(trusted.se().to_numpy(), rel=1e-7)


def test_few_clusters_of_a_wide_model_give_the_jackknife_of_pyfixest() -> None:
    frame, names = wide(2, 400)

    fit = least_squares(frame, LinearModel("y", names[:-1], ("cluster",), ("level",), "w", errors="CR3"))

    trusted = pyfixest.feols(
        f"y ~ {' + '.join(names[:-1])} | level", frame.to_pandas(), vcov={"CRV3": "cluster"}, weights="w"
    )
    assert fit.standard_error == pytest.approx(trusted.se().to_numpy(), rel=1e-7)


@pytest.mark.parametrize("errors", ["CR1", "CR2"])
def test_the_order_of_rows_moves_no_digit_of_a_wide_model(errors: str) -> None:
    frame, names = wide(3, 2 * ROWS if errors == "CR1" else 1_000)
    model = LinearModel("y", names, ("cluster",), ("level",), "w", errors=errors)  # type: ignore[arg-type]

    one, other = (least_squares(rows, model) for rows in (frame, frame.sample(fraction=1, shuffle=True, seed=4)))

    assert one.table().equals(other.table())


def test_more_rows_than_sixty_four_bits_are_sure_to_hold_are_carried_over(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(3)
    values, groups = random.normal(size=(1_000, 3)), random.integers(0, 4, 1_000)
    plain = products(values, values, groups)

    monkeypatch.setattr(exact, "MOST", 100)

    assert products(values, values, groups, size=40).tolist() == plain.tolist()
