"""Every file of the hostile corpus ends in its own named error, and nothing of it reaches the lake or a message."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from hostile import GOOD_SUFFIXES, HOSTILE, LAYOUTS, PERSON, Hostile, good
from landed import FEED, Landed
from le_pipeline.errors import RefusedError, ToleranceError
from le_pipeline.home import Home
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import KEY_BYTES, Keys
from schemas import registry

FILES = [pytest.param(file, id=ascii(file.name), marks=[pytest.mark.slow] if file.is_heavy else []) for file in HOSTILE]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    """A home in which a good file of every kind was taken in."""
    root = tmp_path_factory.mktemp("hostile") / "home"
    landed = Landed(Home.at(root), Keys(bytes(KEY_BYTES)))
    landed.home.create()
    for name, text in LAYOUTS.items():
        landed.layout(text, name)
    landed.file("good.csv", good(".csv", 100))
    for place, suffix in enumerate(GOOD_SUFFIXES, start=1):
        landed.file(f"data{suffix}", good(suffix, 1000 * place))
    assert landed.run().rows == 40 * (1 + len(GOOD_SUFFIXES))
    yield landed
    shutil.rmtree(root)


@pytest.fixture
def landed(template: Landed, tmp_path: Path) -> Landed:
    """A copy of it."""
    shutil.copytree(template.home.root, tmp_path / "home")
    return Landed(Home.at(tmp_path / "home"), template.keys)


def put(landed: Landed, file: Hostile, name: str) -> Path:
    """Land a hostile file under a name."""
    if file.name == "unreadable.csv" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    path = landed.home.landing / "LA" / "2016" / name
    path.unlink(missing_ok=True)
    file.write(path)
    return path


def state(landed: Landed) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What the lake and the vault hold of the feed."""
    table = landed.lake.read(registry.feeds()[FEED])
    return table.sort(table.columns), landed.vaulted("identity").sort(pl.all())


def verdicts(path: Path, home: Home) -> list[RefusedError]:
    """Why a rehearsal would not take the file."""
    found = rehearse(home, path)
    every = [item.refusal for item in found] + [part.refusal for item in found for part in item.parts]
    return [refusal for refusal in every if refusal]


def told(landed: Landed, shown: str) -> list[tuple[str, str]]:
    """Status and reason on record of a file and of what is in it."""
    frame = landed.lake.read(registry.tables()["delivery"]).filter(
        pl.col("path").str.starts_with(f"LA/2016/{shown}")
        & ~pl.col("delivery_status").is_in(["accepted", "superseded"])
    )
    return frame.select("delivery_status", "delivery_reason").rows()


def shown(name: str) -> str:
    """A name as it may be shown, up to what may not."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in name)


@pytest.mark.parametrize("file", FILES)
def test_a_hostile_file_beside_good_ones_ends_in_its_own_error_and_changes_nothing(
    landed: Landed, file: Hostile, capfd: pytest.CaptureFixture[str]
) -> None:
    before = state(landed)
    path = put(landed, file, file.name)
    refusals = verdicts(path, landed.home)
    report = landed.run()
    on_record = told(landed, shown(file.name))
    assert [type(refusal) for refusal in refusals] == [file.error]
    assert file.says in str(refusals[0])
    assert [status for status, _ in on_record] == ["held" if file.error is ToleranceError else "refused"]
    assert file.says in on_record[0][1]
    assert report.is_replaced == (file.error is not ToleranceError)
    assert all(is_now.equals(was) for is_now, was in zip(state(landed), before, strict=True))
    assert PERSON not in "".join([*map(str, refusals), *map(str, on_record), repr(report), *capfd.readouterr()])


# a name that cannot be shown, or that another layout asks for, is not that of a good one
OVER_A_GOOD_ONE = [
    case
    for case in FILES
    if case.values[0].suffix in GOOD_SUFFIXES
    and "shown" not in case.values[0].says
    and not case.values[0].name.startswith("latin")
]


@pytest.mark.parametrize("file", OVER_A_GOOD_ONE)
def test_a_hostile_file_in_the_place_of_a_good_one_leaves_the_table_as_it_was(landed: Landed, file: Hostile) -> None:
    before = state(landed)
    put(landed, file, f"data{file.suffix}")
    report = landed.run()
    (reason,) = [reason for path, reason in report.held_by.items() if path.startswith(f"LA/2016/data{file.suffix}")]
    assert file.says in reason
    assert PERSON not in reason
    assert all(is_now.equals(was) for is_now, was in zip(state(landed), before, strict=True))


def test_there_are_enough_of_them_and_each_kind_of_refusal_has_some() -> None:
    kinds = Counter(file.error for file in HOSTILE)
    assert len({file.name for file in HOSTILE}) == len(HOSTILE) > 100
    assert min(kinds.values()) > 1
