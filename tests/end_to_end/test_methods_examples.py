"""The Python and the plan in docs/methods.md work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from end_to_end.conftest import SampleRun
from schemas.analysis_plan import load_plan

METHODS = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")


def block(language: str, holds: str) -> str:
    return next(text for text in re.findall(rf"```{language}\n(.*?)```", METHODS, re.DOTALL) if holds in text)


def test_the_estimator_is_called_as_the_methods_say(
    sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "le_home").symlink_to(sample_run.home.root)
    monkeypatch.chdir(tmp_path)

    exec(compile(block("python", "least_squares"), "docs/methods.md", "exec"), {})  # noqa: S102

    *_, p_value = capsys.readouterr().out.split()
    assert 0 < float(p_value) < 1


def test_a_plan_of_ones_own_adds_to_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "analysis_plan.yaml").write_text(block("yaml", "specifications:"))
    shipped, own = load_plan(tmp_path / "none.yaml"), load_plan(tmp_path / "analysis_plan.yaml")

    assert set(own.specifications) - set(shipped.specifications) == {"prior_score_only"}
