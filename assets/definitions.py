"""All definitions, put together in one place."""

from __future__ import annotations

import dagster as dg

from assets import agreements, automation, extract, ingest, notices, person_match, privacy, release, steps, warehouse
from assets.resources import HomeResource
from le_pipeline.home import Home


def build_defs(home: Home) -> dg.Definitions:
    """The definitions for one home."""
    return dg.Definitions(
        assets=[
            *agreements.ASSETS,
            *ingest.ASSETS,
            *person_match.ASSETS,
            *steps.ASSETS,
            *warehouse.ASSETS,
            *privacy.ASSETS,
            *release.ASSETS,
            *extract.ASSETS,
        ],
        asset_checks=notices.CHECKS,
        jobs=[automation.whole_line, automation.leak_scan, release.release_job, extract.research_extract_job],
        schedules=[automation.nightly, automation.morning],
        sensors=[automation.landed],
        resources={"home": HomeResource.at(home)},
        executor=dg.in_process_executor,
    )


defs = build_defs(Home.at())
