"""`python -m assets`: run the whole line in Dagster, in this process, against the home's own Dagster instance.

So `make run` and the UI share one home: what is made here shows there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dagster as dg
from rich.console import Console

from assets import automation, partitions
from assets.definitions import build_defs
from le_pipeline import line, summary
from le_pipeline.errors import describe, is_panic
from le_pipeline.home import Home
from le_pipeline.privacy.keys import create_key_file, load_keys

CONFIG = Path(__file__).with_name("dagster.yaml")


def prepare(home: Home) -> None:
    """Make the home, the key where there is none, Dagster's own folder and configuration, and its partitions."""
    create_key_file(home)
    load_keys(home)  # a wrong key stops here, before anything is written
    home.create()
    config = home.dagster / "dagster.yaml"
    if not config.exists():
        config.write_text(CONFIG.read_text(encoding="utf-8"), encoding="utf-8")
    os.environ["DAGSTER_HOME"] = str(home.dagster)
    with dg.DagsterInstance.get() as instance:
        partitions.register(instance, home)


def run_all(home: Home) -> bool:
    """Run the job over every landing folder; returns whether it succeeded."""
    with dg.DagsterInstance.get() as instance:
        partitions.register(instance, home)
        keys = list(instance.get_dynamic_partitions("landing"))
        job = build_defs(home).resolve_job_def(automation.JOB)
        return job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            instance=instance,
            tags=partitions.range_tags(keys),
            raise_on_error=False,
        ).success


def main() -> int:
    """Prepare, run where there is something to do, and tell what came of it."""
    out = Console()
    home = Home.at()
    prepare(home)
    if sys.argv[1:] == ["prepare"]:
        return 0
    if line.is_current(home, load_keys(home)):
        out.print("Nothing new: every table is up to date with what has landed.")
        out.print(f"warehouse  {home.warehouse}", soft_wrap=True)
        return 0
    with out.status("Dagster runs the whole line: landing, lake, links, marts, warehouse"):
        succeeded = run_all(home)
    if not succeeded:
        out.print("The run failed; `make ui` shows which asset and why.")
        return 1
    out.print(summary.deliveries(home), summary.figures(home), sep="\n")
    reasons = summary.open_troubles(home)
    if reasons:
        out.print(summary.troubles(reasons))
    out.print(f"\nwarehouse  {home.warehouse} (`le sql` queries it; docs/warehouse.md has other ways)", soft_wrap=True)
    out.print(
        "next       `make ui` serves Dagster at http://127.0.0.1:3000; `le status` says what landed", soft_wrap=True
    )
    return 0


def told() -> int:
    """`main`, with named troubles told in a line and unnamed ones without their message, which may hold data."""
    try:
        return main()
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        Console(stderr=True).print(describe(error), soft_wrap=True, highlight=False)
        return 1


if __name__ == "__main__":
    sys.exit(told())
