"""`le vault` and `le audit`, as a steward uses them: for a purpose, on a terminal, put on record before anything."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from landed import LA_2016, Landed, scores, students
from le_pipeline.cli import app
from le_pipeline.errors import DestructionError, HandoutError, PurposeError, VaultError
from le_pipeline.home import Home
from le_pipeline.ingest import mending
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms
from privacy.test_vault import declare

PURPOSE = ["--purpose", "a parent asked to see the record"]


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    made = Landed(home, keys).layout()
    made.file("scores.csv", scores("7000001,Quillfeather,02/03/2006,04,1,500", *students(3), "8,Zebulon,x,4B,1,5"))
    made.run()
    return made


def key_of(id_: str, keys: Keys) -> str:
    import polars as pl

    return str(pseudonyms(pl.Series([id_]), domain="student", issuer="LA", keys=keys).item())


def le(home: Home, *words: str) -> str:
    """What `le` says; whatever it raises is raised here."""
    result = CliRunner().invoke(app, [*words, "--home", str(home.root)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def entries(home: Home) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home.vault / "audit.jsonl").read_text().splitlines()]


def on_a_terminal(home: Home, *words: str) -> tuple[int, str]:
    """Run `le` on a terminal of its own."""
    script = "from le_pipeline.cli import main; main()"
    command = [sys.executable, "-c", script, *words, "--home", str(home.root)]
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200", "TERM": "dumb"}
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:
            break
        if not part:
            break
        said += part
    return process.wait(), said.decode()


def test_who_is_behind_a_key_is_shown_on_a_terminal_and_logged_with_its_purpose(landed: Landed) -> None:
    key = key_of("7000001", landed.keys)
    code, said = on_a_terminal(landed.home, "vault", "show", key, *PURPOSE)
    assert code == 0, said
    assert "Quillfeather" in said and "7000001" in said and "2006-02-03" in said
    last = entries(landed.home)[-1]
    assert (last["what"], last["purpose"], last["keys"]) == ("vault show", "a parent asked to see the record", [key])
    assert "Quillfeather" not in json.dumps(entries(landed.home))


def test_names_do_not_go_into_a_file_or_another_program(landed: Landed) -> None:
    with pytest.raises(HandoutError, match="on a terminal only"):
        le(landed.home, "vault", "show", key_of("7000001", landed.keys), *PURPOSE)
    assert [entry["what"] for entry in entries(landed.home)] == ["data key made"]


def test_a_key_that_the_vault_does_not_have_is_told(landed: Landed, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = on_a_terminal(landed.home, "vault", "show", "0" * 32, *PURPOSE)
    assert code == 1 and "the vault does not have" in " ".join(said.split())
    code, said = on_a_terminal(landed.home, "vault", "show", "Quillfeather", *PURPOSE)
    assert code == 1 and "number 1 is no key" in said and "Quillfeather" not in said


@pytest.mark.parametrize("words", [("show", "0" * 32), ("agreements",), ("destroy", "first")])
@pytest.mark.parametrize("purpose", ["", " ", "because"])
def test_nothing_is_done_without_a_purpose(landed: Landed, words: tuple[str, ...], purpose: str) -> None:
    declare(landed.home, "first", "2016, 2016")
    before = entries(landed.home)
    with pytest.raises(PurposeError):
        le(landed.home, "vault", *words, "--purpose", purpose)
    missing = CliRunner().invoke(app, ["vault", *words, "--home", str(landed.home.root)])
    assert missing.exit_code == 2 and "--purpose" in missing.output
    assert entries(landed.home) == before


def test_agreements_are_told_with_what_is_held_under_them(landed: Landed) -> None:
    declare(landed.home, "first", "2016, 2016")
    le(landed.home, "run")
    said = le(landed.home, "vault", "agreements", *PURPOSE)
    assert "first LA 2016-2016 2030-06-30 kept" in said
    assert "undeclared" in said
    assert "every landing folder is covered" in le(landed.home, "status")


def test_status_names_what_no_agreement_covers_and_what_is_due(landed: Landed) -> None:
    assert f"none covers {LA_2016}" in le(landed.home, "status")
    declare(landed.home, "first", "2016, 2016")
    path = landed.home.agreements / "first.yaml"
    path.write_text(path.read_text().replace("2030-06-30", "2013-06-30"))
    assert "to be destroyed by the next `le run`: first" in le(landed.home, "status")


@pytest.mark.slow
def test_an_agreement_is_destroyed_with_a_certificate(landed: Landed) -> None:
    declare(landed.home, "first", "2016, 2016")
    said = le(landed.home, "vault", "destroy", "first", *PURPOSE)
    (path,) = landed.home.certificates.glob("*.json")
    assert path.name in said
    assert json.loads(path.read_text())["purpose"] == "a parent asked to see the record"
    assert "2030-06-30 destroyed 0 0 0" in le(landed.home, "vault", "agreements", *PURPOSE)
    with pytest.raises(DestructionError):
        le(landed.home, "vault", "destroy", "first", *PURPOSE)
    with pytest.raises(VaultError):
        le_terminal_show(landed)
    assert "hold together" in le(landed.home, "audit", "verify")


def le_terminal_show(landed: Landed) -> None:
    from le_pipeline import stewardship

    key = key_of("7000001", landed.keys)
    stewardship.behind(landed.home, landed.keys, [key], "see whether it is gone", is_terminal=True)


def test_the_log_is_verified_and_its_head_compared(landed: Landed) -> None:
    said = le(landed.home, "audit", "verify")
    head = str(entries(landed.home)[-1]["hash"])
    assert "1 entries hold together" in said and head in said
    le(landed.home, "vault", "agreements", *PURPOSE)
    assert "2 entries" in le(landed.home, "audit", "verify", "--head", head)
    other = CliRunner().invoke(app, ["audit", "verify", "--head", "f" * 64, "--home", str(landed.home.root)])
    assert other.exit_code == 1


def test_an_entry_is_written_before_names_leave_the_vault(
    landed: Landed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []

    def stop(*_: object, **__: object) -> None:
        seen.extend(entry["what"] for entry in entries(landed.home))
        raise InterruptedError

    monkeypatch.setattr(mending.xlsxwriter, "Workbook", stop)
    with pytest.raises(InterruptedError):
        le(landed.home, "quarantine", "export", str(tmp_path / "mend.xlsx"))
    assert seen[-1] == "quarantine export"


def test_a_log_that_was_tampered_with_lets_nothing_leave(
    landed: Landed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = landed.home.vault / "audit.jsonl"
    log.write_text(log.read_text() * 2)
    for words in (("quarantine", "export", str(tmp_path / "mend.xlsx")), ("vault", "agreements", *PURPOSE)):
        result = CliRunner().invoke(app, [*words, "--home", str(landed.home.root)])
        assert "le audit verify" in str(result.exception)
    assert not (tmp_path / "mend.xlsx").exists() or not (tmp_path / "mend.xlsx").stat().st_size
