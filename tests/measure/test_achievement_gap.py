"""achievement_gap: how far apart two groups are."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenario import Row, Scenario
from steps import STEP, told

WHOLE = {"state": "all", "region": "all", "role": "all", "grade_band": "all"}
CELL = ("state", "region", "role", "grade_band", "n_a", "n_b")
FIGURES = (
    "mean_z_a",
    "mean_z_b",
    "gap_sd",
    "hedges_g",
    "standard_error",
    "v_statistic",
    "v_statistic_from_levels",
    "scale_score_difference",
    "proficient_share_a",
    "proficient_share_b",
    "proficiency_gap_percentage_points",
    "proficiency_gap_standard_error",
)


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def student(z_score: float | None, sex: str | None = "female", **said: Any) -> Row:
    """A tested student; `exposure` and `region` go to the exposure, all else to the score."""
    test = {"subject": "ela", "assessment": "LEAP", "grade": "05", "scale_score": 700 + 30 * (z_score or 0)}
    level = {"level_order": 3 if (z_score or 0) > 0 else 2, "proficient": "yes" if (z_score or 0) > 0 else "no"}
    return {"z_score": z_score, "sex": sex, "exposure": "none", "region": None} | test | level | said


def gaps(lake: Scenario, *students: Row) -> pl.DataFrame:
    named = [{"student_key": f"a{i}x"} | row for i, row in enumerate(students)]
    of_exposure = ("student_key", "subject", "school_year", "state", "exposure", "region")
    lake.write("student_exposure", *({k: row[k] for k in of_exposure if k in row} for row in named))
    cell = {"percentile_rank": 50, "reference_n": 9, "reference_mean": 700}
    lake.write(
        "standard_score", *(cell | {k: v for k, v in row.items() if k not in ("exposure", "region")} for row in named)
    )
    return lake.run(STEP["achievement_gap"])


def one(found: pl.DataFrame, **where: Any) -> Row:
    return found.filter(**({"subgroup": "sex"} | WHOLE | where)).row(0, named=True)


def test_groups_are_paired_with_the_reference_group_first(lake: Scenario) -> None:
    said = {"economically_disadvantaged": "no", "english_learner": "no", "disability": "no", "race_ethnicity": "white"}
    other = {"economically_disadvantaged": "yes", "english_learner": "yes", "disability": "yes"}
    found = gaps(
        lake,
        student(1.0, "female", **said),
        student(0.5, "male", **other, race_ethnicity="asian"),
        student(-1.0, "male", **other, race_ethnicity="two_or_more_races"),
        student(0.0, "not_selected"),
        student(0.2, None),
    )

    pairs = found.filter(**WHOLE)
    assert told(pairs, "subgroup", "group_a", "group_b", "n_a", "n_b") == [
        ("disability", "no", "yes", 1, 2),
        ("economically_disadvantaged", "no", "yes", 1, 2),
        ("english_learner", "no", "yes", 1, 2),
        ("race_ethnicity", "white", "asian", 1, 1),
        ("race_ethnicity", "white", "two_or_more_races", 1, 1),
        ("sex", "female", "male", 1, 2),
    ]


def test_a_gap_is_told_for_every_value_of_a_dimension_and_for_all_together(lake: Scenario) -> None:
    found = gaps(
        lake,
        student(1.0, exposure="fellow", region="North"),
        student(0.0, "male", exposure="fellow", region="North"),
        student(0.0, exposure="none", grade="UG"),
        student(0.0, "male", exposure="none", grade="UG"),
        student(0.0, exposure="unlinked", state="MO"),
        student(None, "male", exposure="unlinked", state="MO"),
    ).filter(subgroup="sex")

    cells = set(told(found, *CELL))
    assert not found.select(CELL[:4]).is_duplicated().any()
    assert ("all", "all", "all", "all", 3, 2) in cells
    assert ("LA", "all", "all", "all", 2, 2) in cells
    assert ("LA", "North", "fellow", "3-5", 1, 1) in cells
    assert ("all", "all", "none", "all", 1, 1) in cells
    assert {cell[0] for cell in cells} == {"all", "LA"}
    assert {cell[1] for cell in cells} == {"all", "North"}
    assert {cell[3] for cell in cells} == {"all", "3-5"}


def test_figures_of_random_students_equal_an_independent_computation(lake: Scenario) -> None:
    students = _random_students(np.random.default_rng(5), 400)

    found = gaps(lake, *students)

    for where in ({}, {"role": "fellow"}, {"role": "none", "region": "North", "grade_band": "3-5", "state": "LA"}):
        chosen = [
            s
            for s in students
            if all(s[{"role": "exposure"}.get(k, k)] == v for k, v in where.items() if k in ("role", "region"))
        ]
        if "grade_band" in where:
            chosen = [s for s in chosen if s["grade"] in ("03", "04", "05")]
        row, expected = one(found, **where), _figures(chosen)
        assert (row["n"], row["n_a"], row["n_b"]) == (len(chosen), *expected[:2])
        for name, figure in zip(FIGURES, expected[2:], strict=True):
            if figure is None:
                assert row[name] is None, name
            else:
                assert row[name] == pytest.approx(figure, abs=1e-9), name
        z = NormalDist().inv_cdf(0.975)
        assert row["ci_low"] == pytest.approx(row["hedges_g"] - z * row["standard_error"], abs=1e-9)
        assert row["ci_high"] == pytest.approx(row["hedges_g"] + z * row["standard_error"], abs=1e-9)


def _random_students(random: np.random.Generator, count: int) -> list[Row]:
    students = []
    for _ in range(count):
        sex = str(random.choice(["female", "male"], p=[0.6, 0.4]))
        z_score = round(float(random.normal(0.3 if sex == "female" else 0)), 1)
        level = int(np.clip(3 + round(z_score), 1, 5))
        is_judged = random.random() < 0.9
        students.append(
            student(
                z_score,
                sex,
                exposure=str(random.choice(["fellow", "none"])),
                region=str(random.choice(["North", "South"])),
                grade=str(random.choice(["05", "08"])),
                level_order=level if is_judged else None,
                proficient=("yes" if level > 3 else "no") if is_judged else None,
            )
        )
    return students


def _figures(students: list[Row]) -> tuple[Any, ...]:
    """n of both groups and the figures, by their definitions, pair by pair."""
    groups = [[s for s in students if s["sex"] == sex] for sex in ("female", "male")]
    a, b = (np.array([s["z_score"] for s in group]) for group in groups)
    n_a, n_b = len(a), len(b)
    pooled = (((n_a - 1) * a.var(ddof=1) + (n_b - 1) * b.var(ddof=1)) / (n_a + n_b - 2)) ** 0.5
    d = (a.mean() - b.mean()) / pooled
    omega = 1 - 3 / (4 * (n_a + n_b) - 9)
    error = omega * ((n_a + n_b) / (n_a * n_b) + d * d / (2 * (n_a + n_b))) ** 0.5
    levels = [[s["level_order"] for s in group if s["level_order"]] for group in groups]
    scale_a, scale_b = (np.mean([s["scale_score"] for s in group]) for group in groups)
    p_a, p_b = (np.mean([s["proficient"] == "yes" for s in group if s["proficient"]]) for group in groups)
    spread = sum(p * (1 - p) / len(group) for p, group in zip((p_a, p_b), levels, strict=True)) ** 0.5
    is_one_test = len({s["grade"] for s in students}) == 1
    return (
        *(n_a, n_b, a.mean(), b.mean(), d, omega * d, error, _v(a, b), _v(*levels)),
        *(scale_a - scale_b if is_one_test else None, p_a, p_b, 100 * (p_a - p_b), 100 * spread),
    )


def _v(a: Any, b: Any) -> float:
    ahead = sum((x > y) + (x == y) / 2 for x in a for y in b) / (len(a) * len(b))
    return float(2**0.5 * NormalDist().inv_cdf(float(ahead)))


STUDENTS = st.lists(
    st.builds(student, st.sampled_from((-1.3, -0.1, 0.0, 0.4, 2.1)), st.sampled_from(("female", "male"))),
    min_size=2,
    max_size=12,
)


@settings(deadline=None, max_examples=15)
@given(STUDENTS.flatmap(lambda students: st.tuples(st.just(students), st.permutations(students))))
def test_the_order_of_students_changes_nothing(orders: tuple[list[Row], list[Row]]) -> None:
    with TemporaryDirectory() as first, TemporaryDirectory() as second:
        found = [gaps(Scenario(Path(root)), *students) for root, students in zip((first, second), orders, strict=True)]

    assert found[0].equals(found[1])


def test_v_is_empty_where_every_student_of_one_group_is_ahead_of_every_one_of_the_other(lake: Scenario) -> None:
    found = gaps(lake, *(student(z, "female") for z in (1.0, 2.0)), *(student(z, "male") for z in (-1.0, -2.0)))

    row = one(found)
    assert (row["v_statistic"], row["v_statistic_from_levels"]) == (None, None)
    assert row["gap_sd"] == pytest.approx(3 / 0.5**0.5)


def test_groups_without_spread_or_of_one_student_each_have_no_gap_in_standard_deviations(lake: Scenario) -> None:
    found = gaps(
        lake,
        student(1.0, "female"),
        student(-1.0, "male"),
        *(student(z, sex, grade="08") for sex, z in (("female", 1.0), ("female", 1.0), ("male", 0.5), ("male", 0.5))),
    )

    columns = ("gap_sd", "hedges_g", "standard_error", "ci_low", "ci_high")
    assert [one(found, grade_band="3-5")[c] for c in columns] == [None] * 5
    assert [one(found, grade_band="6-8")[c] for c in columns] == [None] * 5
    assert one(found, grade_band="3-5")["mean_z_a"] == 1.0


def test_a_proficiency_gap_between_all_and_none_still_has_a_wide_interval(lake: Scenario) -> None:
    found = gaps(lake, *(student(z, sex) for sex, z in [("female", 1.0)] * 10 + [("male", -1.0)] * 10))

    row = one(found)
    assert row["proficiency_gap_percentage_points"] == 100
    # Newcombe 1998, Statistics in Medicine 17, 873-890, table II, method 10: 10/10 against 0/10
    ends = (row["proficiency_gap_ci_low"], row["proficiency_gap_ci_high"])
    assert ends == pytest.approx((60.75, 100), abs=5e-3)


def test_levels_and_proficiency_of_different_assessments_are_not_mixed(lake: Scenario) -> None:
    both = [("female", 1.0), ("female", -1.0), ("male", 0.5), ("male", -1.5)]
    found = gaps(
        lake,
        *(student(z, sex) for sex, z in both),
        *(student(z, sex, assessment="MAP", state="MO") for sex, z in both),
    )

    columns = ("v_statistic_from_levels", "scale_score_difference", "proficient_share_a")
    columns += ("proficiency_gap_percentage_points", "proficiency_gap_ci_low")
    assert [one(found)[c] for c in columns] == [None] * 5
    assert one(found)["v_statistic"] is not None
    assert one(found, state="MO")["proficiency_gap_percentage_points"] == 0
    assert one(found, state="MO")["scale_score_difference"] == pytest.approx(15)


def test_scale_scores_of_different_grades_are_not_mixed_but_proficiency_is(lake: Scenario) -> None:
    found = gaps(
        lake,
        *(student(z, sex, grade=grade) for sex, z in (("female", 1.0), ("male", -1.0)) for grade in ("03", "04")),
    )

    assert one(found)["scale_score_difference"] is None
    assert one(found)["proficiency_gap_percentage_points"] == 100
