"""The samples under another key: every table is what a run from landing under that key makes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from end_to_end.conftest import SampleRun
from le_pipeline import line, rotation
from le_pipeline.home import Home
from le_pipeline.ingest import record
from le_pipeline.privacy.keys import create_key_file, load_keys, new_keys
from le_pipeline.warehouse.lake import Lake
from schemas import registry

# which of two teachers with the very same students stands for the student's class is a matter of keys
BY_KEY = {"student_exposure": ["teacher_key"]}


def table(home: Home, name: str) -> pl.DataFrame:
    found = Lake(home.lake).read(registry.tables()[name]).drop(BY_KEY.get(name, []))
    return found.drop("received_at") if name == record.TABLE.name else found


@pytest.mark.slow
def test_rotated_samples_are_what_a_run_from_landing_makes_and_no_figure_has_changed(
    sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = sample_run.copy(tmp_path / "home")
    keys = load_keys(home)
    new = new_keys(tmp_path / "new.key", home)
    marts = {path: path.read_bytes() for path in (home.lake / "marts").rglob("*.parquet")}
    counts = rotation.rotate(home, keys, new)
    assert counts["keys"] > 7_000 and counts["warehouse_tables"] == len(registry.tables())
    assert {path: path.read_bytes() for path in (home.lake / "marts").rglob("*.parquet")} == marts
    assert line.is_current(home, new)

    monkeypatch.setenv("LE_KEY_FILE", str(tmp_path / "new.key"))
    scratch = Home.at(tmp_path / "scratch", sample_run.home.landing)
    create_key_file(scratch)
    scratch.create()
    for _ in line.run(scratch, load_keys(scratch), scratch.partitions()):
        pass
    assert [name for name in registry.tables() if not table(home, name).equals(table(scratch, name))] == []
