"""Readers that hold the warehouse open, or open it anew each time, while runs replace it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from end_to_end.conftest import SampleRun
from le_pipeline import line
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.keys import Keys

# every version of the warehouse is one whole: its scores are those that its deliveries count
WHOLE = """
    select (select count(*) from canonical.student_assessment where state = 'MO' and school_year = 2016),
           (select sum(rows_accepted) from canonical.delivery
            where state = 'MO' and school_year = 2016 and feed = 'student_assessment' and delivery_status = 'accepted'),
           (select count(*) from linked.student_exposure where state = 'MO' and school_year = 2016)
"""
# what a reader prints after each line it is sent: the different answers it has had so far
HOLDS = """
import sys, duckdb
path, query = sys.argv[1:]
con, seen = duckdb.connect(path, read_only=True), set()
for _ in sys.stdin:
    seen |= {con.execute(query).fetchone() for _ in range(50)}
    print(sorted(seen), flush=True)
"""
OPENS_ANEW = """
import sys, duckdb
path, query = sys.argv[1:]
seen = set()
for _ in sys.stdin:
    for _ in range(10):
        with duckdb.connect(path, read_only=True) as con:
            seen |= {con.execute(query).fetchone() for _ in range(5)}
    print(sorted(seen), flush=True)
"""


class Reader:
    """Another process that queries the warehouse in a loop."""

    def __init__(self, code: str, home: Home) -> None:
        command = [sys.executable, "-c", code, str(home.warehouse), WHOLE]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def ask(self) -> list[tuple[int, int, int]]:
        """Let it query for a while; the different answers since it began."""
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.process.stderr.read()
        return list(ast.literal_eval(answer))

    def end(self) -> None:
        """It has met no error until its end."""
        assert self.process.communicate(timeout=60) == ("", "")
        assert self.process.returncode == 0


@pytest.mark.slow
def test_three_runs_pass_and_no_reader_sees_an_error_or_a_mixture(
    sample_run: SampleRun, sample_keys: Keys, tmp_path: Path
) -> None:
    home = sample_run.copy(tmp_path / "home")
    holds, opens_anew = Reader(HOLDS, home), Reader(OPENS_ANEW, home)
    before = holds.ask()
    opens_anew.ask()
    scores = home.landing / "MO/2016/map_2016.txt"
    lines = scores.read_bytes().splitlines(keepends=True)

    for run in (1, 2, 3):
        scores.write_bytes(b"".join(lines[: -100 * run]))
        for place, _ in enumerate(line.run(home, sample_keys, [Partition("MO", 2016)])):
            if place % 4 == 0:
                assert holds.ask() == before
                opens_anew.ask()

    versions = opens_anew.ask()
    assert len(versions) == 4
    assert all(scored == counted == exposed for scored, counted, exposed in versions)
    assert holds.ask() == before
    holds.end()
    opens_anew.end()


@pytest.mark.slow
def test_a_reader_in_the_same_process_keeps_what_it_opened(
    sample_run: SampleRun, sample_keys: Keys, tmp_path: Path
) -> None:
    home = sample_run.copy(tmp_path / "home")
    with duckdb.connect(home.warehouse, read_only=True) as held:
        before = held.execute(WHOLE).fetchone()
        (home.landing / "MO/2016/map_2016.txt").unlink()

        for _ in line.run(home, sample_keys, [Partition("MO", 2016)]):
            pass

        assert held.execute(WHOLE).fetchone() == before
    with duckdb.connect(home.warehouse, read_only=True) as new:
        assert new.execute(WHOLE).fetchone() == (0, None, 0)
