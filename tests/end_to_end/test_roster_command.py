"""Rosters go to a school with names, come back corrected, and win over what the rosters of the year say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import fastexcel
import polars as pl
import pytest
import xlsxwriter
from typer.testing import CliRunner

from end_to_end.conftest import SampleRun
from le_pipeline import line
from le_pipeline.cli import app
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.warehouse.engine import Engine
from le_pipeline.warehouse.lake import Lake
from schemas import registry
from steps import STEP

LA_2016 = Partition("LA", 2016)
LEA = "036"
Rows = list[dict[str, str | None]]


@pytest.fixture
def home(sample_run: SampleRun, tmp_path: Path) -> Home:
    return sample_run.copy(tmp_path / "home")


def export(home: Home, target: Path) -> str:
    words = ["roster", "export", "--lea", LEA, "--state", "LA", "--year", "2016", "--out", str(target)]
    result = CliRunner().invoke(app, [*words, "--home", str(home.root)], catch_exceptions=False)
    return " ".join(result.output.split())


def correct(source: Path, target: Path, change: Callable[[Rows], Rows]) -> None:
    """Save the workbook anew with the rows of its first school changed."""
    book = fastexcel.read_excel(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(target) as out:
        for name in book.sheet_names:
            frame = book.load_sheet(name, dtypes="string").to_polars()
            rows = frame.rows(named=True)
            sheet = out.add_worksheet(name)
            sheet.write_row(0, 0, frame.columns)
            for place, row in enumerate(change(rows) if name.startswith("1 ") else rows, start=1):
                sheet.write_row(place, 0, [row[column] or "" for column in frame.columns])


def key(keys: Keys, id_: str | None, domain: str) -> str:
    return str(pseudonyms(pl.Series([id_]), domain=domain, issuer="LA", keys=keys)[0])


@pytest.mark.slow
def test_a_corrected_roster_wins_over_the_rosters_of_the_year(home: Home, sample_keys: Keys, tmp_path: Path) -> None:
    said = export(home, tmp_path / "roster.xlsx")
    assert re.search(r"[\d,]+ links of 4 schools are in .*roster\.xlsx", said)
    noted: dict[str, dict[str, str | None]] = {}

    def change(rows: Rows) -> Rows:
        first = rows[0]["Teacher ID"], rows[0]["Subject"]
        mine = [row for row in rows if (row["Teacher ID"], row["Subject"]) == first]
        taught = {row["Student ID"] for row in mine}
        another = next(row for row in rows if row["Student ID"] not in taught)
        changed, gone = mine[0], mine[1]
        added = changed | {"Student ID": another["Student ID"], "Share percent": "25"}
        noted.update(changed=changed, gone=gone, added=added)
        changed["Share percent"] = "40%"
        return [*(row for row in rows if row is not gone), added]

    correct(tmp_path / "roster.xlsx", home.landing / "LA/2016/verified/roster_036.xlsx", change)
    for report in line.ingest(home, sample_keys, LA_2016):
        assert not isinstance(report, line.Refused)
        assert not report.held_by
    engine = Engine(home)
    engine.run(STEP["teacher_student_claim"])
    engine.run(STEP["teacher_student_link"])

    lake = Lake(home.lake)
    reported = lake.read(registry.tables()["reported_teacher_student_link"])
    assert set(reported["link_source"]) == {"verified"}
    links = lake.read(registry.tables()["teacher_student_link"])
    found = {}
    for what, row in noted.items():
        of_pair = links.filter(
            student_key=key(sample_keys, row["Student ID"], "student"),
            staff_key=key(sample_keys, row["Teacher ID"], "staff"),
            subject=registry.word(row["Subject"] or ""),
            school_year=2016,
        )
        found[what] = of_pair.select("source", "raw_weight", "excluded_reason").rows()
    assert found["changed"] == [("verified", 0.4, None)]
    assert found["added"] == [("verified", 0.25, None)]
    assert [reason for *_, reason in found["gone"]] == ["removed_by_verification"]
    others = links.filter(pl.col("source") == "roster", pl.col("school_year") == 2016, pl.col("state") == "LA")
    assert others.height > 0


@pytest.mark.slow
def test_a_sheet_that_comes_back_as_it_went_changes_no_weight(home: Home, sample_keys: Keys, tmp_path: Path) -> None:
    before = Lake(home.lake).read(registry.tables()["teacher_student_link"])
    export(home, tmp_path / "roster.xlsx")
    correct(tmp_path / "roster.xlsx", home.landing / "LA/2016/roster_036.xlsx", lambda rows: rows)
    list(line.ingest(home, sample_keys, LA_2016))
    Engine(home).run(STEP["teacher_student_claim"])
    Engine(home).run(STEP["teacher_student_link"])

    after = Lake(home.lake).read(registry.tables()["teacher_student_link"])
    counted = before.filter(pl.col("excluded_reason").is_null())
    both = counted.join(after, on=registry.tables()["teacher_student_link"].key, suffix="_now")
    assert after.filter(pl.col("source") == "verified").height > 1000
    assert both.height == counted.height
    moved = (pl.col("weight") - pl.col("weight_now")).abs()
    assert both.filter(moved > 0.0003).height == 0  # percentages have two decimals
