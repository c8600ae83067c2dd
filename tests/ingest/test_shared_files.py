"""What becomes of every public file at hand: the account of each, held against shared_files.snapshot.txt.

The snapshot holds names of files, layouts, counts and reasons, and nothing of what the files hold. Where a layout has
changed on purpose, renew it and read the difference: `PYTHONPATH=. python tests/ingest/test_shared_files.py`.
"""

from __future__ import annotations

import fnmatch
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from le_pipeline.home import Home
from le_pipeline.ingest.rehearsal import Part, Rehearsal, rehearse
from schemas.layout import NO_FEED

DATA = Path(__file__).parents[2] / ".." / "shared" / "data"
SNAPSHOT = Path(__file__).with_name("shared_files.snapshot.txt")

# the landing folders that the files are meant for, and wrong ones for the files that a wrong year would ruin
FOLDERS = {
    "assessments/ACCESS/2021_to_2025_*": ["CO/2021"],
    "assessments/ACCESS/sample_*": ["CO/2026"],
    "assessments/ACT/*": ["SC/2025"],
    "assessments/Beacon/*_25_26.csv": ["NE/2026"],
    "assessments/Beacon/*": ["NE/2025"],
    "assessments/CERS/*": ["CA/2025"],
    "assessments/IN_ILEARN/*checkpoint*": ["IN/2026"],
    "assessments/IN_ILEARN/*": ["IN/2024", "OH/2024"],
    "assessments/Iowa/*": ["SC/2024"],
    "assessments/KRA/*_new.csv": ["SC/2025"],
    "assessments/KRA/*": ["SC/2023"],
    "assessments/MAP_Growth/*": ["TX/2022"],
    "assessments/Missouri_*/*": ["MO/2025", "KS/2025"],
    "assessments/STAAR_Interim/*": ["TX/2023"],
    "assessments/STAAR_Summative/*": ["TX/2022", "TX/2023", "TX/2024"],
    "assessments/STAR/*": ["SC/2024"],
    "assessments/i-Ready/*": ["SC/2026"],
    "oneroster/*": ["DC/2024"],
    "edfi_grandbend/*": ["TX/2022"],
    "ldoe_public/2016_*": ["LA/2016"],
    "ldoe_public/2018_*": ["LA/2018"],
    "ldoe_public/2019_*": ["LA/2019"],
}
NO_DELIVERIES = ["*/LICENSE", "assessments/STAAR_Summative/columns/*"]
COLUMNS = ("file", "folder", "layout", "read", "accepted", "quarantined", "excluded", "duplicate", "what came of it")


def files() -> Iterator[tuple[str, str]]:
    """Every file with each landing folder it is tried in."""
    for path in sorted(path for top in {name.split("/")[0] for name in FOLDERS} for path in (DATA / top).rglob("*")):
        name = path.relative_to(DATA).as_posix()
        if path.is_file() and not any(fnmatch.fnmatch(name, pattern) for pattern in NO_DELIVERIES):
            folders = next(places for pattern, places in FOLDERS.items() if fnmatch.fnmatch(name, pattern))
            yield from ((name, folder) for folder in folders)


def lines(home: Home) -> list[tuple[str, ...]]:
    """One line for each file, folder and layout."""
    found = []
    for name, folder in files():
        state, year = folder.split("/")
        for document in rehearse(home, DATA / name, state, int(year)):
            shown = f"{Path(name).parent.as_posix()}/{document.name}"
            if document.parts:
                found += [(shown, folder, part.layout.name, *told(part)) for part in document.parts]
            else:
                found.append((shown, folder, "", *[""] * 5, outcome(document)))
    return found


def told(part: Part) -> tuple[str, ...]:
    account = part.account.columns()
    if part.layout.feed == NO_FEED:
        return (*[""] * 5, "noted: holds nothing that is needed")
    reasons = json.loads(account["excluded_by_reason"]) | json.loads(account["quarantined_by_rule"])
    said = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
    held = f"refused: {part.refusal}" if part.refusal else ""
    parts = ("read", "accepted", "quarantined", "excluded", "duplicate")
    return (*(str(account[f"rows_{name}"]) for name in parts), "; ".join(filter(None, [said, held])))


def outcome(document: Rehearsal) -> str:
    if document.refusal:
        return f"refused: {document.refusal}"
    return "noted: others look values up in it" if document.is_lookup else f"noted: {document.note}"


def table(rows: list[tuple[str, ...]]) -> str:
    """The rows in columns that a person can read."""
    every = [COLUMNS, *rows]
    widths = [max(len(row[place]) for row in every) for place in range(len(COLUMNS) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip() + "\n"
        for row in every
    )


@pytest.mark.skipif(not DATA.exists(), reason=f"the public files are not at {DATA}")
def test_every_file_is_read_or_refused_as_the_snapshot_says(home: Home) -> None:
    rows = lines(home)

    assert table(rows) == SNAPSHOT.read_text(encoding="utf-8")
    for row in rows:
        read, *parts = (int(count or 0) for count in row[3:8])
        assert read == sum(parts), row


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        SNAPSHOT.write_text(table(lines(Home.at(Path(folder)))), encoding="utf-8")
