"""A partition is replaced whole or not at all, by what lies in its landing folder and by nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landed import FEED, HEADER, LA_2016, SCORES, Landed, account, scores, students
from le_pipeline.errors import TruncatedFileError
from le_pipeline.home import Home
from le_pipeline.ingest import partition
from le_pipeline.ingest.delivery import Batch, DeliveryReader
from le_pipeline.ingest.partition import is_current
from le_pipeline.privacy.vault import VaultWriter
from le_pipeline.warehouse.lake import Lake

TEN = students(10)


def leftovers(landed: Landed) -> list[Path]:
    """Files and folders that work in progress has left behind."""
    return [*landed.home.root.rglob("*.part"), *(landed.home.lake / ".tmp").glob("*")]


def test_a_landed_file_becomes_the_table_its_account_and_its_identities(landed: Landed) -> None:
    landed.file("scores.csv", scores("7000001,Ann,02/03/2006,4,1,512.5", *TEN[2:], "7000002,Bo,,05,1,", TEN[2]))
    report = landed.run()
    assert (report.rows, report.is_replaced, report.is_current) == (9, True, False)
    columns = ("assessment", "subject", "grade", "grade_source", "lea_id", "scale_score", "source_row")
    assert landed.table("state", "school_year", *columns)[0] == (
        "LA",
        2016,
        "scores",
        "mathematics",
        "04",
        "04",
        "1",
        500.0,
        3,
    )
    assert landed.table("source_row", "grade", "grade_source", "scale_score")[0] == (2, "04", "4", 512.5)
    delivery = landed.delivery("scores.csv")
    assert account(delivery) == (11, 9, 1, 0, 1)
    assert (delivery["delivery_status"], delivery["layout"], delivery["file_rows"]) == ("accepted", "scores", 11)
    identity = landed.vaulted("identity").filter(pl.col("student_id") == "7000001")
    assert identity.select("last_name", "birth_date").rows() == [("Ann", datetime.date(2006, 2, 3))]
    assert landed.table("student_key") == [(key,) for key in sorted(landed.vaulted("identity")["student_key"])]


def test_what_has_not_changed_is_not_done_again(landed: Landed) -> None:
    landed.file("scores.csv", scores(*TEN))
    landed.run()
    assert is_current(landed.home, landed.keys, LA_2016) is False  # the other feeds have not been looked at
    assert landed.run().is_current
    landed.layout(SCORES.replace("[100, 900]", "[100, 800]"))
    assert not landed.run().is_current
    landed.file("scores.csv", scores(*TEN[1:]))
    assert not landed.run().is_current


def test_a_file_taken_out_of_landing_takes_its_records_along_and_stays_on_record(landed: Landed) -> None:
    landed.file("a.csv", scores(*TEN[:4]))
    landed.file("b.csv", scores(*TEN[4:]))
    landed.run()
    (landed.home.landing / "LA" / "2016" / "b.csv").unlink()
    landed.run()
    assert landed.scores() == [500.0] * 4
    assert landed.delivery("b.csv")["delivery_status"] == "withdrawn"
    assert landed.vaulted("identity").height == 4


def test_a_file_that_is_another_one_byte_for_byte_is_on_record_and_not_read(landed: Landed) -> None:
    landed.file("a.csv", scores(*TEN))
    landed.file("copy.csv", scores(*TEN))
    landed.run()
    assert landed.scores() == [500.0] * 10
    assert landed.delivery("a.csv")["delivery_reason"] == "is identical to LA/2016/copy.csv"
    assert account(landed.delivery("a.csv")) == (0, 0, 0, 0, 0)


def test_rows_of_several_school_years_go_to_the_year_that_each_names_and_leave_it_with_their_file(
    landed: Landed,
) -> None:
    landed.layout(SCORES.replace("lea_id: District", "school_year: Year"))
    landed.file("scores.csv", "ID,Grade,Score,Year\n1,04,500,2015\n1,05,510,2016\n")
    landed.run()
    assert landed.table("school_year", "scale_score") == [(2015, 500.0), (2016, 510.0)]
    landed.file("scores.csv", "ID,Grade,Score,Year\n1,05,520,2016\n")
    landed.run()
    assert landed.table("school_year", "scale_score") == [(2016, 520.0)]


def test_a_bad_file_beside_a_good_one_holds_both_where_it_breaks_more_than_is_tolerated(landed: Landed) -> None:
    landed.file("a.csv", scores(*TEN[:4]))
    landed.run()
    landed.file("b.csv", scores(*(row.replace("500", "5000") for row in TEN)))
    landed.file("c.csv", scores(*TEN[4:6]))
    held = landed.run()
    assert list(held.held_by) == ["LA/2016/b.csv"]
    assert landed.scores() == [500.0] * 4
    assert landed.delivery("a.csv")["delivery_status"] == "accepted"
    assert landed.delivery("c.csv")["delivery_reason"] == "waits for LA/2016/b.csv"
    landed.file("b.csv", scores(*TEN[6:]))
    assert landed.run().is_replaced
    assert landed.scores() == [500.0] * 10


CRASHES: dict[str, tuple[Any, str]] = {
    "while reading": (DeliveryReader, "_batch"),
    "while staging": (pl.DataFrame, "write_parquet"),
    "while encrypting": (VaultWriter, "_seal"),
    "while the vault is moved into place": (VaultWriter, "keep"),
    "while the table is written": (pl.LazyFrame, "sink_parquet"),
    "while the table is moved into place": (partition, "replace"),
    "while the delivery is put on record": (Lake, "write"),
    "before the note": (Lake, "write_note"),
}


def test_a_crash_while_the_table_is_written_without_what_does_not_stay_leaves_the_last_good_one(
    landed: Landed, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed.file("scores.csv", scores(*TEN))
    landed.run()
    landed.file("scores.csv", scores(*students(9, score=600), TEN[9], TEN[9]))
    sink = pl.LazyFrame.sink_parquet

    def crash(frame: pl.LazyFrame, path: Path, **how: Any) -> None:
        sink(frame, path, **how)
        if str(path).endswith(".part"):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pl.LazyFrame, "sink_parquet", crash)
        with pytest.raises(OSError, match="No space"):
            landed.run()
    assert landed.scores() == [500.0] * 10
    assert leftovers(landed) == []
    assert landed.run().is_replaced
    assert landed.scores() == [500.0] + [600.0] * 9


@pytest.mark.parametrize("moment", CRASHES)
def test_a_crash_leaves_the_last_good_partition_and_the_next_run_finishes(
    landed: Landed, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    landed.file("scores.csv", scores(*TEN))
    landed.run()
    landed.file("scores.csv", scores(*students(9, score=600)))

    def crash(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*CRASHES[moment], crash)
        with pytest.raises(OSError, match="No space"):
            landed.run()
    written = moment in ("while the delivery is put on record", "before the note")
    assert landed.scores() == ([600.0] * 9 if written else [500.0] * 10)
    assert leftovers(landed) == []
    assert (landed.run().is_current, landed.scores()) == (False, [600.0] * 9)
    assert landed.run().is_current
    assert account(landed.delivery("scores.csv")) == (9, 9, 0, 0, 0)


def test_what_a_killed_run_left_behind_is_cleared_away(landed: Landed) -> None:
    staging = landed.home.lake / ".tmp" / f"{FEED}.{LA_2016}.dead"
    staging.mkdir(parents=True)
    (staging / "0000-000000.parquet").write_bytes(b"")
    part = landed.home.vault / FEED / f"{LA_2016}.identity.1.part"
    part.parent.mkdir()
    part.write_bytes(b"")
    landed.file("scores.csv", scores(*TEN))
    landed.run()
    assert leftovers(landed) == []


def test_a_refused_file_leaves_nothing_in_the_vault_though_half_of_it_was_read(
    landed: Landed, monkeypatch: pytest.MonkeyPatch
) -> None:
    landed.file("a.csv", scores(*TEN[:2]))
    landed.file("b.csv", scores(*TEN[2:8], ",Bo,,04,1,500"))
    landed.file("c.csv", scores(*TEN[8:]))
    whole = DeliveryReader.batches

    def cut_off(reader: DeliveryReader) -> Iterator[Batch]:
        yield from whole(reader)
        if reader.delivery.name.endswith("b.csv"):
            raise TruncatedFileError("was cut off")

    monkeypatch.setattr(DeliveryReader, "batches", cut_off)
    landed.run()
    assert landed.delivery("b.csv")["delivery_reason"] == "LA/2016/b.csv was cut off"
    assert landed.scores() == [500.0] * 4
    assert landed.vaulted("identity")["student_id"].to_list() == ["7000000", "7000001", "7000008", "7000009"]
    assert landed.quarantine("source_row") == []


cell = st.sampled_from(["", "7000001", "7000002", "x"])
score = st.sampled_from(["", "500", "600", "5000", "V", "nan"])
files = st.lists(
    st.lists(st.tuples(cell, st.sampled_from(["04", "4", "19", ""]), score), min_size=1, max_size=8), max_size=3
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files)
def test_no_record_is_lost_whatever_is_in_the_files(
    fresh: Callable[[], Landed], deliveries: list[list[tuple[str, str, str]]]
) -> None:
    landed = fresh().layout(SCORES.replace("tolerance: 0.25", "exclude: {invalid: {Score: V}}\ntolerance: 1"))
    for place, rows in enumerate(deliveries):
        landed.file(f"{place}.csv", "ID,Grade,Score\n" + "".join(",".join(row) + "\n" for row in rows))
    report = landed.run()
    in_table = 0
    for row in report.deliveries.rows(named=True):
        _, accepted, *_ = account(row)
        in_table += accepted - row["rows_superseded"]
    read = report.deliveries.filter(pl.col("delivery_status") == "accepted")
    filled = {f"LA/2016/{place}.csv": sum(any(row) for row in rows) for place, rows in enumerate(deliveries)}
    assert {path: filled[path] for path in read["path"]} == dict(read.select("path", "rows_read").iter_rows())
    assert report.rows == in_table == len(landed.scores())
    invalid = report.deliveries["excluded_by_reason"].str.json_path_match("$.invalid").cast(pl.Int64).sum()
    assert invalid == report.deliveries["rows_excluded"].sum()


@pytest.fixture
def fresh(landed: Landed, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Landed]:
    """A new home for every example, with the key of the first."""

    def make() -> Landed:
        home = Home.at(tmp_path_factory.mktemp("home"))
        home.create()
        return Landed(home, landed.keys)

    return make


def test_a_landing_folder_that_is_gone_leaves_what_came_from_it(landed: Landed) -> None:
    landed.file("a.csv", scores(*students(3)))
    landed.run()
    before = landed.scores()
    landed.home.landing.rename(landed.home.landing.with_name("unmounted"))

    report = landed.run()

    assert report.is_current
    assert report.rows == 3
    assert landed.scores() == before
    assert landed.delivery("a.csv")["delivery_status"] == "accepted"


VOIDED = SCORES.replace("fill:", "fill:\n  void: Void", 1)


def test_a_result_that_a_correction_declares_void_leaves_the_table(landed: Landed) -> None:
    def sent(void: str) -> str:
        rows = [f"{row},{void if place == 1 else 'N'}" for place, row in enumerate(students(5))]
        return scores(*rows, header=f"{HEADER},Void")

    landed.layout(VOIDED).file("a.csv", sent("N"))
    assert landed.run().rows == 5
    landed.file("b.csv", sent("Y"))
    assert landed.run().rows == 4
    assert landed.delivery("a.csv")["rows_superseded"] == 5
    assert account(landed.delivery("b.csv")) == (5, 4, 0, 1, 0)


def test_a_result_that_comes_again_after_it_was_void_is_taken(landed: Landed) -> None:
    landed.layout(VOIDED).file("a.csv", scores(f"{students(1)[0]},Y", f"{students(2)[1]},N", header=f"{HEADER},Void"))
    assert landed.run().rows == 1
    landed.file("b.csv", scores(*(f"{row},N" for row in students(2)), header=f"{HEADER},Void"))
    assert landed.run().rows == 2
