"""Ingest assets: one per feed, by landing folder; the deliveries and the quarantine beside them."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import dagster as dg
import polars as pl

from assets.agreements import AGREEMENT
from assets.automation import FRESH
from assets.columns import asset_key, column_schema, description
from assets.failures import told_plainly
from assets.partitions import LANDING
from assets.resources import HomeResource
from le_pipeline.home import Partition
from le_pipeline.ingest import drift, identity
from le_pipeline.ingest.partition import FeedReport, ingest_feed, left_out
from le_pipeline.ingest.record import record_unclaimed
from le_pipeline.warehouse.lake import Lake
from schemas import registry
from schemas.registry import Table

OWNERS = ["team:data-engineering"]
LANDING_KEY = dg.AssetKey(["landing"])
COMMON: dict[str, Any] = {
    "group_name": "ingest",
    "owners": OWNERS,
    "partitions_def": LANDING,
    "backfill_policy": dg.BackfillPolicy.single_run(),
    "freshness_policy": FRESH,
}

landing = dg.AssetSpec(
    LANDING_KEY,
    description="Deliveries as they came: `landing/<STATE>/<school year>/...`. Never changed by the pipeline.",
    group_name="ingest",
    kinds={"csv", "excel"},
    owners=OWNERS,
)


def feed_asset(table: Table) -> dg.AssetsDefinition:
    """The asset of one feed: recognise, read, validate, pseudonymise, replace the partition."""
    feed = str(table.feed)

    @dg.asset(
        key=asset_key(table.qualified_name),
        deps=[AGREEMENT, LANDING_KEY, *(asset_key(roster.qualified_name) for roster in registry.rosters(table))],
        description=description(table),
        kinds={"polars", "parquet"},
        tags={"feed": feed, "layer": table.layer, "personal_data": "pseudonyms"},
        metadata={"dagster/column_schema": column_schema(table)},
        check_specs=[
            _spec(
                table,
                "rows_conserved",
                "Read = accepted + quarantined + excluded + duplicate, for every file",
                blocking=True,
            ),
            _spec(table, "files_taken", "No file is refused or held; the table holds what the landing folder says"),
            _spec(table, "nothing_left_out", "No delivery lacks records of the one whose place it took"),
        ],
        **COMMON,
    )
    def ingest(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        with told_plainly():
            keys = home.loaded_keys()
            reports = [ingest_feed(home.home(), keys, feed, Partition.parse(key)) for key in context.partition_keys]
        for report in reports:
            context.add_asset_metadata(_metadata(report), partition_key=str(report.partition))
        return dg.MaterializeResult(check_results=list(_checks(reports)))

    return ingest


def _spec(table: Table, name: str, says: str, *, blocking: bool = False) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(name, asset=asset_key(table.qualified_name), description=says, blocking=blocking)


def _metadata(report: FeedReport) -> dict[str, Any]:
    taken = report.deliveries.filter(pl.col("delivery_status") == "accepted")
    counts = {name: int(taken[name].sum()) for name in taken.columns if name.startswith("rows_")}
    files = dg.MetadataValue.md(_files(report.deliveries))
    return {"dagster/row_count": report.rows, "unchanged": report.is_current, **counts, "files": files}


def _files(files: pl.DataFrame) -> str:
    lines = [
        "| file | SHA-256 | layout | read | accepted | quarantined | excluded | duplicate | status |",
        "|" + "---|" * 9,
    ]
    for row in files.iter_rows(named=True):
        cells = [row["path"], row["file_hash"][:12], row["layout"], row["rows_read"], row["rows_accepted"]]
        cells += [row["rows_quarantined"], row["rows_excluded"], row["rows_duplicate"], row["delivery_status"]]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def _checks(reports: list[FeedReport]) -> Iterable[dg.AssetCheckResult]:
    files = pl.concat([report.deliveries for report in reports])
    parts = ["rows_accepted", "rows_quarantined", "rows_excluded", "rows_duplicate"]
    lost = files.filter(pl.col("rows_read") != pl.sum_horizontal(parts))
    yield dg.AssetCheckResult(
        check_name="rows_conserved", passed=lost.is_empty(), metadata={"files": ", ".join(lost["path"]) or "all add up"}
    )
    why = [reason for report in reports for reason in report.held_by.values()]
    why += files.filter(pl.col("delivery_status").is_in(["refused", "held"]))["delivery_reason"].drop_nulls().to_list()
    yield dg.AssetCheckResult(
        check_name="files_taken",
        passed=not why,
        description="\n".join(dict.fromkeys(why)) or None,
        metadata={"held_partitions": ", ".join(str(r.partition) for r in reports if not r.is_replaced) or "none"},
    )
    gone = left_out(files)
    yield dg.AssetCheckResult(
        check_name="nothing_left_out",
        passed=not gone,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(gone) or None,
    )


def _by_partition(frame: pl.DataFrame, keys: Iterable[str]) -> dict[str, pl.DataFrame]:
    partition = pl.col("state") + "-" + pl.col("school_year").cast(pl.String)
    return {key: frame.filter(partition == key) for key in keys}


DELIVERY, QUARANTINE = registry.tables()["delivery"], registry.tables()["quarantine"]
FEED_KEYS = [asset_key(table.qualified_name) for table in registry.feeds().values()]


@dg.asset(
    key=asset_key(DELIVERY.qualified_name),
    deps=FEED_KEYS,
    description=description(DELIVERY),
    kinds={"polars", "parquet"},
    tags={"layer": "canonical", "personal_data": "none"},
    metadata={"dagster/column_schema": column_schema(DELIVERY)},
    check_specs=[_spec(DELIVERY, "files_recognised", "Every file of the landing folder is known to a layout")],
    **COMMON,
)
def delivery(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Every file that landed and what became of it; files of no known layout are recorded here."""
    with told_plainly():
        home.loaded_keys()
        refused = [record_unclaimed(home.home(), Partition.parse(key)) for key in context.partition_keys]
        files = _by_partition(Lake(home.home().lake).read(DELIVERY), context.partition_keys)
    for key, frame in files.items():
        status = dict(frame["delivery_status"].value_counts().iter_rows())
        shown = {"dagster/row_count": frame.height, **status, "files": dg.MetadataValue.md(_files(frame))}
        context.add_asset_metadata(shown, partition_key=key)
    why = [reason for frame in refused for reason in frame["delivery_reason"]]
    result = dg.AssetCheckResult(check_name="files_recognised", passed=not why, description="\n".join(why) or None)
    return dg.MaterializeResult(check_results=[result])


@dg.asset(
    key=asset_key(QUARANTINE.qualified_name),
    deps=FEED_KEYS,
    description=description(QUARANTINE),
    kinds={"polars", "parquet"},
    tags={"layer": "canonical", "personal_data": "none"},
    metadata={"dagster/column_schema": column_schema(QUARANTINE)},
    check_specs=[_spec(QUARANTINE, "nothing_waits", "No record waits in quarantine")],
    **COMMON,
)
def quarantine(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
    """Records that broke a rule: file, row, column, rule and fix; never the value."""
    with told_plainly():
        waiting = Lake(home.home().lake).read(QUARANTINE)
    for key, frame in _by_partition(waiting, context.partition_keys).items():
        rules = Counter(frame["rule"].to_list())
        shown = {"dagster/row_count": frame.height, "rows": dg.MetadataValue.md(_pointers(frame)), **rules}
        context.add_asset_metadata(shown, partition_key=key)
    # of every partition: a check has one latest result, in which a run of one partition must not hide the others
    counts = waiting.group_by("state", "school_year").len().sort("state", "school_year")
    result = dg.AssetCheckResult(
        check_name="nothing_waits",
        passed=waiting.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={f"{state}-{year}": count for state, year, count in counts.iter_rows()},
    )
    return dg.MaterializeResult(check_results=[result])


def _pointers(frame: pl.DataFrame, most: int = 50) -> str:
    lines = ["| file | row | rule | column | fix |", "|" + "---|" * 5]
    shown = frame.head(most).select("path", "source_row", "rule", "source_column", "fix")
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in shown.iter_rows()]
    return "\n".join(lines + ([f"\n{frame.height - most} more in canonical.quarantine"] if frame.height > most else []))


def record_asset(name: str, check: str, says: str, told: Callable[[pl.DataFrame], list[str]]) -> dg.AssetsDefinition:
    """The asset of a table that the feeds write as they go: it shows what is there, and warns of what `told` finds."""
    table = registry.tables()[name]

    @dg.asset(
        key=asset_key(table.qualified_name),
        deps=FEED_KEYS,
        description=description(table),
        kinds={"polars", "parquet"},
        tags={"layer": "canonical", "personal_data": "none"},
        metadata={"dagster/column_schema": column_schema(table)},
        check_specs=[_spec(table, check, says)],
        **COMMON,
    )
    def record(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        with told_plainly():
            rows = Lake(home.home().lake).read(table)
        for key, frame in _by_partition(rows, context.partition_keys).items():
            context.add_asset_metadata({"dagster/row_count": frame.height}, partition_key=key)
        said = told(rows)
        warning = dg.AssetCheckResult(
            passed=not said, severity=dg.AssetCheckSeverity.WARN, description="\n".join(said) or None
        )
        return dg.MaterializeResult(check_results=[warning])

    return record


RECORDS = [
    record_asset(
        "identity_match",
        "people_found_on_roster",
        "Nine of ten rows are found on the roster by their ids",
        identity.low,
    ),
    record_asset("column_profile", "headers_are_names", "No header looks like somebody's record", drift.nameless),
    record_asset(
        "column_drift",
        "columns_as_expected",
        "Files have the columns of the year before, or of their layout",
        drift.told,
    ),
]
ASSETS = [landing, *(feed_asset(table) for table in registry.feeds().values()), delivery, quarantine, *RECORDS]
