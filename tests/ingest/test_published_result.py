"""Results that Louisiana has published, in the workbooks as they were published (shared/data/ldoe_public)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from landed import Landed, account
from schemas import registry

DATA = Path(__file__).parents[3] / "shared" / "data" / "ldoe_public"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"Louisiana's public results are not at {DATA}")
PLACE = ["aggregation_level", "lea_id", "school_id"]
FIGURE = ["value", "lower", "upper", "mark"]


def landed_file(landed: Landed, name: str) -> pl.DataFrame:
    landed.file(name, (DATA / name).read_bytes())
    assert landed.run("published_result").held_by == {}
    return landed.lake.read(registry.feeds()["published_result"])


def figures(results: pl.DataFrame, **where: Any) -> list[tuple[Any, ...]]:
    conditions = [pl.col(column).eq_missing(pl.lit(value)) for column, value in where.items()]
    return results.filter(conditions).sort(PLACE).select(*PLACE, *FIGURE).rows()


def test_every_sheet_of_a_workbook_is_a_grade_and_every_cell_a_figure(landed: Landed) -> None:
    results = landed_file(landed, "2016_leap.xlsx")

    assert account(landed.delivery("2016_leap.xlsx#Grade 3")) == (1125, 1125, 0, 0, 0)
    assert results.group_by("grade").len().sort("grade").rows() == [(f"0{grade}", 1125) for grade in range(3, 9)]
    assert results["mark"].value_counts().sort("mark").rows() == [(None, 6387), ("NR", 45), ("≤1", 318)]
    assert set(results.select("assessment", "administration", "measure_unit").rows()) == {
        ("LEAP 3-8", "spring", "percent")
    }
    assert set(results["measure"]) == {"Advanced", "Mastery", "Basic", "Approaching Basic", "Unsatisfactory"}


def test_a_figure_keeps_what_stands_in_its_place_and_what_that_allows(landed: Landed) -> None:
    results = landed_file(landed, "2016_leap.xlsx")

    third = {"grade": "03", "subject": "ela"}
    assert figures(results, **third, measure="Mastery", aggregation_level="state") == [
        ("state", None, None, 34.0, 34.0, 34.0, None)
    ]
    assert figures(results, **third, measure="Advanced", lea_name="AVOYELLES PARISH") == [
        ("lea", "005", None, None, 0.0, 1.0, "≤1")
    ]
    assert figures(results, **third, measure="Basic", lea_id="RLA") == [("lea", "RLA", None, None, 0.0, 100.0, "NR")]


def test_state_districts_schools_and_groups_stand_side_by_side(landed: Landed) -> None:
    results = landed_file(landed, "2019_hs_leap.xlsx")

    # one school stands twice with the same figures
    assert account(landed.delivery("2019_hs_leap.xlsx")) == (425_733, 425_106, 0, 0, 627)
    assert results.group_by("aggregation_level").len().sort("len").rows() == [
        ("state", 19 * 33),
        ("lea", 1_311 * 33),
        ("school", 11_552 * 33),
    ]
    assert results["student_group"].n_unique() == 19
    everybody = {"aggregation_level": "state", "student_group": None, "assessment": "LEAP 2025 High School"}
    assert figures(results, **everybody, subject="english_1", measure="Advanced") == [
        ("state", None, None, 8.0, 8.0, 8.0, None)
    ]
    assert figures(results, **everybody, subject="algebra_1", measure="Advanced") == [
        ("state", None, None, None, 0.0, 5.0, "<5")
    ]
    assert figures(results, student_group=None, subject="biology", measure="Good", lea_id="009", school_id=None) == [
        ("lea", "009", None, 21.0, 21.0, 21.0, None)
    ]
    assert results.filter(mark=">95").select("lower", "upper").unique().rows() == [(95.0, 100.0)]


def test_a_web_page_that_calls_itself_a_workbook_is_refused_as_one(landed: Landed) -> None:
    landed.file("2018_leap.xlsx", (DATA / "2018_leap.xlsx").read_bytes())
    landed.run("published_result")
    delivery = landed.delivery("2018_leap.xlsx")
    assert delivery["delivery_status"] == "refused"
    assert "web page" in delivery["delivery_reason"]
