"""Every file of the hostile corpus ends in its own named error, and nothing of it reaches the lake or a message."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console

from hostile import CSV, GOOD_SUFFIXES, HOSTILE, LAYOUTS, PERSON, Hostile, good
from landed import FEED, LA_2016, Landed, of
from le_pipeline import summary
from le_pipeline.errors import RefusedError, ToleranceError
from le_pipeline.home import Home
from le_pipeline.ingest import reading, text
from le_pipeline.ingest.delivery import Delivery, DeliveryReader
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import KEY_BYTES, Keys
from schemas import registry
from schemas.layout import Read

FILES = [pytest.param(file, id=ascii(file.name), marks=[pytest.mark.slow] if file.is_heavy else []) for file in HOSTILE]


class Templates(dict[str, Landed]):
    """Homes in which a good file of a kind was taken in, by its suffix; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __missing__(self, suffix: str) -> Landed:
        landed = Landed(Home.at(self.folder / suffix), Keys(bytes(KEY_BYTES)))
        landed.home.create()
        for name, layout in LAYOUTS.items():
            landed.layout(layout, name)
        landed.file(f"data{suffix}", good(suffix, 1000))
        assert landed.run().rows == 40
        return self.setdefault(suffix, landed)


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    return Templates(tmp_path_factory.mktemp("hostile"))


Copy = Callable[[str], Landed]


@pytest.fixture
def copy_of(templates: Templates, tmp_path: Path) -> Iterator[Copy]:
    """A home with a good file of that kind, to do with what one likes."""

    def made(suffix: str) -> Landed:
        shutil.copytree(templates[suffix].home.root, tmp_path / "home")
        return Landed(Home.at(tmp_path / "home"), templates[suffix].keys)

    yield made
    shutil.rmtree(tmp_path / "home", ignore_errors=True)  # some of the files are large


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
    copy_of: Copy, file: Hostile, capfd: pytest.CaptureFixture[str]
) -> None:
    landed = copy_of(".csv")
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
def test_a_hostile_file_in_the_place_of_a_good_one_leaves_the_table_as_it_was(copy_of: Copy, file: Hostile) -> None:
    landed = copy_of(file.suffix)
    before = state(landed)
    put(landed, file, f"data{file.suffix}")
    (reason,) = landed.run().held_by.values()
    assert file.says in reason
    assert PERSON not in reason
    assert all(is_now.equals(was) for is_now, was in zip(state(landed), before, strict=True))


MEASURED = """
import sys, time
from pathlib import Path
from le_pipeline.home import Home
from le_pipeline.ingest.rehearsal import rehearse
began = time.monotonic()
(found,) = rehearse(Home.at(sys.argv[1]), Path(sys.argv[2]))
print(type(found.refusal or found.parts[0].refusal).__name__)
print(time.monotonic() - began)
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""
SECONDS, MEGABYTES = 60, 1200  # a loaded machine takes its time; the packages alone take some 150 MB


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells what a process of its own has taken"
)
@pytest.mark.parametrize("file", [case for case, file in zip(FILES, HOSTILE, strict=True) if file.is_heavy])
def test_a_heavy_file_is_refused_within_bounds_of_memory_and_time(copy_of: Copy, file: Hostile) -> None:
    landed = copy_of(".csv")
    path = put(landed, file, file.name)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, landed.home.root, path],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    kind, seconds, kilobytes = done.stdout.split()
    assert (kind, done.stderr) == (file.error.__name__, "")
    assert float(seconds) < SECONDS
    assert int(kilobytes) < MEGABYTES << 10


ODD_NAMES = [
    "[bold] $(reboot) `x` ; & | > ' \".csv",
    "a..csv.csv",
    "%s {0} \\n.csv",
    "Ñandú \u00a0 名前.csv",
    "x" * 251 + ".csv",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_that_can_be_shown_is_taken_and_shown_as_it_is_whatever_it_means_elsewhere(
    copy_of: Copy, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    landed = copy_of(".csv")
    path = landed.file(name, CSV + f"8999999,{PERSON},02/03/2006,4B,1,500\n".encode())
    console = Console(width=1000, force_terminal=False)
    console.print(summary.rehearsed(rehearse(landed.home, path)[0]))
    landed.run()
    console.print(summary.troubles([f"{name} is empty"]))
    assert landed.delivery(name)["delivery_status"] == "accepted"
    assert capfd.readouterr().out.count(name) == 2


def test_a_file_that_goes_away_while_the_folder_is_looked_through_is_as_if_it_had_never_come(
    copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = copy_of(".csv")
    gone = landed.file("gone.csv", CSV)
    listed = landed.home.files(LA_2016)
    gone.unlink()
    monkeypatch.setattr(Home, "files", lambda *_: listed)
    assert landed.run().rows == 40


def test_a_file_that_goes_away_after_it_was_recognised_is_refused_and_the_others_are_taken(
    copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed = copy_of(".csv")
    going = landed.file("going.csv", CSV)
    header = DeliveryReader.__init__

    def goes_away(reader: DeliveryReader, delivery: Delivery, *others: Any) -> None:
        going.unlink(missing_ok=True)
        header(reader, delivery, *others)

    monkeypatch.setattr(DeliveryReader, "__init__", goes_away)
    assert landed.run().rows == 40
    assert "cannot be opened (No such file or directory)" in landed.delivery("going.csv")["delivery_reason"]


@pytest.mark.parametrize("method", ["header", "sample", "batches"])
def test_what_a_reader_panics_or_runs_out_of_memory_of_is_named_and_its_message_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    for trouble in (pl.exceptions.PanicException(PERSON), OSError(PERSON), MemoryError(PERSON), RecursionError(PERSON)):

        def fails(*_: object, trouble: BaseException = trouble) -> None:
            raise trouble

        path = tmp_path / "data.csv"
        path.write_bytes(CSV)
        monkeypatch.setattr(text, method, fails)
        with pytest.raises(RefusedError) as caught:
            list(getattr(reading, method)(of(path), Read(format="delimited")))
        assert PERSON not in str(caught.value)
        assert caught.value.__suppress_context__


def test_there_are_enough_of_them_and_each_kind_of_refusal_has_some() -> None:
    kinds = Counter(file.error for file in HOSTILE)
    assert len({file.name for file in HOSTILE}) == len(HOSTILE) > 100
    assert min(kinds.values()) > 1
