"""A workbook with names in it, for its owner's eyes alone: where it may be written, and how."""

from __future__ import annotations

from pathlib import Path

from le_pipeline.errors import HandoutError
from le_pipeline.home import Home


def make_room(home: Home, target: Path) -> None:
    """Make an empty file (mode 0600) in the place of the target, for a workbook with names to be written into.

    Raises:
        HandoutError: it is no .xlsx, or lies where names must not be.
    """
    if target.suffix.lower() != ".xlsx":
        raise HandoutError(f"{target.name}: give a name that ends in .xlsx; other formats damage ids")
    if home.is_without_names(target):
        raise HandoutError(
            f"{target} lies where no name may be; choose a place outside lake, warehouse, dagster and landing"
        )
    try:
        target.unlink(missing_ok=True)
        target.touch(mode=0o600)
    except OSError as trouble:
        raise HandoutError(f"{target} cannot be written: {trouble.strerror}") from None
