"""Somebody who has releases, and nothing else, and works out what they can: linear programmes over every unknown count.

Shares no code with what makes and audits releases. They read published tables, know that parts add up to their total,
and believe every band and every share that is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import scipy.sparse as sp
from scipy.optimize import linprog

from publish.released import KEPT, RACES, REGIONS, ROLES

GROUPS = {"sex": ("female", "male"), "race_ethnicity": RACES}
PLACES = list(product(("LA", "all"), (*REGIONS, "all"), (*ROLES, "all")))
Cell = tuple[str, ...]


@dataclass
class Attacker:
    """What is known of counts: values, bounds, and sums that come to nothing."""

    known: dict[Cell, float] = field(default_factory=dict)
    bounds: dict[Cell, tuple[float, float]] = field(default_factory=dict)
    sums: list[dict[Cell, float]] = field(default_factory=list)

    @classmethod
    def of(cls, *releases: Path) -> Attacker:
        """Who has these releases; counts of each are told apart by its number."""
        attacker = cls()
        for number, folder in enumerate(releases):
            if (folder / "achievement_gap.parquet").exists():
                attacker.read_gaps(folder, str(number))
            if (folder / "teacher_retention.parquet").exists():
                attacker.read_retention(folder, str(number))
        return attacker

    def read_gaps(self, folder: Path, number: str) -> None:
        """Students and proficient students of each group, gaps and means included."""
        for row in pl.read_parquet(folder / "achievement_gap.parquet").iter_rows(named=True):
            place = (number, row["state"], row["region"], row["role"])
            groups = {side: (*place, row["subgroup"], row[f"group_{side}"]) for side in "ab"}
            for side, group in groups.items():
                self._learn_group(group, row[f"n_{side}"], row[f"proficient_share_{side}"])
                self._learn_band(group, row[f"n_{side}"], row[f"proficient_share_{side}_coded"])
            if row["n"] is not None:
                self.sums.append(self._sum(dict.fromkeys(groups.values(), 1.0), row["n"]))
        for place in PLACES:
            at = (number, *place)
            everybody = {}
            for subgroup, members in GROUPS.items():
                for kind in ((), ("proficient",)):
                    self.sums.append({(*at, *kind): -1.0} | {(*at, subgroup, group, *kind): 1.0 for group in members})
                for group in members:
                    self._part((*at, subgroup, group), "proficient")
                    everybody[group] = (subgroup, group)
            for cell in ((), *everybody.values()):
                for kind in ((), ("proficient",)):
                    self._margins(number, place, (*cell, *kind))

    def read_retention(self, folder: Path, number: str) -> None:
        """Teachers, and those retained at each level; at a wider level nobody is lost."""
        for row in pl.read_parquet(folder / "teacher_retention.parquet").iter_rows(named=True):
            group = (number, "staff", row["state"], row["region"], row["role"])
            part = f"{row['definition']} {row['level']}"
            if row["n"] is not None:
                self.known[group] = row["n"]
                if row["retained"] is not None:
                    self.known[*group, part] = row["retained"]
                if row["retention_share"] is not None:
                    self.known[*group, part] = round(row["retention_share"] * row["n"])
                if row["retention_share_coded"]:
                    self.bounds[*group, part] = _band(row["retention_share_coded"], row["n"])
        for place in PLACES:
            at = (number, "staff", *place)
            for definition, level in KEPT:
                self._part(at, f"{definition} {level}")
                self._margins(number, place, (f"{definition} {level}",), kind=("staff",))
            self._margins(number, place, (), kind=("staff",))
            for narrow, wide in (("strict school", "strict lea"), ("strict lea", "strict state")):
                self.sums.append({(*at, wide): -1.0, (*at, narrow): 1.0, (*at, f"{wide} only"): 1.0})
            self.sums.append({(*at, "inclusive school"): -1.0, (*at, "strict school"): 1.0, (*at, "promoted"): 1.0})

    def ranges(self, cells: list[Cell]) -> dict[Cell, tuple[float, float]]:
        """The least and the most that each count can be."""
        place: dict[Cell, int] = {}
        for total in self.sums:
            for cell in total:
                place.setdefault(cell, len(place))
        rows = [(row, place[cell], factor) for row, total in enumerate(self.sums) for cell, factor in total.items()]
        row, column, factor = zip(*rows, strict=True)
        matrix = sp.csr_matrix((factor, (row, column)), shape=(len(self.sums), len(place)))
        limits = np.array([self._limit(cell) for cell in place], dtype=np.float64)
        found = {}
        for cell in cells:
            if cell not in place:
                found[cell] = (0.0, np.inf)
                continue
            ends = []
            for sign in (1.0, -1.0):
                cost = np.zeros(len(place))
                cost[place[cell]] = sign
                solved = linprog(cost, A_eq=matrix, b_eq=np.zeros(len(self.sums)), bounds=limits, method="highs")
                ends.append(np.inf if solved.status == 3 else solved.x[place[cell]])
                assert solved.status in (0, 3), solved.message
            found[cell] = (ends[0], ends[1])
        return found

    def _limit(self, cell: Cell) -> tuple[float, float]:
        if cell in self.known:
            return (self.known[cell], self.known[cell])
        return self.bounds.get(cell, (0.0, np.inf))

    def _learn_group(self, group: Cell, n: int | None, share: float | None) -> None:
        if n is not None:
            self.known[group] = n
            if share is not None:
                self.known[*group, "proficient"] = round(share * n)

    def _learn_band(self, group: Cell, n: int | None, label: str | None) -> None:
        if n is not None and label:
            self.bounds[*group, "proficient"] = _band(label, n)

    def _sum(self, parts: dict[Cell, float], total: int) -> dict[Cell, float]:
        constant = ("constant", str(total))
        self.known[constant] = total
        return parts | {constant: -1.0}

    def _part(self, group: Cell, part: str) -> None:
        self.sums.append({group: -1.0, (*group, part): 1.0, (*group, part, "not"): 1.0})

    def _margins(self, number: str, place: Cell, cell: Cell, kind: Cell = ()) -> None:
        values = (("LA",), REGIONS, ROLES)
        for at, named in enumerate(values):
            if place[at] == "all":
                parts = [(number, *kind, *place[:at], value, *place[at + 1 :], *cell) for value in named]
                self.sums.append({(number, *kind, *place, *cell): -1.0} | dict.fromkeys(parts, 1.0))


def small_counts(students: pl.DataFrame, number: str = "0") -> dict[Cell, int]:
    """The counts of students that may not be known: 1 to 9, and of the proficient and the others 0 to 9."""
    found: dict[Cell, int] = {}
    for place, own in _places(students):
        for subgroup, members in GROUPS.items():
            for group in members:
                of_group = own.filter(pl.col(subgroup) == group)
                cell = (number, *place, subgroup, group)
                found[cell] = of_group.height
                if of_group.height:
                    proficient = int(of_group["proficient"].sum())
                    found[*cell, "proficient"] = proficient
                    found[*cell, "proficient", "not"] = of_group.height - proficient
    return {cell: n for cell, n in found.items() if n < 10 and (n > 0 or "proficient" in cell)}


def small_staff_counts(teachers: pl.DataFrame, number: str = "0") -> dict[Cell, int]:
    """The counts of teachers that may not be known: 1 to 4, and of those retained and not 0 to 4."""
    found: dict[Cell, int] = {}
    for place, own in _places(teachers):
        cell = (number, "staff", *place)
        found[cell] = own.height
        for (definition, level), outcomes in KEPT.items():
            kept = own.filter(pl.col("outcome").is_in(outcomes)).height
            found[*cell, f"{definition} {level}"] = kept
            found[*cell, f"{definition} {level}", "not"] = own.height - kept
    return {cell: n for cell, n in found.items() if n < 5 and (n > 0 or len(cell) > 5)}


def _places(people: pl.DataFrame) -> Iterator[tuple[Cell, pl.DataFrame]]:
    for place in PLACES:
        named = [pl.col(n) == v for n, v in zip(("state", "region", "role"), place, strict=True) if v != "all"]
        own = people.filter(named) if named else people
        if own.height:
            yield place, own


def _band(label: str, n: int) -> tuple[float, float]:
    """The counts that a label such as `<5`, `>95`, `63` or `20-29` leaves possible, with room for rounding."""
    numbers = [int(number) for number in re.findall(r"\d+", label)]
    if label.startswith("<"):
        least, most = 0.0, float(numbers[0])
    elif label.startswith(">"):
        least, most = float(numbers[0]), 100.0
    else:
        least, most = numbers[0] - 0.5, numbers[-1] + 1.0
    return (max(0.0, least) / 100 * n - 1e-9, min(100.0, most) / 100 * n + 1e-9)
