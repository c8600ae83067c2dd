"""match_balance: whether fellows and the teachers whom they are compared with are alike, before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from candidates import candidate, pool
from le_pipeline.measure.matched_teacher import COVARIATES
from scenario import Row, Scenario
from steps import STEP

CELL = ("population", "comparison", "matching", "state", "subject")


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def tables(lake: Scenario, rows: list[Row]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The matched teachers with what they were matched on, and the balance."""
    lake.write("matching_candidate", *rows)
    matched = lake.run(STEP["matched_teacher"])
    candidates = lake.engine.lake.read(STEP["matching_candidate"].table)
    units = matched.join(candidates, on=["staff_key", "subject", "school_year", "state"])
    return units, lake.run(STEP["match_balance"])


def one(balance: pl.DataFrame, covariate: str, sample: str, matching: str = "nearest") -> Row:
    said = {
        "covariate": covariate,
        "sample": sample,
        "matching": matching,
        "population": "fellow",
        "comparison": "none",
    }
    return balance.filter(**said).row(0, named=True)


def test_every_covariate_has_a_row_before_and_after_in_each_cell_with_anybody_treated(lake: Scenario) -> None:
    rows = pool(1, {"fellow": 6, "none": 20})
    mentee = pool(2, {"mentee": 5, "none": 12}, subject="mathematics")
    mentee = [row | {"staff_key": f"m{row['staff_key']}"} for row in mentee]

    _, balance = tables(lake, [*rows, *mentee])

    counted = balance.group_by(CELL).len().sort(CELL).rows()
    compared = [("fellow", "applicant", "ela"), ("fellow", "none", "ela"), ("mentee", "none", "mathematics")]
    assert counted == [
        (population, comparison, method, "LA", subject, 2 * len(COVARIATES))
        for population, comparison, subject in compared
        for method in ("full", "nearest", "weighting")
    ]
    assert balance.select(*CELL, "covariate", "sample").is_duplicated().any() is False


def test_counts_before_are_of_all_candidates_and_after_of_the_matched_sample(lake: Scenario) -> None:
    """Two years: a teacher of both is two teacher-years."""
    rows = [
        row | {"school_year": year}
        for year in (2014, 2015)
        for row in pool(year, {"fellow": 7, "none": 25, "applicant": 3})
    ]

    units, balance = tables(lake, [*rows, candidate("gonex", "former"), *pool(9, {"mentee": 4})])

    for method in ("nearest", "full", "weighting"):
        of_method = units.filter(population="fellow", comparison="none", matching=method)
        used = of_method.filter(pl.col("match_weight") > 0)
        treated, others = of_method.filter("is_treated"), of_method.filter(~pl.col("is_treated"))
        before, after = (one(balance, "experience_years", sample, method) for sample in ("before", "after"))
        assert (before["n_treated"], before["n_comparison"]) == (14, 56)
        assert (after["n_treated"], after["n_comparison"]) == (
            used.filter("is_treated").height,
            used.filter(~pl.col("is_treated")).height,
        )
        for row in (before, after):
            assert row["n_pool"] == 56
            assert row["n_treated_unmatched"] == 14 - after["n_treated"]
            assert row["n_treated_off_support"] == treated.filter(~pl.col("is_on_support")).height
            assert row["n_pool_off_support"] == others.filter(~pl.col("is_on_support")).height
            weights = used.filter(~pl.col("is_treated"))["match_weight"].to_numpy()
            assert row["effective_sample_size"] == pytest.approx(weights.sum() ** 2 / (weights**2).sum())


@pytest.mark.parametrize("method", ["nearest", "full", "weighting"])
def test_means_and_differences_after_are_those_that_the_weights_make(lake: Scenario, method: str) -> None:
    units, balance = tables(lake, pool(3, {"fellow": 15, "none": 60}))

    used = units.filter(pl.col("match_weight") > 0, population="fellow", comparison="none", matching=method)
    row = one(balance, "experience_years", "after", method)
    groups = {
        treated: (rows["experience_years"].to_numpy(), rows["match_weight"].to_numpy())
        for (treated,), rows in used.partition_by("is_treated", as_dict=True).items()
    }
    means = {treated: np.average(x, weights=w) for treated, (x, w) in groups.items()}
    n1, n0 = (len(groups[treated][0]) for treated in (True, False))
    pooled = ((groups[True][0].var(ddof=1) * (n1 - 1) + groups[False][0].var(ddof=1) * (n0 - 1)) / (n1 + n0 - 2)) ** 0.5
    assert (row["mean_treated"], row["mean_comparison"]) == pytest.approx((means[True], means[False]))
    expected = (1 - 3 / (4 * (n1 + n0) - 9)) * (means[True] - means[False]) / pooled
    assert row["standardised_difference"] == pytest.approx(expected)


def test_matching_brings_the_groups_nearer(lake: Scenario) -> None:
    _, balance = tables(lake, pool(8, {"fellow": 80, "none": 500}))

    for method in ("nearest", "full", "weighting"):
        apart = {
            s: abs(one(balance, "experience_years", s, method)["standardised_difference"]) for s in ("before", "after")
        }
        assert apart["before"] > 0.25
        assert apart["after"] < apart["before"] / 3


def test_verdicts_are_the_thresholds_of_the_what_works_clearinghouse(lake: Scenario) -> None:
    _, balance = tables(lake, pool(5, {"fellow": 30, "none": 90}))

    told = balance.filter(pl.col("standardised_difference").is_not_null())
    apart = told["standardised_difference"].abs()
    expected = [
        "satisfied" if d <= 0.05 else "satisfied_with_adjustment" if d <= 0.25 else "not_satisfied" for d in apart
    ]
    assert told["equivalence"].to_list() == expected
    assert len(set(expected)) == 3
    undefined = balance.filter(pl.col("standardised_difference").is_null())
    assert set(undefined["equivalence"]) == {None}
    assert undefined["null_reason"].null_count() == 0 < undefined.height


def test_where_nobody_could_be_matched_the_reason_is_told(lake: Scenario) -> None:
    _, balance = tables(lake, [candidate("fayx", "fellow"), candidate("gusx", "fellow", experience_years=3.0)])

    assert set(balance.select("sample", "n_treated", "n_comparison").rows()) == {("before", 2, 0), ("after", 0, 0)}
    assert set(balance["null_reason"]) == {"empty_group"}
    assert set(balance["effective_sample_size"]) == {None}
    assert set(balance["n_treated_unmatched"]) == {2}


def test_other_keys_of_the_home_change_no_figure(lake: Scenario) -> None:
    rows = pool(6, {"fellow": 10, "mentee": 8, "none": 50, "applicant": 5})

    _, first = tables(lake, rows)
    _, second = tables(lake, [row | {"staff_key": row["staff_key"][::-1].strip("x") + "y"} for row in reversed(rows)])

    assert first.equals(second)
