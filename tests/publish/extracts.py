"""A small state written by hand, from which tests make extracts: who is where, taught by whom, with which scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from scenario import Scenario
from schemas.extract_agreement import Agreement, load_agreement

YEARS = (2015, 2016)
LEVELS = ("Unsatisfactory", "Basic", "Mastery")
AGREEMENT = """
agreement: study
about: Tests of the extract
recipient: Example Institute
contact: data.officer@institute.example
legal_basis: FERPA, 34 CFR 99.31(b)(2)
purpose: To test
covers: {state: LA, school_years: [2015, 2016]}
elements: [student_key, school_year, subject, grade, sex, race_ethnicity, economically_disadvantaged, english_learner,
           disability, z_score, performance_level, level_order, lea_id, school_id, exposure, staff_key, weight, role]
least_shown: 0
begins: 2020-01-01
destroy_by: 2099-12-31
"""


class State:
    """Students of a made-up state. Everybody is in school 1 of district 01 with teacher `ann`, unless told."""

    def __init__(self, root: Path) -> None:
        self.scenario = Scenario(root)
        self.home = self.scenario.home
        self.scores: list[dict[str, Any]] = []
        self.links: list[dict[str, Any]] = []

    def students(self, count: int, teachers: tuple[str, ...] = ("ann",), **said: Any) -> list[str]:
        """Students who are alike in what is said of them; `school_id` may differ by year, as (one, other)."""
        names = [f"{len({row['student_key'] for row in self.scores}) + number:04}stu" for number in range(count)]
        for number, name in enumerate(names):
            for year_number, year in enumerate(said.get("years", YEARS)):
                self._score(name, year, (number + year_number) % len(LEVELS), teachers, _of_year(said, year_number))
        return names

    def _score(self, name: str, year: int, level: int, teachers: tuple[str, ...], said: dict[str, Any]) -> None:
        for subject in said.pop("subjects", ("ela", "mathematics")):
            at = {"student_key": name, "school_year": year, "subject": subject}
            score = {
                "assessment": "leap", "grade": "04", "school_id": "01001", "lea_id": "01", "scale_score": 700.0,
                "z_score": level / 7 + len(self.scores) / 9973, "percentile_rank": 50.0, "reference_n": 100,
                "reference_mean": 700.0, "performance_level": LEVELS[level], "level_order": level + 1,
                "sex": "female", "race_ethnicity": "white", "economically_disadvantaged": "yes",
                "english_learner": "no", "disability": "no",
            }  # fmt: skip
            self.scores.append(at | score | said)
            for teacher in teachers:
                self.links.append(at | {"staff_key": teacher, "weight": 1 / len(teachers)})

    def write(self) -> State:
        """Write the tables that an extract reads."""
        self.scenario.write("standard_score", *self.scores)
        exposures = [{k: row[k] for k in ("student_key", "school_year", "subject")} for row in self.scores]
        self.scenario.write("student_exposure", *exposures, exposure="none")
        self.scenario.write("score_teacher", *self.links, is_of_very_subject=True)
        teachers = sorted({(row["staff_key"], row["school_year"]) for row in self.links})
        roles = [{"staff_key": staff, "school_year": year} for staff, year in teachers]
        self.scenario.write("program_role", *roles, role="none", is_active=False)
        return self

    def agreement(self, *changes: tuple[str, str]) -> Agreement:
        """The agreement, with texts of it changed."""
        text = AGREEMENT
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path = self.home.root / "agreement.yaml"
        path.write_text(text, encoding="utf-8")
        return load_agreement(path)


def _of_year(said: dict[str, Any], number: int) -> dict[str, Any]:
    return {
        name: value[number] if name == "school_id" and isinstance(value, tuple) else value
        for name, value in said.items()
        if name != "years"
    }


def rows_of(folder: Path) -> pl.DataFrame:
    """The rows of an extract, as its Parquet file has them."""
    return pl.read_parquet(folder / "research_extract.parquet")
