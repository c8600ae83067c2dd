"""A home of its own for every test: its folders, its key and nothing from the machine's environment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, create_key_file, load_keys


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LE_HOME", "LE_LANDING", "LE_KEY", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LE_KEY_FILE", str(tmp_path / "key"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a key and nothing landed."""
    made = Home.at(tmp_path / "home")
    create_key_file(made)
    made.create()
    return made


@pytest.fixture
def keys(home: Home) -> Keys:
    """The home's keys."""
    return load_keys(home)


@pytest.fixture
def land(home: Home) -> Callable[[str, str | bytes], Path]:
    """Put a delivery into landing: `land("LA/2016/scores.csv", "StudentID,...")`."""

    def put(name: str, content: str | bytes) -> Path:
        path = home.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return put
