"""The scan of a home: what was found where, and what need not be read again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from le_pipeline.errors import LeakError
from le_pipeline.home import Home, shown
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.scan import places
from le_pipeline.privacy.scan.needles import Needles, needles
from le_pipeline.privacy.scan.places import Reader, UnreadableError
from le_pipeline.privacy.scan.search import Search
from le_pipeline.privacy.scan.tables import Found, TableSearch
from le_pipeline.warehouse.engine import code_version
from le_pipeline.warehouse.lake import Lake
from schemas import registry

NOTE = "leak_scan"
TOLD = 40  # places that a message names


@dataclass(frozen=True)
class Leak:
    """A place that holds values of the vault: file below LE_HOME, table and column where there are, kind, how many.

    Never the value. `kind` is `unreadable` where the place cannot be read.
    """

    path: str
    where: str
    kind: str
    count: int

    def __str__(self) -> str:
        place = f"{self.path}: {self.where}" if self.where else self.path
        return f"{place}: cannot be read" if self.kind == UNREAD else f"{place}: {self.kind} ({self.count:,})"


UNREAD = "unreadable"


@dataclass(frozen=True)
class ScanReport:
    """What a scan has found.

    `files` were searched for `values` of the vault; of them `unchanged` had been clean before and were not read again.
    `unsearched`: how many values are too short or too common to be searched everywhere, by reason.
    """

    leaks: list[Leak]
    files: int
    unchanged: int
    values: int
    unsearched: dict[str, int]

    def require_clean(self) -> ScanReport:
        """The report itself.

        Raises:
            LeakError: something was found; names the places and kinds, never a value.
        """
        if not self.leaks:
            return self
        told = "\n".join(map(str, self.leaks[:TOLD]))
        more = f"\nand {len(self.leaks) - TOLD:,} more places" if len(self.leaks) > TOLD else ""
        raise LeakError(
            f"values of the vault, or places that cannot be read, in {len(self.leaks):,} places:\n{told}{more}\n"
            "Keep the home from everybody who may not see names; find out what wrote there, delete the file or mend its"
            " source, and run again. Public names, such as those of schools, go into LE_HOME/reference/public_name.csv"
        )


def scan(home: Home, keys: Keys) -> ScanReport:
    """Search every byte below LE_HOME, but landing and vault, for values of the vault.

    Files that have not changed since they were found clean, with the same vault, are not read again.

    Raises:
        VaultError: the vault cannot be opened, so nobody can say what is to be searched.
    """
    searched = needles(home, keys)
    lake = Lake(home.lake)
    version = [searched.fingerprint, _code(home)]
    note = lake.note(NOTE) or {}
    clean = note.get("clean", {}) if note.get("from") == version else {}
    stamps = {path: _stamp(path) for path in places.files(home)}
    todo = [path for path, stamp in stamps.items() if stamp is None or clean.get(_told(home, path)) != stamp]
    found = _Scan(home, searched)(todo) if todo else {}
    kept = {_told(home, path): stamp for path, stamp in stamps.items() if not found.get(path)}
    lake.write_note(NOTE, {"from": version, "clean": kept, "is_clean": not any(found.values())})
    leaks = sorted((leak for each in found.values() for leak in each), key=str)
    return ScanReport(leaks, len(stamps), len(stamps) - len(todo), searched.values, searched.unsearched)


def was_clean(home: Home) -> bool:
    """Whether the latest scan of the home found nothing."""
    return bool((Lake(home.lake).note(NOTE) or {}).get("is_clean"))


class _Scan:
    """One search of files of a home."""

    def __init__(self, home: Home, searched: Needles) -> None:
        self.home = home
        search = Search(searched)
        self.reader = Reader(search, TableSearch(search))

    def __call__(self, paths: list[Path]) -> dict[Path, list[Leak]]:
        """What is found in each file and its name."""
        found: dict[Path, list[Leak]] = {path: [] for path in paths}
        for place, each in self.reader.names([_told(self.home, path) for path in paths]):
            found[paths[place]] += [self._leak(paths[place], each)]
        for path in self._not_clean_together(paths):
            found[path] += self._leaks(path)
        return found

    def _not_clean_together(self, paths: list[Path]) -> Iterator[Path]:
        """The files that must be looked at each by itself: the lake's are first searched table by table."""
        parquet = [path for path in paths if path.is_relative_to(self.home.lake) and path.suffix == ".parquet"]
        for _, group in groupby(parquet, key=_table):
            together = list(group)
            yield from together if len(together) == 1 or not self._is_clean(together) else []
        yield from sorted(set(paths) - set(parquet))

    def _is_clean(self, paths: list[Path]) -> bool:
        try:
            return not any(self.reader.parquet(paths))
        except UnreadableError:
            return False

    def _leaks(self, path: Path) -> list[Leak]:
        most: dict[tuple[str, str], Found] = {}
        try:
            for each in self.reader.file(path):
                known = most.get((each.where, each.kind))
                if known is None or known.count < each.count:
                    most[each.where, each.kind] = each
        except UnreadableError:
            return [self._leak(path, Found("", UNREAD, 0))]
        return [self._leak(path, each) for each in most.values()]

    def _leak(self, path: Path, found: Found) -> Leak:
        """A find as it may be told: a name of a file or column that holds a value is told by its place."""
        parts = [self._safe(part, path) for part in path.relative_to(self.home.root).parts]
        where = "(name withheld)" if found.where and self.reader.is_telling(found.where) else found.where
        return Leak(shown("/".join(parts)), where, found.kind, found.count)

    def _safe(self, part: str, path: Path) -> str:
        if not self.reader.is_telling(part):
            return part
        folder = next(parent for parent in path.parents if (parent / part).exists())
        place = sorted(each.name for each in folder.iterdir()).index(part) + 1
        return f"(no. {place} by name, which is withheld)"


def _table(path: Path) -> Path:
    return next((parent.parent for parent in path.parents if parent.name.startswith("state=")), path.parent)


def _told(home: Home, path: Path) -> str:
    return shown(path.relative_to(home.root).as_posix())


def _stamp(path: Path) -> list[int] | None:
    """What tells this version of a file from another; None where a link leads nowhere, or the file is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _code(home: Home) -> str:
    own = [home.reference / "public_name.csv"]
    names = [
        registry.HERE / "reference" / f"{name}.csv" for name in ("family_name", "given_name", "nickname", "public_name")
    ]
    return code_version(Path(__file__).parent, *names, *(path for path in own if path.exists()))
