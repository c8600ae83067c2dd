"""Whatever bytes come in: only named errors escape, no row is lost, and what was written is what is read."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hostile import LAYOUTS, good
from landed import Landed, of
from le_pipeline.errors import EmptyFileError
from le_pipeline.home import Home
from le_pipeline.ingest import reading
from le_pipeline.ingest.header import OVERFLOW, ROW
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import KEY_BYTES, Keys
from schemas.layout import Read

SUFFIXES = (".csv", ".txt", ".jsonl", ".parquet", ".zip", ".xlsx")
INSERTED = (b"\0", b'"', b",", b"\r", b"\n", b"\xff", b"\x1e", b"=", b"<", "é".encode())
RARELY = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    made = Landed(Home.at(tmp_path_factory.mktemp("bytes") / "home"), Keys(bytes(KEY_BYTES)))
    made.home.create()
    for name, text in LAYOUTS.items():
        made.layout(text.replace("tolerance: 0.25", "tolerance: 1"), name)
    return made


@st.composite
def mutated(draw: st.DrawFn, suffix: str) -> bytes:
    """A good file with a few bytes cut, doubled, flipped or put in."""
    data = bytearray(good(suffix, 0))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(len(data) - 1, 0)))
        end = min(len(data), place + draw(st.integers(1, 60)))
        match draw(st.sampled_from(["cut", "end", "double", "flip", "insert"])):
            case "cut":
                del data[place:end]
            case "end":
                del data[place:]
            case "double":
                data[place:place] = data[place:end]
            case "flip" if data:
                data[min(place, len(data) - 1)] ^= 1 << draw(st.integers(0, 7))
            case _:
                data[place:place] = draw(st.sampled_from(INSERTED))
    return bytes(data)


def check(landed: Landed, suffix: str, content: bytes) -> None:
    """Rehearse and take in the file: each record has its fate, and pointers lead to rows that are there."""
    path = landed.file(f"data{suffix}", content)
    for found in rehearse(landed.home, path):
        for part in found.parts:
            assert part.account.is_conserved or part.refusal
    report = landed.run()
    parts = ["rows_accepted", "rows_quarantined", "rows_excluded", "rows_duplicate"]
    assert report.deliveries.filter(pl.col("rows_read") != pl.sum_horizontal(parts)).is_empty()
    accepted = report.deliveries.filter(pl.col("delivery_status") == "accepted")
    assert report.held_by or accepted["rows_accepted"].sum() - accepted["rows_superseded"].sum() == report.rows
    path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_good_file_with_some_bytes_changed_loses_no_row_and_raises_nothing_unnamed(
    landed: Landed, suffix: str
) -> None:
    @RARELY
    @given(mutated(suffix))
    def holds(content: bytes) -> None:
        check(landed, suffix, content)

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_bytes_at_all_end_in_a_named_reason(landed: Landed, suffix: str) -> None:
    @RARELY
    @given(st.binary(max_size=400))
    def holds(content: bytes) -> None:
        check(landed, suffix, content)

    holds()


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), max_size=6)
TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1))


@settings(max_examples=150, deadline=None)
@given(
    TABLE,
    st.sampled_from([",", "\t", ";", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
)
def test_what_was_written_in_any_dialect_is_what_is_read(
    rows: list[list[str]], delimiter: str, line_end: str, encoding: str, quoting: int
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow([f"c{place}" for place in range(len(rows[0]))])
    writer.writerows(rows)
    read = Read(format="delimited", delimiter=delimiter)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(text.getvalue().encode(encoding))
        try:
            found = pl.concat(reading.batches(of(path), read))
        except EmptyFileError:
            found = pl.DataFrame(schema={ROW: pl.UInt32})
    filled = [(place, *row) for place, row in enumerate(rows, start=2) if any(cell.strip() for cell in row)]
    got = found.drop(OVERFLOW, strict=False).fill_null("").rows()
    assert [row for row in got if any(str(cell).strip() for cell in row[1:])] == filled


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from("abc"), st.one_of(CELL, st.integers(), st.booleans(), st.none()), min_size=1),
        min_size=1,
    )
)
def test_records_of_json_lines_are_what_is_read(records: list[dict[str, object]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "records.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
        try:
            found = pl.concat(reading.batches(of(path), Read(format="json_lines")))
        except EmptyFileError:
            return
    for row in found.to_dicts():
        record = records[row[ROW] - 1]
        for name, value in record.items():
            expected = str(value).lower() if isinstance(value, bool) else value if value is None else str(value)
            assert row[name] == expected
