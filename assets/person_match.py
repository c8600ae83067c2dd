"""Who is who: pairs of keys that may be one person, what follows from them, and ids at odds with their names."""

from collections.abc import Iterator

import dagster as dg

from assets.automation import FRESH
from assets.columns import asset_key, column_schema, description
from assets.failures import told_plainly
from assets.resources import HomeResource
from assets.steps import CHECK, OWNERS
from le_pipeline.link import person_match
from le_pipeline.link.individual import KINDS
from le_pipeline.warehouse.contract import violations
from schemas import registry

FEEDS = {table.feed: table.qualified_name for table in registry.feeds().values()}
# names come out of the vault, where the feeds have put them
DEPS = sorted({FEEDS[named.feed] for kind in KINDS for named in kind.named} | set(person_match.INPUTS))


@dg.multi_asset(
    name="who_is_who",
    specs=[
        dg.AssetSpec(
            asset_key(table.qualified_name),
            deps=[
                asset_key(name)
                for name in (DEPS if table == person_match.MATCH else [person_match.MATCH.qualified_name])
            ],
            description=description(table),
            group_name="link",
            owners=OWNERS["link"],
            kinds={"splink", "duckdb"},
            tags={"layer": table.layer, "personal_data": "pseudonyms"},
            metadata={"dagster/column_schema": column_schema(table)},
            freshness_policy=FRESH,
        )
        for table in person_match.TABLES
    ],
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=asset_key(table.qualified_name),
            blocking=True,
            description="Keys are unique; required, allowed and possible values only",
        )
        for table in person_match.TABLES
    ],
)
def who_is_who(home: HomeResource) -> Iterator[dg.MaterializeResult]:
    """Compare names in the vault's memory; only pairs of keys come out."""
    with told_plainly():
        report = person_match.resolve(home.home(), home.loaded_keys())
        broken = {table: violations(home.engine(), table) for table in person_match.TABLES}
    for table, counts in broken.items():
        yield dg.MaterializeResult(
            asset_key=asset_key(table.qualified_name),
            metadata={"dagster/row_count": report.rows[table.name], "unchanged": report.is_current},
            check_results=[
                dg.AssetCheckResult(
                    check_name=CHECK,
                    asset_key=asset_key(table.qualified_name),
                    passed=not any(counts.values()),
                    metadata={name: count for name, count in counts.items() if count},
                )
            ],
        )


ASSETS = [who_is_who]
