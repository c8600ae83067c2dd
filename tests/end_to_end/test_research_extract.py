"""The extract of the samples, by the command line and by Dagster, and what an intruder can try on it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from typer.testing import CliRunner

from assets.__main__ import prepare
from assets.definitions import build_defs
from assets.extract import JOB
from end_to_end.conftest import SAMPLES, SampleRun
from end_to_end.test_nothing_personal_leaves import personal_values
from le_pipeline.cli import app
from le_pipeline.errors import ChainError
from le_pipeline.home import Home
from le_pipeline.publish import register
from le_pipeline.warehouse.lake import Lake
from schemas import registry

AGREEMENT = SAMPLES / "extract_agreement_LA.yaml"
# what METHODS counts, over which at least ten students must be alike
QUASI = [
    "school_code", "grade", "race_ethnicity", "sex", "economically_disadvantaged", "english_learner", "disability",
    "school_year",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(_sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The samples' home with one extract, made by the command of the README."""
    home = _sample_run.copy(tmp_path_factory.mktemp("extract") / "home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LE_KEY_FILE", str(_sample_run.key_file))
        outcome = CliRunner().invoke(app, ["extract", "--agreement", str(AGREEMENT), "--home", str(home.root)])
    assert outcome.exit_code == 0, outcome.exception
    yield home
    for folder in home.extracts.glob("*/*/"):
        folder.chmod(0o755)


@pytest.fixture
def folder(made: Home) -> Path:
    return next(made.extracts.glob("LA-impact-study/*/"))


@pytest.fixture
def rows(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "research_extract.parquet")


def test_ten_students_are_alike_in_every_row_and_in_every_whole_trajectory(rows: pl.DataFrame) -> None:
    each_year = rows.group_by(QUASI).agg(pl.col("student_code").n_unique())["student_code"]
    seen = [*QUASI, "subject", "district_code"]
    whole = rows.group_by("student_code").agg(
        pl.concat_list(pl.col(seen).cast(pl.String)).unique().sort().alias("seen")
    )

    assert min(each_year) >= 10
    assert min(whole.group_by("seen").len()["len"]) >= 10


def test_achievement_levels_differ_in_every_trajectory(rows: pl.DataFrame) -> None:
    seen = [*QUASI, "subject"]
    whole = rows.group_by("student_code").agg(
        pl.concat_list(pl.col(seen).cast(pl.String)).unique().sort().alias("seen")
    )
    levels = rows.join(whole, on="student_code").group_by("seen", "school_year", "subject")

    assert min(levels.agg(pl.col("performance_level").n_unique())["performance_level"]) >= 2


def test_at_most_one_row_in_twenty_is_left_out_and_all_are_accounted_for(made: Home, folder: Path) -> None:
    told = pl.read_json(folder / "manifest.json")
    (kept, left_out, merged, covered) = (
        int(told[name][0]) for name in ("rows", "rows_suppressed", "rows_merged", "rows_covered")
    )
    lake = Lake(made.lake)
    scores = lake.read(registry.tables()["standard_score"])
    links = lake.read(registry.tables()["score_teacher"])
    wanted = scores.filter(
        pl.col("state") == "LA",
        pl.col("school_year").is_in([2015, 2016]),
        pl.col("subject").is_in(["ela", "mathematics"]),
    )
    joined = wanted.join(links, on=["student_key", "subject", "school_year"], how="left")

    assert covered == joined.height == kept + left_out + merged
    assert left_out <= 0.05 * covered


def test_every_teacher_who_is_shown_has_ten_students_in_each_class(rows: pl.DataFrame) -> None:
    classes = rows.drop_nulls("teacher_code").group_by("teacher_code", "school_year", "subject")

    assert min(classes.agg(pl.col("student_code").n_unique())["student_code"]) >= 10


def test_teachers_of_fellows_and_others_are_there_to_be_compared(rows: pl.DataFrame) -> None:
    shown = rows.drop_nulls("teacher_code")

    assert shown.height > 0.7 * rows.height
    assert {"fellow", "mentee", "none"} <= set(shown["exposure"])
    assert shown["prior_z_score"].null_count() < 0.5 * shown.height


def test_nothing_of_vault_or_lake_is_in_any_byte(made: Home, folder: Path) -> None:
    values = {value.encode() for value in personal_values(SAMPLES / "landing")}
    keys: set[bytes] = set()
    for table in (table for table in registry.tables().values() if table.layer in ("canonical", "linked")):
        frame = Lake(made.lake).read(table)
        for column in table.columns:
            if column.field.type == "key" or column.name == "delivery_id":
                keys |= {str(key).encode() for key in frame[column.name].drop_nulls().unique()}
    files = [*sorted(folder.iterdir()), made.extracts / register.FILE]
    content = b"\n".join(path.read_bytes() for path in files if path.suffix != ".parquet")
    rows = pl.read_parquet(folder / "research_extract.parquet")
    content += b"\n" + rows.write_csv().encode()
    words = set(re.split(rb"[,\n\":]+", content)) | {word.strip() for word in re.split(rb"[,\n\":]+", content)}

    assert len(values) > 10_000
    assert len(keys) > 5_000
    assert words & values == set()
    assert words & keys == set()
    assert set(re.findall(rb"(?=([0-9a-f]{32}))", content)) & keys == set()
    assert rows["student_code"][0].encode() in words  # the search finds what is there


def test_the_register_and_the_files_are_shown_and_verified(made: Home) -> None:
    home = ["--home", str(made.root)]

    shown = CliRunner().invoke(app, ["extract", "register", *home])
    verified = CliRunner().invoke(app, ["extract", "verify", *home])

    assert "Example Research Institute, Education Lab" in shown.output
    assert "34 CFR 99.31(b)(2)" in shown.output
    assert "student_key, school_year, subject" in shown.output.replace("\n", " ")
    assert "is as it was handed out" in verified.output
    (head,) = re.findall(r"the head of the register is ([0-9a-f]{64})", verified.output)
    assert f"{head}; keep a copy elsewhere" in shown.output
    assert CliRunner().invoke(app, ["extract", "verify", "--head", head, *home]).exit_code == 0
    other = CliRunner().invoke(app, ["extract", "verify", "--head", "f" * 64, *home])
    assert isinstance(other.exception, ChainError)


def test_dagster_makes_the_extract_of_an_agreement_and_shows_no_value(
    sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = sample_run.copy(tmp_path / "home")
    home.extract_agreements.mkdir(exist_ok=True)
    shutil.copy(AGREEMENT, home.extract_agreements / "impact.yaml")
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare(home)
    job = build_defs(home).resolve_job_def(JOB)

    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        assert "impact" in instance.get_dynamic_partitions("agreement")
        first = job.execute_in_process(instance=instance, partition_key="impact")
        again = job.execute_in_process(instance=instance, partition_key="impact", raise_on_error=False)
        (event,) = first.get_asset_materialization_events()
        failures = [e for e in again.all_events if e.is_step_failure]

    shown = {name: value.value for name, value in event.materialization.metadata.items()}
    assert {"dagster/row_count", "students", "k", "rows_suppressed_share", "prosecutor_risk"} <= set(shown)
    assert shown["k"] >= 10
    assert not again.success
    assert "extracts never change" in (failures[0].step_failure_data.user_failure_data.description or "")
    assert len(register.entries(home)) == 1
    for place in home.extracts.glob("*/*/"):
        place.chmod(0o755)
