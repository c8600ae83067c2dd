"""Releases of the samples, by the command line and by Dagster."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.__main__ import prepare
from assets.automation import CANDIDATE_RELEASE, RELEASE
from assets.definitions import build_defs
from assets.release import AUDIT, JOB
from end_to_end.conftest import SAMPLES, SampleRun
from end_to_end.test_nothing_personal_leaves import personal_values
from le_pipeline.cli import app
from le_pipeline.home import Home
from le_pipeline.publish import control, ledger
from le_pipeline.publish.suppression import UnprotectableError
from le_pipeline.warehouse.lake import Lake
from schemas import registry

CONTENT = "tables: [program_reach, teacher_retention, benchmark_gap]\nbreakdowns: [[region], [role]]\n"


@pytest.fixture(scope="module")
def made(_sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The samples' home with one release, made by the command of the README."""
    home = _sample_run.copy(tmp_path_factory.mktemp("release") / "home")
    home.release_content.write_text(CONTENT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LE_KEY_FILE", str(_sample_run.key_file))
        outcome = CliRunner().invoke(app, ["release", "make", "--name", "samples", "--home", str(home.root)])
    assert outcome.exit_code == 0, outcome.exception
    assert "none of" in outcome.output and "protected counts can be worked out" in outcome.output
    yield home
    for folder in (*home.published.glob("*/"), *home.ledger.glob("*/")):
        folder.chmod(0o755)


def test_most_rows_are_shown_and_some_figures_are_not(made: Home) -> None:
    current = made.published / "current"
    reach = pl.read_csv(current / "program_reach.csv", infer_schema=False)
    retention = pl.read_csv(current / "teacher_retention.csv", infer_schema=False)

    assert reach.filter(pl.col("state") == "LA")["n_students"].cast(pl.Int64).min() >= 10  # type: ignore[operator]
    assert "*" in reach["n_fellows"].to_list()  # two fellows in Missouri
    assert "NR" in retention["retained"].to_list() and retention.height > 200


def test_nothing_of_vault_or_lake_is_in_any_byte_of_a_release(made: Home) -> None:
    values = {value.encode() for value in personal_values(SAMPLES / "landing")}
    keys: set[bytes] = set()
    for table in (table for table in registry.tables().values() if table.layer in ("canonical", "linked")):
        frame = Lake(made.lake).read(table)
        for column in table.columns:
            if column.field.type == "key" or column.name == "delivery_id":
                keys |= {str(key).encode() for key in frame[column.name].drop_nulls().unique()}
    folder = made.published / "samples"
    content = b"\n".join(path.read_bytes() for path in folder.iterdir() if path.suffix in (".csv", ".json", ".md"))
    words = {word.strip() for word in re.split(rb"[,\n\":|`]+", content)}

    assert b"Baton Rouge" in words  # the search finds what is there
    assert len(values) > 10_000 and words & values == set()
    assert len(keys) > 5_000 and words & keys == set()


def test_a_release_is_listed_and_verified_and_a_change_is_told(made: Home) -> None:
    home = ["--home", str(made.root)]

    listed = CliRunner().invoke(app, ["release", "list", *home])
    verified = CliRunner().invoke(app, ["release", "verify", *home])
    assert "samples" in listed.output and "counts" in listed.output
    assert "samples is as it was released" in verified.output

    path = made.published / "samples" / "program_reach.csv"
    before = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(before.replace(b"*", b"2", 1))
    changed = CliRunner().invoke(app, ["release", "verify", "samples", *home])
    path.write_bytes(before)

    assert changed.exit_code == 1
    assert "program_reach.csv changed, gone or new" in str(changed.exception)


def in_dagster(home: Home, name: str | None = None) -> dg.ExecuteInProcessResult:
    prepare(home)
    config = {"ops": {"published__release_candidate": {"config": {"name": name}}}} if name else {}
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        job = build_defs(home).resolve_job_def(JOB)
        return job.execute_in_process(instance=instance, run_config=config, raise_on_error=False)


@pytest.fixture
def dagster_home(sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    home = sample_run.copy(tmp_path / "home")
    home.release_content.write_text(CONTENT, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", "")
    yield home
    for folder in (*home.published.glob("*/"), *home.ledger.glob("*/")):
        folder.chmod(0o755)


def test_dagster_makes_a_release_audits_it_promotes_it_and_searches_it(dagster_home: Home) -> None:
    outcome = in_dagster(dagster_home, "by-dagster")

    made = {event.asset_key for event in outcome.get_asset_materialization_events()}
    assert outcome.success
    assert made == {CANDIDATE_RELEASE, RELEASE, dg.AssetKey(["privacy", "leak_scan"])}
    assert all(check.passed for check in outcome.get_asset_check_evaluations())
    assert (dagster_home.published / "current").readlink() == Path("by-dagster")


def test_dagster_promotes_nothing_that_does_not_pass_the_audit(
    dagster_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hopeless(*_: object) -> None:
        raise UnprotectableError("", cells=(0, 1))

    monkeypatch.setattr(control, "suppress", hopeless)

    outcome = in_dagster(dagster_home)

    assert not outcome.success
    (failed,) = [check for check in outcome.get_asset_check_evaluations() if check.check_name == AUDIT]
    assert not failed.passed and "could be worked out" in (failed.description or "")
    assert RELEASE not in {event.asset_key for event in outcome.get_asset_materialization_events()}
    assert not (dagster_home.published / "current").exists() and ledger.entries(dagster_home) == []
