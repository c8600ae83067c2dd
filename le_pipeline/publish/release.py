"""Releases: marts after disclosure control, written beside, checked, entered in the ledger and swapped in.

Two steps. `stage` reads the marts of the promoted warehouse, decides what may be shown together with everything that
was ever released, and writes a candidate. `promote` puts a candidate in its place; there is none unless the audit has
passed and every expectation is met. What is promoted never changes.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from le_pipeline.errors import DisclosureError, ReleaseError
from le_pipeline.files import hash_of
from le_pipeline.home import Home
from le_pipeline.privacy.agreement import require_nothing_due
from le_pipeline.publish import ledger, package
from le_pipeline.publish.book import ALL, Book, Key
from le_pipeline.publish.control import Controlled, control
from le_pipeline.publish.handover import beside, swap_in
from le_pipeline.publish.masking import Masked, mask
from le_pipeline.publish.tables import COUNTED, Row, sheets
from le_pipeline.warehouse import gate
from le_pipeline.warehouse.engine import Engine, code_version
from le_pipeline.warehouse.gate import Expectation
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.profile import Profile, of_state, profiles
from schemas.release import DIMENSIONS, TABLES, ReleaseContent, load_content

LOCK = "release"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CURRENT, CANDIDATE = "current", ".candidate"
Slice = tuple[str, str, str, str]  # whose, state, school year, subject
DELIVERIES = ("state", "school_year", "feed", "layout", "layout_hash", "file_hash")  # no rows: they count people


@dataclass(frozen=True)
class Staged:
    """What became of a candidate: `refusal` says why disclosure control has none. Counts only.

    `expectations`: what Great Expectations found of its tables; `manifest`: what it says of itself; `counted`: how much
    is hidden and was tried, which nobody outside is told.
    """

    release: str
    refusal: str | None
    expectations: list[Expectation]
    manifest: dict[str, Any]
    counted: dict[str, Any]

    @property
    def failed(self) -> list[str]:
        """Expectations that are not met."""
        return [f"{e.table}.{e.column or '(rows)'}: {e.name}" for e in self.expectations if not e.is_met]

    def require(self) -> None:
        """Stop where there is no candidate.

        Raises:
            DisclosureError: what is to be published would tell of too few people.
            ReleaseError: the tables do not meet their expectations.
        """
        if self.refusal:
            raise DisclosureError(self.refusal)
        if self.failed:
            raise ReleaseError(
                f"the tables do not meet their expectations, so nothing is released: {'; '.join(self.failed)}"
            )


def make(home: Home, name: str | None = None) -> Staged:
    """Stage a release and promote it.

    Raises:
        DisclosureError: what is to be published would tell of too few people.
        ReleaseError: the tables do not meet their expectations; the name is taken; an earlier release was changed.
    """
    staged = stage(home, name)
    staged.require()
    promote(home)
    return staged


def stage(home: Home, name: str | None = None) -> Staged:
    """Make the candidate of a release, which nobody sees until it is promoted.

    Args:
        home: where warehouse, ledger and releases are.
        name: of the release; else today's date.

    Raises:
        ReleaseError: there is no warehouse, the name is taken, or an earlier release was changed.
        ContractError: release.yaml or a profile is wrong.
        DestructionError: what an agreement covers is to be destroyed and is still there.
    """
    with home.lock(LOCK):
        require_nothing_due(home)
        _finish(home)
        _discard(home)
        before = _verified(home)
        release = _free_name(home, name, [entry["release"] for entry in before])
        content = load_content(home.release_content)
        found = profiles(home.profiles)
        marts, deliveries = _read(home)
        contents = [content, *(_content_of(entry) for entry in before)]
        changed = _changed(home, before, marts)
        book = Book(benchmarks=_benchmarks(home))
        entered = sheets(
            {name: _entered(name, mart, contents, changed) for name, mart in marts.items()},
            book,
            lambda state: of_state(found, state),
            lambda name, row: name in content.tables and content.holds(_broken_down_by(row)),
        )
        if not any(any(sheet.is_chosen) for sheet in entered):
            raise ReleaseError(
                "there is nothing to release: the marts are empty, or all of them that was released before has changed"
                " since; run the whole line first, or see docs/releases.md on corrections"
            )
        if book.clashes:
            raise ReleaseError(
                f"{len(book.clashes)} counts are not the same in two tables, so nothing is released. Run the whole line"
                " again; if that does not mend it, report it as a fault of the project"
            )
        for entry in before:
            book.remember(*ledger.read(home, entry))
        try:
            controlled = control(book, lambda state: of_state(found, state))
        except DisclosureError as error:
            return Staged(release, str(error), [], {}, {})
        chosen = [sheet for sheet in entered if sheet.table.name in content.tables]
        masked = [mask(sheet, book, controlled, lambda state: of_state(found, state).marker) for sheet in chosen]
        states = sorted({state for sheet in chosen for state in sheet.frame["state"].unique()})
        protected_by = {state: of_state(found, state) for state in states}
        expectations = _expectations(masked, protected_by)
        said = _said(release, content, changed, deliveries=deliveries, expectations=expectations, before=before)
        marts = {sheet.table.name: sheet.frame.filter(sheet.is_chosen) for sheet in chosen}
        with beside(home.published / CANDIDATE) as folder, beside(home.ledger / CANDIDATE) as kept:
            manifest = package.write(folder, masked, protected_by, said)
            told = frozenset[Key]().union(*(table.told for table in masked))
            entry = {
                "release": release,
                "tables": list(content.tables),
                "breakdowns": said["breakdowns"],
                **_counted(book, controlled, told),
                "after": before[-1]["hash"] if before else None,
                "files": {**manifest["files"], package.MANIFEST: hash_of(folder / package.MANIFEST)},
                "ledger": ledger.write(kept, book, controlled, told, marts),
            }
            if all(expectation.is_met for expectation in expectations):
                (kept / "entry.json").write_text(json.dumps(entry), encoding="utf-8")
                kept.rename(home.ledger / CANDIDATE)
                folder.rename(home.published / CANDIDATE)
        left_out = {table.table.name: table.left_out for table in masked}
        return Staged(release, None, expectations, manifest, {**entry, "rows_left_out": left_out})


def promote(home: Home) -> str:
    """Enter the candidate in the ledger and put it in its place, as the current release.

    Returns:
        The name of the release.

    Raises:
        ReleaseError: there is no candidate, or another release came between.
        DestructionError: what an agreement covers is to be destroyed and is still there.
    """
    with home.lock(LOCK):
        require_nothing_due(home)
        if not (home.published / CANDIDATE).is_dir():
            raise ReleaseError(
                "there is no candidate that passed the audit and met its expectations; nothing is released"
            )
        entry = json.loads((home.ledger / CANDIDATE / "entry.json").read_text(encoding="utf-8"))
        every = ledger.entries(home)
        if entry["after"] != (every[-1]["hash"] if every else None):
            raise ReleaseError("another release came between; make this one again, so that both are audited together")
        ledger.append(home, entry)  # from here on it is released, and whoever runs next finishes it
        _finish(home)
        return str(entry["release"])


def verify(home: Home, name: str | None = None, head: str | None = None) -> list[str]:
    """Hold a release, or every one, and what the ledger keeps of it, against the hashes in the ledger.

    Args:
        home: where releases and ledger are.
        name: of one release; else every one.
        head: the hash of a head of the ledger that was kept elsewhere; it must be that of some entry.

    Returns:
        The releases that are as they were released.

    Raises:
        ChainError: the ledger was changed, or has not the head.
        ReleaseError: a file is gone, was changed or came later; there is no such release; or a folder is none of ours.
    """
    with home.lock(LOCK):
        ledger.require_head(home, head)
        _finish(home)
        every = _verified(home)
    names = [entry["release"] for entry in every]
    if name is not None and name not in names:
        raise ReleaseError(f"there is no release {name}; `le release list` names them")
    return names if name is None else [name]


def _verified(home: Home) -> list[dict[str, Any]]:
    """The entries of the ledger, once every release is as they say."""
    every = ledger.entries(home)
    for entry in every:
        folder = home.published / entry["release"]
        found = {path.name: _hash(path) for path in sorted(folder.iterdir())} if folder.is_dir() else {}
        if changed := sorted({name for name, _ in set(found.items()) ^ set(entry["files"].items())}):
            raise ReleaseError(
                f"{folder} is not what was released: {', '.join(changed)} changed, gone or new. Put it back from a"
                " backup; its hashes are in the ledger"
            )
        ledger.require_whole(home, entry)
    known = {entry["release"] for entry in every} | {CURRENT}
    own = {CANDIDATE, f".{CANDIDATE}.part", f".{CURRENT}"}  # what a run that was cut off leaves behind
    folders = home.published.iterdir() if home.published.is_dir() else ()
    if strange := sorted(path.name for path in folders if path.name not in known | own):
        raise ReleaseError(
            f"{home.published} holds what was never released: {', '.join(strange)}. No audit has seen it: take it away"
        )
    return every


def _hash(path: Path) -> str:
    """SHA-256 of a file; of what is no file, nothing."""
    return hash_of(path) if path.is_file() else ""


def _finish(home: Home) -> None:
    """Put the last release that the ledger has in its place, if a run was cut off before that."""
    every = ledger.entries(home)
    if not every:
        return
    release = every[-1]["release"]
    for candidate, target in (
        (home.ledger / CANDIDATE, home.ledger / release),
        (home.published / CANDIDATE, home.published / release),
    ):
        if candidate.is_dir() and not target.exists() and _is_of(candidate, every[-1]):
            (candidate / "entry.json").unlink(missing_ok=True)
            swap_in(candidate, target)
    link = home.published / CURRENT
    if (home.published / release).is_dir() and (not link.is_symlink() or link.readlink() != Path(release)):
        fresh = home.published / f".{CURRENT}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(release)
        fresh.replace(link)


def _is_of(candidate: Path, entry: Mapping[str, Any]) -> bool:
    """Whether a candidate's files are those of an entry."""
    files = entry["ledger"] if (candidate / ledger.CELLS).exists() else entry["files"]
    return all((candidate / name).is_file() and hash_of(candidate / name) == kept for name, kept in files.items())


def _discard(home: Home) -> None:
    """Take away a candidate that was never promoted."""
    for folder in (home.published / CANDIDATE, home.ledger / CANDIDATE):
        shutil.rmtree(folder, ignore_errors=True)
    home.ledger.mkdir(parents=True, exist_ok=True, mode=0o700)


def _free_name(home: Home, name: str | None, taken: list[str]) -> str:
    if name is None:
        today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
        names = [today, *(f"{today}-{number}" for number in range(2, len(taken) + 2))]
        return next(free for free in names if free not in taken)
    if not NAME.fullmatch(name) or name == CURRENT:
        raise ReleaseError(
            "the name of a release is up to 64 small letters, digits, dots, dashes and underscores, and not `current`"
        )
    if name in taken or (home.published / name).exists():
        raise ReleaseError(f"there is a release {name} already, and releases never change; take another name")
    return name


def _read(home: Home) -> tuple[dict[str, pl.DataFrame], list[dict[str, Any]]]:
    """The marts, and which deliveries the warehouse was made from."""
    if not home.warehouse.is_file():
        raise ReleaseError(f"there is no warehouse at {home.warehouse} yet; `le run` builds it")
    marts: dict[str, pl.DataFrame] = {}
    try:
        with duckdb.connect(home.warehouse, read_only=True) as con:
            for name in TABLES:
                table = registry.tables()[name]
                marts[name] = con.execute(f"from {table.qualified_name}").pl().cast(polars_schema(table))  # type: ignore[arg-type]
            landed = con.execute("from canonical.delivery where rows_accepted > 0 order by all").pl()
    except (duckdb.Error, pl.exceptions.PolarsError):  # their messages may hold values
        raise ReleaseError(
            f"{home.warehouse} cannot be read, or is of another version; `le run` makes it anew"
        ) from None
    return marts, landed.select(DELIVERIES).to_dicts()


def _benchmarks(home: Home) -> dict[tuple[str, str], set[float]]:
    """The shares that are declared for each benchmark and subject."""
    found: dict[tuple[str, str], set[float]] = defaultdict(set)
    for row in pl.read_csv(Engine(home).reference("benchmark")).iter_rows(named=True):
        found[row["benchmark"], row["subject"]].add(float(row["benchmark_share"]))
    return found


def _broken_down_by(row: Row) -> frozenset[str]:
    return frozenset(name for name in DIMENSIONS if row.get(name, ALL) != ALL)


def _entered(name: str, mart: pl.DataFrame, contents: list[ReleaseContent], changed: set[Slice]) -> pl.DataFrame:
    """The rows of a mart that count: what this release or an earlier one shows, and what these rows give away.

    Rows about teachers in high-poverty schools tell of the highest band, so that bands count whether or not they are a
    breakdown.
    """

    def is_entered(row: Row) -> bool:
        by = _broken_down_by(row) - {"poverty_band"}
        return slice_of(name, row) not in changed and any(
            name in content.tables and content.holds(by) for content in contents
        )

    return mart.filter(pl.Series([is_entered(row) for row in mart.iter_rows(named=True)], dtype=pl.Boolean()))


def _content_of(entry: Mapping[str, Any]) -> ReleaseContent:
    return ReleaseContent.model_validate({"tables": entry["tables"], "breakdowns": entry["breakdowns"]})


def slice_of(name: str, row: Row) -> Slice:
    """What is released whole or not at all: tables of the same people in a state and a school year (and a subject)."""
    people = "staff" if name in ("program_reach", "teacher_retention") else "students"
    return (people, row["state"], str(row["school_year"]), row.get("subject") or "")


def _changed(home: Home, before: list[dict[str, Any]], marts: Mapping[str, pl.DataFrame]) -> set[Slice]:
    """The slices that were released and of which any row, shown or not, is not what it was."""
    found: set[Slice] = set()
    for entry in before:
        content = _content_of(entry)
        for name in content.tables:
            key = registry.tables()[name].key
            then = {tuple(row[column] for column in key): row for row in ledger.rows(home, entry, name).to_dicts()}
            released = {slice_of(name, row) for row in then.values()}
            now = {
                tuple(row[column] for column in key): row
                for row in marts[name].iter_rows(named=True)
                if slice_of(name, row) in released and content.holds(_broken_down_by(row))
            }
            for at in then.keys() | now.keys():
                if _differ(then.get(at), now.get(at)):
                    found.add(slice_of(name, then.get(at) or now[at]))
    return found


def _differ(then: Row | None, now: Row | None) -> bool:
    if then is None or now is None:
        return True
    return any(name in now and not _is_same(value, now[name]) for name, value in then.items())


def _is_same(then: Any, now: Any) -> bool:
    if isinstance(then, float) and isinstance(now, float):
        return math.isclose(then, now, rel_tol=1e-9, abs_tol=1e-9)
    return bool(then == now)


def _expectations(masked: list[Masked], protected_by: Mapping[str, Profile]) -> list[Expectation]:
    """The last look, by other means than those that made the tables: contracts hold, and no small count is there."""
    forbidden = {
        table.table.name: {
            column: list(range(1, min(profile.smallest(unit) for profile in protected_by.values())))
            for column, unit in COUNTED[table.table.name].items()
        }
        for table in masked
    }
    return gate.check({table.table: table.figures.to_pandas() for table in masked}, forbidden)


def _counted(book: Book, controlled: Controlled, told: Set[Key]) -> dict[str, int]:
    """What is there, shown, hidden and was tried. It tells how many groups are small, so only the ledger has it."""
    audit = controlled.audit
    return {
        "cells": len(book.cells),
        "shown": len(told),
        "protected": audit.protected,
        "not_shown": audit.unknown,
        "tables_tried": audit.witnesses,
        "mended_rounds": controlled.rounds,
    }


def _said(  # noqa: PLR0913  # what a manifest says
    release: str,
    content: ReleaseContent,
    changed: set[Slice],
    *,
    deliveries: list[dict[str, Any]],
    expectations: list[Expectation],
    before: list[dict[str, Any]],
) -> dict[str, Any]:
    """What the manifest says besides files, tables and profiles; nothing that counts what is hidden."""
    return {
        "release": release,
        "made_at": datetime.datetime.now(tz=datetime.UTC).isoformat(timespec="seconds"),
        "breakdowns": sorted(sorted(breakdown) for breakdown in content.breakdowns),
        "not_released_again": [
            {"people": people, "state": state, "school_year": int(year), "subject": subject or None}
            for people, state, year, subject in sorted(changed)
        ],
        "audit": {"passed": True, "together_with": [entry["release"] for entry in before]},
        "expectations": {"all": len(expectations), "met": sum(expectation.is_met for expectation in expectations)},
        "code_version": code_version(Path(__file__).parent)[:16],
        "seeds": {},  # nothing in a release is drawn at random
        "deliveries": deliveries,
    }
