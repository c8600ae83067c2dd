"""The vault: what is put in comes out, and whatever was done to the file in between is noticed."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from polars.testing import assert_frame_equal

from le_pipeline import agreements
from le_pipeline.errors import VaultError
from le_pipeline.home import Home
from le_pipeline.privacy.data_key import DataKeys
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import MAGIC, Vault

HEADER = MAGIC + b"\x0aundeclared"
NAME = "student_assessment/LA-2016.identity"
FRAMES = [pl.DataFrame({"student_id": [f"700000{n}", None], "last_name": ["Canary", "Nuñez"]}) for n in range(3)]


@pytest.fixture
def vault(home: Home, keys: Keys) -> Vault:
    made = Vault(home, keys)
    write(made, NAME, *FRAMES)
    return made


def write(vault: Vault, name: str, *frames: pl.DataFrame) -> None:
    with vault.replacing(name) as writer:
        for frame in frames:
            writer.add(frame)
        writer.keep()


def frames_of(sealed: bytes) -> list[bytes]:
    """The frames of a vault file as they stand in it."""
    found, rest = [], sealed.removeprefix(HEADER)
    while rest:
        end = 16 + int.from_bytes(rest[12:16], "big")
        found.append(rest[:end])
        rest = rest[end:]
    return found


def test_what_is_written_is_read_and_cannot_be_read_without_the_key(vault: Vault) -> None:
    assert_frame_equal(pl.concat(vault.read(NAME)), pl.concat(FRAMES))
    sealed = vault.path(NAME).read_bytes()
    assert b"Canary" not in sealed
    assert b"last_name" not in sealed
    assert vault.path(NAME).stat().st_mode & 0o777 == 0o600


def test_no_file_and_no_frame_are_empty(vault: Vault) -> None:
    write(vault, "empty", FRAMES[0].clear())
    assert (list(vault.read("none")), list(vault.read("empty"))) == ([], [])


def test_a_version_that_is_not_kept_leaves_the_old_one(vault: Vault) -> None:
    with vault.replacing(NAME) as writer:
        writer.add(FRAMES[0])
    assert pl.concat(vault.read(NAME)).height == 6
    assert [path.name for path in vault.path(NAME).parent.iterdir()] == ["LA-2016.identity.vault"]


def test_frames_of_what_failed_are_taken_back_and_the_rest_reads_on(vault: Vault) -> None:
    with vault.replacing(NAME) as writer:
        writer.add(FRAMES[0])
        with contextlib.suppress(InterruptedError), writer.all_or_nothing():
            writer.add(FRAMES[1])
            raise InterruptedError
        writer.add(FRAMES[2])
        writer.keep()
    assert_frame_equal(pl.concat(vault.read(NAME)), pl.concat([FRAMES[0], FRAMES[2]]))


TAMPERED: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a bit is changed": lambda f: [f[0][:-1] + bytes([f[0][-1] ^ 1]), *f[1:]],
    "a nonce is changed": lambda f: [bytes([f[0][0] ^ 1]) + f[0][1:], *f[1:]],
    "two frames change places": lambda f: [f[1], f[0], *f[2:]],
    "a frame is dropped": lambda f: [f[0], *f[2:]],
    "a frame stands twice": lambda f: [f[0], f[0], *f[1:]],
    "the last frame is cut off": lambda f: f[:-1],
    "the file ends inside a frame": lambda f: [*f[:-1], f[-1][:-5]],
    "the file ends inside a length": lambda f: [*f[:-1], f[-1][:14]],
    "nothing is left": lambda f: f[:0],
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_file_that_was_changed_is_not_read_as_if_it_were_whole(vault: Vault, how: str) -> None:
    path = vault.path(NAME)
    path.write_bytes(HEADER + b"".join(TAMPERED[how](frames_of(path.read_bytes()))))
    with pytest.raises(VaultError) as trouble:
        list(vault.read(NAME))
    assert str(trouble.value) == f"the vault file {NAME} cannot be opened: another key, or the file was changed"
    assert trouble.value.__cause__ is None


def test_a_file_under_another_name_is_not_taken_for_it(vault: Vault) -> None:
    other = vault.path("student_assessment/MO-2016.identity")
    other.write_bytes(vault.path(NAME).read_bytes())
    with pytest.raises(VaultError):
        list(vault.read("student_assessment/MO-2016.identity"))


def test_another_key_opens_nothing(vault: Vault, home: Home) -> None:
    with pytest.raises(VaultError):
        list(Vault(home, Keys(bytes(range(32)))).read(NAME))


def test_what_is_no_vault_file_is_said_to_be_none(vault: Vault) -> None:
    vault.path(NAME).write_bytes(b"PAR1 and more")
    with pytest.raises(VaultError):
        list(vault.read(NAME))


def test_the_same_frame_is_never_sealed_to_the_same_bytes(vault: Vault) -> None:
    first = vault.path(NAME).read_bytes()
    write(vault, NAME, *FRAMES)
    assert not set(frames_of(first)) & set(frames_of(vault.path(NAME).read_bytes()))


AGREEMENT = """\
agreement: {name}
about: Data of the years {years} for the study
discloser: Department of Education
legal_basis: 34 CFR 99.31(a)(6)
purpose: study of the fellowship
covers: {{state: LA, school_years: [{years}]}}
begins: 2012-07-01
destroy_by: 2030-06-30
contact: privacy office
"""


def declare(home: Home, name: str, years: str) -> None:
    (home.agreements / f"{name}.yaml").write_text(AGREEMENT.format(name=name, years=years))


def test_a_file_names_its_agreement_and_is_under_its_data_key(home: Home, keys: Keys) -> None:
    declare(home, "first", "2016, 2016")
    declare(home, "second", "2014, 2015")
    vault = Vault(home, keys)
    names = [NAME, "student_assessment/LA-2015.identity", "student_assessment/MO-2016.identity", "review/decisions"]
    for name in names:
        write(vault, name, *FRAMES)
    assert [vault.agreement(name) for name in names] == ["first", "second", "undeclared", "review.1"]
    assert vault.data_keys.names() == ["first", "review.1", "second", "undeclared"]
    for name in vault.data_keys.names():
        assert vault.data_keys.path(name).stat().st_mode & 0o777 == 0o600
    wrapped = {name: json.loads(vault.data_keys.path(name).read_text())["wrapped"] for name in ("first", "second")}
    assert len(set(wrapped.values())) == 2


def test_a_file_is_not_to_be_put_under_another_agreement(home: Home, keys: Keys) -> None:
    declare(home, "first", "2016, 2016")
    vault = Vault(home, keys)
    write(vault, NAME, *FRAMES)
    vault.data_keys.make("other")
    path = vault.path(NAME)
    path.write_bytes(path.read_bytes().replace(b"\x05first", b"\x05other"))
    with pytest.raises(VaultError, match="another key, or the file was changed"):
        list(vault.read(NAME))


def test_without_its_wrapped_key_no_copy_of_a_file_opens_with_the_master_key(
    home: Home, keys: Keys, vault: Vault, tmp_path: Path
) -> None:
    copy = Vault(home, keys, Path(shutil.copytree(home.vault, tmp_path / "copy")))
    data_key = vault.data_keys.path("undeclared")
    linked = tmp_path / "linked"
    linked.hardlink_to(data_key)
    content = linked.read_bytes()
    vault.data_keys.erase("undeclared")
    assert not data_key.exists()
    assert linked.read_bytes() != content and len(linked.read_bytes()) == len(content)  # written over where it lay
    copy.data_keys.erase("undeclared")
    for each in (Vault(home, keys), copy):
        with pytest.raises(VaultError, match="it was destroyed with its agreement, or is lost"):
            list(each.read(NAME))
    copy.data_keys.make("undeclared")  # another one is no help
    with pytest.raises(VaultError, match="another key, or the file was changed"):
        list(copy.read(NAME))


@pytest.mark.parametrize("change", ["wrapped", "nonce", "agreement", "not JSON"])
def test_a_wrapped_key_that_was_changed_opens_nothing(home: Home, keys: Keys, vault: Vault, change: str) -> None:
    path = vault.data_keys.path("undeclared")
    content = json.loads(path.read_text())
    if change == "agreement":  # of another one
        vault.data_keys.make("other")
        path.write_text(vault.data_keys.path("other").read_text())
    elif change == "not JSON":
        path.write_text("{")
    else:
        path.write_text(json.dumps(content | {change: f"{int(content[change][0], 16) ^ 1:x}{content[change][1:]}"}))
    with pytest.raises(VaultError, match="the data key of undeclared cannot be opened"):
        list(Vault(home, keys).read(NAME))


def earlier(vault: Vault, keys: Keys, name: str, *frames: pl.DataFrame) -> None:
    """A vault file as the version before agreements wrote it."""
    cipher, sealed = AESGCM(keys.derive("vault")), b"LEVAULT1"
    for place, frame in enumerate((*frames, None)):
        buffer = io.BytesIO()
        if frame is not None:
            frame.write_parquet(buffer)
        bound = f"{name}|{place}|{'last' if frame is None else 'more'}".encode()
        nonce = os.urandom(12)
        content = cipher.encrypt(nonce, buffer.getvalue(), bound)
        sealed += nonce + struct.pack(">I", len(content)) + content
    vault.path(name).parent.mkdir(parents=True, exist_ok=True)
    vault.path(name).write_bytes(sealed)


def test_a_vault_of_an_earlier_version_is_read_and_the_next_run_puts_it_under_data_keys(home: Home, keys: Keys) -> None:
    vault = Vault(home, keys)
    for name in (NAME, "review/decisions"):
        earlier(vault, keys, name, *FRAMES)
        assert_frame_equal(pl.concat(vault.read(name)), pl.concat(FRAMES))
        assert vault.agreement(name) is None
    declare(home, "first", "2016, 2016")
    assert agreements.keep(home, keys).resealed == 2
    vault = Vault(home, keys)
    assert [vault.agreement(name) for name in (NAME, "review/decisions")] == ["first", "review.1"]
    assert_frame_equal(pl.concat(vault.read(NAME)), pl.concat(FRAMES))
    assert agreements.keep(home, keys).is_current


def test_files_move_with_the_agreement_that_covers_them_and_a_key_that_opens_nothing_any_more_is_erased(
    home: Home, keys: Keys, vault: Vault
) -> None:
    copy = vault.path(NAME).read_bytes()
    declare(home, "first", "2016, 2016")
    assert agreements.keep(home, keys).resealed == 1
    moved = Vault(home, keys)
    assert (moved.agreement(NAME), moved.data_keys.names()) == ("first", ["first"])
    assert_frame_equal(pl.concat(moved.read(NAME)), pl.concat(FRAMES))
    vault.path(NAME).write_bytes(copy)
    with pytest.raises(VaultError, match="destroyed"):
        list(Vault(home, keys).read(NAME))


def test_two_processes_that_make_a_data_key_at_once_have_one(home: Home, keys: Keys, vault: Vault) -> None:
    before = vault.data_keys.path("undeclared").read_bytes()
    DataKeys(home.vault / "keys", keys).make("undeclared")
    assert vault.data_keys.path("undeclared").read_bytes() == before
