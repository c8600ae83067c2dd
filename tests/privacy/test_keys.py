"""The key: where it may lie, who may read it, and that a wrong one is noticed before anything is written."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assets.__main__ import prepare
from assets.resources import HomeResource
from landed import LA_2016, Landed, scores, students
from le_pipeline.cli import app
from le_pipeline.errors import KeyFileError
from le_pipeline.home import Home
from le_pipeline.privacy.key_source import pointing_to
from le_pipeline.privacy.key_strength import weakness
from le_pipeline.privacy.keys import Keys, create_key_file, key_file, load_keys, new_keys, recorded_id
from le_pipeline.warehouse.lake import Lake

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


def test_a_new_key_is_on_the_disk_with_its_folders_before_it_is_used(
    bare: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []
    fsync = os.fsync

    def seen(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), os.fstat(descriptor).st_size))

    monkeypatch.setenv("LE_KEY_FILE", str(tmp_path / "folder" / "key"))
    monkeypatch.setattr(os, "fsync", seen)
    path = create_key_file(bare)
    assert synced[0] == (str(path), 65)
    assert [name for name, _ in synced[1:]] == [str(path.parent), str(tmp_path)]


def test_a_key_of_a_home_that_is_gone_is_to_be_put_back_not_made(home: Home, keys: Keys) -> None:
    key_file().unlink()
    with pytest.raises(KeyFileError, match="this home was made with one: put it back") as missing:
        load_keys(home)
    key_at(key_file(), "damaged")
    with pytest.raises(KeyFileError, match="put the right key back there") as damaged:
        load_keys(home)
    assert "le init" not in str(missing.value)
    assert "only where the home is new" in str(damaged.value)
    assert recorded_id(home) == keys.key_id


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_a_key_that_is_no_regular_file_is_refused_and_not_waited_for(
    bare: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = Path(os.devnull) if kind == "device" else tmp_path / kind
    if kind == "pipe":
        os.mkfifo(path, 0o600)
    elif kind == "folder":
        path.mkdir()
    monkeypatch.setenv("LE_KEY_FILE", str(path))
    with pytest.raises(KeyFileError, match=r"no regular file|cannot be read"):
        load_keys(bare)
    with pytest.raises(KeyFileError, match=r"no regular file|cannot be read"):
        new_keys(path, bare)


def test_a_new_key_in_a_folder_that_is_not_there_is_refused(bare: Home, tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"there is no folder .*nowhere for the new key; make it, or correct --to"):
        new_keys(tmp_path / "nowhere" / "key", bare)
    assert not (tmp_path / "nowhere").exists()


def test_another_key_is_pointed_to_where_it_will_be_looked_for(
    home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LE_KEY_FILE", str(key_at(home.root.with_name("other"))))
    with pytest.raises(KeyFileError, match="To give the right key, set LE_KEY_FILE to it"):
        load_keys(home)
    monkeypatch.setenv("LE_KEY", RANDOM)
    with pytest.raises(KeyFileError, match="unset LE_KEY, which goes before it, and set LE_KEY_FILE to it"):
        load_keys(home)
    monkeypatch.setenv("LE_KEY_PROVIDER", "own_store:Store")
    assert pointing_to("new") == "unset LE_KEY, which goes before it, and set LE_KEY_NAME to new"
    monkeypatch.delenv("LE_KEY")
    assert pointing_to("new") == "set LE_KEY_NAME to new"


def test_after_a_change_of_keys_the_advice_leads_to_the_new_one(
    home: Home, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LE_KEY", keys.master.hex())
    new = tmp_path / "new"
    told = CliRunner().invoke(app, ["keys", "rotate", "--to", str(new), "--home", str(home.root)])
    assert f"unset LE_KEY, which goes before it, and set LE_KEY_FILE to {new}." in told.output
    with pytest.raises(KeyFileError, match="unset LE_KEY"):
        load_keys(home)
    monkeypatch.delenv("LE_KEY")
    monkeypatch.setenv("LE_KEY_FILE", str(new))
    assert load_keys(home).key_id != keys.key_id


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_that_others_may_read_or_write_is_refused(bare: Home, mode: int) -> None:
    key_at(key_file(), mode=mode)
    with pytest.raises(KeyFileError, match="others may read the key"):
        load_keys(bare)


@pytest.mark.parametrize("text", ["", RANDOM[:-2], RANDOM + "00", "secret" * 11, f"{RANDOM[:62]} {RANDOM[62:]}"])
def test_a_long_or_short_key_is_refused_and_not_shown(bare: Home, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    key_at(key_file(), text)
    with pytest.raises(KeyFileError, match="must be 64 random hexadecimal digits") as from_file:
        load_keys(bare)
    monkeypatch.setenv("LE_KEY", text)
    with pytest.raises(KeyFileError, match="the key in LE_KEY must be 64") as from_environment:
        load_keys(bare)
    assert not text or text not in f"{from_file.value}{from_environment.value}"


WEAK = {
    "repeats itself": ["0" * 64, "ab" * 32, "0123456789abcdef" * 4, RANDOM[:32] * 2, "deadbeef" * 8],
    "counts up or down": [
        bytes(range(32)).hex(),
        bytes(range(255, 223, -1)).hex(),
        bytes(range(0, 96, 3)).hex(),
        (b"secret key" + bytes(22)).hex(),
    ],
    "is text": [b"correct horse battery staple key".hex(), b"Leading Educators secret key 2026".hex()[:64]],
    "holds few different digits": [
        "secret password!".encode("utf-16-le").hex(),
        "3141592653589793238462643383279502884197169399375105820974944592",
        b"\xff".join(bytes([byte]) for byte in bytes.fromhex(RANDOM)[:16]).hex() + "ff",
    ],
}


@pytest.mark.parametrize(("why", "text"), [(why, text) for why, texts in WEAK.items() for text in texts])
def test_a_key_that_somebody_has_made_up_is_refused_and_not_shown(
    bare: Home, monkeypatch: pytest.MonkeyPatch, why: str, text: str
) -> None:
    monkeypatch.setenv("LE_KEY", text)
    with pytest.raises(KeyFileError, match=r"random hexadecimal digits, and this one") as refused:
        load_keys(bare)
    assert why in str(refused.value)
    assert text not in str(refused.value)
    key_at(bare.root.with_name("new"), text)
    with pytest.raises(KeyFileError, match=why):
        new_keys(bare.root.with_name("new"), bare)
    assert not bare.root.exists()


def test_random_keys_are_not_taken_for_weak() -> None:
    keys = (hashlib.sha256(str(number).encode()).digest() for number in range(30_000))
    assert not [key.hex() for key in keys if weakness(key)]


@pytest.mark.parametrize(("mode", "is_refused"), [(0o777, True), (0o770, True), (0o1777, False), (0o755, False)])
def test_a_folder_in_which_others_could_put_another_key_is_refused(
    bare: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, is_refused: bool
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    key_at(folder / "key")
    link = tmp_path / "link"
    link.symlink_to(folder / "key")
    folder.chmod(mode)
    for path in (folder / "key", link):
        monkeypatch.setenv("LE_KEY_FILE", str(path))
        if is_refused:
            with pytest.raises(KeyFileError, match="others may write to"):
                load_keys(bare)
        else:
            assert load_keys(bare).master.hex() == RANDOM


def test_a_link_in_a_folder_of_all_to_a_key_of_ones_own_is_refused(
    bare: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all" / "link").symlink_to(key_at(tmp_path / "mine"))
    (tmp_path / "all").chmod(0o777)
    monkeypatch.setenv("LE_KEY_FILE", str(tmp_path / "all" / "link"))
    with pytest.raises(KeyFileError, match="others may write to"):
        load_keys(bare)


def test_a_link_to_a_key_that_others_may_read_is_refused(bare: Home, tmp_path: Path) -> None:
    key_file().symlink_to(key_at(tmp_path / "open", mode=0o644))
    with pytest.raises(KeyFileError, match="others may read the key"):
        load_keys(bare)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_somebody_else_is_refused(bare: Home) -> None:
    os.chown(key_at(key_file()), 12345, 12345)
    with pytest.raises(KeyFileError, match="belongs to somebody else"):
        load_keys(bare)


PROVIDER = """
class Store:
    def fetch(self, name):
        if name == "trouble":
            raise RuntimeError("s3cr3t " + name)
        return {{"le_pipeline": bytes.fromhex("{0}"), "other": bytes.fromhex("{0}")[::-1], "short": b"abc"}}[name]
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key store of the user's own."""
    (tmp_path / "own_store.py").write_text(PROVIDER.format(RANDOM))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("LE_KEY_PROVIDER", "own_store:Store")


@pytest.mark.usefixtures("store")
def test_the_key_may_come_from_a_store_of_ones_own(bare: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert create_key_file(bare) == key_file() and not key_file().exists()
    assert load_keys(bare).master.hex() == RANDOM
    assert new_keys("other", bare).master == bytes.fromhex(RANDOM)[::-1]
    assert not (Path.cwd() / "other").exists()
    monkeypatch.setenv("LE_KEY_NAME", "other")
    with pytest.raises(KeyFileError, match="made with the key"):
        load_keys(bare)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("provider", "name", "told"),
    [
        ("own_store:Store", "trouble", r"own_store:Store failed \(RuntimeError\)"),
        ("own_store:Store", "unknown", r"own_store:Store failed \(KeyError\)"),
        ("own_store:Store", "short", "must give 32 bytes"),
        ("own_store:Nothing", "x", "cannot be imported"),
        ("no_such_module:Store", "x", "cannot be imported"),
        ("own_store", "x", "must be package.module:callable"),
    ],
)
def test_what_is_wrong_with_a_store_is_told_without_its_words(
    bare: Home, monkeypatch: pytest.MonkeyPatch, provider: str, name: str, told: str
) -> None:
    monkeypatch.setenv("LE_KEY_PROVIDER", provider)
    monkeypatch.setenv("LE_KEY_NAME", name)
    with pytest.raises(KeyFileError, match=told) as trouble:
        load_keys(bare)
    assert "s3cr3t" not in str(trouble.value)
    assert trouble.value.__context__ is None or trouble.value.__suppress_context__
    assert not bare.root.exists()


def test_keys_of_agreements_and_purposes_are_all_different() -> None:
    keys = Keys(bytes.fromhex(RANDOM))
    asked = [("vault", None), ("vault", "a"), ("vault", "b"), ("audit head", "a"), ("pseudonym|student", None)]
    asked += [("vault|agreement|a", None), ("2|vault|agreement|a", None)]
    assert len({keys.derive(*each) for each in asked}) == len(asked)


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


def test_a_key_whose_id_is_right_and_whose_check_value_is_not_is_another(home: Home, keys: Keys) -> None:
    record = json.loads(home.key_record.read_text())
    assert record == {"key_id": keys.key_id, "check": keys.check_value}
    assert len(record["check"]) == 64 and keys.key_id not in record["check"]
    home.key_record.write_text(json.dumps(record | {"check": "0" * 64}))
    with pytest.raises(KeyFileError, match="nothing was written"):
        load_keys(home)
    home.key_record.write_text("{")
    with pytest.raises(KeyFileError, match="is damaged"):
        load_keys(home)


def test_a_home_of_an_earlier_version_is_known_by_the_id_in_its_lake(
    home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.key_record.unlink()
    Lake(home.lake).write_note("key_id", keys.key_id)
    assert load_keys(home) == keys
    assert json.loads(home.key_record.read_text())["check"] == keys.check_value
    home.key_record.unlink()
    monkeypatch.setenv("LE_KEY", RANDOM)
    with pytest.raises(KeyFileError, match="made with the key"):
        load_keys(home)


@pytest.mark.parametrize(
    "words", [["init"], ["run"], ["quarantine", "export"], ["vault", "agreements"], ["audit", "verify"]]
)
def test_no_command_writes_a_byte_with_another_key(
    home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    landed = Landed(home, keys).layout()
    landed.file("scores.csv", scores(*students(3)))
    shutil.rmtree(home.agreements)
    before = {path: path.is_file() and path.read_bytes() for path in home.root.rglob("*")}
    monkeypatch.setenv("LE_KEY", RANDOM)
    purpose = ["--purpose", "see what is there"] if words[0] == "vault" else []
    told = CliRunner().invoke(app, [*words, *purpose, "--home", str(home.root)])
    assert isinstance(told.exception, KeyFileError)
    assert {path: path.is_file() and path.read_bytes() for path in home.root.rglob("*")} == before


def test_dagster_writes_nothing_with_another_key(home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.is_file() and path.read_bytes() for path in home.root.rglob("*")}
    monkeypatch.setenv("LE_KEY", RANDOM)
    with pytest.raises(KeyFileError):
        prepare(home)
    resource = HomeResource.at(home)
    for use in (resource.loaded_keys, resource.engine):
        with pytest.raises(KeyFileError):
            use()
    assert {path: path.is_file() and path.read_bytes() for path in home.root.rglob("*")} == before


def test_a_home_whose_key_is_gone_gets_no_new_one(home: Home, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LE_KEY_FILE", str(home.root.with_name("nowhere")))

    with pytest.raises(KeyFileError, match=f"the key {keys.key_id} of this home is not at"):
        create_key_file(home)
    assert not home.root.with_name("nowhere").exists()
