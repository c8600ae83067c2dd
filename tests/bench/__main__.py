"""`make bench`: the line on data of its real size, in processes of their own, with the answers checked.

Prints wall seconds and peak memory of each run, and beside them what the project promises. Machines differ: compare
figures of one run with each other.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
from rich.console import Console
from rich.table import Table

from bench.beside import beside_a_copy, beside_earthmover, linked, with_bad_rows
from bench.estimator import estimator
from bench.leaks import PEOPLE, scanned
from bench.people import matched
from bench.planted import planted
from bench.rotation import rotation_and_rate
from bench.suppression import suppression
from end_to_end.test_public_data import DATA, LINKS, SCORES

ROOT = Path(__file__).parents[2]
STUDENTS = 60_000


@dataclass(frozen=True)
class Timed:
    """One run: seconds, peak memory of its largest process in MB."""

    what: str
    rows: int
    seconds: float
    megabytes: float
    promise: str


def run(what: str, rows: int, home: Path, promise: str = "") -> Timed:
    """Time `le run` on a home.

    Raises:
        SystemExit: the run failed.
    """
    environment = os.environ | {"LE_HOME": str(home), "LE_KEY_FILE": str(home.with_suffix(".key"))}
    le = str(Path(sys.executable).with_name("le"))
    subprocess.run([le, "init"], env=environment, check=True, capture_output=True)
    began = time.monotonic()
    process = subprocess.Popen([le, "run"], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{what}: the run failed")
    return Timed(what, rows, time.monotonic() - began, usage.ru_maxrss / 1024, promise)


def check(home: Path, question: str, expected: tuple[object, ...]) -> None:
    """Stop where the warehouse gives another answer."""
    with duckdb.connect(home / "warehouse" / "current.duckdb", read_only=True) as warehouse:
        found = warehouse.execute(question).fetchone()
    if found != expected:
        raise SystemExit(f"{question}\n gives {found}, not {expected}")


def public_data(scratch: Path) -> list[Timed]:
    """The published demonstration data: 368,301 scores, 496,688 links."""
    home = scratch / "public"
    landing = home / "landing" / "CO" / "2025"
    landing.mkdir(parents=True)
    (home / "layouts").mkdir()
    for name, layout in (("sgp_scores", SCORES), ("sgp_links", LINKS)):
        (home / "layouts" / f"{name}.yaml").write_text(layout)
    for table in ("student_scores", "student_instructors"):
        pl.read_parquet(DATA / f"{table}.parquet").write_csv(landing / f"{table}.csv")
    timed = run("public data, end to end", 864_989, home, "under 60 s, under 2,000 MB")
    check(home, "select sum(rows_read), sum(rows_quarantined) from canonical.delivery", (864_989, 0))
    check(home, "select count(*), sum(weight) from linked.teacher_student_link", (496_688, 368_301.0))
    return [timed, run("public data, nothing new", 864_989, home, "seconds")]


def synthetic_state(scratch: Path) -> list[Timed]:
    """Two states from the generator, ten times the samples; the truth says what must come out."""
    home = scratch / "synthetic"
    generator = [sys.executable, str(ROOT / "data_samples" / "generate.py"), "--students", str(STUDENTS)]
    subprocess.run([*generator, "--out", str(home)], check=True)
    scores = pl.scan_parquet(home / "truth" / "student_score.parquet").select(pl.len()).collect().item()
    links = pl.scan_parquet(home / "truth" / "link.parquet").select(pl.len()).collect().item()
    timed = run(f"{STUDENTS:,} synthetic students, end to end", scores + links, home)
    check(home, "select count(*) from canonical.student_assessment", (scores,))
    check(home, "select count(*) from linked.teacher_student_link where excluded_reason is null", (links,))
    return [timed, run(f"{STUDENTS:,} synthetic students, nothing new", scores + links, home, "seconds")]


def line(out: Console) -> None:
    """The whole line, the scan, and one file beside others' tools."""
    found: list[Timed] = []
    with tempfile.TemporaryDirectory() as scratch:
        if DATA.exists():
            found += public_data(Path(scratch))
        else:
            out.print(f"the public data are not at {DATA}; that part is left out")
        found += synthetic_state(Path(scratch))
        cases = (linked, beside_a_copy, with_bad_rows, beside_earthmover)
        searched = scanned(Path(scratch))
        compared = [told for case in cases for told in case(Path(scratch))]
    table = Table("run", "rows", "seconds", "peak MB", "promised")
    for row in found:
        table.add_row(row.what, f"{row.rows:,}", f"{row.seconds:.1f}", f"{row.megabytes:,.0f}", row.promise)
    out.print(table)
    table = Table(f"the scan, {PEOPLE:,} people in the vault", "GB", "seconds", "peak MB", "found")
    for scan in searched:
        table.add_row(
            scan.what, f"{scan.gigabytes:.1f}", f"{scan.seconds:.0f}", f"{scan.megabytes:,.0f}", str(scan.found)
        )
    out.print(table)
    table = Table("one file, in turns", "rows", "seconds", "peak MB", "rows/s", "ratio", "of cores", "promised")
    for told in compared:
        figures = (
            f"{told.rows:,}",
            f"{told.seconds:.1f}",
            f"{told.megabytes:,.0f}",
            f"{told.rows / told.seconds:,.0f}",
        )
        ratios = (f"{ratio:.2f}" if ratio else "" for ratio in (told.ratio, told.core_ratio))
        table.add_row(told.what, *figures, *ratios, told.promise)
    out.print(table)


def in_scratch(of: Callable[[Path], Table]) -> Callable[[Console], None]:
    """A part that needs a folder."""

    def part(out: Console) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            out.print(of(Path(scratch)))

    return part


PARTS: dict[str, Callable[[Console], None]] = {
    "line": line,
    "people": lambda out: out.print(matched()),
    "rotation": in_scratch(rotation_and_rate),
    "suppression": lambda out: out.print(suppression()),
    "estimator": in_scratch(estimator),
    "planted": lambda out: out.print(planted()),
}


def main() -> None:
    """Run the parts that are named, or all of them.

    Raises:
        SystemExit: there is no such part, or an answer is wrong.
    """
    unknown = set(sys.argv[1:]) - set(PARTS)
    if unknown:
        raise SystemExit(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    out = Console()
    for name in sys.argv[1:] or PARTS:
        PARTS[name](out)


if __name__ == "__main__":
    main()
