"""Which layout a document is: by the fingerprint of its columns and their cells, narrowed by state, year and name."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import polars as pl

from le_pipeline.errors import AmbiguousFileError, DestroyedFileError, RefusedError, UnknownFileError
from le_pipeline.home import Home, Partition, shown
from le_pipeline.ingest import reading, text, workbook
from le_pipeline.ingest.document import Document, State, check_file, documents, state_of
from le_pipeline.ingest.drift import ALIKE, likeness_of_names
from le_pipeline.ingest.filling import LOOKS_LIKE_DATA
from le_pipeline.privacy.agreement import coverage
from schemas.layout import NO_FEED, Layout, Read

SUFFIXES = {".parquet": "parquet", ".jsonl": "json_lines", ".ndjson": "json_lines"}
FITTING_SHARE = 0.9  # a real file has a wrong cell here and there
HALF = 0.5


@dataclass(frozen=True)
class Recognised:
    """A document of a partition and the layouts it is read with, one per feed; or why it is refused.

    `is_lookup`: recognised files look values up in it, so that it needs no layout of its own. `note`: why it is not
    read although nothing is wrong with it.
    """

    document: Document
    layouts: tuple[Layout, ...] = ()
    refusal: RefusedError | None = None
    is_lookup: bool = False
    note: str | None = None


Found = list[str] | RefusedError


def recognise_all(home: Home, partition: Partition, layouts: dict[str, Layout]) -> list[Recognised]:
    """Every document of a partition. Each feed asks for them, so the last answers are kept while no file changes.

    Where the data of the agreement that covers the partition were destroyed, no file is opened: each is refused.
    """
    if why := coverage(home).destroyed(partition):
        documents = (
            Document(path, shown(path.relative_to(home.landing).as_posix()), is_closed=True)
            for path, _ in _there(home.files(partition))
        )
        return [Recognised(document, refusal=DestroyedFileError(why)) for document in documents]
    return list(_recognise_all(home.landing, partition, tuple(_there(home.files(partition))), _Layouts(layouts)))


def _there(paths: list[Path]) -> Iterator[tuple[Path, State]]:
    """The files that have not been taken away while the folder was looked through."""
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, state_of(path)


class _Layouts(dict[str, Layout]):
    """Layouts that can be told from others: by their names and what is in them."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple((name, layout.hash) for name, layout in self.items()))


@lru_cache(maxsize=16)
def _recognise_all(
    landing: Path, partition: Partition, files: tuple[tuple[Path, State], ...], layouts: _Layouts
) -> tuple[Recognised, ...]:
    found = [
        item
        for path, _ in files
        for item in recognise(path, path.relative_to(landing).as_posix(), partition, layouts, landing)
    ]
    beside = looked_up(found)
    return tuple(replace(item, is_lookup=item.document in beside) for item in found)


def looked_up(found: list[Recognised]) -> set[Document]:
    """The documents in which recognised ones look values up."""
    beside = (
        item.document.beside(lookup.file)
        for item in found
        for layout in item.layouts
        for lookup in layout.lookup.values()
    )
    return {document for document in beside if document}


def recognise(
    path: Path, name: str, partition: Partition | None, layouts: dict[str, Layout], landing: Path | None = None
) -> list[Recognised]:
    """The documents of one file with their layouts. Without a partition, state and year do not narrow the choice.

    Args:
        path: the delivered file.
        name: what it is called in messages and tables.
        partition: the landing folder's state and year.
        layouts: those to choose from.
        landing: a folder that the file must lie in, wherever a link may lead.
    """
    whole = Document(path, shown(name))
    try:
        check_file(path, name, landing)
    except RefusedError as refusal:
        return [Recognised(replace(whole, is_closed=True), refusal=refusal)]
    except FileNotFoundError:  # it was taken away while the folder was looked through
        return []
    try:
        found = documents(path, name)
    except RefusedError as refusal:
        return [Recognised(whole, refusal=refusal)]
    return [item for document in found for item in _recognise(document, partition, layouts)]


def _recognise(document: Document, partition: Partition | None, layouts: dict[str, Layout]) -> Iterator[Recognised]:
    """A workbook is its first sheet, and beside it each sheet that a layout asks for by name."""
    by_sheet = {name: layout for name, layout in layouts.items() if layout.read.sheet}
    first = _match(document, partition, {name: layout for name, layout in layouts.items() if name not in by_sheet})
    if not document.is_workbook or _broken(document):
        yield first
        return
    sheets = [document.of_sheet(sheet) for sheet in workbook.sheets(document)]
    others = [_match(sheet, partition, _asking_for(sheet, by_sheet)) for sheet in sheets]
    taken = [item for item in others if item.layouts]
    # a sheet without a row delivers nothing, as long as another sheet of the workbook does
    taken = [item for item in taken if _has_rows(item)] or taken
    if first.layouts or not taken:
        yield _nearer(first, others)
    yield from taken
    if first.layouts or taken:
        left = others[1:] if first.layouts else others
        names = {item.document.name for item in taken}
        for item in (item for item in left if item.document.name not in names):
            # one that has most columns of what asks for it is meant for it; to leave it out would go unseen
            is_meant = any(
                _has_most_columns(item.document, layout) for layout in _asking_for(item.document, by_sheet).values()
            )
            yield item if is_meant and item.refusal else Recognised(item.document, note="no layout takes this sheet")


def _has_most_columns(document: Document, layout: Layout) -> bool:
    try:
        columns = reading.header(document, layout.read, layout.recognise.columns).columns
    except RefusedError:
        return False
    wanted = layout.recognise.columns
    return 2 * len({*wanted} & {*columns}) > len(wanted)


def _has_rows(item: Recognised) -> bool:
    layout = item.layouts[0]
    return not reading.sample(item.document, layout.read, layout.recognise.columns).is_empty()


def _broken(document: Document) -> bool:
    try:
        workbook.sheets(document)
    except RefusedError:
        return True
    return False


def _asking_for(document: Document, layouts: dict[str, Layout]) -> dict[str, Layout]:
    return {
        name: layout
        for name, layout in layouts.items()
        if any(fnmatch.fnmatchcase(document.sheet or "", pattern) for pattern in layout.read.sheet or ())
    }


def _nearer(first: Recognised, others: list[Recognised]) -> Recognised:
    """Where nothing fits, a sheet that came near by its name says more than the first sheet does."""
    near = [item.refusal for item in others if isinstance(item.refusal, UnknownFileError) and item.refusal.is_near]
    known = first.layouts or not isinstance(first.refusal, UnknownFileError) or first.refusal.is_near
    return first if known or not near else replace(first, refusal=near[0])


def _match(document: Document, partition: Partition | None, layouts: dict[str, Layout]) -> Recognised:
    headers = _headers(document, layouts)
    possible = [
        layout
        for layout in layouts.values()
        if _name_fits(layout, document) and (partition is None or _may_be_in(layout, partition))
    ]
    matching = [
        layout
        for layout in possible
        if set(layout.recognise.columns) <= set(_columns(headers[layout.name])) and not misfits(document, layout)
    ]
    try:
        if matching:
            return Recognised(document, _one_per_feed(matching))
    except AmbiguousFileError as trouble:
        return Recognised(document, refusal=trouble)
    meant = [headers[layout.name] for layout in possible if _is_meant(document, layout.read)]
    troubles = [found for found in meant if isinstance(found, RefusedError)]
    return Recognised(document, refusal=_unknown(document, headers, troubles, layouts))


def misfits(document: Document, layout: Layout) -> list[str]:
    """Columns whose cells are not what the layout's fingerprint says, in the first thousand rows."""
    wanted = layout.recognise.values
    if not wanted:
        return []
    try:
        if layout.read.positions and text.longest_line(document, layout.read) < max(
            layout.read.positions[column][1] for column in layout.recognise.columns
        ):
            return list(wanted)  # most text files end before; to cut them up would cost more than all other looks
        rows = reading.sample(document, layout.read, layout.recognise.columns)
    except RefusedError:
        return list(wanted)
    return [column for column, pattern in wanted.items() if not _fits(rows, column, pattern)]


def _fits(rows: pl.DataFrame, column: str, pattern: str) -> bool:
    if column not in rows.columns:
        return False
    cells = rows[column].str.strip_chars().drop_nulls()
    cells = cells.filter(cells != "")
    return not cells.is_empty() and cells.str.contains(f"^(?:{pattern})$").sum() >= FITTING_SHARE * cells.len()


def _is_meant(document: Document, read: Read) -> bool:
    """Whether the file's name is one for the way of reading, so that its trouble is the file's trouble."""
    suffix = Path(document.file_name).suffix.lower()
    return read.format == ("excel" if document.is_workbook else SUFFIXES.get(suffix, "delimited"))


def _names_its_format(document: Document) -> bool:
    return document.is_workbook or Path(document.file_name).suffix.lower() in SUFFIXES


def _headers(document: Document, layouts: dict[str, Layout]) -> dict[str, Found]:
    """The header of the file as each layout reads it, or why it cannot; every way of reading is tried once."""
    tried: dict[str, Found] = {}
    for layout in layouts.values():
        way = _way(layout)
        if way not in tried:
            try:
                tried[way] = reading.header(document, layout.read, layout.recognise.columns).columns
            except RefusedError as trouble:
                tried[way] = trouble
    return {layout.name: tried[_way(layout)] for layout in layouts.values()}


def _way(layout: Layout) -> str:
    wanted = layout.recognise.columns if layout.read.preamble else ()
    return f"{layout.read.model_dump_json(exclude={'nulls', 'sheet'})}{wanted}"


def _columns(found: Found) -> list[str]:
    return found if isinstance(found, list) else []


def _may_be_in(layout: Layout, partition: Partition) -> bool:
    years = layout.recognise.school_years
    if years and not years[0] <= partition.school_year <= years[1]:
        return False
    return layout.states is None or partition.state in layout.states


def _name_fits(layout: Layout, document: Document) -> bool:
    return any(fnmatch.fnmatch(document.file_name.lower(), pattern.lower()) for pattern in layout.recognise.name)


def _one_per_feed(matching: list[Layout]) -> tuple[Layout, ...]:
    """Of several layouts of one feed the one that knows more of the file is meant; a tie is refused."""
    chosen: dict[str, Layout] = {}
    for layout in sorted(matching, key=lambda layout: -_knows(layout)):
        other = chosen.setdefault(layout.feed, layout)
        if other is not layout and _knows(other) == _knows(layout):
            raise AmbiguousFileError(
                f"fits both layout {other.name} and layout {layout.name}; narrow one of them by name, years or columns"
            )
    if len(chosen) > 1:
        chosen.pop(NO_FEED, None)
    return tuple(chosen.values())


def _knows(layout: Layout) -> int:
    return len(layout.recognise.columns) + len(layout.recognise.values)


def _unknown(
    document: Document, headers: dict[str, Found], troubles: list[RefusedError], layouts: dict[str, Layout]
) -> RefusedError:
    """Why no layout fits: damaged where its name fits a layout, else the nearest layout and the columns that differ.

    A layout that has no more than half of its columns there says less than what is known of the damage: `Name` alone
    makes no fellow list of a workbook that is called a text file. Only columns that a layout names are told: where the
    header is missing, the first row is somebody's record.
    """
    best: tuple[float, str] = (0.0, "")
    best_of_others: tuple[float, str] = (0.0, "")
    for layout in layouts.values():
        columns = set(_columns(headers[layout.name]))
        wanted = set(layout.recognise.columns)
        near = len(columns & wanted) / len(wanted)
        fits = _name_fits(layout, document)
        if layout.names_its_columns:  # which then say nothing about the file; its name does
            near = 0.01 * (fits and layout.recognise.name != ("*",))
            if not fits:
                continue
        if layout.recognise.name != ("*",) and fits:
            near *= 1.01
        if layout.recognise.values and columns and not misfits(document, layout):
            near += 1
        if fits and near > best[0]:
            best = near, _difference(document, layout, columns)
        elif near > best_of_others[0]:
            best_of_others = near, _difference(document, layout, columns)
    if troubles and (best[0] <= HALF or _names_its_format(document)):
        return troubles[0]
    told = best[1] or best_of_others[1] or "it shares no column with any layout; is its header there?"
    return UnknownFileError(f"no layout fits: {told}", is_near=bool(best[1] or best_of_others[1]))


def _renamed(layout: Layout, missing: list[str], columns: set[str]) -> dict[str, str]:
    """New names that missing columns most likely have, where so many others are there that the header is one."""
    wanted = layout.recognise.columns
    if 2 * len(missing) > len(wanted):
        return {}
    known = {*wanted, *(name for _, source in layout.sources() for name in layout.named(source))}
    others = sorted(name for name in columns - known if not LOOKS_LIKE_DATA.search(name))
    alike = {name: max(others, key=lambda other: likeness_of_names(name, other), default="") for name in missing}
    return {name: other for name, other in alike.items() if other and likeness_of_names(name, other) >= ALIKE}


def _difference(document: Document, layout: Layout, columns: set[str]) -> str:
    nearest = f"the nearest is {layout.name}, "
    if missing := sorted(set(layout.recognise.columns) - columns):
        renamed = _renamed(layout, missing, columns)
        looked_for = ", ".join(f"{name} (now {renamed[name]}?)" if name in renamed else name for name in missing)
        return f"{nearest}which looks for {looked_for}; correct the file, or add a layout for it"
    if not _name_fits(layout, document):
        return f"{nearest}whose files are named {' or '.join(layout.recognise.name)}"
    if wrong := misfits(document, layout):
        return (
            f"{nearest}whose {' and '.join(wrong)} looks otherwise, as in another year's file;"
            " check the folder it landed in, or add a layout for it"
        )
    return f"{nearest}which is for another state or year; check the folder it landed in"
