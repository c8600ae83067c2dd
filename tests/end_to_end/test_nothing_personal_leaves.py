"""No name, birth date or id of the samples is anywhere in the home but in landing, after good and failed runs alike."""

from __future__ import annotations

import csv
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fastexcel
import polars as pl
import pytest

from assets.__main__ import prepare, run_all
from end_to_end.conftest import SAMPLES, SampleRun
from le_pipeline.home import Home

PERSONAL = {
    "LASID", "LastName", "FirstName", "DOB", "MOSIS_STATE_ID", "DISTRICT_STUDENT_NUMBER", "LAST_NAME", "FIRST_NAME",
    "DATE_OF_BIRTH", "StaffID", "Email", "BirthDate", "State Staff ID", "Last Name", "First Name", "Fellow Staff ID",
    "Fellow Email", "Mentee Staff ID", "Mentee Email", "givenName", "familyName", "email", "Name", "Fellow Last Name",
    "Fellow First Name", "Mentee Last Name", "Mentee First Name",
}  # fmt: skip
SHORTEST = 4
FEWEST_DIGITS = 8  # a number such as 50916, a birth date in Missouri, would be found in any longer one


def personal_values(landing: Path) -> set[str]:
    """What a stranger could look for: as the files have it, and dates also as ISO."""
    found: set[str] = set()
    for path in sorted(landing.rglob("*")):
        if path.suffix in (".csv", ".txt"):
            text = path.read_text(encoding="utf-8", errors="replace").splitlines()
            rows: Iterator[dict[str, str]] = csv.DictReader(text, delimiter="\t" if path.suffix == ".txt" else ",")
            for row in rows:
                found |= {value.strip() for name, value in row.items() if name in PERSONAL and value}
                if row.get("role") in ("student", "teacher"):
                    found.add(row.get("identifier") or "")
        elif path.suffix == ".xlsx":
            sheet = fastexcel.read_excel(path).load_sheet(0, dtypes="string").to_polars()
            for name in PERSONAL & set(sheet.columns):
                found |= set(sheet[name].drop_nulls())
    return {value for value in found | _iso(found) if _is_telling(value)}


def _iso(values: set[str]) -> set[str]:
    slashed = (re.fullmatch(r"(\d\d)/(\d\d)/(\d{4})", value) for value in values)
    short = (re.fullmatch(r"(\d{1,2})(\d\d)(\d\d)", value) for value in values)  # Missouri's, of this century
    return {f"{m[3]}-{m[1]}-{m[2]}" for m in slashed if m} | {f"20{m[3]}-{m[1]:0>2}-{m[2]}" for m in short if m}


def _is_telling(value: str) -> bool:
    return len(value) >= (FEWEST_DIGITS if value.isdigit() else SHORTEST) and "�" not in value


def leaks(home: Home, values: set[str], scratch: Path) -> set[str]:
    """Files of the home outside landing that hold one of the values, as raw bytes or as a cell of a Parquet file."""
    patterns = scratch / "values"
    patterns.write_text("\n".join(sorted(values)), encoding="utf-8")
    folders = [str(folder) for folder in sorted(home.root.iterdir()) if folder != home.landing]
    command = ["grep", "-r", "-a", "-o", "-F", "-f", str(patterns), *folders]
    answer = subprocess.run(command, capture_output=True, env={"LC_ALL": "C"}, check=False)
    assert answer.returncode == 1 or answer.stdout, answer.stderr
    found = set(answer.stdout.decode(errors="replace").splitlines())
    for path in sorted(home.lake.rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False)
        cells: set[str] = set().union(*(frame[name].cast(pl.String).drop_nulls().unique() for name in frame.columns))
        found |= {f"{path}: {value}" for value in values & cells}
    return found


def test_after_a_good_run(sample_run: SampleRun, tmp_path: Path) -> None:
    values = personal_values(SAMPLES / "landing")

    assert len(values) > 10_000
    assert leaks(sample_run.home, values, tmp_path) == set()


@pytest.mark.slow
def test_after_runs_that_fail(
    sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home = sample_run.copy(tmp_path / "home")
    values = personal_values(SAMPLES / "landing")
    leap, staff = home.landing / "LA/2016/leap_3_8_2016.csv", home.landing / "LA/2015/staff_2015.csv"
    lines = leap.read_bytes().splitlines(keepends=True)
    leap.write_bytes(b"".join(lines[1:]))  # without its header, the first row is somebody's record
    staff.write_bytes(staff.read_bytes().replace(b",", b";"))  # another delimiter: one column, whose name is a record's
    (home.landing / "MO/2016/map_2016.txt").write_bytes((home.landing / "MO/2016/map_2016.txt").read_bytes()[:100_000])
    (home.landing / "LA/2014/fellows_2014.xlsx").write_bytes(leap.read_bytes()[:5000])
    prepare(home)
    assert run_all(home)  # files that cannot be taken in are told by checks; what was good stays

    # and one that fails outright: an error from inside another package, with a person's name in its message
    import polars

    def explode(*_: object, **__: object) -> None:
        raise polars.exceptions.ComputeError(f"conversion failed for {sorted(values)[-1]}")

    monkeypatch.setattr("le_pipeline.ingest.delivery.contract.broken", explode)
    (home.landing / "LA/2016/again.csv").write_bytes(b"".join(lines))
    assert not run_all(home)

    assert leaks(home, values, tmp_path) == set()
    landed = home.root.rename(home.root.with_name("landed")) / "landing"  # and the search does find what is there
    assert leaks(Home.at(home.root.with_name("landed"), tmp_path / "elsewhere"), values, tmp_path)
    assert landed.exists()
    shown = "".join(capfd.readouterr())
    assert not [value for value in values if value in shown]
