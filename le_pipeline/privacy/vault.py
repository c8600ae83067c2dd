"""The vault: frames with direct identifiers, encrypted with AES-256-GCM, decrypted only in memory.

A vault file is a magic, then frames of nonce (12 bytes), length (4 bytes), ciphertext. The associated data binds each
frame to its file, its place and whether it is the last, so that a frame cannot be moved, dropped or cut off unnoticed.
"""

from __future__ import annotations

import datetime
import getpass
import io
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from le_pipeline.errors import VaultError
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.keys import Keys

LOG = "access.jsonl"
SUFFIX = ".vault"
MAGIC = b"LEVAULT1"
NONCE_BYTES = 12


class Vault:
    """Reads and replaces the vault files of one home.

    `root`: where they are, if not in the home's own vault.
    """

    def __init__(self, home: Home, keys: Keys, root: Path | None = None) -> None:
        self.root = root or home.vault
        self._cipher = AESGCM(keys.derive("vault"))

    def path(self, name: str) -> Path:
        """The file of that name, such as `student_assessment/LA-2016.identity`."""
        return self.root / f"{name}{SUFFIX}"

    def partitions(self, feed: str) -> list[Partition]:
        """The state and school years of which the vault has identities of a feed."""
        found = (self.root / feed).glob(f"*.identity{SUFFIX}")
        return sorted(Partition.parse(path.name.removesuffix(f".identity{SUFFIX}")) for path in found)

    def names(self, ending: str) -> list[str]:
        """Names of the vault files with that ending."""
        found = self.root.glob(f"*/*{ending}{SUFFIX}")
        return sorted(path.relative_to(self.root).as_posix().removesuffix(SUFFIX) for path in found)

    def stamp(self, name: str) -> list[int] | None:
        """What tells this version of a vault file from another: its size and time; None where there is no file."""
        path = self.path(name)
        return [path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else None

    def log(self, what: str, **said: int | str) -> None:
        """Put on record that somebody has looked at, or changed, what is in the vault: counts and keys, no value."""
        entry = {"at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), "who": getpass.getuser()}
        (self.root / LOG).touch(mode=0o600)
        with (self.root / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry | {"what": what} | said) + "\n")

    @contextmanager
    def replacing(self, name: str) -> Iterator[VaultWriter]:
        """Write a new version of a vault file beside the old one; `keep()` moves it into place, else it is dropped."""
        beside = self.path(name).with_suffix(f".{os.getpid()}.part")
        beside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in beside.parent.glob(f"{self.path(name).stem}.*.part"):  # by a run that was killed
            left.unlink()
        try:
            with beside.open("wb") as file:
                beside.chmod(0o600)
                yield VaultWriter(self._cipher, name, file, self.path(name))
        finally:
            beside.unlink(missing_ok=True)

    def read(self, name: str) -> Iterator[pl.DataFrame]:
        """The frames of a vault file; none where there is no file.

        Raises:
            VaultError: another key, or the file was changed or cut off.
        """
        if not self.path(name).exists():
            return
        trouble = VaultError(f"the vault file {name} cannot be opened: another key, or the file was changed")
        with self.path(name).open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise trouble
            index = 0
            while head := file.read(NONCE_BYTES + 4):
                if len(head) < NONCE_BYTES + 4:
                    raise trouble
                nonce, (length,) = head[:NONCE_BYTES], struct.unpack(">I", head[NONCE_BYTES:])
                sealed = file.read(length)
                for last in (False, True):
                    try:
                        content = self._cipher.decrypt(nonce, sealed, _bound_to(name, index, last=last))
                        break
                    except InvalidTag:
                        if last:
                            raise trouble from None
                if last:
                    return
                yield pl.read_parquet(io.BytesIO(content)).with_columns(pl.selectors.categorical().cast(pl.String))
                index += 1
        raise trouble


class VaultWriter:
    """Appends encrypted frames to a new version of one vault file."""

    def __init__(self, cipher: AESGCM, name: str, file: BinaryIO, target: Path) -> None:
        self._cipher = cipher
        self._name = name
        self._file = file
        self._target = target
        self._count = 0
        file.write(MAGIC)

    def add(self, frame: pl.DataFrame) -> None:
        """Append a frame; one without rows is left out."""
        if frame.height:
            self._seal(_to_bytes(frame), last=False)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Take back the frames added inside, if what is done there fails: a refused file leaves nothing behind."""
        place, count = self._file.tell(), self._count
        try:
            yield
        except BaseException:
            self._file.seek(place)
            self._file.truncate()
            self._count = count
            raise

    def keep(self) -> None:
        """Complete the file and move it into place."""
        self._seal(b"", last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        Path(self._file.name).replace(self._target)

    def _seal(self, content: bytes, *, last: bool) -> None:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, content, _bound_to(self._name, self._count, last=last))
        self._file.write(nonce + struct.pack(">I", len(sealed)) + sealed)
        self._count += 1


def _bound_to(name: str, index: int, *, last: bool) -> bytes:
    return f"{name}|{index}|{'last' if last else 'more'}".encode()


def _to_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    return buffer.getvalue()
