"""Quarantined rows go to a steward and come back mended, without anything being sent again."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import fastexcel
import polars as pl
import pytest
import xlsxwriter
from typer.testing import CliRunner

from landed import SCORES, Landed, account, scores, students
from le_pipeline.cli import app
from le_pipeline.errors import HandoutError, MendingError
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys

BROKEN = ["8000001,Zebulon,02/03/2006,4B,1,500", "8000002,Zebulon,02/03/2006,04,1,9000"]


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    made = Landed(home, keys).layout()
    made.file("scores.csv", scores(*students(10), *BROKEN))
    made.run()
    return made


def le(landed: Landed, *words: str) -> str:
    """What a `le quarantine` command says; whatever it raises is raised here."""
    result = CliRunner().invoke(app, ["quarantine", *words, "--home", str(landed.home.root)], catch_exceptions=False)
    return " ".join(result.output.split())


def mend(source: Path, target: Path, changes: dict[tuple[str, str], str]) -> None:
    """Write the exported workbook anew with other cells, by source_row and column."""
    book = fastexcel.read_excel(source)
    with xlsxwriter.Workbook(target) as out:
        for name in book.sheet_names:
            frame = book.load_sheet(name, dtypes="string").to_polars()
            sheet = out.add_worksheet(name)
            sheet.write_row(0, 0, frame.columns)
            for line, row in enumerate(frame.iter_rows(named=True), start=1):
                cells = [changes.get((row["source_row"], column), value) for column, value in row.items()]
                for place, cell in enumerate(cells):
                    sheet.write_string(line, place, cell or "")


def test_what_waits_is_listed_by_rule_with_shapes_and_without_values(landed: Landed) -> None:
    said = le(landed, "list")
    assert "scores.csv" in said
    assert "9A" in said
    assert "9999" in said
    assert "Zebulon" not in said


def test_rows_are_exported_in_full_for_the_owner_alone_and_the_look_is_logged(landed: Landed, tmp_path: Path) -> None:
    target = tmp_path / "mend.xlsx"
    assert "2 rows are in" in le(landed, "export", str(target))
    frame = fastexcel.read_excel(target).load_sheet(0, dtypes="string").to_polars()
    assert frame.select("source_row", "broken rules", "ID", "Name", "Grade", "Score").rows() == [
        ("12", "unreadable", "8000001", "Zebulon", "4B", "500"),
        ("13", "range", "8000002", "Zebulon", "04", "9000"),
    ]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    entry = json.loads((landed.home.vault / "audit.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {key: entry[key] for key in ("what", "rows", "files")} == {
        "what": "quarantine export",
        "rows": 2,
        "files": 1,
    }


def test_mended_rows_come_in_and_the_landed_file_is_as_it_was(landed: Landed, tmp_path: Path) -> None:
    before = (landed.home.landing / "LA/2016/scores.csv").read_bytes()
    le(landed, "export", str(tmp_path / "mend.xlsx"))
    mend(tmp_path / "mend.xlsx", tmp_path / "mended.xlsx", {("12", "Grade"): "04", ("12", "Score"): "510"})
    assert "1 rows were mended" in le(landed, "retry", str(tmp_path / "mended.xlsx"))
    assert account(landed.delivery("scores.csv")) == (12, 11, 1, 0, 0)
    assert landed.delivery("scores.csv")["rows_mended"] == 1
    assert landed.scores() == [500.0] * 10 + [510.0]
    assert landed.quarantine("source_row", "rule") == [(13, "range")]
    assert (landed.home.landing / "LA/2016/scores.csv").read_bytes() == before


def test_what_was_mended_stays_mended_in_later_runs_and_may_be_mended_again(landed: Landed, tmp_path: Path) -> None:
    le(landed, "export", str(tmp_path / "mend.xlsx"))
    mend(tmp_path / "mend.xlsx", tmp_path / "one.xlsx", {("12", "Grade"): "4C", ("13", "Score"): "520"})
    le(landed, "retry", str(tmp_path / "one.xlsx"))
    assert landed.quarantine("source_row", "value_shape") == [(12, "9A")]
    landed.file("more.csv", scores(*students(1, score=700)).replace("7000000", "9000000"))
    landed.run()
    assert landed.scores() == [500.0] * 10 + [520.0, 700.0]
    le(landed, "export", str(tmp_path / "again.xlsx"))
    mend(tmp_path / "again.xlsx", tmp_path / "two.xlsx", {("12", "Grade"): "05"})
    le(landed, "retry", str(tmp_path / "two.xlsx"))
    assert (landed.scores()[:11], landed.quarantine("rule")) == ([500.0] * 11, [])


def test_a_mended_layout_takes_in_what_it_had_rejected(landed: Landed) -> None:
    landed.layout(SCORES.replace("grade: Grade", 'grade: {from: Grade, map: {"04": "04", 4B: "04"}}'))
    le(landed, "retry")
    assert account(landed.delivery("scores.csv")) == (12, 11, 1, 0, 0)


def test_a_mended_row_of_a_file_that_has_been_sent_anew_is_told(landed: Landed, tmp_path: Path) -> None:
    le(landed, "export", str(tmp_path / "mend.xlsx"))
    mend(tmp_path / "mend.xlsx", tmp_path / "mended.xlsx", {("12", "Grade"): "04"})
    landed.file("scores.csv", scores(*students(12)))
    landed.run()
    with pytest.raises(MendingError, match="2 of the rows do not wait in quarantine any more"):
        le(landed, "retry", str(tmp_path / "mended.xlsx"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("mend.csv", "give a name that ends in .xlsx"), ("home/lake/mend.xlsx", "lies where no name may be")],
)
def test_names_are_written_only_where_they_may_be(landed: Landed, tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(HandoutError, match=reason):
        le(landed, "export", str(tmp_path / name))


def test_another_workbook_is_not_taken(landed: Landed, tmp_path: Path) -> None:
    with xlsxwriter.Workbook(tmp_path / "other.xlsx") as book:
        book.add_worksheet().write_row(0, 0, ["ID", "Grade"])
    with pytest.raises(MendingError, match="lacks delivery_id or source_row"):
        le(landed, "retry", str(tmp_path / "other.xlsx"))
    (tmp_path / "text.xlsx").write_text("no workbook", encoding="utf-8")
    with pytest.raises(HandoutError, match="cannot be opened"):
        le(landed, "retry", str(tmp_path / "text.xlsx"))
    assert pl.concat([landed.vaulted("quarantine")]).height == 2


def test_what_was_mended_holds_for_the_same_content_under_another_name(landed: Landed, tmp_path: Path) -> None:
    le(landed, "export", str(tmp_path / "mend.xlsx"))
    mend(tmp_path / "mend.xlsx", tmp_path / "mended.xlsx", {("12", "Grade"): "04"})
    le(landed, "retry", str(tmp_path / "mended.xlsx"))
    assert landed.run().rows == 11
    landed.file("again.csv", (landed.home.landing / "LA/2016/scores.csv").read_bytes())
    assert landed.run().rows == 11
    assert account(landed.delivery("again.csv")) == (12, 11, 1, 0, 0)
    assert landed.delivery("again.csv")["rows_mended"] == 1
