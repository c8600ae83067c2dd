"""`le sql`, as an analyst uses it: answers, errors in one line, and runs that go on meanwhile."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import duckdb
import pytest

from end_to_end.conftest import SampleRun
from end_to_end.test_command_line import LE, le
from le_pipeline import line
from le_pipeline.warehouse import reader

REACH = "select state, school_year, n_fellows from marts.program_reach where region = 'all' order by all"


def test_an_answer_is_a_table_csv_or_json(sample_run: SampleRun) -> None:
    with reader.connect(sample_run.home) as warehouse:
        expected = warehouse.execute(REACH).fetchall()

    table = le("sql", REACH, home=sample_run.home.root)
    as_csv = le("sql", "--format", "csv", REACH, home=sample_run.home.root)
    as_json = le("sql", "--format", "json", REACH, home=sample_run.home.root)

    assert (table.returncode, as_csv.returncode, as_json.returncode) == (0, 0, 0)
    assert "n_fellows" in table.stdout and "│ LA " in table.stdout
    header, *rows = csv.reader(io.StringIO(as_csv.stdout))
    assert header == ["state", "school_year", "n_fellows"]
    assert [(state, int(year), int(n)) for state, year, n in rows] == expected
    assert [tuple(row.values()) for row in json.loads(as_json.stdout)] == expected


def test_values_of_every_kind_are_written(sample_run: SampleRun) -> None:
    query = (
        "select null as n, true as b, 0.5::decimal(3, 1) as d, date '2016-05-01' as day, [1, null] as l,"
        " 'nan'::double as x"
    )
    as_csv = le("sql", "--format", "csv", query, home=sample_run.home.root).stdout
    as_json = le("sql", "--format", "json", query, home=sample_run.home.root).stdout

    assert as_csv.splitlines() == ["n,b,d,day,l,x", ',true,0.5,2016-05-01,"[1, null]",nan']
    assert json.loads(as_json) == [{"n": None, "b": True, "d": "0.5", "day": "2016-05-01", "l": [1, None], "x": None}]
    assert (
        json.loads(le("sql", "--format", "json", "select 1 as n where false", home=sample_run.home.root).stdout) == []
    )


def test_queries_come_from_a_file_or_standard_input_and_each_is_answered(sample_run: SampleRun, tmp_path: Path) -> None:
    pivot = "pivot marts.program_reach on state using count(*) group by region order by region"
    text = f"select 'first' as a;\n{pivot};\nselect 'last' as b;"
    (tmp_path / "q.sql").write_text(text)

    from_file = le("sql", "--file", tmp_path / "q.sql", home=sample_run.home.root)
    environment = os.environ | {"LE_HOME": str(sample_run.home.root)}
    from_input = subprocess.run(
        [str(LE), "sql"], input=text, capture_output=True, text=True, env=environment, check=True
    )

    assert from_file.returncode == 0, from_file.stderr
    assert from_file.stdout == from_input.stdout
    assert all(word in from_file.stdout for word in ("first", "region", "last"))
    several = le("sql", "--format", "csv", "--file", tmp_path / "q.sql", home=sample_run.home.root)
    assert (several.returncode, several.stdout) == (1, "")
    assert several.stderr == "le: --format csv writes the answer to one query, and here are 3\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("selec 1", 'le: Parser Error: syntax error at or near "selec"\n'),
        ("from canonical.schol", 'le: Catalog Error: Table with name schol does not exist! Did you mean "school"?\n'),
        ("select [1][/x]", 'le: Parser Error: syntax error at or near "/"\n'),
        ("select 'a'::int", "le: Conversion Error: Could not convert string 'a' to INT32\n"),
        (
            "create table t as select 1",
            "le: CREATE is refused: this connection takes queries only (select, from, with,",
        ),
        ("select 1 as a, 2 as a", "le: two columns have one name"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(sample_run: SampleRun, query: str, message: str) -> None:
    said = le("sql", "--format", "json", query, home=sample_run.home.root)

    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith(message) and said.stderr.count("\n") == 1


def test_without_a_warehouse_it_says_how_to_make_one(tmp_path: Path) -> None:
    said = le("sql", "select 1", home=tmp_path / "new")

    assert said.returncode == 1
    assert "`le run` builds it" in said.stderr


class Prompt:
    """`le sql` at a terminal."""

    def __init__(self, home: Path) -> None:
        self.terminal, other = pty.openpty()
        environment = os.environ | {"LE_HOME": str(home), "TERM": "dumb"}
        self.process = subprocess.Popen([str(LE), "sql"], stdin=other, stdout=other, stderr=other, env=environment)
        os.close(other)
        self.until("le > ")

    def read(self) -> str:
        assert select.select([self.terminal], [], [], 60)[0], "it says nothing"
        return os.read(self.terminal, 1 << 16).decode()

    def until(self, ending: str) -> str:
        said = ""
        while not said.endswith(ending):
            said += self.read()
        return said

    def ask(self, text: str) -> str:
        os.write(self.terminal, f"{text}\n".encode())
        return self.until("le > ")

    def interrupt(self) -> str:
        """Ctrl-C, once the query is at work: half a second of the processor has gone into it."""
        deadline, enough = time.monotonic() + 60, self.ticks() + os.sysconf("SC_CLK_TCK") // 2
        while self.ticks() < enough:
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        self.process.send_signal(signal.SIGINT)
        return self.until("le > ")

    def ticks(self) -> int:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


@pytest.mark.slow
def test_a_prompt_answers_goes_on_after_errors_and_neither_holds_up_a_new_warehouse_nor_is_disturbed_by_one(
    sample_run: SampleRun, tmp_path: Path
) -> None:
    home = sample_run.copy(tmp_path / "home")
    count = "select 'n=' || count(*) as c from canonical.student_assessment where state = 'MO' and school_year = 2016;"
    prompt = Prompt(home.root)
    before = prompt.ask(count)
    assert "n=0" not in before and "n=" in before
    assert "COPY is refused" in prompt.ask(f"copy (select 1) to '{tmp_path}/out.csv';")
    assert "does not exist" in prompt.ask("from nosuch;")
    os.write(prompt.terminal, b"select max(hash(range)) from range(100000000000);\n")
    assert "stopped" in prompt.interrupt()

    home.warehouse_profile.write_text("leave_out: [student]\n")
    assert not line.publish(home).is_current

    assert prompt.ask(count) == before
    assert "does not exist" in le("sql", count, home=home.root).stderr
    os.write(prompt.terminal, b"quit\n")
    assert prompt.process.wait(timeout=60) == 0
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.slow
def test_with_both_levels_left_out_the_gate_passes_and_no_key_of_a_person_is_in_the_file(
    sample_run: SampleRun, tmp_path: Path
) -> None:
    home = sample_run.copy(tmp_path / "home")
    with duckdb.connect(home.warehouse, read_only=True) as con:
        keys = con.execute(
            "select student_key from canonical.student_assessment"
            " union select staff_key from canonical.staff_assignment union select alias_key from linked.person_alias"
        ).fetchall()
    assert keys and keys[0][0].encode() in home.warehouse.read_bytes()
    home.warehouse_profile.write_text("leave_out: [student, staff]\n")

    assert not line.publish(home).is_current

    content = home.warehouse.read_bytes()
    assert not [key for (key,) in keys if key.encode() in content]
    assert "does not exist" in le("sql", "from canonical.student_assessment", home=home.root).stderr
    assert le("sql", "from marts.teacher_retention", home=home.root).returncode == 0
    assert "up to date" in le("status", home=home.root).stdout
    assert line.publish(home).is_current
