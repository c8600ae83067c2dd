"""`le sql`: queries from a text or a prompt, answers as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal

import duckdb

from le_pipeline.errors import QueryError
from le_pipeline.home import shown
from le_pipeline.warehouse.reader import Reader

Form = Literal["table", "csv", "json"]
ROWS_SHOWN = 40
ROWS_AT_ONCE = 10_000
LEAVE = ("quit", "exit", ".quit", ".exit", "\\q")


def answer(reader: Reader, text: str, form: Form = "table") -> None:
    """Write the answer to each query of a text to standard output; as CSV or JSON there is one.

    Raises:
        QueryError: it is no query, or has no answer; tells why in one line.
    """
    with _told_in_a_line(), _until_nobody_reads():
        answers = reader.answers(text)
        if form == "table":
            for relation in answers:
                _as_table(relation)
            return
        found = list(answers)
        if len(found) != 1:
            raise QueryError(f"--format {form} writes the answer to one query, and here are {len(found)}")
        WRITERS[form](found[0].execute())  # so that an error comes before the first line


def prompt(reader: Reader, form: Form = "table") -> None:
    """Answer queries that are typed, until `quit` or the end of input. What was typed is kept nowhere."""
    with suppress(ImportError):
        import readline  # noqa: F401  # lets input() edit lines and go back to earlier ones
    print("A query ends with ; and `quit` leaves. You see the warehouse as it is now: leave and come back for a newer.")
    while True:
        try:
            text = _typed()
            if text is None:
                return
            answer(reader, text, form)
        except QueryError as error:
            print(error, file=sys.stderr)
        except KeyboardInterrupt:
            reader.interrupt()  # DuckDB's other threads go on until they are told
            print("stopped", file=sys.stderr)


def _typed() -> str | None:
    """What is typed up to a line that ends with a semicolon; None where there is no more."""
    lines: list[str] = []
    while not lines or not lines[-1].rstrip().endswith(";"):
        try:
            lines.append(input("   > " if lines else "le > "))
        except EOFError:
            print()
            return None
        if len(lines) == 1 and lines[0].strip().rstrip(";").lower() in LEAVE:
            return None
    return "\n".join(lines)


def _as_table(relation: duckdb.DuckDBPyRelation) -> None:
    if relation.columns == ["explain_key", "explain_value"]:
        print(*(plan for _, plan in relation.fetchall()), sep="\n")
        return
    width = shutil.get_terminal_size((200, 0)).columns
    relation.show(max_rows=ROWS_SHOWN, max_width=width)


def _as_csv(relation: duckdb.DuckDBPyRelation) -> None:
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(relation.columns)
    for row in _rows(relation):
        out.writerow(map(_cell, row))


def _as_json(relation: duckdb.DuckDBPyRelation) -> None:
    columns = relation.columns
    if len(set(columns)) < len(columns):
        raise QueryError("two columns have one name, and JSON would keep one of them; name them apart with `as`")
    lines = (json.dumps(dict(zip(columns, map(_value, row), strict=True)), default=str) for row in _rows(relation))
    print("[", end="")
    for place, line in enumerate(lines):
        print(",\n" if place else "\n", line, sep="", end="")
    print("\n]")


WRITERS: dict[str, Callable[[duckdb.DuckDBPyRelation], None]] = {"csv": _as_csv, "json": _as_json}


def _rows(relation: duckdb.DuckDBPyRelation) -> Iterator[tuple[Any, ...]]:
    while rows := relation.fetchmany(ROWS_AT_ONCE):
        yield from rows


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(_value(value), default=str) if isinstance(value, (list, dict)) else value


def _value(value: object) -> object:
    """JSON knows neither infinity nor NaN."""
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _value(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def _told_in_a_line() -> Iterator[None]:
    """DuckDB's message, without the lines that quote the text. It holds nothing that the reader may not query."""
    try:
        yield
    except QueryError:
        raise
    except RuntimeError as error:  # which is how DuckDB tells of Ctrl-C
        raise (KeyboardInterrupt if str(error) == "Query interrupted" else error) from None
    except duckdb.Error as error:
        raise QueryError(shown(" ".join(str(error).split("\n\nLINE ")[0].split()))) from None


@contextmanager
def _until_nobody_reads() -> Iterator[None]:
    """End quietly where `head` or a closed window has read enough."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
