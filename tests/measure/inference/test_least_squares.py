"""The estimator against pyfixest on random designs, and against dense matrices where pyfixest has nothing."""

from __future__ import annotations

import warnings
from itertools import permutations
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyfixest
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyfixest.estimation.internals.demeaner_options import MapDemeaner
from scipy import linalg, stats

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference.least_squares import INTERCEPT, LinearModel, Rows, least_squares

COVARIATES = ("x1", "x2", "x3", "x4")


def design(seed: int, n: int = 600) -> pl.DataFrame:
    """Crossed effects, clusters in two ways, singletons in two steps, and a covariate that two others make up."""
    random = np.random.default_rng(seed)
    f1, f2 = random.integers(0, 25, n), random.integers(0, 9, n)
    f1[:4] = 100 + np.arange(4)  # alone in the first effect
    f2[4:6] = 50  # alone in the second, once the row alone in the first has gone
    f1[4] = 200
    x1, x2, x3 = random.normal(3, 2, n), random.integers(0, 2, n).astype(float), random.normal(size=n) ** 3
    g1, g2 = random.integers(0, 20, n), random.integers(0, 7, n)
    y = 0.3 * x1 + x2 - 0.1 * x3 + 0.1 * f1 % 3 + random.normal(size=20)[g1] + random.normal(size=n)
    return pl.DataFrame(
        {"y": y, "x1": x1, "x2": x2, "x3": x3, "x4": x1 - 2 * x2, "f1": f1, "f2": f2, "g1": g1, "g2": g2}
    ).with_columns(w=pl.Series(random.uniform(0.1, 3, n)), within=pl.col("f1") * 10 + pl.col("f2"))


def trusted(frame: pl.DataFrame, model: LinearModel) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """What pyfixest says: coefficients, errors, names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for order in permutations(model.fixed_effects):
            fit = pyfixest.feols(
                f"{model.outcome} ~ {' + '.join(model.covariates)}" + (f" | {' + '.join(order)}" if order else ""),
                frame.to_pandas(),
                vcov={f"CRV{model.errors[-1]}": "+".join(model.clusters)},
                weights=model.weight,
                demeaner=MapDemeaner(fixef_tol=1e-13, fixef_maxiter=100_000),
            )
            # pyfixest 0.60 holds the effects in an order of its own, by which it may take one to be nested for another
            held = tuple(name.removeprefix("__fixed_effect__(").removesuffix(")") for name in fit._fe) if order else ()
            if held == order:
                break
    names = [INTERCEPT if name == "Intercept" else name for name in fit._coefnames]
    return fit.coef().to_numpy(), fit.se().to_numpy(), names


def assert_same(frame: pl.DataFrame, model: LinearModel) -> None:
    fit = least_squares(frame, model)
    estimate, error, names = trusted(frame, model)
    assert list(fit.names) == names
    assert fit.estimate == pytest.approx(estimate, rel=1e-8, abs=1e-10)
    assert fit.standard_error == pytest.approx(error, rel=1e-8, nan_ok=True)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("clusters", [("g1",), ("f1",), ("g1", "g2"), ("f1", "g2")])
@pytest.mark.parametrize("effects", [(), ("f1",), ("f1", "f2"), ("g1", "f2"), ("f1", "f2", "g2")])
def test_coefficients_and_errors_are_those_of_pyfixest(
    effects: tuple[str, ...], clusters: tuple[str, ...], weight: str | None
) -> None:
    assert_same(design(1), LinearModel("y", COVARIATES, clusters, effects, weight))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(60, 900))
def test_any_random_design_gives_the_answer_of_pyfixest(seed: int, n: int) -> None:
    assert_same(design(seed, n), LinearModel("y", COVARIATES, ("g1", "g2"), ("f1", "f2"), "w"))


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("effects", [(), ("f2",), ("f2", "g2")])
def test_the_jackknife_is_that_of_pyfixest(effects: tuple[str, ...], weight: str | None) -> None:
    assert_same(design(2, 400), LinearModel("y", COVARIATES, ("g1",), effects, weight, errors="CR3"))


def test_a_row_alone_in_an_effect_is_left_out_and_so_is_who_is_alone_then() -> None:
    fit = least_squares(design(1), LinearModel("y", COVARIATES, ("g1",), ("f1", "f2")))
    assert (fit.n, fit.n_singletons) == (594, 6)


def test_a_covariate_that_others_or_the_effects_make_up_is_dropped() -> None:
    frame = design(1).with_columns(of_f1=pl.col("f1") % 3)
    fit = least_squares(frame, LinearModel("y", (*COVARIATES, "of_f1"), ("g1",), ("f1",)))
    assert (fit.names, fit.dropped) == (("x1", "x2", "x3"), ("x4", "of_f1"))


def test_rows_without_a_value_or_a_weight_are_left_out() -> None:
    frame, random = design(3), np.random.default_rng(0)
    holed = frame.with_columns(
        pl.when(pl.Series(random.random(len(frame)) < 0.05)).then(gap).otherwise(pl.col(name)).alias(name)
        for name, gap in {"y": None, "x1": float("nan"), "x3": float("inf"), "w": 0.0, "f1": None, "g1": None}.items()
    )
    whole = holed.filter(
        pl.all_horizontal(pl.col("y", "x1", "x3").is_finite(), pl.col("w") > 0, pl.col("f1", "g1").is_not_null())
    )
    assert 300 < len(whole) < 500
    model = LinearModel("y", COVARIATES, ("g1",), ("f1",), "w")
    first, second = (least_squares(rows, model) for rows in (holed, whole))
    assert first.n == second.n
    assert first.estimate == pytest.approx(second.estimate, rel=1e-12)
    assert first.standard_error == pytest.approx(second.standard_error, rel=1e-12)


def test_order_of_rows_and_threads_change_no_digit() -> None:
    frame = design(4, 5000)
    model = LinearModel("y", COVARIATES, ("g1", "g2"), ("f1", "f2"), "w")
    one = least_squares(frame, model)
    con = duckdb.connect(config={"threads": 1})
    con.register("shuffled", frame.sample(fraction=1, shuffle=True, seed=9).to_arrow())
    other = least_squares(Rows(con, "shuffled"), model)
    assert one.table().equals(other.table())


def test_large_numbers_far_from_zero_lose_no_precision() -> None:
    frame = design(5).with_columns(pl.col("x1") * 1e-3 + 2016, pl.col("y") * 1e4 + 1e7)
    near = design(5).with_columns(pl.col("x1") * 1e-3, pl.col("y") * 1e4)
    model = LinearModel("y", ("x1", "x2"), ("g1",), ("f1", "f2"))
    far, close = least_squares(frame, model), least_squares(near, model)
    assert far.estimate == pytest.approx(close.estimate, rel=1e-7)
    assert far.standard_error == pytest.approx(close.standard_error, rel=1e-7)


def test_names_may_hold_blanks_and_quotes() -> None:
    renamed = design(1).rename({"y": 'the "outcome"', "x1": "prior score", "f1": "school id", "g1": "a teacher"})
    fit = least_squares(renamed, LinearModel('the "outcome"', ("prior score", "x2"), ("a teacher",), ("school id",)))
    plain = least_squares(design(1), LinearModel("y", ("x1", "x2"), ("g1",), ("f1",)))
    assert fit.estimate.tolist() == plain.estimate.tolist()


def test_columns_may_be_called_as_those_inside_and_be_of_any_type() -> None:
    frame = (
        design(1)
        .with_columns(
            pl.col("f1").cast(pl.String).cast(pl.Categorical),
            pl.col("f2").cast(pl.Float64),
            pl.col("g1").cast(pl.Int8),
            pl.date(2016, 1, 1) + pl.duration(days="g2"),
            pl.col("x2") > 0,
            pl.col("x4").cast(pl.Decimal(20, 6)),
        )
        .rename({"f1": "v0", "f2": "w", "g1": "k1", "g2": "s0", "x1": "n", "x2": "weight", "y": "r", "w": "g0"})
    )
    told = least_squares(frame, LinearModel("r", ("n", "weight", "x3"), ("k1", "s0"), ("v0", "w"), "g0"))
    plain = least_squares(design(1), LinearModel("y", ("x1", "x2", "x3"), ("g1", "g2"), ("f1", "f2"), "w"))
    assert told.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert told.standard_error == pytest.approx(plain.standard_error, rel=1e-12)


def test_a_level_that_is_not_a_number_is_missing_and_minus_zero_is_zero() -> None:
    frame = design(1).with_columns(pl.col("f1").cast(pl.Float64))
    odd = frame.with_columns(
        f1=pl.when(pl.col("f1") == 3)
        .then(float("nan"))
        .when(pl.col("f1") == 0, pl.col("g2") > 3)
        .then(-0.0)
        .otherwise("f1")
    )
    model = LinearModel("y", ("x1", "x2"), ("g1",), ("f1",))
    told, plain = least_squares(odd, model), least_squares(frame.filter(pl.col("f1") != 3), model)
    assert told.n == plain.n
    assert told.standard_error.tolist() == pytest.approx(plain.standard_error.tolist(), rel=1e-12)


def test_another_model_of_the_connection_leaves_the_first_as_it_was() -> None:
    con = duckdb.connect()
    for name, seed in (("one", 1), ("other", 2)):
        con.register(name, design(seed).with_columns(pl.col("f1") + 10 * seed).to_arrow())
    model = LinearModel("y", ("x2", "x1"), ("g1",), ("f1",))
    alone = least_squares(design(1).with_columns(pl.col("f1") + 10), model).wild_bootstrap("x2", 199)
    first = least_squares(Rows(con, "one"), model)
    least_squares(Rows(con, "other"), model)
    assert first.wild_bootstrap("x2", 199) == alone


def bell_mccaffrey(frame: pl.DataFrame, model: LinearModel) -> tuple[np.ndarray, np.ndarray]:
    """CR2 and Satterthwaite's degrees of freedom from dense matrices, term by term as they are defined."""
    root = np.sqrt(frame[model.weight].to_numpy() if model.weight else np.ones(len(frame)))
    columns = [np.ones(len(frame))] if not model.fixed_effects else []
    columns += [frame[name].to_numpy() for name in model.covariates]
    size = len(columns)
    for name in model.fixed_effects:
        columns += [(frame[name] == level).to_numpy().astype(float) for level in frame[name].unique().sort()]
    x, y = np.stack(columns, axis=1) * root[:, None], frame[model.outcome].to_numpy() * root
    inverse = linalg.pinv(x.T @ x)
    annihilator = np.eye(len(y)) - x @ inverse @ x.T
    residual, cluster = annihilator @ y, frame[model.clusters[0]].to_numpy()
    groups = [np.flatnonzero(cluster == code) for code in np.unique(cluster)]
    meat, adjusted = np.zeros_like(inverse), []
    for rows in groups:
        share, turned = linalg.eigh(annihilator[np.ix_(rows, rows)])
        adjust = (turned * np.where(share > 1e-9, 1 / np.sqrt(np.clip(share, 1e-9, None)), 0)) @ turned.T
        score = x[rows].T @ adjust @ residual[rows]
        meat += np.outer(score, score)
        adjusted.append(annihilator[:, rows] @ adjust @ x[rows] @ inverse)
    degrees = []
    for place in range(size):
        vectors = np.stack([columns[:, place] for columns in adjusted], axis=1)
        gram = vectors.T @ vectors
        degrees.append(np.trace(gram) ** 2 / np.trace(gram @ gram))
    return np.sqrt(np.diag(inverse @ meat @ inverse))[:size], np.array(degrees)


@pytest.mark.parametrize("weight", [None, "w"])
@pytest.mark.parametrize("effects", [(), ("f2",), ("g1",), ("within",)])
def test_cr2_and_its_degrees_of_freedom_are_those_of_dense_matrices(
    effects: tuple[str, ...], weight: str | None
) -> None:
    frame = design(6, 240).filter(pl.len().over("f2", "within") > 1)
    fit = least_squares(frame, LinearModel("y", ("x1", "x2", "x3"), ("g1",), effects, weight, errors="CR2"))
    kept = frame.filter(pl.len().over(effects) > 1) if effects else frame
    error, degrees = bell_mccaffrey(kept, LinearModel("y", ("x1", "x2", "x3"), ("g1",), effects, weight))
    assert fit.standard_error == pytest.approx(error, rel=1e-8, nan_ok=True)
    assert fit.degrees_of_freedom == pytest.approx(degrees, rel=1e-7)


def test_cr2_stays_where_one_cluster_alone_is_treated_and_the_jackknife_says_why_it_cannot() -> None:
    frame = design(7).with_columns(treated=(pl.col("g1") == 3).cast(pl.Float64))
    model = LinearModel("y", ("treated", "x1"), ("g1",), errors="CR2", tested=("treated",))
    fit = least_squares(frame, model)
    assert np.isfinite(fit.standard_error).all()
    with pytest.raises(EstimationError, match="lives in that one alone"):
        least_squares(frame, LinearModel("y", ("treated", "x1"), ("g1",), errors="CR3"))


def wild_t(frame: pl.DataFrame, effects: tuple[str, ...], signs: np.ndarray) -> np.ndarray:
    """t of x2 in each replicate, by estimating every replicate's whole model with dense matrices."""
    columns = [frame[name].to_numpy() for name in ("x2", "x1")]
    columns += [np.ones(len(frame))] if not effects else []
    for name in effects:
        columns += [(frame[name] == level).to_numpy().astype(float) for level in frame[name].unique().sort()]
    x, y = np.stack(columns, axis=1), frame["y"].to_numpy()
    cluster = np.unique(frame["g1"].to_numpy(), return_inverse=True)[1]
    inverse, rest = linalg.pinv(x.T @ x), x[:, 1:]
    fitted = rest @ linalg.pinv(rest.T @ rest) @ rest.T @ y
    found = []
    for sign in signs:
        replicate = fitted + (y - fitted) * sign[cluster]
        coefficients = inverse @ x.T @ replicate
        scores = x * (replicate - x @ coefficients)[:, None]
        by_cluster = np.stack([scores[cluster == code].sum(axis=0) for code in range(cluster.max() + 1)])
        found.append(abs(coefficients[0]) / np.sqrt((inverse @ by_cluster.T @ by_cluster @ inverse)[0, 0]))
    return np.array(found)


@pytest.mark.parametrize("effects", [(), ("f2",), ("g1",)])
def test_with_few_clusters_the_wild_bootstrap_tries_every_sign(effects: tuple[str, ...]) -> None:
    frame = design(8, 120).with_columns(pl.col("g1") % 6, pl.col("y") - pl.col("x2"))
    p = least_squares(frame, LinearModel("y", ("x2", "x1"), ("g1",), effects)).wild_bootstrap("x2")
    kept = frame.filter(pl.len().over(effects) > 1) if effects else frame
    signs = np.array([[1 - 2 * (number >> place & 1) for place in range(6)] for number in range(64)])
    t = wild_t(kept, effects, signs)
    assert p == pytest.approx(np.mean(t >= t[0] * (1 - 1e-9)))
    assert 0.02 < p < 0.98


def test_the_wild_bootstrap_agrees_with_whole_replicates_to_simulation_error() -> None:
    frame = design(9, 200).with_columns(pl.col("g1") % 16, pl.col("y") - 0.8 * pl.col("x2"))
    p = least_squares(frame, LinearModel("y", ("x2", "x1"), ("g1",), ("f2",))).wild_bootstrap("x2")
    signs = np.random.default_rng(5).choice([1.0, -1.0], size=(2000, 16))
    kept = frame.filter(pl.len().over("f2") > 1)
    t, (found,) = wild_t(kept, ("f2",), signs), wild_t(kept, ("f2",), np.ones((1, 16)))
    other = np.mean(t > found)
    assert abs(p - other) < 4 * np.sqrt(other * (1 - other) * (1 / 2000 + 1 / 9999))


def test_an_interval_is_that_of_student() -> None:
    fit = least_squares(design(1), LinearModel("y", ("x1",), ("g1",)))
    row = fit.table(confidence=0.9).row(1, named=True)
    reach = stats.t.ppf(0.95, 19) * row["standard_error"]
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((row["estimate"] - reach, row["estimate"] + reach))


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"outcome": "Y"}, "no column Y"),
        ({"covariates": ("label",)}, "label: not numbers"),
        ({"errors": "cr3"}, "one of the kinds CR1, CR2, CR3, jackknife"),
        ({"errors": "CR2", "tested": ("z",)}, "z: tested, and not among the covariates"),
        ({"clusters": ("g1", "g2"), "errors": "CR2"}, "take one cluster"),
        ({"clusters": ()}, "one or two clusters"),
    ],
)
def test_a_model_that_cannot_be_is_said(asked: dict[str, Any], says: str) -> None:
    model: dict[str, Any] = {"outcome": "y", "covariates": ("x1",), "clusters": ("g1",)}
    with pytest.raises(EstimationError, match=says):
        least_squares(design(1).with_columns(label=pl.lit("a")), LinearModel(**(model | asked)))


def test_the_bootstrap_takes_one_cluster_and_a_coefficient_that_is_there() -> None:
    frame = design(1)
    with pytest.raises(EstimationError, match="takes one cluster"):
        least_squares(frame, LinearModel("y", ("x1",), ("g1", "g2"))).wild_bootstrap("x1")
    with pytest.raises(EstimationError, match="no coefficient in this model"):
        least_squares(frame, LinearModel("y", ("x1",), ("g1",))).wild_bootstrap("x9")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"g1": pl.lit(1)}, "fewer than two clusters"),
        ({"y": pl.lit(None, pl.Float64)}, "no row has every variable"),
        ({"x1": pl.col("f1") + 0.0}, "make up every covariate"),
        ({"x1": pl.col("x1") * 1e155}, "values beyond 1e\\+100"),
    ],
)
def test_what_cannot_be_estimated_is_said(change: dict[str, pl.Expr], says: str) -> None:
    with pytest.raises(EstimationError, match=says):
        least_squares(design(1).with_columns(**change), LinearModel("y", ("x1",), ("g1",), ("f1",)))
