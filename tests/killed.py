"""A piece of work that is cut off just before its n-th change of a place on the disk, as by kill -9.

Whatever moves or removes a file is counted. From the n-th on nothing changes any more, also not by what tidies up: the
process is dead. `sys.addaudithook` sees every rename and removal, so that no step has to be known by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.link", "shutil.rmtree"}


class KilledError(BaseException):
    """The process would have ended here."""


class _Hook:
    def __init__(self) -> None:
        self.place: Path | None = None
        self.left = 0
        self.seen = 0

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.place is None or event not in CHANGES:
            return
        name = str(args[0])
        if ".lock" in name or (name.startswith("/") and not name.startswith(str(self.place))):
            return
        self.seen += 1
        if self.seen > self.left:
            raise KilledError


_hook = _Hook()
sys.addaudithook(_hook)


@contextmanager
def killed(place: Path, after: int) -> Iterator[_Hook]:
    """Cut off what changes files below a place after so many changes; `seen` counts them."""
    _hook.place, _hook.left, _hook.seen = place, after, 0
    try:
        yield _hook
    except KilledError:
        pass
    finally:
        _hook.place = None


def changes(place: Path) -> Any:
    """Count the changes without cutting anything off."""
    return killed(place, sys.maxsize)
