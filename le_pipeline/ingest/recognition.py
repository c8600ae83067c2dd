"""Which layout a file is: by the fingerprint of its columns, narrowed by state, year and name."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from pathlib import Path

from le_pipeline.errors import AmbiguousFileError, RefusedError, UnknownFileError, UnreadableFileError
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import reading
from schemas.layout import NO_FEED, Layout


@dataclass(frozen=True)
class Recognised:
    """A file of a partition and the layouts it is read with, one per feed; or why it is refused.

    `is_lookup`: recognised files look values up in it, so that it needs no layout of its own.
    """

    path: Path
    layouts: tuple[Layout, ...] = ()
    refusal: RefusedError | None = None
    is_lookup: bool = False


Header = list[str] | RefusedError


def recognise_all(home: Home, partition: Partition, layouts: dict[str, Layout]) -> list[Recognised]:
    """Every file of a partition."""
    found = [
        recognise(path, partition, layouts) if path.resolve().is_relative_to(home.landing) else _escaped(path)
        for path in home.files(partition)
    ]
    beside = looked_up(found)
    return [replace(item, is_lookup=item.path in beside) for item in found]


def looked_up(found: list[Recognised]) -> set[Path]:
    """The files in which recognised ones look values up."""
    return {
        item.path.with_name(lookup.file)
        for item in found
        for layout in item.layouts
        for lookup in layout.lookup.values()
    }


def recognise(path: Path, partition: Partition | None, layouts: dict[str, Layout]) -> Recognised:
    """The layouts of one file. Without a partition, state and year do not narrow the choice."""
    headers = _headers(path, layouts)
    possible = [
        layout
        for layout in layouts.values()
        if _name_fits(layout, path) and (partition is None or _may_be_in(layout, partition))
    ]
    matching = [layout for layout in possible if set(layout.recognise.columns) <= set(_columns(headers[layout.name]))]
    # a sheet without a row delivers nothing, as long as another sheet of the workbook does
    filled = [layout for layout in matching if not layout.read.sheet or reading.whole(path, layout.read).height]
    try:
        if matching:
            return Recognised(path, _one_per_feed(filled or matching))
    except AmbiguousFileError as trouble:
        return Recognised(path, refusal=trouble)
    is_workbook = path.suffix.lower() in reading.WORKBOOK_SUFFIXES
    # that a workbook lacks a sheet which some layout asks for by name is no damage
    unnamed = [layout for layout in possible if not layout.read.sheet]
    meant = [headers[layout.name] for layout in unnamed if (layout.read.format == "excel") == is_workbook]
    troubles = [header for header in meant if isinstance(header, RefusedError)]
    return Recognised(path, refusal=_unknown(path, headers, troubles, layouts))


def _escaped(path: Path) -> Recognised:
    return Recognised(path, refusal=UnreadableFileError("is a link to a place outside landing; land the file itself"))


def _headers(path: Path, layouts: dict[str, Layout]) -> dict[str, Header]:
    """The header of the file as each layout reads it, or why it cannot; every way of reading is tried once."""
    tried: dict[str, Header] = {}
    for layout in layouts.values():
        way = _way(layout)
        if way not in tried:
            try:
                tried[way] = reading.header(path, layout.read)
            except RefusedError as trouble:
                tried[way] = trouble
    return {layout.name: tried[_way(layout)] for layout in layouts.values()}


def _way(layout: Layout) -> str:
    return layout.read.model_dump_json(exclude={"nulls"})


def _columns(header: Header) -> list[str]:
    return header if isinstance(header, list) else []


def _may_be_in(layout: Layout, partition: Partition) -> bool:
    years = layout.recognise.school_years
    if years and not years[0] <= partition.school_year <= years[1]:
        return False
    return layout.states is None or partition.state in layout.states


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
    path: Path, headers: dict[str, Header], troubles: list[RefusedError], layouts: dict[str, Layout]
) -> RefusedError:
    """Why no layout fits: damaged where its name fits a layout, else the nearest layout and the columns that differ.

    Only columns that a layout names are told: where the header is missing, the first row is somebody's record.
    """
    best: tuple[float, str] = (0.0, "")
    for layout in layouts.values():
        columns = set(_columns(headers[layout.name]))
        wanted = set(layout.recognise.columns)
        near = len(columns & wanted) / len(wanted)
        if near > best[0]:
            best = near, _difference(layout, columns, path)
    if troubles and not best[1]:
        return troubles[0]
    return UnknownFileError(f"no layout fits: {best[1] or 'it shares no column with any layout; is its header there?'}")


def _difference(layout: Layout, columns: set[str], path: Path) -> str:
    missing = sorted(set(layout.recognise.columns) - columns)
    if missing:
        wanted = ", ".join(missing)
        return f"the nearest is {layout.name}, which looks for {wanted}; correct the file, or add a layout for it"
    if not _name_fits(layout, path):
        return f"the nearest is {layout.name}, whose files are named {' or '.join(layout.recognise.name)}"
    return f"the nearest is {layout.name}, which is for another state or year; check the folder it landed in"
