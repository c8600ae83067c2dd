"""The engine: binds table names to the lake, runs a step's SQL in DuckDB, replaces the table.

A step knows no path, no connection and no engine. Its inputs are read off its SQL: every `layer.table` it names.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import duckdb
import polars as pl
import sqlglot
from sqlglot import exp

from le_pipeline.errors import StepError
from le_pipeline.files import hash_of
from le_pipeline.home import Home
from le_pipeline.warehouse import ddl
from le_pipeline.warehouse.lake import Lake, of_earlier_version, polars_schema
from schemas import registry
from schemas.registry import Table

REFERENCE = "reference"
MEMORY = "3GB"  # what does not fit goes to the lake's own disk; DuckDB alone would take four fifths of the machine
Finish = Callable[[pl.DataFrame], pl.DataFrame]
IsWanted = Callable[[Home], bool]
Estimate = Callable[[Home, duckdb.DuckDBPyConnection, pl.DataFrame], pl.DataFrame]
Settings = Callable[[Home], object]


@dataclass(frozen=True)
class Step:
    """One table made by one SQL file; `finish` adds the figures that need a statistics library to the SQL's rows.

    `partitioned` says that the table is kept by state and school year. `is_wanted` belongs to a table that the home's
    settings ask for; where they do not, it is empty. `estimate` stands in the place of `finish` where figures are made
    of more than the SQL's rows: it is given the home and a connection to the tables that the SQL reads. `settings` is
    what else of the home the table is made from, as JSON holds it.
    """

    table: Table
    sql_path: Path
    finish: Finish | None = None
    partitioned: bool = False
    is_wanted: IsWanted | None = None
    estimate: Estimate | None = None
    settings: Settings | None = None

    @cached_property
    def sql(self) -> str:
        """The SQL text."""
        return self.sql_path.read_text(encoding="utf-8")

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names (`layer.table`) that the SQL reads, in order of name."""
        return inputs_of(self.sql)

    @property
    def version(self) -> str:
        """Changes when the SQL or the code of the step's folder changes."""
        return code_version(self.sql_path.parent, self.sql_path)


@dataclass(frozen=True)
class TableReport:
    """What a step did. `is_current` says that nothing had changed, so nothing was done."""

    table: Table
    rows: int
    is_current: bool
    frame: pl.DataFrame | None = None


def inputs_of(sql: str) -> tuple[str, ...]:
    """Names (`layer.table`) that the SQL reads, in order of name."""
    parsed = sqlglot.parse_one(sql, dialect="duckdb")
    return tuple(sorted({f"{t.db}.{t.name}" for t in parsed.find_all(exp.Table) if t.db}))


def step(
    name: str,
    module_file: str,
    finish: Finish | None = None,
    *,
    partitioned: bool = False,
    is_wanted: IsWanted | None = None,
) -> Step:
    """The step that makes table `name` with the SQL file of that name beside the module."""
    path = Path(module_file).with_name(f"{name}.sql")
    return Step(registry.tables()[name], path, finish, partitioned, is_wanted)


def estimated(name: str, module_file: str, estimate: Estimate, settings: Settings | None = None) -> Step:
    """The step that makes table `name` by estimates of the tables which the SQL file of that name reads."""
    path = Path(module_file).with_name(f"{name}.sql")
    return Step(registry.tables()[name], path, estimate=estimate, settings=settings)


def code_version(folder: Path, *more: Path) -> str:
    """Hash over the Python files of a folder and those below it, more files, and the contracts."""
    digest = hashlib.sha256()
    contracts = [registry.HERE / "fields.yaml", *registry.HERE.glob("tables/*/*.yaml"), *registry.HERE.glob("*.py")]
    for path in sorted({*folder.rglob("*.py"), *more, *contracts}):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


class Engine:
    """Runs steps over the lake of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.lake = Lake(home.lake)

    def run(self, step: Step) -> TableReport:
        """Make the step's table, unless neither its inputs nor its code have changed.

        Raises:
            StepError: the SQL failed, or gave other columns than the registry's.
            ContractError: the settings that say whether the table is wanted are wrong.
        """
        with self.home.lock(step.table.qualified_name):
            made_from = self._made_from(step)
            note = self.lake.note(step.table.qualified_name)
            if note and note["from"] == made_from and note["files"] == self.lake.stamp(step.table):
                return TableReport(step.table, note["rows"], is_current=True)
            if step.is_wanted and not step.is_wanted(self.home):
                rows = self._clear(step)
            else:
                rows = self._replace_by(step) if step.finish or step.estimate else self._replace(step)
            self.lake.write_note(
                step.table.qualified_name,
                {"from": made_from, "files": self.lake.stamp(step.table), "rows": rows},
            )
            return TableReport(step.table, rows, is_current=False)

    def is_current(self, step: Step) -> bool:
        """Whether running the step would change nothing."""
        note = self.lake.note(step.table.qualified_name)
        return bool(note and note["from"] == self._made_from(step) and note["files"] == self.lake.stamp(step.table))

    @contextmanager
    def connection(self, names: tuple[str, ...]) -> Iterator[duckdb.DuckDBPyConnection]:
        """An in-memory DuckDB in which the named tables can be read; a table without rows yet is empty.

        Raises:
            EarlierVersionError: the columns of a table are not those of today.
        """
        # every table is sorted by its key when it is written, so keeping an order on the way would only cost memory
        con = duckdb.connect(config={"autoinstall_known_extensions": False, "preserve_insertion_order": False})
        try:
            con.execute(f"set temp_directory = {ddl.literal(str(self.home.lake / '.tmp'))}")
            con.execute(f"set memory_limit = {ddl.literal(MEMORY)}")
            for name in names:
                layer, _, table = name.partition(".")
                con.execute(f"create schema if not exists {layer}")
                try:
                    con.execute(f"create view {name} as {self._source(layer, table)}")
                except duckdb.BinderException:
                    raise of_earlier_version(name) from None
            yield con
        finally:
            con.close()

    def _source(self, layer: str, name: str) -> str:
        if layer == REFERENCE:
            path = ddl.literal(str(self.reference(name)))
            # as text, or a column of grades 03, 04 would be read as the numbers 3, 4
            return f"select * from read_csv({path}, header = true, all_varchar = true)"
        return self.lake.query(registry.tables()[name])

    def reference(self, name: str) -> Path:
        """The reference table: the user's own where there is one, else the shipped one."""
        own = self.home.reference / f"{name}.csv"
        return own if own.exists() else registry.HERE / "reference" / f"{name}.csv"

    def _made_from(self, step: Step) -> list[object]:
        stamps: list[object] = [step.version, step.is_wanted is None or step.is_wanted(self.home)]
        stamps += [step.settings(self.home)] if step.settings else []
        for name in step.inputs:
            layer, _, table = name.partition(".")
            if layer == REFERENCE:
                stamps.append(hash_of(self.reference(table)))
            else:
                stamps.append(self.lake.stamp(registry.tables()[table]))
        return stamps

    def _clear(self, step: Step) -> int:
        self.lake.write(step.table, "all", empty(step.table))
        return 0

    def _replace_by(self, step: Step) -> int:
        """Let Python add to the SQL's rows what SQL cannot compute, and write them."""
        with self._beside(step) as beside, self.connection(step.inputs) as con:
            counted = beside / "counted.parquet"
            try:
                con.execute(f"copy ({step.sql}) to {ddl.literal(str(counted))} (format parquet)")
                frame = pl.read_parquet(counted)
                if step.estimate:
                    frame = step.estimate(self.home, con, frame)
            except duckdb.Error as error:
                raise _failure(step, error) from None
            if step.finish:
                frame = step.finish(frame)
        _same_columns(step, frame.columns)
        self.lake.write(step.table, "all", frame.sort(step.table.key))
        return frame.height

    def _replace(self, step: Step) -> int:
        """Let DuckDB write the table itself, out of memory's way, then move each part into place."""
        key = ", ".join(step.table.key)
        columns = ", ".join(f"cast({c.name} as {ddl.sql_type(c)}) as {c.name}" for c in step.table.columns)
        with self._beside(step) as beside, self.connection(step.inputs) as con:
            try:
                _same_columns(step, [name for name, *_ in con.execute(f"describe ({step.sql})").fetchall()])
                con.execute(f"create temp table made as select {columns} from ({step.sql})")
                parts = self._parts(step, con)
                for where, target in parts.items():
                    file = beside / target.relative_to(self.home.lake)
                    file.parent.mkdir(parents=True)
                    rows_of_part = f"from made {where} order by {key}"
                    con.execute(f"copy ({rows_of_part}) to {ddl.literal(str(file))} (format parquet, compression zstd)")
                (rows,) = con.execute("select count(*) from made").fetchone() or (0,)
            except duckdb.Error as error:
                raise _failure(step, error) from None
            for target in parts.values():
                target.parent.mkdir(parents=True, exist_ok=True)
                (beside / target.relative_to(self.home.lake)).replace(target)
        for stale in set(self.lake.files(step.table)) - set(parts.values()):
            stale.unlink()
        return int(rows)

    @contextmanager
    def _beside(self, step: Step) -> Iterator[Path]:
        """A folder for what is being made, on the lake's own disk; what a run that was cut off left there goes."""
        beside = self.home.lake / ".tmp" / step.table.qualified_name
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            yield beside
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _parts(self, step: Step, con: duckdb.DuckDBPyConnection) -> dict[str, Path]:
        if not step.partitioned:
            return {"": self.lake.part(step.table, "all")}
        found = con.execute("select distinct state, school_year from made order by all").fetchall()
        return {
            f"where state = {ddl.literal(state)} and school_year = {int(year)}": self.lake.part(
                step.table, "all", state, year
            )
            for state, year in found
        }


def _same_columns(step: Step, columns: list[str]) -> None:
    expected = list(step.table.column_names)
    if columns != expected:
        raise StepError(
            f"{step.sql_path.name} gives the columns {columns}, the registry has {expected} for {step.table.name}"
        )


def _failure(step: Step, error: duckdb.Error) -> StepError:
    # the text of a conversion or constraint error holds the value; the kind is enough to start from
    kind = type(error).__name__
    shown = (
        str(error).splitlines()[0]
        if isinstance(error, (duckdb.BinderException, duckdb.ParserException, duckdb.CatalogException))
        else ""
    )
    return StepError(f"the SQL of {step.table.qualified_name} failed ({kind}) {shown}".rstrip())


def empty(table: Table) -> pl.DataFrame:
    """An empty frame with the table's columns."""
    return pl.DataFrame(schema=polars_schema(table))
