"""Data keys: each agreement has a random one, and what is in the vault is encrypted with it (envelope encryption).

A data key lies beside the vault files, wrapped with AES-256-GCM under a key that is derived from the master key for its
agreement. Without the wrapped key nobody opens the files any more, the owner of the master key neither, nor any copy
of the files: so an agreement is ended by erasing it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from le_pipeline.errors import VaultError
from le_pipeline.files import synced
from le_pipeline.privacy.keys import Keys

NONCE_BYTES = 12
SUFFIX = ".json"
DESTROYED = ".destroyed.json"  # what is kept of an agreement whose key was erased


class DataKeys:
    """The data keys in one folder."""

    def __init__(self, folder: Path, keys: Keys) -> None:
        self._folder, self._keys = folder, keys
        self._ciphers: dict[str, AESGCM] = {}

    def names(self) -> list[str]:
        """Whose data keys there are."""
        found = (path.name for path in self._folder.glob(f"*{SUFFIX}") if not path.name.endswith(DESTROYED))
        return sorted(name.removesuffix(SUFFIX) for name in found)

    def cipher(self, name: str) -> AESGCM:
        """The cipher of an agreement's data key.

        Raises:
            VaultError: there is none (any more), or the master key is another.
        """
        if name not in self._ciphers:
            self._ciphers[name] = AESGCM(self._unwrapped(name))
        return self._ciphers[name]

    def make(self, name: str) -> None:
        """Make a random data key for an agreement, unless another process has just made one."""
        nonce, bound = os.urandom(NONCE_BYTES), _bound_to(name)
        sealed = self._wrapper(name).encrypt(nonce, AESGCM.generate_key(256), bound)
        content = {"agreement": name, "key_id": self._keys.key_id, "nonce": nonce.hex(), "wrapped": sealed.hex()}
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside = self._folder / f".{name}.{os.getpid()}.part"
        try:
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(content, file)
                file.flush()
                os.fsync(file.fileno())
            self.path(name).hardlink_to(beside)  # fails where one is there, which a rename would replace
            synced(self._folder)
        except FileExistsError:
            pass
        finally:
            beside.unlink(missing_ok=True)

    def erase(self, name: str) -> None:
        """Write over a wrapped data key, on the disk, and take it away."""
        self._ciphers.pop(name, None)
        erased(self.path(name))

    def path(self, name: str) -> Path:
        """The file of an agreement's wrapped key."""
        return self._folder / f"{name}{SUFFIX}"

    def _unwrapped(self, name: str) -> bytes:
        try:
            content = json.loads(self.path(name).read_text(encoding="ascii"))
            nonce, sealed = bytes.fromhex(content["nonce"]), bytes.fromhex(content["wrapped"])
            return self._wrapper(name).decrypt(nonce, sealed, _bound_to(name))
        except FileNotFoundError:
            raise VaultError(
                f"the data key of {name} is not there: it was destroyed with its agreement, or is lost;"
                " what was encrypted with it cannot be opened"
            ) from None
        except (InvalidTag, ValueError, KeyError):
            raise VaultError(f"the data key of {name} cannot be opened: another key, or it was changed") from None

    def _wrapper(self, name: str) -> AESGCM:
        return AESGCM(self._keys.derive("vault", name))


def erased(path: Path) -> None:
    """Write over a small file where it lies, and take it away; one that is gone stays gone."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        file.write(os.urandom(size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()
    synced(path.parent)


def _bound_to(name: str) -> bytes:
    return f"le_pipeline|data key|{name}".encode()
