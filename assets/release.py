"""Release assets: make the candidate, let the auditor and the expectations decide, promote it.

Two assets, because a blocking check stops what is downstream in the same run: stage, check, promote. They are in no
schedule and in no job but their own: a release is an act of disclosure, which somebody has to decide.
"""

import dagster as dg

from assets.automation import CANDIDATE_RELEASE, RELEASE
from assets.failures import told_plainly
from assets.privacy import LEAK_SCAN
from assets.resources import HomeResource
from assets.warehouse import CURRENT, POOL
from le_pipeline.publish import release as releases

JOB = "release"
AUDIT, EXPECTATIONS = "audit_passes", "figures_meet_expectations"


class ReleaseConfig(dg.Config):
    """What a release is called; else it has today's date for a name."""

    name: str | None = None


@dg.asset(
    key=CANDIDATE_RELEASE,
    deps=[CURRENT],
    group_name="publish",
    owners=["team:data-engineering"],
    kinds={"duckdb", "parquet", "csv", "excel"},
    tags={"layer": "published", "personal_data": "none"},
    pool=POOL,
    check_specs=[
        dg.AssetCheckSpec(
            AUDIT, asset=CANDIDATE_RELEASE, blocking=True, description="No count of too few people can be worked out"
        ),
        dg.AssetCheckSpec(
            EXPECTATIONS, asset=CANDIDATE_RELEASE, blocking=True, description="Great Expectations over every table"
        ),
    ],
)
def release_candidate(config: ReleaseConfig, home: HomeResource) -> dg.MaterializeResult:
    """The next release: marts after disclosure control, together with every earlier release. Nobody sees it yet."""
    with told_plainly():
        home.loaded_keys()
        staged = releases.stage(home.home(), config.name)
    return dg.MaterializeResult(
        metadata={
            "release": staged.release,
            "tables": dg.MetadataValue.json(staged.manifest.get("tables", {})),
            "rows_left_out": dg.MetadataValue.json(staged.counted.get("rows_left_out", {})),
            "protected_cells": staged.counted.get("protected", 0),
            "cells_not_shown": staged.counted.get("not_shown", 0),
            "not_released_again": dg.MetadataValue.json(staged.manifest.get("not_released_again", [])),
        },
        check_results=[
            dg.AssetCheckResult(check_name=AUDIT, passed=staged.refusal is None, description=staged.refusal),
            dg.AssetCheckResult(
                check_name=EXPECTATIONS,
                passed=bool(staged.expectations) and not staged.failed,
                description="\n".join(staged.failed) or None,
                metadata={"expectations": len(staged.expectations), "failed": len(staged.failed)},
            ),
        ],
    )


@dg.asset(
    key=RELEASE,
    deps=[CANDIDATE_RELEASE],
    group_name="publish",
    owners=["team:data-engineering"],
    kinds={"duckdb", "parquet", "csv", "excel"},
    tags={"layer": "published", "personal_data": "none"},
    pool=POOL,
)
def release(home: HomeResource) -> dg.MaterializeResult:
    """`published/<release>/`, entered in the ledger, never changed again, and `published/current` pointing to it."""
    with told_plainly():
        home.loaded_keys()
        place = home.home()
        name = releases.promote(place)
    return dg.MaterializeResult(metadata={"release": name, "path": str(place.published / name)})


ASSETS = [release_candidate, release]
release_job = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.assets(CANDIDATE_RELEASE, RELEASE, LEAK_SCAN),
    executor_def=dg.in_process_executor,
    description="A release of the warehouse as it is. Start it by hand: it is an act of disclosure, and never undone.",
    tags={"pipeline": "le"},
)
