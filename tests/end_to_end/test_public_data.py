"""The SGPdata demonstration data (Center for Assessment, GPL-3), read through two layouts that a user might write.

The expected figures are counts over the published tables, made outside this project.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest

from le_pipeline import line
from le_pipeline.home import Home
from le_pipeline.ingest.partition import FeedReport
from le_pipeline.privacy.keys import create_key_file, load_keys
from le_pipeline.warehouse.contract import notices
from le_pipeline.warehouse.engine import Engine
from schemas import registry

DATA = Path(__file__).parents[3] / "shared" / "data" / "sgpdata"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason=f"the SGPdata tables are not at {DATA}"),
]

SCORES = """
layout: sgp_scores
feed: student_assessment
issuer: "*"
about: Demonstration scores, one row per student, subject and school year
recognise: {columns: [ID, CONTENT_AREA, YEAR, GRADE, SCALE_SCORE, ACHIEVEMENT_LEVEL]}
read: {format: delimited}
fill:
  student_id: ID
  last_name: LAST_NAME
  first_name: FIRST_NAME
  school_year: YEAR
  administration: {value: spring}
  subject: {from: CONTENT_AREA, map: {MATHEMATICS: mathematics, READING: reading}}
  grade: GRADE
  scale_score: SCALE_SCORE
  performance_level: ACHIEVEMENT_LEVEL
  school_id: SCHOOL_NUMBER
  lea_id: DISTRICT_NUMBER
  economically_disadvantaged:
    from: FREE_REDUCED_LUNCH_STATUS
    map: {"Free Reduced Lunch: Yes": "yes", "Free Reduced Lunch: No": "no"}
levels: {order: [Unsatisfactory, Partially Proficient, Proficient, Advanced], proficient_from: Proficient}
exclude:
  no_score: {ACHIEVEMENT_LEVEL: No Score}
"""
LINKS = """
layout: sgp_links
feed: teacher_student_link
issuer: "*"
about: Demonstration links of students to instructors, with weights
recognise: {columns: [ID, CONTENT_AREA, YEAR, INSTRUCTOR_NUMBER, INSTRUCTOR_WEIGHT]}
read: {format: delimited}
fill:
  student_id: ID
  staff_id: INSTRUCTOR_NUMBER
  last_name: INSTRUCTOR_LAST_NAME
  first_name: INSTRUCTOR_FIRST_NAME
  school_year: YEAR
  subject: {from: CONTENT_AREA, map: {MATHEMATICS: mathematics, READING: reading}}
  weight: INSTRUCTOR_WEIGHT
  enrolled:
    from: INSTRUCTOR_ENROLLMENT_STATUS
    map: {"Enrolled Instructor: Yes": "yes", "Enrolled Instructor: No": "no"}
"""
PRESENT_NEXT_YEAR = {2021: 0.9229, 2022: 0.9213, 2023: 0.9396, 2024: 0.9105}
PROFICIENT_2025 = {"mathematics": (0.690035, 0.403473), "reading": (0.846508, 0.549850)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("public")
    made = Home.at(root / "home")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LE_KEY_FILE", str(root / "key"))
        create_key_file(made)
        made.create()
        landing = made.landing / "CO" / "2025"
        landing.mkdir(parents=True)
        for table in ("student_scores", "student_instructors"):
            pl.read_parquet(DATA / f"{table}.parquet").write_csv(landing / f"{table}.csv")
        (made.layouts / "sgp_scores.yaml").write_text(SCORES)
        (made.layouts / "sgp_links.yaml").write_text(LINKS)
        reports = list(line.run(made, load_keys(made), made.partitions()))
    assert not [report for report in reports if isinstance(report, line.Refused)]
    assert all(report.is_replaced for report in reports if isinstance(report, FeedReport))
    return made


@pytest.fixture
def warehouse(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(home.warehouse, read_only=True) as con:
        yield con


def test_every_row_is_read_and_accounted_for(warehouse: duckdb.DuckDBPyConnection) -> None:
    files = warehouse.execute("""
        select feed, rows_read, rows_accepted, rows_quarantined, rows_excluded, rows_duplicate, excluded_by_reason
        from canonical.delivery order by feed""").fetchall()

    assert files == [
        ("student_assessment", 368_301, 366_195, 0, 2_106, 0, '{"no_score": 2106}'),
        ("teacher_student_link", 496_688, 496_688, 0, 0, 0, "{}"),
    ]


def test_weights_sum_to_one_in_every_student_subject_and_year(warehouse: duckdb.DuckDBPyConnection) -> None:
    summed = warehouse.execute("""
        select count(*), count_if(abs(weight - 1) < 1e-9) from (
            select sum(weight) as weight from linked.teacher_student_link
            group by student_key, subject, school_year)""").fetchone()

    assert summed == (368_301, 368_301)


def test_links_without_enrolment_status_are_kept_and_reported(warehouse: duckdb.DuckDBPyConnection, home: Home) -> None:
    links = warehouse.execute("select count(*), count_if(enrolled is null) from linked.teacher_student_link").fetchone()

    assert links == (496_688, 1_701)
    assert notices(Engine(home), registry.tables()["teacher_student_link"]) == {
        "without_enrollment_status": 1_701,
        "under_claimed": 0,
        "over_claimed": 0,
        "disputed": 0,
        "removed_by_verification": 0,
        "excluded": 0,
    }


@pytest.mark.parametrize("subject", PROFICIENT_2025)
def test_share_proficient_by_meal_status(warehouse: duckdb.DuckDBPyConnection, subject: str) -> None:
    shares = warehouse.execute(
        """select proficient_share_a, proficient_share_b from marts.achievement_gap
        where state = 'CO' and region = 'all' and role = 'all' and school_year = 2025 and grade_band = 'all'
          and subgroup = 'economically_disadvantaged' and subject = ?""",
        [subject],
    ).fetchall()

    assert shares == [pytest.approx(PROFICIENT_2025[subject], abs=5e-7)]


def test_instructors_present_the_next_year(warehouse: duckdb.DuckDBPyConnection) -> None:
    present = warehouse.execute("""
        select school_year, retention_share from marts.teacher_retention
        where state = 'CO' and definition = 'strict' and level = 'state' and role = 'all' and region = 'all'
          and cohort = 'all' and poverty_band = 'all'""").fetchall()

    assert dict(present) == pytest.approx(PRESENT_NEXT_YEAR | {2025: None}, abs=5e-5)
