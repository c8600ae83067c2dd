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

from fuzz import fuzz
from hostile import LAYOUTS, good
from landed import Landed, everything_coded, of
from le_pipeline.errors import EmptyFileError
from le_pipeline.home import Home
from le_pipeline.ingest import reading
from le_pipeline.ingest.coded import as_texts, coding_of
from le_pipeline.ingest.header import OVERFLOW, ROW
from le_pipeline.ingest.rehearsal import rehearse
from le_pipeline.privacy.keys import KEY_BYTES, Keys
from schemas import registry
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
    pointers = landed.lake.read(registry.tables()["quarantine"])
    rows = [landed.vaulted("quarantine")] if pointers.height else []
    assert all(pointers.join(kept, on=["delivery_id", "source_row"], how="anti").is_empty() for kept in rows)
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


# of a cell everything is kept but the blanks around it, which are stripped where it becomes a value
SIGNS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp"))
CELL = st.text(SIGNS, max_size=6)
BLANKS = st.text(" \t", max_size=2)
WESTERN = st.text(st.sampled_from("aZ0é€ñ'-.,;|\"/#"), max_size=6)
ENDS = st.sampled_from(["\n", "\r\n", "\r"])
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "windows-1252"]


@st.composite
def table(draw: st.DrawFn, cell: st.SearchStrategy[str]) -> list[list[str]]:
    """Rows of one width; cells may have blanks around them, and some rows are blank."""
    width = draw(st.integers(2, 4))
    padded = st.tuples(BLANKS, cell, BLANKS).map("".join)
    return draw(st.lists(st.lists(padded, min_size=width, max_size=width), min_size=1, max_size=12))


@settings(max_examples=150, deadline=None)
@given(
    st.data(), st.sampled_from(",;|"), st.sampled_from(ENCODINGS), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])
)
def test_what_was_written_in_any_dialect_is_what_is_read(
    data: st.DataObject, delimiter: str, encoding: str, quoting: int
) -> None:
    rows = data.draw(table(WESTERN if encoding == "windows-1252" else CELL))
    header = [f"c{place}" for place in range(len(rows[0]))]
    lines = []
    for row in [header, *rows]:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=delimiter, lineterminator=data.draw(ENDS), quoting=quoting).writerow(row)  # type: ignore[arg-type]
        lines.append(line.getvalue())
    read = Read(format="delimited", delimiter=delimiter, encoding=encoding.removesuffix("-sig"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes("".join(lines).encode(encoding))
        try:
            texts = pl.concat(reading.batches(of(path), read))
            found = texts.drop(OVERFLOW).fill_null("").rows()
            with everything_coded():
                codes = pl.concat(reading.coded_batches(of(path), read, (), header[1:]))
            assert [*coding_of(codes)] == header[1:]
            assert as_texts(codes).equals(texts)
        except EmptyFileError:
            found = []
    written = {place: [cell.strip() for cell in row] for place, row in enumerate(rows, start=2)}
    got = {place: [cell.strip() for cell in row] for place, *row in found}
    assert got == {place: row for place, row in written.items() if place in got}
    assert all(place in got for place, row in written.items() if any(row))


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


def test_the_fuzzer_finds_nothing_in_a_few_seconds(tmp_path: Path) -> None:
    tried = list(fuzz(3, 1, tmp_path))
    assert tried
    assert [number for number, broken in tried if broken] == []
