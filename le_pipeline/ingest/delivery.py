"""One delivered file, read as one feed: batch by batch into accepted records, quarantine and identities."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from le_pipeline.errors import EncodingFileError
from le_pipeline.home import Partition
from le_pipeline.ingest import contract, mending, reading
from le_pipeline.ingest.ahead import worked_ahead
from le_pipeline.ingest.coded import as_texts, coding_of
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.filling import CODES, EXCLUDED, NOT_ON_ROSTER, PART, RESTORED, VOID, Filler, Identity
from le_pipeline.ingest.header import ROW
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import ISSUER, canonical_id, pseudonyms
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.layout import ANY_ISSUER, Layout
from schemas.registry import Field, field_of

INDEX = "index"
NAMES = 2  # of the parts of a listed name, the first are the family and the given name
SHAPE_CHARACTERS = 40
SHAPED = ["source_row", "rule", "field", PART]
OF_A_CELL = ("unreadable", "allowed_values", "range", "pattern", "damaged_id", "formula", "not_on_roster")


@dataclass(frozen=True)
class Delivery:
    """A document of a partition and the layout it is read with."""

    document: Document
    layout: Layout
    partition: Partition

    @property
    def name(self) -> str:
        """Path below landing, as messages and tables show it."""
        return self.document.name

    @property
    def file_hash(self) -> str:
        """SHA-256 of the content."""
        return self.document.file_hash

    @property
    def delivery_id(self) -> str:
        """Tells this content, at this place, read as this feed, from every other."""
        return identify(self.layout.feed, self.partition, self.name, self.file_hash)

    @property
    def issuer(self) -> str:
        """Who gives the ids of the file: the layout's issuer, or the state for layouts of any issuer."""
        return self.partition.state if self.layout.issuer == ANY_ISSUER else self.layout.issuer


@dataclass
class Batch:
    """What one batch of a file came to. Frames may be empty."""

    accepted: pl.DataFrame  # the table's columns
    identity: pl.DataFrame  # keys with direct identifiers: for the vault only
    quarantine: pl.DataFrame  # the quarantine table's columns: pointers, no values
    rejected: pl.DataFrame  # the file's own rows: for the vault only
    voided: pl.DataFrame  # the table's columns, of results that are declared void: they take out what was there before
    account: Account


@dataclass
class Account:
    """What became of every record of a file."""

    file_rows: int = 0
    read: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicate: int = 0
    superseded: int = 0
    left_out: int = 0
    unmatched: int = 0
    restored: int = 0
    mended: int = 0
    excluded: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)

    @property
    def is_conserved(self) -> bool:
        """Whether no record was lost: read = accepted + quarantined + excluded + duplicate."""
        return self.read == self.accepted + self.quarantined + self.excluded.total() + self.duplicate

    def quarantined_share(self, tolerance: float) -> float:
        """Share of the records that count that broke a rule; not excluded ones, and not those that no roster has.

        Of a file that must be whole (its tolerance is 0) these count, too.
        """
        unmatched = self.unmatched if tolerance else 0
        counted = self.read - self.excluded.total() - unmatched
        return (self.quarantined - unmatched) / counted if counted else 0.0

    def add(self, other: Account) -> None:
        """Take the account of the next batch of the same file."""
        self.file_rows += other.file_rows
        self.read += other.read
        self.accepted += other.accepted
        self.quarantined += other.quarantined
        self.unmatched += other.unmatched
        self.restored += other.restored
        self.excluded.update(other.excluded)
        self.rules.update(other.rules)

    def book(self, fate: str, count: int) -> None:
        """Take accepted records that do not stay out again, by their fate."""
        if fate in ("superseded", "left_out"):  # they were accepted all the same; a later delivery has replaced them
            self.superseded += count
            self.left_out += count if fate == "left_out" else 0
            return
        self.accepted -= count
        if fate == "duplicate":
            self.duplicate += count
        else:
            self.quarantined += count
            self.rules[fate] += count

    def columns(self) -> dict[str, object]:
        """The columns of the delivery table."""
        return {
            "file_rows": self.file_rows,
            "rows_read": self.read,
            "rows_accepted": self.accepted,
            "rows_quarantined": self.quarantined,
            "rows_excluded": self.excluded.total(),
            "rows_duplicate": self.duplicate,
            "rows_superseded": self.superseded,
            "rows_left_out": self.left_out,
            "rows_mended": self.mended,
            "ids_restored": self.restored,
            "excluded_by_reason": json.dumps(dict(sorted(self.excluded.items()))),
            "quarantined_by_rule": json.dumps(dict(sorted(self.rules.items()))),
        }


class DeliveryReader:
    """Reads one delivery; after the last batch `account` holds what became of its records.

    Raises:
        RefusedError: when it is made or while it is read; nothing of the file may then be kept.
    """

    def __init__(
        self,
        delivery: Delivery,
        keys: Keys,
        identities: dict[str, Identity] | None = None,
        mended: pl.DataFrame | None = None,
    ) -> None:
        self.delivery = delivery
        self._mended = mended
        self.keys = keys
        self.account = Account()
        layout = delivery.layout
        columns = reading.header(delivery.document, layout.read, layout.recognise.columns).columns
        self.filler = Filler(layout, delivery.document, columns, delivery.partition, identities)
        self._id = delivery.delivery_id

    def raw(self) -> Iterator[pl.DataFrame]:
        """The rows of the file as text, those that a steward has mended as they are now."""
        layout = self.delivery.layout
        for rows in reading.batches(self.delivery.document, layout.read, layout.recognise.columns):
            yield mending.applied(rows, self._mended)

    def _coded(self) -> Iterator[pl.DataFrame]:
        """The same, where nothing was mended with codes for texts that come again and again."""
        if self._mended is not None:
            return self.raw()
        layout = self.delivery.layout
        columns = self.filler.single_columns
        return reading.coded_batches(self.delivery.document, layout.read, layout.recognise.columns, columns)

    def batches(self) -> Iterator[Batch]:
        """The batches of the file, in order."""
        for batch in worked_ahead(self._batch, self._coded()):
            self.account.add(batch.account)
            yield batch
        self.account.mended = 0 if self._mended is None else self._mended.height
        share = self.account.rules["encoding"] / max(self.account.read, 1)
        if share > self.delivery.layout.tolerance:
            encoding = " or ".join(self.delivery.layout.read.encoding)
            raise EncodingFileError(
                f"has bytes that are not {encoding} in {share:.1%} of its records; ask for it in {encoding}"
            )

    def pointers(self, records: pl.DataFrame, faults: pl.DataFrame, raw: pl.DataFrame | None = None) -> pl.DataFrame:
        """The quarantine table's rows for faults (`index` is the place in `records`), with the shapes of the cells."""
        described = faults.join(
            records.select(PART, "source_row").with_row_index(INDEX), on=INDEX, how="left", maintain_order="left"
        )
        known = described.select("rule", "field", PART).unique(maintain_order=True)
        labels = [self._label(row["field"], row[PART]) for row in known.iter_rows(named=True)]
        fixes = [
            contract.fix(rule, self._field(name), label, self.filler.words(self._given(name), part))
            for (rule, name, part), label in zip(known.iter_rows(), labels, strict=True)
        ]
        said = known.with_columns(
            source_column=pl.Series(labels, dtype=pl.String), fix=pl.Series(fixes, dtype=pl.String)
        )
        partition = self.delivery.partition
        return (
            described.join(self._shapes(described, raw), on=SHAPED, how="left", nulls_equal=True, maintain_order="left")
            .join(said, on=["rule", "field", PART], how="left", nulls_equal=True, maintain_order="left")
            .select(
                pl.lit(partition.state).alias("state"),
                pl.lit(partition.school_year, pl.Int32).alias("school_year"),
                pl.lit(self._id).alias("delivery_id"),
                pl.lit(self.delivery.name).alias("path"),
                *("source_row", PART, "rule", "source_column", "value_shape", "fix"),
            )
        )

    def _shapes(self, faults: pl.DataFrame, raw: pl.DataFrame | None) -> pl.DataFrame:
        """What the cells at fault look like, letters as a or A and digits as 9; none where no cell is at fault."""
        found = [pl.DataFrame(schema={**{name: faults.schema[name] for name in SHAPED}, "value_shape": pl.String()})]
        told = faults.filter(pl.col("rule").is_in(OF_A_CELL)) if raw is not None else faults.clear()
        for (rule, name, part), mine in told.group_by("rule", "field", PART, maintain_order=True):
            columns = [
                column for column in self._columns_of(str(name), part) if raw is not None and column in raw.columns
            ]
            if raw is None or not columns:
                continue
            rows = raw.with_columns(source_row=pl.col(ROW).cast(pl.Int64)).join(mine, on="source_row", how="semi")
            said = pl.lit(rule).alias("rule"), pl.lit(name).alias("field"), pl.lit(part, pl.String).alias(PART)
            found.append(
                rows.select(
                    "source_row",
                    *said,
                    pl.concat_str(map(shape, columns), separator=" + ", ignore_nulls=True).alias("value_shape"),
                )
            )
        return pl.concat(found, how="diagonal")

    def conflicts(self, records: pl.DataFrame) -> pl.DataFrame:
        """The quarantine table's rows for records that stand twice with different values."""
        places = records.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias(INDEX))
        return self.pointers(records, places.with_columns(rule=pl.lit("conflict"), field=pl.lit("")))

    def _batch(self, raw: pl.DataFrame) -> Batch:
        layout = self.delivery.layout
        records = self._with_keys(self.filler.fill(raw))
        account = Account(file_rows=raw.height, read=records.height)
        account.excluded.update(dict(records[EXCLUDED].drop_nulls().value_counts().iter_rows()))
        voided = records.filter(pl.col(EXCLUDED) == VOID)
        records = records.filter(pl.col(EXCLUDED).is_null())
        faults = contract.broken(records, layout.table)
        bad = faults[INDEX].unique()
        good = records.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(bad.implode())) if bad.len() else records
        elsewhere = faults.filter(pl.col("rule") != NOT_ON_ROSTER)[INDEX].unique()
        account.quarantined = bad.len()
        account.unmatched = bad.len() - elsewhere.len()
        account.restored = int(records[RESTORED].sum())
        account.accepted = good.height
        account.rules.update(dict(faults.select(INDEX, "rule").unique()["rule"].value_counts().iter_rows()))
        rows = records["source_row"].gather(bad).unique()
        schema = polars_schema(layout.table)
        types = schema | coding_of(good.select(layout.table.column_names))
        return Batch(
            voided=as_texts(voided).select(pl.col(name).cast(type_) for name, type_ in schema.items()),
            accepted=good.select(pl.col(name).cast(type_) for name, type_ in types.items()),
            identity=self._identity(good),
            quarantine=self.pointers(records, faults, raw),
            rejected=rejected_rows(raw, rows, self._id),
            account=account,
        )

    @property
    def identity_columns(self) -> list[str]:
        """Keys of the table and the direct identifiers behind them."""
        table = self.delivery.layout.table
        keys = [column.name for column in table.columns if column.field.of]
        ids = [column.field.of for column in table.columns if column.field.of]
        return [*keys, *ids, *(f.name for f in table.identity if f.name not in ids)]

    def _identity(self, good: pl.DataFrame) -> pl.DataFrame:
        """Everybody in the records once, with their keys and who issued the ids."""
        # records of one person mostly stand together, and it is quickly found that the row above says the same
        keys = [column.name for column in self.delivery.layout.table.columns if column.field.of]
        behind = [name for name in self.identity_columns if name not in keys]
        changes = (pl.col(name).ne_missing(pl.col(name).shift()) for name in behind)
        is_new = pl.any_horizontal(pl.int_range(pl.len()) == 0, *changes)
        people = good.filter(is_new).select(*self.identity_columns, pl.lit(self.delivery.issuer).alias(ISSUER))
        if len(keys) == 1 and people[keys[0]].n_unique() == people.height:
            return people
        return people.unique(maintain_order=True)

    def _with_keys(self, records: pl.DataFrame) -> pl.DataFrame:
        table = self.delivery.layout.table
        named = [field_of(column.field.of) for column in table.columns if column.field.of]
        records = records.with_columns(_put_together(field, records) for field in named if field.made_of)
        made = [
            pseudonyms(
                records[column.field.of],
                domain=column.field.domain or "",
                issuer=ANY_ISSUER if column.field.of_any_issuer else self.delivery.issuer,
                keys=self.keys,
            ).alias(column.name)
            for column in table.columns
            if column.field.of
        ]
        sources = [
            pl.lit(None, pl.String).alias(n)
            for n in table.column_names
            if n.endswith("_source") and n not in records.columns
        ]
        coded = pl.Categorical(pl.Categories("delivery_id", CODES)) if coding_of(records) else pl.String
        delivery = pl.lit(self._id).cast(coded).alias("delivery_id")
        return records.with_columns(*made, *sources, *self._is_teacher(records), delivery)

    def _is_teacher(self, records: pl.DataFrame) -> list[pl.Expr]:
        """Where a staff file does not say who teaches, its positions do."""
        if "is_teacher" not in records.columns or "is_teacher" in self.delivery.layout.fill:
            return []
        teaches = pl.when(pl.col("position") == "teacher").then(pl.lit("yes")).otherwise(pl.lit("no"))
        return [pl.when(pl.col("position").is_not_null()).then(teaches).alias("is_teacher")]

    def _field(self, name: str) -> Field | None:
        if not name or "+" in name:
            return None
        table = self.delivery.layout.table
        return table.column(name).field if name in table.column_names else field_of(name)

    def _label(self, name: str, part: str | None) -> str:
        """The column or columns of the file behind a field, a key or several."""
        if not name:
            return "the row"
        given = [self._given(one) for one in name.split("+")]
        filled = {loc[-1] for loc, _ in self.delivery.layout.sources()}
        return " or ".join(self.filler.label(one, part) for one in [one for one in given if one in filled] or given)

    def _columns_of(self, name: str, part: Any) -> list[str]:
        return [column for one in name.split("+") for column in self.filler.source_columns(self._given(one), part)]

    def _given(self, name: str) -> str:
        """The field that a layout fills: of a key the id behind it."""
        table = self.delivery.layout.table
        given = (table.column(name).field.of or name) if name in table.column_names else name
        made_of = field_of(given).made_of if given in registry.fields() else ()
        return made_of[0] if made_of else given


def _put_together(field: Field, records: pl.DataFrame) -> pl.Expr:
    """The parts of a field in one text; empty where one of the first two, the names, is."""
    there = [name for name in field.made_of if name in records.columns]
    parts = [canonical_id(pl.col(name).cast(pl.String)).fill_null("") for name in there]
    names = [pl.col(name).cast(pl.String).str.strip_chars() for name in field.made_of[:NAMES] if name in there]
    is_named = pl.all_horizontal(name.is_not_null() & (name != "") for name in names) if len(names) == NAMES else False
    return pl.when(is_named).then(pl.concat_str(parts, separator="|")).alias(field.name)


def shape(column: str) -> pl.Expr:
    """What a cell looks like without what it says: `Aa99-9`."""
    text = pl.col(column).cast(pl.String).str.strip_chars().str.slice(0, SHAPE_CHARACTERS)
    for kind, sign in ((r"\p{Lu}", "A"), (r"[\p{Ll}\p{Lt}\p{Lm}\p{Lo}\p{M}]", "a"), (r"\p{N}", "9"), (r"[^ -~]", "?")):
        text = text.str.replace_all(kind, sign)
    return text


def rejected_rows(raw: pl.DataFrame, rows: pl.Series, delivery_id: str) -> pl.DataFrame:
    """The file's own rows by their row number, as they came; for the vault only."""
    kept = raw.filter(pl.col(ROW).is_in(rows.cast(raw.schema[ROW]).to_list()))
    cells = [name for name in raw.columns if name != ROW]
    return kept.select(
        pl.lit(delivery_id).alias("delivery_id"),
        pl.col(ROW).cast(pl.Int64).alias("source_row"),
        pl.struct(pl.col(cells).cast(pl.String)).struct.json_encode().alias("row"),
    )


def identify(feed: str, partition: Partition, name: str, file_hash: str) -> str:
    """The delivery_id of a file's content at a place, read as a feed."""
    return hashlib.sha256(f"{feed}|{partition}|{name}|{file_hash}".encode()).hexdigest()[:16]
