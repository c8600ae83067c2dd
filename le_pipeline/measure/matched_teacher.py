"""matched_teacher: fellows and mentees with the teachers most like them, by every method of matching."""

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
METHODS = {
    "nearest": Options(method="nearest"),
    "full": Options(method="full"),
    "weighting": Options(method="weighting"),
}


def finish(candidates: pl.DataFrame) -> pl.DataFrame:
    """The columns of linked.matched_teacher: each candidate once per population and method of matching."""
    found = []
    for population, (name, options) in product(("fellow", "mentee"), METHODS.items()):
        pool = candidates.filter(pl.col("part").is_in([population, "none", "applicant"]))
        pool = pool.with_columns(is_treated=pl.col("part") == population).sort(*STRATA, *COVARIATES, "n_students")
        matched = match(pool, "is_treated", COVARIATES, STRATA, options)
        found.append(
            matched.units.with_columns(
                population=pl.lit(population), matching=pl.lit(name), match_weight=pl.col("weight")
            ).select(TABLE.column_names)
        )
    return pl.concat(found)
