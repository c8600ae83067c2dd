"""Warehouse assets: build the candidate, gate it with Great Expectations, promote it.

Two assets, because a blocking check stops what is downstream in the same run: stage, check, promote.
"""

import dagster as dg

from assets.automation import FRESH
from assets.columns import asset_key
from assets.failures import told_plainly
from assets.resources import HomeResource
from le_pipeline import line
from schemas import registry

POOL = "warehouse"
CANDIDATE, CURRENT = dg.AssetKey(["warehouse", "candidate"]), dg.AssetKey(["warehouse", "current"])


@dg.asset(
    key=CANDIDATE,
    deps=[asset_key(table.qualified_name) for table in registry.tables().values()],
    group_name="warehouse",
    owners=["team:data-engineering"],
    kinds={"duckdb"},
    tags={"personal_data": "pseudonyms"},
    pool=POOL,
    check_specs=[
        dg.AssetCheckSpec(
            "marts_meet_expectations", asset=CANDIDATE, blocking=True, description="Great Expectations over every mart"
        )
    ],
)
def candidate(home: HomeResource) -> dg.MaterializeResult:
    """The next warehouse, with types, keys and comments, built from the lake beside the current one."""
    with told_plainly():
        home.loaded_keys()
        built, expectations = line.stage(home.home())
    failed = [f"{e.table}.{e.column or '(rows)'}: {e.name}" for e in expectations if not e.is_met]
    return dg.MaterializeResult(
        metadata={"dagster/row_count": sum(built.rows.values()), "unchanged": built.is_current},
        check_results=[
            dg.AssetCheckResult(
                check_name="marts_meet_expectations",
                passed=not failed,
                description="\n".join(failed) or None,
                metadata={"expectations": len(expectations), "failed": len(failed)},
            )
        ],
    )


@dg.asset(
    key=CURRENT,
    deps=[CANDIDATE],
    group_name="warehouse",
    owners=["team:data-engineering"],
    kinds={"duckdb"},
    tags={"personal_data": "pseudonyms"},
    pool=POOL,
    freshness_policy=FRESH,
)
def current(home: HomeResource) -> dg.MaterializeResult:
    """The analysts' warehouse, `warehouse/current.duckdb`: swapped in whole; open readers keep the one they opened."""
    with told_plainly():
        home.loaded_keys()
        promoted = line.promote(home.home())
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(promoted.rows.values()),
            "path": str(home.home().warehouse),
            "unchanged": promoted.is_current,
            "tables": dg.MetadataValue.md("\n".join(f"- {name}: {rows:,}" for name, rows in promoted.rows.items())),
        }
    )


ASSETS = [candidate, current]
