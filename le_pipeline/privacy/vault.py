"""The vault: frames with direct identifiers, encrypted with AES-256-GCM, decrypted only in memory.

A vault file is a magic, the agreement that it belongs to, then frames of nonce (12 bytes), length (4 bytes) and
ciphertext under the data key of the agreement. The associated data binds each frame to its file, its agreement, its
place and whether it is the last, so that a frame cannot be moved, dropped or cut off unnoticed.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from le_pipeline.errors import HomeError, VaultError
from le_pipeline.home import Home, Partition
from le_pipeline.privacy import agreement
from le_pipeline.privacy.audit import Audit
from le_pipeline.privacy.data_key import NONCE_BYTES, DataKeys
from le_pipeline.privacy.keys import Keys, verify

SUFFIX = ".vault"
MAGIC = b"LEVAULT2"
EARLIER = b"LEVAULT1"  # before agreements had keys of their own: all under one key, and no agreement named
# what belongs to no landing folder: its data keys are numbered, and each is erased in its turn
REVIEW, EXTRACT_CODES = "review", "extract_codes"
OF_NO_FOLDER = (REVIEW, EXTRACT_CODES)


class Vault:
    """Reads and replaces the vault files of one home.

    `root`: where they are, if not in the home's own vault.
    """

    def __init__(self, home: Home, keys: Keys, root: Path | None = None) -> None:
        self.root = root or home.vault
        self._home, self._keys = home, keys
        self.data_keys = DataKeys(self.root / "keys", keys)
        self.audit = Audit(home, keys, self.root)

    @cached_property
    def _coverage(self) -> agreement.Coverage:
        return agreement.coverage(self._home)

    def belongs_to(self, name: str) -> str:
        """The agreement whose data key a new version of a vault file is encrypted with.

        Raises:
            VaultError: the data of the agreement were destroyed.
        """
        folder, _, file = name.partition("/")
        if folder in OF_NO_FOLDER:
            return f"{folder}.{max(self._numbers(folder), default=1)}"
        try:
            partition = Partition.parse(file.rpartition(".")[0])
        except HomeError:  # of no landing folder, so that no agreement can cover it
            return agreement.UNDECLARED
        if self._coverage.destroyed(partition):
            raise VaultError(f"the vault takes nothing of {partition} any more: its agreement's data were destroyed")
        return self._coverage.of(partition)

    def next_of(self, folder: str) -> str:
        """The next data key of what belongs to no landing folder."""
        return f"{folder}.{max(self._numbers(folder), default=0) + 1}"

    def agreement(self, name: str) -> str | None:
        """The agreement that a vault file says it belongs to; None for a file of an earlier version, or for none."""
        path = self.path(name)
        if not path.exists():
            return None
        with path.open("rb") as file:
            return _header(file)

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

    def log(self, what: str, purpose: str, **said: Any) -> dict[str, Any]:
        """Put on record that somebody looks at, or changes, what is in the vault: counts and keys, no value.

        Raises:
            AuditError: the log was changed, so that nothing may be done before somebody has looked.
        """
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.audit.append(what, purpose, **said)

    @contextmanager
    def replacing(self, name: str, belongs_to: str | None = None) -> Iterator[VaultWriter]:
        """Write a new version of a vault file beside the old one; `keep()` moves it into place, else it is dropped.

        Args:
            name: of the vault file.
            belongs_to: its agreement, if not the one that covers it now.
        """
        with self._home.lock(f"vault.{name.replace('/', '.')}"):
            yield from self._replacing(name, belongs_to or self.belongs_to(name))

    def _replacing(self, name: str, belongs_to: str) -> Iterator[VaultWriter]:
        cipher = self._made(belongs_to)
        beside = self.path(name).with_suffix(f".{os.getpid()}.part")
        beside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in beside.parent.glob(f"{self.path(name).stem}.*.part"):  # by a run that was killed
            left.unlink()
        try:
            with beside.open("wb") as file:
                beside.chmod(0o600)
                yield VaultWriter(cipher, Bound(name, belongs_to), file, self.path(name))
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
            try:
                belongs_to = _header(file)
            except VaultError:
                raise trouble from None
            cipher = self._earlier_cipher if belongs_to is None else self.data_keys.cipher(belongs_to)
            bound = Bound(name, belongs_to)
            index = 0
            while head := file.read(NONCE_BYTES + 4):
                if len(head) < NONCE_BYTES + 4:
                    raise trouble
                nonce, (length,) = head[:NONCE_BYTES], struct.unpack(">I", head[NONCE_BYTES:])
                sealed = file.read(length)
                for last in (False, True):
                    try:
                        content = cipher.decrypt(nonce, sealed, bound.to(index, last=last))
                        break
                    except InvalidTag:
                        if last:
                            raise trouble from None
                if last:
                    return
                yield pl.read_parquet(io.BytesIO(content)).with_columns(pl.selectors.categorical().cast(pl.String))
                index += 1
        raise trouble

    def reseal(self, name: str) -> None:
        """Encrypt a vault file anew, as it is, with the data key of the agreement that covers it now."""
        with self.replacing(name) as file:
            for frame in self.read(name):
                file.add(frame)
            file.keep()

    def _numbers(self, folder: str) -> list[int]:
        return [int(name.partition(".")[2]) for name in self.data_keys.names() if name.startswith(f"{folder}.")]

    @property
    def _earlier_cipher(self) -> AESGCM:
        return AESGCM(self._keys.derive("vault"))

    def _made(self, belongs_to: str) -> AESGCM:
        """The cipher of an agreement, whose data key is made where there is none."""
        if belongs_to not in self.data_keys.names():
            if self.root == self._home.vault:
                verify(self._home, self._keys)
            self.log("data key made", "encrypt what an agreement covers", agreement=belongs_to)
            self.data_keys.make(belongs_to)
        return self.data_keys.cipher(belongs_to)


@dataclass(frozen=True)
class Bound:
    """What the frames of a file are bound to."""

    name: str
    agreement: str | None

    def to(self, index: int, *, last: bool) -> bytes:
        """The associated data of one frame."""
        place = f"{self.name}|{index}|{'last' if last else 'more'}"
        return (place if self.agreement is None else f"{place}|{self.agreement}").encode()


class VaultWriter:
    """Appends encrypted frames to a new version of one vault file."""

    def __init__(self, cipher: AESGCM, bound: Bound, file: BinaryIO, target: Path) -> None:
        self._cipher = cipher
        self._bound = bound
        self._file = file
        self._target = target
        self._count = 0
        named = str(bound.agreement).encode()
        file.write(MAGIC + bytes([len(named)]) + named)

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
        sealed = self._cipher.encrypt(nonce, content, self._bound.to(self._count, last=last))
        self._file.write(nonce + struct.pack(">I", len(sealed)) + sealed)
        self._count += 1


def _header(file: BinaryIO) -> str | None:
    """The agreement that a vault file names; None in one of an earlier version."""
    magic = file.read(len(MAGIC))
    if magic == EARLIER:
        return None
    length = file.read(1)
    if magic != MAGIC or not length:
        raise VaultError("is no vault file")
    return file.read(length[0]).decode("ascii", errors="replace")


def _to_bytes(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1, statistics=False)
    return buffer.getvalue()
