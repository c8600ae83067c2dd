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
    """What a scan has found: `leaks`; files that are clean, and how many of them were clean before and are unchanged;
    values of the vault, and how many of them are too short or too common to be searched everywhere, by reason.
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
            " source, and run again. Names of schools and other public names belong into LE_HOME/reference/public_name.csv"
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
    stamps, leaks = {}, []
    paths = places.files(home)
    for path in paths:
        try:
            stamps[path] = _stamp(path)
        except OSError:
            if path.is_symlink():
                leaks.append(_unread(home, path))  # it leads nowhere today
    todo = [path for path in stamps if clean.get(_told(home, path)) != stamps[path]]
    found = dict(_search(home, searched, todo)) if todo else {}
    leaks += [leak for each in found.values() for leak in each]
    kept = {_told(home, path): stamp for path, stamp in stamps.items() if not found.get(path)}
    lake.write_note(NOTE, {"from": version, "clean": kept})
    return ScanReport(
        sorted(leaks, key=str), len(stamps), len(stamps) - len(todo), searched.values, searched.unsearched
    )


def _search(home: Home, searched: Needles, paths: list[Path]) -> Iterator[tuple[Path, list[Leak]]]:
    search = Search(searched)
    reader = Reader(search, TableSearch(search))
    parquet = [path for path in paths if path.is_relative_to(home.lake) and path.suffix == ".parquet"]
    for _, group in groupby(parquet, key=_table):
        together = list(group)
        is_clean = len(together) > 1 and _is_clean(reader, together)
        for path in together:
            yield path, [*_names(home, reader, path), *([] if is_clean else _leaks(home, reader, path))]
    for path in paths:
        if path not in set(parquet):
            yield path, [*_names(home, reader, path), *_leaks(home, reader, path)]


def _is_clean(reader: Reader, paths: list[Path]) -> bool:
    """Whether nothing is in any of the files of a table; searched together, since that is quicker."""
    try:
        return not any(reader.parquet(paths))
    except UnreadableError:
        return False


def _table(path: Path) -> Path:
    return next((parent.parent for parent in path.parents if parent.name.startswith("state=")), path.parent)


def _leaks(home: Home, reader: Reader, path: Path) -> list[Leak]:
    try:
        found = list(reader.file(path))
    except UnreadableError:
        return [_unread(home, path)]
    return _summed(home, path, found)


def _names(home: Home, reader: Reader, path: Path) -> list[Leak]:
    return _summed(home, path, list(reader.names(path.relative_to(home.root).as_posix())))


def _summed(home: Home, path: Path, found: list[Found]) -> list[Leak]:
    most: dict[tuple[str, str], int] = {}
    for each in found:
        most[each.where, each.kind] = max(most.get((each.where, each.kind), 0), each.count)
    return [Leak(_told(home, path), where, kind, count) for (where, kind), count in most.items()]


def _unread(home: Home, path: Path) -> Leak:
    return Leak(_told(home, path), "", UNREAD, 0)


def _told(home: Home, path: Path) -> str:
    return shown(path.relative_to(home.root).as_posix())


def _stamp(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def _code(home: Home) -> str:
    own = [home.reference / "public_name.csv"]
    names = [registry.HERE / "reference" / f"{name}.csv" for name in ("family_name", "given_name", "nickname", "public_name")]
    return code_version(Path(__file__).parent, *names, *(path for path in own if path.exists()))
