"""A workbook with names in it, for its owner's eyes alone: where it may be written, how, and how it is read back."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import fastexcel
import polars as pl

from le_pipeline.errors import HandoutError
from le_pipeline.home import Home

FORMULA = re.compile(rb"<(\w+:)?f[\s/>]")
PART_BYTES = 256 << 20  # of a sheet, unpacked; what was handed out is far below it


def make_room(home: Home, target: Path) -> None:
    """Make an empty file (mode 0600) in the place of the target, for a workbook with names to be written into.

    Raises:
        HandoutError: it is no .xlsx, or lies where names must not be.
    """
    if target.suffix.lower() != ".xlsx":
        raise HandoutError(f"{target.name}: give a name that ends in .xlsx; other formats damage ids")
    if home.is_without_names(target):
        raise HandoutError(
            f"{target} lies where no name may be; choose a place outside LE_HOME ({home.root}) and landing"
        )
    try:
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
    except OSError as trouble:
        raise HandoutError(f"{target} cannot be written: {trouble.strerror}") from None


def read_back(source: Path) -> list[pl.DataFrame]:
    """The sheets of a workbook that was handed out and filled in, every cell as text.

    Raises:
        HandoutError: it cannot be opened, or holds formulas, whose values are those of whoever saved it last.
    """
    try:
        if zipfile.is_zipfile(source):
            _refuse_formulas(source)
        book = fastexcel.read_excel(source)
        return [book.load_sheet(name, dtypes="string").to_polars() for name in book.sheet_names]
    except (fastexcel.FastExcelError, zipfile.BadZipFile, RuntimeError, pl.exceptions.PolarsError, OSError):
        raise HandoutError(f"{source.name} cannot be opened; give the workbook that was exported") from None


def _refuse_formulas(source: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        for part in archive.infolist():
            if not part.filename.startswith("xl/worksheets/"):
                continue
            if part.file_size > PART_BYTES:
                raise HandoutError(f"{source.name} is too large; give the workbook that was exported")
            if FORMULA.search(archive.read(part)):
                raise HandoutError(f"{source.name} holds formulas; paste values in their place, and save it again")
