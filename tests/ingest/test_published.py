"""Published figures are read as bounds, whatever stands in their place."""

from __future__ import annotations

import polars as pl
import pytest

from le_pipeline.ingest.published import bounds


def read(text: str | None, unit: str = "percent", marks: tuple[str, ...] = ()) -> tuple[object, ...]:
    """Value, lower, upper, mark; or that it cannot be read."""
    frame = pl.DataFrame({"text": [text], "unit": [unit]}, schema={"text": pl.String, "unit": pl.String})
    *found, is_unreadable = frame.select(**bounds(pl.col("text"), pl.col("unit"), marks)).row(0)
    return ("unreadable",) if is_unreadable else tuple(found)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("34", "percent", (34.0, 34.0, 34.0, None)),
        (" 34.5% ", "percent", (34.5, 34.5, 34.5, None)),
        ("1,234", "students", (1234.0, 1234.0, 1234.0, None)),
        ("<5", "percent", (None, 0.0, 5.0, "<5")),
        ("< 5", "percent", (None, 0.0, 5.0, "< 5")),
        (" ≤1", "percent", (None, 0.0, 1.0, "≤1")),
        (">95", "percent", (None, 95.0, 100.0, ">95")),
        ("≥99", "percent", (None, 99.0, 100.0, "≥99")),
        ("10-19", "percent", (None, 10.0, 19.0, "10-19")),
        ("20 – 29%", "percent", (None, 20.0, 29.0, "20 – 29%")),
        ("NR", "percent", (None, 0.0, 100.0, "NR")),
        ("~", "percent", (None, 0.0, 100.0, "~")),
        ("n<10", "percent", (None, 0.0, 100.0, "n<10")),
        ("n<10", "students", (None, 0.0, 9.0, "n<10")),
        ("<10", "students", (None, 0.0, 9.0, "<10")),
        ("<=10", "students", (None, 0.0, 10.0, "<=10")),
        (">10", "students", (None, 11.0, None, ">10")),
        ("NR", "students", (None, 0.0, None, "NR")),
        ("NR", "scale_score_points", (None, None, None, "NR")),
        ("-12.5", "scale_score_points", (-12.5, -12.5, -12.5, None)),
        ("101", "percent", ("unreadable",)),
        ("1,234", "percent", ("unreadable",)),
        ("-3", "percent", ("unreadable",)),
        (">100", "percent", (None, 100.0, 100.0, ">100")),
        ("20-10", "percent", ("unreadable",)),
        ("-3", "students", ("unreadable",)),
        ("0.5", "students", ("unreadable",)),
        ("12.5 %", "students", ("unreadable",)),
        ("<5%", "students", ("unreadable",)),
        ("0", "students", (0.0, 0.0, 0.0, None)),
        ("100", "percent", (100.0, 100.0, 100.0, None)),
        ("abc", "percent", ("unreadable",)),
        ("5<", "percent", ("unreadable",)),
        (None, "percent", (None, None, None, None)),
    ],
)  # fmt: skip
def test_a_printed_figure_and_what_it_can_be(text: str | None, unit: str, expected: tuple[object, ...]) -> None:
    assert read(text, unit) == expected


def test_a_layout_may_name_signs_of_its_own() -> None:
    assert read("q", marks=("Q",)) == (None, 0.0, 100.0, "q")
    assert read("q") == ("unreadable",)
