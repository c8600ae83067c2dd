"""A home that is made once for the tests of a module; each of them gets a copy to change."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pytest import MonkeyPatch  # noqa: PT013

from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, create_key_file, load_keys


def made(base: Path, make: Callable[[Home, Keys], object]) -> Path:
    """Make a home and its key in a folder, and what a test begins with in it."""
    with MonkeyPatch.context() as environment:
        environment.setenv("LE_KEY_FILE", str(base / "key"))
        environment.setenv("DAGSTER_HOME", "")
        for name in ("LE_HOME", "LE_LANDING", "LE_KEY"):
            environment.delenv(name, raising=False)
        home = Home.at(base / "home")
        create_key_file(home)
        home.create()
        make(home, load_keys(home))
    return base


def copied(base: Path, to: Path) -> Home:
    """The home once more, with its key beside, where the environment of a test has it."""
    shutil.copytree(base, to, dirs_exist_ok=True)
    return Home.at(to / "home")
