"""The analysts' connection answers queries on the warehouse and nothing else, whatever SQL it is given."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from escapes import CANARY, INSIDE, OUTSIDE
from le_pipeline import cli
from le_pipeline.errors import QueryError
from le_pipeline.home import Home
from le_pipeline.warehouse import build, reader
from le_pipeline.warehouse.lake import Lake, polars_schema
from le_pipeline.warehouse.reader import RefusedError
from schemas import registry

DOCS = (Path(__file__).parents[2] / "docs" / "warehouse.md").read_text(encoding="utf-8")
PERMITTED = "select count(*), min(school_name) from canonical.school where state = 'LA'"
ANSWER = [(1, "Delaness School")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a warehouse of one school, built as a run builds it; tests only read it."""
    made = Home.at(tmp_path_factory.mktemp("reader") / "home")
    made.create()
    table = registry.tables()["school"]
    row = {
        "state": "LA",
        "school_year": 2016,
        "school_id": "036001",
        "lea_id": "036",
        "school_name": "Delaness School",
        "delivery_id": "d",
        "source_row": 2,
    }
    schema = polars_schema(table)
    Lake(made.lake).write(table, "landed_LA_2016", pl.DataFrame([row], schema=schema), "LA", 2016)
    build.build(made)
    build.approve(made)
    build.promote(made)
    return made


class Place:
    """What is not the analyst's: a file with a name, a folder to write to; and the state of everything around."""

    def __init__(self, home: Home, tmp_path: Path) -> None:
        self.canary, self.out = tmp_path / "canary.csv", tmp_path / "out"
        self.canary.write_text(f"{CANARY},2004-01-01\n")
        self.out.mkdir()
        self.home = home
        self.before = self.state()

    def sql(self, attempt: str) -> str:
        names = {"canary": self.canary, "out": self.out, "warehouse": self.home.warehouse, "lake": self.home.lake}
        for name, path in names.items():
            attempt = attempt.replace(f"{{{name}}}", str(path))
        return attempt

    def state(self) -> dict[str, bytes]:
        folders = (self.out, self.home.warehouse.parent, self.canary.parent)
        return {str(path): path.read_bytes() for folder in folders for path in folder.glob("*") if path.is_file()}


@pytest.fixture
def place(home: Home, tmp_path: Path) -> Place:
    return Place(home, tmp_path)


@pytest.mark.parametrize("name", [*OUTSIDE, *INSIDE])
def test_an_attempt_to_escape_is_refused_and_the_connection_goes_on(
    place: Place, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = pl.DataFrame({"name": [CANARY]})  # a variable of the caller, which SQL could take for a table
    attempt = place.sql((OUTSIDE | INSIDE)[name])
    with reader.connect(place.home) as con:
        asking = (
            lambda text: con.execute(text).fetchall(),
            lambda text: con.sql(text).fetchall(),
            lambda text: list(con.answers(text)),
        )
        for ask in asking:
            with pytest.raises(duckdb.Error) as refused:
                ask(attempt)
            assert CANARY.split()[0] not in str(refused.value)

        assert con.execute(PERMITTED).fetchall() == ANSWER
        assert con.sql(PERMITTED).fetchall() == ANSWER
    assert place.state() == place.before
    assert capfd.readouterr() == ("", "")
    assert frame.height == 1


@pytest.mark.parametrize("name", [*OUTSIDE, *INSIDE])
def test_an_attempt_to_escape_through_le_sql_ends_in_one_line_and_shows_nothing(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        sys, "argv", ["le", "sql", "--home", str(place.home.root), "--", place.sql((OUTSIDE | INSIDE)[name])]
    )

    with pytest.raises(SystemExit) as ended:
        cli.main()

    said = capfd.readouterr()
    assert ended.value.code == 1
    assert said.out == ""
    assert re.fullmatch(r"le: [^\n]+\n", said.err)
    assert CANARY.split()[0] not in said.err
    assert place.state() == place.before


def documented(warehouse: Path) -> duckdb.DuckDBPyConnection:
    """A client of another kind, which has nothing but the settings and statements of docs/warehouse.md."""
    (properties,) = re.findall(r"```properties\n(.*?)```", DOCS, re.DOTALL)
    settings = dict(line.split("=", 1) for line in properties.splitlines() if not line.startswith("duckdb."))
    (statements,) = re.findall(r"```sql\n(set .*?)```", DOCS, re.DOTALL)
    con = duckdb.connect(warehouse, read_only=True, config=dict(settings))
    for statement in filter(str.strip, statements.split(";")):
        con.execute(statement)
    return con


def test_other_clients_are_given_the_settings_of_the_reader() -> None:
    (properties,) = re.findall(r"```properties\n(.*?)```", DOCS, re.DOTALL)
    (statements,) = re.findall(r"```sql\n(set .*?)```", DOCS, re.DOTALL)
    ours = {name: value for name, value in reader.SETTINGS.items() if not name.startswith("python_")}

    told = dict(line.split("=", 1) for line in properties.splitlines())
    assert told == {name: str(value).lower() if name != "memory_limit" else value for name, value in ours.items()} | {
        "duckdb.read_only": "true",
        "threads": "4",
    }
    assert [statement.strip() for statement in statements.split(";") if statement.strip()] == list(reader.SEALS)


@pytest.mark.parametrize("name", list(OUTSIDE))
def test_the_settings_for_other_clients_alone_refuse_every_attempt_to_reach_outside(place: Place, name: str) -> None:
    frame = None  # what is called so is no table
    with documented(place.home.warehouse) as con:
        with pytest.raises(duckdb.Error) as refused:
            con.execute(place.sql(OUTSIDE[name])).fetchall()
        assert CANARY.split()[0] not in str(refused.value)
    assert place.state() == place.before
    assert frame is None


@pytest.mark.parametrize("name", list(INSIDE))
def test_with_the_settings_for_other_clients_nothing_is_written_whatever_is_tried(place: Place, name: str) -> None:
    with documented(place.home.warehouse) as con:
        with suppress(duckdb.Error):
            con.execute(place.sql(INSIDE[name])).fetchall()
        con.execute("select content from range(10) as r(content)").fetchall()
    assert place.state() == place.before


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        "from canonical.school",
        "with query as (select 1 as n) select n from query -- this query shows the checkpoint",
        "values (1), (2)",
        "table canonical.school",
        "(select 1) union all (select 2)",
        "describe canonical.school",
        "describe",
        "show all tables",
        "show tables from canonical",
        "summarize canonical.school",
        "explain from canonical.school",
        "explain analyze from canonical.school",
        "explain (format json) select 1",
        "pivot canonical.school on state using count(*)",
        "with p as (pivot canonical.school on state using count(*)) from p",
        "pivot canonical.school on state in ('LA') using count(*)",
        "unpivot canonical.school on lea_id, school_name",
        "/* by state */ (pivot canonical.school on state using count(*)) -- so",
        "describe pivot canonical.school on state using count(*)",
        "explain (format json) (select 1)",
        "desc canonical.school",
        "\u00a0select\u00a01;\u00a0from\u00a0canonical.school;",
        "select table_name, comment from duckdb_tables()",
        "select column_name from information_schema.columns",
        "select * from range(3), unnest([1, 2]) as u(n)",
        "select 1;",
        "select 1; select 2",
        "select 'read_me.csv' as name, 'glob' as what, 'begin; end' as more",
    ],
)
def test_a_query_of_any_kind_is_answered(home: Home, query: str) -> None:
    with reader.connect(home) as con:
        assert con.execute(query).fetchall()
        assert con.sql(query).fetchall()


@pytest.mark.parametrize("name", [name for name in OUTSIDE | INSIDE if "pivot" in name and name != "a file by pivot"])
def test_what_is_no_query_is_refused_by_the_reader_itself_though_it_holds_a_pivot(place: Place, name: str) -> None:
    with reader.connect(place.home) as con, pytest.raises(RefusedError, match="this connection takes queries only"):
        con.execute(place.sql((OUTSIDE | INSIDE)[name]))


def test_a_transaction_that_an_error_has_aborted_does_not_stay(home: Home) -> None:
    with reader.connect(home) as con:
        con._con.execute("begin")
        with pytest.raises(duckdb.Error):
            con._con.execute("select error('so that the transaction is aborted')").fetchall()

        assert con.execute(PERMITTED).fetchall() == ANSWER


def test_parameters_are_values_and_frames_come_as_frames(home: Home) -> None:
    with reader.connect(home) as con:
        query = "select school_id, school_name from canonical.school where state = ?"
        assert con.execute(query, ["LA"]).fetchone() == ("036001", "Delaness School")
        assert [name for name, *_ in con.description] == ["school_id", "school_name"]
        assert con.sql(query, params=["LA"]).pl().rows() == [("036001", "Delaness School")]
        assert con.execute(query, ["' or true --"]).fetchmany(5) == []


def test_the_warehouse_is_found_by_home_folder_file_or_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LE_HOME", str(home.root))
    for place in (home, home.root, str(home.root), home.warehouse, str(home.warehouse), None):
        with reader.connect(place) as con:
            assert con.execute(PERMITTED).fetchall() == ANSWER


def test_several_connections_of_one_process_are_all_sealed(home: Home) -> None:
    with reader.connect(home) as first, reader.connect(home) as second:
        assert first.execute(PERMITTED).fetchall() == second.execute(PERMITTED).fetchall() == ANSWER
        with pytest.raises(duckdb.Error):
            second.execute("set threads = 1")


def test_troubles_of_opening_are_named(home: Home, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="there is no warehouse at"):
        reader.connect(tmp_path / "nowhere")
    with duckdb.connect(home.warehouse, read_only=True), pytest.raises(QueryError, match="open in this process"):
        reader.connect(home)
    (tmp_path / "other.duckdb").write_bytes(b"no database at all" * 1000)
    with pytest.raises(QueryError, match="cannot be read"):
        reader.connect(tmp_path / "other.duckdb")


def test_nothing_is_spilled_to_disk_by_a_query_that_needs_much_memory(place: Place) -> None:
    with reader.connect(place.home) as con:
        con.execute("select count(*) from (select range as n, repeat('x', 200) from range(300000) order by hash(n))")
        assert place.state() == place.before
        assert not list(place.home.warehouse.parent.glob("*.tmp"))


PIECES = (
    *(
        "select 1",
        "from canonical.school",
        ";",
        " ",
        "explain ",
        "analyze ",
        "(",
        ")",
        "create temp table t",
        "as ",
        "-- ",
        "\n",
    ),
    *(
        "/*",
        "*/",
        "pivot canonical.school on state using count(*)",
        "with a as (",
        "from a",
        "set threads = 1",
        "use marts",
    ),
    *(
        "begin",
        "copy ",
        "to 'x'",
        "call ",
        "prepare p as ",
        "execute p",
        "'",
        '"',
        "$$",
        "\u00a0",
        "insert into t ",
        "pragma ",
    ),
)


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[reader.Reader]:
    path = tmp_path_factory.mktemp("lasting") / "current.duckdb"
    with duckdb.connect(path) as con:
        con.execute("create schema canonical; create table canonical.school as select 'LA' as state")
    with reader.connect(path) as con:
        yield con


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_whatever_is_put_together_leaves_nothing_behind(lasting: reader.Reader, text: str) -> None:
    with suppress(duckdb.Error):
        lasting.execute(text)

    left = "select count(*) filter (temporary), current_schema(), current_database() from duckdb_tables()"
    assert lasting.execute(left).fetchall() == [(0, "main", "current")]
