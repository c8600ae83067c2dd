"""Partitions: one per landing folder, `LA-2016`. A folder appears as a partition by itself.

One dynamic dimension, because the cross product of states and years would show a state that never sent a year as
missing.
"""

from __future__ import annotations

import dagster as dg

from le_pipeline.home import Home

LANDING = dg.DynamicPartitionsDefinition(name="landing")


def register(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """Add the landing folders that Dagster does not know yet; returns the new keys."""
    known = set(instance.get_dynamic_partitions("landing"))
    new = [str(partition) for partition in home.partitions() if str(partition) not in known]
    if new:
        instance.add_dynamic_partitions("landing", new)
    return new


def range_tags(keys: list[str]) -> dict[str, str]:
    """Tags that let one run cover all partitions from the first to the last key, in Dagster's order."""
    return {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
