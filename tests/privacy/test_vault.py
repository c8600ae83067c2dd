"""The vault: what is put in comes out, and whatever was done to the file in between is noticed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from le_pipeline.errors import VaultError
from le_pipeline.home import Home
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
