"""The samples: made from their seed, of the size and kind that they are said to be."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import polars as pl
import pytest

from generator.delivery import Options, deliver
from generator.listed_names import DOUBTLESS, KINDS

SAMPLES = Path(__file__).parents[2] / "data_samples"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples, made anew."""
    out = tmp_path_factory.mktemp("samples")
    deliver(out, Options(students=6000, seed=2016, dirt=True))
    return out


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_same_seed_gives_the_samples_byte_for_byte(made: Path) -> None:
    names = files(SAMPLES / "landing")

    assert files(made / "landing") == names
    same, different, missing = filecmp.cmpfiles(SAMPLES / "landing", made / "landing", names, shallow=False)
    assert (different, missing, len(same)) == ([], [], len(names))
    for table in (SAMPLES / "truth").glob("*.parquet"):
        assert pl.read_parquet(table).equals(pl.read_parquet(made / "truth" / table.name)), table.name


def test_they_are_small_and_of_two_states_and_four_years() -> None:
    size = sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    staff = pl.read_parquet(SAMPLES / "truth" / "staff_year.parquet")
    fellows, mentees = (staff.filter(pl.col("role") == role)["staff_id"].n_unique() for role in ("fellow", "mentee"))

    assert size < 8_000_000
    assert {path.name for path in (SAMPLES / "landing").iterdir()} == {"LA", "MO"}
    assert staff["school_year"].unique().sort().to_list() == [2013, 2014, 2015, 2016]
    assert staff.group_by("school_year").len()["len"].is_between(220, 340).all()
    assert (fellows, mentees >= 100) == (40, True)
    students = json.loads((SAMPLES / "truth" / "truth.json").read_text(encoding="utf-8"))["students"]
    assert students == 6000


def test_each_kind_of_dirt_is_planted_and_none_where_none_is_wanted(tmp_path: Path) -> None:
    planted = pl.read_parquet(SAMPLES / "truth" / "fault.parquet")["fault"].value_counts().sort("fault")
    assert planted["fault"].to_list() == [
        "bad_birth_date",
        "bad_encoding",
        "conflicting_scores",
        "duplicate",
        "impossible_grade",
        "impossible_scale_score",
        "missing_staff_id",
        "missing_student_id",
    ]

    deliver(tmp_path, Options(students=600, seed=1, dirt=False))

    assert pl.read_parquet(tmp_path / "truth" / "fault.parquet").is_empty()


def test_names_are_listed_with_each_kind_of_trouble_and_most_of_these_people_are_listed_with_an_id_too() -> None:
    listing = pl.read_parquet(SAMPLES / "truth" / "listing.parquet")
    named = listing.filter(given="name")
    with_id = listing.filter(pl.col("given") != "name")

    assert set(named["trouble"]) == set(KINDS)
    assert set(with_id["trouble"]) == {"none", "id_of_somebody_else"}
    alone = named.filter("only_by_name")
    assert alone.height <= 20
    assert set(alone["trouble"]) == set(DOUBTLESS)
    assert set(alone["side"]) == {"mentee", "applicant"}
    elsewhere = with_id.select("staff_id").unique()
    assert named.filter(~pl.col("only_by_name")).join(elsewhere, on="staff_id", how="anti").is_empty()
    applicants = alone.filter(side="applicant").select("staff_id")
    assert applicants.join(elsewhere, on="staff_id").is_empty()


def test_people_are_listed_by_name_without_trouble_where_no_dirt_is_wanted(tmp_path: Path) -> None:
    deliver(tmp_path, Options(students=600, seed=1, dirt=False))

    listing = pl.read_parquet(tmp_path / "truth" / "listing.parquet")
    assert set(listing["trouble"]) == {"none"}
    assert "name" in set(listing["given"])


def test_a_state_of_another_size_has_that_many_students(tmp_path: Path) -> None:
    deliver(tmp_path, Options(students=12_000, seed=7, dirt=True))

    scores = pl.read_parquet(tmp_path / "truth" / "student_score.parquet")
    assert scores["student_id"].n_unique() == pytest.approx(12_000, rel=0.02)  # a few are never tested
