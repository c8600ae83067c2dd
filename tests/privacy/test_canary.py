"""Canaries: people who cannot be mistaken, landed in good files and in files that fail in every way a file can.

Whatever the runs leave behind outside landing, and whatever they say, is searched for them byte by byte.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from landed import LA_2016, Landed, scores, workbook
from le_pipeline.errors import PipelineError, describe
from le_pipeline.home import Home
from le_pipeline.ingest.delivery import DeliveryReader
from le_pipeline.ingest.partition import ingest_feed
from le_pipeline.ingest.record import record_unclaimed
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import Keys
from schemas import registry

PERSON = "Quetzalcanary,02/29/2004"
CANARIES = ["Quetzalcanary", "Zanzicanary", "canary@", "77700077", "2004-02-29", "02/29/2004", "2004, 2, 29"]
GOOD = [f"777000777{place:02d},{PERSON},04,1,{500 + place}" for place in range(30)]
BAD = {
    "good.csv": scores(*GOOD[:10]).encode(),
    "missing ids.csv": scores(*GOOD[10:20], f",{PERSON},04,1,500").encode(),
    "conflicts.csv": scores(*GOOD[20:30], GOOD[20].replace("520", "620")).encode(),
    "all wrong.csv": scores(*(f"{row[:11]},{PERSON},Zanzicanary,1,7770007777" for row in GOOD)).encode(),
    "dates in grade.csv": scores(f"77700077799,{PERSON},02/29/2004,1,500").encode(),
    "no header.csv": "\n".join(GOOD).encode(),
    "no header twice.csv": "\n".join([GOOD[0].replace("04,1", "1,1"), *GOOD]).encode(),
    "header glued.csv": (scores(header="ID,Grade,Score,Zeta").rstrip("\n") + "\n".join(GOOD)).encode(),
    "header open.csv": ('ID,Grade,Score,"Note\n' + "\n".join(GOOD)).encode(),
    "names as columns.csv": b"ID,Grade,Score,Quetzalcanary@canary.org\n77700077700,04,500,x\n",
    "cut off.csv": scores(*GOOD)[:-20].encode(),
    "open quote.csv": scores(*GOOD[:5], '77700077701,"Quetzalcanary,02/29/2004,04,1,500', *GOOD[5:]).encode(),
    "swallowed.csv": scores(*GOOD[:5], '77700077701,"Quetz,0,04,1,500', *GOOD[:3], '7,Q",,04,1,5').encode(),
    "long rows.csv": scores(*(row + ",Zanzicanary" for row in GOOD)).encode(),
    "latin.csv": scores(*(row.replace("Quetz", "\u00d1\u00e9") for row in GOOD), GOOD[0]).encode("latin-1"),
    "utf16.csv": scores(*GOOD).encode("utf-16"),
    "nul.csv": scores(*GOOD).encode() + b"\0Quetzalcanary",
    "page.csv": b"<html>Quetzalcanary 77700077701</html>",
    "page.xlsx": b"<html>Quetzalcanary 77700077701</html>",
    "damaged.xlsx": workbook([["State Staff ID", "Email"], ["77700077701", "x@canary.org"]])[:-400],
    "unknown.xlsx": workbook([["Quetzalcanary", "77700077701"], ["Zanzicanary", 77700077701]]),
    "fellows.xlsx": workbook([
        ["State Staff ID", "Last Name", "First Name", "Email", "Cohort", "Region", "Start Date", "Status",
        "Zanzicanary, B"],
        ["77700077701", "Quetzalcanary", "Zanzicanary", "q@canary.org", "2016", "South", "2015-08-01", "active", "x"],
        [77700077702, "Quetzalcanary", None, "z@canary.org", "2016", "South", "2015-08-01", "active", None],
        [None, "Quetzalcanary", None, None, "2016", "South", "Zanzicanary", "active", None],
    ]),
    "staff.csv": b"StaffID,LastName,FirstName,Email,BirthDate,SchoolYear,LEACode,SchoolCode,Position,FTE\n"
    b"77700077711,Quetzalcanary,Zanzicanary,q@canary.org,2004-02-29,2016,1,1,teacher,1\n"
    b"77700077712,Quetzalcanary,Zanzicanary,q@canary.org,2004-02-29,2016,1,1,Zanzicanary,1\n",
}  # fmt: skip


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    return Landed(home, keys).layout()


def run_everything(landed: Landed) -> Iterator[str]:
    """Everything that runs and rehearsals say: reports, reasons and what would be shown of an exception."""
    try:
        yield from record_unclaimed(landed.home, LA_2016)["delivery_reason"]
        for feed in registry.feeds():
            report = ingest_feed(landed.home, landed.keys, feed, LA_2016)
            yield repr(report)
            yield json.dumps(report.deliveries.rows(), default=str)
            yield json.dumps(report.held_by)
    except PipelineError as error:
        yield repr(error)
    except Exception as error:  # noqa: BLE001  # what would be shown of it is the point
        yield describe(error)
    for path in landed.home.files(LA_2016):
        rehearsals = rehearse(landed.home, path)
        yield repr(rehearsals)
        for part in (part for rehearsal in rehearsals for part in rehearsal.parts):
            yield json.dumps(part.pointers.rows())
            yield f"{part.drift} {part.refusal}"


def text_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file as they are; of Parquet also every value, decompressed."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield json.dumps(pl.read_parquet(path).rows(), default=str).encode()  # dates as ISO dates


def found_in(content: bytes) -> list[str]:
    """The canaries that are in the bytes, as UTF-8 or UTF-16."""
    lower = content.lower()
    forms = {name: (name.lower().encode(), name.lower().encode("utf-16-le")) for name in CANARIES}
    return [name for name, ways in forms.items() if any(way in lower for way in ways)]


def leaks(home: Home) -> dict[str, list[str]]:
    """Files of the home outside landing that hold a canary."""
    kept = [path for path in home.root.rglob("*") if path.is_file() and not path.is_relative_to(home.landing)]
    assert kept
    found = {str(path): [name for text in text_of(path) for name in found_in(text)] for path in kept}
    return {path: names for path, names in found.items() if names}


def test_the_search_finds_what_is_there(landed: Landed) -> None:
    landed.file("good.csv", BAD["good.csv"])
    planted = landed.home.lake / "planted.parquet"
    pl.DataFrame({"a": ["Quetzalcanary"] * 99, "b": [None] * 99}).write_parquet(planted, compression="zstd")
    (landed.home.lake / "planted.txt").write_bytes("Zanzicanary".encode("utf-16"))
    pl.DataFrame({"day": [datetime.date(2004, 2, 29)]}).write_parquet(landed.home.lake / "day.parquet")
    assert set(leaks(landed.home)) == {
        str(landed.home.lake / n) for n in ("planted.parquet", "planted.txt", "day.parquet")
    }
    assert found_in((landed.home.landing / "LA" / "2016" / "good.csv").read_bytes())


def test_no_canary_is_left_or_told_by_good_and_failing_deliveries_together(
    landed: Landed, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name, content in BAD.items():
        landed.file(name, content)
    said = "\n".join(run_everything(landed))
    out, err = capfd.readouterr()
    assert leaks(landed.home) == {}
    assert found_in(f"{said}\n{out}\n{err}\n{caplog.text}".encode()) == []
    assert "all wrong.csv" in said
    assert landed.vaulted("quarantine").height > 0


@pytest.mark.parametrize("name", BAD)
def test_no_canary_is_left_or_told_where_a_delivery_stands_alone_or_replaces_a_good_one(
    landed: Landed, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, name: str
) -> None:
    caplog.set_level(logging.DEBUG)
    suffix = Path(name).suffix
    landed.file(f"a{suffix}", BAD["fellows.xlsx" if suffix == ".xlsx" else "good.csv"])
    said = list(run_everything(landed))
    landed.file(f"a{suffix}", BAD[name])
    said += run_everything(landed)
    out, err = capfd.readouterr()
    assert leaks(landed.home) == {}
    assert found_in(("\n".join(said) + out + err + caplog.text).encode()) == []


def test_no_canary_is_left_or_told_by_a_run_that_crashes(
    landed: Landed, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = DeliveryReader.batches

    def crash(reader: DeliveryReader) -> Iterator[object]:
        for batch in whole(reader):
            yield batch
            batch.identity["last_name"].cast(pl.Int64)  # Polars tells the value that it cannot cast

    monkeypatch.setattr(DeliveryReader, "batches", crash)
    landed.file("good.csv", BAD["good.csv"])
    with pytest.raises(pl.exceptions.InvalidOperationError, match="Quetzalcanary") as crashed:
        landed.run()
    assert found_in(describe(crashed.value).encode()) == []
    assert leaks(landed.home) == {}
    assert found_in("".join(capfd.readouterr()).encode()) == []


def test_with_the_key_the_vault_gives_the_canaries_back(landed: Landed) -> None:
    landed.file("good.csv", BAD["missing ids.csv"])
    landed.run()
    assert set(landed.vaulted("identity")["last_name"]) == {"Quetzalcanary"}
    (row,) = landed.vaulted("quarantine")["row"]
    assert json.loads(row)["Born"] == "02/29/2004"
