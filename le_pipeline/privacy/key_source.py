"""Where the master key is fetched from: a file, the environment, or a store of the user's own.

A store (HashiCorp Vault, a cloud's key management) is a `KeyProvider`. LE_KEY_PROVIDER names what makes one, as
`package.module:callable`; LE_KEY_NAME is what the key is called there.
"""

from __future__ import annotations

import importlib
import os
import stat
from pathlib import Path
from typing import Protocol

from le_pipeline.errors import KeyFileError
from le_pipeline.home import Home

KEY_BYTES = 32
INSTEAD = "put the right key back there; only where the home is new, take it away, and `le init` makes one"


class KeyProvider(Protocol):
    """Gives master keys by their names."""

    def fetch(self, name: str) -> bytes:
        """The 32 bytes of the master key of that name."""


class FileProvider:
    """Keys as files of 64 hexadecimal digits that their owner alone can read; the name of a key is its path."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def fetch(self, name: str) -> bytes:
        """The key of a file.

        Raises:
            KeyFileError: there is none, somebody else may read or replace it, it lies in LE_HOME, or is no key.
        """
        path = Path(name).expanduser()
        refuse_inside(path, self._home)
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:  # a pipe would be waited for
                about = os.fstat(file.fileno())
                text = file.read(4 * KEY_BYTES) if stat.S_ISREG(about.st_mode) else b""
        except FileNotFoundError:
            raise KeyFileError(f"there is no key at {path}; {self._without_key()}") from None
        except OSError:
            raise KeyFileError(f"the key at {path} cannot be read") from None
        if not stat.S_ISREG(about.st_mode):
            raise KeyFileError(f"the key at {path} is no regular file; put the key into one, or into LE_KEY")
        _refuse_shared(path, about)
        return from_hexadecimal(text.decode("ascii", errors="replace"), str(path))

    def _without_key(self) -> str:
        if self._home.key_record.exists():
            return "this home was made with one: put it back, or set LE_KEY_FILE to where it is"
        return "run `le init`, or set LE_KEY_FILE"


def key_file() -> Path:
    """Where the key is: LE_KEY_FILE, else a file in the user's configuration folder."""
    if named := os.environ.get("LE_KEY_FILE"):
        return Path(named).expanduser()
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    return base / "le_pipeline" / "key"


def is_kept_elsewhere() -> bool:
    """Whether the key comes from the environment or a store of the user's, so that no file is made for it."""
    return "LE_KEY" in os.environ or bool(os.environ.get("LE_KEY_PROVIDER"))


def pointing_to(key: str) -> str:
    """What to do so that another key is taken: a file, or a name in the user's own store."""
    variable = "LE_KEY_NAME" if os.environ.get("LE_KEY_PROVIDER") else "LE_KEY_FILE"
    first = "unset LE_KEY, which goes before it, and " if "LE_KEY" in os.environ else ""
    return f"{first}set {variable} to {key}"


def described() -> str:
    """Where the key comes from, in words."""
    if "LE_KEY" in os.environ:
        return "LE_KEY"
    if named := os.environ.get("LE_KEY_PROVIDER"):
        return f"{named} ({_name()})"
    return str(key_file())


def master_key(home: Home) -> bytes:
    """The master key that the environment points to.

    Raises:
        KeyFileError: there is none, or it cannot be taken.
    """
    if "LE_KEY" in os.environ:
        return from_hexadecimal(os.environ["LE_KEY"], "LE_KEY")
    return fetched(home, _name() if os.environ.get("LE_KEY_PROVIDER") else str(key_file()))


def fetched(home: Home, name: str) -> bytes:
    """The master key of that name from the user's own store, else from the file of that path.

    Raises:
        KeyFileError: there is none, or it cannot be taken. What a store says of it is not passed on.
    """
    named = os.environ.get("LE_KEY_PROVIDER")
    if not named:
        return FileProvider(home).fetch(name)
    try:
        master = _provider(named).fetch(name)
    except KeyFileError:
        raise
    except Exception as error:  # noqa: BLE001  # its message may hold what it was given, or the key
        raise KeyFileError(
            f"the key provider {named} failed ({type(error).__name__}) when it was asked for {name}; see its own log"
        ) from None
    if not isinstance(master, bytes) or len(master) != KEY_BYTES:
        raise KeyFileError(f"the key provider {named} must give {KEY_BYTES} bytes for {name}")
    return master


def refuse_inside(path: Path, home: Home) -> None:
    """Stop where a key lies in LE_HOME: whoever copies the lake would copy the key.

    Raises:
        KeyFileError: it does.
    """
    if path.resolve().is_relative_to(home.root):
        raise KeyFileError(f"the key must not lie in LE_HOME ({home.root}); set LE_KEY_FILE to a place outside it")


def from_hexadecimal(text: str, where: str) -> bytes:
    """The bytes of 64 hexadecimal digits.

    Raises:
        KeyFileError: the text is something else; it is not shown.
    """
    digits = text.strip()
    try:
        master = bytes.fromhex(digits)
    except ValueError:
        master = b""
    if len(master) != KEY_BYTES or len(digits) != 2 * KEY_BYTES:
        raise KeyFileError(f"the key in {where} must be {KEY_BYTES * 2} random hexadecimal digits; {INSTEAD}")
    return master


def _name() -> str:
    return os.environ.get("LE_KEY_NAME") or "le_pipeline"


def _provider(named: str) -> KeyProvider:
    module, colon, name = named.partition(":")
    if not colon or not module or not name:
        raise KeyFileError(f"LE_KEY_PROVIDER must be package.module:callable, not {named}")
    try:
        make = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        raise KeyFileError(
            f"LE_KEY_PROVIDER names {named}, which cannot be imported; install it beside this project, or correct it"
        ) from None
    provider: KeyProvider = make()
    return provider


def _refuse_shared(path: Path, about: os.stat_result) -> None:
    """Stop where somebody else could read the key, or put another in its place."""
    if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise KeyFileError(f"others may read the key at {path}; run `chmod 600 {path}`")
    if about.st_uid != os.geteuid() or path.lstat().st_uid != os.geteuid():
        raise KeyFileError(f"the key at {path} belongs to somebody else; make it your own, or use one of your own")
    for place in dict.fromkeys((path.absolute(), path.resolve())):  # of a link, its own folder and the one it leads to
        for above in place.parents:
            mode = above.stat().st_mode
            writable = stat.S_IWGRP | stat.S_IWOTH if above == place.parent else stat.S_IWOTH
            if mode & writable and not mode & stat.S_ISVTX:  # in a sticky folder nobody can replace another's file
                raise KeyFileError(
                    f"others may write to {above}, and so replace the key at {path}; run `chmod go-w {above}`"
                )
