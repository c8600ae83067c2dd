"""Coded percentages: what they leave possible hides whether a count is small."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from le_pipeline.publish.percent import coded
from schemas.profile import profiles

PROFILES = profiles(Path("no profiles of one's own"))
names = st.sampled_from(sorted(PROFILES))


@pytest.mark.parametrize(
    ("profile", "part", "whole", "label"),
    [
        ("louisiana", 3, 400, "<5"),
        ("louisiana", 390, 400, ">95"),
        ("louisiana", 0, 250, "<5"),
        ("louisiana", 100, 400, "25"),
        ("strict", 25, 100, "25-29"),
        ("strict", 2, 45, "<30"),  # its own band, below 10, would tell that they are fewer than ten
        ("strict", 44, 45, ">69"),
        ("strict", 9, 18, None),
        ("nces_2011_603", 3, 400, "<4"),  # below 3 percent would be below ten
        ("edfacts", 150, 301, "50"),
        ("edfacts", 1, 5, None),
    ],
)
def test_a_share_is_told_in_bands_of_its_groups_size(profile: str, part: int, whole: int, label: str | None) -> None:
    assert coded(part, whole, PROFILES[profile], "student").label == label


@given(names, st.integers(1, 700), st.data())
def test_what_is_told_never_says_that_a_count_or_the_rest_is_small(name: str, whole: int, data: st.DataObject) -> None:
    profile = PROFILES[name]
    part = data.draw(st.integers(0, whole))

    told = coded(part, whole, profile, "student")

    assert told.least <= part <= told.most
    if told.label is not None:
        for least, most in ((told.least, told.most), (whole - told.most, whole - told.least)):
            assert least >= profile.students or (least == 0 and most >= profile.students)


@given(names, st.integers(1, 400))
def test_counts_that_are_told_alike_are_told_alike_from_each_of_them(name: str, whole: int) -> None:
    told = [coded(part, whole, PROFILES[name], "student") for part in range(whole + 1)]

    for code in set(told):
        assert [part for part, other in enumerate(told) if other == code] == list(range(code.least, code.most + 1))


def test_the_nation_is_coded_in_no_time() -> None:
    assert coded(12_000_000, 50_000_000, PROFILES["strict"], "student").label == "24"
