"""Which layout a file is: by the fingerprint of its columns, narrowed by state, year and name."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from le_pipeline.errors import AmbiguousFileError, RefusedError, UnknownFileError
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import reading
from schemas.layout import ANY_ISSUER, NO_FEED, Layout


@dataclass(frozen=True)
class Recognised:
    """A file of a partition and the layouts it is read with, one per feed; or why it is refused."""

    path: Path
    layouts: tuple[Layout, ...] = ()
    refusal: RefusedError | None = None


def recognise_all(home: Home, partition: Partition, layouts: dict[str, Layout]) -> list[Recognised]:
    """Every file of a partition. A file that only serves recognised ones as a lookup has no layout and no refusal."""
    found = [recognise(path, partition, layouts) for path in home.files(partition)]
    beside = {
        item.path.with_name(lookup.file)
        for item in found
        for layout in item.layouts
        for lookup in layout.lookup.values()
    }
    return [Recognised(item.path) if item.refusal and item.path in beside else item for item in found]


def recognise(path: Path, partition: Partition | None, layouts: dict[str, Layout]) -> Recognised:
    """The layouts of one file. Without a partition, state and year do not narrow the choice."""
    headers: dict[str, list[str]] = {}
    troubles: list[RefusedError] = []
    matching: list[Layout] = []
    for layout in layouts.values():
        if partition and not _may_be_in(layout, partition):
            continue
        try:
            columns = headers.setdefault(layout.read.model_dump_json(), []) or reading.header(path, layout.read)
        except RefusedError as trouble:
            if _name_fits(layout, path):
                troubles.append(trouble)
            continue
        headers[layout.read.model_dump_json()] = columns
        if _name_fits(layout, path) and set(layout.recognise.columns) <= set(columns):
            matching.append(layout)
    try:
        return Recognised(path, _one_per_feed(matching)) if matching else _unknown(path, headers, troubles, layouts)
    except AmbiguousFileError as trouble:
        return Recognised(path, refusal=trouble)


def _may_be_in(layout: Layout, partition: Partition) -> bool:
    years = layout.recognise.school_years
    if years and not years[0] <= partition.school_year <= years[1]:
        return False
    states = layout.recognise.states or (None if layout.issuer == ANY_ISSUER else (layout.issuer,))
    return states is None or partition.state in states


def _name_fits(layout: Layout, path: Path) -> bool:
    return any(fnmatch.fnmatch(path.name.lower(), pattern.lower()) for pattern in layout.recognise.name)


def _one_per_feed(matching: list[Layout]) -> tuple[Layout, ...]:
    """Of several layouts of one feed the one that knows more columns of the file is meant; a tie is refused."""
    chosen: dict[str, Layout] = {}
    for layout in sorted(matching, key=lambda layout: -len(layout.recognise.columns)):
        other = chosen.setdefault(layout.feed, layout)
        if other is not layout and len(other.recognise.columns) == len(layout.recognise.columns):
            raise AmbiguousFileError(
                f"fits both layout {other.name} and layout {layout.name}; narrow one of them by name, years or columns"
            )
    if len(chosen) > 1:
        chosen.pop(NO_FEED, None)
    return tuple(chosen.values())


def _unknown(
    path: Path, headers: dict[str, list[str]], troubles: list[RefusedError], layouts: dict[str, Layout]
) -> Recognised:
    """Why no layout fits: damaged where its name fits a layout, else the nearest layout and the columns that differ."""
    best: tuple[float, str] = (0.0, "")
    for layout in layouts.values():
        columns = set(headers.get(layout.read.model_dump_json(), ()))
        wanted = set(layout.recognise.columns)
        near = len(columns & wanted) / len(wanted)
        if near > best[0]:
            best = near, _difference(layout, columns, path)
    if troubles and not best[1]:
        return Recognised(path, refusal=troubles[0])
    say = best[1] or "it shares no column with any layout; `le check FILE` shows its columns"
    return Recognised(path, refusal=UnknownFileError(f"no layout fits: {say}"))


def _difference(layout: Layout, columns: set[str], path: Path) -> str:
    missing = sorted(set(layout.recognise.columns) - columns)
    if missing:
        wanted = ", ".join(missing)
        return f"the nearest is {layout.name}, which looks for {wanted}; correct the file, or add a layout for it"
    if not _name_fits(layout, path):
        return f"the nearest is {layout.name}, whose files are named {' or '.join(layout.recognise.name)}"
    return f"the nearest is {layout.name}, which is for another state or year; check the folder it landed in"
