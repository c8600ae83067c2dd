"""Changes bytes of good and hostile files at random and takes them in: `python tests/fuzz.py --seconds 60 --seed 1`.

What escapes, or breaks the account of a file, is left in a folder with the seed that made it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import random
import shutil
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from hostile import GOOD_SUFFIXES, HOSTILE, LAYOUTS, good, zipped
from landed import FEED, Landed, everything_coded
from le_pipeline.home import Home
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import KEY_BYTES, Keys
from schemas import registry
from schemas.layout import NO_FEED

SAMPLES = Path(__file__).parents[1] / "data_samples" / "landing"
WEIGHTS = [5, 1, 2]  # good files, hostile ones and samples
SMALL = 100_000  # bytes of a file that is worth changing
LONG = 100  # of a piece that is cut or doubled
TOKENS = [
    *(
        b"\0",
        b'"',
        b",",
        b"\t",
        b"\r",
        b"\n",
        b"\r\n",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\x1e",
        b"=",
        b"'",
        b"<",
    ),
    *(b"{", b"}", b"[", b"]", b"\\", b"\\u0000", b"\\ud800", b"null", b"NaN", b"-", b"1e999", b"9" * 30, b"PK\3\4"),
    *("\u00e9".encode(), "\U0001f600".encode(), "\u202e".encode(), b"<f>", b"<!DOCTYPE", b"PAR1", b"\xff" * 8),
]


Seed = tuple[str, bytes]  # name and bytes of a file


def seeds() -> list[list[Seed]]:
    """What to begin with: good files, small hostile ones, samples of one state."""
    hostile = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a" / "b" / "c" / "file"
        path.parent.mkdir(parents=True)
        for file in HOSTILE:
            if file.is_heavy:
                continue
            file.write(path)
            if path.is_file() and not path.is_symlink() and path.stat().st_size < SMALL:
                hostile.append((f"data{file.suffix}", path.read_bytes()))
            path.unlink()
    samples = [path for path in sorted(SAMPLES.glob("LA/2016/*")) if path.is_file()]
    return [
        [(f"data{suffix}", good(suffix, 0)) for suffix in GOOD_SUFFIXES],
        hostile,
        [(path.name, path.read_bytes()[:SMALL]) for path in samples],
    ]


def changed(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """The bytes with a few changes; of an archive mostly what is in it, packed again as it should be."""
    if data.startswith(b"PK") and chance.random() < 0.8:
        with contextlib.suppress(Exception), zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {info.filename: archive.read(info) for info in archive.infolist()}
            name = chance.choice(sorted(files))
            return zipped(files | {name: _changed(files[name], other, chance)})
    return _changed(data, other, chance)


def _changed(data: bytes, other: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        start = chance.randint(0, len(found))
        end = min(len(found), start + chance.randint(1, LONG))
        match chance.randrange(8):
            case 0:
                del found[start:end]
            case 1 if chance.random() < 0.2:  # a file that was cut off ends in one error whatever else is changed
                del found[start:]
            case 2:
                found[start:start] = found[start:end] * chance.randint(1, 3)
            case 3 if found:
                found[min(start, len(found) - 1)] ^= 1 << chance.randrange(8)
            case 4 if chance.random() < 0.3:
                found[start:end] = other[start:end]
            case 5 if found:
                found[min(start, len(found) - 1)] = chance.randrange(256)
            case _:
                found[start:start] = chance.choice(TOKENS)
    return bytes(found)


def check(landed: Landed, path: Path) -> None:
    """Rehearse the file and take it in: nothing escapes, every record is accounted for, pointers lead to its rows."""
    rehearsals = rehearse(landed.home, path)
    assert all(part.account.is_conserved for found in rehearsals for part in found.parts if not part.refusal)
    feeds = {part.layout.feed for found in rehearsals for part in found.parts} - {NO_FEED}
    for feed in feeds or {FEED}:
        report = landed.run(feed)
        fates = pl.sum_horizontal("rows_accepted", "rows_quarantined", "rows_excluded", "rows_duplicate")
        assert report.deliveries.filter(pl.col("rows_read") != fates).is_empty()
        assert report.rows == len(landed.lake.read(registry.feeds()[feed]))
    pointers = landed.lake.read(registry.tables()["quarantine"])
    kept = [landed.vaulted("quarantine", feed) for feed in feeds if pointers.height]
    assert pointers.join(pl.concat(kept), on=["delivery_id", "source_row"], how="anti").is_empty() if kept else True


def fuzz(seconds: float, seed: int, folder: Path) -> Iterator[tuple[int, Path | None]]:
    """Try files until the time is over: the number of each, and where it is left if it breaks something."""
    landed = Landed(Home.at(folder / "home"), Keys(bytes(KEY_BYTES)))
    landed.home.create()
    for name, text in LAYOUTS.items():
        landed.layout(text.replace("tolerance: 0.25", "tolerance: 1"), name)
    known, end = seeds(), time.monotonic() + seconds
    for number in itertools.count(seed):
        if time.monotonic() > end:
            return
        chance = random.Random(number)  # noqa: S311
        (name, data), (_, other) = (chance.choice(chance.choices(known, WEIGHTS)[0]) for _ in range(2))
        path = landed.file(name, changed(data, other, chance))
        broken = None
        try:
            with everything_coded() if number % 2 else contextlib.nullcontext():
                check(landed, path)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001  # a panic of Rust is no Exception
            traceback.print_exc()
            broken = path.rename(folder / f"{number} {name}")
        yield number, broken
        path.unlink(missing_ok=True)
        for left in (landed.home.lake, landed.home.vault):  # so that a number makes what it made, whatever came before
            shutil.rmtree(left, ignore_errors=True)


def main() -> int:
    """Ends with 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1, help="the number of the first file; the next has the next one")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="fuzz."))
    tried = list(fuzz(given.seconds, given.seed, folder))
    broken = [f"--seed {number}: {path}\n" for number, path in tried if path]
    sys.stdout.writelines([*broken, f"{len(tried):,} files tried, {len(broken)} broke something\n"])
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
