"""What a header and its rows stand in: a file of its own, a file in a ZIP archive, or a sheet of a workbook.

Here bytes are got at, and here it is refused what would hurt: archives out of proportion, links and paths that lead
elsewhere, files and lines without end. Nothing is unpacked to disk, since it may hold names.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from le_pipeline.errors import ArchiveFileError, LinkFileError, RefusedError, TooLargeFileError, UnreadableFileError
from le_pipeline.home import shown

PIECE = 1 << 20
FILE_BYTES = 16 << 30  # a state's student file of ten million wide rows stays below
LINE_BYTES = PIECE  # a record of the widest state file has 4,000 characters
UNPACKED_BYTES = 2 << 30  # of all files of an archive together: they are read in memory
UNPACKED_RATIO = 200  # text packs to a tenth, repetitive text to a fiftieth
PROPORTIONATE_BYTES = 32 << 20  # below this, the ratio does no harm
MEMBERS = 1000
DIRECTORY_BYTES = 4 << 20  # of an archive; that of a thousand files with long names stays below
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can claim any memory, and few programs open them
WORKBOOK_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
ARCHIVE_SUFFIXES = (".zip", ".gz", ".tgz", ".tar", ".bz2", ".xz", ".7z", ".rar", ".zst")
ENCRYPTED = 0x1
# what zipfile raises where the bytes are not what they should be
ARCHIVE_TROUBLES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    RuntimeError,
)
DRIVE = re.compile(r"^[A-Za-z]:")


@dataclass(frozen=True)
class Document:
    """One thing to read. `name` is the path below landing, with what is inside it: `LA/2016/set.zip/users.csv`.

    `is_closed`: it is refused for what it is, and its bytes are never looked at.
    """

    path: Path
    name: str
    member: str | None = None
    sheet: str | None = None
    is_closed: bool = False

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
    def landed_bytes(self) -> int:
        """The size of the landed file, which may be the archive around this one."""
        return self.state[1]

    @cached_property
    def state(self) -> State:
        """The file's state when it was first asked for: a file that is taken away meanwhile stays the one it was."""
        return state_of(self.path)

    @cached_property
    def facts(self) -> Facts:
        """What one pass over the bytes tells; made once for one state of the file."""
        if self.is_closed:
            return Facts(hashlib.sha256(repr(self.state).encode()).hexdigest(), self.landed_bytes)
        return _facts(self.path, self.member, self.state)

    def of_sheet(self, sheet: str) -> Document:
        """A sheet of this workbook as a document of its own."""
        return replace(self, name=f"{self.name}#{shown(sheet)}", sheet=sheet)

    def beside(self, file_name: str) -> Document | None:
        """The file of that name in the same folder or archive, if it is there."""
        if self.member:
            inside = PurePosixPath(self.member).with_name(file_name).as_posix()
            name = f"{self.name.removesuffix(self.member)}{inside}"
            return Document(self.path, name, inside) if inside in _members(self.path, self.state) else None
        other = self.path.with_name(file_name)
        return Document(other, str(PurePosixPath(self.name).with_name(file_name))) if other.is_file() else None

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The bytes, unpacked as they are read."""
        if self.member is None:
            try:
                with self.path.open("rb") as file:
                    yield file
            except OSError as trouble:
                raise _not_opened(trouble) from None
            return
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as file:
                yield file  # type: ignore[misc]
        except ARCHIVE_TROUBLES:
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

    `lines`: how many line ends. `has_lone_returns`: some lines end in CR alone, as on old Macs. `has_endless_line`: one
    is over LINE_BYTES long.
    """

    file_hash: str
    file_bytes: int
    lines: int = 0
    has_nul: bool = False
    is_ascii: bool = False
    has_quotes: bool = True
    has_lone_returns: bool = False
    has_endless_line: bool = False


def check_file(path: Path, name: str, landing: Path | None = None) -> None:
    """Refuse what must not be opened at all, going by its name and kind.

    Args:
        path: the delivered file.
        name: what it is called in messages and tables.
        landing: a folder that it must lie in, wherever a link may lead.

    Raises:
        RefusedError: names what it is.
        FileNotFoundError: it has been taken away meanwhile.
    """
    if shown(name) != name:
        raise UnreadableFileError("has a name that cannot be shown; land it under another one")
    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110  # Path.exists may raise where links go round
        raise LinkFileError("is a link to nothing; land the file itself")
    if landing and not Path(os.path.realpath(path)).is_relative_to(landing):
        raise LinkFileError("is a link to a place outside landing; land the file itself")
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise LinkFileError("is a link to a folder; land the files themselves")
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableFileError("is no file but a pipe or device; land the file itself")
    if found.st_size > FILE_BYTES:
        raise TooLargeFileError(f"has more than {FILE_BYTES >> 30} GB; ask the sender for it in parts")
    try:
        path.open("rb").close()
    except OSError as trouble:
        raise _not_opened(trouble) from None


def documents(path: Path, name: str) -> list[Document]:
    """The documents of a delivered file: itself, or the files of a ZIP archive. Sheets are told apart by layouts.

    Raises:
        RefusedError: the archive is one that must not be opened, or a file in it is damaged.
    """
    whole = Document(path, name)
    if path.suffix.lower() != ".zip" or not whole.file_bytes:
        return [whole]
    found = [
        Document(path, f"{name}/{member}", member)
        for member in _members(path, whole.state)
        if not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)
    ]
    for document in found:
        _ = document.facts  # unpacked once, so that what is damaged refuses the archive before anything is taken of it
    return found


State = tuple[int, int, int, int]


def state_of(path: Path) -> State:
    """Tells one state of a file from the next; the time of its inode cannot be set back as that of its content can.

    Of a link to nothing it is the link's own.
    """
    try:
        found = path.stat()
    except OSError:
        found = path.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class _Bounded:
    """A file of which zipfile may not read more than a directory's size at once, as it reads the directory."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > DIRECTORY_BYTES:
            raise ArchiveFileError(f"holds far more files, over {MEMBERS:,}; ask the sender for fewer, larger ones")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@contextmanager
def opened_archive(file: BinaryIO, damaged: Callable[[], RefusedError] | None = None) -> Iterator[zipfile.ZipFile]:
    """A ZIP archive to look into piece by piece, whatever its directory claims.

    Raises:
        ArchiveFileError: it is damaged or none (or what `damaged` gives).
    """
    try:
        with zipfile.ZipFile(_Bounded(file)) as archive:
            yield archive
    except ARCHIVE_TROUBLES:
        raise (damaged or _damaged)() from None


@lru_cache(maxsize=64)
def _members(path: Path, _state: State) -> dict[str, int]:
    """Names and sizes of the files in an archive, once every one of them has been found harmless."""
    with Document(path, path.name).open() as file, opened_archive(file) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
    check_archive(members, path.stat().st_size)
    for info in members:
        if info.filename.lower().endswith(ARCHIVE_SUFFIXES):
            raise ArchiveFileError("holds an archive inside the archive; land the files themselves")
    if not members:
        raise ArchiveFileError("is an archive without a file in it; ask the sender for it again")
    return {info.filename: info.file_size for info in sorted(members, key=lambda info: info.filename)}


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
        if shown(info.filename) != info.filename:
            raise ArchiveFileError("holds a file with a name that cannot be shown; ask the sender for another one")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ArchiveFileError("holds a link; ask the sender for the files themselves")
        if info.compress_type not in METHODS:
            raise ArchiveFileError("is packed in a way that few programs open; ask the sender for a plain ZIP archive")
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
    size = returns = pairs = since_end = lines = 0
    has_nul = has_quotes = has_endless_line = ends_in_return = False
    is_ascii = True
    # hashing takes half of the time and does not hold the interpreter
    with Document(path, path.name, member).open() as file, ThreadPoolExecutor(1) as hashing:
        hashed = hashing.submit(digest.update, b"")
        while piece := file.read(PIECE):
            hashed.result()
            hashed = hashing.submit(digest.update, piece)
            size += len(piece)
            has_nul = has_nul or b"\0" in piece
            is_ascii = is_ascii and piece.isascii()
            has_quotes = has_quotes or b'"' in piece
            lines += piece.count(b"\n")
            pairs += ends_in_return and piece.startswith(b"\n")
            if b"\r" in piece:
                returns, pairs = returns + piece.count(b"\r"), pairs + piece.count(b"\r\n")
            ends_in_return = piece.endswith(b"\r")
            end = b"\n" if b"\n" in piece else b"\r"
            first = piece.find(end)
            has_endless_line = has_endless_line or since_end + (len(piece) if first < 0 else first) > LINE_BYTES
            since_end = since_end + len(piece) if first < 0 else len(piece) - piece.rfind(end) - 1
    if member and size != _members(path, _state)[member]:
        raise _damaged()
    lines += returns - pairs
    return Facts(digest.hexdigest(), size, lines, has_nul, is_ascii, has_quotes, returns > pairs, has_endless_line)


def _not_opened(trouble: OSError) -> UnreadableFileError:
    return UnreadableFileError(f"cannot be opened ({os.strerror(trouble.errno or 0)}); see its permissions and disk")


def _damaged() -> ArchiveFileError:
    return ArchiveFileError("is a damaged archive, or none at all; ask the sender for it again")
