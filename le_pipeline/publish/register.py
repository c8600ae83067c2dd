"""The disclosure register: who received which students' data, when, why, and until when.

34 CFR 99.32 asks for a record of each disclosure. `LE_HOME/extracts/register.jsonl` holds one entry a line; each holds
the hash of the line before it, so that an entry that is changed or taken out later breaks the chain.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from typing import Any

from le_pipeline.errors import ExtractError
from le_pipeline.home import Home

FILE = "register.jsonl"
FIRST = "0" * 64  # what the first entry has in the place of a hash
EXTRACT, DESTROYED = "extract", "destroyed"


def entries(home: Home) -> list[dict[str, Any]]:
    """Every entry, in order.

    Raises:
        ExtractError: an entry was changed, taken out or put in between.
    """
    path = home.extracts / FILE
    lines = path.read_bytes().splitlines() if path.exists() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = dict(json.loads(line))
        except ValueError:
            entry = {}
        if entry.get("previous") != (_hash(lines[number - 2]) if number > 1 else FIRST):
            raise ExtractError(
                f"{path}, line {number}: the chain of hashes is broken here; this entry or the one before it was"
                " changed or taken out. Put the register back from a backup, and find out who changed it"
            )
        found.append(entry)
    return found


def append(home: Home, kind: str, said: dict[str, Any]) -> None:
    """Add an entry of a kind. Call it under the home's lock `extract`.

    Raises:
        ExtractError: the register was changed.
    """
    entries(home)
    path = home.extracts / FILE
    lines = path.read_bytes().splitlines() if path.exists() else []
    head = {"kind": kind, "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    entry = head | said | {"previous": _hash(lines[-1]) if lines else FIRST}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
        file.flush()
        os.fsync(file.fileno())


def out(home: Home) -> list[dict[str, Any]]:
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


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()
