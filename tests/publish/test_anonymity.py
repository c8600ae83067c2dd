"""k, l, t and risks: published answers, small ones by hand, and laws that hold for any table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from le_pipeline.publish.anonymity import Risks, k_anonymity, l_diversity, risks, t_closeness

DATA = Path(__file__).parents[3] / "shared" / "data" / "kanonymity"
QUASI = ["Teacher", "Gender", "Ethnic", "Freeredu"]

published = pytest.mark.skipif(not DATA.exists(), reason="the public data are not beside the project (../shared/data)")


@published
@pytest.mark.parametrize(
    ("file", "k", "l", "t"),
    [
        ("StudentsMath_Score.csv", 1, 1, 0.4165919952210274),
        ("StudentsMath_Score_k5.csv", 5, 4, 0.31023287057769827),
    ],
)
def test_the_published_answers_of_pycanon(file: str, k: int, l: int, t: float) -> None:  # noqa: E741
    frame = pl.read_csv(DATA / file)

    assert k_anonymity(frame, QUASI) == k
    assert l_diversity(frame, QUASI, "Score") == l
    assert t_closeness(frame, QUASI, "Score") == pytest.approx(t, abs=1e-12)


def people(*rows: tuple[str, object]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=["zip", "value"], orient="row")


SALARIES = {"476**": (3, 4, 5), "4790*": (6, 8, 11), "rest": (7, 9, 10)}


def test_the_worked_example_of_the_paper_on_t_closeness() -> None:
    # Li, Li, Venkatasubramanian 2007, section 4.2: D({3k, 4k, 5k}, Q) = 0.375 and D({6k, 8k, 11k}, Q) = 0.167
    frame = people(*((place, salary) for place, salaries in SALARIES.items() for salary in salaries))
    two = frame.with_columns(pl.when(pl.col("zip") == "4790*").then("zip").otherwise(pl.lit("others")).alias("zip"))

    assert t_closeness(frame, ["zip"], "value") == pytest.approx(0.375, abs=1e-12)
    assert t_closeness(two, ["zip"], "value") == pytest.approx(1 / 6, abs=1e-12)


def test_words_are_equally_far_apart() -> None:
    # the first class has a only, all records a half: 1/2 (|1 - 1/2| + |0 - 1/4| + |0 - 1/4|)
    frame = people(("x", "a"), ("x", "a"), ("y", "b"), ("y", "c"))

    assert t_closeness(frame, ["zip"], "value") == pytest.approx(0.5, abs=1e-12)
    assert l_diversity(frame, ["zip"], "value") == 1


def test_risks_by_hand() -> None:
    # classes of 1, 1 and 3: the easiest to find is certain; 3 classes over 5 records; 2 of 5 are alone
    frame = people(("x", 1), ("y", 1), ("z", 1), ("z", 2), ("z", 3))

    assert risks(frame, ["zip"]) == Risks(prosecutor=1.0, average=3 / 5, uniqueness=2 / 5)
    assert k_anonymity(frame, ["zip"]) == 1


def test_empty_is_a_value_like_any_other() -> None:
    frame = pl.DataFrame({"zip": ["x", "x", None], "value": [1, 2, None]})

    assert k_anonymity(frame, ["zip"]) == 1
    assert l_diversity(frame, ["zip"], "value") == 1
    assert t_closeness(frame, ["zip"], "value") == pytest.approx(1 / 2, abs=1e-12)


def test_without_records_there_is_nobody_to_find() -> None:
    nobody = people(("x", 1)).clear()

    assert (k_anonymity(nobody, ["zip"]), l_diversity(nobody, ["zip"], "value")) == (0, 0)
    assert t_closeness(nobody, ["zip"], "value") == 0.0
    assert risks(nobody, ["zip"]) == Risks(0.0, 0.0, 0.0)


TABLES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=60).map(
    lambda rows: pl.DataFrame(rows, schema=["place", "group", "value"], orient="row")
)


@given(TABLES)
def test_a_coarser_table_hides_people_better(table: pl.DataFrame) -> None:
    coarser = table.with_columns(pl.col("place") // 3)
    quasi = ["place", "group"]

    assert k_anonymity(coarser, quasi) >= k_anonymity(table, quasi)
    assert l_diversity(coarser, quasi, "value") >= l_diversity(table, quasi, "value")
    fine, coarse = risks(table, quasi), risks(coarser, quasi)
    assert coarse.prosecutor <= fine.prosecutor
    assert coarse.average <= fine.average
    assert coarse.uniqueness <= fine.uniqueness
    # Li and others 2007, generalisation property: merging classes never takes them further from the whole
    assert t_closeness(coarser, quasi, "value") <= t_closeness(table, quasi, "value") + 1e-12


@given(TABLES)
def test_measures_keep_to_their_bounds_and_to_each_other(table: pl.DataFrame) -> None:
    quasi = ["place", "group"]
    k, found = k_anonymity(table, quasi), risks(table, quasi)

    assert 1 <= l_diversity(table, quasi, "value") <= k
    assert 0 <= t_closeness(table, quasi, "value") <= 1
    assert t_closeness(table.with_columns(pl.col("value").cast(pl.String)), quasi, "value") <= 1
    assert found.prosecutor == 1 / k
    assert found.uniqueness <= found.average <= found.prosecutor


@given(TABLES, st.randoms())
def test_the_order_of_rows_means_nothing(table: pl.DataFrame, random: object) -> None:
    shuffled = table.sample(fraction=1.0, shuffle=True, seed=random.randint(0, 1000))  # type: ignore[attr-defined]

    assert t_closeness(shuffled, ["place"], "value") == pytest.approx(t_closeness(table, ["place"], "value"), abs=1e-15)
    assert risks(shuffled, ["place"]) == risks(table, ["place"])
