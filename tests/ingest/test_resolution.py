"""Corrections, duplicates and conflicts over random deliveries: laws that hold whatever is sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from le_pipeline.ingest.coded import as_texts, hashes
from le_pipeline.ingest.resolution import CONTENT, FATE, content_hash, fates, marks
from schemas import registry
from schemas.layout import Layout

TABLE = registry.tables()["mentorship"]
SCORES = registry.tables()["student_assessment"]
Row = tuple[int, str, str, str, float]  # delivery, student, subject, district, score

rows = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["a", "b", "c", "d"]),
        st.sampled_from(["ela", "mathematics"]),
        st.sampled_from(["1", "2"]),
        st.sampled_from([500.0, 600.0]),
    ),
    max_size=25,
).map(lambda found: sorted(found, key=lambda row: row[0]))


def layouts(correction: str) -> list[Layout]:
    given_ = {"layout": "test", "feed": "student_assessment", "issuer": "LA", "about": "test", "correction": correction}
    made = Layout.model_validate(given_ | {"recognise": {"columns": ["X"]}, "read": {"format": "delimited"}})
    return [made] * 3


def told(records: list[Row], correction: str = "rows") -> list[str]:
    """The fate of each record; `stays` where it has none."""
    names = ["student_key", "subject", "lea_id", "scale_score"]
    frames = [
        pl.DataFrame([dict(zip(names, record[1:], strict=True))]).select(
            pl.col(name) if name in names else pl.lit(None, pl.String).alias(name) for name in SCORES.column_names
        )
        for record in records
    ]
    if not frames:
        return []
    marked = pl.concat(marks(frame, SCORES, record[0], "file") for frame, record in zip(frames, records, strict=True))
    contents = pl.concat(frames).select(content_hash(SCORES))[CONTENT]
    gone = dict(fates(marked, contents.gather, layouts(correction)).select("index", FATE).iter_rows())
    return [gone.get(index, "stays") for index in range(len(records))]


@settings(max_examples=40, deadline=None)
@given(rows)
def test_by_rows_the_latest_delivery_of_a_key_decides_and_every_record_has_one_fate(records: list[Row]) -> None:
    latest: dict[Any, int] = {}
    for delivery, student, subject, *_ in records:
        latest[student, subject] = max(delivery, latest.get((student, subject), 0))
    current = Counter((row[1:3], row[3:]) for row in records if row[0] == latest[row[1:3]])
    conflicting = {key for key, _ in current if len({content for k, content in current if k == key}) > 1}
    expected, seen = [], set()
    for row in records:
        key = row[1:3]
        if row[0] < latest[key]:
            expected.append("superseded")
        elif key in conflicting:
            expected.append("conflict")
        else:
            expected.append("duplicate" if key in seen else "stays")
            seen.add(key)
    assert told(records) == expected


@settings(max_examples=40, deadline=None)
@given(rows, st.sampled_from(["rows", "file"]))
def test_what_stays_has_one_record_for_each_key(records: list[Row], correction: str) -> None:
    fate = told(records, correction)
    stays = [row[1:3] for row, what in zip(records, fate, strict=True) if what == "stays"]
    assert len(stays) == len(set(stays))
    assert len(fate) == len(records)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_a_delivery_sent_again_unchanged_takes_the_place_of_the_first_and_of_nothing_else(records: list[Row]) -> None:
    once = [(0, *row[1:]) for row in records]
    again = [(1, *row[1:]) for row in records]
    assert told(once + again, "file") == ["superseded"] * len(once) + told(once, "file")


@given(st.lists(st.tuples(*[st.sampled_from(["", "a", "b", "ab", None])] * 3), max_size=30))
def test_a_hash_over_columns_tells_every_two_rows_apart_and_no_row_from_itself(
    rows: list[tuple[str | None, ...]],
) -> None:
    frame = pl.DataFrame(rows, schema=dict.fromkeys("xyz", pl.String), orient="row")
    table = TABLE.model_copy(update={"columns": tuple(TABLE.columns[0].model_copy(update={"name": c}) for c in "xyz")})
    assert frame.select(content_hash(table))[CONTENT].n_unique() == len(set(rows))


@given(st.lists(st.sampled_from(["", "a", "b", "é", None]), max_size=30), st.lists(st.sampled_from(["x", "b"])))
def test_a_text_has_one_hash_whether_its_column_is_coded_or_not(texts: list[str | None], before: list[str]) -> None:
    codes = pl.Categorical(pl.Categories.random())
    _held = pl.Series(before, dtype=codes)  # codes that are given already
    column = pl.Series("x", texts, dtype=pl.String)
    coded = column.cast(codes)
    assert hashes(coded).to_list() == hashes(column).to_list()
    assert as_texts(coded.to_frame())["x"].to_list() == texts


def school(delivery: int, students: str, district: str = "1", score: float = 500.0) -> list[Row]:
    return [(delivery, student, "ela", district, score) for student in students]


def test_by_file_a_resend_drops_what_it_leaves_out_of_the_district_and_leaves_other_districts_alone() -> None:
    first = school(0, "abcd") + school(0, "xy", "2")
    later = school(1, "abc", score=600.0)
    assert told(first + later, "file") == ["superseded"] * 3 + ["left_out"] + ["stays"] * 2 + ["stays"] * 3


def test_what_one_resend_leaves_out_and_a_later_one_has_again_is_not_left_out() -> None:
    sent = school(0, "abcd") + school(1, "abc", score=600.0) + school(2, "abcd", score=700.0)
    assert told(sent, "file") == ["superseded"] * 7 + ["stays"] * 4


def test_by_file_a_short_list_of_corrections_replaces_only_what_it_names() -> None:
    assert told(school(0, "abcde") + school(1, "ab", score=600.0), "file") == (
        ["superseded"] * 2 + ["stays"] * 3 + ["stays"] * 2
    )


def test_by_file_another_grade_of_the_same_district_is_not_a_correction() -> None:
    assert told(school(0, "abcd") + school(1, "efgh"), "file") == ["stays"] * 8


def test_who_mentors_whom_is_not_the_same_turned_round() -> None:
    pairs = pl.DataFrame({"fellow_staff_key": ["a", "b"], "mentee_staff_key": ["b", "a"]})
    table = pairs.select(
        pl.col(name) if name in pairs.columns else pl.lit(None, pl.String).alias(name) for name in TABLE.column_names
    )
    contents = table.select(content_hash(TABLE))[CONTENT]
    assert fates(marks(table, TABLE, 0, "rows"), contents.gather, layouts("rows")).is_empty()
