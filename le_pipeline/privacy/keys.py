"""The master key of a home: what is derived from it, and how a wrong one is noticed before anything is written."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from le_pipeline.errors import KeyFileError
from le_pipeline.files import synced
from le_pipeline.home import Home
from le_pipeline.privacy import key_source
from le_pipeline.privacy.key_source import INSTEAD, KEY_BYTES, key_file
from le_pipeline.privacy.key_strength import weakness
from le_pipeline.warehouse.lake import Lake, replace

__all__ = ["KEY_BYTES", "Keys", "create_key_file", "key_file", "load_keys", "new_keys", "record", "verify"]

EARLIER_NOTE = "key_id"  # the note of the lake in which an earlier version kept the id of its key


@dataclass(frozen=True)
class Keys:
    """Keys of one master key. The master never shows in a repr, a log or an error."""

    master: bytes = field(repr=False)

    def derive(self, purpose: str, agreement: str | None = None) -> bytes:
        """A 32-byte key for one purpose, or for one purpose and agreement (HKDF-SHA-256, RFC 5869).

        So no key serves two purposes, and no key of one agreement opens what belongs to another.
        """
        info = f"le_pipeline|1|{purpose}" if agreement is None else f"le_pipeline|2|{purpose}|agreement|{agreement}"
        return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info.encode()).derive(self.master)

    def seal(self, purpose: str, message: str) -> str:
        """HMAC-SHA-256 of a message under the key of a purpose, in hexadecimal digits."""
        return hmac.new(self.derive(purpose), message.encode(), hashlib.sha256).hexdigest()

    @property
    def key_id(self) -> str:
        """Tells this key from another without giving it away; safe to record."""
        return self.derive("key id").hex()[:16]

    @property
    def check_value(self) -> str:
        """Proves that a key is the one of this id; safe to record."""
        return self.seal("key check", self.key_id)


def create_key_file(home: Home) -> Path:
    """Make a random key with mode 0600, unless there is one, or it comes from elsewhere.

    Raises:
        KeyFileError: the place is inside LE_HOME, where whoever copies the lake would copy the key; or the home was
            made with a key that is not there, which a new one could not stand in for.
    """
    path = key_file()
    if key_source.is_kept_elsewhere():
        return path
    key_source.refuse_inside(path, home)
    if not path.exists():
        if known := recorded_id(home):
            raise KeyFileError(
                f"the key {known} of this home is not at {path}; put it back, or point LE_KEY_FILE at it"
            )
        _create(path)
    return path


def load_keys(home: Home) -> Keys:
    """The keys from LE_KEY (64 hexadecimal digits), the user's own store or the key file, checked against the home.

    Raises:
        KeyFileError: no key, a weak or readable one, not the one that this home was made with, or a change of keys was
            cut off.
    """
    require_whole(home)
    keys = current_keys(home)
    if recorded_id(home) is None:
        record(home, keys)
    else:
        verify(home, keys)
        if not home.key_record.exists():
            record(home, keys)
    return keys


def require_whole(home: Home) -> None:
    """Stop where a change of keys was cut off, so that some of the home is under one key and some under another.

    Raises:
        KeyFileError: it was.
    """
    if (home.rotation / "journal.json").exists():
        raise KeyFileError(
            "a change of keys was cut off; nothing was written. Run `le keys rotate` again with the same --to to finish"
            " it, or `le keys rotate --back` to go back to the key before"
        )


def current_keys(home: Home) -> Keys:
    """The keys that the environment points to, whatever the home was made with.

    Raises:
        KeyFileError: no key, or a weak or readable one.
    """
    return _strong(key_source.master_key(home), key_source.described())


def verify(home: Home, keys: Keys) -> None:
    """Stop unless the home was made with these keys.

    Raises:
        KeyFileError: it was not.
    """
    known = recorded_id(home)
    check = _recorded(home).get("check", keys.check_value)  # an earlier version recorded the id alone
    if known != keys.key_id or not hmac.compare_digest(check, keys.check_value):
        raise KeyFileError(
            f"this home was made with the key {known}, not with {keys.key_id}; nothing was written."
            f" To give the right key, {key_source.pointing_to('it')}"
        )


def new_keys(name: Path | str, home: Home) -> Keys:
    """The keys of another key than the home's: of a file, made with mode 0600 where there is none, or of the store.

    Raises:
        KeyFileError: a weak or readable key, one inside LE_HOME, or one in a folder that is not there.
    """
    if not os.environ.get("LE_KEY_PROVIDER"):
        path = Path(name).expanduser()
        key_source.refuse_inside(path, home)
        if not path.parent.is_dir():
            raise KeyFileError(f"there is no folder {path.parent} for the new key; make it, or correct --to")
        if not path.exists():
            _create(path)
    return _strong(key_source.fetched(home, str(name)), str(name))


def recorded_id(home: Home) -> str | None:
    """The id of the key that the home was made with; None for a home that is new."""
    known: str | None = _recorded(home).get("key_id") or Lake(home.lake).note(EARLIER_NOTE)
    return known


def record(home: Home, keys: Keys) -> None:
    """Record with which key the home is made."""
    content = json.dumps({"key_id": keys.key_id, "check": keys.check_value})
    home.create_root()
    replace(home.key_record, lambda path: path.write_text(content, encoding="ascii"))


def _recorded(home: Home) -> dict[str, str]:
    try:
        return dict(json.loads(home.key_record.read_text(encoding="ascii")))
    except FileNotFoundError:
        return {}
    except (ValueError, OSError):
        raise KeyFileError(f"{home.key_record} is damaged; put it back from a back-up") from None


def _strong(master: bytes, where: str) -> Keys:
    if why := weakness(master):
        raise KeyFileError(
            f"the key in {where} must be {KEY_BYTES * 2} random hexadecimal digits, and this one {why}; {INSTEAD}"
        )
    return Keys(master)


def _create(path: Path) -> None:
    """Make a key, and have it on the disk before anything is written under it."""
    is_new = not path.parent.exists()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    for folder in [path.parent, path.parent.parent][: 1 + is_new]:
        synced(folder)
