"""The key: where it may lie, who may read it, and that a wrong one is noticed before anything is written."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from landed import LA_2016, Landed, scores, students
from le_pipeline.errors import KeyFileError
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, create_key_file, key_file, load_keys

RANDOM = hashlib.sha256(b"another key").hexdigest()


def key_at(path: Path, text: str = RANDOM, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="ascii")
    path.chmod(mode)
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Home:
    """A home without a key."""
    return Home.at(tmp_path / "bare")


def test_a_new_key_is_random_and_for_its_owner_alone_and_is_never_replaced(bare: Home, tmp_path: Path) -> None:
    path = create_key_file(bare)
    first = path.read_text(encoding="ascii")
    assert (path, path.stat().st_mode & 0o777, len(bytes.fromhex(first))) == (tmp_path / "key", 0o600, 32)
    assert create_key_file(bare).read_text(encoding="ascii") == first


def test_without_a_key_the_message_says_how_to_get_one(bare: Home) -> None:
    with pytest.raises(KeyFileError, match="run `le init`, or set LE_KEY_FILE"):
        load_keys(bare)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_that_others_may_read_or_write_is_refused(bare: Home, mode: int) -> None:
    key_at(key_file(), mode=mode)
    with pytest.raises(KeyFileError, match="others may read the key"):
        load_keys(bare)


@pytest.mark.parametrize("text", ["", "0" * 64, "ab" * 32, RANDOM[:-2], RANDOM + "00", "secret" * 11])
def test_a_weak_or_short_key_is_refused_and_not_shown(bare: Home, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    key_at(key_file(), text)
    with pytest.raises(KeyFileError, match="must be 64 random hexadecimal digits") as from_file:
        load_keys(bare)
    monkeypatch.setenv("LE_KEY", text)
    with pytest.raises(KeyFileError, match="the key in LE_KEY must be 64") as from_environment:
        load_keys(bare)
    assert not text or text not in f"{from_file.value}{from_environment.value}"


@pytest.mark.parametrize("place", ["key", "vault/key", "landing/key"])
def test_a_key_inside_the_home_is_refused(bare: Home, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    bare.create()
    monkeypatch.setenv("LE_KEY_FILE", str(key_at(bare.root / place)))
    with pytest.raises(KeyFileError, match="must not lie in LE_HOME"):
        load_keys(bare)
    with pytest.raises(KeyFileError, match="must not lie in LE_HOME"):
        create_key_file(bare)


def test_a_link_to_a_key_inside_the_home_is_refused(bare: Home) -> None:
    bare.create()
    key_file().symlink_to(key_at(bare.root / "key"))
    with pytest.raises(KeyFileError, match="must not lie in LE_HOME"):
        load_keys(bare)


def test_the_environment_may_hold_the_key_itself(bare: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LE_KEY", RANDOM)
    assert load_keys(bare).master == bytes.fromhex(RANDOM)


def test_another_key_stops_before_anything_is_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    landed = Landed(home, load_keys(home)).layout()
    landed.file("scores.csv", scores(*students(3)))
    landed.run()
    before = {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()}
    monkeypatch.setenv("LE_KEY", RANDOM)
    with pytest.raises(KeyFileError, match="nothing was written"):
        load_keys(home)
    assert {path: path.read_bytes() for path in home.root.rglob("*") if path.is_file()} == before
    assert home.partitions() == [LA_2016]


def test_a_home_whose_key_is_gone_gets_no_new_one(home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LE_KEY_FILE", str(home.root.with_name("nowhere")))

    with pytest.raises(KeyFileError, match=f"the key {keys.key_id} of this home is not at"):
        create_key_file(home)
    assert not home.root.with_name("nowhere").exists()
