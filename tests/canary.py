"""Canaries: people who cannot be mistaken for anybody, and a search for them that shares no code with the scan.

They are made from a seed. Every one has an id, a name with an accent, an apostrophe or a hyphen, and a birth date; half
of them are staff, with an e-mail address. `Hunt` looks for all of it in everything that runs leave behind, byte by
byte, in every encoding, inside every file that packs what it holds.
"""

from __future__ import annotations

import base64
import datetime
import json
import random
import re
import sqlite3
import subprocess
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import duckdb
import polars as pl

from le_pipeline.home import Home

SEED = 20_261_127
BEGIN = ("Zvar", "Quem", "Xolt", "Brzy", "Vlok", "Ghum", "Tzor", "Kwil", "Pfen", "Dzhi")
MIDDLE = ("ún", "axe", "ëm", "ovr", "iqu", "ößa", "ulz", "ñor")
FINAL = ("dax", "vemb", "quist", "threl", "zhov", "gmund")
SHAPES = ("{a}", "O'{a}", "{a}-{b}", "{a}", "D'{a}", "{a}")


@dataclass(frozen=True)
class Canary:
    """One planted person."""

    id: str
    last_name: str
    first_name: str
    birth_date: datetime.date
    email: str | None

    @property
    def us_date(self) -> str:
        return self.birth_date.strftime("%m/%d/%Y")

    @property
    def values(self) -> Iterator[str]:
        """What nobody may find: every value, as a file, a log or a programmer would write it."""
        day = self.birth_date
        yield from (self.id, self.last_name, self.first_name, *([self.email] if self.email else []))
        yield from (_plain(self.last_name), _plain(self.first_name), f"{self.last_name}, {self.first_name}")
        yield from (day.isoformat(), self.us_date, f"{day.year}, {day.month}, {day.day}", day.strftime("%Y%m%d"))


def people(count: int = 200) -> list[Canary]:
    """As many people, each with names that no other has; the second half are staff."""
    chance = random.Random(SEED)  # noqa: S311
    stems = [a + b + c for a in BEGIN for b in MIDDLE for c in FINAL]
    chance.shuffle(stems)
    made = []
    for number in range(count):
        is_staff = number >= count // 2
        a, b, first = stems[2 * number % len(stems)], stems[(2 * number + 1) % len(stems)], stems[-1 - number]
        last = SHAPES[number % len(SHAPES)].format(a=a.capitalize(), b=b.capitalize())
        given = f"{first.capitalize()}{'-Ynez' if number % 7 == 0 else ''}"
        born = datetime.date(1961, 1, 3) + datetime.timedelta(days=chance.randrange(6000))
        email = f"{_plain(given)}.{_plain(last)}@canary-{number}.example".lower().replace("'", "") if is_staff else None
        code = f"CX{chance.randrange(10**7, 10**8)}" if is_staff else str(chance.randrange(88 * 10**8, 89 * 10**8))
        made.append(Canary(code, last, given, born, email))
    return made


def _plain(name: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKD", name.replace("ß", "ss")) if sign.isascii())


class Hunt:
    """Looks for people in bytes."""

    def __init__(self, sought: Iterable[Canary]) -> None:
        values = {
            form for person in sought for value in person.values for form in (value, value.lower(), value.upper())
        }
        self.patterns = sorted({pattern for value in values for pattern in self._written(value)})
        self._every = re.compile(b"|".join(re.escape(pattern) for pattern in self.patterns))

    @staticmethod
    def _written(value: str) -> Iterator[bytes]:
        for codec in ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-32-le"):
            yield value.encode(codec, errors="ignore")
        yield unicodedata.normalize("NFD", value).encode()
        for escaped in (
            json.dumps(value)[1:-1],
            json.dumps(json.dumps(value))[2:-2],
            quote(value),
            repr(value.encode())[2:-1],
        ):
            yield escaped.encode()
        if len(value) > 9:
            for start in range(3):  # in base64 a value looks different at each of three places
                packed = base64.b64encode(b"\0" * start + value.encode())
                yield packed[4 if start else 0 : len(packed) // 4 * 4 - 4]

    def in_bytes(self, content: bytes) -> set[str]:
        """What is found."""
        return {found.decode(errors="replace") for found in self._every.findall(content)}

    def in_files(self, home: Home, scratch: Path, copied_from: Home | None = None) -> dict[str, set[str]]:
        """What is found below a home but for landing and vault, by file; also in names of files.

        Files that are still as they were in the home that it was copied from are left out, but for their names.
        """
        patterns = scratch / "patterns"
        patterns.write_bytes(b"\n".join(pattern for pattern in self.patterns if b"\n" not in pattern))
        outside = (home.landing, home.vault, *home.rotation.glob("*/vault"))
        kept = [path for path in home.root.rglob("*") if not any(path.is_relative_to(each) for each in outside)]
        assert kept
        files = [path for path in kept if path.is_file() and not (copied_from and _is_copy(path, home, copied_from))]
        unpacked = scratch / "unpacked"
        unpacked.mkdir(exist_ok=True)
        for number, path in enumerate(files):
            if packed := b"\n".join(_inside(path)):
                (unpacked / f"{number}-{path.name[:40].encode('ascii', 'replace').decode()}").write_bytes(packed)
        command = ["grep", "-r", "-H", "-a", "-o", "-F", "-f", str(patterns), *map(str, files), str(unpacked)]
        answer = subprocess.run(command, capture_output=True, env={"LC_ALL": "C"}, check=False)
        assert answer.returncode in (0, 1), answer.stderr
        found: dict[str, set[str]] = {}
        for line in answer.stdout.splitlines():
            path, _, value = line.rpartition(b":")
            found.setdefault(path.decode(errors="replace"), set()).add(value.decode(errors="replace"))
        for path in kept:
            if named := self.in_bytes(path.name.encode()):
                found[f"the name of {path}"] = named
        for file in unpacked.iterdir():
            file.unlink()
        return found


def _is_copy(path: Path, home: Home, other: Home) -> bool:
    before = other.root / path.relative_to(home.root)
    return before.is_file() and (before.stat().st_size, before.stat().st_mtime_ns) == (
        path.stat().st_size,
        path.stat().st_mtime_ns,
    )


def _inside(path: Path) -> Iterator[bytes]:
    """What a file packs: every cell of a table as text, every member of an archive, every compressed page."""
    content = path.read_bytes()
    if content[:4] == b"PAR1":
        frame = pl.read_parquet(path, hive_partitioning=False)
        yield from (
            str(value).encode() for name in frame.columns for value in frame[name].unique() if value is not None
        )
        yield " ".join(frame.columns).encode()
    elif content[8:12] == b"DUCK":
        yield from _warehouse(path)
    elif content[:16] == b"SQLite format 3\0":
        yield from _sqlite(path)
    elif content[:2] == b"PK":
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif content[:2] == b"\x1f\x8b":
        yield zlib.decompress(content, wbits=31)


def _warehouse(path: Path) -> Iterator[bytes]:
    with duckdb.connect(path, read_only=True) as con:
        yield str(con.execute("select * from duckdb_columns()").fetchall()).encode()
        yield str(con.execute("select * from duckdb_tables()").fetchall()).encode()
        for schema, table in con.execute("select schema_name, table_name from duckdb_tables()").fetchall():
            frame = con.sql(f'select * from "{schema}"."{table}"').pl()
            yield from (str(v).encode() for name in frame.columns for v in frame[name].unique() if v is not None)


def _sqlite(path: Path) -> Iterator[bytes]:
    with sqlite3.connect(path) as con:
        con.text_factory = bytes
        for (name,) in con.execute("select name from sqlite_master where type = 'table'").fetchall():
            for row in con.execute(f'select * from "{name.decode()}"'):
                for cell in row:
                    if isinstance(cell, bytes):
                        yield cell
                        if cell[:1] == b"\x78":
                            yield zlib.decompress(cell)
