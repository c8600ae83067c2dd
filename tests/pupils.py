"""Rows of linked.achievement_sample: who says nothing else is of one grade, subject and year, and like everybody."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenario import Row
from schemas import registry

SAMPLE = registry.tables()["achievement_sample"]
ALIKE: Row = {c.name: 0 for c in SAMPLE.columns if c.required and c.field.type in ("integer", "number")}
ONE: Row = ALIKE | {
    "state": "LA",
    "school_year": 2015,
    "subject": "ela",
    "grade": "05",
    "region": "North",
    "part": "none",
    "is_main_teacher": True,
    "weight": 1.0,
    "dosage": 1.0,
    "linked_share": 1.0,
}


def pupil(student: str, teacher: str, school: str, **said: Any) -> Row:
    """One student with one teacher, who has the part that is said, and the share of the student that goes with it."""
    row = ONE | {"student_key": student, "staff_key": teacher, "teacher_key": teacher, "school": school} | said
    if "grade_year" not in row:
        row["grade_year"] = f"{row['state']} LEAP {row['grade']} {row['school_year']}"
    share = f"{row['part']}_share"
    return row | ({share: row["weight"]} if share in ALIKE and share not in said else {})


def with_prior(prior: float | None) -> Row:
    """The prior score and its powers."""
    powers = ("prior_z_score", "prior_z_score_squared", "prior_z_score_cubed")
    return {name: None if prior is None else prior**power for power, name in enumerate(powers, start=1)}


def classes(  # noqa: PLR0913
    seed: int,
    parts: dict[str, int],
    *,
    size: int = 8,
    effect: float = 0.3,
    years: tuple[int, ...] = (2015,),
    schools: int = 20,
) -> list[Row]:
    """Classes of teachers by part, `effect` of a fellow or mentee; prior scores move both part and score."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    teachers = [(part, i) for part, n in parts.items() for i in range(n)]
    for place, (part, i) in enumerate(teachers):
        for year in years:
            lift, level = random.normal(0, 0.2), random.normal(0.3 * (part in ("fellow", "mentee")), 0.4)
            experience = float(random.integers(0, 20))
            for j in range(size):
                prior = float(random.normal(level, 1))
                score = 0.6 * prior + 0.02 * prior**2 + lift + effect * (part in ("fellow", "mentee"))
                said = with_prior(prior) | {
                    "z_score": float(score + random.normal(0, 0.6)),
                    "school_year": year,
                    "part": part,
                    "grade": f"0{4 + place % 2}",
                    "is_female": int(random.integers(2)),
                    "is_disadvantaged": int(random.integers(2)),
                    "experience_years": experience,
                    "class_prior_z_score": level,
                }
                rows.append(pupil(f"{part}{i}s{j}x", f"{part}{i}x", f"LA {place % schools:02}", **said))
    return rows
