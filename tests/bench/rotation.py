"""Another key for a million people: seconds, that every join holds afterwards, and how many ids a second are keyed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import polars as pl
from rich.table import Table

from le_pipeline import line, rotation
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, create_key_file, load_keys, new_keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.warehouse.engine import Engine

TOLD = "rotated:"
STUDENTS, TEACHERS, PER_CLASS = 960_000, 40_000, 24
SUBJECTS = ("ela", "mathematics")
IDS = 5_000_000
MOST_SECONDS, FEWEST_PER_SECOND = 60, 3_000_000
LAYOUTS = {
    "links": """\
layout: links
feed: teacher_student_link
issuer: LA
about: Links for the bench
recognise: {columns: [Student, Teacher, Subject, Weight]}
read: {format: delimited}
fill: {student_id: Student, staff_id: Teacher, subject: Subject, weight: Weight}
""",
    "scores": """\
layout: scores
feed: student_assessment
issuer: LA
about: Scores for the bench
recognise: {columns: [Student, Name, Subject, Grade, Score]}
read: {format: delimited}
fill: {student_id: Student, last_name: Name, subject: Subject, grade: Grade, scale_score: Score}
""",
}
# what must be the same under any key; the last asks for keys of one table that another does not have
QUESTIONS = (
    "select count(*), count(distinct student_key), sum(scale_score) from canonical.student_assessment",
    "select count(*), count(distinct staff_key), sum(weight) from canonical.reported_teacher_student_link",
    """select count(*), sum(a.scale_score * l.weight) from canonical.student_assessment as a
       join canonical.reported_teacher_student_link as l using (student_key, subject, school_year)""",
    """select staff_size, count(*) from (select count(distinct student_key) as staff_size
       from canonical.reported_teacher_student_link group by staff_key) group by all order by all""",
    """select count(*) from canonical.reported_teacher_student_link
       anti join canonical.student_assessment using (student_key)""",
)


def landed(home: Home) -> None:
    """A state of a million keys: two scores and two links for each student."""
    folder = home.landing / "LA" / "2016"
    folder.mkdir(parents=True)
    for name, text in LAYOUTS.items():
        (home.layouts / f"{name}.yaml").write_text(text)
    students = pl.DataFrame({"place": pl.int_range(STUDENTS, eager=True)})
    rows = students.join(pl.DataFrame({"Subject": SUBJECTS}), how="cross").with_columns(
        Student=pl.format("7{}", pl.col("place").cast(pl.String).str.zfill(7)),
        Teacher=pl.format("T{}", pl.col("place") // PER_CLASS),
    )
    rows.select("Student", "Teacher", "Subject", Weight=pl.lit(1)).write_csv(folder / "links.csv")
    name = pl.format("Name{}", pl.col("place") % 5_000).alias("Name")
    score = (400 + pl.col("place") % 100).alias("Score")
    rows.select("Student", name, "Subject", pl.lit("04").alias("Grade"), score).write_csv(folder / "scores.csv")


def answers(home: Home) -> list[list[tuple[object, ...]]]:
    """What the lake says to the questions."""
    tables = ("canonical.student_assessment", "canonical.reported_teacher_student_link")
    with Engine(home).connection(tables) as con:
        return [con.execute(question).fetchall() for question in QUESTIONS]


def rotated(root: Path) -> dict[str, float]:
    """Rotate the home below a folder; returns seconds and counts.

    Raises:
        SystemExit: an answer is another afterwards, or the warehouse does not hold what the lake holds.
    """
    os.environ["LE_KEY_FILE"] = str(root / "key")
    home = Home.at(root / "home")
    create_key_file(home)
    keys = load_keys(home)
    home.create()
    landed(home)
    for _ in line.ingest(home, keys, home.partitions()[0]):
        pass
    line.publish(home)
    before, old_keys = answers(home), some_keys(home)
    new = new_keys(root / "new", home)
    began = time.monotonic()
    counts = rotation.rotate(home, keys, new)
    seconds = time.monotonic() - began
    os.environ["LE_KEY_FILE"] = str(root / "new")
    if answers(home) != before or before[-1] != [(0,)]:
        raise SystemExit("the tables give other answers under the new key")
    if some_keys(home) & old_keys or not line.publish(home).is_current:
        raise SystemExit("an old key is left, or the warehouse is not that of the lake")
    expected = pseudonyms(pl.Series(["70000000"]), domain="student", issuer="LA", keys=load_keys(home)).item()
    with duckdb.connect(home.warehouse, read_only=True) as warehouse:
        question = "select count(*) from canonical.student_assessment where student_key = ?"
        if warehouse.execute(question, [expected]).fetchone() != (len(SUBJECTS),):
            raise SystemExit("the warehouse does not know a student by the new key")
    return {"seconds": seconds, **counts}


def some_keys(home: Home) -> set[str]:
    """Every student's key in the lake."""
    with Engine(home).connection(("canonical.student_assessment",)) as con:
        rows = con.execute("select distinct student_key from canonical.student_assessment").fetchall()
    return {key for (key,) in rows}


def rotation_and_rate(scratch: Path) -> Table:
    """The rotation in a process of its own, and ids keyed in a second, with what was promised.

    Raises:
        SystemExit: it failed, or a promise is not kept.
    """
    command = [sys.executable, "-m", "bench.rotation", str(scratch)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    said = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit("the rotation failed")
    found = json.loads(said.split(TOLD)[1])
    rate = keyed_in_a_second()
    table = Table("what", "keys", "rows", "seconds", "peak MB", "a second", "promised", title="another key")
    table.add_row(
        "rotation", f"{found['keys']:,}", f"{found['rows']:,}", f"{found['seconds']:.1f}",
        f"{usage.ru_maxrss / 1024:,.0f}", "", f"under {MOST_SECONDS} s",
    )  # fmt: skip
    table.add_row("HMAC-SHA-256", f"{IDS:,}", "", f"{IDS / rate:.1f}", "", f"{rate:,.0f}", f"{FEWEST_PER_SECOND:,}")
    if found["seconds"] > MOST_SECONDS or rate < FEWEST_PER_SECOND:
        raise SystemExit(f"a promise is not kept: {found['seconds']:.1f} s, {rate:,.0f} a second")
    return table


def keyed_in_a_second() -> float:
    """Ids that become pseudonyms in a second of processor time, which what else runs on the machine does not change."""
    ids = pl.select(pl.int_range(IDS).cast(pl.String).str.zfill(10)).to_series()
    keys, rates = Keys(bytes(range(32))), []
    for _ in range(3):
        began = time.process_time()
        made = pseudonyms(ids, domain="student", issuer="LA", keys=keys)
        rates.append(IDS / (time.process_time() - began))
    if made.n_unique() != IDS:
        raise SystemExit("two ids have one key")
    return max(rates)


if __name__ == "__main__":
    print(TOLD, json.dumps(rotated(Path(sys.argv[1]))))
