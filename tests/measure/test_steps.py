"""What holds for every table of link and measure: it is portable, repeatable and never breaks for want of rows."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest
import sqlglot
from sqlglot import exp

from delivered import delivery
from le_pipeline.errors import StepError
from le_pipeline.home import Home
from le_pipeline.line import STEPS
from le_pipeline.warehouse.contract import violations
from le_pipeline.warehouse.engine import Step
from le_pipeline.warehouse.lake import polars_schema
from scenario import Scenario
from steps import STEP

NOT_PORTABLE = (
    "quantile_cont",
    "percentile_cont",
    "unpivot",
    "union by name",
    "asof",
    "strip_accents",
    "list(",
    "unnest",
)

every_step = pytest.mark.parametrize("step", STEPS, ids=lambda step: step.table.name)


@every_step
def test_the_sql_is_carried_over_to_spark_without_anything_unsupported(step: Step) -> None:
    (spark,) = sqlglot.transpile(step.sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE)

    assert (
        sqlglot.parse_one(spark, dialect="spark").named_selects
        == sqlglot.parse_one(step.sql, dialect="duckdb").named_selects
    )
    assert [word for word in NOT_PORTABLE if word in step.sql.lower()] == []


@every_step
def test_the_sql_has_nothing_that_spark_refuses_only_when_it_runs(step: Step) -> None:
    parsed = sqlglot.parse_one(step.sql, dialect="duckdb")

    assert not [having for having in parsed.find_all(exp.Having) if "GROUPING(" in having.sql()]
    assert not [window for window in parsed.find_all(exp.Window) if isinstance(window.this, exp.Filter)]


def test_on_an_empty_lake_every_table_is_empty_with_its_columns(tmp_path: Path) -> None:
    lake = Scenario(tmp_path / "home")

    found = {step.table: lake.run(step) for step in STEPS}

    assert {table.name: dict(frame.schema) for table, frame in found.items()} == {
        step.table.name: polars_schema(step.table) for step in STEPS
    }
    # a public claim is a row whatever there is to support it
    assert sum(frame.height for table, frame in found.items() if table.name != "evidence_claim") == 0


def test_every_table_keeps_its_contract_is_current_after_a_run_and_the_same_in_a_fresh_one(tmp_path: Path) -> None:
    first, second = (_small_state(Scenario(tmp_path / name)) for name in ("first", "second"))

    for step in STEPS:
        made = first.run(step)
        assert made.height > 0, step.table.name
        assert not any(violations(first.engine, step.table).values()), step.table.name
        assert first.engine.run(step).is_current, step.table.name
        assert made.equals(second.run(step)), step.table.name
    assert all(first.engine.is_current(step) for step in STEPS)


def _small_state(lake: Scenario) -> Scenario:
    """Three years of 400 students and 40 teachers, of whom each fifth is a fellow; the optional is asked for."""
    lake.home.evaluation_settings.write_text("student_growth_percentiles: true\n", encoding="utf-8")
    random = np.random.default_rng(1)
    years, schools, subjects = (2014, 2015, 2016), 6, ("ela", "mathematics")
    teachers, students = [f"t{i}x" for i in range(40)], [f"a{i}x" for i in range(400)]
    level = {True: {"level_order": 4, "proficient": "yes"}, False: {"level_order": 2, "proficient": "no"}}
    lake.write(
        "school",
        *(
            {"school_id": f"{i}", "lea_id": f"l{i % 2}", "frpl_share": i / 6, "school_year": year}
            for i in range(schools)
            for year in years
        ),
    )
    lake.write(
        "staff_assignment",
        *(
            {"staff_key": name, "email_key": f"{name}@", "school_id": f"{random.integers(3) + i % 3}"}
            | {"school_year": year, "position": "teacher", "is_teacher": "yes", "fte": 1.0}
            for year in years
            for i, name in enumerate(teachers)
            if random.random() < 0.9
        ),
    )
    lake.write(
        "section",
        *(
            {"section_key": f"s{i}{subject}", "subject": subject, "school_id": f"{i % schools}", "school_year": year}
            | {"term_begin_date": date(year - 1, 8, 10), "term_end_date": date(year, 5, 20)}
            for i in range(20)
            for subject in subjects
            for year in years
        ),
    )
    lake.write(
        "staff_section_association",
        *(
            {"staff_key": f"t{(i * 2 + extra) % 40}x", "section_key": f"s{i}{subject}", "school_year": year}
            | {"position": "teacher_of_record", "begin_date": date(year - 1, 8 + 2 * extra, 1)}
            for i in range(20)
            for subject in subjects
            for year in years
            for extra in range(1 + i % 3)
        ),
    )
    lake.write(
        "student_section_association",
        *(
            {"student_key": name, "section_key": f"s{(i + year) % 20}{subject}", "school_year": year}
            for i, name in enumerate(students)
            for subject in subjects
            for year in years
        ),
    )
    lake.write(
        "student_assessment",
        *(
            {
                "student_key": name,
                "assessment": "LEAP",
                "subject": subject,
                "school_year": year,
                "grade": "04" if i % 4 else "03",
            }
            | {"administration": "spring", "attempt": 1, "school_id": f"{i % schools}"}
            | {"scale_score": float(random.normal(700, 33)), "sex": ("female", "male")[i % 2]}
            | {"race_ethnicity": ("white", "asian", "hispanic_or_latino")[i % 3]}
            | level[bool(random.random() < 0.2 + 0.1 * (year - 2014))]
            for i, name in enumerate(students)
            for subject in subjects
            for year in years
        ),
    )
    lake.write("delivery", delivery())
    lake.write("applicant", {"staff_key": "unknown", "applied_year": 2016, "decision": "selected"})
    fellows = teachers[::5]
    lake.write(
        "fellowship",
        *(
            {"staff_key": name, "cohort": "1", "region": "North", "begin_date": date(2014, 8, 1), "source_row": row}
            for row, name in enumerate(fellows, 2)
        ),
    )
    lake.write(
        "mentorship",
        *(
            {"fellow_staff_key": name, "mentee_email_key": f"{mentee}@", "source_row": row}
            for row, (name, mentee) in enumerate(zip(fellows, teachers[1::5], strict=True), 2)
        ),
    )
    return lake


def test_what_fails_inside_an_estimator_is_told_by_its_kind_and_not_by_its_value(tmp_path: Path) -> None:
    def fails(_: Home, con: duckdb.DuckDBPyConnection, __: pl.DataFrame) -> pl.DataFrame:
        return con.sql("select cast('Ann Example' as integer)").pl()

    step = replace(STEP["teacher_effectiveness"], estimate=fails)

    with pytest.raises(StepError, match=r"teacher_effectiveness failed \(ConversionException\)") as told:
        Scenario(tmp_path / "home").run(step)
    assert "Ann" not in "".join(traceback.format_exception(told.value))
