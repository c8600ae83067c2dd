"""Two hundred planted people, and runs that fail in every way: nothing of them is outside landing and vault.

Whatever runs leave behind (lake, warehouse, notes, Dagster's storage, event logs and compute logs) and whatever they say is
searched, byte by byte and in every encoding, by a search that shares no code with the scan.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
import polars as pl
import pytest

from assets import automation, partitions
from assets.__main__ import prepare
from assets.definitions import build_defs
from canary import Canary, Hunt, people
from landed import workbook
from le_pipeline import cli
from le_pipeline.home import Home
from le_pipeline.ingest import delivery
from le_pipeline.warehouse import engine, gate, lake
from schemas import registry

PEOPLE = people()
PUPILS, STAFF = PEOPLE[:100], PEOPLE[100:]
HUNT = Hunt(PEOPLE)
PERSON = PUPILS[1]
LAYOUTS = {
    "scores": """\
layout: scores
feed: student_assessment
issuer: "*"
about: Scores of one test, one row per student
recognise: {columns: [ID, Surname, Given, Born, Score]}
read: {format: delimited}
fill:
  student_id: ID
  last_name: Surname
  first_name: Given
  birth_date: {from: Born, date: "%m/%d/%Y"}
  subject: {value: mathematics}
  grade: Grade
  school_id: School
  scale_score: {from: Score, range: [100, 900]}
tolerance: 0.1
""",
    "workbook": """\
layout: workbook
feed: student_assessment
issuer: "*"
about: The same as a workbook
recognise: {columns: [Pupil, Surname, Given, Points]}
read: {format: excel}
fill: {student_id: Pupil, last_name: Surname, first_name: Given, subject: {value: ela}, grade: Grade, scale_score: Points}
""",
    "roster": """\
layout: roster
feed: student_section
issuer: "*"
about: Who sits in which section, and whose it is
recognise: {columns: [Pupil, Class, Surname, Given]}
read: {format: delimited}
fill: {student_id: Pupil, section_id: Class, last_name: Surname, first_name: Given, begin_date: {from: From, date: "%Y-%m-%d"}}
""",
    "links": """\
layout: links
feed: teacher_student_link
issuer: "*"
about: Whose students are whose
recognise: {columns: [Pupil, Teacher, Subject, Weight]}
read: {format: delimited}
fill: {student_id: Pupil, staff_id: Teacher, subject: Subject, weight: Weight, school_id: School}
""",
}
HEADER = "ID,Surname,Given,Born,Grade,School,Score"
STAFF_HEADER = "StaffID,LastName,FirstName,Email,BirthDate,SchoolYear,LEACode,SchoolCode,Position,FTE"
FELLOWS = [
    "State Staff ID",
    "Last Name",
    "First Name",
    "Email",
    "Cohort",
    "Region",
    "Start Date",
    "End Date",
    "Status",
    "School",
]


def score(p: Canary, **changed: str) -> str:
    cells = {"id": p.id, "last": f'"{p.last_name}"', "first": p.first_name, "born": p.us_date}
    cells |= {"grade": "04", "school": "001", "score": "500"}
    return ",".join((cells | changed).values())


def scores(*rows: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *rows, ""]).encode()


def staff(pupils: list[Canary], year: int) -> bytes:
    rows = [f'{p.id},"{p.last_name}",{p.first_name},{p.email},{p.birth_date},{year},1,001,teacher,1' for p in pupils]
    return scores(*rows, header=STAFF_HEADER)


def fellows(listed: list[Canary], *more: list[object]) -> bytes:
    rows = [
        [p.id, p.last_name, p.first_name, p.email, "2016", "South", "2015-08-01", None, "active", "001"] for p in listed
    ]
    return workbook([FELLOWS, *rows, *more])


GOOD = {
    "scores.csv": scores(*map(score, PUPILS[:60])),
    "staff.csv": staff(STAFF[:60], 2016),
    "fellows.xlsx": fellows(
        STAFF[:10], [None, STAFF[70].last_name, STAFF[70].first_name, None, "2016", "South", "2015-08-01"]
    ),
    "roster.csv": scores(
        *(
            f'{p.id},"{STAFF[n % 9].last_name} 4B",{p.last_name},{p.first_name},2015-08-20'
            for n, p in enumerate(PUPILS[:60])
        ),
        header="Pupil,Class,Surname,Given,From",
    ),
    "links.csv": scores(
        *(f"{p.id},{STAFF[n % 9].id},mathematics,1,001" for n, p in enumerate(PUPILS[:60])),
        header="Pupil,Teacher,Subject,Weight,School",
    ),
}
EACH = PUPILS[60:]
BAD: dict[str, bytes] = {
    "bad dates.csv": scores(*(score(p, born=p.birth_date.strftime("%d/%m/%Y")) for p in EACH)),
    "letters in scores.csv": scores(*(score(p, score=p.last_name) for p in EACH[:2]), *map(score, EACH[2:])),
    "names in grade.csv": scores(*(score(p, grade=p.first_name, school=p.last_name) for p in EACH)),
    "the same twice.csv": scores(*map(score, EACH), *map(score, EACH[:5])),
    "conflicts.csv": scores(*map(score, EACH), *(score(p, score="700") for p in EACH)),
    "broken encoding.csv": scores(*map(score, EACH)) + "é".encode("latin-1") + scores(score(EACH[3])),
    "utf-16.csv": scores(*map(score, EACH)).decode().encode("utf-16"),
    "cut off.csv": scores(*map(score, EACH))[:-30],
    "page.xlsx": f"<html>{PERSON.last_name} {PERSON.id}</html>".encode(),
    "page.csv": f"<html>{PERSON.last_name} {PERSON.id}</html>".encode(),
    "formulas.xlsx": workbook([["Pupil", "Surname", "Given", "Grade", "Points"], [EACH[4].id, f'=T("{EACH[4].last_name}")', EACH[4].first_name, "04", 1]]),
    "damaged.xlsx": workbook([["Pupil", "Surname", "Given", "Grade", "Points"], [EACH[5].id, EACH[5].last_name]])[:-300],
    "unknown.xlsx": workbook([[EACH[6].last_name, EACH[6].first_name], [EACH[7].last_name, int(EACH[7].id)]]),
    "missing column.csv": scores(*(score(p).replace(",500", "") for p in EACH), header=HEADER.replace(",Score", "")),
    "above tolerance.csv": scores(*(score(p, score="5000") for p in EACH)),
    "ragged.csv": scores(*(f"{score(p)},{p.last_name},{p.id}" for p in EACH)),
    "no header.csv": scores(*map(score, EACH[1:]), header=score(EACH[0])),
    "names in the header.csv": scores(*map(score, EACH), header=f'{HEADER},"{PERSON.last_name}, {PERSON.first_name}"'),
    "header of an address.csv": scores(*map(score, EACH), header=HEADER.replace("School", str(STAFF[0].email))),
    "open quote.csv": scores(*map(score, EACH[:5]), f'{EACH[6].id},"{EACH[6].last_name}', *map(score, EACH[7:])),
    "no ids.csv": scores(*(score(p, id="") for p in EACH)),
    "nul.csv": scores(*map(score, EACH)) + b"\0" + PERSON.last_name.encode(),
    "staff of letters.csv": staff(EACH_STAFF := STAFF[60:80], 2017).replace(b",teacher,1", b",Zvarquistor,x"),
    "fellows.xlsx": fellows(EACH_STAFF, [STAFF[81].id, STAFF[81].last_name, None, "no address", "2016", "South", STAFF[81].first_name]),
    "not json.jsonl": f'{{"Surname": "{PERSON.last_name}"'.encode(),
    "not parquet.parquet": b"PAR1" + PERSON.last_name.encode(),
    f"{EACH[8].last_name}, {EACH[8].first_name}.csv": scores(*map(score, EACH)),
    f"{EACH[9].first_name}{EACH[9].last_name}2017.csv": scores(*map(score, EACH)),
    f"scores of {EACH[10].id}.csv": scores(*map(score, EACH)),
    f"fellows {EACH_STAFF[3].email}.xlsx": fellows(EACH_STAFF),
    "not a zip.zip": b"PK\3\4" + PERSON.last_name.encode(),
}  # fmt: skip


@dataclass(frozen=True)
class Said:
    """What a run said on the way, and whether it succeeded."""

    succeeded: bool
    text: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, Path, Said]]:
    """A home after one run of the whole line in Dagster over good and bad deliveries, its key, and what was said."""
    base = tmp_path_factory.mktemp("canaries")
    home, key = Home.at(base / "home"), base / "key"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LE_KEY_FILE", str(key))
        environment.setenv("DAGSTER_HOME", "")
        prepare(home)
        for name, text in LAYOUTS.items():
            (home.layouts / f"{name}.yaml").write_text(text)
        for folder, files in (("LA/2016", GOOD), ("LA/2017", BAD)):
            (home.landing / folder).mkdir(parents=True)
            for name, content in files.items():
                (home.landing / folder / name).write_bytes(content)
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            succeeded = in_dagster(home)
        yield home, key, Said(succeeded, said.getvalue())


@pytest.fixture
def home(finished: tuple[Home, Path, Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The finished home once more."""
    done, key, _ = finished
    shutil.copytree(done.root, tmp_path / "home")
    shutil.copy(key, tmp_path / "key")
    monkeypatch.setenv("LE_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("LE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home" / "dagster"))
    return Home.at(tmp_path / "home")


def in_dagster(home: Home, *selection: str) -> bool:
    """Run the whole line, or some assets of it, in the home's own Dagster."""
    with dg.DagsterInstance.from_config(str(home.dagster)) as instance:
        partitions.register(instance, home)
        keys = list(instance.get_dynamic_partitions("landing"))
        job = build_defs(home).resolve_job_def(automation.JOB)
        return job.execute_in_process(
            instance=instance,
            tags=partitions.range_tags(keys),
            asset_selection=[dg.AssetKey(name.split("/")) for name in selection] or None,
            raise_on_error=False,
        ).success


def le(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """Call `le` as a shell would; its exit code."""
    monkeypatch.setattr(sys, "argv", ["le", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def found(home: Home, scratch: Path, *said: str, copied_from: Home | None = None) -> dict[str, set[str]]:
    """Canaries in files and names of files outside landing and vault, and in what was said."""
    there = HUNT.in_files(home, scratch, copied_from)
    if told := HUNT.in_bytes("\n".join(said).encode()):
        there["what was said"] = told
    return there


def test_the_hunt_finds_what_is_there(home: Home, tmp_path: Path) -> None:
    planted = home.root / "published"
    planted.mkdir()
    (planted / "a.txt").write_bytes(PERSON.last_name.upper().encode("utf-16"))
    pl.DataFrame({"day": [PERSON.birth_date] * 9}).write_parquet(planted / "b.parquet")
    with duckdb.connect(planted / "c.duckdb") as con:
        con.execute(f"create table t as select 'x{STAFF[3].email}' as a from range(9000)")
    (planted / f"{PUPILS[5].id}.txt").touch()

    there = " ".join(sorted(found(home, tmp_path)))

    for name in ("a.txt", "b.parquet", "c.duckdb", f"the name of {planted / PUPILS[5].id}.txt"):
        assert name in there
    assert HUNT.in_bytes((home.landing / "LA/2016/scores.csv").read_bytes())
    assert len(HUNT.patterns) > 10_000


@pytest.mark.slow
def test_after_good_and_bad_deliveries(finished: tuple[Home, Path, Said], tmp_path: Path) -> None:
    home, _, said = finished
    paths = lake.Lake(home.lake).read(registry.tables()["delivery"]).select("path", "delivery_status")

    assert said.succeeded  # files that cannot be taken in are told by checks
    told = {path.partition("#")[0] for path in paths["path"]}
    named = {f"LA/2017/{name}" for name in BAD if HUNT.in_bytes(name.encode())}
    assert {f"LA/2017/{name}" for name in BAD} - named <= told
    assert paths["path"].str.contains("name withheld", literal=True).sum() == len(named) == 4
    assert found(home, tmp_path, said.text) == {}


# -- runs that fail: what goes wrong, and what is run then --------------------------------------------------------


def raising(error: Exception) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


def pandera_error() -> Exception:
    from pandera.errors import SchemaErrors
    from pandera.polars import Column, DataFrameSchema

    frame = pl.DataFrame({"last_name": [PERSON.last_name]})
    with pytest.raises(SchemaErrors) as caught:
        DataFrameSchema({"last_name": Column(pl.Int64)}).validate(frame, lazy=True)
    return caught.value


def polars_error() -> Exception:
    with pytest.raises(pl.exceptions.PolarsError) as caught:
        pl.Series([PERSON.last_name]).cast(pl.Int64)
    return caught.value


def duckdb_error() -> Exception:
    with pytest.raises(duckdb.Error) as caught:
        duckdb.sql(f"select cast('{PERSON.id} {STAFF[1].email}' as integer)").fetchall()
    return caught.value


def great_expectations_error() -> Exception:
    return RuntimeError(f"expect_column_values_to_be_unique failed for {PERSON.last_name}")


def chained() -> Exception:
    error = KeyError(PERSON.last_name)
    error.__cause__ = ValueError(PERSON.id)
    error.add_note(PERSON.first_name)
    return error


@dataclass(frozen=True)
class Failure:
    """A way to fail: what is done to the home or the code, and what is run in Dagster and by `le`."""

    break_it: Callable[[Home, pytest.MonkeyPatch], object]
    assets: tuple[str, ...]
    words: tuple[str, ...] = ("run", "--state", "LA", "--year", "2016")


def again(home: Home) -> None:
    """Something new, so that nothing is up to date."""
    (home.landing / "LA/2016/more.csv").write_bytes(scores(*map(score, PUPILS[55:])))


def patched(target: object, name: str, error: Callable[[], Exception]) -> Callable[[Home, pytest.MonkeyPatch], object]:
    def break_it(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
        again(home)
        monkeypatch.setattr(target, name, raising(error()))

    return break_it


def reference(name: str, text: str) -> Callable[[Home, pytest.MonkeyPatch], object]:
    """The user's own reference table, with a mistake; that it holds a name is not the run's doing, so none does."""
    return lambda home, _: (again(home), (home.reference / name).write_text(text))


def damaged_vault(home: Home, _: pytest.MonkeyPatch) -> None:
    again(home)
    for path in home.vault.rglob("*.vault"):
        path.write_bytes(path.read_bytes()[:-20] + b"x" * 20)


def another_key(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    again(home)
    monkeypatch.delenv("LE_KEY_FILE")
    monkeypatch.setenv("LE_KEY", hashlib.sha256(b"another key").hexdigest())


def leaking(home: Home, _: pytest.MonkeyPatch) -> None:
    """A value planted where none may be: the run fails, and what it says of it holds nothing. It is taken away after."""
    (home.root / "leak.log").write_text(PERSON.last_name)


def unreadable_layout(home: Home, _: pytest.MonkeyPatch) -> None:
    (home.layouts / "scores.yaml").write_text(LAYOUTS["scores"].replace("grade: Grade", "grad: Grade"))


def name_as_public(home: Home, _: pytest.MonkeyPatch) -> None:
    (home.layouts / "scores.yaml").write_text(
        LAYOUTS["scores"].replace("grade: Grade", "lea_id: Surname\n  grade: Grade")
    )


STUDENTS = "canonical/student_assessment"
MATCH = ("linked/person_match", "linked/person_alias", "linked/identity_conflict")
full = OSError(errno.ENOSPC, f"No space left on device: {PERSON.last_name}")
FAILURES: dict[str, Failure] = {
    "a check that is not met, told by pandera": Failure(
        patched(delivery.contract, "broken", pandera_error), (STUDENTS,)
    ),
    "a cast that fails in polars": Failure(patched(delivery.contract, "broken", polars_error), (STUDENTS,)),
    "chained exceptions with notes": Failure(patched(delivery, "pseudonyms", chained), (STUDENTS,)),
    "a disk that is full": Failure(patched(lake.Lake, "write", lambda: full), (STUDENTS,)),
    "a step whose SQL fails in duckdb": Failure(
        patched(engine.Engine, "_parts", duckdb_error), (STUDENTS, "linked/standard_score")
    ),
    "great expectations": Failure(
        patched(gate, "check_marts", great_expectations_error),
        (STUDENTS, "linked/standard_score", "warehouse/candidate"),
    ),
    "a broken reference table": Failure(
        reference("grade_band.csv", "no,such,columns\n1,2,3\n"), ("marts/achievement_gap",)
    ),
    "a reference table with a wrong value": Failure(
        reference("link_source.csv", "source,rank\nverified,first\n"), (STUDENTS, "linked/teacher_student_link")
    ),
    "a damaged vault": Failure(damaged_vault, (STUDENTS, *MATCH)),
    "another key": Failure(another_key, (STUDENTS, *MATCH)),
    "a layout that cannot be read": Failure(unreadable_layout, (STUDENTS,)),
    "a layout that takes a name for something public": Failure(name_as_public, (STUDENTS,)),
    "a leak that is found": Failure(leaking, ("privacy/leak_scan",), ("scan",)),
    "a workbook for a place without names": Failure(
        lambda *_: None, (), ("quarantine", "export", "HOME/lake/rows.xlsx", "--state", "LA", "--year", "2017")
    ),
    "pairs for a place without names": Failure(lambda *_: None, (), ("review", "export", "HOME/dagster/pairs.xlsx")),
    "pairs for the home itself": Failure(lambda *_: None, (), ("review", "export", "HOME/pairs.xlsx")),
    "a sheet for a place without names": Failure(
        lambda *_: None, (), ("roster", "export", "--lea", "1", "--out", "HOME/published/sheet.xlsx")
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", FAILURES)
def test_after_a_run_that_fails(
    finished: tuple[Home, Path, Said], home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture, what: str,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("assets.failures.RETRIES", 0)
    failure = FAILURES[what]
    failure.break_it(home, monkeypatch)

    if failure.assets:
        assert not in_dagster(home, *failure.assets)
    words = [word.replace("HOME", str(home.root)) for word in failure.words]
    assert le(monkeypatch, *words) == 1

    (home.root / "leak.log").unlink(missing_ok=True)
    out, err = capfd.readouterr()
    assert err.strip()
    # what the run before has left is searched by the test of good and bad deliveries
    assert found(home, tmp_path, out, err, caplog.text, copied_from=finished[0]) == {}


@pytest.mark.slow
def test_after_a_run_that_is_killed_and_the_next_one(home: Home, tmp_path: Path) -> None:
    """Killed while the vault, the lake and the notes are being written."""
    code = "import sys; sys.argv = ['le', 'run']; from le_pipeline.cli import main; main()"
    environment = os.environ | {"LE_HOME": str(home.root)}
    (home.landing / "LA/2016/more.csv").write_bytes(scores(*map(score, PUPILS[55:])))
    shutil.rmtree(home.lake / ".notes" / "ingest")
    said = ""
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        began = {path: path.stat().st_mtime_ns for path in home.vault.rglob("*.identity.vault")}
        while process.poll() is None and began == {
            p: p.stat().st_mtime_ns for p in home.vault.rglob("*.identity.vault")
        }:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        said += "".join(process.communicate())
        assert process.returncode == -signal.SIGKILL

    assert found(home, tmp_path, said) == {}


@pytest.mark.slow
def test_after_le_has_told_everything_it_tells(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in (name for name in BAD if not HUNT.in_bytes(name.encode())):  # `le check` says what it was asked
        le(monkeypatch, "check", home.landing / "LA/2017" / name)
    for words in (
        ("status",),
        ("quarantine", "list"),
        ("review", "list"),
        ("layout", "draft", home.landing / "LA/2017/ragged.csv"),
    ):
        le(monkeypatch, *words)

    out, err = capfd.readouterr()
    assert "LA/2017" in out
    assert found(home, tmp_path, out, err) == {}
