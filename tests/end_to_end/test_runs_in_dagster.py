"""What Dagster ends up holding after runs over small deliveries: metadata, checks, and no half-written result."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

import once
from assets.__main__ import prepare, run_all
from le_pipeline import line
from le_pipeline.errors import BusyError
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.keys import Keys
from privacy.test_vault import AGREEMENT

Land = Callable[[str, str | bytes], Path]
LAYOUT = """
layout: small_scores
feed: student_assessment
issuer: LA
about: Scores for tests, one row per student and subject
recognise: {columns: [Student, Grade, Subject, Score, Lunch]}
read: {format: delimited}
fill:
  student_id: Student
  last_name: Name
  grade: Grade
  subject: Subject
  scale_score: {from: Score, range: [100, 900]}
  school_id: School
  economically_disadvantaged: Lunch
tolerance: 0.2
"""
HEADER = "Student,Name,Grade,Subject,Score,Lunch,School\n"


def scores(*changes: str) -> str:
    """Forty students' scores; a change replaces the row of its student."""
    rows = {f"90{n:04d}": f"90{n:04d},Zyndvexel,4,mathematics,{300 + 5 * n},{'yn'[n % 2]},001" for n in range(1, 41)}
    return HEADER + "\n".join((rows | {change[:6]: change for change in changes}).values()) + "\n"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that has one delivery and the layout that knows it, after a run."""
    return once.made(tmp_path_factory.mktemp("ran"), run_once)


def run_once(home: Home, _: Keys) -> None:
    (home.layouts / "small_scores.yaml").write_text(LAYOUT)
    folder = home.landing / "LA" / "2031"
    folder.mkdir(parents=True)
    (folder / "scores.csv").write_text(scores("900007,Zyndvexel,4,mathematics,5,y,001"))
    prepare(home)
    assert run_all(home)


@pytest.fixture
def home(ran: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The same home once more."""
    home = once.copied(ran, tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(home.dagster))
    return home


def last_run(home: Home) -> tuple[dict[str, dict[str, Any]], dict[tuple[str, str], Any]]:
    """Metadata of what was made and the results of checks, by asset, in the latest run."""
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        run_id = instance.get_run_records(limit=1)[0].dagster_run.run_id
        events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
    made, checks = {}, {}
    for event in events:
        if event.is_step_materialization:
            materialization = event.step_materialization_data.materialization
            made[materialization.asset_key.to_user_string()] = {
                name: value.value for name, value in materialization.metadata.items()
            }
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            result = event.asset_check_evaluation_data
            checks[result.asset_key.to_user_string(), result.check_name] = result
    return made, checks


def count(home: Home) -> int:
    with duckdb.connect(home.warehouse, read_only=True) as con:
        return con.execute("select count(*) from canonical.student_assessment").fetchall()[0][0]


def test_a_run_leaves_counts_hashes_rejections_and_lineage(home: Home) -> None:
    made, checks = last_run(home)

    feed = made["canonical/student_assessment"]
    assert (feed["dagster/row_count"], feed["rows_read"], feed["rows_quarantined"]) == (39, 40, 1)
    assert "LA/2031/scores.csv" in feed["files"]
    assert "| 40 | 39 | 1 | 0 | 0 | accepted |" in feed["files"]
    assert "Score: give a value from 100 to 900" in made["canonical/quarantine"]["rows"]
    gap = made["marts/achievement_gap"]
    assert gap["dagster/row_count"] > 0
    assert gap["dagster/column_lineage"].deps_by_column["n_a"]
    assert made["warehouse/current"]["dagster/row_count"] > 39
    assert count(home) == 39

    assert checks["canonical/student_assessment", "rows_conserved"].passed
    assert checks["marts/achievement_gap", "contract_holds"].passed
    waiting = checks["canonical/quarantine", "nothing_waits"]
    assert (waiting.passed, waiting.severity) == (False, dg.AssetCheckSeverity.WARN)
    without_teacher = checks["linked/student_exposure", "without_teacher"]
    assert without_teacher.metadata["rows"].value == 39


def test_a_run_with_nothing_new_makes_nothing(home: Home, keys: Keys) -> None:
    assert line.is_current(home, keys)
    written = {path: path.stat().st_mtime_ns for path in home.lake.rglob("*.parquet")} | {
        home.warehouse: home.warehouse.stat().st_mtime_ns
    }

    assert run_all(home)

    made, _ = last_run(home)
    assert {name for name, metadata in made.items() if metadata.get("unchanged") is False} == set()
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_file_that_cannot_be_taken_in_is_told_by_a_check_and_the_good_data_stay(home: Home, land: Land) -> None:
    land("LA/2031/scores.csv", b"<html>Session expired</html>")
    land("LA/2031/other.csv", "Widget,Price\n1,2\n")

    assert run_all(home)

    _, checks = last_run(home)
    taken = checks["canonical/student_assessment", "files_taken"]
    recognised = checks["canonical/delivery", "files_recognised"]
    assert not taken.passed
    assert "LA/2031/scores.csv is a web page or XML file" in taken.description
    assert not recognised.passed
    assert "LA/2031/other.csv no layout fits" in recognised.description
    assert count(home) == 39


def test_a_corrected_delivery_replaces_what_it_corrects(home: Home, land: Land) -> None:
    land("LA/2031/scores_corrected.csv", scores("900008,Zyndvexel,4,mathematics,700,n,001"))

    assert run_all(home)

    with duckdb.connect(home.warehouse, read_only=True) as con:
        assert con.execute("select count(*), max(scale_score) from canonical.student_assessment").fetchone() == (
            40,
            700,
        )
        told = con.execute("select path, delivery_status from canonical.delivery order by path").fetchall()
    assert told == [("LA/2031/scores.csv", "superseded"), ("LA/2031/scores_corrected.csv", "accepted")]


def test_a_lost_row_stops_everything_that_comes_after(home: Home, land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    land("LA/2031/scores.csv", scores())
    from le_pipeline.ingest.delivery import Account

    whole = Account.columns
    monkeypatch.setattr(Account, "columns", lambda account: whole(account) | {"rows_duplicate": 1})

    assert not run_all(home)

    _, checks = last_run(home)
    lost = checks["canonical/student_assessment", "rows_conserved"]
    assert not lost.passed
    assert lost.metadata["files"].value == "LA/2031/scores.csv"
    assert count(home) == 39


def test_marts_that_do_not_meet_their_expectations_are_not_promoted(
    home: Home, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("LA/2031/scores.csv", scores())
    from le_pipeline.warehouse import gate

    every = gate.check_marts
    monkeypatch.setattr(
        gate,
        "check_marts",
        lambda home: [*every(home), gate.Expectation("achievement_gap", "expected", "n", is_met=False)],
    )

    assert not run_all(home)

    _, checks = last_run(home)
    assert checks["warehouse/candidate", "marts_meet_expectations"].description == "achievement_gap.n: expected"
    assert count(home) == 39
    assert line.promote(home).is_current  # nor by itself afterwards
    assert count(home) == 39


def test_a_wrong_layout_fails_the_run_with_its_line_and_key(home: Home) -> None:
    (home.layouts / "small_scores.yaml").write_text(LAYOUT.replace("grade: Grade", "grad: Grade"))

    assert not run_all(home)

    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        run_id = instance.get_run_records(limit=1)[0].dagster_run.run_id
        failures = [
            e.dagster_event for e in instance.all_logs(run_id) if e.dagster_event and e.dagster_event.is_step_failure
        ]
    said = failures[0].step_failure_data.user_failure_data.description
    assert said.startswith("small_scores.yaml, line 11: fill.grad: 'grad' is not a field of student_assessment")
    assert count(home) == 39


def test_what_was_built_half_way_cannot_be_promoted_by_itself(
    home: Home, keys: Keys, land: Land, monkeypatch: pytest.MonkeyPatch
) -> None:
    land("LA/2031/scores.csv", scores())
    assert list(line.ingest(home, keys, Partition("LA", 2031)))
    from le_pipeline.warehouse import build

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as half_way:
        half_way.setattr(build, "_fill", killed)
        with pytest.raises(KeyboardInterrupt):
            build.build(home)
    assert build.building(home).exists()

    assert line.promote(home).is_current
    assert count(home) == 39


def test_a_run_waits_for_whoever_has_the_warehouse_in_hand(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("le_pipeline.home.LOCK_SECONDS", 0)

    with home.lock("warehouse"):
        for work in (line.stage, line.promote, line.publish):
            with pytest.raises(BusyError):
                work(home)


def test_a_night_destroys_what_an_agreement_has_let_go_and_certifies_it(home: Home) -> None:
    _, checks = last_run(home)
    covered = checks["agreement", "every_folder_is_covered"]
    assert (covered.passed, covered.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "LA-2031" in covered.description
    text = AGREEMENT.format(name="ended", years="2031, 2031").replace("2030-06-30", "2013-06-30")
    (home.agreements / "ended.yaml").write_text(text)

    assert run_all(home)

    made, checks = last_run(home)
    assert made["agreement"]["destroyed"] == "ended"
    assert checks["agreement", "every_folder_is_covered"].passed
    (path,) = home.certificates.glob("*.json")
    assert made["certificate"]["written"] == path.name
    assert count(home) == 0
    assert "were destroyed on" in checks["canonical/delivery", "files_recognised"].description


def test_with_another_key_no_asset_writes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in home.lake.rglob("*") if path.is_file()}
    monkeypatch.setenv("LE_KEY", hashlib.sha256(b"another").hexdigest())

    assert not run_all(home)

    assert {path: path.read_bytes() for path in home.lake.rglob("*") if path.is_file()} == before
