"""What a file says again and again is read as codes; what comes of it is the same to the last cell."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from landed import LA_2016, Landed, everything_coded, scores, students
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import coded, partition
from le_pipeline.ingest.partition import ingest_feed
from le_pipeline.privacy.keys import Keys, record
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import Lake
from schemas import registry

SAMPLES = Path(__file__).parents[2] / "data_samples" / "landing"


def taken_in(
    root: Path, keys: Keys, where: Partition, reading: AbstractContextManager[None]
) -> dict[str, pl.DataFrame]:
    """Every table that the samples of a partition come to, and what the vault holds, by name."""
    home = Home.at(root)
    home.create()
    record(home, keys)
    folder = Path(where.state) / str(where.school_year)
    shutil.copytree(SAMPLES / folder, home.landing / folder)
    with reading:
        for feed in registry.feeds():
            ingest_feed(home, keys, feed, where)
    tables = {
        table.name: Lake(home.lake).read(table).sort(table.key)
        for table in registry.tables().values()
        if table.layer == "canonical"
    }
    vault = Vault(home, keys)
    people = {f"{feed} people": [*vault.read(f"{feed}/{where}.identity")] for feed in registry.feeds()}
    return tables | {name: pl.concat(frames).sort(pl.all()) for name, frames in people.items() if frames}


@pytest.mark.slow
@pytest.mark.parametrize("where", [LA_2016, Partition("MO", 2016)], ids=str)
def test_the_samples_come_to_the_same_tables_and_people_whether_read_as_codes_or_as_texts(
    tmp_path: Path, keys: Keys, where: Partition
) -> None:
    texts = taken_in(tmp_path / "texts", keys, where, nullcontext())
    codes = taken_in(tmp_path / "codes", keys, where, everything_coded())
    assert texts.keys() == codes.keys()
    assert texts["student_assessment"].height
    assert texts["quarantine"].height
    for name, table in texts.items():
        assert_frame_equal(codes[name].drop("received_at", strict=False), table.drop("received_at", strict=False))


def test_where_a_file_says_more_further_down_than_at_its_beginning_its_texts_are_read_one_by_one(
    landed: Landed, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed.layout().file("grown.csv", scores(*students(4000)))
    with everything_coded():
        monkeypatch.setattr(coded.Coded, "is_worth_it", property(lambda _: False))
        landed.run()
    assert len(landed.scores()) == 4000
    assert set(landed.table("grade", "lea_id")) == {("04", "1")}


def test_what_a_rejected_row_said_is_not_among_the_texts_that_a_coded_file_keeps(
    landed: Landed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition, "WRITTEN", {"compression": "uncompressed"})
    moved = "8000001,Tester,02/03/2006,33,Quetzalcanary,500"  # a name in the column of the district
    landed.layout().file("scores.csv", scores(*students(40), moved))
    with everything_coded():
        landed.run()
    (part,) = landed.lake.files(registry.feeds()["student_assessment"])
    assert isinstance(pl.read_parquet_schema(part)["lea_id"], pl.Categorical)
    assert landed.quarantine("rule") == [("unreadable",)]
    assert b"Quetzalcanary" not in part.read_bytes()
