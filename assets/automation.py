"""The job, the nightly schedule, the landing sensor, and how fresh the schedule keeps every table."""

import datetime
import hashlib
import json

import dagster as dg

from assets.partitions import LANDING, range_tags, register
from assets.resources import HomeResource
from le_pipeline.home import Home, Partition
from le_pipeline.ingest.document import state_of
from le_pipeline.ingest.record import is_on_record

JOB = "whole_line"
# acts of disclosure: somebody has to decide them
EXTRACT = dg.AssetKey(["extract", "research_extract"])
CANDIDATE_RELEASE, RELEASE = dg.AssetKey(["published", "release_candidate"]), dg.AssetKey(["published", "release"])
FRESH = dg.FreshnessPolicy.time_window(
    warn_window=datetime.timedelta(hours=26), fail_window=datetime.timedelta(hours=50)
)
"""A night that was missed warns, a second one fails."""

whole_line = dg.define_asset_job(
    JOB,
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(EXTRACT, CANDIDATE_RELEASE, RELEASE),
    partitions_def=LANDING,
    # few, coarse steps that use all cores by themselves: a process for each would cost more than it gives
    executor_def=dg.in_process_executor,
    description="Landing to warehouse. Partitions without anything new cost next to nothing.",
    tags={"pipeline": "le"},
)


leak_scan = dg.define_asset_job(
    "leak_scan",
    selection=dg.AssetSelection.assets(["privacy", "leak_scan"]),
    executor_def=dg.in_process_executor,
    description="Searches everything for values of the vault, whatever became of the runs before.",
    tags={"pipeline": "le"},
)

# a run that fails half way leaves its last asset, the scan, out: what it has left behind is searched all the same
morning = dg.ScheduleDefinition(
    name="morning",
    job=leak_scan,
    cron_schedule="0 5 * * *",
    execution_timezone="America/Chicago",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.schedule(
    job=whole_line,
    cron_schedule="0 2 * * *",
    execution_timezone="America/Chicago",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly(context: dg.ScheduleEvaluationContext, home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    """Every night at 02:00 in Louisiana: one run over all landing folders."""
    register(context.instance, home.home())
    keys = list(context.instance.get_dynamic_partitions("landing"))
    if not keys:
        return dg.SkipReason("nothing has landed yet")
    return dg.RunRequest(tags=range_tags(keys))


@dg.sensor(job=whole_line, minimum_interval_seconds=60, default_status=dg.DefaultSensorStatus.STOPPED)
def landed(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult | dg.SkipReason:
    """Runs a landing folder when its files change; switch it on where runs should not wait for the night."""
    place = home.home()
    seen = _decode(context.cursor)
    now = {str(partition): _stamp(place, partition) for partition in place.partitions()}
    changed = [key for key, stamp in now.items() if seen.get(key) != stamp]
    # a sensor that is switched on for the first time finds everything new; what is on record needs no run
    changed = [key for key in changed if key in seen or not is_on_record(place, Partition.parse(key))]
    new = [key for key in now if key not in set(context.instance.get_dynamic_partitions("landing"))]
    if not changed and not new:
        context.update_cursor(_encode(now))
        return dg.SkipReason("no file has come or changed")
    return dg.SensorResult(
        # no run_key: one is remembered for ever, so a file that is put back as it was would be missed
        run_requests=[dg.RunRequest(partition_key=key) for key in changed],
        dynamic_partitions_requests=[LANDING.build_add_request(new)] if new else [],
        cursor=_encode(now),
    )


def _stamp(home: Home, partition: Partition) -> str:
    """Changes with any file's name, size or time; a run whose contents turn out the same does nothing."""
    stats = [(str(path), state_of(path)) for path in home.files(partition)]
    return hashlib.sha256(repr(stats).encode()).hexdigest()[:16]


def _encode(stamps: dict[str, str]) -> str:
    return json.dumps(stamps, sort_keys=True)


def _decode(cursor: str | None) -> dict[str, str]:
    return dict(json.loads(cursor)) if cursor else {}
