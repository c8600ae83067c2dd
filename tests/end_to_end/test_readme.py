"""Every query, command and layout in the README works as it stands there, and so does docs/warehouse.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from end_to_end.conftest import SampleRun
from le_pipeline.cli import app
from le_pipeline.warehouse import reader
from schemas.agreement import load_agreements
from schemas.layout import load_layout
from schemas.warehouse import load_profile

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
WAREHOUSE = (ROOT / "docs" / "warehouse.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("query", blocks("sql"))
def test_every_query_has_an_answer(sample_run: SampleRun, query: str) -> None:
    with reader.connect(sample_run.home) as warehouse:
        answer = warehouse.execute(query).fetchall()

    assert answer
    assert any(value is not None for value in answer[0])


@pytest.mark.parametrize("text", [README, WAREHOUSE], ids=["README.md", "docs/warehouse.md"])
def test_the_python_that_opens_the_warehouse_runs(
    sample_run: SampleRun,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str,
) -> None:
    (tmp_path / "le_home").symlink_to(sample_run.home.root)
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python", text)

    exec(compile(code, "README.md", "exec"), {})  # noqa: S102

    assert "n_fellows" in capsys.readouterr().out


def test_every_command_exists() -> None:
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    known = set(get_command(app).commands)  # type: ignore[attr-defined]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    for program, word, *_ in map(shlex.split, filter(None, lines)):
        assert word in (targets if program == "make" else known), (program, word)


def test_the_layout_is_one(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("yaml") if block.startswith("layout:")]
    (tmp_path / "district_scores.yaml").write_text(text, encoding="utf-8")

    assert load_layout(tmp_path / "district_scores.yaml").feed == "student_assessment"


def test_the_agreement_is_one(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("yaml") if "agreement: la_study" in block]
    (tmp_path / "la_study.yaml").write_text(text, encoding="utf-8")

    assert load_agreements(tmp_path)["la_study"].covers.has("LA", 2016)


def test_the_profile_in_the_documentation_is_one(tmp_path: Path) -> None:
    (text,) = blocks("yaml", WAREHOUSE)
    (tmp_path / "warehouse.yaml").write_text(text, encoding="utf-8")

    assert load_profile(tmp_path / "warehouse.yaml").leave_out == {"student", "staff"}


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "docs/warehouse.md"])
def test_every_link_leads_somewhere(name: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        assert ((ROOT / name).parent / target).exists(), target
