"""The log of what was done with the vault: whatever is done to it afterwards is noticed, and at which entry."""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from killed import changes, killed
from le_pipeline.cli import app
from le_pipeline.errors import AuditError, PurposeError
from le_pipeline.home import Home
from le_pipeline.privacy.audit import Audit, stated
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import Vault

Lines = list[str]


@pytest.fixture
def audit(home: Home, keys: Keys) -> Audit:
    """A log of six entries."""
    made = Audit(home, keys, home.vault)
    for number in range(6):
        made.append("vault show", "a parent asked to see it", rows=number)
    return made


def lines(home: Home) -> Lines:
    return (home.vault / "audit.jsonl").read_text().splitlines()


def put(home: Home, text: Lines) -> None:
    (home.vault / "audit.jsonl").write_text("".join(f"{line}\n" for line in text))


def edited(line: str, **said: object) -> str:
    return json.dumps(json.loads(line) | said)


def rehashed(text: Lines) -> Lines:
    """The chain as whoever knows how hashes are made, but has no key, would make it anew."""
    made: Lines = []
    before = "0" * 64
    for line in text:
        entry = json.loads(line) | {"number": len(made) + 1, "before": before}
        entry.pop("hash")
        before = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
        made.append(json.dumps(entry | {"hash": before}))
    return made


def test_entries_are_chained_and_the_head_is_what_the_last_one_is(home: Home, audit: Audit) -> None:
    entries = list(audit.entries())
    assert [entry["number"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    assert [entry["before"] for entry in entries[1:]] == [entry["hash"] for entry in entries[:-1]]
    verdict = audit.verify()
    assert (verdict.entries, verdict.head, verdict.broken) == (6, entries[-1]["hash"], None)
    assert set(entries[0]) == {"number", "at", "who", "what", "purpose", "rows", "before", "hash"}
    for name in ("audit.jsonl", "audit.head.json"):
        assert stat.S_IMODE((home.vault / name).stat().st_mode) == 0o600


TAMPERED: dict[str, tuple[Callable[[Lines], Lines], int]] = {
    "an entry is edited": (lambda t: [*t[:2], edited(t[2], rows=9), *t[3:]], 3),
    "an entry is edited and hashed anew": (lambda t: [*t[:2], rehashed([edited(t[2], rows=9)])[0], *t[3:]], 3),
    "signs between are changed": (lambda t: [*t[:3], t[3].replace(": ", ":"), *t[4:]], 4),
    "the first is dropped": (lambda t: t[1:], 1),
    "one is dropped": (lambda t: [*t[:3], *t[4:]], 4),
    "two change places": (lambda t: [t[0], t[2], t[1], *t[3:]], 2),
    "one stands twice": (lambda t: [*t[:2], t[1], *t[2:]], 3),
    "the last is cut off": (lambda t: t[:-1], 6),
    "the end is cut off": (lambda t: t[:2], 3),
    "nothing is left": (lambda t: t[:0], 1),
    "one is added": (lambda t: [*t, rehashed([*t, t[-1]])[-1]], 7),
    "the chain is made anew": (lambda t: rehashed([*t[:2], edited(t[2], rows=9), *t[3:]]), 6),
    "the chain is made anew without one": (lambda t: rehashed([*t[:2], *t[3:]]), 6),
    "a line is no entry": (lambda t: [*t[:4], "[]", *t[5:]], 5),
    "a line ends early": (lambda t: [*t[:-1], t[-1][:-9]], 6),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_the_first_entry_that_does_not_hold_is_told(home: Home, audit: Audit, how: str) -> None:
    change, first = TAMPERED[how]
    put(home, change(lines(home)))
    verdict = audit.verify()
    assert (verdict.broken, verdict.why is None) == (first, False)
    told = CliRunner().invoke(app, ["audit", "verify", "--home", str(home.root)])
    assert told.exit_code == 1
    assert f"entry {first} does not hold" in told.output


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte_that_is_changed_is_noticed(home: Home, audit: Audit, data: st.DataObject) -> None:
    log = home.vault / "audit.jsonl"
    whole = log.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != whole[place]))
    log.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    try:
        assert audit.verify().broken is not None
    finally:
        log.write_bytes(whole)
    assert audit.verify().broken is None


@pytest.mark.parametrize("how", ["gone", "edited", "of another key", "an earlier one"])
def test_the_head_is_not_to_be_put_in_another_place(home: Home, audit: Audit, keys: Keys, how: str) -> None:
    head = home.vault / "audit.head.json"
    if how == "gone":
        head.unlink()
    elif how == "edited":
        content = json.loads(head.read_text())
        head.write_text(json.dumps(content | {"bytes": content["bytes"] - 1}))
    elif how == "of another key":
        Audit(home, Keys(bytes(range(32))), home.vault)._write_head(json.loads(lines(home)[-1]), head.stat().st_size)
    else:  # the last entry is taken out, with the head of the time before it
        earlier, text = head.read_bytes(), lines(home)
        audit.append("vault show", "somebody else asked", rows=7)
        assert audit.verify().broken is None
        head.write_bytes(earlier)
        assert audit.verify().broken == 7
        put(home, text)
        assert audit.verify().broken is None  # which a head that was kept elsewhere shows
        return
    assert audit.verify().broken is not None
    with pytest.raises(AuditError):
        audit.append("vault show", "somebody else asked")


def test_a_head_that_was_kept_elsewhere_tells_of_a_log_that_was_put_back(home: Home, audit: Audit) -> None:
    files = {path: path.read_bytes() for path in home.vault.glob("audit*")}
    kept = audit.append("vault show", "somebody else asked")["hash"]
    audit.append("vault show", "somebody asked again")
    assert audit.verify(kept).broken is None
    for path, content in files.items():
        path.write_bytes(content)
    assert audit.verify().broken is None
    assert audit.verify(kept).broken is not None
    told = CliRunner().invoke(app, ["audit", "verify", "--head", kept, "--home", str(home.root)])
    assert told.exit_code == 1 and "kept elsewhere" in told.output


def test_nothing_is_added_to_a_log_that_was_cut_off(home: Home, audit: Audit) -> None:
    put(home, lines(home)[:3])
    with pytest.raises(AuditError, match="le audit verify"):
        audit.append("vault show", "somebody else asked")


def test_an_entry_that_was_cut_off_at_any_moment_is_there_or_not_and_the_log_goes_on(home: Home, audit: Audit) -> None:
    with changes(home.vault) as counted:
        audit.append("vault show", "somebody else asked")
    for step in range(counted.seen):
        before = len(list(audit.entries()))
        with killed(home.vault, step):
            audit.append("vault show", "somebody else asked")
        audit.append("vault show", "and again somebody")
        verdict = audit.verify()
        assert verdict.broken is None
        assert verdict.entries in (before + 1, before + 2)


@pytest.mark.parametrize("written", [0, 1, 40])
def test_a_line_that_was_half_written_is_completed_by_the_next(home: Home, audit: Audit, written: int) -> None:
    log = home.vault / "audit.jsonl"
    whole = log.read_bytes()
    last = lines(home)[-1]
    log.write_bytes(whole[: len(whole) - len(last) - 1 + written])
    audit.append("vault show", "somebody else asked")
    assert audit.verify().broken is None
    assert lines(home)[5] == last


def test_two_processes_at_once_lose_no_entry(home: Home, audit: Audit, tmp_path: Path) -> None:
    script = (
        "import sys; from le_pipeline.home import Home; from le_pipeline.privacy.audit import Audit;"
        "from le_pipeline.privacy.keys import load_keys; home = Home.at(sys.argv[1]);"
        "audit = Audit(home, load_keys(home), home.vault);"
        "[audit.append('vault show', 'many look at once', rows=n) for n in range(25)]"
    )
    command = [sys.executable, "-c", script, str(home.root)]
    processes = [subprocess.Popen(command, cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    verdict = audit.verify()
    assert (verdict.entries, verdict.broken) == (56, None)


EARLIER = [
    {"at": "2025-01-01T10:00:00+00:00", "who": "ann", "what": "quarantine export", "rows": 3, "files": 1},
    {"at": "2025-01-02T10:00:00+00:00", "who": "bob", "what": "review look", "left_key": "a", "right_key": "b"},
]


def test_the_log_of_an_earlier_version_becomes_the_first_entries(home: Home, keys: Keys) -> None:
    earlier = home.vault / "access.jsonl"
    earlier.write_text("".join(json.dumps(entry) + "\n" for entry in EARLIER))
    audit = Audit(home, keys, home.vault)
    assert audit.verify().broken is None
    with changes(home.vault) as counted:
        audit.append("vault show", "somebody asked")
    assert not earlier.exists()
    for step in range(counted.seen):
        for path in home.vault.glob("audit*"):
            path.unlink()
        earlier.write_text("".join(json.dumps(entry) + "\n" for entry in EARLIER))
        with killed(home.vault, step):
            audit.append("vault show", "somebody asked")
        audit.append("vault show", "and somebody again")
        entries = list(audit.entries())
        assert [entry["who"] for entry in entries[:2]] == ["ann", "bob"]
        assert {"rows": 3, "files": 1}.items() <= entries[0].items()
        assert len(entries) in (3, 4)
        assert audit.verify().broken is None and not earlier.exists()


def test_a_vault_without_its_log_is_not_taken_for_a_new_one(home: Home, keys: Keys, audit: Audit) -> None:
    Vault(home, keys).data_keys.make("first")
    for path in home.vault.glob("audit*"):
        path.unlink()
    assert audit.verify().why == "the log is gone"
    with pytest.raises(AuditError, match="is gone"):
        audit.append("vault show", "somebody else asked")


@pytest.mark.parametrize("how", ["cut off", "gone"])
def test_a_log_that_does_not_hold_is_set_aside_for_another_that_says_so(home: Home, audit: Audit, how: str) -> None:
    with pytest.raises(AuditError, match="holds together"):
        audit.begin_anew("the disk was damaged")
    put(home, lines(home)[:3])
    broken = (home.vault / "audit.jsonl").read_bytes()
    if how == "gone":
        (home.vault / "audit.head.json").unlink()
    said = ["audit", "restart", "--purpose", "the disk was damaged", "--home", str(home.root)]
    told = CliRunner().invoke(app, said, catch_exceptions=False)
    assert told.exit_code == 0
    (aside,) = home.vault.glob("audit.broken-*.jsonl")
    assert aside.read_bytes() == broken
    (entry,) = audit.entries()
    assert (entry["what"], entry["entry"]) == ("log begun anew", 4 if how == "cut off" else 1)
    assert entry["sha256"] == hashlib.sha256(broken).hexdigest()
    audit.append("vault show", "somebody else asked")
    assert (audit.verify().broken, audit.verify().entries) == (None, 2)


@pytest.mark.parametrize("purpose", ["", "   ", "because", "a b", "x" * 40])
def test_a_purpose_is_a_sentence(purpose: str) -> None:
    with pytest.raises(PurposeError, match="--purpose"):
        stated(purpose)


def test_a_purpose_is_kept_as_it_was_said() -> None:
    assert stated("  a parent asked\nto see it ") == "a parent asked to see it"
