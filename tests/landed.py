"""Deliveries that a test lands, and what becomes of them: the words the tests of ingest are told in."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter
from pytest import MonkeyPatch  # noqa: PT013

from le_pipeline.home import Home, Partition
from le_pipeline.ingest import coded, reading
from le_pipeline.ingest.document import Document
from le_pipeline.ingest.partition import FeedReport, ingest_feed
from le_pipeline.ingest.record import record_unclaimed
from le_pipeline.privacy.keys import Keys, record, recorded_id
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.lake import Lake
from schemas import registry

LA_2016 = Partition("LA", 2016)
FEED = "student_assessment"

# the smallest layout with an id, names, a date, a grade and a score
SCORES = """\
layout: scores
feed: student_assessment
issuer: "*"
about: Scores of one test, one row per student
recognise: {columns: [ID, Grade, Score]}
read: {format: delimited}
fill:
  student_id: ID
  last_name: Name
  birth_date: {from: Born, date: "%m/%d/%Y"}
  subject: {value: mathematics}
  grade: Grade
  lea_id: District
  scale_score: {from: Score, range: [100, 900]}
tolerance: 0.25
"""
HEADER = "ID,Name,Born,Grade,District,Score"


def of(path: Path) -> Document:
    """The file as a document."""
    return Document(path, path.name)


def scores(*rows: str, header: str = HEADER) -> str:
    """A file of the layout `scores`."""
    return "\n".join([header, *rows]) + "\n"


def students(count: int, score: int = 500) -> list[str]:
    """Rows of as many students, each right."""
    return [f"7{place:06d},Tester,02/03/2006,04,1,{score}" for place in range(count)]


def workbook(rows: Sequence[Sequence[Any]], **sheet: Any) -> bytes:
    """An Excel workbook with the cells; dates are written as Excel holds them."""
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"default_date_format": "mm/dd/yyyy", **sheet}) as book:
        page = book.add_worksheet()
        for place, row in enumerate(rows):
            page.write_row(place, 0, row)
    return content.getvalue()


class Landed:
    """A home whose landing folder a test fills and takes in."""

    def __init__(self, home: Home, keys: Keys) -> None:
        self.home, self.keys = home, keys
        self.lake = Lake(home.lake)
        if recorded_id(home) is None:
            record(home, keys)

    def layout(self, text: str = SCORES, name: str = "own.yaml") -> Landed:
        """Put a layout into the home's own layouts."""
        (self.home.layouts / name).write_text(text, encoding="utf-8")
        return self

    def file(self, name: str, content: str | bytes) -> Path:
        """Put a file into landing/LA/2016, over the one of its name."""
        path = self.home.landing / "LA" / "2016" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def run(self, feed: str = FEED) -> FeedReport:
        """Bring the feed of LA-2016 in, as a run does."""
        record_unclaimed(self.home, LA_2016)
        return ingest_feed(self.home, self.keys, feed, LA_2016)

    def table(self, *columns: str, feed: str = FEED) -> list[tuple[Any, ...]]:
        """The feed's table in the lake, in order of its first column asked for."""
        frame = self.lake.read(registry.feeds()[feed])
        return frame.select(columns).sort(columns).rows()

    def scores(self) -> list[float]:
        """The scores in the lake, the lowest first."""
        return [score for (score,) in self.table("scale_score")]

    def delivery(self, name: str) -> dict[str, Any]:
        """What is on record of the file as it is now."""
        frame = self.lake.read(registry.tables()["delivery"]).filter(pl.col("path") == f"LA/2016/{name}")
        return frame.sort("received_at").rows(named=True)[-1]

    def quarantine(self, *columns: str) -> list[tuple[Any, ...]]:
        """The pointers of the quarantine, by row."""
        frame = self.lake.read(registry.tables()["quarantine"])
        return frame.sort("source_row", "rule", "source_column").select(columns).rows()

    def vaulted(self, part: str, feed: str = FEED) -> pl.DataFrame:
        """The frames of a vault file (`identity`, `quarantine`) as one."""
        return pl.concat(Vault(self.home, self.keys).read(f"{feed}/{LA_2016}.{part}"))


@contextmanager
def everything_coded() -> Iterator[None]:
    """Delimited files are read into codes, however small they are and whatever they say."""
    with MonkeyPatch.context() as patched:
        patched.setattr(coded, "FEW", 1e9)
        patched.setattr(reading, "CODED_BYTES", 0)
        yield


def account(delivery: dict[str, Any]) -> tuple[int, int, int, int, int]:
    """Records read, accepted, quarantined, excluded and duplicate."""
    read, *parts = (delivery[f"rows_{name}"] for name in ("read", "accepted", "quarantined", "excluded", "duplicate"))
    assert read == sum(parts)
    return (read, *parts)
