"""The samples, brought through the whole line by Dagster once for all tests of this folder."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

from assets.__main__ import prepare, run_all
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, load_keys

SAMPLES = Path(__file__).parents[2] / "data_samples"


@dataclass(frozen=True)
class SampleRun:
    """The home that `make run` leaves behind. Tests only read it; `copy` is theirs to change."""

    home: Home
    key_file: Path

    def copy(self, root: Path) -> Home:
        """The same home once more."""
        shutil.copytree(self.home.root, root)
        return Home.at(root)


@pytest.fixture(scope="session")
def _sample_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> SampleRun:
    """Made by whichever worker comes first; the key is fixed, so that every session sees the same pseudonyms."""
    base = tmp_path_factory.getbasetemp() if worker_id == "master" else tmp_path_factory.getbasetemp().parent
    run = SampleRun(Home.at(base / "samples" / "home"), base / "samples" / "key")
    with FileLock(base / "samples.lock"):
        if not (base / "samples" / "made").exists():
            run.key_file.parent.mkdir(parents=True)
            run.key_file.touch(mode=0o600)
            run.key_file.write_text(hashlib.sha256(b"the samples").hexdigest())
            shutil.copytree(SAMPLES / "landing", run.home.landing)
            with pytest.MonkeyPatch.context() as environment:
                environment.setenv("LE_KEY_FILE", str(run.key_file))
                environment.setenv("DAGSTER_HOME", "")
                prepare(run.home)
                assert run_all(run.home)
            (base / "samples" / "made").touch()
    return run


@pytest.fixture
def sample_run(_sample_run: SampleRun, monkeypatch: pytest.MonkeyPatch) -> SampleRun:
    """The samples' home with its key in the environment."""
    monkeypatch.setenv("LE_KEY_FILE", str(_sample_run.key_file))
    return _sample_run


@pytest.fixture
def sample_keys(sample_run: SampleRun) -> Keys:
    """The keys of the samples' home."""
    return load_keys(sample_run.home)
