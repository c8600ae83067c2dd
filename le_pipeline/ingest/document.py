"""What a header and its rows stand in: a file of its own, a file in a ZIP archive, or a sheet of a workbook.

Here bytes are got at, and here it is refused what would hurt: archives out of proportion, links and paths that lead
elsewhere, files and lines without end. Nothing is unpacked to disk, since it may hold names.
"""

from __future__ import annotations

import hashlib
import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from le_pipeline.errors import ArchiveFileError, TooLargeFileError

PIECE = 1 << 20
FILE_BYTES = 16 << 30  # a state's student file of ten million wide rows stays below
LINE_BYTES = PIECE  # a record of the widest state file has 4,000 characters
UNPACKED_BYTES = 2 << 30  # of all files of an archive together: they are read in memory
UNPACKED_RATIO = 200  # text packs to a tenth, repetitive text to a fiftieth
PROPORTIONATE_BYTES = 32 << 20  # below this, the ratio does no harm
MEMBERS = 1000
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
ARCHIVE_SUFFIXES = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst")
ENCRYPTED = 0x1
DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class Document:
    """One thing to read. `name` is the path below landing, with what is inside it: `LA/2016/set.zip/users.csv`."""

    path: Path
    name: str
    member: str | None = None
    sheet: str | None = None

    @property
    def file_name(self) -> str:
        """The name that a layout's pattern is compared with."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @property
    def is_workbook(self) -> bool:
        """Whether its name says that it is a workbook."""
        return self.file_name.lower().endswith(WORKBOOK_SUFFIXES)

    @property
    def file_hash(self) -> str:
        """SHA-256 of the bytes."""
        return self.facts.file_hash

    @property
    def file_bytes(self) -> int:
        """How many bytes there are."""
        return self.facts.file_bytes

    @property
    def facts(self) -> Facts:
        """What one pass over the bytes tells; made once for one state of the file."""
        return _facts(self.path, self.member, state_of(self.path))

    def of_sheet(self, sheet: str) -> Document:
        """A sheet of this workbook as a document of its own."""
        return replace(self, name=f"{self.name}#{sheet}", sheet=sheet)

    def beside(self, file_name: str) -> Document | None:
        """The file of that name in the same folder or archive, if it is there."""
        if self.member:
            inside = PurePosixPath(self.member).with_name(file_name).as_posix()
            name = f"{self.name.removesuffix(self.member)}{inside}"
            return Document(self.path, name, inside) if inside in _members(self.path, state_of(self.path)) else None
        other = self.path.with_name(file_name)
        return Document(other, str(PurePosixPath(self.name).with_name(file_name))) if other.is_file() else None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes, unpacked as they are read."""
        if self.member is None:
            with self.path.open("rb") as file:
                yield file
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                yield file  # type: ignore[misc]
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
            raise _damaged() from None

    def head(self, count: int) -> bytes:
        """The first bytes."""
        with self.open() as file:
            return file.read(count)

    def content(self) -> Path | io.BytesIO:
        """All bytes: the path itself, or what is unpacked of an archive, in memory."""
        if self.member is None:
            return self.path
        with self.open() as file:
            return io.BytesIO(file.read())


@dataclass(frozen=True)
class Facts:
    """What one pass over the bytes tells.

    `has_lone_returns`: some lines end in CR alone, as on old Macs. `has_endless_line`: one is over LINE_BYTES long.
    """

    file_hash: str
    file_bytes: int
    has_nul: bool
    has_lone_returns: bool
    has_endless_line: bool


def documents(path: Path, name: str) -> list[Document]:
    """The documents of a delivered file: itself, or the files of a ZIP archive. Sheets are told apart by layouts.

    Raises:
        RefusedError: the archive is one that must not be opened, or the file is too large.
    """
    if path.stat().st_size > FILE_BYTES:
        raise TooLargeFileError(f"has more than {FILE_BYTES >> 30} GB; ask the sender for it in parts")
    if path.suffix.lower() != ".zip":
        return [Document(path, name)]
    return [
        Document(path, f"{name}/{member}", member)
        for member in _members(path, state_of(path))
        if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)
    ]


State = tuple[int, int, int, int]


def state_of(path: Path) -> State:
    """Tells one state of a file from the next; the time of its inode cannot be set back as that of its content can."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@lru_cache(maxsize=64)
def _members(path: Path, _state: State) -> tuple[str, ...]:
    """Names of the files in an archive, once every one of them has been found harmless."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError):
        raise _damaged() from None
    check_archive(members, path.stat().st_size)
    for info in members:
        if info.filename.lower().endswith(ARCHIVE_SUFFIXES):
            raise ArchiveFileError("holds an archive inside the archive; land the files themselves")
    if not members:
        raise ArchiveFileError("is an archive without a file in it; ask the sender for it again")
    return tuple(sorted(info.filename for info in members))


def check_archive(members: list[zipfile.ZipInfo], packed: int) -> None:
    """Refuse an archive that would fill the memory or reach out of itself, going by its directory.

    Raises:
        ArchiveFileError: names what is wrong with it.
    """
    names = [info.filename for info in members]
    if len(members) > MEMBERS:
        raise ArchiveFileError(f"holds {len(members):,} files, over {MEMBERS:,}; ask the sender for fewer, larger ones")
    if len(set(names)) < len(names):
        raise ArchiveFileError("holds two files of one name; ask the sender for it again")
    for info in members:
        if info.flag_bits & ENCRYPTED:
            raise ArchiveFileError("is encrypted; ask the sender for it without a password over a secure channel")
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or DRIVE.match(info.filename):
            raise ArchiveFileError("holds a path that leads out of it; do not open it, and tell the sender")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ArchiveFileError("holds a link; ask the sender for the files themselves")
    unpacked = sum(info.file_size for info in members)
    if unpacked > UNPACKED_BYTES or (
        unpacked > PROPORTIONATE_BYTES
        and unpacked > UNPACKED_RATIO * min(packed, sum(i.compress_size for i in members))
    ):
        raise ArchiveFileError(
            f"unpacks to {unpacked >> 20:,} MB, out of all proportion; ask the sender for the file itself"
        )


@lru_cache(maxsize=4096)
def _facts(path: Path, member: str | None, _state: State) -> Facts:
    digest = hashlib.sha256()
    if path.stat().st_size > FILE_BYTES:  # it is refused for that; to read it all would take minutes
        return Facts(hashlib.sha256(str(_state).encode()).hexdigest(), path.stat().st_size, False, False, False)
    size = returns = pairs = since_end = 0
    has_nul = has_endless_line = ends_in_return = False
    with Document(path, path.name, member).open() as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
            has_nul = has_nul or b"\0" in piece
            pairs += ends_in_return and piece.startswith(b"\n")
            if b"\r" in piece:
                returns, pairs = returns + piece.count(b"\r"), pairs + piece.count(b"\r\n")
            ends_in_return = piece.endswith(b"\r")
            end = b"\n" if b"\n" in piece else b"\r"
            first = piece.find(end)
            has_endless_line = has_endless_line or since_end + (len(piece) if first < 0 else first) > LINE_BYTES
            since_end = since_end + len(piece) if first < 0 else len(piece) - piece.rfind(end) - 1
    return Facts(digest.hexdigest(), size, has_nul, returns > pairs, has_endless_line)


def _damaged() -> ArchiveFileError:
    return ArchiveFileError("is a damaged archive, or none at all; ask the sender for it again")
