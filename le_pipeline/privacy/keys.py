"""Key material: where it comes from, what is derived from it, and how a wrong key is noticed."""

from __future__ import annotations

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from le_pipeline.errors import KeyFileError
from le_pipeline.home import Home
from le_pipeline.warehouse.lake import Lake

KEY_BYTES = 32
KEY_ID = "key_id"  # the note of which key a lake was made with


@dataclass(frozen=True)
class Keys:
    """Keys of one master key. The master never shows in a repr, a log or an error."""

    master: bytes = field(repr=False)

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for one purpose (HKDF-SHA-256, RFC 5869), so that no key serves two."""
        info = b"le_pipeline|1|" + purpose.encode()
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(self.master)

    @property
    def key_id(self) -> str:
        """Tells this key from another without giving it away; safe to record."""
        return self.derive("key id").hex()[:16]


def key_file() -> Path:
    """Where the key is: LE_KEY_FILE, else a file in the user's configuration folder."""
    if named := os.environ.get("LE_KEY_FILE"):
        return Path(named).expanduser()
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return base / "le_pipeline" / "key"


def create_key_file(home: Home) -> Path:
    """Make a random key with mode 0600, unless there is one.

    Raises:
        KeyFileError: the place is inside LE_HOME, where whoever copies the lake would copy the key; or the home was
            made with a key that is not there, which a new one could not stand in for.
    """
    path = key_file()
    _outside(path, home)
    if not path.exists() and "LE_KEY" not in os.environ:
        if known := Lake(home.lake).note(KEY_ID):
            raise KeyFileError(
                f"the key {known} of this home is not at {path}; put it back, or point LE_KEY_FILE at it"
            )
        _create(path)
    return path


def load_keys(home: Home, *, is_changing: bool = False) -> Keys:
    """The keys from LE_KEY (64 hexadecimal digits) or from the key file, checked against the lake.

    Args:
        home: whose keys.
        is_changing: whether they are asked for to change them.

    Raises:
        KeyFileError: no key, a weak or readable one, not the one that this home was made with, or a change of keys was
            cut off.
    """
    if home.old_vault.exists() and not is_changing:  # to go on would be the end of what people have decided
        raise KeyFileError(
            "a change of keys was cut off; nothing was written. Run `le keys rotate` again with the same --to; where it"
            " says that the home was made with another key, set LE_KEY_FILE to the new one first"
        )
    keys = Keys(_decode(os.environ["LE_KEY"], "LE_KEY") if "LE_KEY" in os.environ else _from_file(key_file(), home))
    lake = Lake(home.lake)
    known = lake.note(KEY_ID)
    if known is None:
        lake.write_note(KEY_ID, keys.key_id)
    elif known != keys.key_id and home.old_vault.exists():
        raise KeyFileError(
            f"a change of keys was cut off when the home had its new key {known} already: set LE_KEY_FILE to its file,"
            " and run `le keys rotate` again with the same --to"
        )
    elif known != keys.key_id:
        raise KeyFileError(
            f"this home was made with the key {known}, not with {keys.key_id}; nothing was written."
            " Point LE_KEY_FILE at the right key"
        )
    return keys


def new_keys(path: Path, home: Home) -> Keys:
    """The keys of another key file than the home's, made with mode 0600 where there is none.

    Raises:
        KeyFileError: a weak or readable key, or one inside LE_HOME.
    """
    _outside(path, home)
    if not path.exists():
        _create(path)
    return Keys(_from_file(path, home))


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")


def _from_file(path: Path, home: Home) -> bytes:
    _outside(path, home)
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise KeyFileError(f"there is no key at {path}; run `le init`, or set LE_KEY_FILE") from None
    except (OSError, UnicodeDecodeError):
        raise KeyFileError(f"the key at {path} cannot be read as text") from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"others may read the key at {path}; run `chmod 600 {path}`")
    return _decode(text, str(path))


def _decode(text: str, where: str) -> bytes:
    try:
        master = bytes.fromhex(text.strip())
    except ValueError:
        master = b""
    if len(master) != KEY_BYTES or len(set(master)) < KEY_BYTES // 4:
        raise KeyFileError(
            f"the key in {where} must be {KEY_BYTES * 2} random hexadecimal digits; run `le init` to make one"
        )
    return master


def _outside(path: Path, home: Home) -> None:
    if path.resolve().is_relative_to(home.root):
        raise KeyFileError(f"the key must not lie in LE_HOME ({home.root}); set LE_KEY_FILE to a place outside it")
