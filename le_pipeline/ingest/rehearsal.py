"""What would become of a file, without writing anything: recognised, read and judged as a run would, then forgotten."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import polars as pl

from le_pipeline.errors import DestroyedFileError, RefusedError, ToleranceError, UnreadableFileError
from le_pipeline.home import STATE_FOLDER, YEAR_FOLDER, Home, Partition, shown
from le_pipeline.ingest import drift
from le_pipeline.ingest.coded import as_texts
from le_pipeline.ingest.delivery import Account, Delivery, DeliveryReader
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.identity import identities
from le_pipeline.ingest.recognition import Recognised, looked_up, recognise
from le_pipeline.ingest.resolution import CONTENT, FATE, content_hash, fates, marks, part_of
from le_pipeline.privacy.agreement import coverage
from le_pipeline.privacy.keys import KEY_BYTES, Keys
from le_pipeline.warehouse.lake import Lake
from schemas.layout import ANY_ISSUER, NO_FEED, Layout


@dataclass
class Part:
    """What one layout would make of the file. `pointers` are the quarantine's rows: places and fixes, no values."""

    layout: Layout
    account: Account = field(default_factory=Account)
    pointers: pl.DataFrame = field(default_factory=pl.DataFrame)
    drift: list[str] = field(default_factory=list)
    refusal: RefusedError | None = None


@dataclass
class Rehearsal:
    """What would become of one document. Without a partition its state and year were not known.

    `is_lookup`: files beside it look values up in it, so that it needs no layout of its own. `note`: why it is not
    read.
    """

    name: str
    partition: Partition | None
    parts: list[Part] = field(default_factory=list)
    refusal: RefusedError | None = None
    is_lookup: bool = False
    note: str | None = None


def rehearse(home: Home, path: Path, state: str | None = None, year: int | None = None) -> list[Rehearsal]:
    """Read a file as a run would, in memory; one answer for each document in it.

    Raises:
        ContractError: a layout of the user's is wrong.
    """
    partition = _partition(path, state, year)
    if not os.path.lexists(path) or (path.is_dir() and not path.is_symlink()):
        return [Rehearsal(shown(path.name), partition, refusal=UnreadableFileError("is not there, or is not a file"))]
    if partition and (why := coverage(home).destroyed(partition)):
        return [Rehearsal(shown(path.name), partition, refusal=DestroyedFileError(why))]
    layouts = home.all_layouts()
    landing = home.landing if path.absolute().is_relative_to(home.landing) else None
    found = recognise(path, path.name, partition, layouts, landing)
    if any(item.refusal for item in found):
        others = [other for other in sorted(path.parent.iterdir()) if other.is_file() and other != path]
        beside = looked_up([item for other in others for item in recognise(other, other.name, partition, layouts)])
        beside |= looked_up(found)
        found = [replace(item, is_lookup=item.document in beside) for item in found]
    return [_rehearse(home, item, partition) for item in found]


def _rehearse(home: Home, item: Recognised, partition: Partition | None) -> Rehearsal:
    refusal = None if item.is_lookup else item.refusal
    result = Rehearsal(item.document.name, partition, refusal=refusal, is_lookup=item.is_lookup, note=item.note)
    for layout in item.layouts:
        result.parts.append(Part(layout) if layout.feed == NO_FEED else _read(home, item.document, layout, partition))
    return result


def _partition(path: Path, state: str | None, year: int | None) -> Partition | None:
    folders = Path(os.path.realpath(path.parent)).parts
    pairs = [(a, b) for a, b in pairwise(folders) if STATE_FOLDER.fullmatch(a) and YEAR_FOLDER.fullmatch(b)]
    state = state or (pairs[-1][0] if pairs else None)
    year = year or (int(pairs[-1][1]) if pairs else None)
    return Partition(state, year) if state and year else None


def _read(home: Home, document: Document, layout: Layout, partition: Partition | None) -> Part:
    years = layout.recognise.school_years
    if partition is None:  # no folder tells: any state and year of the layout will do to try the rows
        partition = Partition("XX" if layout.issuer == ANY_ISSUER else layout.issuer, years[1] if years else 2000)
    delivery = Delivery(document, layout, partition)
    part = Part(layout)
    try:
        chosen, _ = identities(delivery, {})
        reader = DeliveryReader(delivery, Keys(secrets.token_bytes(KEY_BYTES)), chosen)
        part.account = reader.account
        repeats, pointers = [], []
        for batch in reader.batches():
            said = as_texts(batch.accepted).select("source_row", part_of(layout.table), content_hash(layout.table))
            repeats.append(marks(batch.accepted, layout.table, 0, layout.correction).hstack(said))
            pointers.append(batch.quarantine)
        records = pl.concat(repeats)
        gone = fates(records, records[CONTENT].gather, [layout])
        for fate, count in gone[FATE].value_counts().iter_rows():
            part.account.book(fate, count)
        conflicts = gone.filter(pl.col(FATE) == "conflict")["index"]
        part.pointers = pl.concat([*pointers, reader.conflicts(records[conflicts])])
        looks = drift.profile(delivery, reader.filler)
        part.drift = drift.told(drift.compare(looks, delivery, reader.filler, Lake(home.lake)))
    except RefusedError as refusal:
        part.refusal = refusal
        return part
    share = part.account.quarantined_share(layout.tolerance)
    if share > layout.tolerance:
        part.refusal = ToleranceError(
            f"breaks rules in {share:.2%} of its records, over its tolerance of {layout.tolerance:.2%}"
        )
    return part
