"""Opens workbooks in a process of its own, so that what a hostile one does to its reader is not done to the run.

Calamine makes room for every cell that a sheet spans and for every text as often as it is used: a workbook of a few
thousand bytes can ask for more memory than there is, and a process that asks so is ended without a word. The process is
started once and asked again; where it has died, the next question starts another.
"""

from __future__ import annotations

import io
import json
import select
import subprocess
import sys
import threading
from typing import IO, Any

import fastexcel
import polars as pl

MEMORY_BYTES = 8 << 30  # of addresses; what a sheet of a million rows takes is well below
SECONDS = 300
LENGTH_BYTES = 8


class WorkbookError(Exception):
    """The workbook is broken inside, or its reader died of it."""


class _Reader:
    """The process, and how it is asked: one question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, workbook: bytes, place: int | None) -> pl.DataFrame:
        with self._lock:
            try:
                answer = self._answer(workbook, place)
            except (OSError, EOFError, TimeoutError):
                self._end()
                raise WorkbookError from None
        if not answer:
            raise WorkbookError
        return pl.read_ipc(io.BytesIO(answer))

    def _answer(self, workbook: bytes, place: int | None) -> bytes:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", __name__]
            self._process = subprocess.Popen(  # noqa: S603  # this module and nothing else
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        question, answer = self._process.stdin, self._process.stdout
        if question is None or answer is None:
            raise EOFError
        question.write(json.dumps({"bytes": len(workbook), "place": place}).encode() + b"\n" + workbook)
        question.flush()
        if not select.select([answer], [], [], SECONDS)[0]:
            raise TimeoutError
        return _exactly(answer, int.from_bytes(_exactly(answer, LENGTH_BYTES)))

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


_READER = _Reader()


def sheet_names(workbook: bytes) -> list[str]:
    """Names of the sheets, in order.

    Raises:
        WorkbookError: it cannot be opened.
    """
    return _READER.ask(workbook, None)["name"].to_list()


def cells(workbook: bytes, place: int) -> pl.DataFrame:
    """Every cell of a sheet as text.

    Raises:
        WorkbookError: it cannot be opened.
    """
    return _READER.ask(workbook, place)


def _exactly(file: IO[bytes], count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise EOFError
    return found


# -- in the process ----------------------------------------------------------------------------------------------


def _read(workbook: bytes, place: int | None) -> pl.DataFrame:
    book = fastexcel.read_excel(workbook)
    if place is None:
        return pl.DataFrame({"name": book.sheet_names}, schema={"name": pl.String})
    frame: pl.DataFrame = book.load_sheet(place, header_row=None, dtypes="string", skip_rows=0).to_polars()
    return frame


def _answer(question: dict[str, Any], workbook: bytes) -> bytes:
    """The frame; nothing where the workbook is damaged, also where Rust panics of it (no subclass of Exception)."""
    out = io.BytesIO()
    try:
        _read(workbook, question["place"]).write_ipc(out)
    except BaseException as trouble:
        if isinstance(trouble, (KeyboardInterrupt, SystemExit)):
            raise
        return b""
    return out.getvalue()


def _serve() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what it leaves in memory may hold names
    while line := sys.stdin.buffer.readline():
        question = json.loads(line)
        answer = _answer(question, _exactly(sys.stdin.buffer, question["bytes"]))
        sys.stdout.buffer.write(len(answer).to_bytes(LENGTH_BYTES) + answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
