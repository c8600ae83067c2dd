"""A newer version of the project knows columns that the tables of a home do not have yet."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

import once
from le_pipeline import line
from le_pipeline.errors import EarlierVersionError
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys
from le_pipeline.warehouse.engine import Engine
from le_pipeline.warehouse.lake import Lake
from link.test_person_match import STAFF, STAFF_HEADER, csv, staff
from schemas import registry

NEW = {"delivery": "unknown_columns", "staff_assignment": "fte"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once.made(tmp_path_factory.mktemp("earlier"), of_earlier_version)


@pytest.fixture
def home(ran: Path, tmp_path: Path) -> Home:
    """A home with a file on record that is no longer there, whose tables an earlier version wrote."""
    return once.copied(ran, tmp_path)


def of_earlier_version(home: Home, keys: Keys) -> None:
    (home.layouts / "staff.yaml").write_text(STAFF)
    folder = home.landing / "LA" / "2016"
    folder.mkdir(parents=True)
    (folder / "gone.csv").write_text(csv(STAFF_HEADER, *staff(30)))
    run(home, keys)
    (folder / "gone.csv").unlink()
    (folder / "staff.csv").write_text(csv(STAFF_HEADER, *staff(40)))
    run(home, keys)
    for name, column in NEW.items():
        for file in Lake(home.lake).files(registry.tables()[name]):
            pl.read_parquet(file, hive_partitioning=False).drop(column).write_parquet(file)
    shutil.rmtree(home.lake / ".notes")


def run(home: Home, keys: Keys) -> None:
    for _ in line.run(home, keys, home.partitions()):
        pass


def test_what_reads_a_table_of_an_earlier_version_says_what_to_do(home: Home) -> None:
    told = r"^canonical.staff_assignment was written by another version of this project; `le run` makes it anew$"
    with pytest.raises(EarlierVersionError, match=told):
        Lake(home.lake).read(registry.tables()["staff_assignment"])
    with pytest.raises(EarlierVersionError), Engine(home).connection(("canonical.staff_assignment",)):
        pass


def test_a_run_makes_the_tables_anew_and_forgets_no_delivery(home: Home, keys: Keys) -> None:
    run(home, keys)
    lake = Lake(home.lake)
    assert [lake.read(registry.tables()[name]).columns.count(column) for name, column in NEW.items()] == [1, 1]
    deliveries = lake.read(registry.tables()["delivery"])
    assert dict(deliveries.select("path", "delivery_status").iter_rows()) == {
        "LA/2016/gone.csv": "withdrawn",
        "LA/2016/staff.csv": "accepted",
    }
    assert lake.read(registry.tables()["staff_assignment"]).height == 40
