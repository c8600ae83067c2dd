"""The ledger of releases: every count that one showed or hid, so that the next is audited together with it.

`LE_HOME/ledger/ledger.jsonl` has an entry for each release, chained by hashes (`privacy.chain`): a release that is
changed, taken away or made up later shows. Beside it lie, of each release, its cells with their true values, the
equations between them, and the rows of the marts that it was made of. No outsider may see those: they hold what was
hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.errors import ReleaseError
from le_pipeline.files import hash_of
from le_pipeline.home import Home
from le_pipeline.privacy import chain
from le_pipeline.privacy.chain import Entry
from le_pipeline.publish.book import Book, Cell, Key
from le_pipeline.publish.control import Controlled

FILE, CELLS, EQUATIONS = "ledger.jsonl", "cells.parquet", "equations.parquet"
Remembered = tuple[dict[Key, Cell], list[tuple[Key, tuple[Key, ...]]]]


def entries(home: Home) -> list[Entry]:
    """An entry for each release, in order.

    Raises:
        ChainError: the ledger was changed.
    """
    return chain.read(home.ledger / FILE)


def require_head(home: Home, kept: str | None) -> None:
    """Stop where no release's entry has the hash of a head that was kept elsewhere.

    Raises:
        ChainError: none has; or as `entries` does.
    """
    chain.require_head(home.ledger / FILE, kept)


def append(home: Home, said: dict[str, Any]) -> None:
    """Enter a release. Call it under the home's lock `release`."""
    chain.append(home.ledger / FILE, said)


def write(
    folder: Path, book: Book, controlled: Controlled, told: Set[Key], marts: Mapping[str, pl.DataFrame]
) -> dict[str, str]:
    """Write what a release counts, what of it its tables tell, what adds up to what, and the rows of its marts.

    Returns:
        The hash of each file.
    """
    for name, mart in marts.items():
        mart.write_parquet(folder / f"{name}.parquet", compression="zstd")
    now = [key for key in book.cells if not key.edition]
    number = {key: at for at, key in enumerate(now)}
    lines = [_line(key, book, controlled, is_shown=key in told) for key in now]
    pl.DataFrame(lines, schema=SCHEMA, orient="row").write_parquet(folder / CELLS, compression="zstd")
    own = [
        (number[total], [number[part] for part in parts])
        for total, parts in book.equations
        if total in number and all(part in number for part in parts)
    ]
    schema = {"total": pl.Int64(), "parts": pl.List(pl.Int64())}
    pl.DataFrame(own, schema=schema, orient="row").write_parquet(folder / EQUATIONS, compression="zstd")
    return {path.name: hash_of(path) for path in sorted(folder.iterdir())}


def rows(home: Home, entry: Entry, table: str) -> pl.DataFrame:
    """The rows of a mart that a release was made of."""
    return pl.read_parquet(home.ledger / entry["release"] / f"{table}.parquet")


def require_whole(home: Home, entry: Entry) -> None:
    """Stop where what is kept of a release is not what the ledger says.

    Raises:
        ReleaseError: something is gone or was changed.
    """
    folder = home.ledger / entry["release"]
    if any(not (folder / name).is_file() or hash_of(folder / name) != kept for name, kept in entry["ledger"].items()):
        raise ReleaseError(
            f"{folder} is not what the ledger says of it. Put it back from a backup: without what was released before,"
            " nobody can tell what a new release would give away"
        )


def read(home: Home, entry: Entry) -> Remembered:
    """The cells of a release and the equations between them."""
    folder = home.ledger / entry["release"]
    keys: list[Key] = []
    cells: dict[Key, Cell] = {}
    for line in pl.read_parquet(folder / CELLS).iter_rows(named=True):
        key = Key(line["measure"], tuple(line["dimensions"]))
        keys.append(key)
        cells[key] = Cell(
            line["value"],
            line["unit"],
            line["is_rate"],
            is_hidden=not line["is_in_tables"],
            least=line["least"],
            most=line["most"],
            is_known=line["is_shown"],
        )
    table = pl.read_parquet(folder / EQUATIONS)
    equations = [(keys[total], tuple(keys[part] for part in parts)) for total, parts in table.iter_rows()]
    return cells, equations


SCHEMA = {
    "measure": pl.String(),
    "dimensions": pl.List(pl.String()),
    "value": pl.Int64(),
    "unit": pl.String(),
    "is_rate": pl.Boolean(),
    "is_in_tables": pl.Boolean(),
    "is_shown": pl.Boolean(),
    "least": pl.Float64(),
    "most": pl.Float64(),
}


def _line(key: Key, book: Book, controlled: Controlled, *, is_shown: bool) -> tuple[Any, ...]:
    """One count. What a band told of it stays known, as what an earlier release told does."""
    cell = book.cells[key]
    least, most = cell.least, cell.most
    if key in controlled.told:
        _, band = book.bands[key]
        least, most = max(least, band.least), min(most, band.most)
    told = (not cell.is_hidden, is_shown, least, most)
    return (key.measure, key.dimensions, cell.value, cell.unit, cell.is_rate, *told)
