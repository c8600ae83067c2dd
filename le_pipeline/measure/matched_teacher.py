"""matched_teacher: fellows and mentees with the teachers most like them, by every method of matching.

They are compared with all teachers without a part, and fellows with applicants who were not selected, too.
"""

from __future__ import annotations

from itertools import product

import polars as pl

from le_pipeline.measure.inference.matching import Options, match
from schemas import registry

TABLE = registry.tables()["matched_teacher"]
STRATA = ["state", "subject", "school_year"]
COVARIATES = [
    *("prior_effectiveness", "lacks_effectiveness", "experience_years", "is_novice", "lacks_experience"),
    *("is_female", "is_black", "is_other_race", "lacks_demographics", "frpl_share", "lacks_frpl"),
    *("class_prior_z_score", "class_disadvantaged_share"),
]
# population, comparison, and the parts in the programme that those have who are compared with
COMPARED = (
    ("fellow", "none", ("none", "applicant")),
    ("mentee", "none", ("none", "applicant")),
    ("fellow", "applicant", ("applicant",)),
)
METHODS = {
    "nearest": Options(method="nearest"),
    "full": Options(method="full"),
    "weighting": Options(method="weighting"),
}


def finish(candidates: pl.DataFrame) -> pl.DataFrame:
    """The columns of linked.matched_teacher: each candidate once per population, comparison and method of matching."""
    found = []
    for (population, comparison, others), (name, options) in product(COMPARED, METHODS.items()):
        pool = candidates.filter(pl.col("part").is_in([population, *others]))
        pool = pool.with_columns(is_treated=pl.col("part") == population).sort(*STRATA, *COVARIATES, "n_students")
        matched = match(pool, "is_treated", COVARIATES, STRATA, options)
        found.append(
            matched.units.with_columns(
                population=pl.lit(population),
                comparison=pl.lit(comparison),
                matching=pl.lit(name),
                match_weight=pl.col("weight"),
            ).select(TABLE.column_names)
        )
    return pl.concat(found)
