"""The scan finds values of the vault in every kind of place, and is quiet where there are none."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import shutil
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from canary import Canary, people
from landed import Landed, workbook
from le_pipeline.errors import LeakError, VaultError
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.scan import ScanReport, scan
from le_pipeline.warehouse.lake import Lake
from schemas import registry

LAYOUT = """\
layout: canary_scores
feed: student_assessment
issuer: "*"
about: Scores of one test with whole names, one row per student
recognise: {columns: [ID, Surname, Given, Born, Score]}
read: {format: delimited}
fill:
  student_id: ID
  local_student_id: Local
  last_name: Surname
  first_name: Given
  middle_name: Middle
  birth_date: {from: Born, date: "%m/%d/%Y"}
  subject: {value: mathematics}
  grade: Grade
  scale_score: {from: Score, range: [100, 900]}
tolerance: 0.9
"""
STAFF = "StaffID,LastName,FirstName,Email,BirthDate,SchoolYear,LEACode,SchoolCode,Position,FTE\n"
CANARIES = people()
PUPIL, TEACHER = CANARIES[1], CANARIES[104]
REJECTED = CANARIES[13]
# names that stand everywhere, and short ids
COMMON = (
    ("1234", "White", "Grace", "", "03/04/2005"), ("5678", "Jefferson", "Thomas", "", "05/06/2005"),
    ("4321", "Young", "Will", "Art", "07/08/2005"), ("990017", "Landry", "Virginia", "", "09/10/2005"),
    ("990018", "Thomas", "James", "", "11/12/2005"), ("990019", "Abigail", "Abby", "", "11/12/2006"),
    ("990020", "Jefferson", "Virginia", "", "01/12/2006"),
)  # fmt: skip
Plant = Callable[[Home, Canary], object]


def lines_of(pupils: list[Canary]) -> list[str]:
    return [f'{p.id},"{p.last_name}",{p.first_name},,{p.us_date},04,500,{7000 + n}' for n, p in enumerate(pupils)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    """A home whose vault knows a hundred canaries, their teachers, people of common names and a rejected row."""
    home = Home.at(tmp_path_factory.mktemp("filled") / "home")
    home.create()
    landed = Landed(home, Keys(bytes(range(32)))).layout(LAYOUT)
    common = [f"{i},{last},{first},{middle},{born},04,500,{i}" for i, last, first, middle, born in COMMON]
    rejected = f'{REJECTED.id},"{REJECTED.last_name}",{REJECTED.first_name},,{REJECTED.us_date},04,wrong,1'
    pupils = [p for p in CANARIES[:100] if p != REJECTED]
    rows = ["ID,Surname,Given,Middle,Born,Grade,Score,Local", *lines_of(pupils), *common, rejected]
    landed.file("scores.csv", "\n".join(rows) + "\n")
    staff = [
        f'{p.id},"{p.last_name}",{p.first_name},{p.email},{p.birth_date},2016,1,1,teacher,1' for p in CANARIES[100:]
    ]
    landed.file("staff.csv", STAFF + "\n".join(staff) + "\n")
    assert landed.run().rows > 100
    assert landed.run("staff_assignment").rows == 100
    assert look(landed).leaks == []
    return landed


@pytest.fixture
def searched(filled: Landed) -> Iterator[Landed]:
    """That home itself, of which the scan reads only what a test plants; it is taken away afterwards."""
    there = set(filled.home.root.rglob("*"))
    yield filled
    for path in sorted(set(filled.home.root.rglob("*")) - there, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.fixture
def vaulted(filled: Landed, tmp_path: Path) -> Landed:
    """The same home once more, to plant into."""
    shutil.copytree(filled.home.root, tmp_path / "home")
    return Landed(Home.at(tmp_path / "home"), filled.keys)


def look(landed: Landed) -> ScanReport:
    return scan(landed.home, landed.keys)


def written(home: Home, name: str, content: bytes) -> None:
    path = home.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def zipped(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def tarred(content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("log.txt")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def in_warehouse(home: Home, *statements: str) -> None:
    home.warehouse.parent.mkdir(exist_ok=True)
    with duckdb.connect(home.warehouse) as con:
        for statement in statements:
            con.execute(statement)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def in_sqlite(home: Home, text: str | bytes, *, is_deleted: bool = False) -> None:
    (home.dagster / "history").mkdir(parents=True)
    with sqlite3.connect(home.dagster / "history" / "runs.db") as con:
        con.execute("create table event_logs (id integer, event text)")
        con.execute("insert into event_logs values (1, ?)", ["x" * 9000 if is_deleted else text])
        if is_deleted:
            con.execute("pragma secure_delete = off")
            con.execute("insert into event_logs values (2, ?)", [text])
            con.commit()
            con.execute("delete from event_logs where id = 2")
    con.close()


def parquet(home: Home, **columns: list[object]) -> None:
    path = home.root / "published" / "r1" / "table.parquet"
    path.parent.mkdir(parents=True)
    pl.DataFrame(columns).write_parquet(path, compression="zstd")


def key_of(landed_home: Home) -> str:
    """A pseudonym of the lake."""
    frame = Lake(landed_home.lake).read(registry.tables()["student_assessment"])
    return str(frame["student_key"][0])


def said(p: Canary) -> str:
    return f"could not read {p.last_name}"


PLACES: dict[str, Plant] = {
    "warehouse cell": lambda h, p: in_warehouse(
        h, f"create table t as select case when i = 77 then {quoted(said(p))} else 'x' || i end as note from range(3000) r(i)"
    ),
    "warehouse, whole name": lambda h, p: in_warehouse(
        h, f"create table t as select {quoted(f'{p.last_name}, {p.first_name}')} as note"
    ),
    "numeric column": lambda h, p: in_warehouse(h, f"create table t as select 3 as n, {p.id}::bigint as code"),
    "floating column": lambda h, p: in_warehouse(h, f"create table t as select {p.id}::double as code"),
    "column comment": lambda h, p: in_warehouse(
        h, "create table t (a integer)", f"comment on column t.a is {quoted(said(p))}"
    ),
    "column name": lambda h, p: in_warehouse(h, f'create table t ("{p.last_name}" integer)'),
    "view": lambda h, p: in_warehouse(h, f"create view v as select {quoted(said(p))} as a"),
    "two cells of a row": lambda h, p: parquet(h, a=[p.first_name, "x"], n=[1, 2], b=[p.last_name, "y"]),
    "parquet": lambda h, p: parquet(h, note=["nothing"] * 99 + [p.id]),
    "parquet list": lambda h, p: parquet(h, notes=[["nothing"], ["a", p.id]]),
    "parquet struct": lambda h, p: parquet(h, note=[{"a": 1, "b": p.last_name}]),
    "parquet column name": lambda h, p: parquet(h, **{f"of {p.last_name}": [1]}),
    "csv": lambda h, p: written(h, "lake/a.csv", f"a,b\n1,{p.id}\n".encode()),
    "csv, cells apart": lambda h, p: written(h, "lake/a.csv", f"a,b,c\n{p.first_name},1,{p.last_name}\n".encode()),
    "csv of semicolons, common names apart": lambda h, _: written(h, "lake/a.csv", b"a;b;c\nGrace;1;White\n"),
    "tabs, common names apart": lambda h, _: written(h, "lake/a.txt", b"a\tb\tc\nWhite\t1\tGrace\n"),
    "json lines, common names apart": lambda h, _: written(
        h, "x.jsonl", b'{"first": "Grace", "grade": "04", "n": 3, "last": "White"}\n' * 3
    ),
    "json, common names apart": lambda h, _: written(
        h, "x.json", b'[{"first": "Grace", "grade": "04", "n": 3, "last": "White"}]'
    ),
    "an id of leading zeros as a number": lambda h, p: in_warehouse(h, f"create table t as select 1{p.id} - 10000000000 as n"),
    "xlsx": lambda h, p: written(h, "published/a.xlsx", workbook([["a", "b"], [1, p.last_name]])),
    "xlsx, two cells": lambda h, p: written(h, "published/a.xlsx", workbook([["a", "b"], [p.first_name, p.last_name]])),
    "xlsx number": lambda h, p: written(h, "published/a.xlsx", workbook([["a"], [int(p.id)]])),
    "event log": lambda h, p: in_sqlite(h, json.dumps({"error": f"x\n{p.last_name}\ny"})),
    "event log, long event": lambda h, p: in_sqlite(h, "y" * 9000 + said(p)),
    "event log, compressed": lambda h, p: in_sqlite(h, gzip.compress(said(p).encode())),
    "event log, deleted": lambda h, p: in_sqlite(h, said(p), is_deleted=True),
    "log file": lambda h, p: written(h, "dagster/storage/x.err", f"2026-11-27 02:00:00 ERROR {said(p)}\n".encode()),
    "log file, capitals": lambda h, p: written(h, "x.log", said(p).upper().encode()),
    "log file, latin-1": lambda h, p: written(h, "x.log", said(p).encode("latin-1")),
    "log file, utf-16": lambda h, p: written(h, "x.log", said(p).encode("utf-16")),
    "log file, utf-16 of the other order": lambda h, p: written(h, "x.log", said(p).encode("utf-16-be")),
    "log file, a line without end": lambda h, p: written(h, "x.log", b"z " * 9_000_000 + said(p).encode() + b" y" * 9999),
    "json escapes": lambda h, p: written(h, "x.json", json.dumps({"last": p.last_name}).encode()),
    "json in json": lambda h, p: written(h, "x.json", json.dumps(json.dumps({"last": p.last_name})).encode()),
    "json over lines": lambda h, p: written(
        h, "x.json", json.dumps({"first_name": p.first_name, "last_name": p.last_name}, indent=2).encode()
    ),
    "url": lambda h, p: written(h, "x.log", f"GET /?q={p.last_name.encode().hex('%').join('%%') }".replace("%%", "%").encode()),
    "html": lambda h, p: written(h, "x.html", f"<td>{p.first_name}</td><td>{p.last_name}</td>".encode("ascii", "xmlcharrefreplace")),
    "base64": lambda h, p: written(h, "x.log", base64.b64encode(said(p).encode())),
    "base64 of urls": lambda h, p: written(h, "x.log", base64.urlsafe_b64encode(f"??>~~{said(p)}".encode())),
    "base64 in a path": lambda h, p: written(h, "x.log", b"GET /api/v1/" + base64.b64encode(said(p).encode())),
    "base64 in a cell": lambda h, _: parquet(h, note=[base64.b64encode(b"White, Grace").decode()]),
    "base64 as a column name": lambda h, p: parquet(h, **{base64.b64encode(said(p).encode()).decode(): [1]}),
    "base64 as a file name": lambda h, p: written(h, base64.urlsafe_b64encode(said(p).encode()).decode() + ".txt", b""),
    "escapes in a file name": lambda h, _: written(h, "x/Grace%2C%20White.txt", b""),
    "hex": lambda h, p: written(h, "x.log", b"bad row 0x" + said(p).encode().hex().encode() + b" of 3"),
    "hex in a cell": lambda h, p: parquet(h, note=[said(p).encode().hex().upper()]),
    "utf-16 csv, common names apart": lambda h, _: written(h, "x.csv", "a,b,c\nGrace,1,White\n".encode("utf-16")),
    "utf-16 without a mark, common names apart": lambda h, _: written(
        h, "x.tsv", "a\tb\tc\nGrace\t1\tWhite\n".encode("utf-16-be")
    ),
    "utf-16 json, common names apart": lambda h, _: written(
        h, "x.jsonl", '{"first": "Grace", "grade": "04", "n": 3, "last": "White"}\n'.encode("utf-16")
    ),
    "utf-32 of another alphabet": lambda h, _: written(h, "x.dat", "Γ Grace’ “White”".encode("utf-32")),
    "gz": lambda h, p: written(h, "x.log.gz", gzip.compress(said(p).encode())),
    "bz2": lambda h, p: written(h, "x.log.bz2", bz2.compress(said(p).encode())),
    "xz": lambda h, p: written(h, "x.log.xz", lzma.compress(said(p).encode())),
    "zip": lambda h, p: written(h, "x.zip", zipped("a.txt", said(p).encode())),
    "zip in zip": lambda h, p: written(h, "x.zip", zipped("b.zip", zipped("a.txt", said(p).encode()))),
    "name in a zip": lambda h, p: written(h, "x.zip", zipped(f"{p.last_name}.txt", b"")),
    "tar": lambda h, p: written(h, "x.tar", tarred(said(p).encode())),
    "tar.gz": lambda h, p: written(h, "x.tar.gz", gzip.compress(tarred(said(p).encode()))),
    "parquet in a zip": lambda h, p: (
        parquet(h, a=[p.id]), written(h, "x.zip", zipped("a", (h.root / "published/r1/table.parquet").read_bytes())),
        (h.root / "published/r1/table.parquet").unlink(),
    ),
    "pickle": lambda h, p: written(h, "dagster/storage/result", pickle.dumps({"a": p.last_name})),
    "pickled number": lambda h, p: written(h, "dagster/storage/result", pickle.dumps([1, int(p.id)])),
    "file name": lambda h, p: written(h, f"published/{p.last_name} 2016.csv", b"a\n"),
    "file name, written together": lambda h, p: written(h, f"published/{p.first_name}{p.last_name}2016.txt", b"a\n"),
    "folder name": lambda h, p: written(h, f"published/of {p.id}/a.txt", b"a\n"),
    "note": lambda h, p: written(h, "lake/.notes/x.json", json.dumps({"path": p.id}).encode()),
    "lock": lambda h, p: written(h, f".lock/of_{p.id}", b""),
    "birth date beside the name": lambda h, p: written(h, "x.log", f"{p.first_name} was born on {p.birth_date:%B %d, %Y}".encode()),
    "birth date beside the key": lambda h, _: in_warehouse(
        h, f"create table t as select * from (values ('{key_of(h)}', date '{CANARIES[0].birth_date}')) as v(student_key, d)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_leak_is_found_in_every_kind_of_place(searched: Landed, place: str) -> None:
    PLACES[place](searched.home, PUPIL)

    report = look(searched)
    assert report.leaks
    with pytest.raises(LeakError) as told:
        report.require_clean()
    for value in PUPIL.values:
        assert value not in str(told.value)
        assert value not in str(report)


INNOCENT: dict[str, bytes] = {
    "names of common words": b"Grade white paper; young adults; Mark Page, art grace jefferson parish; will read",
    "short ids": b"1234 rows in 5678 ms, 4321 files",
    "time stamps": b"1795770697.8812345678 2026-11-27T02:00:00.990017 88 12345678901234567890",
    "schools": b"Thomas Jefferson Elementary School; Virginia Jefferson High; Landry Middle; White Grace Academy",
    "an illustrious name": b"Thomas Jefferson",
    "given names, one in a line": b"james\nthomas\nvirginia\nlandry\n",
}


@pytest.mark.parametrize("what", INNOCENT)
def test_what_stands_everywhere_is_no_leak(searched: Landed, what: str) -> None:
    written(searched.home, "x.log", INNOCENT[what])
    written(searched.home, "x.csv", b"text\n" + INNOCENT[what].replace(b",", b" ") + b"\n")

    assert look(searched).leaks == []


def test_a_home_without_leaks_is_clean(vaulted: Landed) -> None:
    report = look(vaulted)

    assert (report.leaks, report.unchanged) == ([], 0)
    assert report.files > 5
    assert report.values > 400


def test_tables_of_the_project_are_no_leak(vaulted: Landed) -> None:
    for table in (registry.HERE / "reference").glob("*.csv"):
        written(vaulted.home, f"reference/{table.name}", table.read_bytes())
        frame = pl.read_csv(table, infer_schema=False)
        (vaulted.home.lake / "reference").mkdir(exist_ok=True)
        frame.write_parquet(vaulted.home.lake / "reference" / f"{table.stem}.parquet")
        in_warehouse(
            vaulted.home, f"create table {table.stem} as select * from read_csv('{table}', all_varchar = true)"
        )

    assert look(vaulted).leaks == []


def test_codes_and_figures_that_happen_to_be_short_ids_are_no_leak(vaulted: Landed) -> None:
    parquet(
        vaulted.home,
        school_id=[f"{n:06d}" for n in range(989_900, 990_100)],
        school_name=["Jefferson", "Landry", "Grace", "White"] * 50,
        region=["Virginia", "Thomas"] * 100,
        race_ethnicity=["white"] * 200,
        n=[*range(1200, 1400)],
        code=[*range(989_900, 990_100)],
    )

    assert look(vaulted).leaks == []


def test_short_ids_and_given_names_beside_the_pseudonym_of_their_person_are_a_leak(vaulted: Landed) -> None:
    identity = vaulted.vaulted("identity").filter(pl.col("local_student_id").is_not_null()).head(50)
    parquet(
        vaulted.home,
        student_key=identity["student_key"].to_list(),
        local=identity["local_student_id"].cast(pl.Int64).to_list(),
        call_name=identity["first_name"].to_list(),
    )
    shuffled = identity["student_key"].gather([*range(1, 50), 0])
    frame = pl.DataFrame({"student_key": shuffled, "source_row": identity["local_student_id"].cast(pl.Int64)})
    frame.write_parquet(vaulted.home.lake / "innocent.parquet")

    leaks = look(vaulted).leaks

    assert {(leak.where, leak.kind) for leak in leaks} == {
        ("column 2 + student_key", "id"), ("column 3 + student_key", "given name"),
    }  # fmt: skip
    assert {leak.path for leak in leaks} == {"published/r1/table.parquet"}


def test_a_rejected_row_is_found_as_a_line_and_cell_by_cell(vaulted: Landed) -> None:
    (row,) = vaulted.vaulted("quarantine")["row"]
    cells = json.loads(row)
    written(vaulted.home, "a.log", ("bad row: " + ",".join(str(cell or "") for cell in cells.values())).encode())
    written(vaulted.home, "b.log", f"bad cell {cells['Surname']}".encode())
    written(vaulted.home, "c.log", f"bad cell {cells['ID']}".encode())
    written(vaulted.home, "d.log", row.encode())

    leaks = look(vaulted).leaks

    assert {leak.path for leak in leaks} == {"a.log", "b.log", "c.log", "d.log"}
    assert {leak.kind for leak in leaks if leak.path == "a.log"} >= {"rejected row", "id", "family name", "name"}


@pytest.mark.parametrize(
    "text", ["White, Grace", "grace_white", "WHITE GRACE", "Young|Art|Will", "Will A. Young", "Jefferson; Virginia"]
)
def test_common_names_are_found_where_both_stand_together(searched: Landed, text: str) -> None:
    written(searched.home, "x.log", f"cannot read {text} in row 3".encode())

    (leak,) = look(searched).leaks

    assert (leak.path, leak.where, leak.kind) == ("x.log", "", "name")


@pytest.mark.parametrize(
    "content",
    [b"PAR1 and no more", b"PK\3\4 and no more", b"\x1f\x8b and no more", b"SQLite format 3\0 and no more",
     b"12345678DUCK and no more", zipped("a", b"x")[:-30], b"7z\xbc\xaf\x27\x1c\0\4", b"Rar!\x1a\7\1\0",
     b"\x04\x22\x4d\x18 lz4", b"%PDF-1.7\n", b"\xfd7zXZ\0 and no more", b"BZh9 and no more"],
    ids=lambda content: content[:4].hex(),  # a ZIP archive holds the time it was made at
)  # fmt: skip
def test_what_cannot_be_read_is_told_and_fails(searched: Landed, content: bytes) -> None:
    written(searched.home, "published/x", content)

    (leak,) = look(searched).leaks

    assert (leak.path, leak.kind) == ("published/x", "unreadable")
    with pytest.raises(LeakError, match="published/x: cannot be read"):
        look(searched).require_clean()


WITH_ZERO: dict[str, tuple[str, bytes]] = {
    "csv": ("x.csv", f"a,{PUPIL.last_name}\0,{PUPIL.id}\n1,2,3\n".encode()),
    "tsv": ("x.tsv", f"a\t{PUPIL.last_name}\0\n1\t2\n".encode()),
    "text": ("x.txt", f"{PUPIL.last_name}\0\nX\n".encode()),
    "utf-16 text": ("x.txt", f"{PUPIL.first_name} {PUPIL.last_name}\nX\n".encode("utf-16")),
    "utf-16 csv": ("x.csv", f"{PUPIL.last_name},b\n1,2\n".encode("utf-16")),
    "utf-16 of the other order": ("x.tsv", f"{PUPIL.last_name}\tb\n1\t2\n".encode("utf-16-be")),
    "utf-32 text": ("x.txt", f"{PUPIL.last_name}\nX\n".encode("utf-32")),
    "json lines": ("x.jsonl", json.dumps({f"{PUPIL.id}\0": 1}).encode()),
    "json": ("x.json", json.dumps([{f"{PUPIL.id}\0": 1}]).encode()),
    "json, within": ("x.json", json.dumps([{"a": [{"b": {f"{PUPIL.id}\0": 1}}]}]).encode()),
}


@pytest.mark.parametrize("what", WITH_ZERO)
def test_a_header_with_zeros_stops_no_scan_and_is_not_shown(
    searched: Landed, what: str, capfd: pytest.CaptureFixture[str]
) -> None:
    written(searched.home, *WITH_ZERO[what])
    written(searched.home, "y.log", PUPIL.last_name.encode())

    report = look(searched)
    with pytest.raises(LeakError) as told:
        report.require_clean()

    assert {leak.path for leak in report.leaks} == {WITH_ZERO[what][0], "y.log"}
    assert "unreadable" not in {leak.kind for leak in report.leaks}
    assert capfd.readouterr() == ("", "")
    assert not [value for value in PUPIL.values if value in str(told.value)]


def test_a_panic_of_a_library_is_a_place_that_cannot_be_read(searched: Landed, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException(PUPIL.last_name)

    monkeypatch.setattr(pl, "read_csv", fail)
    written(searched.home, "a.csv", b"a\n1\n")
    written(searched.home, "z.log", PUPIL.last_name.encode())

    assert [(leak.path, leak.kind) for leak in look(searched).leaks] == [
        ("a.csv", "unreadable"), ("z.log", "family name"),
    ]  # fmt: skip


CODED: dict[str, Callable[[str], str]] = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 behind signs": lambda text: "x." + base64.b64encode(b"\xff\xfe" + text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "reversed": lambda text: text[::-1],
}


@pytest.mark.parametrize("how", CODED)
def test_a_message_holds_no_name_that_others_gave_in_any_writing(searched: Landed, how: str) -> None:
    name = CODED[how](f"student {PUPIL.first_name} {PUPIL.last_name}")
    written(searched.home, "z/w.txt", f"{name}\n{PUPIL.last_name}\n".encode())
    parquet(searched.home, student_key=["x"], **{name: [PUPIL.last_name]})
    in_sqlite(searched.home, PUPIL.last_name)
    with sqlite3.connect(searched.home.dagster / "history" / "runs.db") as con:
        con.execute(f'create table "{name}" ("{name}" text)')
        con.execute(f'insert into "{name}" values (?)', [PUPIL.last_name])
    con.close()
    with duckdb.connect(searched.home.root / "x.duckdb") as con:
        con.execute(f'create table "{name}" as select {quoted(PUPIL.last_name)} as "{name}"')
        con.execute(f'comment on table "{name}" is {quoted(PUPIL.last_name)}')

    with pytest.raises(LeakError) as told:
        look(searched).require_clean()

    assert name not in str(told.value)
    for place in ("z/w.txt: column 1:", "table.parquet: column 2:", "runs.db: table 2.column 1:", "table 1.column 1:"):
        assert place in str(told.value)


def test_a_column_of_the_project_is_told_by_its_name(searched: Landed) -> None:
    parquet(searched.home, school_year=[2016], subject=[PUPIL.last_name])

    assert {leak.where for leak in look(searched).leaks} == {"subject"}


def test_a_vault_that_cannot_be_opened_stops_the_scan(vaulted: Landed) -> None:
    path = next(vaulted.home.vault.rglob("*.vault"))
    path.write_bytes(path.read_bytes()[:-3])

    with pytest.raises(VaultError):
        look(vaulted)


def test_unchanged_files_are_read_once_until_the_vault_changes(vaulted: Landed) -> None:
    written(vaulted.home, "x.log", b"nobody yet: Qwzyxpalter")
    first, second = look(vaulted), look(vaulted)
    assert (first.unchanged, first.leaks) == (0, [])
    assert second.unchanged >= second.files - 2  # the note itself is new

    row = "8899999999,Qwzyxpalter,Zed,,03/04/2001,04,500,1"
    vaulted.file("more.csv", f"ID,Surname,Given,Middle,Born,Grade,Score,Local\n{row}\n")
    vaulted.run()

    third = look(vaulted)
    assert third.unchanged == 0
    assert [(leak.path, leak.kind) for leak in third.leaks] == [("x.log", "family name")]
    assert [leak.path for leak in look(vaulted).leaks] == ["x.log"]  # what was found is never taken for clean


def test_landing_and_vault_are_not_searched_and_links_out_of_the_home_are(vaulted: Landed, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.log").write_text(PUPIL.last_name)
    (vaulted.home.root / "published").symlink_to(tmp_path / "elsewhere")
    (vaulted.home.root / "landed").symlink_to(vaulted.home.landing)
    for half in ("new", "old"):  # of a change of keys that was cut off: two vaults, and tables
        written(vaulted.home, f".rotation/{half}/vault/x.log", PUPIL.last_name.encode())
        written(vaulted.home, f".rotation/{half}/lake/x.log", PUPIL.last_name.encode())
    written(vaulted.home, "certificates/x.md", PUPIL.last_name.encode())

    found = [leak.path for leak in look(vaulted).leaks]
    assert found == [".rotation/new/lake/x.log", ".rotation/old/lake/x.log", "certificates/x.md", "published/x.log"]


def test_names_that_are_known_to_be_public_can_be_declared(vaulted: Landed) -> None:
    written(vaulted.home, "x.log", b"Virginia Landry")
    assert look(vaulted).leaks

    written(vaulted.home, "reference/public_name.csv", b"name,why\nVirginia Landry,a donor\n")

    assert look(vaulted).leaks == []


def test_what_is_too_short_to_be_searched_is_counted(vaulted: Landed) -> None:
    assert look(vaulted).unsearched["ids too short to be searched in text"] >= 100


def test_nothing_is_searched_without_people(home: Home, keys: Keys) -> None:
    written(home, "x.log", b"Robin Example 1234567890")

    report = scan(home, keys)

    assert (report.leaks, report.values) == ([], 0)
