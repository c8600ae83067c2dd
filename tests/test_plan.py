"""`le plan`: what is declared, since when, and what it is exploratory for."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from le_pipeline.cli import app
from le_pipeline.home import Home
from le_pipeline.measure.plan_ledger import PlanLedger

OWN = "specifications:\n  mine:\n    about: My own\n    design: school\n"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    place = Home.at(tmp_path / "home")
    place.create()
    return place


def plan(home: Home, *options: str) -> str:
    result = CliRunner().invoke(app, ["plan", "--home", str(home.root), *options])
    assert result.exit_code == 0
    return result.output


def block(told: str, name: str) -> str:
    lines = told.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith(f"{name}  ("))
    return lines[place + 1]


def test_before_anything_is_declared_the_plan_says_so(home: Home) -> None:
    assert "not declared yet: planned" in block(plan(home), "all_teachers")


def test_what_is_put_on_record_before_estimates_is_planned_and_what_comes_after_is_exploratory(home: Home) -> None:
    assert "on record now: all_teachers" in plan(home, "--declare")
    PlanLedger(home).estimated([("LA", 2014), ("LA", 2015), ("MO", 2015)])
    home.analysis_plan.write_text(OWN)

    told = plan(home, "--declare")

    assert told.startswith("on record now: mine\n")
    assert block(told, "all_teachers").endswith(": planned")
    assert block(told, "mine").endswith(": exploratory for LA 2014-2015, MO 2015")
    assert PlanLedger(home).head in told


def test_what_was_declared_once_and_is_gone_is_listed(home: Home) -> None:
    home.analysis_plan.write_text(OWN)
    plan(home, "--declare")
    home.analysis_plan.unlink()

    told = plan(home)

    assert "no longer in the plan:\n  mine  " in told
