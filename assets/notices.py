"""Checks that warn: rows that break no rule and that somebody should know of, from the registry."""

from __future__ import annotations

from collections.abc import Iterable

import dagster as dg

from assets.columns import asset_key
from assets.failures import told_plainly
from assets.resources import HomeResource
from le_pipeline.warehouse.contract import notices, references, unknown
from schemas import registry
from schemas.registry import Table


def notice_checks(table: Table) -> dg.AssetChecksDefinition:
    """The checks of one table; they run after the tables that it references."""
    key = asset_key(table.qualified_name)
    told = {name: notice.says for name, notice in table.notices.items()}
    told |= {
        unknown(parent): f"Rows whose {', '.join(columns)} {parent.qualified_name} does not have"
        for parent, columns in references(table).items()
    }
    parents = [asset_key(parent.qualified_name) for parent in references(table)]

    @dg.multi_asset_check(
        name=f"{table.name}_notices",
        specs=[
            dg.AssetCheckSpec(name, asset=key, description=says, additional_deps=parents) for name, says in told.items()
        ],
    )
    def check(home: HomeResource) -> Iterable[dg.AssetCheckResult]:
        with told_plainly():
            counts = notices(home.engine(), table)
        for name, rows in counts.items():
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=name,
                passed=rows == 0,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{rows:,} rows. {told[name]}" if rows else None,
                metadata={"rows": rows},
            )

    return check


CHECKS = [notice_checks(table) for table in registry.tables().values() if table.notices or table.references]
