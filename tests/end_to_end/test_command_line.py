"""`le`, as a person uses it: exit codes, what is said, and what is left alone."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from end_to_end.conftest import SAMPLES, SampleRun
from le_pipeline.home import Home

LE = Path(sys.executable).with_name("le")


def le(*words: str | Path, home: Path, key: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"LE_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1"}
    if key:
        environment["LE_KEY_FILE"] = str(key)
    return subprocess.run([str(LE), *map(str, words)], capture_output=True, text=True, env=environment, check=False)


def contents(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in root.rglob("*") if path.is_file()}


def test_init_makes_the_home_and_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    home, key = tmp_path / "home", tmp_path / "keys" / "key"
    made = le("init", home=home, key=key)

    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert {folder.name for folder in home.iterdir()} >= {"landing", "vault", "lake", "warehouse", "layouts", "dagster"}
    assert key.read_text().strip() not in made.stdout

    first = key.read_text()
    assert le("init", home=home, key=key).returncode == 0
    assert key.read_text() == first


@pytest.mark.slow
def test_run_brings_in_what_landed_and_the_next_one_finds_nothing_new(tmp_path: Path) -> None:
    home, key = tmp_path / "home", tmp_path / "key"
    le("init", home=home, key=key)
    landing = tmp_path / "elsewhere"
    for year in ("2015", "2016"):
        shutil.copytree(SAMPLES / "landing" / "MO" / year, landing / "MO" / year)

    first = le("run", "--landing", landing, "--state", "MO", "--year", "2016", home=home, key=key)
    assert first.returncode == 0, first.stderr
    assert "MO      2016" in first.stdout and "MO      2015" not in first.stdout
    assert "teacher_retention" in first.stdout

    second = le("run", "--landing", landing, home=home, key=key)
    assert second.returncode == 0, second.stderr
    assert "MO      2015" in second.stdout

    third = le("run", "--landing", landing, home=home, key=key)
    assert third.returncode == 0, third.stderr
    assert "Nothing new" in third.stdout

    nothing = le("run", "--landing", landing, "--state", "TX", home=home, key=key)
    assert nothing.returncode == 1
    assert "nothing has landed" in nothing.stderr


def test_status_says_what_landed_and_whether_the_warehouse_is_current(sample_run: SampleRun, tmp_path: Path) -> None:
    said = le("status", home=sample_run.home.root)

    assert said.returncode == 0, said.stderr
    assert "8 folders: LA-2013" in said.stdout
    assert "up to date with the lake" in said.stdout

    empty = le("status", home=tmp_path / "new")
    assert empty.returncode == 0, empty.stderr
    assert "none yet" in empty.stdout and "not built yet" in empty.stdout


def test_check_says_what_a_file_is_and_what_would_become_of_it_and_writes_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    leap = SAMPLES / "landing" / "LA" / "2016" / "leap_3_8_2016.csv"
    before = contents(leap.parent)

    said = le("check", leap, home=home)

    assert said.returncode == 0, said.stderr
    assert "layout la_leap_3_8, feed student_assessment" in said.stdout
    assert "quarantined" in said.stdout and "LASID: fill in the value" in said.stdout
    assert not home.exists()
    assert contents(leap.parent) == before


def test_check_of_an_unknown_file_names_the_nearest_layout_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "staff.csv"
    file.write_text("StaffID,LastName,FirstName,SchoolYear,LEACode,Building,Position,FTE\n1,a,b,2016,1,2,Teacher,1\n")

    said = le("check", file, "--state", "LA", "--year", "2016", home=tmp_path / "home")

    assert said.returncode == 1
    assert "the nearest is staff_snapshot, which looks for SchoolCode" in said.stdout


def test_request_writes_the_document_and_the_workbook_for_a_partner_and_needs_no_home(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "to" / "partner"

    said = le("request", "--state", "LA", "--out", folder, home=home)

    assert said.returncode == 0, said.stderr
    names = ["data-request-LA.md", "data-request-LA.xlsx"]
    assert said.stdout.splitlines() == [f"wrote {folder / name}" for name in names]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert (folder / names[0]).read_text(encoding="utf-8").startswith("# Data request: LA\n")
    assert not home.exists()


def test_request_for_something_that_is_no_state_says_so(tmp_path: Path) -> None:
    said = le("request", "--state", "Louisiana", "--out", tmp_path / "out", home=tmp_path / "home")

    assert (said.returncode, said.stderr) == (1, "le: 'Louisiana' is not a state such as LA\n")
    assert not (tmp_path / "out").exists()


def test_status_names_files_that_lie_where_nothing_reads_them(home: Home) -> None:
    for name in ("stray.csv", "la/2016/a.csv", "LA/2016-17/b.csv", "LA/c.csv", "LA/2016/right.csv"):
        (home.landing / name).parent.mkdir(parents=True, exist_ok=True)
        (home.landing / name).write_text("A\n1\n")

    said = le("status", home=home.root).stdout

    for name in ("stray.csv", "la/2016/a.csv", "LA/2016-17/b.csv", "LA/c.csv"):
        assert f"{name} is in no folder such as LA/2016" in said
    assert "LA/2016/right.csv is in" not in said


def test_a_run_without_a_key_says_how_to_make_one(tmp_path: Path) -> None:
    said = le("run", home=tmp_path / "home", key=tmp_path / "nowhere" / "key")

    assert said.returncode == 1
    assert "run `le init`, or set LE_KEY_FILE" in said.stderr
    assert "Traceback" not in said.stderr


def test_another_key_stops_a_run_before_it_writes(sample_run: SampleRun, tmp_path: Path) -> None:
    home = sample_run.copy(tmp_path / "home")
    other = tmp_path / "other"
    assert le("init", home=tmp_path / "elsewhere", key=other).returncode == 0
    before = contents(home.lake)

    said = le("run", home=home.root, key=other)

    assert said.returncode == 1
    assert "this home was made with the key" in said.stderr
    assert contents(home.lake) == before


def test_a_wrong_layout_is_told_with_its_line_and_key(home: Home) -> None:
    (home.landing / "LA" / "2016").mkdir(parents=True)
    (home.landing / "LA" / "2016" / "scores.csv").write_text("A\n1\n")
    (home.layouts / "mine.yaml").write_text("layout: mine\nfeed: student_assessment\nissuer: LA\nrecognize: {}\n")

    said = le("run", home=home.root)

    assert said.returncode == 1
    assert "mine.yaml, line 4: recognize: is not a key that is known here" in said.stderr
    assert "Traceback" not in said.stderr
