"""The works of `scale`, each in a process of its own, in turns, and what they came to beside each other."""

from __future__ import annotations

import os
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench import links
from bench.scale import FAULTS, FEED, LAYOUT, TOLD
from le_pipeline.home import Home
from le_pipeline.warehouse.lake import Lake
from schemas import registry

MILLION = 1_000_000
ROUNDS = 3
BAD_SHARE = 0.02
KEY = secrets.token_hex(32)
EARTHMOVER = """\
version: 2
config: {{output_dir: {out}, tmp_dir: {out}}}
sources:
  scores: {{file: {source}, header_rows: 1}}
destinations:
  scores: {{source: $sources.scores, template: {template}, extension: jsonl, linearize: true}}
"""
# the fields that ingest reads, under the names of Ed-Fi
TEMPLATE = """\
{"studentReference": {"studentUniqueId": "{{StudentID}}", "lastSurname": "{{LastName}}", "firstName": "{{FirstName}}",
"middleName": "{{MiddleInitial}}", "birthDate": "{{BirthDate}}"}, "schoolId": "{{SchoolCode}}",
"localEducationAgencyId": "{{DistrictCode}}", "whenAssessedGradeLevelDescriptor": "{{Grade}}",
"academicSubjectDescriptor": "{{Subject}}", "scoreResults": [{"result": "{{ScaleScore}}"}],
"performanceLevels": [{"performanceLevelDescriptor": "{{AchievementLevel}}"}], "sex": "{{Gender}}",
"race": "{{Ethnicity}}", "economicDisadvantage": "{{EconomicallyDisadvantaged}}",
"englishLearner": "{{EnglishLearner}}", "disability": "{{Disability}}"}
"""


@dataclass(frozen=True)
class Work:
    """What a process did: seconds of its work, seconds of all cores together, peak memory in MB."""

    seconds: float
    core_seconds: float
    megabytes: float


@dataclass(frozen=True)
class Line:
    """A line of the report: medians, and the most memory.

    `ratio` is the median over the rounds of the seconds beside those of the line above, `core_ratio` the same of the
    seconds of all cores, which does not change where the machine has other work as well.
    """

    what: str
    rows: int
    seconds: float
    megabytes: float
    promise: str = ""
    ratio: float | None = None
    core_ratio: float | None = None


def in_its_own_process(*command: str | Path) -> Work:
    """Run a work and measure it; one that does not tell its seconds is taken from its start to its end.

    Raises:
        SystemExit: it failed.
    """
    began = time.monotonic()
    process = subprocess.Popen(command, env=os.environ | {"LE_KEY": KEY}, stdout=subprocess.PIPE, text=True)
    told = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    wall, cores = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    if TOLD in told:
        wall, cores = map(float, told.split(TOLD)[1].split())
    return Work(wall, cores, usage.ru_maxrss / 1024)


def scale(work: str, *words: str | Path | float) -> Work:
    """A work of `bench.scale`."""
    return in_its_own_process(sys.executable, "-m", "bench.scale", work, *map(str, words))


def linked(scratch: Path) -> list[Line]:
    """A state's rosters linked to teachers, every link held against the plan that the rosters were written from."""
    root = scratch / "rosters"
    root.mkdir()
    in_its_own_process(sys.executable, "-m", "bench.links", "make", root, str(links.STUDENTS))
    work = in_its_own_process(sys.executable, "-m", "bench.links", "link", root)
    rows = links.check(root)
    shutil.rmtree(root)
    return [Line("rosters linked to teachers", rows, work.seconds, work.megabytes, "60 s, under 4,000 MB")]


def ingested(home: Path, path: Path) -> Work:
    """A file taken into a new home, with the answers checked against DuckDB's reading of the file."""
    shutil.rmtree(home, ignore_errors=True)
    landing = home / "landing" / "LA" / "2016"
    landing.mkdir(parents=True)
    (landing / "scores.csv").hardlink_to(path)
    (home / "layouts").mkdir()
    (home / "layouts" / "state_scores.yaml").write_text(LAYOUT)
    work = scale("ingest", home)
    if (found := _answers(home)) != (expected := _expected(path)):
        raise SystemExit(f"{path.name}: accepted, sum of scores and quarantined are {found}, not {expected}")
    return work


def _answers(home: Path) -> tuple[int, ...]:
    """Records accepted, the sum of their scores, and records quarantined, as the lake has them."""
    lake = Lake(Home.at(home, home / "landing").lake)
    scores = lake.query(registry.feeds()[FEED])
    accepted = duckdb.sql(f"select count(*), sum(scale_score)::bigint from ({scores})").fetchall()[0]
    return (*accepted, lake.read(registry.tables()["delivery"])["rows_quarantined"].sum())


def _expected(path: Path) -> tuple[int, ...]:
    """The same, as another engine reads them off the file."""
    faults = " or ".join(f"coalesce({column}, '') = '{fault}'" for column, fault in FAULTS.items())
    rows = f"select *, {faults} as bad from read_csv('{path}', all_varchar = true)"
    counts = "count(*) filter (not bad), sum(ScaleScore::bigint) filter (not bad), count(*) filter (bad)"
    return duckdb.sql(f"select {counts} from ({rows})").fetchall()[0]


def beside_a_copy(scratch: Path) -> list[Line]:
    """Ten million clean rows, and the bare copy of them."""
    path, rows = scratch / "ten_million.csv", 10 * MILLION
    scale("make", path, rows, 0)
    rounds = [(scale("copy", path, scratch / "copy.parquet"), ingested(scratch / "home", path)) for _ in range(ROUNDS)]
    path.unlink()
    return _lines(rounds, rows, ("bare copy, CSV to Parquet", "ingest of the same file"), "2 times, under 3,000 MB")


def with_bad_rows(scratch: Path) -> list[Line]:
    """A million rows, clean and with two in a hundred that break a rule."""
    paths = {share: scratch / f"million_{share}.csv" for share in (0, BAD_SHARE)}
    for share, path in paths.items():
        scale("make", path, MILLION, share)
    home = scratch / "home"
    rounds = [(ingested(home, paths[0]), ingested(home, paths[BAD_SHARE])) for _ in range(ROUNDS)]
    names = ("ingest of clean rows", f"ingest with {BAD_SHARE:.0%} bad rows")
    return _lines(rounds, MILLION, names, "1.3 times")


def beside_earthmover(scratch: Path) -> list[Line]:
    """The same million rows mapped to JSON lines by earthmover; none where it is not installed."""
    program = shutil.which(os.environ.get("EARTHMOVER", "earthmover"))
    if program is None:
        print("earthmover is not installed (point EARTHMOVER at its program); that part is left out")
        return []
    path, template, config = scratch / "million_0.csv", scratch / "scores.jsont", scratch / "earthmover.yaml"
    template.write_text(TEMPLATE)
    config.write_text(EARTHMOVER.format(out=scratch / "out", source=path, template=template))
    rounds = [(ingested(scratch / "home", path), in_its_own_process(program, "run", "-c", config))]
    names = ("ingest of the same file", "earthmover, CSV to JSON lines")
    with (scratch / "out" / "scores.jsonl").open() as lines:
        if (mapped := sum(1 for _ in lines)) != MILLION:
            raise SystemExit(f"earthmover wrote {mapped} lines, not {MILLION}")
    return _lines(rounds, MILLION, names, "40 times")


def _lines(rounds: list[tuple[Work, Work]], rows: int, names: tuple[str, str], promise: str) -> list[Line]:
    firsts, seconds = zip(*rounds, strict=True)
    ratio = statistics.median(second.seconds / first.seconds for first, second in rounds)
    core_ratio = statistics.median(second.core_seconds / first.core_seconds for first, second in rounds)
    return [
        Line(names[0], rows, *_middle(firsts)),
        Line(names[1], rows, *_middle(seconds), promise, ratio, core_ratio),
    ]


def _middle(works: Sequence[Work]) -> tuple[float, float]:
    return statistics.median(work.seconds for work in works), max(work.megabytes for work in works)
