"""A state's rosters, ten million rows of students in sections: what it costs to link them to teachers.

The plan says who sits where, and who teaches there, in numbers of days; the lake's tables are written from it, and so,
by a count of days of its own, are the links that must come out. Two steps are timed together: claims and links.

Most sections have one teacher for the year and most students one section of a subject. Beside them stand teams (a
tenth), teachers replaced in the year, given percentages, aides, students who move in the middle of the year (a
twentieth), some in a second section of mathematics at the same time, courses of one semester, and classes of all
subjects, with and without a specialist.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from bench.scale import TOLD
from le_pipeline.home import Home
from le_pipeline.link.steps import STEPS
from le_pipeline.warehouse import ddl
from le_pipeline.warehouse.engine import Engine
from schemas import registry

CORE = ("ela", "mathematics", "science", "social_studies")
SUBJECTS = (*CORE, "reading", "writing", "us_history", "government")
MATHEMATICS, GOVERNMENT = SUBJECTS.index("mathematics"), SUBJECTS.index("government")
HOMEROOM, PULLED_OUT = 14, 15  # sections of a class are numbered like its subjects, and so are these two
NAMES = (*SUBJECTS, *[""] * (HOMEROOM - len(SUBJECTS)), "all_subjects", "mathematics")
STUDENTS = 1_300_000  # who make ten million rows of students in sections
OF_CLASS, OF_SCHOOL = 25, 20  # students in a class, classes in a school
YEAR, HALF = 280, 140  # days
FIRST_DAY = "date '2014-08-11'"
LINKS = [step for step in STEPS if step.table.name.startswith("teacher_student")]
KEY = "md5('{kind}' || {name})"


@dataclass(frozen=True)
class Plan:
    """Who sits where, and who teaches what there: numbers of students, sections, subjects, teachers and days."""

    stay: pl.DataFrame  # student, section, subject, first, last
    assignment: pl.DataFrame  # section, subject, teacher, first, last, share (of each piece of time), percent, position


def plan(students: int) -> Plan:
    """The plan of a state of so many students."""
    classes = pl.DataFrame({"class": pl.arange(students // OF_CLASS, eager=True)})
    kind = pl.DataFrame({"subject": pl.arange(len(SUBJECTS), eager=True)})
    school = pl.col("class") // OF_SCHOOL
    of_all = (school % 4 == 0) & (pl.col("subject") < len(CORE))
    specialist = (pl.col("subject") == MATHEMATICS) & (school % 8 == 0)
    lesson = classes.join(kind, how="cross").with_columns(
        section=pl.col("class") * 16 + pl.when(of_all & ~specialist).then(HOMEROOM).otherwise("subject"),
        last=pl.when((pl.col("subject") == GOVERNMENT) & (school % 2 == 1)).then(HALF).otherwise(YEAR),
    )
    extra = classes.filter(school % 4 != 0).select(
        "class", subject=pl.lit(MATHEMATICS, pl.Int64), section=pl.col("class") * 16 + PULLED_OUT, last=pl.lit(YEAR)
    )
    person = pl.DataFrame({"student": pl.arange(students, eager=True)}).with_columns(
        **{"class": pl.col("student") // OF_CLASS}, moves=pl.col("student") % 20 == 7
    )
    moved = person.filter("moves").with_columns(
        ((pl.col("class") + OF_SCHOOL) % classes.height).alias("class"), first=pl.lit(101), until=pl.lit(YEAR)
    )
    here = person.with_columns(first=pl.lit(1), until=pl.when("moves").then(100).otherwise(YEAR))
    stay = pl.concat(
        [
            pl.concat([here, moved]).join(lesson, on="class"),
            here.filter(pl.col("student") % 40 == 9).join(extra, on="class"),
        ],
        how="diagonal",
    ).select("student", "section", "subject", "first", last=pl.min_horizontal("until", "last"))
    stay = stay.filter(pl.col("first") <= pl.col("last"))
    return Plan(stay, _assignment(pl.concat([lesson, extra], how="diagonal")))


def _assignment(lesson: pl.DataFrame) -> pl.DataFrame:
    """One teacher to a section, but for teams, replacements, percentages and aides."""
    number = pl.col("section")
    main = (number // 16 // 5) * 16 + number % 16
    turn = number // 16
    lesson = lesson.with_columns(teacher=main, first=pl.lit(1), share=pl.lit(1.0))
    team, given, replaced = turn % 10 == 3, turn % 100 == 14, turn % 50 == 22
    other = pl.col("teacher") + 1_000_000_000
    alone = lesson.filter(~(team | given | replaced))
    pair = [
        lesson.filter(team).with_columns(share=0.5),
        lesson.filter(team).with_columns(other.alias("teacher"), share=0.5),
        lesson.filter(given).with_columns(share=0.7, percent=70.0),
        lesson.filter(given).with_columns(other.alias("teacher"), share=0.3, percent=30.0),
        lesson.filter(replaced).with_columns(last=pl.min_horizontal("last", HALF - 40)),
        lesson.filter(replaced).with_columns(other.alias("teacher"), first=HALF - 39),
    ]
    aide = lesson.filter(turn % 25 == 11).with_columns(
        other.alias("teacher"), share=pl.lit(None, pl.Float64), position=pl.lit("assistant")
    )
    found = pl.concat([alone, *pair, aide], how="diagonal")
    return found.with_columns(pl.col("position").fill_null("teacher_of_record"))


def expected(told: Plan) -> pl.DataFrame:
    """The links that must come out: student, teacher, subject, weight (none: no share), claim."""
    together = told.stay.lazy().join(told.assignment.lazy(), on=["section", "subject"], suffix="_taught")
    days = 1 + pl.min_horizontal("last", "last_taught") - pl.max_horizontal("first", "first_taught")
    return (
        together.with_columns(days=days)
        .filter(pl.col("days") > 0)
        .group_by("student", "teacher", "subject")
        .agg(weight=(pl.col("days") * pl.col("share") / YEAR).sum(), has_share=pl.col("share").is_not_null().any())
        .with_columns(claim=pl.col("weight").sum().over("student", "subject"))
        .with_columns(weight=pl.when("has_share").then(pl.col("weight") / pl.max_horizontal("claim", 1.0)))
        .collect()
    )


def make(root: str, students: str) -> None:
    """Write the canonical tables, and beside them the links that must come out."""
    told = plan(int(students))
    expected(told).write_parquet(Path(root) / "expected.parquet")
    con = duckdb.connect()
    for name, frame in (("stay", told.stay), ("assignment", told.assignment)):
        frame.write_parquet(Path(root) / f"{name}.parquet")
        con.execute(f"create view {name} as from '{root}/{name}.parquet'")
    section, student, teacher = (KEY.format(kind=name[0], name=name) for name in ("section", "student", "teacher"))
    starts, ends = (f"{FIRST_DAY} + cast({name} - 1 as integer)" for name in ("first", "last"))
    names = ", ".join(f"'{name}'" for name in NAMES)
    school = f"section // 16 // {OF_SCHOOL}"
    _write(
        con, root, "section",
        f"select distinct {section} as section_key, cast({school} as varchar) as school_id,"
        f" cast({school} // 20 as varchar) as lea_id, [{names}][section % 16 + 1] as subject,"
        f" {FIRST_DAY} as term_begin_date, {FIRST_DAY} + cast(max(last) over (partition by section) - 1 as integer)"
        f" as term_end_date, {FIRST_DAY} as year_begin_date, {FIRST_DAY} + {YEAR - 1} as year_end_date from assignment",
    )  # fmt: skip
    _write(
        con, root, "student_section_association",
        f"select distinct {student} as student_key, {section} as section_key,"
        f" case when first > 1 or student % 2 = 0 then {starts} end as begin_date,"
        f" case when last not in ({YEAR}, {HALF}) then {ends} end as end_date from stay",
    )  # fmt: skip
    _write(
        con, root, "staff_section_association",
        f"select distinct {teacher} as staff_key, {section} as section_key, position, percent as contribution_percent,"
        f" case when first > 1 then {starts} end as begin_date,"
        f" case when last not in ({YEAR}, {HALF}) then {ends} end as end_date from assignment",
    )  # fmt: skip


def _write(con: duckdb.DuckDBPyConnection, root: str, name: str, rows: str) -> None:
    """Write a canonical table: what the rows do not say is empty."""
    table = registry.tables()[name]
    said = {column for column, *_ in con.execute(f"describe ({rows})").fetchall()}
    common = {"state": "'LA'", "school_year": "2015", "delivery_id": "'made up'", "source_row": "1"}
    columns = ", ".join(
        f"cast({c.name if c.name in said else common.get(c.name, 'null')} as {ddl.sql_type(c)}) as {c.name}"
        for c in table.columns
    )
    target = Engine(Home.at(root)).lake.part(table, "landed_2015", "LA", 2015)
    target.parent.mkdir(parents=True)
    con.execute(f"copy (select {columns} from ({rows})) to '{target}' (format parquet, compression zstd)")


def link(root: str) -> None:
    """Claims and links, through the engine."""
    engine = Engine(Home.at(root))
    for step in LINKS:
        engine.run(step)


def check(root: Path) -> int:
    """Rows of students in sections, once every link has been held against the one that was expected.

    Raises:
        SystemExit: a link is missing, is not expected, or has another weight or flag.
    """
    engine = Engine(Home.at(root))
    names = ("linked.teacher_student_link", "canonical.student_section_association")
    subject = f"[{', '.join(repr(name) for name in SUBJECTS)}][e.subject + 1]"
    with engine.connection(names) as con:
        con.execute("set enable_progress_bar = false")
        wrong, links, weight, planned = (
            con.execute(f"""
            select
                count(*) filter (l.student_key is null or e.student is null
                    or abs(l.weight - coalesce(e.weight, 0)) > 1e-9
                    or l.is_under_claimed <> (e.claim < 1 - 1e-9) or l.is_over_claimed <> (e.claim > 1 + 1e-9)
                    or (l.excluded_reason is null) <> e.has_share),
                count(l.student_key), sum(l.weight), sum(e.weight)
            from linked.teacher_student_link as l
            full join '{root}/expected.parquet' as e
                on l.student_key = {KEY.format(kind="s", name="e.student")}
                and l.staff_key = {KEY.format(kind="t", name="e.teacher")} and l.subject = {subject}
            """).fetchone()
            or (None,) * 4
        )
        if wrong or not links or abs(weight - planned) > 1e-3:
            raise SystemExit(f"{wrong} of {links} links are not those of the plan; weights {weight}, not {planned}")
        (rows,) = con.execute("select count(*) from canonical.student_section_association").fetchone() or (0,)
    return int(rows)


WORKS: dict[str, Callable[..., None]] = {"make": make, "link": link}

if __name__ == "__main__":
    began, used = time.monotonic(), time.process_time()
    WORKS[sys.argv[1]](*sys.argv[2:])
    print(TOLD, time.monotonic() - began, time.process_time() - used)
