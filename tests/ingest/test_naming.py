"""A file that is named after somebody in it is refused, and its name is told nowhere."""

from __future__ import annotations

import polars as pl
import pytest

from landed import Landed
from le_pipeline.home import Home
from le_pipeline.ingest.naming import is_named_after_somebody
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import Vault

LAYOUT = """\
layout: named
feed: student_assessment
issuer: LA
about: Scores with whole names
recognise: {columns: [ID, Last, First, Score]}
read: {format: delimited}
fill:
  {student_id: ID, last_name: Last, first_name: First, subject: {value: ela}, grade: {value: "04"}, scale_score: Score}
"""
ROWS = "ID,Last,First,Score\n" + "".join(f"880011{n:04d},Quetz-Núñal,Zia,500\n" for n in range(30))
PEOPLE = pl.DataFrame({
    "student_id": ["8800110001", "77"], "email": ["zia.quetz@school.example", None],
    "last_name": ["Quetz-Núñal", "White"], "first_name": ["Zia", "Grace"],
})  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["Zia Quetz-Nunal.csv", "quetz_núñal,zia 2016.csv", "ZiaQuetzNúñal2016.csv", "scores 8800110001.csv",
     "of/White/Grace.csv", "book.xlsx#Grace White", "zia.quetz@school.example.csv"],
)  # fmt: skip
def test_names_and_ids_in_a_file_name_are_seen(name: str) -> None:
    assert is_named_after_somebody(f"LA/2016/{name}", PEOPLE)


@pytest.mark.parametrize(
    "name", ["leap_3_8_2016.csv", "White Academy.csv", "Grace 77.csv", "Zia.csv", "scores.xlsx#4B"]
)
def test_a_part_of_a_name_or_a_short_number_is_none(name: str) -> None:
    assert not is_named_after_somebody(f"LA/2016/{name}", PEOPLE)


def test_such_a_file_is_refused_and_a_new_name_mends_it(home: Home, keys: Keys) -> None:
    landed = Landed(home, keys).layout(LAYOUT)
    path = landed.file("Zia Quetz-Núñal.csv", ROWS)
    landed.file("Quetz-Núñal, Zia.csv", ROWS)  # the same once more
    report = landed.run()

    assert report.rows == 0
    assert sorted(report.deliveries["delivery_status"]) == ["refused", "superseded"]
    told = repr(report.deliveries.rows()) + "".join(p.read_text("latin-1") for p in home.lake.rglob("*.json"))
    assert "named after somebody in it" in told
    assert "Quetz" not in told and "Zia" not in told
    assert list(Vault(home, keys).read("student_assessment/LA-2016.identity")) == []

    path.rename(path.with_name("scores of a class.csv"))
    (path.parent / "Quetz-Núñal, Zia.csv").unlink()
    assert landed.run().rows == 30
    assert landed.delivery("scores of a class.csv")["delivery_status"] == "accepted"
