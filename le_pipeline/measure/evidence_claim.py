"""evidence_claim: each public claim, the estimate that would support it best, and how far the evidence carries.

The SQL gathers figures of the marts cell by cell; here those that a claim is about are judged, and the best one is told
beside the number of all others.
"""

from __future__ import annotations

from typing import Any

import duckdb
import polars as pl

from le_pipeline.home import Home
from le_pipeline.measure import evidence, evidence_words
from le_pipeline.measure.evidence import ALPHA, Study, Tier
from le_pipeline.measure.evidence_figure import adjusted, chosen
from le_pipeline.measure.evidence_words import Found
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.evidence_claim import Claim, Evidence, load_claims

TABLE = registry.tables()["evidence_claim"]
NOT_MEASURED = "not_measured"
BEST_FIRST = pl.Enum(["supported", "partly_supported", "unsupported", "contradicted", NOT_MEASURED])
CELL = ("state", "region", "role", "subject", "school_year", "outcome")  # of program_impact, whatever the specification
KEPT = (  # columns that the best cell gives as they are
    *("verdict", "is_claimed_in_interval", "estimate", "standard_error", "ci_low", "ci_high", "p_value"),
    *("adjusted_p_value", "n", "n_sites", "effect_size", "baseline_equivalence", "minimum_detectable_effect"),
)
Row = dict[str, Any]


def settings(home: Home) -> object:
    """The home's claims as JSON holds them, since the table is made from them too."""
    return load_claims(home.evidence_claims).model_dump(mode="json")


def estimate(home: Home, _: duckdb.DuckDBPyConnection, gathered: pl.DataFrame) -> pl.DataFrame:
    """The rows of marts.evidence_claim from the figures that the SQL gathers.

    Raises:
        ContractError: the home's claims do not fit; names file, line and key.
    """
    claims = load_claims(home.evidence_claims).claims
    return pl.DataFrame([_row(name, claim, gathered) for name, claim in claims.items()], schema=polars_schema(TABLE))


def _row(name: str, claim: Claim, gathered: pl.DataFrame) -> Row:
    row: Row = {"claim": name, "words": claim.words, "claim_source": claim.source, "claim_kind": claim.kind}
    row |= {"claimed": claim.claimed, "claimed_to": claim.claimed_to, "verdict": NOT_MEASURED}
    if claim.rests_on is None:
        return row | _counts(gathered.clear(), claim) | {"says": evidence_words.unmeasured(claim)}
    found = _found(claim, claim.rests_on, gathered)
    beside = _found(claim, claim.beside, gathered) if claim.beside else None
    conservative = _most_conservative(found, gathered)
    row |= found.counts | {"unit": claim.rests_on.unit}
    row |= {"says": evidence_words.says(claim, found, beside, conservative)}
    if found.best is None:
        return row
    row |= {name: found.best[name] for name in KEPT}
    return row | _conservative_columns(conservative) | _standards(claim, found, conservative, gathered)


def _found(claim: Claim, wanted: Evidence, gathered: pl.DataFrame) -> Found:
    cells = _judged(chosen(wanted, gathered).join(_cautious(gathered), on=CELL, how="left"), claim)
    key = [name for name in cells.columns if cells[name].dtype == pl.String]
    # nearest to support is the highest lower bound: the largest estimate would be the noisiest;
    # ties are broken by what the cells are, so that the order in which they come is of no effect
    nearest = [pl.col("ci_low") * -1, pl.col("estimate") * -1]
    ordered = cells.sort(pl.col("verdict").cast(BEST_FIRST), *nearest, *key, nulls_last=True, maintain_order=True)
    best = next((row for row in ordered.head(1).iter_rows(named=True) if row["estimate"] is not None), None)
    return Found(wanted, best, _counts(cells, claim))


def _cautious(gathered: pl.DataFrame) -> pl.DataFrame:
    """Whether an effect stands under the most conservative specification of its cell, too."""
    cautious = gathered.filter(pl.col("source") == "program_impact", pl.col("is_most_conservative") == "true")
    return cautious.group_by(CELL).agg(stands_cautiously=pl.col("ci_low").min() > 0)


def _judged(cells: pl.DataFrame, claim: Claim) -> pl.DataFrame:
    """Verdict of each cell, also among all cells that were looked at."""
    size, low, high = pl.col("estimate"), pl.col("ci_low"), pl.col("ci_high")
    claimed = pl.lit(claim.claimed, dtype=pl.Float64)
    to = pl.lit(claim.claimed_to, dtype=pl.Float64)
    reaches = size >= claimed
    stands = (low > 0) & (pl.col("adjusted_p_value") < ALPHA)
    if claim.kind == "count":
        stands = reaches
    return cells.with_columns(
        verdict=pl.when(size.is_null())
        .then(pl.lit(NOT_MEASURED))
        .when(stands & reaches & pl.col("stands_cautiously").fill_null(value=True))
        .then(pl.lit("supported"))
        .when(stands)
        .then(pl.lit("partly_supported"))
        .when(high < 0)
        .then(pl.lit("contradicted"))
        .otherwise(pl.lit("unsupported")),
        is_claimed_in_interval=(high >= claimed) & (to.is_null() | (low <= to)),
    )


def _counts(cells: pl.DataFrame, claim: Claim) -> dict[str, int]:
    """How many cells there are, and how many point where, each taken by itself."""
    low, high = cells["ci_low"], cells["ci_high"]
    reaches = cells["estimate"] >= (claim.claimed or 0)
    return {
        "n_cells": cells.height,
        "n_cells_supporting": int((reaches if claim.kind == "count" else reaches & (low > 0)).sum()),
        "n_cells_positive": int((low > 0).sum()),
        "n_cells_negative": int((high < 0).sum()),
        "n_cells_null": int(((low <= 0) & (high >= 0)).sum()),
    }


def _most_conservative(found: Found, gathered: pl.DataFrame) -> Row | None:
    """Of the best cell of program_impact the specification with the smallest lower bound."""
    if found.best is None or found.wanted.table != "program_impact":
        return None
    same = [pl.col(name) == found.best[name] for name in CELL]
    cell = gathered.filter(pl.col("source") == "program_impact", pl.col("is_most_conservative") == "true", *same)
    anywhere = found.wanted.model_copy(update={"where": {}, "each": ()})
    return next(chosen(anywhere, cell).iter_rows(named=True), None)


def _conservative_columns(conservative: Row | None) -> Row:
    if conservative is None:
        return {}
    return {f"most_conservative_{name}": conservative[name] for name in ("estimate", "ci_low", "ci_high")}


def _standards(claim: Claim, found: Found, conservative: Row | None, gathered: pl.DataFrame) -> Row:
    best = found.best
    if best is None or claim.kind == "count":
        return {"rests_on": found.key}
    tier = _tier(claim, best, conservative or best, gathered) if claim.kind == "causal" else Tier(None, "")
    return {
        "rests_on": found.key,
        # every error of these marts is by cluster: teachers or schools
        "is_cluster_corrected": True if best["standard_error"] is not None else None,
        "essa_tier": tier.tier,
        "why_not_higher": tier.why_not_higher or None,
    }


def _tier(claim: Claim, best: Row, judged_by: Row, gathered: pl.DataFrame) -> Tier:
    """The tier by the most conservative specification of the best cell; both have to be significant."""
    tests = (judged_by["p_value"], best["adjusted_p_value"])
    return evidence.essa_tier(
        Study(
            design="quasi_experiment",
            baseline_equivalence=judged_by["baseline_equivalence"],
            is_adjusted=bool(judged_by["covariates"]),
            estimate=judged_by["estimate"],
            p_value=None if None in tests else max(tests),
            n=judged_by["n_people"] or judged_by["n"],
            n_sites=judged_by["n_sites"],
            n_negative=_negative(best, gathered),
            has_rationale=claim.rationale is not None,
        )
    )


def _negative(best: Row, gathered: pl.DataFrame) -> int:
    """Significant negative effects on the same outcome, population and subject, wherever they were looked for."""
    same = [pl.col(name) == best[name] for name in ("outcome", "role", "subject")]
    effects = adjusted(gathered.filter(pl.col("source") == "program_impact", *same))
    return effects.filter((pl.col("ci_high") < 0) & (pl.col("adjusted_p_value") < ALPHA)).height
