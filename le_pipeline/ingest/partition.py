"""One feed of one state and school year, whole: a pure function of the landing folder, the layouts and the key.

What is written, in this order: identities to the vault, the table, the quarantine, the delivery, and last the note of
what it was made from. A run that is cut off leaves the note behind, so the next one does the work again.
"""

from __future__ import annotations

import dataclasses
import datetime
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from le_pipeline.errors import NamedFileError, RefusedError, ToleranceError, TruncatedFileError
from le_pipeline.files import hash_of
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import mending, record
from le_pipeline.ingest.delivery import Account, Delivery, DeliveryReader, rejected_rows
from le_pipeline.ingest.drift import DRIFT, PROFILE, compare, profile
from le_pipeline.ingest.identity import MATCH, identities, roster_ids
from le_pipeline.ingest.naming import is_named_after_somebody, withheld
from le_pipeline.ingest.recognition import Recognised, recognise_all
from le_pipeline.ingest.resolution import CONTENT, FATE, ORDER, content_hash, fates, marks, part_of
from le_pipeline.privacy.agreement import coverage
from le_pipeline.privacy.keys import Keys, verify
from le_pipeline.privacy.vault import Vault, VaultWriter
from le_pipeline.warehouse.engine import code_version, empty
from le_pipeline.warehouse.lake import Lake, polars_schema, replace, scan
from schemas import registry, rules
from schemas.layout import Layout

SHRINK_SHARE, SHRINK_ROWS = 0.5, 20
# keys, which are random, gain nothing from a higher level; nor does a reader from the bounds of a column in no order
WRITTEN: Any = {"compression": "zstd", "compression_level": 1, "statistics": False}
CODE = code_version(Path(__file__).parent, *(Path(__file__).parents[1] / "privacy").glob("*.py"), rules.FILE)


@dataclass
class FeedReport:
    """What became of one feed of one partition.

    `is_current`: nothing had changed, so nothing was done. `held_by`: why the table was not replaced, per file.
    `matches`, `drift`: the feed's rows of canonical.identity_match and canonical.column_drift.
    """

    feed: str
    partition: Partition
    rows: int = 0
    is_current: bool = False
    deliveries: pl.DataFrame = field(default_factory=lambda: empty(record.TABLE))
    held_by: dict[str, str] = field(default_factory=dict)
    matches: pl.DataFrame = field(default_factory=lambda: empty(MATCH))
    drift: pl.DataFrame = field(default_factory=lambda: empty(DRIFT))

    @property
    def is_replaced(self) -> bool:
        """Whether the table holds what the landing folder says."""
        return not self.held_by


@dataclass
class _Read:
    """A delivery that was read: its account, and why it is refused or held, if it is."""

    delivery: Delivery
    received_at: datetime.datetime
    account: Account
    reader: DeliveryReader | None = None
    refusal: RefusedError | None = None

    @property
    def name(self) -> str:
        """What it is called in tables and messages; the name of a person is not told."""
        return withheld(self.delivery) if isinstance(self.refusal, NamedFileError) else self.delivery.name


@dataclass
class _Intake:
    """Where the batches of all files go until it is known which of them stay."""

    staging: Path
    identity: VaultWriter
    rejected: VaultWriter
    pointers: list[pl.DataFrame]
    matches: list[pl.DataFrame]
    profiles: list[pl.DataFrame]
    drifts: list[pl.DataFrame]
    marks: list[pl.DataFrame] = field(default_factory=list)  # what tells of each staged record whether it stays
    voided: list[pl.DataFrame] = field(default_factory=list)  # the same of results that are declared void

    @property
    def staged(self) -> list[Path]:
        return sorted(self.staging.glob("*.parquet"))


def ingest_feed(home: Home, keys: Keys, feed: str, partition: Partition) -> FeedReport:
    """Bring one feed of one partition into the lake.

    Returns:
        The report. A file that is refused, or over its tolerance, holds the table as it was and is named in `held_by`;
        a refused file that was never part of the table does not.

    Raises:
        ContractError: a layout of the user's is wrong.
        KeyFileError, BusyError: as their names say.
    """
    with home.lock(f"ingest.{feed}.{partition}"):
        verify(home, keys)  # it may have been changed while this waited
        return _Ingest(home, keys, feed, partition).run()


def is_current(home: Home, keys: Keys, partition: Partition) -> bool:
    """Whether bringing the partition in would change nothing."""
    before, now = record.unclaimed(home, partition)
    return now.equals(before) and all(_Ingest(home, keys, feed, partition).is_current() for feed in registry.feeds())


def left_out(deliveries: pl.DataFrame) -> list[str]:
    """What later deliveries no longer have, file by file, and what to do where that is a mistake."""
    gone = deliveries.filter(pl.col("rows_left_out") > 0).select("path", "rows_left_out")
    return [
        f"{path}: {rows:,} of its records are not in what took its place; where that is a mistake, land the whole file"
        for path, rows in gone.iter_rows()
    ]


def held_back(home: Home) -> list[str]:
    """Why tables were not replaced by the last run, file by file."""
    return [reason for note in Lake(home.lake).notes("ingest") for reason in note["held_by"].values()]


class _Ingest:
    def __init__(self, home: Home, keys: Keys, feed: str, partition: Partition) -> None:
        self.home, self.keys, self.feed, self.partition = home, keys, feed, partition
        self.table = registry.feeds()[feed]
        self.lake = Lake(home.lake)
        self.vault = Vault(home, keys)
        self.before = record.on_record(home, feed, partition)
        self.note = f"ingest/{feed}.{partition}"
        self.alike: list[Delivery] = []  # every file that is to be read, those with the content of another included
        self.named: set[str] = set()  # files that are named after somebody in them

    def is_current(self) -> bool:
        if coverage(self.home).destroyed(self.partition):
            return True
        recognised = recognise_all(self.home, self.partition, self.home.all_layouts())
        note = self.lake.note(self.note)
        return bool(note and note["from"] == self._made_from(self._in_order(recognised), recognised))

    def run(self) -> FeedReport:
        if coverage(self.home).destroyed(self.partition):
            return self._unchanged(0, {})
        if not self.home.files(self.partition):
            # a folder without a file looks like a disk that is not mounted: what came from it stays
            return self._unchanged(self._rows_in_lake(), {})
        recognised = recognise_all(self.home, self.partition, self.home.all_layouts())
        deliveries = self._in_order(recognised)
        made_from = self._made_from(deliveries, recognised)
        note = self.lake.note(self.note)
        if note and note["from"] == made_from:
            return self._unchanged(note["rows"], note["held_by"])
        report = FeedReport(self.feed, self.partition, held_by=self._spoiled(recognised))
        if not deliveries and self.before.is_empty():
            report.held_by = {}
        else:
            self._bring_in(deliveries, report)
        self.lake.write_note(self.note, {"from": made_from, "rows": report.rows, "held_by": report.held_by})
        return report

    def _unchanged(self, rows: int, held_by: dict[str, str]) -> FeedReport:
        where = (self.partition.state, self.partition.school_year)
        matches, drift = (
            self.lake.remembered(table, [self.lake.part(table, self.feed, *where)]) for table in (MATCH, DRIFT)
        )
        return FeedReport(self.feed, self.partition, rows, True, self.before, held_by, matches, drift)

    # -- what there is to read -----------------------------------------------------------------------------------

    def _in_order(self, recognised: list[Recognised]) -> list[tuple[Delivery, datetime.datetime]]:
        """This feed's deliveries, the earliest first: by when they were first seen, then by file time and name."""
        seen = dict(self.before.select("delivery_id", "received_at").iter_rows())
        now = record.now()
        found = []
        for item in recognised:
            for layout in item.layouts:
                if layout.feed == self.feed:
                    delivery = Delivery(item.document, layout, self.partition)
                    found.append((delivery, seen.get(delivery.delivery_id, now)))
        return sorted(found, key=lambda pair: (pair[1], pair[0].document.state[2], pair[0].name))

    def _made_from(
        self, deliveries: list[tuple[Delivery, datetime.datetime]], recognised: list[Recognised]
    ) -> list[Any]:
        beside = (d.document.beside(look.file) for d, _ in deliveries for look in d.layout.lookup.values())
        looked_up = sorted({document.file_hash for document in beside if document})
        return [
            CODE,
            self.keys.key_id,
            hash_of(registry.HERE / "reference" / "achievement_level.csv"),
            [[d.delivery_id, d.layout.hash] for d, _ in deliveries],
            looked_up,
            self._rosters_made_from([d.layout for d, _ in deliveries]),
            mending.made_from(self.vault, self.feed, self.partition),
            sorted(self._spoiled(recognised).items()),
        ]

    def _spoiled(self, recognised: list[Recognised]) -> dict[str, str]:
        """Files that were part of the table and have been overwritten by what cannot be read, or is of another kind."""
        earlier = set(self.before.filter(pl.col("delivery_status") == "accepted")["path"])
        found = {}
        for item in recognised:
            name = item.document.name
            feeds = [layout.feed for layout in item.layouts]
            # of an archive or workbook that cannot be opened any more, what was in it counts
            held = name in earlier or (
                item.refusal and any(path.startswith((f"{name}/", f"{name}#")) for path in earlier)
            )
            if not held or self.feed in feeds:
                continue
            other = f"is now a file for {' and '.join(feeds)}; land that one under a name of its own"
            found[name] = f"{name} {item.refusal or item.note or other}"
        return found

    def _rosters_made_from(self, layouts: list[Layout]) -> list[Any]:
        """What the rosters hold that the ids of these layouts are tried against; a new roster is new evidence."""
        fields = {name for layout in layouts for name, source in layout.fill.items() if source.candidates}
        notes = [
            self.lake.note(f"ingest/{table.feed}.{self.partition}")
            for table in registry.rosters(self.table)
            if table.roster[0] in fields
        ]
        return [note["from"] for note in notes if note]

    def _rosters(self) -> dict[str, pl.DataFrame]:
        """For each id field the ids on its roster, read from the vault."""
        tables = {table.roster[0]: table for table in registry.rosters(self.table)}
        return {
            field: roster_ids(self.vault.read(f"{table.feed}/{self.partition}.identity"), table)
            for field, table in tables.items()
        }

    # -- reading it ----------------------------------------------------------------------------------------------

    def _bring_in(self, deliveries: list[tuple[Delivery, datetime.datetime]], report: FeedReport) -> None:
        name = f"{self.feed}/{self.partition}"
        with (
            self._staging() as staging,
            self.vault.replacing(f"{name}.identity") as identity,
            self.vault.replacing(f"{name}.quarantine") as rejected,
        ):
            intake = _Intake(
                staging,
                identity,
                rejected,
                [empty(registry.tables()["quarantine"])],
                [empty(MATCH)],
                [empty(PROFILE)],
                [empty(DRIFT)],
            )
            rosters = self._rosters() if any(d.layout.has_candidates for d, _ in deliveries) else {}
            self.alike = [delivery for delivery, _ in deliveries]
            reads = [
                self._read(order, delivery, received, intake, rosters)
                for order, (delivery, received) in enumerate(_once_per_content(deliveries))
            ]
            gone = self._resolve(reads, intake)
            self._judge(reads, report)
            repeats = self._repeats(deliveries, reads)
            if report.is_replaced:
                identity.keep()
                self._replace_table(intake, gone)
            rejected.keep()
            self._record(reads, repeats, intake, report)
        report.rows = self._rows_in_lake()

    def _read(
        self,
        order: int,
        delivery: Delivery,
        received: datetime.datetime,
        intake: _Intake,
        rosters: dict[str, pl.DataFrame],
    ) -> _Read:
        staged = intake.staging / f"{order:04d}.parquet"
        taken = dataclasses.replace(intake, pointers=[], marks=[], voided=[])
        try:
            chosen, rates = identities(delivery, rosters)
            mended = mending.of_deliveries(self.vault, self.feed, self.partition, self._same_content(delivery))
            reader = DeliveryReader(delivery, self.keys, chosen, mended)
            with intake.identity.all_or_nothing(), intake.rejected.all_or_nothing():
                _stage(self._accepted(order, reader, taken), staged)
                looks = profile(delivery, reader.filler)
        except RefusedError as refusal:
            staged.unlink(missing_ok=True)
            return _Read(delivery, received, Account(), refusal=refusal)
        intake.pointers.extend(taken.pointers)
        intake.marks.extend(taken.marks)
        intake.voided.extend(taken.voided)
        intake.matches.append(rates)
        intake.profiles.append(looks)
        intake.drifts.append(compare(looks, delivery, reader.filler, self.lake))
        return _Read(delivery, received, reader.account, reader)

    def _same_content(self, delivery: Delivery) -> list[str]:
        """The deliveries of this content, under whatever name: what was mended in one is mended in all."""
        sheet = pl.col("path").str.extract("#(.*)$")
        same = self.before.filter(
            (pl.col("file_hash") == delivery.file_hash) & sheet.eq_missing(pl.lit(delivery.name).str.extract("#(.*)$"))
        )
        return [*same["delivery_id"], delivery.delivery_id]

    def _accepted(self, order: int, reader: DeliveryReader, intake: _Intake) -> Iterator[pl.DataFrame]:
        """The accepted records of a delivery, batch by batch; what else a batch came to goes where it belongs."""
        correction = reader.delivery.layout.correction
        for batch in reader.batches():
            names = [each.name for each in self.alike if _content(each) == _content(reader.delivery)]
            self.named |= {name for name in names if is_named_after_somebody(name, batch.identity)}
            if reader.delivery.name in self.named:
                raise NamedFileError(
                    "is named after somebody in it, and names of files are told everywhere;"
                    " give it another name, and land it again"
                )
            intake.identity.add(batch.identity)
            intake.rejected.add(batch.rejected)
            intake.pointers.append(batch.quarantine)
            intake.marks.append(marks(batch.accepted, self.table, order, correction))
            intake.voided.append(marks(batch.voided, self.table, order, correction))
            yield batch.accepted
        self._refuse_remnant(reader.delivery, reader.account)

    def _refuse_remnant(self, delivery: Delivery, account: Account) -> None:
        """A file overwritten by one with less than half of its rows was most likely cut off on its way."""
        earlier = self.before.filter(
            (pl.col("path") == delivery.name)
            & (pl.col("delivery_status") == "accepted")
            & (pl.col("file_hash") != delivery.file_hash)
        )
        rows = max(earlier["file_rows"].to_list(), default=0)
        if rows >= SHRINK_ROWS and account.file_rows < SHRINK_SHARE * rows:
            raise TruncatedFileError(
                f"has {account.file_rows} rows where the file of this name had {rows};"
                " if that is meant, land it under another name"
            )

    # -- records that stand more than once -----------------------------------------------------------------------

    def _resolve(self, reads: list[_Read], intake: _Intake) -> pl.DataFrame:
        """Book corrections, duplicates and conflicts; returns the places of the records that do not stay."""
        if not intake.marks:
            return pl.DataFrame(schema={"index": pl.UInt32, FATE: pl.String})
        records = pl.concat(intake.marks)
        paths = [read.delivery.document.path for read in reads]
        layouts = [read.delivery.layout for read in reads]
        versions = [paths.index(path) for path in paths]
        gone = fates(records, partial(self._contents, intake), layouts, versions, pl.concat(intake.voided))
        gone = gone.with_columns(records[ORDER].gather(gone["index"]))
        for order, fate, count in gone.group_by(ORDER, FATE).len().iter_rows():
            reads[order].account.book(fate, count)
        self._quarantine_conflicts(gone.filter(pl.col(FATE) == "conflict"), reads, intake)
        return gone

    def _contents(self, intake: _Intake, places: pl.Series) -> pl.Series:
        if places.is_empty():
            return pl.Series(dtype=pl.UInt64)
        staged = scan(self.table, intake.staged).with_row_index("index").select("index", content_hash(self.table))
        wanted = pl.LazyFrame({"index": places})
        return wanted.join(staged, on="index", how="left", maintain_order="left").collect()[CONTENT]

    def _quarantine_conflicts(self, conflicts: pl.DataFrame, reads: list[_Read], intake: _Intake) -> None:
        if conflicts.is_empty():
            return
        rows = (
            scan(self.table, intake.staged).with_row_index("index").join(conflicts.lazy(), on="index")
            .sort("index").select(ORDER, "source_row", part_of(self.table)).collect()
        )  # fmt: skip
        for order, read in enumerate(reads):
            mine = rows.filter(pl.col(ORDER) == order)
            if mine.is_empty() or read.reader is None:
                continue
            intake.pointers.append(read.reader.conflicts(mine))
            for raw in read.reader.raw():
                intake.rejected.add(rejected_rows(raw, mine["source_row"].unique(), read.delivery.delivery_id))

    # -- judging and writing -------------------------------------------------------------------------------------

    def _judge(self, reads: list[_Read], report: FeedReport) -> None:
        earlier = set(self.before.filter(pl.col("delivery_status") == "accepted")["path"])
        for read in reads:
            delivery, account = read.delivery, read.account
            share, tolerance = account.quarantined_share(delivery.layout.tolerance), delivery.layout.tolerance
            if read.refusal is None and share > tolerance:
                read.refusal = ToleranceError(
                    f"breaks rules in {share:.2%} of its records, over the tolerance of"
                    f" {tolerance:.2%} of layout {delivery.layout.name};"
                    " see the quarantine for rows and fixes"
                )
            if read.refusal and (isinstance(read.refusal, ToleranceError) or delivery.name in earlier):
                report.held_by[read.name] = f"{read.name} {read.refusal}"

    def _replace_table(self, intake: _Intake, gone: pl.DataFrame) -> None:
        part = f"landed_{self.partition.school_year}"
        stale = {
            path
            for path in self.lake.files(self.table)
            if path.stem == part and f"state={self.partition.state}" in path.parts
        }
        staged = intake.staged
        if staged:
            kept = scan(self.table, staged).with_row_index("index")
            if gone.height:
                kept = kept.join(gone.lazy().select("index"), on="index", how="anti", maintain_order="left")
            columns = kept.select(self.table.column_names)
            years = scan(self.table, staged).select(pl.col("school_year").unique().sort()).collect()["school_year"]
            for year in years:
                target = self.lake.part(self.table, part, self.partition.state, year)
                if len(staged) == len(years) == 1 and gone.is_empty():  # what is staged is the table's part as it is
                    replace(target, staged[0].rename)
                else:
                    of_year = columns.filter(pl.col("school_year") == year) if len(years) > 1 else columns
                    replace(target, lambda path, rows=of_year: rows.sink_parquet(path, **WRITTEN))  # type: ignore[misc]
                stale.discard(target)
        for path in stale:
            path.unlink()

    def _record(self, reads: list[_Read], repeats: list[dict[str, Any]], intake: _Intake, report: FeedReport) -> None:
        rows = [self._delivery_row(read, report) for read in reads] + repeats
        if not report.is_replaced:  # what the table holds from before stays on record as it was
            in_table = set(self.before.filter(pl.col("delivery_status") == "accepted")["delivery_id"])
            rows = [row for row in rows if row["delivery_id"] not in in_table]
        now = {row["delivery_id"] for row in rows}
        table = record.TABLE
        fresh = pl.DataFrame(rows, schema=polars_schema(table))
        report.deliveries = pl.concat([self._history(now, fresh, report), fresh])
        where = (self.partition.state, self.partition.school_year)
        quarantine = registry.tables()["quarantine"]
        self.lake.write(quarantine, self.feed, pl.concat(intake.pointers).sort(quarantine.key, nulls_last=True), *where)
        report.matches, report.drift = pl.concat(intake.matches).sort(MATCH.key), pl.concat(intake.drifts)
        self.lake.write(MATCH, self.feed, report.matches, *where)
        self.lake.write(PROFILE, self.feed, pl.concat(intake.profiles).sort(PROFILE.key), *where)
        self.lake.write(DRIFT, self.feed, report.drift, *where)
        self.lake.write(table, self.feed, report.deliveries, *where)

    def _history(self, now: set[str], fresh: pl.DataFrame, report: FeedReport) -> pl.DataFrame:
        """Earlier deliveries whose file is no longer there: they stay on record."""
        earlier = self.before.filter(~pl.col("delivery_id").is_in(list(now)))
        if not report.is_replaced:
            return earlier
        new = fresh.filter(pl.col("delivery_status") == "accepted").select("path", accepted_now="rows_accepted")
        earlier = earlier.join(new, on="path", how="left", maintain_order="left")
        shrunk = pl.col("rows_accepted") - pl.col("accepted_now")
        current = pl.col("delivery_status").is_in(["accepted", "held", "refused"])
        overwritten = pl.col("path").is_in(fresh["path"].to_list())
        status = pl.when(current & overwritten).then(pl.lit("superseded")).when(current).then(pl.lit("withdrawn"))
        why = (
            pl.when(current & overwritten)
            .then(pl.lit("another file was landed under its name"))
            .when(current)
            .then(pl.lit("its file is no longer in landing"))
        )
        return earlier.with_columns(
            status.otherwise(pl.col("delivery_status")).alias("delivery_status"),
            why.otherwise(pl.col("delivery_reason")).alias("delivery_reason"),
            pl.when((pl.col("delivery_status") == "accepted") & (shrunk > 0))
            .then(shrunk)
            .otherwise(pl.col("rows_left_out"))
            .alias("rows_left_out"),
        ).drop("accepted_now")

    def _delivery_row(self, read: _Read, report: FeedReport) -> dict[str, Any]:
        delivery, account = read.delivery, read.account
        row = record.row_of(delivery.document, self.partition, account, delivery)
        row |= {"received_at": read.received_at, "path": read.name}
        if read.reader:
            row["unknown_columns"] = ", ".join(read.reader.filler.unknown_columns) or None
            row["missing_columns"] = ", ".join(read.reader.filler.missing_columns) or None
        if read.refusal:
            held = isinstance(read.refusal, ToleranceError)
            return row | {
                "delivery_status": "held" if held else "refused",
                "delivery_reason": f"{read.name} {read.refusal}",
            }
        if not report.is_replaced:
            return row | {"delivery_status": "held", "delivery_reason": f"waits for {', '.join(report.held_by)}"}
        if account.accepted and account.superseded == account.accepted:
            return row | {
                "delivery_status": "superseded",
                "delivery_reason": "a later delivery has taken its place",
            }
        return row

    def _repeats(
        self, deliveries: list[tuple[Delivery, datetime.datetime]], reads: list[_Read]
    ) -> list[dict[str, Any]]:
        """Files that are byte for byte another one of the folder: on record, not read."""
        read = {item.delivery.delivery_id: item.delivery for item in reads}
        first = {_content(item.delivery): item for item in reads}
        # of a file that was not read to its end nobody knows what else would have told
        closed = {content for content, item in first.items() if isinstance(item.refusal, NamedFileError)}
        refused = {each.name for each in self.alike if _content(each) in closed}
        return [
            record.row_of(d.document, self.partition, Account(), d)
            | {
                "received_at": received,
                "path": withheld(d) if d.name in self.named | refused else d.name,
                "delivery_status": "superseded",
                "delivery_reason": f"is identical to {first[_content(d)].name}",
            }
            for d, received in deliveries
            if d.delivery_id not in read
        ]

    def _rows_in_lake(self) -> int:
        part = f"landed_{self.partition.school_year}"
        mine = [p for p in self.lake.files(self.table) if p.stem == part and f"state={self.partition.state}" in p.parts]
        return sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in mine)

    @contextmanager
    def _staging(self) -> Iterator[Path]:
        """A folder for accepted records, pseudonyms only, that never outlives the run."""
        base = self.home.lake / ".tmp"
        base.mkdir(parents=True, exist_ok=True)
        for left in base.glob(f"{self.feed}.{self.partition}.*"):  # by a run that was killed
            shutil.rmtree(left)
        folder = Path(tempfile.mkdtemp(prefix=f"{self.feed}.{self.partition}.", dir=base))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _stage(frames: Iterator[pl.DataFrame], path: Path) -> None:
    """Write frames to one file as they come, without holding them all."""
    first, second = next(frames), next(frames, None)
    if second is None:  # a small file; a stream of one frame takes several times as long
        first.write_parquet(path, **WRITTEN)
        return
    whole = chain([first, second], frames)
    register_io_source(lambda *_: whole, schema=first.schema).sink_parquet(path, **WRITTEN)


def _once_per_content(deliveries: list[tuple[Delivery, datetime.datetime]]) -> list[tuple[Delivery, datetime.datetime]]:
    """The latest of files with the same content: resending what was sent stands for the last word."""
    latest = {_content(delivery): delivery for delivery, _ in deliveries}
    return [pair for pair in deliveries if latest[_content(pair[0])] is pair[0]]


def _content(delivery: Delivery) -> tuple[str, str | None, Path]:
    document = delivery.document
    return delivery.file_hash, document.sheet, document.path.parent
