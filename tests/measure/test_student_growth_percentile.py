"""student_growth_percentile: made where the home asks for it, of groups that are large enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from le_pipeline import line
from le_pipeline.home import Home
from le_pipeline.measure.inference.growth_percentile import growth_percentiles
from le_pipeline.privacy.keys import Keys
from le_pipeline.warehouse.engine import code_version
from scenario import Row, Scenario
from schemas.yaml_file import ContractError
from steps import STEP

GROWTH = STEP["student_growth_percentile"]


@pytest.fixture
def lake(tmp_path: Path) -> Scenario:
    return asked(Scenario(tmp_path / "home"), "true")


def asked(lake: Scenario, answer: str) -> Scenario:
    lake.home.evaluation_settings.write_text(f"student_growth_percentiles: {answer}\n", encoding="utf-8")
    return lake


def scored(count: int, *years: int, first: int = 0, **said: object) -> list[Row]:
    """Students with a score in each of the years, another one for each student and year."""
    random = np.random.default_rng([count, first])
    ability = random.normal(size=count)
    cell = {"subject": "ela", "assessment": "LEAP", "grade": "05", "scale_score": 700, "reference_n": 9}
    cell |= {"reference_mean": 700, "percentile_rank": 50}
    return [
        cell | {"student_key": f"a{first + i}x", "school_year": year, "z_score": round(float(z), 6)} | said
        for year in years
        for i, z in enumerate(0.8 * ability + 0.6 * random.normal(size=count))
    ]


def made(lake: Scenario, *rows: Row) -> pl.DataFrame:
    lake.write("standard_score", *rows)
    return lake.run(GROWTH)


def test_each_group_of_250_is_compared_by_the_score_of_the_year_before(lake: Scenario) -> None:
    rows = scored(250, 2014, 2015) + scored(249, 2014, 2015, first=1_000, assessment="MAP", state="MO")

    found = made(lake, *rows)

    assert found.height == 250
    columns = ("state", "assessment", "grade", "school_year", "n_prior_scores", "norm_group_n")
    assert found.select(columns).unique().rows() == [("LA", "LEAP", "05", 2015, 1, 250)]
    score, prior = (
        [row["z_score"] for row in rows if row["assessment"] == "LEAP" and row["school_year"] == y]
        for y in (2015, 2014)
    )
    expected = growth_percentiles(np.array(score), np.array(prior)[:, None])
    keys = [row["student_key"].ljust(32, "0") for row in rows[:250]]
    assert dict(found.select("student_key", "student_growth_percentile").rows()) == dict(
        zip(keys, expected.tolist(), strict=True)
    )


def test_two_prior_scores_come_before_one_where_enough_students_have_them(lake: Scenario) -> None:
    found = made(lake, *scored(260, 2013, 2014, 2015), *scored(30, 2014, 2015, first=1_000))

    counted = found.filter(school_year=2015).group_by("n_prior_scores", "norm_group_n").len().sort("n_prior_scores")
    assert counted.rows() == [(1, 290, 30), (2, 260, 260)]
    few = made(lake, *scored(249, 2013, 2014, 2015), *scored(30, 2014, 2015, first=1_000))
    assert few.filter(school_year=2015).select("n_prior_scores", "norm_group_n").unique().rows() == [(1, 279)]


def test_a_year_without_a_score_breaks_the_chain(lake: Scenario) -> None:
    assert made(lake, *scored(300, 2013, 2015)).height == 0


def test_without_a_word_of_it_the_table_is_empty_and_the_mart_says_nothing_of_it(tmp_path: Path) -> None:
    lake = Scenario(tmp_path / "home")
    rows = scored(300, 2014, 2015)

    assert made(lake, *rows).height == 0
    keys = ("student_key", "subject", "school_year")
    lake.write("student_exposure", *({name: row[name] for name in keys} for row in rows), exposure="none")
    found = lake.run(STEP["student_growth"])
    assert found.height > 0
    assert found["median_student_growth_percentile"].null_count() == found.height


def test_turning_the_option_makes_the_table_anew_and_saying_the_same_again_does_not(lake: Scenario) -> None:
    rows = scored(250, 2014, 2015)
    assert made(lake, *rows).height == 250
    assert lake.engine.is_current(GROWTH)

    asked(lake, "yes")
    assert lake.engine.is_current(GROWTH)

    lake.home.evaluation_settings.unlink()
    assert not lake.engine.is_current(GROWTH)
    assert lake.run(GROWTH).height == 0
    assert lake.engine.is_current(GROWTH)

    asked(lake, "no")
    assert lake.engine.is_current(GROWTH)

    asked(lake, "true")
    assert not lake.engine.is_current(GROWTH)
    assert lake.run(GROWTH).height == 250


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "student_growth_percentiles: perhaps\n",
            "evaluation.yaml, line 1: student_growth_percentiles: Input should be",
        ),
        ("\nsgp: true\n", "evaluation.yaml, line 2: sgp: is not a key that is known here"),
        ("[]\n", "evaluation.yaml, line 1: the file: "),
    ],
)
def test_a_mistake_in_the_settings_is_told_with_line_and_key_before_any_work(
    home: Home, keys: Keys, text: str, message: str
) -> None:
    home.evaluation_settings.write_text(text)

    with pytest.raises(ContractError) as told:
        next(line.run(home, keys, []))

    assert str(told.value).startswith(message)
    assert not home.warehouse.exists()


def test_a_change_in_a_folder_below_a_steps_own_is_a_change_of_its_code(tmp_path: Path) -> None:
    below = tmp_path / "inference"
    below.mkdir()
    (below / "estimator.py").write_text("one = 1\n")
    before = code_version(tmp_path)

    (below / "estimator.py").write_text("one = 2\n")

    assert code_version(tmp_path) != before
