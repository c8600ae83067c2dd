"""student_growth: how far students moved in a year, by the part that their teachers have in the programme."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyfixest as pf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from le_pipeline.measure import statistics
from scenario import Row, Scenario
from steps import STEP, told

WHOLE = {"state": "all", "region": "all", "role": "all"}
OWN = ("standard_error", "ci_low", "ci_high")
RANKS = ("start_mean_percentile_rank", "end_mean_percentile_rank", "percentile_rank_gain")
T1, T2, T3 = (float(stats.t.ppf(0.975, df)) for df in (1, 2, 3))


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def student(
    prior: float | None, now: float | None, teacher: str | None = "tom", role: str = "none", **said: Any
) -> Row:
    """A student with these standard scores; ten percentiles to a tenth of a standard deviation stand for the ranks."""
    ranks = {
        "prior_percentile_rank": None if prior is None else 50 + 10 * prior,
        "percentile_rank": 50 + 10 * (now or 0),
    }
    return {"prior_z_score": prior, "z_score": now, "teacher_key": teacher, "exposure": role} | ranks | said


def growth(lake: Scenario, *students: Row) -> pl.DataFrame:
    named = [{"student_key": f"a{i}x", "subject": "ela"} | row for i, row in enumerate(students)]
    of_exposure = ("teacher_key", "exposure", "region")
    both = ("student_key", "subject", "school_year", "state")
    lake.write("student_exposure", *({k: v for k, v in row.items() if k in of_exposure + both} for row in named))
    cell = {"assessment": "LEAP", "grade": "05", "scale_score": 700, "reference_n": 9, "reference_mean": 700}
    lake.write("standard_score", *(cell | {k: v for k, v in row.items() if k not in of_exposure} for row in named))
    return lake.run(STEP["student_growth"])


def one(found: pl.DataFrame, **where: Any) -> Row:
    return found.filter(**(WHOLE | where)).row(0, named=True)


def test_the_gain_is_the_mean_of_score_less_prior_score_with_an_error_clustered_by_teacher(lake: Scenario) -> None:
    found = growth(lake, student(0.0, 0.5), student(1.0, 1.1), student(-1.0, -0.4, "ann"))

    # gains .5 .1 | .6: mean .4; sums of residuals -.2 | .2, so G/(G-1) x (.04 + .04) / 3^2
    row = one(found)
    error = math.sqrt(2 * 0.08 / 9)
    assert [row[c] for c in ("n", "n_teachers", "n_without_prior")] == [3, 2, 0]
    assert [row[c] for c in ("gain_sd", *OWN)] == pytest.approx([0.4, error, 0.4 - T1 * error, 0.4 + T1 * error])
    assert row["interval_caution"] == "few_teachers"
    assert [row[c] for c in RANKS] == pytest.approx([50, 54, 4])
    ends = [row[f"percentile_rank_gain_{c}"] for c in ("standard_error", "ci_low", "ci_high")]
    assert ends == pytest.approx([10 * error, 4 - 10 * T1 * error, 4 + 10 * T1 * error])


def test_the_rank_gain_is_measured_and_not_made_of_standard_scores(lake: Scenario) -> None:
    found = growth(
        lake,
        student(0.0, 0.1, prior_percentile_rank=20, percentile_rank=80),
        student(0.0, 0.1, prior_percentile_rank=30, percentile_rank=40),
    )

    assert [one(found)[c] for c in RANKS] == [25, 60, 35]


def test_who_has_no_prior_score_is_counted_and_in_no_figure(lake: Scenario) -> None:
    found = growth(
        lake,
        student(0.0, 0.5),
        student(None, 3.0),
        student(None, -3.0, "ann"),
        student(0.0, None, prior_percentile_rank=10),
        student(None, 1.0, subject="mathematics"),
    )

    columns = (
        "subject",
        "n",
        "n_teachers",
        "n_without_prior",
        "gain_sd",
        "end_mean_percentile_rank",
        "interval_caution",
    )
    assert told(found.filter(**WHOLE), *columns) == [
        ("ela", 1, 1, 3, 0.5, 55.0, "one_teacher"),
        ("mathematics", 0, 0, 1, None, None, "no_prior_score"),
    ]


def test_the_difference_is_from_students_of_teachers_without_a_part_and_its_error_clustered(lake: Scenario) -> None:
    found = growth(
        lake,
        student(0.0, 0.5, "fay", "fellow"),
        student(0.0, 0.3, "flo", "fellow"),
        student(0.0, 0.2, "ann"),
        student(0.0, 0.0, "bob"),
        student(0.0, 9.0, None, "unlinked"),
    )

    # d = .4 - .1; residuals over n: +-.05 | +-.05, so 4/3 x 3/2 x 4 x .0025
    row, error = one(found, role="fellow"), math.sqrt(0.02)
    columns = ("comparison_n", "n_comparison_teachers", "comparison_gain_sd", "comparison_percentile_rank_gain")
    assert [row[c] for c in columns] == pytest.approx([2, 2, 0.1, 1])
    names = ("sd", "standard_error", "ci_low", "ci_high")
    assert [row[f"gain_difference_{c}"] for c in names] == pytest.approx(
        [0.3, error, 0.3 - T3 * error, 0.3 + T3 * error]
    )
    assert row["gain_difference_caution"] == "few_teachers"
    assert row["improvement_index"] == pytest.approx(100 * (stats.norm.cdf(0.3) - 0.5))
    assert row["mean_percentile_gain"] == pytest.approx(100 * (stats.norm.cdf(0.3 / math.sqrt(2)) - 0.5))
    assert [one(found, role=role)["comparison_n"] for role in ("none", "all", "unlinked")] == [None, None, 2]


def test_a_teacher_with_students_in_both_groups_is_one_cluster(lake: Scenario) -> None:
    found = growth(
        lake,
        student(0.0, 0.6, "ann", "fellow"),
        student(0.0, 0.2, "flo", "fellow"),
        student(0.0, 0.2, "ann"),
        student(0.0, 0.0, "bob"),
    )

    # influences: ann .2/2 - .1/2, flo -.2/2, bob .1/2; 3/2 x 3/2 x (.0025 + .01 + .0025); t with 2 degrees of freedom
    row, error = one(found, role="fellow"), math.sqrt(9 / 4 * 0.015)
    assert row["gain_difference_standard_error"] == pytest.approx(error)
    assert row["gain_difference_ci_high"] == pytest.approx(0.3 + T2 * error)


def test_an_error_is_empty_where_it_would_claim_certainty_and_the_row_says_why(lake: Scenario) -> None:
    alike = [student(0.0, 0.2, name, "mentee") for name in ("may", "mia")]

    found = growth(lake, *alike, student(0.0, 0.4, "fay", "fellow"), student(0.0, 0.1, "ann"), student(0.0, 0.3, "bob"))

    columns = ("role", "gain_sd", "standard_error", "interval_caution", "gain_difference_standard_error")
    assert told(found.filter(state="all", region="all"), *columns, "gain_difference_caution") == [
        ("all", pytest.approx(0.24), pytest.approx(math.sqrt(1.25 * 0.052 / 25)), "few_teachers", None, None),
        ("fellow", 0.4, None, "one_teacher", None, "one_teacher"),
        ("mentee", 0.2, None, "no_variation", pytest.approx(math.sqrt(4 / 3 * 3 / 2 * 0.005)), "few_teachers"),
        ("none", 0.2, pytest.approx(0.1), "few_teachers", None, None),
    ]


def test_from_forty_teachers_on_an_interval_stands_without_caution(lake: Scenario) -> None:
    def taught_by(count: int) -> list[Row]:
        return [student(0.0, i / 10, f"t{i}x", subject=f"of {count}") for i in range(count)]

    found = growth(lake, *taught_by(39), *taught_by(40))

    assert told(found.filter(**WHOLE), "subject", "interval_caution") == [("of 39", "few_teachers"), ("of 40", None)]


def test_students_without_a_teacher_are_clustered_by_their_school(lake: Scenario) -> None:
    found = growth(lake, *(student(0.0, 0.1, None, "unlinked", school_id=school) for school in ("1", "1", "2", None)))

    assert one(found)["n_teachers"] == 3


def test_all_stands_for_every_value_and_who_has_no_region_is_in_all_only(lake: Scenario) -> None:
    found = growth(
        lake,
        student(0.0, 0.1, "fay", "fellow", region="North"),
        student(0.0, 0.2, "flo", "fellow", region="South", state="MO"),
        student(0.0, 0.3, "ann"),
    )

    rows = told(found, "state", "region", "role", "n")
    assert rows == sorted(
        [
            (s, r, p, 1)
            for s, r in (("LA", "North"), ("MO", "South"))
            for s, r in ((s, r), ("all", r))
            for p in ("all", "fellow")
        ]
        + [("LA", "all", "all", 2), ("LA", "all", "fellow", 1), ("LA", "all", "none", 1)]
        + [("MO", "all", "all", 1), ("MO", "all", "fellow", 1)]
        + [("all", "all", "all", 3), ("all", "all", "fellow", 2), ("all", "all", "none", 1)]
    )


def test_growth_percentiles_are_summed_up_by_their_median_where_there_are_any(lake: Scenario) -> None:
    growth_percentiles = {"a0x": 40, "a1x": 61, "a2x": 10, "a3x": 90}
    common = {"subject": "ela", "assessment": "LEAP", "grade": "05", "n_prior_scores": 1, "norm_group_n": 500}
    lake.write(
        "student_growth_percentile",
        *({"student_key": k, "student_growth_percentile": v} | common for k, v in growth_percentiles.items()),
    )

    found = growth(lake, *(student(0.0, 0.1, role=role) for role in ("fellow", "fellow", "fellow", "none", "former")))

    columns = ("role", "n", "n_student_growth_percentile", "median_student_growth_percentile")
    assert told(found.filter(state="all", region="all"), *columns) == [
        ("all", 5, 4, 50.5),
        ("fellow", 3, 3, 40.0),
        ("former", 1, None, None),
        ("none", 1, 1, 90.0),
    ]


def test_gains_and_errors_are_those_of_least_squares_with_cr1_and_the_same_in_every_order(
    lake: Scenario, tmp_path: Path
) -> None:
    random = np.random.default_rng(5)
    people = [
        student(round(z, 6), round(z / 2 + of_teacher + noise, 6), f"t{i % 17:02}x", "fellow" if i % 17 < 6 else "none")
        for i, (z, noise) in enumerate(random.normal(size=(200, 2)))
        for of_teacher in (0.1 * (i % 17 % 5),)
    ]

    found = growth(lake, *people)

    data = pl.DataFrame(people).with_columns(
        gain=pl.col("z_score") - pl.col("prior_z_score"), fellow=(pl.col("exposure") == "fellow").cast(pl.Float64)
    )
    row, slope = one(found, role="fellow"), _least_squares("gain ~ fellow", data, "fellow")
    assert [row["gain_difference_sd"], row["gain_difference_standard_error"]] == pytest.approx(slope[:2], abs=1e-10)
    assert [row["gain_difference_ci_low"], row["gain_difference_ci_high"]] == pytest.approx(slope[2:], abs=1e-10)
    alone = _least_squares("gain ~ 1", data.filter(exposure="fellow"), "Intercept")
    assert [row[c] for c in ("gain_sd", *OWN)] == pytest.approx(alone, abs=1e-10)
    other = [person | {"teacher_key": person["teacher_key"][::-1]} for person in reversed(people)]
    assert growth(Scenario(tmp_path / "again"), *other).equals(found)


def _least_squares(formula: str, data: pl.DataFrame, name: str) -> list[float]:
    fitted = pf.feols(formula, data.to_pandas(), vcov={"CRV1": "teacher_key"})
    table = fitted.tidy().loc[name]
    return [float(table[column]) for column in ("Estimate", "Std. Error", "2.5%", "97.5%")]


def test_every_tested_student_is_in_one_part_and_the_gain_of_all_is_the_parts_mean(lake: Scenario) -> None:
    random = np.random.default_rng(3)
    roles = ("fellow", "mentee", "former", "none", "unlinked")
    people = [
        student(
            None if i % 7 == 0 else round(z, 6), round(now, 6), f"t{i % 11}x", roles[i % 5], state=("LA", "MO")[i % 2]
        )
        for i, (z, now) in enumerate(random.normal(size=(150, 2)))
    ]

    found = growth(lake, *people).filter(region="all")

    assert found.filter(state="all", role="all").select("n", "n_without_prior").row(0) == (128, 22)
    for sums in ({"state": "all"}, {"role": "all"}):
        parts = found.filter(**sums).filter(pl.col("role" if "state" in sums else "state") != "all")
        assert parts.select("n", "n_without_prior").sum().row(0) == (128, 22)
        mean = parts.select((pl.col("n") * pl.col("gain_sd")).sum() / pl.col("n").sum()).item()
        assert mean == pytest.approx(one(found)["gain_sd"], abs=1e-12)


@given(d=st.floats(-6, 6))
def test_the_two_conversions_agree_in_sign_and_the_mean_gain_is_the_smaller(d: float) -> None:
    of = pl.Series("d", [d, -d, None], dtype=pl.Float64)

    index, mean = statistics.improvement_index(of), statistics.mean_percentile_gain(of)

    assert index[0] == pytest.approx(-index[1], abs=1e-9) and mean[0] == pytest.approx(-mean[1], abs=1e-9)
    assert index[0] * d >= 0 and mean[0] * d >= 0
    assert abs(mean[0]) <= abs(index[0]) <= 50
    assert index[2] is None and mean[2] is None


def test_conversions_give_the_published_figures() -> None:
    # What Works Clearinghouse, Handbook 2.0 (2008), appendix F: an effect of 0.25 is an index of 10
    assert round(statistics.improvement_index(pl.Series([0.25]))[0]) == 10
    # McGraw and Wong 1992: statures 69.7 (2.8) and 64.3 (2.6) inches, probability of superiority .92
    d = (69.7 - 64.3) / math.sqrt((2.8**2 + 2.6**2) / 2)
    assert round(50 + statistics.mean_percentile_gain(pl.Series([d]))[0]) == 92
