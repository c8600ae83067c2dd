"""The request as a document: the prose of request.md around what the contracts say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

from le_pipeline.request import words
from schemas.layout import Layout
from schemas.registry import Table

PROSE = Path(__file__).with_name("request.md")
FORMATS = {
    "delimited": "delimited text",
    "fixed_width": "fixed-width text",
    "excel": "Excel",
    "parquet": "Parquet",
    "json_lines": "JSON lines",
}


def document(state: str, layouts: dict[str, Layout]) -> str:
    """The document for a state; the same contracts and layouts always give the same text."""
    feeds = words.feeds()
    return Template(PROSE.read_text(encoding="utf-8")).substitute(
        state=state,
        overview=_table(
            ("Feed", "What it holds", "Why we ask"),
            [(f"[{feed}](#{feed})", table.description, table.purpose or "") for feed, table in feeds.items()],
        ),
        feeds="\n\n".join(
            _feed(feed, table, words.known_files(layouts.values(), feed, state)) for feed, table in feeds.items()
        ),
        rules=_table(words.RULE_COLUMNS, words.rule_rows()),
    )


def _feed(feed: str, table: Table, known: list[Layout]) -> str:
    facts = [f"{table.grain}.", *words.conditions(table)]
    files = [_file(layout) for layout in known] or ["None yet: send us the header of yours, and we write the layout."]
    return "\n\n".join(
        [
            f"### {feed}",
            f"{table.description} {table.purpose or ''}",
            _bullets(facts),
            _table(words.FIELD_COLUMNS, words.field_rows(table)),
            "Files of yours that we read as they are:",
            _bullets(files),
        ]
    )


def _file(layout: Layout) -> str:
    """What the file is, what narrows or completes it, and the columns that are taken of it."""
    told = [f"**{layout.name}** ({FORMATS[layout.read.format]}): {layout.about}"]
    if layout.recognise.name != ("*",):
        told.append(f"named {' or '.join(layout.recognise.name)}")
    if years := layout.recognise.school_years:
        told.append(f"school years {years[0]} to {years[1]}")
    beside = dict.fromkeys(lookup.file for lookup in layout.lookup.values() if not lookup.optional)
    if beside:
        told.append(f"with {', '.join(beside)} in the same folder")
    if welcome := dict.fromkeys(lookup.file for lookup in layout.lookup.values() if lookup.file not in beside):
        told.append(f"where you have it, {', '.join(welcome)} too")
    columns = ", ".join(f"`{name}`" for name in words.columns_of(layout))
    return f"{'; '.join(told)}. Columns: {columns}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
