"""Another key for a home: everything is translated in one step; whatever cuts it off, it is finished or taken back."""

from __future__ import annotations

import bisect
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import once
from assets.resources import HomeResource
from killed import changes, killed
from landed import LA_2016, Landed, scores, students
from le_pipeline import line, rotation
from le_pipeline.errors import KeyFileError, RotationError, VaultError
from le_pipeline.home import Home
from le_pipeline.ingest import mending
from le_pipeline.link import decision
from le_pipeline.privacy.keys import Keys, load_keys, new_keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.privacy.vault import Vault
from le_pipeline.publish.record_code import together
from le_pipeline.warehouse.lake import Lake
from schemas import registry

CODES = "extract_codes/study-2026-11-27"
IDS = ["7000000", "7000001"]


@pytest.fixture
def other(home: Home, tmp_path: Path) -> Keys:
    return new_keys(tmp_path / "other.key", home)


@pytest.fixture
def ingested(home: Home, keys: Keys) -> Landed:
    """A home with a mended row and a decision, and no table but canonical ones: the smallest."""
    return begun(home, keys)


def begun(home: Home, keys: Keys) -> Landed:
    made = Landed(home, keys).layout()
    made.file("scores.csv", scores(*students(10), "8000001,Zebulon,02/03/2006,4B,1,500"))
    made.run()
    mended(made)
    decided(made)
    sealed(made)
    made.run()
    return made


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return once.made(tmp_path_factory.mktemp("ran"), lambda home, keys: run(begun(home, keys).home, keys))


@pytest.fixture
def landed(ran: Path, tmp_path: Path) -> Landed:
    """The same, brought through the line."""
    home = once.copied(ran, tmp_path)
    return Landed(home, load_keys(home))


def run(home: Home, keys: Keys) -> list[line.Report]:
    return list(line.run(home, keys, home.partitions()))


def mended(landed: Landed) -> None:
    """Keep a row as a steward has mended it, without the workbook in between."""
    delivery = landed.delivery("scores.csv")["delivery_id"]
    row = '{"ID": "8000001", "Name": "Zebulon", "Born": "02/03/2006", "Grade": "04", "District": "1", "Score": "500"}'
    vault = Vault(landed.home, landed.keys)
    with vault.replacing(f"student_assessment/{LA_2016}{mending.MENDED}") as file:
        file.add(pl.DataFrame([{"delivery_id": delivery, "source_row": 12, "row": row}], schema=mending.SCHEMA))
        file.keep()


def keys_of(ids: list[str], keys: Keys) -> list[str]:
    return pseudonyms(pl.Series(ids), domain="student", issuer="LA", keys=keys).to_list()


def decided(landed: Landed) -> None:
    left, right = keys_of(IDS, landed.keys)
    sides = {"left_key": left, "right_key": right, "left_id": IDS[0], "right_id": IDS[1]}
    both = {
        f"{side}_{what}": said for side in decision.SIDES for what, said in (("domain", "student"), ("issuer", "LA"))
    }
    row = pl.DataFrame([{"person_kind": "student", "decision": "no", **sides, **both}])
    decision.keep(Vault(landed.home, landed.keys), decision.in_order(row))


def sealed(landed: Landed) -> None:
    """Keep whose code is which in an extract: a student's, a district's, and of one whom the vault does not know."""
    (student,) = keys_of(IDS[:1], landed.keys)
    codes = {"student_key": [student, "0" * 32], "lea_id": ["1"]}
    known = {
        of: pl.DataFrame({of: keys, "code": [f"{of[0]}{n}" for n, _ in enumerate(keys)]}) for of, keys in codes.items()
    }
    with Vault(landed.home, landed.keys).replacing(CODES) as file:
        file.add(together(known))
        file.keep()


def tables(home: Home) -> dict[str, list[tuple[object, ...]]]:
    """Every table of the lake, row by row as it lies there."""
    lake = Lake(home.lake)
    return {name: lake.read(table).rows() for name, table in registry.tables().items()}


def everything(home: Home, keys: Keys) -> tuple[object, ...]:
    """What lake and vault hold."""
    vault = Vault(home, keys)
    held = {name: [frame.rows() for frame in vault.read(name)] for name in vault.names("")}
    return tables(home), held


def test_nothing_is_to_be_done_after_a_rotation_and_a_run_from_landing_gives_the_same(
    landed: Landed, other: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    received, before = landed.delivery("scores.csv")["received_at"], landed.table("student_key")
    counts = rotation.rotate(landed.home, landed.keys, other)
    assert counts == {
        "keys": 11,
        "tables": counts["tables"],
        "rows": counts["rows"],
        "decisions": 1,
        "codes": 2,
        "lost_codes": 1,
        "mended_files": 1,
        "vault_files": 5,
        "warehouse_tables": len(registry.tables()),
    }
    assert counts["rows"] > 11 and counts["tables"] > 1
    again = Landed(landed.home, other)
    assert line.is_current(landed.home, other)
    *reports, searched = run(landed.home, other)
    assert all(report.is_current for report in reports if not isinstance(report, line.Refused))
    assert searched.require_clean().values
    assert again.scores() == [500] * 11
    assert again.delivery("scores.csv")["received_at"] == received
    assert not set(before) & set(again.table("student_key"))

    rotated = tables(landed.home)
    shutil.rmtree(landed.home.lake / ".notes")
    run(landed.home, other)
    assert tables(landed.home) == rotated


def test_decisions_are_about_the_same_people(landed: Landed, other: Keys) -> None:
    rotation.rotate(landed.home, landed.keys, other)
    (row,) = decision.read(Vault(landed.home, other)).iter_rows(named=True)
    assert {row["left_id"]: row["left_key"], row["right_id"]: row["right_key"]} == dict(
        zip(IDS, keys_of(IDS, other), strict=True)
    )
    assert row["left_key"] < row["right_key"]


def test_codes_of_an_extract_are_the_same_peoples(landed: Landed, other: Keys) -> None:
    rotation.rotate(landed.home, landed.keys, other)
    vault = Vault(landed.home, other)
    (student,) = keys_of(IDS[:1], other)
    assert pl.concat(vault.read(CODES)).rows() == [(student, "s0", "student_key"), ("1", "l0", "lea_id")]
    assert vault.agreement(CODES) == vault.belongs_to(CODES) == "extract_codes.1"


def test_folders_are_for_whom_they_were(landed: Landed, other: Keys) -> None:
    home, group = landed.home, max(os.getgroups(), default=os.getgid()) if os.getuid() else 4242
    modes = {home.vault: 0o700, home.lake: 0o700, home.warehouse.parent: 0o2750}
    for folder, mode in modes.items():
        os.chown(folder, -1, group)
        folder.chmod(mode)
    rotation.rotate(home, landed.keys, other)
    for folder, mode in modes.items():
        assert (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_gid) == (mode, group)
    assert home.warehouse.stat().st_gid == group


def test_a_group_that_cannot_be_kept_stops_it_before_anything_changes(
    landed: Landed, other: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = everything(landed.home, landed.keys)
    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(RotationError, match="a group that you are not in"):
        rotation.rotate(landed.home, landed.keys, other)
    assert everything(landed.home, landed.keys) == before


def test_the_old_key_opens_nothing_afterwards_not_even_with_the_old_data_keys(
    landed: Landed, other: Keys, tmp_path: Path
) -> None:
    old_data_keys = shutil.copytree(landed.home.vault / "keys", tmp_path / "kept")
    rotation.rotate(landed.home, landed.keys, other)
    with pytest.raises(KeyFileError, match="made with the key"):
        load_keys(landed.home)
    assert not landed.home.rotation.exists()
    names = Vault(landed.home, other).names("")
    assert names
    copy = shutil.copytree(landed.home.vault, tmp_path / "copy")
    for kept in (None, old_data_keys):
        if kept:
            shutil.copytree(kept, copy / "keys", dirs_exist_ok=True)
        for name in names:
            with pytest.raises(VaultError):
                list(Vault(landed.home, landed.keys, copy).read(name))


def test_the_log_goes_on_under_the_new_key(landed: Landed, other: Keys) -> None:
    before = list(Vault(landed.home, landed.keys).audit.entries())
    rotation.rotate(landed.home, landed.keys, other)
    audit = Vault(landed.home, other).audit
    entries = list(audit.entries())
    assert entries[: len(before)] == before
    assert entries[-1]["what"] == "key rotation" and entries[-1]["keys"] == 11
    verdict = audit.verify(before[-1]["hash"])
    assert (verdict.broken, verdict.entries) == (None, len(entries))
    assert Vault(landed.home, landed.keys).audit.verify().broken is not None


def test_a_warehouse_that_is_older_than_the_lake_is_left_to_the_next_run(landed: Landed, other: Keys) -> None:
    landed.file("more.csv", scores("9000001,Zebulon,02/03/2006,04,1,510"))
    landed.run()
    assert rotation.rotate(landed.home, landed.keys, other)["warehouse_tables"] == 0
    assert not landed.home.warehouse.exists()
    run(landed.home, other)
    assert landed.home.warehouse.exists()


def test_the_same_key_is_no_rotation(landed: Landed) -> None:
    with pytest.raises(KeyFileError, match="another"):
        rotation.rotate(landed.home, landed.keys, landed.keys)


def test_the_wrong_old_key_changes_nothing(landed: Landed, other: Keys, tmp_path: Path) -> None:
    wrong = new_keys(tmp_path / "wrong.key", landed.home)
    before = everything(landed.home, landed.keys)
    with pytest.raises(KeyFileError, match="made with the key"):
        rotation.rotate(landed.home, wrong, other)
    assert load_keys(landed.home).key_id == landed.keys.key_id
    assert everything(landed.home, landed.keys) == before


def test_a_key_that_nothing_in_the_vault_explains_stops_it_before_anything_changes(landed: Landed, other: Keys) -> None:
    table = registry.feeds()["student_assessment"]
    (path,) = landed.lake.files(table)
    pl.read_parquet(path).with_columns(student_key=pl.lit("0" * 32)).write_parquet(path)
    before = everything(landed.home, landed.keys)
    with pytest.raises(RotationError, match=r"canonical\.student_assessment holds keys in student_key that nothing"):
        rotation.rotate(landed.home, landed.keys, other)
    assert everything(landed.home, landed.keys) == before
    assert load_keys(landed.home).key_id == landed.keys.key_id


def copies(landed: Landed, tmp_path: Path) -> Callable[[], Home]:
    """Makes the home anew, as it was."""
    kept = shutil.copytree(landed.home.root, tmp_path / "kept")

    def make() -> Home:
        shutil.rmtree(landed.home.root)
        shutil.copytree(kept, landed.home.root)
        return landed.home

    return make


def test_killed_at_any_step_it_is_finished_or_taken_back(ingested: Landed, other: Keys, tmp_path: Path) -> None:
    landed = ingested
    anew = copies(landed, tmp_path)
    before = everything(landed.home, landed.keys)
    with changes(landed.home.root) as counted:
        rotation.rotate(landed.home, landed.keys, other)
    after = everything(landed.home, other)
    third = new_keys(tmp_path / "third.key", landed.home)
    stages = set()
    for step in range(counted.seen):
        for is_taken_back in (False, True):
            home = anew()
            with killed(home.root, step):
                rotation.rotate(home, landed.keys, other)
            if not rotation.is_begun(home):
                is_done = json.loads(home.key_record.read_text())["key_id"] == other.key_id
                keys, held = (other, after) if is_done else (landed.keys, before)
                assert everything(home, keys) == held, step
                stages.add("done" if is_done else "making")
                break
            with pytest.raises(KeyFileError, match="le keys rotate"):
                load_keys(home)
            with pytest.raises(KeyFileError, match="is one to the key"):
                rotation.rotate(home, None, third)
            stage = json.loads((home.rotation / "journal.json").read_text())["stage"]
            stages.add(stage)
            if is_taken_back and stage == rotation.SWAPPING:
                with pytest.raises(KeyFileError, match="to go back to it, set LE_KEY_FILE to it"):
                    rotation.back(home, third)
                rotation.back(home, landed.keys)
                assert everything(home, landed.keys) == before, step
                assert Vault(home, landed.keys).audit.verify().broken is None
            else:
                if is_taken_back:
                    with pytest.raises(RotationError, match="has taken effect"):
                        rotation.back(home, landed.keys)
                assert rotation.rotate(home, None, other)["keys"] == 11
                assert everything(home, other) == after, step
            assert not home.rotation.exists()
    assert stages >= {"making", "swapping", "sweeping"}


def test_a_rotation_that_was_killed_while_it_was_taken_back_is_taken_back(
    ingested: Landed, other: Keys, tmp_path: Path
) -> None:
    old, anew, before = ingested.keys, copies(ingested, tmp_path), everything(ingested.home, ingested.keys)
    with changes(ingested.home.root) as counted:
        rotation.rotate(ingested.home, old, other)
    begins = bisect.bisect_left(range(counted.seen), True, key=lambda step: _begins(anew(), old, other, step))
    for step in range(10):
        home = anew()
        with killed(home.root, begins + 4):
            rotation.rotate(home, old, other)
        assert rotation.is_begun(home)
        with killed(home.root, step):
            rotation.back(home, old)
        if rotation.is_begun(home):
            rotation.back(home, old)
        assert everything(home, old) == before, step
        assert Vault(home, old).audit.verify().broken is None


def _begins(home: Home, old: Keys, new: Keys, step: int) -> bool:
    """Whether a change that is cut off after so many steps has begun to change the home, or has changed it."""
    with killed(home.root, step):
        rotation.rotate(home, old, new)
    return rotation.is_begun(home) or json.loads(home.key_record.read_text())["key_id"] == new.key_id


def test_folders_that_cannot_change_places_leave_the_home_as_it_was(
    landed: Landed, other: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(landed.home, landed.keys)
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.parent.name == "new" and path.name == "lake":
            raise OSError(18, "Invalid cross-device link")
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", fail)
        with pytest.raises(RotationError, match="the home is as it was"):
            rotation.rotate(landed.home, landed.keys, other)
    assert load_keys(landed.home).key_id == landed.keys.key_id
    assert everything(landed.home, landed.keys) == before


def test_there_is_nothing_to_take_back_where_nothing_was_begun(landed: Landed) -> None:
    with pytest.raises(RotationError, match="no change of keys is under way"):
        rotation.back(landed.home, landed.keys)


def le(home: Home, key: Path, *words: str, dies_after: int | None = None) -> subprocess.CompletedProcess[str]:
    """`le` in a process of its own, which may end without a word when some folders have changed places."""
    script = """
import os, sys
left = int(sys.argv.pop(1))
def die(event, args):
    global left
    if event == "os.rename" and ".rotation/old/" in str(args[1]):
        left -= 1
        if left < 0:
            os._exit(9)
from le_pipeline.cli import main
sys.addaudithook(die)
main()
"""
    command = [sys.executable, "-c", script, str(10**9 if dies_after is None else dies_after), *words]
    environment = os.environ | {"LE_HOME": str(home.root), "LE_KEY_FILE": str(key), "COLUMNS": "300"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_process_that_is_killed_in_the_middle_tells_what_to_do_and_the_same_command_goes_on(
    landed: Landed, tmp_path: Path
) -> None:
    old, new = tmp_path / "key", tmp_path / "new.key"
    died = le(landed.home, old, "keys", "rotate", "--to", str(new), dies_after=2)
    assert died.returncode == 9, died.stderr
    assert rotation.is_begun(landed.home)
    with pytest.raises(KeyFileError, match="le keys rotate"):
        HomeResource.at(landed.home).home()
    for words in (
        ("run",),
        ("status",),
        ("quarantine", "list"),
        ("vault", "agreements", "--purpose", "see what is there"),
    ):
        said = le(landed.home, old, *words)
        assert said.returncode == 1
        assert "run `le keys rotate` again" in " ".join(said.stderr.split()).replace("Run", "run")
    done = le(landed.home, old, "keys", "rotate", "--to", str(new))
    assert done.returncode == 0, done.stderr
    assert "11 keys were changed" in done.stdout
    assert stat.S_IMODE(new.stat().st_mode) == 0o600
    again = le(landed.home, new, "run")
    assert "Nothing new" in again.stdout
    assert le(landed.home, old, "run").returncode == 1
