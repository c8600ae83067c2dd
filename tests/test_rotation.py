"""Another key for a home: what people have done is carried over, and whatever cuts it off, it is finished later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from landed import LA_2016, Landed, scores, students
from le_pipeline import rotation
from le_pipeline.errors import KeyFileError, PipelineError, VaultError
from le_pipeline.home import Home
from le_pipeline.ingest import mending
from le_pipeline.privacy.keys import Keys, load_keys, new_keys
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import Lake


@pytest.fixture
def other(home: Home, tmp_path: Path) -> Keys:
    return new_keys(tmp_path / "other.key", home)


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    made = Landed(home, keys).layout()
    made.file("scores.csv", scores(*students(10), "8000001,Zebulon,02/03/2006,4B,1,500"))
    made.run()
    made.home.create()
    return made


def mended(landed: Landed) -> None:
    """Keep a row as a steward has mended it, without the workbook in between."""
    delivery = landed.delivery("scores.csv")["delivery_id"]
    row = '{"ID": "8000001", "Name": "Zebulon", "Born": "02/03/2006", "Grade": "04", "District": "1", "Score": "500"}'
    vault = Vault(landed.home, landed.keys)
    with vault.replacing(f"student_assessment/{LA_2016}{mending.MENDED}") as file:
        file.add(pl.DataFrame([{"delivery_id": delivery, "source_row": 12, "row": row}], schema=mending.SCHEMA))
        file.keep()


def test_mended_rows_and_the_order_of_files_are_carried_over(
    landed: Landed, other: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended(landed)
    landed.run()
    received, before = landed.delivery("scores.csv")["received_at"], landed.table("student_key")
    assert rotation.rotate(landed.home, landed.keys, other) == {"mended_files": 1, "decisions": 0}
    again = Landed(landed.home, other)
    again.run()
    assert again.scores() == [500] * 11
    assert again.delivery("scores.csv")["received_at"] == received
    assert not set(before) & set(again.table("student_key"))


def test_the_old_key_opens_nothing_afterwards(landed: Landed, other: Keys, tmp_path: Path) -> None:
    rotation.rotate(landed.home, landed.keys, other)
    with pytest.raises(KeyFileError, match="made with the key"):
        load_keys(landed.home)
    assert not list(landed.home.root.glob("vault.*"))


def test_the_same_key_is_no_rotation(landed: Landed) -> None:
    with pytest.raises(KeyFileError, match="another"):
        rotation.rotate(landed.home, landed.keys, landed.keys)


def test_the_wrong_old_key_changes_nothing(landed: Landed, other: Keys, tmp_path: Path) -> None:
    mended(landed)
    wrong = new_keys(tmp_path / "wrong.key", landed.home)
    with pytest.raises(VaultError):
        rotation.rotate(landed.home, wrong, other)
    assert load_keys(landed.home).key_id == landed.keys.key_id
    assert landed.vaulted("mended").height == 1


@pytest.mark.parametrize("moment", ["carry_over", "first_rename", "second_rename", "forget", "swept"])
def test_a_rotation_that_is_cut_off_is_finished_by_the_next(
    landed: Landed, other: Keys, moment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mended(landed)

    class CutError(PipelineError):
        pass

    def cut(*_: object, **__: object) -> None:
        raise CutError

    renames = iter([Path.rename, cut])
    forget = rotation._forget
    changed: dict[str, tuple[object, str, Any]] = {
        "carry_over": (rotation, "_carry_over", cut),
        "first_rename": (Path, "rename", cut),
        "second_rename": (Path, "rename", lambda path, to: next(renames)(path, to)),  # noqa: PLW0108  # a new one each time
        "forget": (Lake, "forget_notes", cut),
        "swept": (rotation, "_forget", lambda *args: (forget(*args), cut())),
    }
    with monkeypatch.context() as patched:
        patched.setattr(*changed[moment])
        with pytest.raises(CutError):
            rotation.rotate(landed.home, landed.keys, other)
    if landed.home.old_vault.exists():  # until then nothing else may be done
        with pytest.raises(KeyFileError, match="cut off"):
            load_keys(landed.home)
        third = new_keys(tmp_path / "third.key", landed.home)
        with pytest.raises(KeyFileError, match="is one to the key"):
            rotation.rotate(landed.home, landed.keys, third)
    assert rotation.rotate(landed.home, landed.keys, other)["mended_files"] == 1
    again = Landed(landed.home, other)
    again.run()
    assert again.scores() == [500] * 11
    assert not list(landed.home.root.glob("vault.*"))
