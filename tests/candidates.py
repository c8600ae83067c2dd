"""Rows of linked.matching_candidate, drawn so that who takes part is like those who do not, in part."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenario import Row
from schemas import registry

COLUMNS = registry.tables()["matching_candidate"].columns
ALIKE: Row = {c.name: 0 for c in COLUMNS if c.required and c.field.type in ("integer", "number")}


def candidate(teacher: str, part: str = "none", **said: Any) -> Row:
    """A teacher of one subject and year, like everybody in what is not said."""
    one = {"staff_key": teacher, "part": part, "state": "LA", "school_year": 2015, "subject": "ela", "n_students": 20}
    return ALIKE | one | said


def pool(seed: int, parts: dict[str, int], **said: Any) -> list[Row]:
    """Teachers by part, fellows and mentees the more experienced and effective."""
    random = np.random.default_rng(seed)
    rows = []
    for part, n in parts.items():
        more = float(part in ("fellow", "mentee"))
        for i in range(n):
            drawn = {
                "prior_effectiveness": float(random.normal(0.1 * more, 0.2)),
                "experience_years": float(random.integers(0, 20)) + 3 * more,
                "is_female": int(random.random() < 0.7),
                "frpl_share": float(random.uniform(0.3, 1)),
                "class_prior_z_score": float(random.normal(0.2 * more, 0.5)),
                "n_students": int(random.integers(10, 60)),
            }
            rows.append(candidate(f"{part}{i}x", part, **drawn | said))
    return rows
