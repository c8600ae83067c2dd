"""Link and measure assets: one per SQL step. Name, columns, dependencies and lineage come from registry and SQL."""

from typing import Any

import dagster as dg

from assets.automation import FRESH
from assets.columns import asset_key, column_lineage, column_schema, description
from assets.failures import told_plainly
from assets.resources import HomeResource
from le_pipeline.link import steps as link
from le_pipeline.measure import steps as measure
from le_pipeline.warehouse.contract import violations
from le_pipeline.warehouse.engine import REFERENCE, Step

CHECK = "contract_holds"
OWNERS = {"link": ["team:data-engineering"], "measure": ["team:evaluation"]}


def step_asset(step: Step, group: str) -> dg.AssetsDefinition:
    """The asset of one step: run its SQL, check its contract, report."""
    table = step.table
    key = asset_key(table.qualified_name)

    @dg.asset(
        key=key,
        deps=[asset_key(name) for name in step.inputs if not name.startswith(f"{REFERENCE}.")],
        description=description(table),
        group_name=group,
        owners=OWNERS[group],
        kinds={"duckdb", "sql"},
        tags={"layer": table.layer, "personal_data": "aggregate" if table.layer == "marts" else "pseudonyms"},
        metadata={
            "dagster/column_schema": column_schema(table),
            "sql": dg.MetadataValue.md(f"```sql\n{step.sql}\n```"),
        },
        code_version=step.version[:12],
        freshness_policy=FRESH,
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                blocking=True,
                description="Keys are unique; required, allowed and possible values only",
            )
        ],
    )
    def run_step(home: HomeResource) -> dg.MaterializeResult:
        with told_plainly():
            engine = home.engine()
            report = engine.run(step)
            broken = violations(engine, table)
        metadata: dict[str, Any] = {
            "dagster/row_count": report.rows,
            "dagster/column_lineage": column_lineage(step),
            "unchanged": report.is_current,
        }
        passed = not any(broken.values())
        result = dg.AssetCheckResult(check_name=CHECK, passed=passed, metadata={k: v for k, v in broken.items() if v})
        return dg.MaterializeResult(metadata=metadata, check_results=[result])

    return run_step


ASSETS = [
    *(step_asset(step, "link") for step in link.STEPS),
    *(step_asset(step, "measure") for step in measure.STEPS),
]
