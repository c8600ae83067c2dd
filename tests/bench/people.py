"""Lists of hundreds of thousands of people, matched: what it costs, and how much of the truth it finds.

Every figure is taken in a process of its own. The people are drawn from a seed; names are made of syllables, so that no
two of them are one letter apart more often than real ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.table import Table

from le_pipeline.link.matching import Matches, match, match_lists
from le_pipeline.link.matching.spelling import Kind

TOLD = "matched:"
SEED = 20161
HALF = 500_000
YEARS = [str(year) for year in range(2012, 2017)]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class World:
    """How people are called, when they were born and where they live."""

    given: int
    surnames: int
    skew: float  # exponent of Zipf's law; 0 is even
    birth_days: int
    places: int = 2_000


WORLDS = {
    "Zipf, 1,000 x 5,000 names, 45 years": World(1_000, 5_000, 1.0, 45 * 365),
    "Zipf, 1,000 x 5,000 names, 12 years": World(1_000, 5_000, 1.0, 12 * 365),
    "even, 1,000 x 5,000 names, 12 years": World(1_000, 5_000, 0.0, 12 * 365),
    "even, 200 x 500 names, 45 years": World(200, 500, 0.0, 45 * 365),
    "even, 200 x 500 names, 12 years": World(200, 500, 0.0, 12 * 365),
}
FIELDS: dict[str, dict[str, Kind]] = {
    "names, birth date, place": {"given": "given_name", "surname": "surname", "born": "birth_date", "place": "place"},
    "names, birth date": {"given": "given_name", "surname": "surname", "born": "birth_date"},
}


class People:
    """Draws people of a world, and what lists make of them."""

    def __init__(self, world: World, seed: int = SEED) -> None:
        self.world, self.random = world, np.random.default_rng(seed)
        self.names = {"given": self._pool(world.given, 2), "surname": self._pool(world.surnames, 3)}

    def _pool(self, count: int, syllables: int) -> pl.Series:
        onsets, vowels, ends = (
            [*"bdfghjklmnprstvw", "ch", "sh", "st", "tr", "br"],
            list("aeiou"),
            ["", "n", "r", "l", "s"],
        )
        found: dict[str, None] = {}
        while len(found) < count:
            word = "".join(
                self.random.choice(onsets) + self.random.choice(vowels)
                for _ in range(int(self.random.integers(2, syllables + 1)))
            )
            found[word + self.random.choice(ends)] = None
        return pl.Series(list(found))

    def draw(self, count: int) -> pl.DataFrame:
        """People as they are: person, given, surname, born, place."""
        world = self.world
        chosen = {name: pool.gather(self._ranks(len(pool), count)) for name, pool in self.names.items()}
        days = self.random.integers(0, world.birth_days, count)
        born = pl.Series(np.datetime64("1960-01-01") + days)
        places = self.random.integers(0, world.places, count)
        return pl.DataFrame(
            {"person": np.arange(count), **chosen, "born": born.cast(pl.Date), "place": places.astype(str)}
        )

    def _ranks(self, pool: int, count: int) -> Ints:
        weights = 1 / np.arange(1, pool + 1) ** self.world.skew
        return self.random.choice(pool, count, p=weights / weights.sum())

    def listed_badly(self, people: pl.DataFrame) -> pl.DataFrame:
        """The same people on another list: typing errors, swapped dates, moves."""
        for column in self.names:
            wrong = self.random.random(people.height) < 0.05
            typed = [self._typed(name) if bad else name for name, bad in zip(people[column], wrong, strict=True)]
            people = people.with_columns(pl.Series(column, typed))
        swapped = pl.Series(self.random.random(people.height) < 0.02) & (people["born"].dt.day() <= 12)
        crossed = pl.date(pl.col("born").dt.year(), pl.col("born").dt.day(), pl.col("born").dt.month())
        moved = pl.Series(self.random.random(people.height) < 0.25)
        places = pl.Series(self.random.integers(0, self.world.places, people.height).astype(str))
        return people.with_columns(
            pl.when(swapped).then(crossed).otherwise("born").alias("born"),
            pl.when(moved).then(places).otherwise("place").alias("place"),
        )

    def _typed(self, name: str) -> str:
        """A letter too many, too few, another, or two that changed places."""
        place, letter = int(self.random.integers(0, len(name))), chr(97 + int(self.random.integers(0, 26)))
        kind = int(self.random.integers(0, 4))
        if kind == 3 and place + 1 < len(name):
            return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
        return name[:place] + ("", letter, letter + name[place], letter)[kind] + name[place + 1 :]


def two_lists(world: str, fields: str, overlap: str) -> tuple[Matches, int, float]:
    """Two lists of half a million, of which a share stands in both."""
    drawn = People(WORLDS[world])
    both = round(HALF * float(overlap))
    people = drawn.draw(2 * HALF - both)
    left = people.head(HALF)
    right = drawn.listed_badly(people.tail(HALF)).sample(fraction=1, shuffle=True, seed=SEED)
    sides = [side.rename({"person": "key"}) for side in (left, right)]
    began = time.monotonic()
    found = match_lists(*sides, FIELDS[fields])
    return found, both, time.monotonic() - began


def one_list(world: str, fields: str, _: str) -> tuple[Matches, int, float]:
    """A million keys, most of them on five yearly lists; one in a hundred stands later under another key."""
    drawn = People(WORLDS[world])
    people = drawn.draw(990_000)
    random = drawn.random
    first, last = random.integers(0, 5, (2, 990_000))
    first, last = np.minimum(first, last), np.maximum(first, last)
    stays = random.random(990_000) < 0.6
    first, last = np.where(stays, 0, first), np.where(stays, 4, last)
    again = (last < 4) & (random.random(990_000) < 10_000 / max(int((last < 4).sum()), 1))
    back = drawn.listed_badly(people.filter(pl.Series(again)))
    begin = random.integers(last[again] + 1, 5)
    rows = pl.concat(
        [
            people.with_columns(key=pl.format("a{}", "person"), first=pl.Series(first), last=pl.Series(last)),
            back.with_columns(key=pl.format("b{}", "person"), first=pl.Series(begin), last=pl.lit(4, dtype=pl.Int64)),
        ]
    )
    years = pl.lit(pl.Series([YEARS])).first().list.slice(pl.col("first"), pl.col("last") - pl.col("first") + 1)
    records = rows.with_columns(lists=years, is_known=True)
    began = time.monotonic()
    found = match(records, FIELDS[fields])
    return found, back.height, time.monotonic() - began


WORKS: dict[str, Callable[[str, str, str], tuple[Matches, int, float]]] = {"two": two_lists, "one": one_list}


def told(found: Matches, pairs: int, seconds: float) -> dict[str, float | str]:
    """Precision and recall of what was accepted, and how many pairs wait for a person."""
    accepted = found.pairs.filter(match_status="accepted")
    digits = [pl.col(side).str.extract(r"(\d+)$") for side in ("left_key", "right_key")]
    right = accepted.filter(digits[0] == digits[1]).height
    return {
        "seconds": seconds,
        "accepted": accepted.height,
        "precision": right / max(accepted.height, 1),
        "recall": right / max(pairs, 1),
        "review": found.pairs.filter(match_status="review").height,
        "model_hash": found.model_hash,
    }


CASES = [
    *(
        ("two", world, fields, overlap)
        for world in ("Zipf, 1,000 x 5,000 names, 45 years", "even, 200 x 500 names, 12 years")
        for fields in FIELDS
        for overlap in ("1.0", "0.5")
    ),
    ("one", "even, 1,000 x 5,000 names, 12 years", "names, birth date, place", ""),
]


def matched() -> Table:
    """Every case in a process of its own.

    Raises:
        SystemExit: one failed.
    """
    columns = ("lists", "people", "in both", "fields", "seconds", "peak MB", "precision", "recall", "review")
    table = Table(*columns, title="matching: half a million on each of two lists, and a million on one of five years")
    for case in CASES:
        command = [sys.executable, "-m", "bench.people", *case]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(case)} failed")
        found = json.loads(said.split(TOLD)[1])
        shares = (f"{found['precision']:.5f}", f"{found['recall']:.4f}")
        cost = (f"{found['seconds']:.1f}", f"{usage.ru_maxrss / 1024:,.0f}")
        kind, world, fields, overlap = case
        table.add_row(kind, world, overlap, fields, *cost, *shares, f"{found['review']:,}")
    return table


if __name__ == "__main__":
    print(TOLD, json.dumps(told(*WORKS[sys.argv[1]](*sys.argv[2:]))))
