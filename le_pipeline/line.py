"""The whole line: landing to lake, links, marts, warehouse and the search for leaks, one report at a time.

`le run` and `make run` both walk it; the Dagster assets call the same functions, each from its own asset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from le_pipeline import agreements, destruction
from le_pipeline.agreements import AgreementReport
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import partition
from le_pipeline.ingest.partition import FeedReport, ingest_feed
from le_pipeline.ingest.record import record_unclaimed
from le_pipeline.link import person_match
from le_pipeline.link import steps as link
from le_pipeline.link.person_match import PeopleReport
from le_pipeline.measure import steps as measure
from le_pipeline.privacy import scan
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.scan import ScanReport
from le_pipeline.warehouse import build, gate
from le_pipeline.warehouse.build import WarehouseReport
from le_pipeline.warehouse.engine import Engine, Step, TableReport
from le_pipeline.warehouse.gate import Expectation
from schemas import registry
from schemas.analysis_plan import load_plan
from schemas.evaluation import load_settings
from schemas.evidence_claim import load_claims

WAREHOUSE = "warehouse"  # the lock of whoever builds, checks or promotes it
STEPS: tuple[Step, ...] = (*link.STEPS, *measure.STEPS)


@dataclass(frozen=True)
class Refused:
    """A file of a partition that no layout takes; `reason` says what to do."""

    partition: Partition
    path: str
    reason: str


Report = AgreementReport | Refused | FeedReport | PeopleReport | TableReport | WarehouseReport | ScanReport


def run(home: Home, keys: Keys, partitions: list[Partition]) -> Iterator[Report]:
    """Bring the partitions in, then every table up to date, then the warehouse, and search all of it.

    Yields a report per piece of work. A scan that has found something is reported, and not raised:
    `ScanReport.require_clean` does.

    Raises:
        PipelineError: a named trouble; what was done before it stays.
        ContractError: a layout, the warehouse profile, the settings of the evaluation, the analysis plan or a claim are
            wrong.
    """
    build.kept(home)  # a mistake in what a home declares is told before the work, not after it
    load_settings(home.evaluation_settings)
    load_plan(home.analysis_plan)
    load_claims(home.evidence_claims)
    yield agreements.keep(home, keys)
    for landed in partitions:
        yield from ingest(home, keys, landed)
    yield from _derive(home, keys)
    certify(home, keys)
    yield search(home, keys)


def destroy(home: Home, keys: Keys, agreement: str, purpose: str) -> tuple[list[Path], ScanReport]:
    """Destroy what an agreement covers, make every table anew without it, certify it, and search all of it.

    Returns:
        The certificates, and what the search has found, which `ScanReport.require_clean` raises.

    Raises:
        DestructionError: there is no such agreement, or its data were destroyed already.
        PipelineError: a table or the warehouse cannot be made anew; the next run goes on, and certifies then.
    """
    agreements.destroy(home, keys, agreement, purpose)
    for _ in _derive(home, keys):
        pass
    return certify(home, keys), search(home, keys)


def certify(home: Home, keys: Keys) -> list[Path]:
    """Write the certificates of what was destroyed, once every table and the warehouse have been made anew without it.

    Returns:
        The certificates that were written.
    """
    is_due = bool(destruction.unfinished(home)) and _is_derived(home, keys)
    return destruction.certify(home, keys) if is_due else []


def _is_derived(home: Home, keys: Keys) -> bool:
    return (
        build.is_current(home)
        and all(Engine(home).is_current(step) for step in STEPS)
        and person_match.is_current(home, keys)
    )


def _derive(home: Home, keys: Keys) -> Iterator[Report]:
    yield person_match.resolve(home, keys)
    engine = Engine(home)
    for step in STEPS:
        yield engine.run(step)
    yield publish(home)


def is_current(home: Home, keys: Keys) -> bool:
    """Whether a run over everything that has landed would change nothing."""
    return (
        _is_derived(home, keys)
        and scan.was_clean(home)
        and agreements.is_kept(home, keys)
        and not destruction.unfinished(home)
        and all(partition.is_current(home, keys, landed) for landed in home.partitions())
    )


def ingest(home: Home, keys: Keys, landed: Partition) -> Iterator[Refused | FeedReport]:
    """Bring every feed of one partition in, those that had files earlier included."""
    for path, reason in record_unclaimed(home, landed).select("path", "delivery_reason").iter_rows():
        yield Refused(landed, path, reason)
    for feed in registry.feeds():
        yield ingest_feed(home, keys, feed, landed)


def stage(home: Home) -> tuple[WarehouseReport, list[Expectation]]:
    """Build the next warehouse and check it, unless the current one is up to date.

    What meets its expectations is staged for `promote`; what does not is left behind and never promoted.
    """
    with home.lock(WAREHOUSE):
        return _stage(home)


def promote(home: Home) -> WarehouseReport:
    """Put what is staged in the current warehouse's place.

    Raises:
        GateError: there is no warehouse, and nothing is staged.
    """
    with home.lock(WAREHOUSE):
        return build.promote(home)


def publish(home: Home) -> WarehouseReport:
    """Build, check and promote the warehouse, unless it is up to date.

    Raises:
        GateError: the current warehouse stays in place.
    """
    with home.lock(WAREHOUSE):
        built, expectations = _stage(home)
        gate.require(expectations)
        return built if built.is_current else build.promote(home)


def search(home: Home, keys: Keys) -> ScanReport:
    """Search everything below the home, but landing and vault, for values of the vault; nobody builds meanwhile.

    Raises:
        VaultError: the vault cannot be opened.
    """
    with home.lock(WAREHOUSE):
        return scan.scan(home, keys)


def _stage(home: Home) -> tuple[WarehouseReport, list[Expectation]]:
    built = build.build(home)
    expectations = [] if built.is_current else gate.check_marts(home)
    if expectations and all(expectation.is_met for expectation in expectations):
        build.approve(home)
    return built, expectations
