"""survival: every estimate against a published table, or against another package.

Counts and times were read from the published data; the results of the tables are quoted from memory.
"""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from le_pipeline.measure.inference.binary_response import binary_response
from le_pipeline.measure.inference.survival import influence, kaplan_meier, life_table

# Singer and Willett 2003, Applied Longitudinal Data Analysis, table 10.1: years in teaching of 3,941 special educators
LEFT = [456, 384, 359, 295, 218, 184, 123, 79, 53, 35, 16, 5]
CENSORED = [0, 0, 0, 0, 0, 0, 280, 307, 255, 265, 241, 386]
AT_RISK = [3941, 3485, 3101, 2742, 2447, 2229, 2045, 1642, 1256, 948, 648, 391]
HAZARD = [0.1157, 0.1102, 0.1158, 0.1076, 0.0891, 0.0825, 0.0601, 0.0481, 0.0422, 0.0369, 0.0247, 0.0128]
SURVIVAL = [0.8843, 0.7869, 0.6958, 0.6209, 0.5656, 0.5189, 0.4877, 0.4642, 0.4446, 0.4282, 0.4177, 0.4123]

# Parker and others 1946, JAMA 131, 95-100, in Gehan 1969 and Lee 1992, p. 91: men with angina pectoris, by year
DIED = [456, 226, 152, 171, 135, 125, 83, 74, 51, 42, 43, 34, 18, 9, 6]
LOST = [0, 39, 22, 23, 24, 107, 133, 102, 68, 64, 45, 53, 33, 27, 23]
# SAS/STAT user's guide, LIFETEST, life-table estimates for males with angina pectoris
ANGINA = [0.8114, 0.7170, 0.6524, 0.5786, 0.5193, 0.4611, 0.4172, 0.3712, 0.3342, 0.2987, 0.2557, 0.2136, 0.1839]
ANGINA += [0.1636, 0.1429]
ANGINA_ERROR = [0.00797, 0.00918, 0.00973, 0.0101, 0.0103, 0.0104, 0.0105, 0.0106, 0.0107, 0.0109, 0.0111, 0.0114]
ANGINA_ERROR += [0.0118, 0.0123, 0.0133]

# Freireich and others 1963, Blood 21, 699-716: weeks in remission on 6-MP
WEEKS = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
RELAPSED = [True] * 9 + [False] * 12


def counts(at_risk: list[int], left: list[int], censored: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"n_at_risk": at_risk, "n_left": left, "n_censored": censored})


def test_the_life_table_of_special_educators_is_the_published_one() -> None:
    found = life_table(counts(AT_RISK, LEFT, CENSORED))

    assert found["hazard"].to_list() == pytest.approx(HAZARD, abs=5.1e-5)
    assert found["survival_share"].to_list() == pytest.approx(SURVIVAL, abs=5.1e-5)


def test_the_errors_of_the_life_table_are_singer_and_willetts_formulas() -> None:
    found = life_table(counts(AT_RISK, LEFT, CENSORED))

    for year, row in enumerate(found.to_dicts()):
        h = [left / n for left, n in zip(LEFT, AT_RISK, strict=True)][: year + 1]
        assert row["hazard_standard_error"] == pytest.approx(math.sqrt(h[-1] * (1 - h[-1]) / AT_RISK[year]))
        greenwood = sum(p / (n * (1 - p)) for p, n in zip(h, AT_RISK, strict=False))
        assert row["standard_error"] == pytest.approx(math.prod(1 - p for p in h) * math.sqrt(greenwood))


def test_the_actuarial_life_table_of_angina_pectoris_is_the_published_one() -> None:
    at_risk = [2418 - sum(DIED[:year]) - sum(LOST[:year]) for year in range(15)]

    found = life_table(counts(at_risk, DIED, LOST), method="actuarial")

    assert at_risk[-1] - DIED[-1] - LOST[-1] == 30
    assert found["survival_share"].to_list() == pytest.approx(ANGINA, abs=5.1e-5)
    assert found["standard_error"].to_list() == pytest.approx(ANGINA_ERROR, abs=5.1e-5)


def test_kaplan_meier_gives_the_published_remissions() -> None:
    found = kaplan_meier(WEEKS, RELAPSED)

    assert found.select("time", "n_at_risk", "n_left", "n_censored").rows() == [
        (6, 21, 3, 1),
        (7, 17, 1, 1),
        (10, 15, 1, 2),
        (13, 12, 1, 0),
        (16, 11, 1, 3),
        (22, 7, 1, 0),
        (23, 6, 1, 5),
    ]
    # Kleinbaum and Klein 2012, Survival Analysis, chapter 2, and Stata's `sts list` of the same data
    survival = [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482]
    errors = [0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346]
    low = [0.6197, 0.5631, 0.5032, 0.4316, 0.3675, 0.2678, 0.1881]
    high = [0.9516, 0.9228, 0.8894, 0.8491, 0.8049, 0.7468, 0.6801]
    for name, expected in zip(
        ("survival_share", "standard_error", "ci_low", "ci_high"), (survival, errors, low, high), strict=True
    ):
        assert found[name].to_list() == pytest.approx(expected, abs=5.1e-5), name


def test_of_people_who_come_under_observation_late_only_the_later_risk_is_told() -> None:
    random = np.random.default_rng(5)
    entry = random.integers(0, 5, 200).astype(float)
    time = entry + random.integers(1, 9, 200)
    event = random.random(200) < 0.6

    found = kaplan_meier(time, event, entry)

    other = SurvfuncRight(time, event.astype(int), entry=entry)
    assert found["time"].to_list() == other.surv_times.tolist()
    assert found["n_at_risk"].to_list() == other.n_risk.tolist()
    assert found["survival_share"].to_list() == pytest.approx(other.surv_prob.tolist(), abs=1e-12)
    between = found.filter(pl.col("standard_error").is_not_null()).height
    errors = found["standard_error"].to_list()[:between]
    assert errors == pytest.approx(other.surv_prob_se.tolist()[:between], abs=1e-12)


def test_where_nobody_or_everybody_has_left_no_error_claims_certainty() -> None:
    found = life_table(counts([5, 5, 2], [0, 3, 2], [0, 0, 0]))

    columns = ("hazard", "hazard_standard_error", "survival_share", "standard_error", "ci_low", "ci_high")
    first, second, last = (tuple(row) for row in found.select(columns).rows())
    assert first == (0.0, None, 1.0, None, None, None)
    assert None not in second
    assert last == (1.0, None, 0.0, None, None, None)


def test_after_an_interval_with_nobody_at_risk_nothing_is_known() -> None:
    found = life_table(counts([2, 0, 3], [1, 0, 1], [1, 0, 0]))

    assert found["survival_share"].to_list() == [0.5, None, None]
    assert found["standard_error"].null_count() == 2


def test_groups_are_life_tables_of_their_own() -> None:
    both = pl.concat([counts(AT_RISK, LEFT, CENSORED).with_columns(who=pl.lit(who)) for who in ("a", "b")])

    found = life_table(both, ["who"])

    for who in ("a", "b"):
        assert found.filter(who=who).drop("who").equals(life_table(counts(AT_RISK, LEFT, CENSORED)))


@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=40))
def test_a_discrete_life_table_of_yearly_counts_is_kaplan_meier(people: list[tuple[int, bool]]) -> None:
    ends = range(1, 7)
    left = [sum(t == end and e for t, e in people) for end in ends]
    censored = [sum(t == end and not e for t, e in people) for end in ends]
    at_risk = [sum(t >= end for t, _ in people) for end in ends]

    table = life_table(counts(at_risk, left, censored).with_columns(time=pl.Series(ends, dtype=pl.Float64)))
    curve = kaplan_meier([t for t, _ in people], [e for _, e in people])

    columns = ("time", "survival_share", "standard_error", "ci_low", "ci_high")
    for row, same in zip(
        table.filter(pl.col("n_left") > 0).select(columns).rows(), curve.select(columns).rows(), strict=True
    ):
        assert row == pytest.approx(same)
    told = table.drop_nulls("ci_low")
    assert told.filter(
        (pl.col("ci_low") > pl.col("survival_share")) | (pl.col("ci_high") < pl.col("survival_share"))
    ).is_empty()


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_a_saturated_hazard_model_on_person_periods_gives_the_hazards_of_the_life_table(link: str) -> None:
    years = len(AT_RISK)
    rows = [(year, outcome) for year in range(years) for outcome in (0, 1)]
    weights = [AT_RISK[y] - LEFT[y] if outcome == 0 else LEFT[y] for y, outcome in rows]
    design = np.eye(years)[[y for y, _ in rows]]

    fit = binary_response([o for _, o in rows], design, [f"year_{y}" for y in range(years)], link=link, weights=weights)

    assert fit.estimate is not None and fit.covariance is not None
    eta = fit.estimate
    hazard = 1 / (1 + np.exp(-eta)) if link == "logit" else 1 - np.exp(-np.exp(eta))
    slope = hazard * (1 - hazard) if link == "logit" else np.exp(eta) * (1 - hazard)
    table = life_table(counts(AT_RISK, LEFT, CENSORED))
    assert hazard.tolist() == pytest.approx(table["hazard"].to_list(), abs=1e-12)
    errors = slope * np.sqrt(np.diag(fit.covariance))
    assert errors.tolist() == pytest.approx(table["hazard_standard_error"].to_list(), abs=1e-12)


def test_with_people_as_clusters_the_squared_influences_sum_to_greenwoods_variance() -> None:
    random = np.random.default_rng(3)
    ends, event = random.integers(1, 6, 80), random.random(80) < 0.5
    years = np.arange(1, 6)
    at_risk = (ends[:, None] >= years).astype(float)
    left = ((ends[:, None] == years) & event[:, None]).astype(float)

    moved = influence(at_risk, left)

    at_all, left_all = ([int(total) for total in counted.sum(axis=0)] for counted in (at_risk, left))
    expected = life_table(counts(at_all, left_all, [0] * 5))["standard_error"].to_numpy()
    assert moved.sum(axis=0) == pytest.approx(np.zeros(5), abs=1e-12)
    assert np.sqrt((moved**2).sum(axis=0)) == pytest.approx(expected, abs=1e-12)
