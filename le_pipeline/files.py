"""What is asked of files everywhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def hash_of(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def synced(folder: Path) -> None:
    """Make what was made and taken away in a folder last through a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
