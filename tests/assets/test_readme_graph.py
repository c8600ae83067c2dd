"""The picture in the README is the asset graph as it is defined."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg

from assets.definitions import build_defs
from le_pipeline.home import Home

README = Path(__file__).parents[2] / "README.md"
PICTURE = re.compile(r"```mermaid\n(.*?)```", re.DOTALL)
GROUPS = ("ingest", "link", "measure", "warehouse", "privacy", "publish")
ASIDE = (
    "delivery",
    "quarantine",
    "identity_match",
    "column_profile",
    "column_drift",
    "candidate",
)  # every table leads to them, so their arrows would hide the rest
BEFORE_ALL = ("landing", "agreement")  # likewise, they lead to every feed


def picture(specs: list[dg.AssetSpec]) -> str:
    """A flowchart in Mermaid: a box per group, an arrow per dependency, but for those that everything has."""
    lines = ["flowchart LR"]
    for group in GROUPS:
        lines.append(f"    subgraph {group}")
        lines += sorted(f"        {spec.key.path[-1]}" for spec in specs if spec.group_name == group)
        lines.append("    end")
    arrows = [
        f"    {dep.asset_key.path[-1]} --> {spec.key.path[-1]}"
        for spec in specs
        for dep in spec.deps
        if spec.key.path[-1] not in ASIDE and dep.asset_key.path[-1] not in BEFORE_ALL
    ]
    return "\n".join([*lines, *sorted(arrows), "    measure --> candidate", ""])


def test_the_picture_shows_every_asset_and_dependency(home: Home) -> None:
    found = PICTURE.search(README.read_text(encoding="utf-8"))

    assert found
    assert found[1] == picture(list(build_defs(home).resolve_all_asset_specs()))
