"""The data request's workbook, filled in and landed: taken in by sheet and feed, without a layout of anybody's own."""

from __future__ import annotations

import io

import fastexcel
import polars as pl
import pytest
import xlsxwriter

from landed import Landed, account, scores
from le_pipeline.home import Home
from le_pipeline.ingest.record import record_unclaimed
from le_pipeline.privacy.keys import Keys
from le_pipeline.request import workbook
from schemas import registry, template

every_feed = pytest.mark.parametrize("feed", registry.feeds())


@pytest.fixture
def landed(home: Home, keys: Keys) -> Landed:
    """A home without a layout of its own."""
    return Landed(home, keys)


def examples(feed: str) -> dict[str, str]:
    """A row of the feed, every column with its example."""
    return {name: template.example(field) for name, field in template.asked(registry.feeds()[feed]).items()}


def filled_in(*feeds: str) -> bytes:
    """The workbook as a partner sends it back: the examples of the feeds as text below their headers."""
    book, content = fastexcel.read_excel(workbook.template("LA")), io.BytesIO()
    with xlsxwriter.Workbook(content) as sent:
        for name in book.sheet_names:
            rows: list[tuple[str | None, ...]] = (
                book.load_sheet(name, header_row=None, dtypes="string").to_polars().rows()
            )
            rows += [tuple(examples(name)[column] for column in rows[0] if column)] if name in feeds else []
            sheet = sent.add_worksheet(name)
            for place, row in enumerate(rows):
                sheet.write_row(place, 0, row, None)
    return content.getvalue()


@every_feed
def test_a_sheet_with_the_examples_is_taken_in_and_the_empty_sheets_beside_it_do_no_harm(
    landed: Landed, feed: str
) -> None:
    landed.file("From our district.xlsx", filled_in(feed))
    reports = {name: landed.run(name).rows for name in registry.feeds()}
    assert reports == dict.fromkeys(registry.feeds(), 0) | {feed: 1}
    assert landed.quarantine("rule", "source_column") == []
    delivery = landed.delivery(f"From our district.xlsx#{feed}")
    assert (delivery["layout"], account(delivery)) == (f"request_{feed}", (1, 1, 0, 0, 0))
    assert (delivery["unknown_columns"], delivery["missing_columns"]) == (None, None)


@every_feed
def test_a_text_file_with_the_same_columns_is_taken_in_by_its_name(landed: Landed, feed: str) -> None:
    row = examples(feed)
    landed.file(f"{feed}_spring.csv", scores(",".join(row.values()), header=",".join(row)))
    assert landed.run(feed).rows == 1
    delivery = landed.delivery(f"{feed}_spring.csv")
    assert (delivery["layout"], account(delivery)) == (f"request_{feed}_text", (1, 1, 0, 0, 0))


def test_a_workbook_may_hold_several_feeds_and_ids_keep_their_zeros(landed: Landed) -> None:
    landed.file("all.xlsx", filled_in("student_enrollment", "student_assessment"))
    assert [landed.run(feed).rows for feed in ("student_enrollment", "student_assessment", "school")] == [1, 1, 0]
    for feed in ("student_enrollment", "student_assessment"):
        ids = landed.vaulted("identity", feed).select("student_id", "local_student_id")
        assert ids.rows() == [("0123456789", "004711")]
    assert landed.table("assessment", "school_id") == [("Example state test", "017001")]


def test_columns_that_are_welcome_may_be_left_out_and_those_that_are_needed_may_not(landed: Landed) -> None:
    landed.file("school_list.csv", "school_id,lea_id\n017001,017\n")
    landed.file("school_other.csv", "school_id,level\n017001,middle\n")
    assert landed.run("school").rows == 1
    assert landed.delivery("school_list.csv")["missing_columns"] == (
        "school_name, lea_name, level, charter, frpl_share, nces_school_id"
    )
    assert landed.delivery("school_other.csv")["delivery_reason"] == (
        "LA/2016/school_other.csv no layout fits: the nearest is request_school_text, which looks for lea_id;"
        " correct the file, or add a layout for it"
    )


def test_a_workbook_of_which_no_sheet_was_filled_in_is_refused(landed: Landed) -> None:
    landed.file("empty.xlsx", filled_in())
    landed.run("school")
    assert landed.delivery("empty.xlsx#school")["delivery_reason"] == (
        "LA/2016/empty.xlsx#school has a header and no row below it; ask the sender for the rows"
    )


def test_a_workbook_without_the_sheets_of_the_request_is_judged_as_before(landed: Landed) -> None:
    content = io.BytesIO()
    pl.DataFrame({"Canary": ["7000001"]}).write_excel(content)
    landed.file("other.xlsx", content.getvalue())
    refused = record_unclaimed(landed.home, landed.home.partitions()[0])
    assert refused["delivery_reason"].to_list() == [
        "LA/2016/other.xlsx no layout fits: it shares no column with any layout; is its header there?"
    ]
