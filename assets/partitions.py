"""Partitions: one per landing folder, `LA-2016`, and one per agreement of extracts. Each appears by itself.

One dynamic dimension, because the cross product of states and years would show a state that never sent a year as
missing.
"""

from __future__ import annotations

import dagster as dg

from le_pipeline.home import Home

LANDING = dg.DynamicPartitionsDefinition(name="landing")
AGREEMENTS = dg.DynamicPartitionsDefinition(name="agreement")


def register(instance: dg.DagsterInstance, home: Home) -> list[str]:
    """Add the landing folders, and the agreements, that Dagster does not know yet; returns the new folders' keys."""
    _add(instance, "agreement", [path.stem for path in sorted(home.extract_agreements.glob("*.yaml"))])
    return _add(instance, "landing", [str(partition) for partition in home.partitions()])


def _add(instance: dg.DagsterInstance, name: str, keys: list[str]) -> list[str]:
    known = set(instance.get_dynamic_partitions(name))
    new = [key for key in keys if key not in known]
    if new:
        instance.add_dynamic_partitions(name, new)
    return new


def range_tags(keys: list[str]) -> dict[str, str]:
    """Tags that let one run cover all partitions from the first to the last key, in Dagster's order."""
    return {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
