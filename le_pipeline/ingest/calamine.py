"""Opens a workbook in a process of its own, so that what a hostile one does to its reader is not done to the run.

Calamine makes room for every cell that a sheet spans and for every text as often as it is used: a workbook of a few
thousand bytes can ask for more memory than there is, and a process that asks so is ended without a word.

    python -I calamine.py MEGABYTES [PLACE OF THE SHEET] < workbook > Arrow IPC

Without a place the answer is the names of the sheets. The process ends with 1 where the workbook is damaged.
"""

from __future__ import annotations

import resource
import sys

import fastexcel
import polars as pl


def answer(workbook: bytes, place: int | None) -> pl.DataFrame:
    """The names of the sheets, or every cell of one of them as text."""
    book = fastexcel.read_excel(workbook)
    if place is None:
        return pl.DataFrame({"name": book.sheet_names}, schema={"name": pl.String})
    cells: pl.DataFrame = book.load_sheet(place, header_row=None, dtypes="string", skip_rows=0).to_polars()
    return cells


if __name__ == "__main__":
    limit = int(sys.argv[1]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what it leaves in memory may hold names
    answer(sys.stdin.buffer.read(), int(sys.argv[2]) if sys.argv[2:] else None).write_ipc(sys.stdout.buffer)
