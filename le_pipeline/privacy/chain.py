"""Entries that are chained by hashes, one line of JSON each: none can be changed, dropped or moved unnoticed.

What the chain alone does not show is that its end was cut off, or that all of it was written anew: the audit log is
sealed with the key, and of others a copy of the last hash is kept elsewhere.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Container
from pathlib import Path
from typing import Any

from le_pipeline.errors import ChainError
from le_pipeline.warehouse.lake import replace

BEFORE_ALL = "0" * 64
Entry = dict[str, Any]


def read(path: Path) -> list[Entry]:
    """Every entry of a file, in order; none where there is no file.

    Raises:
        ChainError: an entry was changed, taken out or put in between.
    """
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    found: list[Entry] = []
    for number, text in enumerate(lines, start=1):
        if why := fault(text, number, found[-1]["hash"] if found else BEFORE_ALL):
            raise ChainError(
                f"{path}, line {number}: the chain of hashes is broken: {why}. Put the file back from a backup, and"
                " find out who changed it"
            )
        found.append(json.loads(text))
    return found


def append(path: Path, said: dict[str, Any]) -> None:
    """Add an entry to a file, which is written beside and swapped in. Call it under a lock.

    Raises:
        ChainError: an entry was changed.
    """
    every = read(path)
    every.append(following(every[-1] if every else None, said))
    replace(path, lambda beside: beside.write_bytes(b"".join(map(line, every))))


def following(last: Entry | None, said: dict[str, Any]) -> Entry:
    """The entry that comes after the last one, with its number, the time, what is said and the hash of both."""
    entry = {
        "number": last["number"] + 1 if last else 1,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **said,
    }
    return closed(entry, last)


def closed(entry: Entry, last: Entry | None) -> Entry:
    """The entry with the hash of the one before it and its own."""
    chained = {**entry, "before": last["hash"] if last else BEFORE_ALL}
    return {**chained, "hash": digest(chained)}


def why_unknown(head: str | None, hashes: Container[str]) -> str | None:
    """Why entries with these hashes do not bear out a head that was kept elsewhere; None where they do, or none was."""
    if head is None or head in hashes:
        return None
    return "no entry has the hash that was kept elsewhere: it was written anew, or its end was cut off"


def require_head(path: Path, kept: str | None) -> None:
    """Stop where no entry of a file has the hash of a head that was kept elsewhere; where none was kept, never.

    Raises:
        ChainError: none has; or as `read` does.
    """
    if why := why_unknown(kept, {entry["hash"] for entry in read(path)}):
        raise ChainError(f"{path}: {why}. Put the file back from a backup, and find out who changed it")


def line(entry: Entry) -> bytes:
    """An entry as it is written."""
    return (json.dumps(entry) + "\n").encode()


def digest(entry: Entry) -> str:
    """SHA-256 of an entry without its own hash, with its keys in order."""
    content = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def fault(text: str, number: int, before: str) -> str | None:
    """What is wrong with the line of an entry that is to have that number and to follow that hash."""
    try:
        entry = json.loads(text)
        if line(entry).decode() != text + "\n" or entry["hash"] != digest(entry):
            return "it was changed"
        if entry["number"] != number:
            return f"an entry was taken out or moved: {entry['number']} stands in its place"
        if entry["before"] != before:
            return "the entry before it is not the one that it followed"
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it was changed"
    return None
