"""The asset that searches everything the pipeline has written for values of the vault, last in every run."""

import dagster as dg

from assets.agreements import CERTIFICATE
from assets.automation import FRESH, RELEASE
from assets.failures import told_plainly
from assets.resources import HomeResource
from assets.warehouse import POOL
from le_pipeline import line

LEAK_SCAN = dg.AssetKey(["privacy", "leak_scan"])


@dg.asset(
    key=LEAK_SCAN,
    deps=[CERTIFICATE, RELEASE],
    group_name="privacy",
    owners=["team:data-engineering"],
    kinds={"duckdb", "polars"},
    tags={"personal_data": "none"},
    pool=POOL,
    freshness_policy=FRESH,
)
def leak_scan(home: HomeResource) -> dg.MaterializeResult:
    """Search lake, warehouse, releases, extracts, Dagster's home, logs and reports for any value of the vault.

    Fails the run where one is found, or where a place cannot be read; says place, kind and count, never the value.
    """
    with told_plainly():
        report = line.search(home.home(), home.loaded_keys()).require_clean()
    return dg.MaterializeResult(
        metadata={
            "files": report.files,
            "files_unchanged": report.unchanged,
            "values_searched": report.values,
            "not_searched_everywhere": dg.MetadataValue.json(report.unsearched),
        }
    )


ASSETS = [leak_scan]
