"""The disclosure register: who received which students' data, when, why, and until when.

34 CFR 99.32 asks for a record of each disclosure. `LE_HOME/extracts/register.jsonl` holds one entry a line, chained by
hashes (`privacy.chain`), so that one that is changed or taken out later shows.
"""

from __future__ import annotations

from typing import Any

from le_pipeline.errors import ExtractError
from le_pipeline.home import Home
from le_pipeline.privacy import chain
from le_pipeline.privacy.chain import Entry, read

FILE = "register.jsonl"
EXTRACT, DESTROYED = "extract", "destroyed"


def entries(home: Home) -> list[Entry]:
    """Every entry, in order.

    Raises:
        ChainError: an entry was changed, taken out or put in between.
    """
    return read(home.extracts / FILE)


def head(home: Home) -> str | None:
    """The hash of the last entry, of which a copy is kept elsewhere.

    Raises:
        ChainError: as `entries` does.
    """
    every = entries(home)
    return every[-1]["hash"] if every else None


def require_head(home: Home, kept: str | None) -> None:
    """Stop where no entry has the hash of a head that was kept elsewhere.

    Raises:
        ChainError: none has; or as `entries` does.
    """
    chain.require_head(home.extracts / FILE, kept)


def append(home: Home, kind: str, said: dict[str, Any]) -> None:
    """Add an entry of a kind. Call it under the home's lock `extract`.

    Raises:
        ChainError: the register was changed.
    """
    chain.append(home.extracts / FILE, {"kind": kind, **said})


def out(home: Home) -> list[Entry]:
    """Entries of extracts that are still out: the recipient has not said that they are destroyed."""
    every = entries(home)
    gone = {entry["folder"] for entry in every if entry["kind"] == DESTROYED}
    return [entry for entry in every if entry["kind"] == EXTRACT and entry["folder"] not in gone]


def destroyed(home: Home, agreement: str, date: str) -> None:
    """Put on record that the recipient has destroyed an extract.

    Raises:
        ExtractError: no such extract is out.
    """
    folder = f"{agreement}/{date}"
    with home.lock("extract"):
        if folder not in {entry["folder"] for entry in out(home)}:
            raise ExtractError(f"no extract {folder} is out; `le extract register` lists them")
        append(home, DESTROYED, {"folder": folder})
