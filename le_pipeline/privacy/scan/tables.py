"""Tables searched for the values of the vault: cell by cell, across the cells of a row, and beside pseudonyms.

Values are compared distinct, column by column, in DuckDB and Polars, so that ten million rows cost what they say, and
not what they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import duckdb
import polars as pl

from le_pipeline.privacy.scan import needles as kinds
from le_pipeline.privacy.scan import texts, words
from le_pipeline.privacy.scan.needles import Needles
from le_pipeline.privacy.scan.search import Search
from le_pipeline.warehouse.ddl import literal
from schemas import registry

PLACE = re.compile("school|lea_|lea$|district|parish|county|region|city|organi[sz]ation|institution|site|campus", re.I)
GROUP = re.compile("race|ethnic|sex|gender|group", re.IGNORECASE)
OWN_COLUMNS = {name for table in registry.tables().values() for name in table.column_names}
OWN_TABLES = {*registry.tables(), *registry.LAYERS, "main"}
PLACES_SHARE, PLACES_FEW = 0.2, 3  # of the names in a column of places, how many may be family names too
PSEUDONYM = "^[0-9a-f]{32}$"
AT_ONCE = 1_000_000  # distinct values
CERTAIN = 4  # decimal places of the chance that numbers which happen to be ids look like this
HALF = 0.5
LONGEST_NAME = 60
FEW_OWN, MORE_OWN = 3, 5  # own values in a column before they are more than coincidence, and how much more often
NUMBER, DAY = re.compile("INT|DECIMAL|DOUBLE|FLOAT|REAL"), re.compile("^(DATE|TIMESTAMP)")
ISO = "[0-9]{4}-[0-9]{2}-[0-9]{2}.*"
# text as values are compared beside a pseudonym: small letters and digits, without accents and signs
BARE = r"""create macro bare(t) as trim(regexp_replace(regexp_replace(
    strip_accents(lower(regexp_replace(t, '\.0+$', ''))), '[''’ʼ`]', '', 'g'), '[^a-z0-9]+', ' ', 'g'))"""


@dataclass(frozen=True)
class Column:
    """A column of a table: its name, its name in SQL, its type, and its number, from 1 on."""

    name: str
    sql: str
    type: str
    number: int

    @property
    def told(self) -> str:
        """The column as a message may call it: what others wrote above a column may be a value, in any writing."""
        return self.name if self.name in OWN_COLUMNS else f"column {self.number}"


@dataclass(frozen=True)
class Looked:
    """What a column holds: different values found by kind; cells that are a given or a family name; what may be own."""

    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, pl.DataFrame] = field(default_factory=dict)
    own: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """What kind of value was found where, and how many different ones."""

    where: str
    kind: str
    count: int


class TableSearch:
    """Searches relations of its own in-memory DuckDB, to which a file of tables can be attached."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.needles: Needles = search.needles
        coded = (each.values for each in registry.fields().values())
        # what a contract allows is no name in a column of its own tables, though somebody may bear it: white, black
        self._allowed = sorted({str(value).lower() for values in coded for value in values or ()})
        self._given = self.needles.names["first"].unique()
        self._family = self.needles.names["last"].unique()
        self._ids = self.needles.cells
        self._shapes = self._ids.select("shape", "share").unique("shape")
        self._digits = self.needles.numbers.select("digits", "share").unique("digits")
        self._born = self.needles.own.filter(pl.col("what") == kinds.BIRTH)["value"].unique()
        self.con = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
        self.con.execute(BARE)
        self.con.register("needles_own", self.needles.own)
        self.con.execute("create table own as select key, other, what, bare(value) as value from needles_own")
        self.con.register("needles_names", self.needles.names)
        self.con.execute("create table person as select first, last from needles_names")

    def __call__(self, relation: str, name: str = "", names: Sequence[str] = ()) -> Iterator[Found]:
        """What is found in a relation; `name` stands before the column in what is told.

        `names`: what the columns are called, where the relation has others.
        """
        prefix = f"{name}." if name else ""
        described = self.con.execute(f"describe select * from {relation}").fetchall()
        called = names or [row[0] for row in described]
        columns = [
            Column(name, quoted(row[0]), str(row[1]), number)
            for number, (name, row) in enumerate(zip(called, described, strict=True), start=1)
        ]
        keys = [column for column in columns if self._holds_keys(relation, column)]
        cells: dict[Column, dict[str, pl.DataFrame]] = {}
        for column in columns:
            looked = self._column(relation, column)
            yield from (Found(f"{prefix}{column.told}", kind, count) for kind, count in looked.counts.items())
            if looked.names and not PLACE.search(column.name):
                cells[column] = looked.names
            if looked.own:
                for key in keys:
                    yield from self._beside(relation, prefix, key, column, looked.own)
        yield from self._across(relation, prefix, cells)

    def _column(self, relation: str, column: Column) -> Looked:
        if NUMBER.search(column.type) and not column.type.endswith("]"):
            return self._numbers(relation, column)
        if DAY.search(column.type):
            days = self.con.sql(
                f"select distinct cast(cast({column.sql} as date) as varchar) as d from {relation}"
            ).pl()["d"]
            return Looked(own=(kinds.BIRTH,) if days.is_in(self._born.implode()).any() else ())
        if column.type in ("BOOLEAN", "TIME", "INTERVAL"):
            return Looked()
        found: dict[str, pl.DataFrame] = {}
        names: dict[str, list[pl.DataFrame]] = {kinds.GIVEN: [], kinds.FAMILY: []}
        looks: list[pl.DataFrame] = []
        n = 0
        for batch in self._distinct(relation, column):
            n += batch.len()
            self._texts(batch, found)
            looks.append(self._looks(batch))
            for kind, frame in self._names(batch, column).items():
                names[kind] += [frame] if frame.height else []
        counts = {kind: values.height for kind, values in found.items()}
        if PLACE.search(column.name) and counts.get(kinds.FAMILY, 0) <= max(PLACES_FEW, PLACES_SHARE * n):
            counts.pop(kinds.FAMILY, None)
        ids, chance = _more_than_chance(looks)
        if ids:
            counts[kinds.ID] = max(counts.get(kinds.ID, 0), ids)
        own = [kinds.ID] if chance else []
        own += [kind for kind in names if names[kind]] + (
            [kinds.BIRTH] if n and column.type == "VARCHAR" and self._has_days(relation, column) else []
        )
        return Looked(counts, {kind: pl.concat(frames) for kind, frames in names.items() if frames}, tuple(own))

    def _texts(self, batch: pl.Series, found: dict[str, pl.DataFrame]) -> None:
        # a number of few digits says nothing by itself; a column of them may (`_looks`)
        telling = batch.filter(~batch.str.contains(rf"^\s*[0-9]{{1,{kinds.LONG_NUMBER - 1}}}(\.0+)?\s*$"))
        hits = self.search(texts.of_cells(telling)).select("kind", "value").unique()
        for (kind,), values in hits.group_by("kind"):
            seen = found.get(str(kind), values.clear())
            found[str(kind)] = pl.concat([seen, values]).unique()

    def _names(self, batch: pl.Series, column: Column) -> dict[str, pl.DataFrame]:
        """Cells that are nothing but a given or a family name, with the name as it is compared."""
        is_short = batch.str.len_chars() <= LONGEST_NAME
        coded = self._allowed if column.name in OWN_COLUMNS or GROUP.search(column.name) else []
        short = batch.filter(is_short & ~batch.str.to_lowercase().is_in(coded))
        frame = pl.DataFrame({"cell": short, "name": words.atoms(short).list.join(" ")})
        return {
            kinds.GIVEN: frame.filter(pl.col("name").is_in(self._given.implode())),
            kinds.FAMILY: frame.filter(pl.col("name").is_in(self._family.implode())),
        }

    def _looks(self, batch: pl.Series) -> pl.DataFrame:
        """Cells that look like one of the ids which are searched as whole cells, and how many are one, by shape."""
        cells = batch.str.strip_chars().str.to_lowercase().str.replace(r"\.0+$", "").unique()
        shaped = cells.rename("cell").to_frame().select("cell", shape=kinds.shape(pl.col("cell")))
        shaped = shaped.join(self._shapes, on="shape")
        marked = shaped.with_columns(is_id=pl.col("cell").is_in(self._ids["cell"].implode()))
        return marked.group_by("shape", "share").agg(n=pl.len(), hits=pl.col("is_id").sum())

    def _numbers(self, relation: str, column: Column) -> Looked:
        whole = f"abs({column.sql}) >= 1000 and abs({column.sql}) < 1e18 and {column.sql} = floor({column.sql})"
        query = f"select distinct cast({column.sql} as bigint) as number from {relation} where {whole}"
        frame = self.con.sql(query).pl().with_columns(digits=pl.col("number").abs().cast(pl.String).str.len_chars())
        if frame.is_empty():
            return Looked()
        frame = frame.join(self._digits, on="digits").with_columns(
            is_id=pl.col("number").is_in(self.needles.numbers["number"].implode())
        )
        long = frame.filter(pl.col("digits") >= kinds.LONG_NUMBER, pl.col("is_id")).height
        short = frame.filter(pl.col("digits") < kinds.LONG_NUMBER).rename({"digits": "shape"})
        looks = short.group_by("shape", "share").agg(n=pl.len(), hits=pl.col("is_id").sum())
        more, _ = _more_than_chance([looks])
        return Looked({kinds.ID: long + more} if long + more else {}, own=(kinds.ID,))

    def _holds_keys(self, relation: str, column: Column) -> bool:
        if column.type != "VARCHAR":
            return False
        query = f"select 1 from {relation} where regexp_matches({column.sql}, {literal(PSEUDONYM)}) limit 1"
        return bool(self.con.execute(query).fetchall())

    def _has_days(self, relation: str, column: Column) -> bool:
        query = f"select 1 from {relation} where regexp_full_match({column.sql}, {literal(ISO)}) limit 1"
        return bool(self.con.execute(query).fetchall())

    def _distinct(self, relation: str, column: Column) -> Iterator[pl.Series]:
        """The different values of a column as text, some at a time; pseudonyms are left out."""
        said = f"cast({column.sql} as varchar)"
        where = f"where {column.sql} is not null and not regexp_matches({said}, {literal(PSEUDONYM)})"
        query = f"select approx_count_distinct({said}) from {relation} {where}"
        (count,) = self.con.execute(query).fetchone() or (0,)
        parts = math.ceil(count / AT_ONCE)
        for part in range(parts):
            of_part = f" and hash({said}) % {parts} = {part}" if parts > 1 else ""
            yield self.con.sql(f"select distinct {said} as cell from {relation} {where}{of_part}").pl()["cell"]

    def _across(self, relation: str, prefix: str, cells: dict[Column, dict[str, pl.DataFrame]]) -> Iterator[Found]:
        """Given and family name of one person in two cells of a row."""
        for first, last in ((a, b) for a in cells for b in cells if a != b):
            given, family = cells[first].get(kinds.GIVEN), cells[last].get(kinds.FAMILY)
            if given is None or family is None:
                continue
            self.con.register("given", given.rename({"name": "first"}))
            self.con.register("family", family.rename({"name": "last"}))
            query = f"""select count(*) from (
                select distinct first, last
                from (select distinct {first.sql} as a, {last.sql} as b from {relation}) as cells
                join given on given.cell = cells.a join family on family.cell = cells.b
                join person using (first, last))"""
            (count,) = self.con.execute(query).fetchone() or (0,)
            if count:
                yield Found(f"{prefix}{first.told} + {last.told}", kinds.NAME, count)

    def _beside(self, relation: str, prefix: str, key: Column, column: Column, own: tuple[str, ...]) -> Iterator[Found]:
        """Values that belong to the person of the row's pseudonym, where they do so more often than by chance."""
        if key == column:
            return
        said = f"bare(cast({column.sql} as varchar))"
        said = f"bare(left(cast({column.sql} as varchar), 10))" if DAY.search(column.type) else said
        for what in own:
            query = f"""with cells as materialized (
                    select distinct {key.sql} as key, {said} as value from {relation}
                    where {column.sql} is not null and regexp_matches({key.sql}, {literal(PSEUDONYM)})
                ), mine as (select key, other, value from own where what = {literal(what)})
                select (select count(*) from cells join mine using (key, value)),
                    (select count(*) from cells join mine on mine.other = cells.key and mine.value = cells.value)"""
            (matched, others) = self.con.execute(query).fetchone() or (0, 0)
            least = 1 if what == kinds.BIRTH else FEW_OWN
            if matched >= least and matched > MORE_OWN * others:
                yield Found(f"{prefix}{column.told} + {key.told}", what, matched)


def _more_than_chance(looks: list[pl.DataFrame]) -> tuple[int, int]:
    """How many cells are ids, of looks that are ids more often than such cells happen to be; and of any look."""
    if not looks:
        return 0, 0
    total = pl.concat(looks).group_by("shape", "share").sum().filter(pl.col("hits") > 0)
    certain = sum(
        hits
        for share, n, hits in total.select("share", "n", "hits").iter_rows()
        if hits >= HALF * n and hits * -math.log10(min(4 * share, 1)) >= CERTAIN
    )
    return certain, int(total["hits"].sum())


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
