"""Who may look into a home: a new one is closed to others, and what somebody has set stays."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from le_pipeline.errors import HomeError
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.keys import create_key_file, load_keys

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make")
PRIVATE = ("landing", "vault", "lake", "dagster", "ledger")


@pytest.fixture(params=[0o002, 0o022, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """What new files are made with."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_a_new_home_is_passed_through_by_others_and_what_holds_people_is_closed(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "above" / "home")
    create_key_file(home)
    load_keys(home)  # writes the first file into it
    home.create()

    assert rights(home.root) == 0o711
    assert {name: rights(home.root / name) for name in PRIVATE} == dict.fromkeys(PRIVATE, 0o700)


def test_rights_of_what_is_there_are_left_as_they_are(tmp_path: Path) -> None:
    home = Home.at(tmp_path / "home")
    modes = {home.root: 0o750, home.landing: 0o2770, home.lake: 0o755, home.dagster: 0o750, home.ledger: 0o711}
    for folder, mode in modes.items():
        folder.mkdir()
        folder.chmod(mode)
    create_key_file(home)
    load_keys(home)
    home.create()

    assert {folder: rights(folder) for folder in modes} == modes


def test_a_landing_folder_that_lies_elsewhere_is_not_made(tmp_path: Path) -> None:
    Home.at(tmp_path / "home", tmp_path / "share").create()
    assert not (tmp_path / "share").exists() and not (tmp_path / "home" / "landing").exists()


def test_a_home_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    home = Home.at(tmp_path / "file" / "home")
    for make in (home.create, home.create_root):
        with pytest.raises(HomeError, match="cannot make the home"):
            make()


def test_the_commands_of_security_work_on_a_new_home_and_find_it_so(tmp_path: Path) -> None:
    (accounts,) = re.findall(r"\*\*Accounts\.\*\*.*?```sh\n(.*?)```", (ROOT / "SECURITY.md").read_text(), re.DOTALL)
    home = Home.at(tmp_path / "le_home")
    home.create()
    before = {path: rights(path) for path in (home.root, *(home.root / name for name in PRIVATE))}
    commands = accounts.replace("analysts", str(os.getgid()))
    subprocess.run(["/bin/sh", "-ec", commands], cwd=tmp_path, check=True)
    assert {path: rights(path) for path in before} == before
    assert rights(home.warehouse.parent) == 0o2750


@pytest.mark.skipif(MAKE is None, reason="make is not here")
def test_make_starts_a_home_with_samples_and_with_the_same_rights(tmp_path: Path) -> None:
    place = tmp_path / "home"
    subprocess.run([str(MAKE), f"LE_HOME={place}", f"{place}/landing"], cwd=ROOT, check=True)
    Home.at(place).create()
    assert rights(place) == 0o711
    assert rights(place / "landing") == 0o700
    assert Home.at(place).partitions()


@pytest.mark.parametrize(("state", "year"), [("LA\n", "2016"), ("LA", "2016\n"), ("LA", "20\u0661\u0666")])
def test_a_folder_that_only_looks_like_one_of_a_state_and_year_is_misplaced(home: Home, state: str, year: str) -> None:
    folder = home.landing / state / year
    folder.mkdir(parents=True)
    (folder / "scores.csv").touch()
    assert home.partitions() == []
    assert len(home.misplaced()) == 1
    with pytest.raises(HomeError, match="is not a state and a school year"):
        Partition.parse(f"{state}-{year}")
