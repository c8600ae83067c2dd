"""What an engineer finds in the UI before anything has run."""

from __future__ import annotations

import datetime

import dagster as dg
import polars as pl
import pytest

from assets import automation, extract, release
from assets.columns import asset_key, column_lineage
from assets.definitions import build_defs
from assets.failures import told_plainly
from assets.partitions import register
from assets.resources import HomeResource
from le_pipeline import line
from le_pipeline.errors import BusyError, EmptyFileError
from le_pipeline.home import Home, Partition
from le_pipeline.ingest.record import record_unclaimed
from le_pipeline.warehouse.engine import Step
from schemas import registry


@pytest.fixture
def specs(home: Home) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in build_defs(home).resolve_all_asset_specs()}


def test_every_table_is_an_asset_and_so_are_landing_and_warehouse(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    tables = {asset_key(table.qualified_name) for table in registry.tables().values()}
    others = {
        dg.AssetKey(name.split("/"))
        for name in (
            "landing",
            "warehouse/candidate",
            "warehouse/current",
            "privacy/leak_scan",
            "agreement",
            "certificate",
        )
    }

    acts = {automation.EXTRACT, automation.CANDIDATE_RELEASE, automation.RELEASE}
    assert set(specs) == tables | others | acts


def test_an_extract_and_a_release_are_made_by_their_own_jobs_alone(home: Home) -> None:
    definitions = build_defs(home)

    def selected(name: str) -> set[dg.AssetKey]:
        return definitions.resolve_job_def(name).asset_layer.selected_asset_keys

    releases = {automation.CANDIDATE_RELEASE, automation.RELEASE}
    assert not {automation.EXTRACT, *releases} & selected(automation.JOB)
    assert selected(extract.JOB) == {automation.EXTRACT}
    assert selected(release.JOB) == releases | {dg.AssetKey(["privacy", "leak_scan"])}


def test_an_agreement_appears_as_a_partition(home: Home) -> None:
    (home.extract_agreements / "study.yaml").write_text("agreement: study\n")

    with dg.instance_for_test() as instance:
        register(instance, home)

        assert instance.get_dynamic_partitions("agreement") == ["study"]


def test_assets_stand_in_groups_by_stage(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    def group(name: str) -> str | None:
        return specs[asset_key(name)].group_name

    assert group("canonical.student_assessment") == "ingest"
    assert group("linked.teacher_student_link") == "link"
    assert group("linked.retention_outcome") == "measure"
    assert group("marts.achievement_gap") == "measure"
    assert group("warehouse.current") == "warehouse"
    assert group("privacy.leak_scan") == "privacy"


def test_every_asset_says_what_one_row_is_who_owns_it_and_what_kind_it_is(
    specs: dict[dg.AssetKey, dg.AssetSpec],
) -> None:
    for table in registry.tables().values():
        spec = specs[asset_key(table.qualified_name)]
        assert spec.description and spec.description.startswith(f"**{table.grain}.**")
    for spec in specs.values():
        assert spec.owners and spec.kinds and spec.description, spec.key


def test_the_columns_tab_is_filled_before_the_first_run(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    for table in registry.tables().values():
        schema = specs[asset_key(table.qualified_name)].metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == list(table.column_names)
        assert all(column.description for column in schema.columns)


def test_what_a_step_depends_on_is_read_off_its_sql(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    for step in line.STEPS:
        named = {asset_key(name) for name in step.inputs if not name.startswith("reference.")}
        assert {dep.asset_key for dep in specs[asset_key(step.table.qualified_name)].deps} == named
    reach = specs[asset_key("marts.program_reach")]
    assert asset_key("linked.program_role") in {dep.asset_key for dep in reach.deps}


def test_each_column_of_a_mart_can_be_followed_to_the_columns_it_is_made_from(home: Home) -> None:
    from assets.columns import column_lineage

    for step in line.STEPS:
        traced = column_lineage(step).deps_by_column
        assert traced, step.table.name
        assert {name for name, deps in traced.items() if deps} >= set(step.table.key) & {"staff_key", "student_key"}
        assert set(traced) == set(step.table.column_names)
    gap = next(step for step in line.STEPS if step.table.name == "achievement_gap")
    n_a = {(dep.asset_key.to_user_string(), dep.column_name) for dep in column_lineage(gap).deps_by_column["n_a"]}
    assert ("linked/standard_score", "race_ethnicity") in n_a
    g = {(dep.asset_key.to_user_string(), dep.column_name) for dep in column_lineage(gap).deps_by_column["hedges_g"]}
    assert ("linked/standard_score", "z_score") in g


def test_checks_stand_beside_the_assets(home: Home) -> None:
    checks = {key for asset in build_defs(home).assets or () for key in getattr(asset, "check_keys", ())}
    checks |= {key for asset in build_defs(home).asset_checks or () for key in asset.check_keys}
    checked = {check.asset_key for check in checks}

    assert checked >= {asset_key(table.qualified_name) for table in registry.tables().values()}


def test_the_check_that_no_row_is_lost_blocks_what_comes_after(home: Home) -> None:
    blocking = {
        (spec.asset_key.to_user_string(), spec.name)
        for asset in build_defs(home).assets or ()
        if isinstance(asset, dg.AssetsDefinition)
        for spec in asset.check_specs
        if spec.blocking
    }

    assert {(f"canonical/{table.name}", "rows_conserved") for table in registry.feeds().values()} <= blocking
    assert {
        (f"marts/{table.name}", "contract_holds") for table in registry.tables().values() if table.layer == "marts"
    } <= blocking
    assert ("warehouse/candidate", "marts_meet_expectations") in blocking


def test_every_table_is_expected_every_day(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    without = {spec.key.to_user_string() for spec in specs.values() if spec.freshness_policy is None}

    acts = {"extract/research_extract", "published/release_candidate", "published/release"}
    assert without == {"landing", "warehouse/candidate"} | acts


def test_the_nightly_run_is_at_two_in_louisiana_and_the_sensor_is_off_until_switched_on() -> None:
    assert automation.nightly.cron_schedule == "0 2 * * *"
    assert automation.nightly.execution_timezone == "America/Chicago"
    assert automation.landed.default_status is dg.DefaultSensorStatus.STOPPED


def test_the_scan_is_last_and_is_repeated_in_the_morning_whatever_became_of_the_night(
    home: Home, specs: dict[dg.AssetKey, dg.AssetSpec]
) -> None:
    deps = {dep.asset_key for spec in specs.values() for dep in spec.deps}
    scan = dg.AssetKey(["privacy", "leak_scan"])
    job = build_defs(home).resolve_job_def("leak_scan")

    assert scan not in deps
    assert job.asset_layer.selected_asset_keys == {scan}
    assert automation.morning.cron_schedule == "0 5 * * *"
    assert automation.morning.default_status is dg.DefaultScheduleStatus.RUNNING


def test_the_pool_of_the_warehouse_is_used_and_configured(home: Home) -> None:
    from assets.__main__ import CONFIG

    definitions = [asset for asset in build_defs(home).assets or () if isinstance(asset, dg.AssetsDefinition)]

    assert {asset.op.pool for asset in definitions} == {None, "warehouse"}
    assert "default_limit: 1" in CONFIG.read_text(encoding="utf-8")


def test_what_may_pass_by_itself_is_tried_again_and_bad_data_is_not() -> None:
    with pytest.raises(dg.RetryRequested) as retried, told_plainly():
        raise BusyError("another run is writing")
    assert retried.value.max_retries == 2

    with pytest.raises(dg.Failure) as failed, told_plainly():
        raise EmptyFileError("is empty")
    assert failed.value.allow_retries is False
    assert failed.value.description == "is empty"


@pytest.mark.parametrize("kind", [ValueError, pl.exceptions.PanicException])
def test_the_message_of_another_package_never_reaches_the_event_log(kind: type[BaseException]) -> None:
    with pytest.raises(dg.Failure) as failed, told_plainly():
        raise kind("Zyndvexel, born 2006-05-09")

    assert "Zyndvexel" not in f"{failed.value.description} {failed.value}"
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


def test_a_landing_folder_becomes_a_partition_through_the_sensor_and_a_correction_runs_it_again(home: Home) -> None:
    folder = home.landing / "LA" / "2031"
    folder.mkdir(parents=True)
    (folder / "scores.csv").write_text("A\n1\n")
    with dg.instance_for_test() as instance:
        first = _sense(instance, home, cursor=None)
        assert isinstance(first, dg.SensorResult)
        assert [list(request.partition_keys) for request in first.dynamic_partitions_requests or ()] == [["LA-2031"]]

        instance.add_dynamic_partitions("landing", ["LA-2031"])
        assert isinstance(_sense(instance, home, first.cursor), dg.SkipReason)

        (folder / "scores.csv").write_text("A\n1\n2\n")  # under the same name
        second = _sense(instance, home, first.cursor)
        assert isinstance(second, dg.SensorResult)
    requests = [*(first.run_requests or ()), *(second.run_requests or ())]
    assert [request.partition_key for request in requests] == ["LA-2031", "LA-2031"]
    assert [request.run_key for request in requests] == [None, None]  # one is remembered for ever


def test_a_sensor_switched_on_runs_only_what_is_not_on_record(home: Home) -> None:
    for place in ("LA/2031", "MO/2030"):
        (home.landing / place).mkdir(parents=True)
        (home.landing / place / "scores.csv").write_text("A\n1\n")
    record_unclaimed(home, Partition("LA", 2031))

    with dg.instance_for_test() as instance:
        result = _sense(instance, home, cursor=None)

    assert isinstance(result, dg.SensorResult)
    assert [request.partition_key for request in result.run_requests or ()] == ["MO-2030"]


def test_the_nightly_run_covers_every_landing_folder(home: Home) -> None:
    with dg.instance_for_test() as instance:
        assert isinstance(_schedule(instance, home), dg.SkipReason)

        for place in ("LA/2031", "MO/2030"):
            (home.landing / place).mkdir(parents=True)
            (home.landing / place / "scores.csv").write_text("A\n1\n")
        request = _schedule(instance, home)

        assert isinstance(request, dg.RunRequest)
        assert request.tags["dagster/asset_partition_range_start"] == "LA-2031"
        assert request.tags["dagster/asset_partition_range_end"] == "MO-2030"


# contexts are closed before their instance: one that outlives it breaks whatever loads definitions next


def _sense(instance: dg.DagsterInstance, home: Home, cursor: str | None) -> object:
    resources = {"home": HomeResource.at(home)}
    with dg.build_sensor_context(instance=instance, resources=resources, cursor=cursor) as context:
        return automation.landed(context)


def _schedule(instance: dg.DagsterInstance, home: Home) -> object:
    with dg.build_schedule_context(
        instance=instance,
        resources={"home": HomeResource.at(home)},
        scheduled_execution_time=datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC),
    ) as context:
        return automation.nightly(context)


@pytest.mark.parametrize("step", line.STEPS, ids=lambda step: step.table.name)
def test_every_column_that_the_sql_gives_is_traced_to_its_sources(step: Step) -> None:
    traced = column_lineage(step).deps_by_column

    assert set(traced) == set(step.table.column_names)
    assert any(traced.values())
