"""What is personal in rejected rows: cells of columns that a layout of the feed reads ids, names or dates from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import polars as pl

from le_pipeline.home import Home
from le_pipeline.privacy.scan import words
from le_pipeline.privacy.scan.dates import days
from schemas import registry
from schemas.layout import Layout

LONGEST = 6  # atoms of a row that are searched
FEWEST_LETTERS = 3
NAMED = ("last_name", "first_name", "middle_name", "birth_date")


@dataclass
class Rejected:
    """`persons`, `values` as the vault's identities give them; `sequences`: atoms of rows as they stand in a file."""

    persons: pl.DataFrame
    values: pl.DataFrame
    sequences: pl.Series


@dataclass
class _Found:
    persons: list[dict[str, str | None]] = field(default_factory=list)
    values: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def in_rejected_rows(rows: pl.Series, feed: str, home: Home) -> Rejected:
    """The personal values of rows in full (JSON objects, as the vault keeps them)."""
    columns = _columns(home, feed)
    found = _Found()
    for row in rows:
        cells = {name: str(cell).strip() for name, cell in json.loads(row).items() if cell and str(cell).strip()}
        _take(cells, columns, found)
    names = ("key", "last_name", "first_name", "middle_name", "birth_date")
    persons = pl.DataFrame(found.persons, schema=dict.fromkeys(names, pl.String))
    values = pl.DataFrame(found.values, schema={"value": pl.String, "what": pl.String}, orient="row")
    sequences = words.atoms(pl.Series(found.texts, dtype=pl.String)).list.head(LONGEST)
    return Rejected(
        persons,
        values.with_columns(key=pl.lit(None, pl.String)),
        sequences.filter(sequences.list.len() == LONGEST).list.join(" ").rename("text"),
    )


def _take(cells: dict[str, str], columns: dict[str, frozenset[str]], found: _Found) -> None:
    people: dict[str, dict[str, str | None]] = {}
    personal = [name for name in cells if name in columns]
    for name in personal:
        for part, what in map(_split, columns[name]):
            if what in NAMED:
                whole = {f"{part}last_name", f"{part}first_name"} <= columns[name]  # both are taken from one cell
                people.setdefault(part, {})[what] = _part_of_name(cells[name], what) if whole else cells[name]
            else:
                found.values.append((cells[name], "e-mail address" if what == "email" else "id"))
    for person in people.values():
        meant = days(person.get("birth_date") or "") or (None,)
        found.persons += [person | {"birth_date": day} for day in meant]
    told = [name for name in personal if sum(map(str.isalpha, cells[name])) >= FEWEST_LETTERS]
    if told:  # from the cell before the first name on, as a line of the file and as an object
        order = list(cells)
        begin = max(0, order.index(told[0]) - 1)
        found.texts.append(" ".join(cells[name] for name in order[begin:]))
        found.texts.append(" ".join(f"{name} {cells[name]}" for name in order[begin:]))


def _part_of_name(text: str, what: str) -> str:
    """The given or family name of `Example, Robin` or `Robin Example`."""
    last, comma, first = text.partition(",")
    if not comma:
        first, _, last = text.rpartition(" ")
    return last if what == "last_name" else first


def _split(name: str) -> tuple[str, str]:
    part = next((p for p in ("fellow_", "mentee_") if name.startswith(p)), "")
    return part, name.removeprefix(part)


@lru_cache(maxsize=64)
def _columns(home: Home, feed: str) -> dict[str, frozenset[str]]:
    """Columns of files that layouts of the feed fill direct identifiers from, with their fields."""
    found: dict[str, set[str]] = {}
    for layout in home.all_layouts().values():
        if layout.feed == feed:
            for column, name in _filled(layout):
                found.setdefault(column, set()).add(name)
    return {column: frozenset(names) for column, names in found.items()}


def _filled(layout: Layout) -> Iterator[tuple[str, str]]:
    fields = registry.fields()
    places = [(name, column) for name, source in layout.fill.items() for column in source.columns]
    for unpivot in layout.unpivot:
        for name, source in unpivot.fill.items():
            places += [(name, unpivot.column(c, part)) for c in source.columns for part in unpivot.parts.values()]
    for name, column in places:
        if name in fields and fields[name].privacy == "direct" and name != "section_id":
            yield column, name
