"""teacher_effectiveness and matching_candidate: what teachers achieved before, for matching alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pupils import pupil, with_prior
from scenario import Row, Scenario
from steps import STEP, told


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return Scenario(tmp_path / "home")


def planted(seed: int, sizes: list[int], spread: float, noise: float = 0.5) -> tuple[list[Row], dict[str, float]]:
    """Classes of so many students, and what each teacher adds."""
    random = np.random.default_rng(seed)
    truth = {f"t{i:03}x": float(random.normal(0, spread)) for i in range(len(sizes))}
    rows = []
    for (teacher, adds), size in zip(truth.items(), sizes, strict=True):
        for j in range(size):
            prior = float(random.normal())
            said = with_prior(prior) | {"is_female": j % 2}
            score = 0.7 * prior - 0.05 * prior**3 + 0.1 * (j % 2) + adds + random.normal(0, noise)
            rows.append(pupil(f"{teacher}{j}x", teacher, "LA 1", z_score=float(score), **said))
    return rows, truth


def effectiveness(lake: Scenario, rows: list[Row]) -> pl.DataFrame:
    return lake.write("achievement_sample", *rows).run(STEP["teacher_effectiveness"])


def test_what_a_teacher_adds_is_found_and_shrunken_by_how_far_it_can_be_told(lake: Scenario) -> None:
    sizes = [5 + 5 * (i % 8) for i in range(120)]
    rows, truth = planted(1, sizes, spread=0.3)

    found = effectiveness(lake, rows).with_columns(
        truth=pl.col("staff_key").replace_strict({k.ljust(32, "0"): v for k, v in truth.items()})
    )

    assert found["n_students"].to_list() == sizes
    assert found.select(pl.corr("value_added", "truth")).item() > 0.9
    # the reliability of a mean of n: 0.3^2 / (0.3^2 + 0.5^2 / n)
    expected = [0.09 / (0.09 + 0.25 / n) for n in sizes]
    assert found["reliability"].to_list() == pytest.approx(expected, abs=0.1)
    assert found["value_added"].to_list() == pytest.approx((found["reliability"] * found["mean_residual"]).to_list())
    # shrunken, so that it is the best guess of the truth: its slope on the truth's guess is 1
    slope = np.polyfit(found["value_added"].to_numpy(), found["truth"].to_numpy(), 1)[0]
    assert slope == pytest.approx(1, abs=0.1)


def test_where_teachers_do_not_differ_hardly_anything_is_left_of_their_residuals(lake: Scenario) -> None:
    found = effectiveness(lake, planted(2, [20] * 60, spread=0.0)[0])

    assert found["reliability"].is_between(0, 1).all()
    assert found["reliability"].max() < 0.3
    assert found["value_added"].abs().max() < 0.1


def test_reliability_is_made_of_the_variances_within_and_between(lake: Scenario) -> None:
    """Boys and girls of a class do alike, so that no covariate tells anything: means are 4 and -4."""
    scores = {"a": (3.0, 5.0), "b": (-5.0, -3.0)}
    rows = [
        pupil(f"{t}{j}{girl}x", t, "LA 1", z_score=z, is_female=girl, **with_prior(0.0))
        for t, of in scores.items()
        for j, z in enumerate(of)
        for girl in (0, 1)
    ]

    found = effectiveness(lake, rows)

    within = 8 * 1**2 / (3 + 3)
    between = 2 * 4**2 - within / 4
    reliability = between / (between + within / 4)
    assert told(found, "staff_key", "mean_residual", "reliability", "value_added") == [
        ("a", pytest.approx(4), pytest.approx(reliability), pytest.approx(4 * reliability)),
        ("b", pytest.approx(-4), pytest.approx(reliability), pytest.approx(-4 * reliability)),
    ]


def test_a_teacher_alone_with_too_few_students_for_a_model_is_there_without_figures(lake: Scenario) -> None:
    rows = [pupil("annx", "una", "LA 1", z_score=1.0, **with_prior(0.5))]

    found = effectiveness(lake, rows)

    columns = ("n_students", "mean_residual", "reliability", "value_added")
    assert told(found, "staff_key", *columns) == [("una", 1, None, None, None)]


def test_classes_of_one_student_each_tell_nothing_reliable(lake: Scenario) -> None:
    rows, _ = planted(3, [1] * 60, spread=0.5)

    found = effectiveness(lake, rows)

    assert found["reliability"].to_list() == [0.0] * 60
    assert found["value_added"].to_list() == [0.0] * 60


def test_only_main_teachers_and_students_with_a_prior_score_count(lake: Scenario) -> None:
    rows, _ = planted(4, [6] * 12, spread=0.2)
    beside = [row | {"staff_key": "zoex", "is_main_teacher": False, "z_score": 9.0} for row in rows[:3]]
    without = [row | {"student_key": f"n{i}x", "z_score": 9.0} | with_prior(None) for i, row in enumerate(rows[:6])]

    found, alone = effectiveness(lake, [*rows, *beside, *without]), effectiveness(lake, rows)

    assert found.equals(alone)


def test_neither_the_order_of_rows_nor_keys_of_teachers_and_students_move_a_figure(lake: Scenario) -> None:
    rows, _ = planted(5, [4 + i % 5 for i in range(30)], spread=0.3)
    figures = ("n_students", "mean_residual", "reliability", "value_added")
    renamed = [
        row | {name: row[name][::-1].strip("x") + "y" for name in ("student_key", "staff_key", "teacher_key")}
        for row in reversed(rows)
    ]

    first, second = (effectiveness(lake, these).select(figures).sort(figures) for these in (rows, renamed))

    assert first.select(pl.all().round_sig_figs(12)).equals(second.select(pl.all().round_sig_figs(12)))


def test_states_and_subjects_are_estimated_apart(lake: Scenario) -> None:
    rows, _ = planted(6, [8] * 20, spread=0.3)
    other = [
        row
        | {"state": "MO", "grade_year": "MO", "z_score": 100 - row["z_score"]}
        | {name: f"m{row[name]}" for name in ("student_key", "staff_key", "teacher_key")}
        for row in rows
    ]

    alone, both = effectiveness(lake, rows), effectiveness(lake, [*rows, *other])

    assert both.filter(state="LA").equals(alone)
    assert both.filter(state="MO")["value_added"].to_list() == pytest.approx((-alone["value_added"]).to_list())


# -- prior effectiveness, which looks at nothing that the programme may have changed ---------------------------------


def candidates(lake: Scenario, part: Row, added: dict[int, float | None]) -> list[tuple[object, ...]]:
    """The candidate of 2015, who added so much in other years."""
    one = {"staff_key": "tea", "subject": "ela", "n_students": 20}
    lake.write("achievement_sample", pupil("annx", "tea", "LA 1", z_score=0.0, **with_prior(0.5)))
    lake.write(
        "teacher_effectiveness", *(one | {"school_year": year, "value_added": value} for year, value in added.items())
    )
    lake.write("program_role", {"staff_key": "tea", "is_active": False} | part)
    return told(lake.run(STEP["matching_candidate"]), "part", "prior_effectiveness", "lacks_effectiveness")


EACH_YEAR = {year: year - 2000.0 for year in range(2008, 2017)}
FELLOW, MENTEE = ({"role": role, "is_active": True} for role in ("fellow", "mentee"))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"role": "none"}, ("none", 14.0, 0)),
        ({"role": "applicant", "application_decision": "not_selected"}, ("applicant", 14.0, 0)),
        (FELLOW | {"fellow_since": 2015}, ("fellow", 14.0, 0)),
        (FELLOW | {"fellow_since": 2013}, ("fellow", 12.0, 0)),
        (FELLOW | {"fellow_since": 2015, "mentee_since": 2012}, ("fellow", 11.0, 0)),
        (MENTEE | {"mentee_since": 2014}, ("mentee", 13.0, 0)),
        (MENTEE | {"mentee_since": 2015, "fellow_since": 2016}, ("mentee", 14.0, 0)),
        # a former fellow who is mentored was changed by the fellowship already
        (MENTEE | {"mentee_since": 2015, "fellow_since": 2011}, ("mentee", 10.0, 0)),
        ({"role": "fellow", "fellow_since": 2011}, ("former", 10.0, 0)),
    ],
)
def test_effectiveness_is_of_the_latest_year_before_the_first_part_began(
    lake: Scenario, part: Row, expected: tuple[object, ...]
) -> None:
    assert candidates(lake, part, dict(EACH_YEAR)) == [expected]


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ({2012: 1.0}, ("fellow", 1.0, 0)),
        ({2011: 1.0}, ("fellow", 0.0, 1)),
        ({2012: 1.0, 2014: None}, ("fellow", 1.0, 0)),
        ({2015: 1.0, 2016: 1.0}, ("fellow", 0.0, 1)),
        ({}, ("fellow", 0.0, 1)),
    ],
)
def test_effectiveness_is_of_three_years_back_at_most_and_its_lack_is_flagged(
    lake: Scenario, added: dict[int, float | None], expected: tuple[object, ...]
) -> None:
    assert candidates(lake, FELLOW | {"fellow_since": 2015}, added) == [expected]
