"""What is shown of extracts and releases: counts, shares, register and ledger, no row."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.markup import escape

from le_pipeline.home import Home
from le_pipeline.publish.extract import Extract
from le_pipeline.publish.register import DESTROYED
from le_pipeline.publish.release import Staged

SHOWN = ("recipient", "contact", "legal_basis", "purpose", "elements", "rows", "students", "destroy_by")


def made(extract: Extract) -> str:
    """An extract in a few lines: where it is, how many, how well hidden, what was lost."""
    measures, told = extract.measures, extract.manifest
    before, after = measures.risks_before, measures.risks
    t = "unknown" if measures.t is None else f"{measures.t:.3f}"
    without_school = f"{told['rows_without_school_and_teacher_share']:.1%} without school and teacher"
    lines = {
        "extract": f"{extract.folder}, on the register",
        "rows": f"{told['rows']:,} of {measures.students:,} students;"
        f" {told['rows_suppressed_share']:.1%} of the rows left out, {without_school}",
        "hidden": f"k = {measures.k}, l = {measures.l}, t = {t}; before, {before.uniqueness:.1%} were unique",
        "risk": f"{after.prosecutor:.3f} at most, {after.average:.3f} on average",
        "recoded": ", ".join(f"{name} {said['level']} of {said['of']}" for name, said in told["recoding"].items())
        + f"; loss {told['information_loss']:.3f}",
        "mind": "it is de-identified with a record code, not anonymous: hand it over as the agreement says",
    }
    return _block(lines)


def register(entries: Iterable[dict[str, Any]]) -> str:
    """The register, a block of lines for each extract."""
    every = list(entries)
    gone = {entry["folder"]: entry["at"][:10] for entry in every if entry["kind"] == DESTROYED}
    blocks = []
    for entry in every:
        if entry["kind"] == DESTROYED:
            continue
        covers = f"{entry['covers']['state']}, school years {', '.join(map(str, entry['covers']['school_years']))}"
        said = {"extract": entry["folder"], "made": entry["at"], "covers": covers}
        said |= {name: _text(entry[name]) for name in SHOWN}
        blocks.append(_block(said | {"destroyed": gone.get(entry["folder"], "not yet, by the recipient's word")}))
    if not blocks:
        return "No extract was ever handed out."
    return "\n\n".join([*blocks, _block({"head": f"{every[-1]['hash']}; keep a copy elsewhere"})])


def released(home: Home, staged: Staged) -> str:
    """A release in a few lines: where it is, how much of it is shown, and what the audit rests on."""
    counted, tables = staged.counted, staged.manifest["tables"]
    before = staged.manifest["audit"]["together_with"]
    lines = {"release": f"{home.published / staged.release}, in the ledger; published/current is this one"}
    for name, said in tables.items():
        lines[name] = (
            f"{said['rows']:,} rows, {said['figures_not_shown']:,} figures not shown;"
            f" {counted['rows_left_out'][name]:,} rows left out"
        )
    for gone in staged.manifest["not_released_again"]:
        what = " ".join(str(gone[name]) for name in ("people", "state", "school_year", "subject") if gone[name])
        lines[what] = "changed since it was released, and is not released again (docs/releases.md)"
    lines["audit"] = (
        f"passed: none of {counted['protected']:,} protected counts can be worked out"
        + f", nor with the {len(before)} earlier releases" * bool(before)
    )
    return _block(lines)


def releases(entries: Iterable[dict[str, Any]]) -> str:
    """Every release, a line each."""
    lines = [f"{entry['release']}  {entry['at']}  {entry['shown']:,} of {entry['cells']:,} counts" for entry in entries]
    return "\n".join(lines) or "Nothing was ever released."


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _block(lines: dict[str, str]) -> str:
    width = max(map(len, lines)) + 2
    return "\n".join(f"{name.replace('_', ' '):<{width}}{escape(text)}" for name, text in lines.items())
