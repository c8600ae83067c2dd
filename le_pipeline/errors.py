"""The named troubles of the pipeline, one type per kind.

A message says what happened, where, and what to do. It holds no value of a personal field, and never the text of
another package's error, which may hold one.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from schemas.yaml_file import ContractError


class PipelineError(Exception):
    """Base of every named trouble; safe to print."""


class HomeError(PipelineError):
    """LE_HOME is missing, incomplete or cannot be written."""


class KeyFileError(PipelineError):
    """The key is missing, weak, readable by others, inside LE_HOME, or not the one the home was made with."""


class VaultError(PipelineError):
    """A vault file cannot be decrypted with this key, or was changed."""


class AuditError(PipelineError):
    """The log of what was done with the vault was changed, or cannot be gone on with."""


class PurposeError(PipelineError):
    """Nothing is taken out of the vault, or changed in it, without a purpose that is stated."""


class DestructionError(PipelineError):
    """There is no such agreement, or what it covers has been destroyed already."""


class RotationError(PipelineError):
    """The home cannot be put under another key, or not back under the old one, as it is now."""


class EstimationError(PipelineError):
    """A model cannot be estimated from these rows, or its estimator came to no end."""


class MendingError(PipelineError):
    """Quarantined rows cannot be exported or taken back."""


class HandoutError(PipelineError):
    """A workbook with names cannot be written there, or cannot be read back."""


class RosterError(PipelineError):
    """There is no roster to verify for that choice."""


class ReviewError(PipelineError):
    """Pairs cannot be exported, or decisions cannot be taken."""


class MatchingError(PipelineError):
    """Who is who could not be worked out."""


class AgreementError(PipelineError):
    """An extract cannot be made under this agreement, today or from what is here."""


class AnonymityError(PipelineError):
    """Students cannot be hidden behind enough others."""


class ExtractError(PipelineError):
    """An extract is there already, was changed, or the register of extracts was."""


class ChainError(PipelineError):
    """A record whose entries are chained by hashes was changed."""


class DisclosureError(PipelineError):
    """What is to be published would tell of too few people."""


class ReleaseError(PipelineError):
    """A release cannot be made, is there already, or was changed."""


class StepError(PipelineError):
    """The SQL of a table failed."""


class PanelError(PipelineError):
    """A panel of schools holds a school twice in one year, or with two first years of treatment."""


class GateError(PipelineError):
    """The tables did not meet their expectations, so the warehouse was not replaced."""


class QueryError(PipelineError):
    """The warehouse cannot be queried, or an SQL text is no query, or has no answer."""


class LeakError(PipelineError):
    """Values of the vault were found where none may be, or a place cannot be searched."""


class BusyError(PipelineError):
    """Another run is writing to this home."""


class EarlierVersionError(PipelineError):
    """A table of the lake has not the columns that this version of the project gives it."""


class RefusedError(PipelineError):
    """A delivered file cannot be taken in; nothing of it was written."""


class UnknownFileError(RefusedError):
    """No layout recognises the file; `is_near`: the message names the nearest one."""

    def __init__(self, message: str, *, is_near: bool = False) -> None:
        super().__init__(message)
        self.is_near = is_near


class AmbiguousFileError(RefusedError):
    """Several layouts of one feed recognise the file."""


class EmptyFileError(RefusedError):
    """The file is empty, or holds a header and no row."""


class UnreadableFileError(RefusedError):
    """The file is not what its name or layout says, or is damaged."""


class TruncatedFileError(RefusedError):
    """The file ends before it should."""


class EncodingFileError(RefusedError):
    """The file is not in the encoding its layout names."""


class TooLargeFileError(RefusedError):
    """The file, or a line of it, is larger than any real delivery."""


class ArchiveFileError(RefusedError):
    """The archive is encrypted, nested, out of proportion, or holds a path or link that leads out of it."""


class LinkFileError(RefusedError):
    """The file is a link to a place outside landing."""


class MarkupFileError(RefusedError):
    """The workbook declares entities of its own, as XML bombs do."""


class FormulaFileError(RefusedError):
    """The workbook holds formulas, whose values are those of whoever opened it last."""


class DestroyedFileError(RefusedError):
    """The data of the agreement that covers the landing folder were destroyed, so that it is not read again."""


class MissingColumnError(RefusedError):
    """A column that the layout needs is not in the file, or a lookup file is not beside it."""


class NamedFileError(RefusedError):
    """The file is named after somebody in it."""


class ToleranceError(RefusedError):
    """More rows break rules than the layout tolerates."""


def is_panic(error: BaseException) -> bool:
    """Whether it is a panic of a library in Rust: no `Exception`, and of a type that each library makes for itself."""
    return not isinstance(error, Exception) and type(error).__name__ == "PanicException"


def describe(error: BaseException) -> str:
    """What may be shown of any exception: the message of a named trouble; of others only the type and the places.

    The message of another package's exception can hold a value, a line or a whole row.
    """
    if isinstance(error, (PipelineError, ContractError)):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames[-6:]))
    return f"unexpected {type(error).__name__} at {places}. Its message is not shown, since it may hold data"
