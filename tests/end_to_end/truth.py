"""What the sample generator knows, and figures computed from it without any of the pipeline's code.

Only the pseudonyms are the pipeline's: they name the same people on both sides.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import polars as pl

Row = dict[str, Any]
BANDS = {"03": "3-5", "04": "3-5", "05": "3-5", "06": "6-8", "07": "6-8", "08": "6-8"}
STAYS = {
    "school": {"stayer"},
    "lea": {"stayer", "mover_within_lea"},
    "state": {"stayer", "mover_within_lea", "mover_out_of_lea"},
}


class Truth:
    """The tables of `data_samples/truth`."""

    def __init__(self, folder: Path) -> None:
        self.told = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
        self.staff = pl.read_parquet(folder / "staff_year.parquet").to_dicts()
        self.scores = pl.read_parquet(folder / "student_score.parquet").to_dicts()
        self.links = pl.read_parquet(folder / "link.parquet").to_dicts()
        self.listing = pl.read_parquet(folder / "listing.parquet").to_dicts()
        self.faults = pl.read_parquet(folder / "fault.parquet").to_dicts()

    @cached_property
    def staff_by_year(self) -> dict[tuple[str, int], Row]:
        """Teachers by id and school year."""
        return {(row["staff_id"], row["school_year"]): row for row in self.staff}

    def retention(self) -> dict[tuple[Any, ...], tuple[int, int, int]]:
        """(observed teachers, retained, not observed) by the key of teacher_retention."""
        cells: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0])
        for row in self.staff:
            for level, definition in product(
                ["school", "lea", "state", "high_poverty_school"], ["strict", "inclusive"]
            ):
                if level == "high_poverty_school" and row["frpl_share"] <= 0.75:
                    continue
                retained = self._is_retained(row, level, definition)
                dimensions = (row["state"], row["role"], row["region"], row["cohort"], _poverty(row["frpl_share"]))
                for state, role, region, cohort, band in _with_totals(dimensions):
                    cell = cells[state, definition, level, role, region, cohort, band, row["school_year"]]
                    cell[0] += retained is not None
                    cell[1] += bool(retained)
                    cell[2] += retained is None
        return {key: (n, kept, unseen) for key, (n, kept, unseen) in cells.items()}

    def survival(self) -> dict[tuple[Any, ...], tuple[int, int, int, int]]:
        """(at risk, of these new, left, censored) by the key of retention_survival."""
        careers: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(self.staff, key=lambda row: row["school_year"]):
            if row["outcome"] is not None:
                careers[row["staff_id"]].append(row)
        cells: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
        for career, role, level, definition in product(
            careers.values(),
            ["fellow", "mentee", "applicant", "none", "all"],
            ["school", "lea", "state", "high_poverty_school"],
            ["strict", "inclusive"],
        ):
            begun = [year for year, row in enumerate(career) if role in ("all", row["role"])]
            if not begun or (level == "high_poverty_school" and career[begun[0]]["frpl_share"] <= 0.75):
                continue
            followed = career[begun[0] :] if role in ("fellow", "mentee") else [career[year] for year in begun]
            first = followed[0]
            dimensions = (first["state"], first["region"], first["cohort"])
            for year, (retained, goes_on) in enumerate(self._years_at_risk(followed, level, definition), start=1):
                for state, region, cohort in _with_totals(dimensions):
                    cell = cells[state, definition, level, role, region, cohort, year]
                    for place, counts in enumerate((True, year == 1, not retained, retained and not goes_on)):
                        cell[place] += counts
        return {key: (n, new, left, lost) for key, (n, new, left, lost) in cells.items()}

    def _years_at_risk(self, followed: list[Row], level: str, definition: str) -> list[tuple[bool, bool]]:
        """(is retained, is followed on) of each year until the person leaves or is lost."""
        years: list[tuple[bool, bool]] = []
        for row, following in zip(followed, [*followed[1:], None], strict=True):
            retained = bool(self._is_retained(row, level, definition))
            goes_on = retained and following is not None and following["school_year"] == row["school_year"] + 1
            years.append((retained, goes_on))
            if not goes_on:
                break
        return years

    def _is_retained(self, row: Row, level: str, definition: str) -> bool | None:
        outcome = row["outcome"]
        if outcome is None:
            return None
        if outcome == "promoted_within":
            return definition == "inclusive"
        if level != "high_poverty_school":
            return outcome in STAYS[level]
        following = self.staff_by_year.get((row["staff_id"], row["school_year"] + 1))
        return outcome in STAYS["state"] and following is not None and following["frpl_share"] > 0.75

    @cached_property
    def teaching(self) -> dict[tuple[str, str, int], list[tuple[float, str]]]:
        """(weight, staff id) of each student's teachers, by student, subject and year."""
        found: dict[tuple[str, str, int], list[tuple[float, str]]] = defaultdict(list)
        for row in self.links:
            found[row["student_id"], row["subject"], row["school_year"]].append((row["weight"], row["staff_id"]))
        return found

    def taught_scores(self) -> list[Row]:
        """Scores with grade band, standard score, and exposure and region by the student's teachers."""
        cells: dict[tuple[Any, ...], list[float]] = defaultdict(list)
        for row in self.scores:
            cells[row["state"], row["subject"], row["grade"], row["school_year"]].append(row["scale_score"])
        moments = {cell: _moments(values) for cell, values in cells.items()}
        return [
            self._taught(row, *moments[row["state"], row["subject"], row["grade"], row["school_year"]])
            for row in self.scores
        ]

    def _taught(self, row: Row, mean: float, deviation: float) -> Row:
        year = row["school_year"]
        teachers = [
            (weight, self.staff_by_year[staff, year])
            for weight, staff in self.teaching.get((row["student_id"], row["subject"], year), [])
        ]
        parts = {
            teacher["role"] if teacher["is_active"] else "former"
            for _, teacher in teachers
            if teacher["role"] in ("fellow", "mentee")
        }
        ranked = ("fellow", "mentee", "former")
        exposure = next((part for part in ranked if part in parts), "none" if teachers else "unlinked")
        heaviest = max((weight for weight, _ in teachers), default=0)
        return row | {
            "z": (row["scale_score"] - mean) / deviation,
            "band": BANDS[row["grade"]],
            "exposure": exposure,
            "regions": {teacher["region"] for weight, teacher in teachers if weight == heaviest},
        }


def _poverty(share: float) -> str:
    return "high" if share > 0.75 else "mid_high" if share > 0.5 else "mid_low" if share > 0.25 else "low"


def _with_totals(dimensions: tuple[Any, ...]) -> Iterator[tuple[str, ...]]:
    """The cells that somebody counts in: each dimension's own value, if there is one, and all."""
    return product(*([str(value), "all"] if value is not None else ["all"] for value in dimensions))


def _moments(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5
