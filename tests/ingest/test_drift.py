"""A file is compared with the one of the year before, or with its layout: new, gone, renamed, retyped."""

from __future__ import annotations

from landed import HEADER, SCORES, Landed, scores, students
from le_pipeline.home import Partition
from le_pipeline.ingest.drift import nameless, told
from le_pipeline.ingest.partition import ingest_feed
from le_pipeline.warehouse.lake import Lake
from schemas import registry

ROWS = students(20)


def last_year(landed: Landed, content: str) -> None:
    path = landed.home.landing / "LA" / "2015" / "scores.csv"
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    ingest_feed(landed.home, landed.keys, "student_assessment", Partition("LA", 2015))


def drift(landed: Landed, content: str) -> list[tuple[object, ...]]:
    landed.file("scores.csv", content)
    found = landed.run().drift
    return (
        found.select("drift", "source_column", "earlier_column", "compared_with").sort("drift", "source_column").rows()
    )


def test_the_first_file_is_compared_with_its_layout(landed: Landed) -> None:
    renamed = HEADER.replace("Name", "Names").replace("District", "Weather")
    assert drift(landed, scores(*ROWS, header=renamed)) == [
        ("gone", "District", None, "layout scores"),
        ("new", "Weather", None, "layout scores"),
        ("renamed", "Names", "Name", "layout scores"),
    ]


def test_a_later_file_is_compared_with_the_year_before_by_name_and_by_what_is_in_it(landed: Landed) -> None:
    last_year(landed, scores(*(f"{row},Yes,12" for row in ROWS), header=f"{HEADER},Lunch,Absent"))
    changed = scores(*(f"{row.replace(',1,', ',North Side,')},Yes" for row in ROWS), header=f"{HEADER},LunchStatus")
    assert drift(landed, changed) == [
        ("gone", "Absent", None, "LA/2015/scores.csv"),
        ("renamed", "LunchStatus", "Lunch", "LA/2015/scores.csv"),
        ("retyped", "District", None, "LA/2015/scores.csv"),
    ]
    gone, renamed, retyped = told(landed.run().drift)
    assert gone == (
        "LA/2016/scores.csv: gone Absent (against LA/2015/scores.csv);"
        " ask the sender for it, or take it out of the layout; its fields are empty"
    )
    assert renamed == (
        "LA/2016/scores.csv: renamed LunchStatus (before: Lunch) (against LA/2015/scores.csv);"
        " put the new name into the layout"
    )
    assert retyped == (
        "LA/2016/scores.csv: retyped District (against LA/2015/scores.csv);"
        " its cells were integer and are text; see that the layout still reads them"
    )


def test_the_same_columns_drift_nowhere(landed: Landed) -> None:
    last_year(landed, scores(*ROWS))
    assert drift(landed, scores(*students(30))) == []


def test_a_header_that_goes_on_with_a_record_is_told_by_place(landed: Landed) -> None:
    landed.layout(SCORES)
    landed.file("scores.csv", scores(*ROWS, header=f"{HEADER},7000001,Canary"))
    landed.run()
    profiles = Lake(landed.home.lake).read(registry.tables()["column_profile"])
    assert "Canary" not in str(profiles.rows())
    assert nameless(profiles) == [
        "LA/2016/scores.csv: 2 columns have no name, or one that looks like data; see that the header is whole"
    ]


def test_a_column_under_a_wholly_other_name_is_known_by_what_is_in_it(landed: Landed) -> None:
    last_year(landed, scores(*ROWS))
    changed = scores(*ROWS, header=HEADER.replace("Born", "DateOfBirth"))
    assert drift(landed, changed) == [("renamed", "DateOfBirth", "Born", "LA/2015/scores.csv")]
