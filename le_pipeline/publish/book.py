"""The book of cells: every count that published tables show or give away, and the sums that hold between them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from le_pipeline.publish.percent import Coded, coded
from le_pipeline.publish.system import System
from schemas.profile import Profile, Unit

ALL = "all"
STATE = 0  # the first dimension of every cell


class Key(NamedTuple):
    """What a cell counts: a measure, and a value for each of its dimensions, the state first.

    `edition`: 0 for what is counted now; others for what earlier releases counted otherwise.
    """

    measure: str
    dimensions: tuple[str, ...]
    edition: int = 0

    def __str__(self) -> str:
        return f"{self.measure}|{'|'.join(self.dimensions)}{'~' * bool(self.edition)}{self.edition or ''}"


@dataclass
class Cell:
    """One count. `is_rate`: a part of a group whose percentage is told, so that nobody and everybody are protected.

    `is_hidden`: no table shows it, though it can be worked out from what tables show. `least` and `most`: what a coded
    percentage said of it. `is_known`: an earlier release showed it. `is_held`: one did not, so none may. `figures`: how
    many figures of tables are made of it.
    """

    value: int
    unit: Unit
    is_rate: bool = False
    is_hidden: bool = True
    least: float = 0
    most: float = float("inf")
    is_known: bool = False
    is_held: bool = False
    figures: int = 0


@dataclass
class Book:
    """Cells by what they count, and equations between them. The same count has one cell, whatever tables show it.

    `bands`: for parts of a group, the group and how their share may be told in bands, where it may. `benchmarks`: the
    shares that are declared, by benchmark and subject. `clashes`: counts that two tables have otherwise. `editions`: by
    what is counted, the cell of each value that releases had of it.
    """

    cells: dict[Key, Cell] = field(default_factory=dict)
    equations: list[tuple[Key, tuple[Key, ...]]] = field(default_factory=list)
    bands: dict[Key, tuple[Key, Coded]] = field(default_factory=dict)
    benchmarks: Mapping[tuple[str, str], Set[float]] = field(default_factory=lambda: defaultdict(frozenset))
    clashes: list[Key] = field(default_factory=list)
    editions: dict[Key, dict[int, Key]] = field(default_factory=dict)

    def count(
        self, measure: str, dimensions: Sequence[object], value: int, unit: Unit, *, is_rate: bool = False
    ) -> Key:
        """The cell of a count, made if it is not there."""
        key = Key(measure, tuple(map(str, dimensions)))
        cell = self.cells.setdefault(key, Cell(value, unit, is_rate))
        if cell.value != value:
            self.clashes.append(key)
        return key

    def part(self, whole: Key, measure: str, value: int, unit: Unit, profile: Profile) -> Key:
        """The cell of a part of a group, a share of which is told; those of the group who are not in it are one too."""
        size = self.cells[whole].value
        key = self.count(measure, whole.dimensions, value, unit, is_rate=size > 0)
        rest = self.count(f"{measure}~not", whole.dimensions, size - value, unit, is_rate=size > 0)
        self.equations.append((whole, (key, rest)))
        code = coded(value, size, profile, unit)
        if code.label is not None:
            self.bands[key] = (whole, code)
        return key

    def within(self, whole: tuple[Key, Key], group: tuple[Key, Key], rest: str) -> None:
        """A group and a part of it lie in another group and its part: so do those who are in the other one alone.

        Nothing is entered where they cannot: the group has more people than the other one, or its part has.
        """
        (all_n, all_part), (n, part) = whole, group
        if not all(key in self.cells for key in (*whole, *group)):
            return
        left, left_part = (self.cells[a].value - self.cells[b].value for a, b in zip(whole, group, strict=True))
        if not 0 <= left_part <= left:
            return
        others = [(all_n, n, rest), (all_part, part, f"{rest} part"), (_not(all_part), _not(part), f"{rest} part~not")]
        unit = self.cells[all_n].unit
        for (total, known, name), value in zip(others, (left, left_part, left - left_part), strict=True):
            if left:
                other = self.count(name, total.dimensions, value, unit, is_rate=name != rest)
                self.equations.append((total, (known, other)))
            else:
                self.equations.append((total, (known,)))
        if left:
            named = [Key(name, all_n.dimensions) for _, _, name in others]
            self.equations.append((named[0], (named[1], named[2])))

    def show(self, keys: Iterable[Key]) -> None:
        """Note that a table shows these cells, where nothing forbids it."""
        for key in keys:
            self.cells[key].is_hidden = False
            self.cells[key].figures += 1

    def remember(self, cells: Mapping[Key, Cell], equations: Iterable[tuple[Key, Sequence[Key]]]) -> None:
        """Add what an earlier release counted, and which of it was shown. What has not changed since is one cell."""
        place = {key: self._edition(key, cell.value) for key, cell in cells.items()}
        for key, then in cells.items():
            now = self.cells.setdefault(place[key], Cell(then.value, then.unit, then.is_rate))
            now.is_rate |= then.is_rate
            now.is_known |= then.is_known
            now.is_held |= not then.is_known and not then.is_hidden
            now.least, now.most = max(now.least, then.least), min(now.most, then.most)
        self.equations += [(place[total], tuple(place[part] for part in parts)) for total, parts in equations]

    def _edition(self, key: Key, value: int) -> Key:
        """The key under which this value of a count is in the book, or may be put there."""
        known = self.editions.setdefault(key, {self.cells[key].value: key} if key in self.cells else {})
        return known.setdefault(value, key._replace(edition=len(known)))

    def add_up(self, total: Key, parts: Sequence[Key], rest: str, *, has_rest: bool = False) -> bool:
        """A total is the sum of its parts, and of a rest that no table shows, if there is or may be one (`has_rest`).

        Parts that come to more than the total are no parts of it (people who are counted in several), and no equation.

        Returns:
            Whether there is a rest.
        """
        left = self.cells[total].value - sum(self.cells[part].value for part in parts)
        if left < 0:
            return False
        if left > 0 or has_rest:
            parts = [*parts, self.count(rest, total.dimensions, left, self.cells[total].unit)]
        self.equations.append((total, tuple(parts)))
        return left > 0 or has_rest

    def add_margins(self, measures: Iterable[str], summed: Sequence[int]) -> None:
        """For each measure and each of those dimensions: `all` is the sum of the values that tables name.

        A value that no row has counts nobody, which everybody may assume. Who is in no value of a dimension (no region,
        say) is a rest, a count with margins of its own. They may be in any part of their group: measures named after a
        group, as `teacher retained` after `teacher`, have a rest where it has one.
        """
        wanted = dict.fromkeys(sorted(measures), frozenset[int]())
        rests: set[tuple[str, tuple[str, ...]]] = set()
        done: set[str] = set()
        while left := {measure: places for measure, places in wanted.items() if measure not in done}:
            by_measure: dict[str, list[Key]] = defaultdict(list)
            for key in self.cells:
                if key.measure in left:
                    by_measure[key.measure].append(key)
            for measure, places in left.items():  # groups before what is named after them
                done.add(measure)
                for place in summed:
                    if place not in places:
                        rest = _rest_of(measure, places | {place})
                        if self._add_margin(by_measure[measure], place, rest, rests):
                            wanted[rest] = places | {place}

    def _add_margin(self, keys: list[Key], place: int, rest: str, rests: set[tuple[str, tuple[str, ...]]]) -> bool:
        """The sums of one measure over one dimension; says whether any has a rest."""
        parts: dict[tuple[str, ...], list[Key]] = defaultdict(list)
        totals: dict[tuple[str, ...], Key] = {}
        for key in keys:
            others = key.dimensions[:place] + key.dimensions[place + 1 :]
            if key.dimensions[place] == ALL:
                totals[others] = key
            else:
                parts[others].append(key)
        found = False
        for others, total in totals.items():
            if not parts[others]:  # no table has this breakdown
                continue
            may_have = any((group, total.dimensions) in rests for group in _groups(rest))
            if self.add_up(total, parts[others], rest, has_rest=may_have):
                rests.add((rest, total.dimensions))
                found = True
        return found

    def system(self) -> tuple[System, dict[Key, int]]:
        """The cells as a linear system, and the place of each in it.

        Cells that everybody knows to be equal, as where a total has one part, have one place.
        """
        place = self._places()
        held: dict[int, Cell] = {}
        least, most = (np.full(len(set(place.values())), bound) for bound in (0.0, np.inf))
        for key, cell in self.cells.items():
            held[place[key]] = cell
            least[place[key]] = max(least[place[key]], cell.least)
            most[place[key]] = min(most[place[key]], cell.most)
        equations: dict[frozenset[tuple[int, float]], None] = {}
        for total, parts in self.equations:
            factors: dict[int, float] = defaultdict(float)
            factors[place[total]] -= 1
            for part in parts:
                factors[place[part]] += 1
            if left := frozenset((cell, factor) for cell, factor in factors.items() if factor):
                equations[left] = None
        values = np.array([held[cell].value for cell in range(len(held))], dtype=np.float64)
        return System.of(values, (sorted(equation) for equation in equations), least, most), place

    def _places(self) -> dict[Key, int]:
        """A number for each set of cells that are equal: what a total and its only part are, again and again."""
        root = {key: key for key in self.cells}

        def find(key: Key) -> Key:
            while root[key] != key:
                root[key] = root[root[key]]
                key = root[key]
            return key

        for total, parts in self.equations:
            if len(parts) == 1:
                root[find(parts[0])] = find(total)
        numbers: dict[Key, int] = {}
        return {key: numbers.setdefault(find(key), len(numbers)) for key in self.cells}


def _not(part: Key) -> Key:
    """Those of a group who are not in a part of it."""
    return part._replace(measure=f"{part.measure}~not")


def _rest_of(measure: str, places: frozenset[int]) -> str:
    """What those of a measure are called who are in no value of these dimensions."""
    return f"{measure.partition('~no ')[0]}~no {','.join(map(str, sorted(places)))}"


def _groups(rest: str) -> list[str]:
    """The rests of the groups that a measure is named after: `teacher retained` may have one where `teacher` has."""
    measure, places = rest.split("~no ")
    words = measure.replace("~not", "").split(" ")
    return [f"{' '.join(words[:count])}~no {places}" for count in range(1, len(words) + 1)]


def is_protected(cell: Cell, profile: Profile) -> bool:
    """Whether the count alone tells of too few people: 1 to one below the smallest; of a rate, nobody too."""
    return (1 - cell.is_rate) <= cell.value < profile.smallest(cell.unit)
