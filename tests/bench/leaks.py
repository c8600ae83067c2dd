"""The scan over a state: a vault of a million people of common names, and gigabytes in which nobody of them is.

Names are drawn from the given and family names of the reference tables, as real ones would be, so that whoever searches
words finds them everywhere: a find in what holds none is a false alarm, and stops the bench, as does a value that is
planted and missed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, record
from le_pipeline.privacy.scan import scan
from le_pipeline.privacy.vault import Vault
from schemas import registry

PEOPLE = 1_000_000
ROWS = 10_000_000
LOG_MEGABYTES = 1000
KEYS = Keys(bytes(range(32)))


@dataclass(frozen=True)
class Scanned:
    """One scan, in a process of its own: bytes of what is searched, seconds, peak memory in MB, places found."""

    what: str
    gigabytes: float
    seconds: float
    megabytes: float
    found: int


def fill(root: Path, people: int = PEOPLE, rows: int = ROWS, log_megabytes: int = LOG_MEGABYTES) -> Home:
    """A home with that many people in the vault, rows in the lake and the warehouse, and a log."""
    home = Home.at(root)
    home.create()
    record(home, KEYS)
    given = pl.read_csv(registry.HERE / "reference" / "given_name.csv")["name"].str.to_titlecase()
    family = pl.read_csv(registry.HERE / "reference" / "family_name.csv")["name"].str.to_titlecase()
    number = pl.DataFrame({"n": pl.arange(people, eager=True)})
    identity = number.select(
        student_key=pl.format("{}", (pl.col("n") * 7919 + 13).cast(pl.String).str.zfill(32)),
        student_id=(pl.col("n") * 7907 + 1_000_000_007).cast(pl.String),
        local_student_id=(10_000 + pl.col("n") % 90_000).cast(pl.String),
        last_name=family.gather((number["n"] * 31 + number["n"] // 97) % family.len()),
        first_name=given.gather((number["n"] * 17 + number["n"] // 89) % given.len()),
        middle_name=pl.lit(None, pl.String),
        birth_date=pl.date(2000, 1, 1) + pl.duration(days=pl.col("n") % 4000),
    )
    with Vault(home, KEYS).replacing("student_assessment/LA-2016.identity") as file:
        file.add(identity)
        file.keep()
    _tables(home, rows, people)
    _log(home, log_megabytes)
    return home


def _tables(home: Home, rows: int, people: int) -> None:
    """Scores with pseudonyms, schools named like people, in the lake and once more in the warehouse."""
    table = home.lake / "canonical" / "student_assessment" / "state=LA" / "school_year=2016" / "landed_2016.parquet"
    table.parent.mkdir(parents=True)
    scores = f"""select lpad((((i % {people}) * 7919) + 13)::varchar, 32, '0') as student_key, 'LA' as state, 2016 as school_year,
            (100 + i % 800)::double as scale_score, i as source_row, lpad((i % 1300)::varchar, 6, '0') as school_id,
            ['mathematics', 'ela', 'science'][1 + i % 3] as subject, ['white', 'asian'][1 + i % 2] as race_ethnicity,
            date '2016-04-01' + (i % 20)::integer as test_date, left(hash(i)::varchar, 16) as delivery_id
        from range({rows}) as r(i)"""  # noqa: E501
    school = """select lpad(i::varchar, 6, '0') as school_id,
            ['Thomas Jefferson', 'Virginia', 'Landry', 'Grace White', 'Evangeline'][1 + i % 5] || ' Elementary School' as school_name,
            ['Jefferson', 'Orleans', 'Terrebonne'][1 + i % 3] as lea_name from range(1300) as r(i)"""  # noqa: E501
    with duckdb.connect(home.warehouse) as con:
        con.execute("create schema canonical")
        con.execute(f"create table canonical.student_assessment as {scores}")
        con.execute(f"create table canonical.school as {school}")
        con.execute(f"copy canonical.student_assessment to '{table}' (format parquet, compression zstd)")


def _log(home: Home, megabytes: int) -> None:
    line = "2026-11-27 02:00:{:02d}.{:06d} +0000 - dagster - DEBUG - step {:07d} of Jefferson read {} rows in {} ms\n"
    block = "".join(line.format(n % 60, n * 37 % 10**6, n * 101, n * 13, n % 5000) for n in range(10_000))
    with (home.dagster / "event.log").open("w") as file:
        for _ in range(max(1, megabytes * 1_000_000 // len(block))):
            file.write(block)


def size(home: Home) -> float:
    """Gigabytes of what is searched."""
    outside = (home.vault, home.landing)
    kept = (p for p in home.root.rglob("*") if p.is_file() and not any(p.is_relative_to(each) for each in outside))
    return sum(path.stat().st_size for path in kept) / 1e9


def scanned(root: Path) -> list[Scanned]:
    """A first scan, one when nothing has changed, and one with a planted value.

    Raises:
        SystemExit: a false alarm, or the planted value is missed.
    """
    home = fill(root / "leaks")
    found = [_timed("a million people, nothing planted", home)]
    found.append(_timed("nothing changed", home))
    (person,) = next(Vault(home, KEYS).read("student_assessment/LA-2016.identity")).head(1).rows(named=True)
    told = f"could not read {person['first_name']} {person['last_name']}, {person['student_id']}"
    (home.dagster / "one.log").write_text(told)
    found.append(_timed("a log of one line is new", home))
    if [each.found for each in found] != [0, 0, 2]:
        raise SystemExit(f"the scan finds {[each.found for each in found]} places, not 0, 0 and 2")
    return found


def _timed(what: str, home: Home) -> Scanned:
    began = time.monotonic()
    command = [sys.executable, "-m", "bench.leaks", str(home.root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{what}: the scan failed")
    return Scanned(what, size(home), time.monotonic() - began, usage.ru_maxrss / 1024, int(told.splitlines()[-1]))


if __name__ == "__main__":
    report = scan(Home.at(sys.argv[1]), KEYS)
    print(*report.leaks, report.unsearched, len(report.leaks), sep="\n")
