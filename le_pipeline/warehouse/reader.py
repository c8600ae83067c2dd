"""The analysts' connection: the current warehouse, opened so that SQL can query it and can do nothing else.

Two layers. DuckDB itself is sealed: no file, no network, no extension, no setting, no writing. That holds for any
client that is given the settings of docs/warehouse.md. On top of it a `Reader` takes queries only, and none that looks
at the connection rather than at the warehouse. It is SQL that is not trusted here: whoever runs Python of their own is
held by the rights of their account, not by this module.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import dropwhile, groupby, pairwise
from pathlib import Path
from typing import Any

import duckdb

from le_pipeline.errors import QueryError
from le_pipeline.home import Home

SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "python_enable_replacements": False,  # else `from df` reads the caller's variables
    "python_scan_all_frames": False,
    "temp_directory": "",  # nothing is spilled: rows of people would lie in a file
    "memory_limit": "3GB",
    "threads": min(4, os.cpu_count() or 1),
}
# Without external access SQL may still read and overwrite the warehouse's own file, and write the log that DuckDB would
# replay at the next opening. The file system can only be taken away once the warehouse is open.
SEALS = ("set disabled_filesystems = 'LocalFileSystem'", "set lock_configuration = true")

# Table functions are refused but for these, so that one that a later DuckDB brings is refused until somebody has looked
HARMLESS = {
    *("range", "generate_series", "unnest", "repeat", "summary", "histogram", "histogram_values", "json_each"),
    *("json_tree", "duckdb_columns", "duckdb_constraints", "duckdb_functions", "duckdb_keywords", "duckdb_schemas"),
    *("duckdb_tables", "duckdb_types", "duckdb_views", "icu_calendar_names", "pg_timezone_names"),
}
ABOUT_THE_CONNECTION = {
    *("pragma", "pragma_database_list", "duckdb_databases", "duckdb_settings", "duckdb_secrets", "duckdb_logs"),
    *("pg_settings", "current_setting", "getenv", "write_log"),
}
EXPLAIN = re.compile(r"\s*explain(\s+analyze\b)?(\s*\([^)]*\))?", re.IGNORECASE)
WORD = re.compile(r"[^\W\d]\w*")
QUERIES = {
    *("select", "from", "with", "values", "table", "describe", "desc", "show", "summarize", "explain"),
    *("pivot", "pivot_wider", "pivot_longer", "unpivot"),
}
# What stands around or in a pivot is not told apart by DuckDB's kinds, and `with` may begin any of these
WRITING = {"create", "insert", "update", "delete", "merge", "copy"}
OF_A_PIVOT = {"SELECT", "EXPLAIN", "CREATE", "TRANSACTION", "MULTI"}
TAKEN = "this connection takes queries only (select, from, with, values, describe, show, summarize, explain, pivot)"


class RefusedError(QueryError, duckdb.PermissionException):
    """SQL that is no query, or looks at the connection. Also one of DuckDB's errors, for callers who catch those."""


def connect(home: Home | str | Path | None = None) -> Reader:
    """Open the warehouse for reading; a run neither waits for whoever has it open nor disturbs them.

    Args:
        home: the home, its folder, or the DuckDB file itself; else the environment's LE_HOME, else `./le_home`.

    Raises:
        QueryError: there is no warehouse, or this process has it open with other settings.
    """
    path = _warehouse(home)
    if not path.is_file():
        raise QueryError(f"there is no warehouse at {path} yet; `le run` builds it")
    try:
        con = duckdb.connect(path, read_only=True, config=SETTINGS)
    except duckdb.ConnectionException:
        raise QueryError(f"{path} is open in this process with other settings; close that connection first") from None
    except duckdb.IOException:
        raise QueryError(f"{path} cannot be read; ask for the right to read it, or run `le run`") from None
    (is_sealed,) = con.execute("select current_setting('lock_configuration')").fetchone() or (False,)
    if not is_sealed:  # a second connection of one process shares the first one's settings
        for seal in SEALS:
            con.execute(seal)
    return Reader(con)


class Reader:
    """A connection that takes queries: select, from, with, values, describe, show, summarize, explain, pivot.

    `sql(query).pl()`, `.df()` or `.show()` for frames, `execute(query, params).fetchall()` for rows. It keeps the
    warehouse that it opened, whatever runs replace it.
    """

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        names = con.execute(
            "select function_name from duckdb_functions() where function_type in ('table', 'table_macro')"
        ).fetchall()
        self._refused = _words({name for (name,) in names} - HARMLESS | ABOUT_THE_CONNECTION)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sql(self, query: str, params: Sequence[Any] | None = None) -> duckdb.DuckDBPyRelation:
        """The answer to a query (of several, to the last) as DuckDB's relation.

        Raises:
            RefusedError: it is no query, or names a function that is not for queries here.
            duckdb.Error: DuckDB could not answer it.
        """
        self._queries(query)
        return self._con.sql(query, params=params)

    def answers(self, text: str) -> Iterator[duckdb.DuckDBPyRelation]:
        """The answer to each query of a text, in order. Raises as `sql` does, before the first one is run."""
        for query in self._queries(text):
            answer: duckdb.DuckDBPyRelation | None = self._con.sql(query)
            if answer is not None:  # what DuckDB does before a pivot answers nothing
                yield answer

    def execute(self, query: str, params: Sequence[Any] | None = None) -> Reader:
        """Run a query, for the fetch methods to take its rows. Raises as `sql` does."""
        self._queries(query)
        self._con.execute(query, params)
        return self

    @property
    def description(self) -> list[tuple[Any, ...]]:
        """Name and type of each column of what was executed."""
        return self._con.description or []

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row, or None."""
        return self._con.fetchone()

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """The next rows."""
        return self._con.fetchmany(size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """All rows that are left."""
        return self._con.fetchall()

    def interrupt(self) -> None:
        """Stop the query that still runs; the connection goes on."""
        self._con.interrupt()

    def close(self) -> None:
        """Let go of the warehouse."""
        self._con.close()

    def _queries(self, text: str) -> list[duckdb.Statement]:
        """The statements of a text, each of which is a query."""
        self._end_what_failed()
        if found := self._refused.search(text):
            name = found.group(1) or found.group(2)
            raise RefusedError(f"{name} is refused: this connection answers queries on the tables of the warehouse")
        statements = self._con.extract_statements(text)
        for word in _first_words(text):
            if word not in QUERIES:
                raise RefusedError(f"{word.upper()} is refused: {TAKEN}")
        for statement in statements:
            self._require_query(statement, text)
        return statements

    def _end_what_failed(self) -> None:
        """Roll back what an error has left of the transaction that DuckDB puts around a pivot.

        Rows are fetched, and errors come, when the answer has been handed over; so it is done before what follows.
        """
        with suppress(duckdb.TransactionException):  # there is none, mostly
            self._con.rollback()

    def _require_query(self, statement: duckdb.Statement, text: str) -> None:
        kind = _kind(statement)
        if kind == "EXPLAIN" and statement.query:
            self._queries(EXPLAIN.sub("", statement.query, count=1))
        elif kind != "SELECT" and not _is_pivot(statement, text):
            raise RefusedError(f"{kind} is refused: {TAKEN}")


def _warehouse(home: Home | str | Path | None) -> Path:
    if isinstance(home, Home):
        return home.warehouse
    path = Path(home) if home else None
    return path.resolve() if path and path.suffix == ".duckdb" else Home.at(path).warehouse


def _kind(statement: duckdb.Statement) -> str:
    try:
        return statement.type.name
    except ValueError:  # DuckDB's Python client has no name for some kinds
        return "this kind of statement"


def _is_pivot(statement: duckdb.Statement, text: str) -> bool:
    """Whether it is what DuckDB makes of a query with a PIVOT whose values it has to look up.

    That are several statements without a text; DuckDB 2 calls it one statement of the kind MULTI. What is not a query
    may hold a pivot, too.
    """
    kind = _kind(statement)
    is_of_pivot = kind == "MULTI" or (not statement.query and kind in OF_A_PIVOT)
    return is_of_pivot and WRITING.isdisjoint(_tokens(text))


def _tokens(text: str) -> list[str]:
    """The words and signs of a text in lower case, as DuckDB tells them apart; without comments."""
    encoded = text.encode()
    starts = [start for start, _ in duckdb.tokenize(text)]
    pieces = (encoded[start:end].decode(errors="replace") for start, end in pairwise([*starts, len(encoded)]))
    # DuckDB takes a space that is not an ASCII one for part of the word; what follows the last word may be a comment
    return [found.group().lower() if (found := WORD.match(piece.lstrip())) else piece.strip() for piece in pieces]


def _first_words(text: str) -> Iterator[str]:
    """The word that each statement of a text begins with, and the one after EXPLAIN and its options."""
    for is_end, tokens in groupby(_tokens(text), key=lambda token: token.startswith(";")):
        if is_end:
            continue
        words = _without_brackets(list(tokens))
        yield words[0]
        if words[0] == "explain":
            yield _explained(words[1:])


def _without_brackets(words: list[str]) -> list[str]:
    return list(dropwhile(lambda word: word == "(", words))


def _explained(words: list[str]) -> str:
    rest = words[1:] if words[0] == "analyze" else words
    is_with_options = rest[0] == "(" and rest[1] not in QUERIES | {"("}
    return _without_brackets(rest[rest.index(")") + 1 :] if is_with_options else rest)[0]


def _words(names: Iterable[str]) -> re.Pattern[str]:
    """Finds one of the names; those that may be a person's own names, such as `query`, only where they are called."""
    whole = sorted(name for name in names if "_" in name or name in ABOUT_THE_CONNECTION)
    called = sorted(set(names) - set(whole))
    return re.compile(rf'\b(?:({"|".join(whole)})\b|({"|".join(called)})"?\s*\()', re.IGNORECASE)
