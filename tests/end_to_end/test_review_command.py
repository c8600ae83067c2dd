"""Somebody looks at pairs that may be one person, and what they decide stays decided."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import fastexcel
import polars as pl
import pytest
import xlsxwriter
from typer.testing import CliRunner

import once
from le_pipeline import line
from le_pipeline.cli import app
from le_pipeline.errors import HandoutError, ReviewError
from le_pipeline.home import Home
from le_pipeline.link import decision
from le_pipeline.privacy.keys import Keys, load_keys
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import Lake
from link.test_person_match import FELLOWS, FELLOWS_HEADER, STAFF, STAFF_HEADER, csv, staff
from schemas import registry

UNSURE = ["S1,Quillfeather,Oriane,,,7,teacher", "S2,Underbrook,Tamsin,,,6,teacher"]
LISTED = [",Quillfeather,Oriane,8,2016,2015-07-01", ",Underbrook,Tamsin,8,2016,2015-07-01"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once.made(tmp_path_factory.mktemp("reviewed"), two_found_by_name)


def two_found_by_name(home: Home, keys: Keys) -> None:
    (home.layouts / "staff.yaml").write_text(STAFF)
    (home.layouts / "fellows.yaml").write_text(FELLOWS)
    folder = home.landing / "LA" / "2016"
    folder.mkdir(parents=True)
    (folder / "staff.csv").write_text(csv(STAFF_HEADER, *staff(200), *UNSURE))
    (folder / "fellows.csv").write_text(csv(FELLOWS_HEADER, *LISTED))
    run(home, keys)


@pytest.fixture
def home(ran: Path, tmp_path: Path) -> Home:
    """A home in which two fellows are found by name alone."""
    return once.copied(ran, tmp_path)


def run(home: Home, keys: Keys) -> None:
    for _ in line.run(home, keys, home.partitions()):
        pass


def le(home: Home, *words: str, typed: str | None = None) -> str:
    """What `le` says; whatever it raises is raised here."""
    result = CliRunner().invoke(app, [*words, "--home", str(home.root)], input=typed, catch_exceptions=False)
    return " ".join(result.output.split())


def statuses(home: Home) -> dict[str, int]:
    frame = Lake(home.lake).read(registry.tables()["person_match"])
    return dict(frame.group_by("match_status").len().iter_rows())


def looks(home: Home) -> list[dict[str, object]]:
    entries = [json.loads(text) for text in (home.vault / "audit.jsonl").read_text().splitlines()]
    return [entry for entry in entries if entry["what"] != "data key made"]


def test_pairs_are_counted_without_a_name(home: Home) -> None:
    said = le(home, "review", "list")
    assert "names_alone" in said and "2" in said
    assert "Quillfeather" not in said


def test_a_pair_is_shown_side_by_side_each_look_is_logged_and_the_answer_counts_from_the_next_run(
    home: Home, keys: Keys
) -> None:
    said = le(home, "review", typed="yes\nno\n")
    assert "Quillfeather" in said and "Underbrook" in said
    seen = [entry for entry in looks(home) if entry["what"] == "review look"]
    assert len(seen) == 2 and all({"who", "at", "left_key", "right_key"} <= set(entry) for entry in seen)
    assert "Quillfeather" not in json.dumps(looks(home))
    assert statuses(home) == {"review": 2}
    run(home, keys)
    assert statuses(home) == {"accepted": 1, "rejected": 1}


def test_later_keeps_a_pair_waiting_and_shows_it_last(home: Home, keys: Keys) -> None:
    first = le(home, "review", typed="later\nquit\n")
    run(home, keys)
    assert statuses(home) == {"review": 2}
    again = le(home, "review", typed="quit\n")
    name = "Quillfeather" if first.index("Quillfeather") < (first + "Underbrook").index("Underbrook") else "Underbrook"
    assert name not in again


def test_whoever_stops_in_the_middle_loses_nothing(home: Home) -> None:
    le(home, "review", typed="yes\n")
    assert decision.read(Vault(home, load_keys(home))).height == 1


def exported(home: Home, tmp_path: Path, *said: str) -> Path:
    """The workbook of what waits, with the decisions typed in."""
    le(home, "review", "export", str(tmp_path / "pairs.xlsx"))
    rows = fastexcel.read_excel(tmp_path / "pairs.xlsx").load_sheet(0, dtypes="string").to_polars()
    with xlsxwriter.Workbook(tmp_path / "decided.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, rows.columns)
        for place, row in enumerate(rows.iter_rows(named=True)):
            cells = row | {"decision": said[place] if place < len(said) else ""}
            sheet.write_row(place + 1, 0, [cells[name] or "" for name in rows.columns])
    return tmp_path / "decided.xlsx"


def test_pairs_are_exported_for_the_owner_alone_and_the_decisions_are_taken_back(
    home: Home, keys: Keys, tmp_path: Path
) -> None:
    source = exported(home, tmp_path, "Yes", " no ")
    assert [entry["what"] for entry in looks(home)] == ["review export", "review look", "review look"]
    assert stat.S_IMODE((home.vault / "audit.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "pairs.xlsx").stat().st_mode) == 0o600
    assert "2 decisions" in le(home, "review", "import", str(source))
    run(home, keys)
    assert statuses(home) == {"accepted": 1, "rejected": 1}


def test_decisions_may_come_as_csv_in_either_order_of_the_pair(home: Home, keys: Keys, tmp_path: Path) -> None:
    pairs = Lake(home.lake).read(registry.tables()["person_match"])
    pairs.select(left_key="right_key", right_key="left_key", decision=pl.lit("yes")).write_csv(tmp_path / "d.csv")
    le(home, "review", "import", str(tmp_path / "d.csv"))
    run(home, keys)
    assert statuses(home) == {"accepted": 2}


@pytest.mark.parametrize(
    ("said", "told"), [(("perhaps",), "row 2: a decision is yes, no, later"), (("", "si"), "row 3")]
)
def test_another_word_is_refused_with_its_row_and_nothing_is_taken(
    home: Home, tmp_path: Path, said: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ReviewError, match=told):
        le(home, "review", "import", str(exported(home, tmp_path, *said)))
    assert decision.read(Vault(home, load_keys(home))).is_empty()


def test_a_formula_decides_nothing(home: Home, tmp_path: Path) -> None:
    le(home, "review", "export", str(tmp_path / "pairs.xlsx"))
    with xlsxwriter.Workbook(tmp_path / "formula.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["decision", "left_key", "right_key"])
        sheet.write_formula(1, 0, '=IF(1=1,"yes","no")', value="yes")
    with pytest.raises(HandoutError, match="holds formulas; paste values"):
        le(home, "review", "import", str(tmp_path / "formula.xlsx"))


def test_a_pair_that_nobody_asked_about_is_refused(home: Home, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("left_key,right_key,decision\naaa,bbb,yes\n")
    with pytest.raises(ReviewError, match="no such pair"):
        le(home, "review", "import", str(tmp_path / "d.csv"))


def test_a_name_that_is_said_to_be_two_people_is_refused(home: Home, tmp_path: Path) -> None:
    pairs = Lake(home.lake).read(registry.tables()["person_match"])
    names = set(Lake(home.lake).read(registry.tables()["fellowship"])["name_key"])
    name = min(names)
    people = [key for key in (*pairs["left_key"], *pairs["right_key"]) if key not in names]
    lake = Lake(home.lake)
    both = [pairs.with_columns(left_key=pl.lit(name), right_key=pl.lit(key)).head(1) for key in people]
    lake.write(registry.tables()["person_match"], "all", decision.in_order(pl.concat(both)))
    lines = [f"{name};{key};yes" for key in people]
    (tmp_path / "d.csv").write_bytes("\n".join(["left_key;right_key;decision", *lines]).encode("cp1252"))
    with pytest.raises(ReviewError, match="two people"):
        le(home, "review", "import", str(tmp_path / "d.csv"))


def test_nobody_is_told_that_nothing_waits_before_anything_was_compared(home: Home) -> None:
    shutil.rmtree(home.lake)
    for words in (("list",), ("export",), ()):
        with pytest.raises(ReviewError, match="run `le run` first"):
            le(home, "review", *words)


def test_names_are_not_exported_into_the_lake(home: Home) -> None:
    with pytest.raises(HandoutError, match="no name may be"):
        le(home, "review", "export", str(home.lake / "pairs.xlsx"))


def test_decisions_survive_a_rebuilt_warehouse_and_a_lake_that_is_gone(home: Home, keys: Keys) -> None:
    le(home, "review", typed="yes\nno\n")
    shutil.rmtree(home.lake)
    shutil.rmtree(home.warehouse.parent)
    home.create()
    run(home, load_keys(home))
    assert statuses(home) == {"accepted": 1, "rejected": 1}


def test_decisions_survive_another_key(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    le(home, "review", typed="yes\nno\n")
    run(home, load_keys(home))
    before = Lake(home.lake).read(registry.tables()["person_match"])
    said = le(home, "keys", "rotate", "--to", str(tmp_path / "other.key"))
    assert "2 decisions" in said
    monkeypatch.setenv("LE_KEY_FILE", str(tmp_path / "other.key"))
    run(home, load_keys(home))
    assert statuses(home) == {"accepted": 1, "rejected": 1}
    after = Lake(home.lake).read(registry.tables()["person_match"])
    assert not set(before["left_key"]) & {*after["left_key"], *after["right_key"]}
    assert looks(home)[0]["what"] == "review look"
    assert looks(home)[-1]["what"] == "key rotation"
