"""The log of what was taken out of the vault, or changed in it: who, when, what for.

Each entry holds the hash of the one before, so that none can be changed, dropped or moved unnoticed. The last one, the
head, is kept beside under a seal that only the master key makes, so that neither the end can be cut off nor the whole
chain written anew. The head is written first: an entry whose writing was cut off is completed by the next.
"""

from __future__ import annotations

import datetime
import getpass
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from le_pipeline.errors import AuditError, PurposeError
from le_pipeline.files import hash_of
from le_pipeline.home import Home
from le_pipeline.privacy.chain import BEFORE_ALL, Entry, closed, digest, fault, following, line, why_unknown
from le_pipeline.privacy.keys import Keys
from le_pipeline.warehouse.lake import replace

LOG, HEAD = "audit.jsonl", "audit.head.json"
EARLIER = "access.jsonl"  # the log of an earlier version, without hashes
TAKEN_OVER = "put on record before purposes were asked for"
WAY_OUT = "Put the log back from a back-up; where there is none, `le audit restart` sets it aside and begins another"
SHORTEST, FEWEST_WORDS = 10, 2


@dataclass(frozen=True)
class Verdict:
    """How many entries hold together, the hash of the last, and which entry is the first that does not, and why."""

    entries: int
    head: str | None
    broken: int | None = None
    why: str | None = None


def stated(purpose: str) -> str:
    """The purpose, where it says something.

    Raises:
        PurposeError: it is empty, or a word.
    """
    said = " ".join(purpose.split())
    if len(said) < SHORTEST or len(said.split()) < FEWEST_WORDS:
        raise PurposeError(
            f"say in a sentence what for, with --purpose (at least {SHORTEST} characters and {FEWEST_WORDS} words);"
            " it is kept in the log as it is, so name nobody"
        )
    return said


class Audit:
    """The log of one vault."""

    def __init__(self, home: Home, keys: Keys, root: Path) -> None:
        self._home, self._keys, self._root = home, keys, root

    def append(self, what: str, purpose: str, **said: Any) -> Entry:
        """Put something on record; it is on the disk when this returns.

        Args:
            what: the operation.
            purpose: what for.
            said: counts and keys; no value of a person.

        Raises:
            AuditError: the log was changed by somebody else, or its head is gone.
        """
        with self._home.lock("audit"):
            return self._append(self._completed(), what, purpose, said)

    def _append(self, head: Entry | None, what: str, purpose: str, said: dict[str, Any]) -> Entry:
        entry = following(head, {"who": getpass.getuser(), "what": what, "purpose": purpose, **said})
        self._write_head(entry, self._size() + len(line(entry)))
        self._write(line(entry))
        return entry

    def entries(self) -> Iterator[Entry]:
        """The entries, as they stand there."""
        for text in self._lines():
            yield json.loads(text)

    def take_over(self, other: Audit) -> None:
        """Go on with the log of another vault, whose head is sealed anew; what was wrong with it stays wrong."""
        with self._home.lock("audit"):
            head = other._completed()
            if head is None:
                return
            self._write((other._root / LOG).read_bytes())
            self._write_head(head, json.loads((other._root / HEAD).read_text(encoding="utf-8"))["bytes"])

    def verify(self, head: str | None = None) -> Verdict:
        """Go through the whole log.

        Args:
            head: the hash of a head that was kept elsewhere; it must be that of some entry.
        """
        hashes: list[str] = []
        for number, text in enumerate(self._lines(), start=1):
            before = hashes[-1] if hashes else BEFORE_ALL
            if why := fault(text, number, before):
                return Verdict(number - 1, before if hashes else None, number, why)
            hashes.append(json.loads(text)["hash"])
        last = hashes[-1] if hashes else None
        broken, why = self._against_seal(hashes)
        if broken is None and (why := why_unknown(head, hashes)):
            broken = 1
        return Verdict(len(hashes) if broken is None else broken - 1, last, broken, why)

    def _against_seal(self, hashes: list[str]) -> tuple[int | None, str | None]:
        """Which entry is the first that the sealed head does not bear out, and why; of entries that hold together."""
        try:
            sealed = self._head()
        except AuditError as error:
            return max(len(hashes), 1), str(error)
        if sealed is None:
            if not hashes and not self._is_lost():
                return None, None
            return 1, "the head of the log is gone" if hashes else "the log is gone"
        number = int(sealed["number"])
        if len(hashes) < number:
            return len(hashes) + 1, f"the log ends before it, and entry {number} was sealed as the last"
        if len(hashes) > number:
            return number + 1, f"entry {number} was sealed as the last"
        return (None, None) if hashes[-1] == sealed["hash"] else (number, "it is not the one that was sealed")

    def begin_anew(self, purpose: str) -> Entry:
        """Set a log that does not hold aside, and begin another that says so.

        Raises:
            AuditError: the log holds together.
        """
        with self._home.lock("audit"):
            verdict = self.verify()
            if verdict.broken is None:
                raise AuditError("the log holds together; there is no reason to begin another")
            aside = f"audit.broken-{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%SZ}"
            log, head = self._root / LOG, self._root / HEAD
            sha256 = hash_of(log) if log.exists() else None
            if log.exists():
                log.rename(log.with_name(f"{aside}.jsonl"))
            if head.exists():
                head.rename(head.with_name(f"{aside}.head.json"))
            said = {"entry": verdict.broken, "why": verdict.why, "set_aside": aside, "sha256": sha256}
            return self._append(None, "log begun anew", purpose, said)

    def _is_lost(self) -> bool:
        """Whether there must have been a log: no data key is made before it is on record."""
        return any((self._root / "keys").glob("*.json")) and not (self._root / EARLIER).exists()

    def _completed(self) -> Entry | None:
        """The head, with its entry in the log."""
        if not (self._root / HEAD).exists() and (self._root / EARLIER).exists():
            self._take_earlier()
        head = self._head()
        if head is None:
            if self._size() or self._is_lost():
                raise AuditError(f"the log in {self._root}, or its head, is gone. Nothing was done. {WAY_OUT}")
            return None
        (self._root / EARLIER).unlink(missing_ok=True)
        size, last = json.loads((self._root / HEAD).read_text(encoding="utf-8"))["bytes"], line(head)
        missing = size - self._size()
        log = self._root / LOG
        written = log.read_bytes()[size - len(last) :] if 0 < missing <= len(last) and log.exists() else b""
        if missing < 0 or missing > len(last) or not last.startswith(written):
            raise AuditError(f"the log was changed: `le audit verify` says where. Nothing was done. {WAY_OUT}")
        if missing:
            self._write(last[-missing:])
        return head

    def _head(self) -> Entry | None:
        try:
            content = json.loads((self._root / HEAD).read_text(encoding="utf-8"))
            entry: Entry = content["entry"]
            seal = self._seal(entry, content["bytes"])
            is_right = entry["hash"] == digest(entry) and hmac.compare_digest(content["seal"], seal)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            is_right = False
        if not is_right:
            raise AuditError(
                f"the head of the log was changed, or sealed under another key. Nothing was done. {WAY_OUT}"
            )
        return entry

    def _write_head(self, entry: Entry, size: int) -> None:
        content = {"entry": entry, "bytes": size, "seal": self._seal(entry, size)}

        def write(path: Path) -> None:
            path.touch(mode=0o600)
            path.write_text(json.dumps(content), encoding="utf-8")

        replace(self._root / HEAD, write)

    def _seal(self, entry: Entry, size: int) -> str:
        return self._keys.seal("audit head", f"{entry['number']}|{entry['hash']}|{size}")

    def _write(self, content: bytes) -> None:
        descriptor = os.open(self._root / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _size(self) -> int:
        return (self._root / LOG).stat().st_size if (self._root / LOG).exists() else 0

    def _lines(self) -> list[str]:
        if not (self._root / LOG).exists():
            return []
        return (self._root / LOG).read_text(encoding="utf-8", errors="replace").splitlines()

    def _take_earlier(self) -> None:
        """Make the lines of an earlier version's log the first entries."""
        made: list[Entry] = []
        for text in (self._root / EARLIER).read_text(encoding="utf-8", errors="replace").splitlines():
            said = {"number": len(made) + 1, **json.loads(text), "purpose": TAKEN_OVER}
            made.append(closed(said, made[-1] if made else None))
        content = b"".join(map(line, made))

        def write(path: Path) -> None:
            path.touch(mode=0o600)
            path.write_bytes(content)

        replace(self._root / LOG, write)
        if made:
            self._write_head(made[-1], len(content))
        else:
            (self._root / EARLIER).unlink()
