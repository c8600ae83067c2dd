"""The kinds of bad file: each ends with a named reason, and the good data from before stay in place.

Each kind is landed twice: as a new file beside a good one, and in the place of a good one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from landed import SCORES, Landed, account, scores, students, workbook
from le_pipeline.ingest.partition import left_out
from le_pipeline.summary import open_troubles

GOOD = scores(*students(40))
TEN = students(10)
SWALLOWED = ['7000001,"Tester,02/03/2006,04,1,500', *TEN[2:5], '7000005,Tester",02/03/2006,04,1,500']

REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty (0 bytes)"),
    "blank": (b"\n  \n", "holds nothing but blanks"),
    "header only": (scores().encode(), "has a header and no row below it"),
    "header and blank lines": ((scores() + "\n\n").encode(), "has a header and no row below it"),
    "truncated inside a row": (scores(*TEN)[:-25].encode(), "ends inside a row, so it was cut off on its way"),
    "wrong columns": (scores(*TEN, header="ID,Name,Born,Class,District,Score").encode(), "which looks for Grade;"),
    "no header": ("\n".join(TEN).encode(), "is its header there?"),
    "page of a website": (b"<!DOCTYPE html><html><table><tr><td>7000001</td></tr></table></html>", "is a web page"),
    "workbook named csv": (workbook([["ID", "Class"], ["7000001", "04"]]), "is a ZIP archive or Excel workbook"),
    "UTF-16 without mark": (scores(*TEN).encode("utf-16-le"), "holds NUL characters"),
    "windows-1252": (scores(*(row.replace("Tester", "Nuñez") for row in TEN)).encode("cp1252"), "are not utf-8 in"),
    "repeated column": (scores(*TEN, header="ID,Score,Born,Grade,District,Score").encode(), "(columns 6)"),
    "swallowed rows": (scores(*TEN, *SWALLOWED).encode(), "has a quote without its partner at row 12"),
    "open quote to the end": (scores(*TEN, SWALLOWED[0]).encode(), "check its quotes and delimiter"),
    "open quote in the header": (scores(*TEN, 'x",,,,,', header='ID,Grade,Score,"Name').encode(), "(column 4)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bad_new_file_is_refused_with_its_reason_and_the_good_one_beside_it_is_taken(
    landed: Landed, kind: str
) -> None:
    content, reason = REFUSED[kind]
    landed.file("good.csv", GOOD)
    landed.file("bad.csv", content)
    report = landed.run()
    refused = landed.delivery("bad.csv")
    assert (refused["delivery_status"], refused["rows_read"]) == ("refused", 0)
    assert refused["delivery_reason"].startswith("LA/2016/bad.csv ")
    assert reason in refused["delivery_reason"]
    assert (report.is_replaced, landed.scores()) == (True, [500.0] * 40)
    assert landed.vaulted("identity").height == 40


@pytest.mark.parametrize("kind", REFUSED)
def test_a_good_file_overwritten_by_a_bad_one_stays_in_the_table_until_it_is_mended(landed: Landed, kind: str) -> None:
    content, reason = REFUSED[kind]
    landed.file("scores.csv", GOOD)
    landed.run()
    landed.file("scores.csv", content)
    held = landed.run()
    assert reason in held.held_by["LA/2016/scores.csv"]
    assert landed.scores() == [500.0] * 40
    assert landed.vaulted("identity").height == 40
    landed.file("scores.csv", scores(*students(40, score=510)))
    assert (landed.run().is_replaced, landed.scores()) == (True, [510.0] * 40)


def test_a_page_of_a_website_named_as_a_workbook_is_refused_as_what_it_is(landed: Landed) -> None:
    landed.file("fellows.xlsx", "<html><body>Please log in</body></html>")
    landed.run("fellowship")
    assert landed.delivery("fellows.xlsx")["delivery_reason"] == (
        "LA/2016/fellows.xlsx is a web page or XML file, not an Excel workbook, whatever its name says;"
        " ask the sender for the workbook"
    )


def test_a_damaged_workbook_is_refused_and_the_list_from_before_stays(landed: Landed) -> None:
    header = ["State Staff ID", "Email", "Cohort", "Region", "Start Date", "Status"]
    good = workbook([header, ["900001", "a@b.org", "2016", "South", "2015-08-01", "active"]])
    landed.file("fellows.xlsx", good)
    landed.run("fellowship")
    landed.file("fellows.xlsx", good[: len(good) // 2])
    held = landed.run("fellowship")
    assert held.held_by == {
        "LA/2016/fellows.xlsx": "LA/2016/fellows.xlsx is damaged: Excel's own format is broken inside;"
        " ask the sender for it again"
    }
    assert landed.table("cohort", feed="fellowship") == [("2016",)]


def test_a_file_cut_off_between_two_rows_is_known_by_what_was_there_before(landed: Landed) -> None:
    landed.file("scores.csv", GOOD)
    landed.run()
    landed.file("scores.csv", scores(*students(19, score=510)))
    held = landed.run()
    assert held.held_by == {
        "LA/2016/scores.csv": "LA/2016/scores.csv has 19 rows where the file of this name had 40;"
        " if that is meant, land it under another name"
    }
    assert landed.scores() == [500.0] * 40


def test_duplicate_rows_are_counted_and_kept_once(landed: Landed) -> None:
    landed.file("scores.csv", scores(*TEN, TEN[0], TEN[0], TEN[3]))
    landed.run()
    assert account(landed.delivery("scores.csv")) == (13, 10, 0, 0, 3)
    assert landed.scores() == [500.0] * 10


def test_the_same_test_twice_with_different_scores_is_quarantined_whole(landed: Landed) -> None:
    landed.file("scores.csv", scores(*TEN, TEN[0].replace("500", "600")))
    landed.run()
    assert account(landed.delivery("scores.csv")) == (11, 9, 2, 0, 0)
    assert landed.quarantine("source_row", "rule", "source_column") == [
        (2, "conflict", "the row"),
        (12, "conflict", "the row"),
    ]
    assert landed.scores() == [500.0] * 9


def test_impossible_values_are_quarantined_and_the_rest_goes_on(landed: Landed) -> None:
    wrong = ["8000001,Tester,02/03/2006,4B,1,500", "8000002,Tester,02/03/2006,04,1,9000"]
    landed.file("scores.csv", scores(*TEN, *wrong))
    landed.run()
    assert account(landed.delivery("scores.csv")) == (12, 10, 2, 0, 0)
    assert landed.quarantine("source_row", "rule", "source_column") == [
        (12, "unreadable", "Grade"),
        (13, "range", "Score"),
    ]


def test_impossible_values_above_the_tolerance_leave_the_table_as_it_was(landed: Landed) -> None:
    landed.file("scores.csv", GOOD)
    landed.run()
    landed.file("scores.csv", scores(*students(29, score=510), *(row.replace("04", "4B") for row in TEN)))
    held = landed.run()
    assert held.held_by == {
        "LA/2016/scores.csv": "LA/2016/scores.csv breaks rules in 25.64% of its records, over the tolerance of 25.00%"
        " of layout scores; see the quarantine for rows and fixes"
    }
    assert landed.delivery("scores.csv")["delivery_status"] == "held"
    assert landed.scores() == [500.0] * 40
    assert {row for (row,) in landed.quarantine("source_row")} == set(range(31, 41))


def test_a_second_delivery_corrects_the_first_and_both_stay_on_record(landed: Landed) -> None:
    first = landed.file("a.csv", scores(*TEN))
    landed.run()
    later = landed.file("b.csv", scores(*students(4, score=610)))
    os.utime(later, (first.stat().st_mtime - 100,) * 2)  # what counts is when a delivery was first seen
    landed.run()
    assert landed.scores() == [500.0] * 6 + [610.0] * 4
    assert landed.delivery("a.csv")["rows_superseded"] == 4
    assert account(landed.delivery("a.csv")) == (10, 10, 0, 0, 0)
    assert landed.delivery("b.csv")["delivery_status"] == "accepted"


def test_a_corrected_file_under_the_old_name_replaces_its_rows_exactly(landed: Landed) -> None:
    landed.file("scores.csv", scores(*TEN))
    landed.run()
    landed.file("scores.csv", scores(*students(9, score=610)))
    report = landed.run()
    assert landed.scores() == [610.0] * 9
    assert report.deliveries.select("path", "delivery_status", "delivery_reason").rows() == [
        ("LA/2016/scores.csv", "superseded", "another file was landed under its name"),
        ("LA/2016/scores.csv", "accepted", None),
    ]


def test_a_link_to_a_place_outside_landing_is_refused(landed: Landed, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(GOOD, encoding="utf-8")
    landed.file("good.csv", GOOD)
    (landed.home.landing / "LA" / "2016" / "link.csv").symlink_to(outside)
    landed.run()
    assert landed.delivery("link.csv")["delivery_reason"] == (
        "LA/2016/link.csv is a link to a place outside landing; land the file itself"
    )


def test_an_archive_that_unpacks_without_end_is_refused_before_it_is_unpacked(
    landed: Landed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from le_pipeline.ingest import document

    content = workbook([["State Staff ID", "Email", "Cohort", "Region", "Start Date", "Status"], ["9"] * 6])
    monkeypatch.setattr(document, "UNPACKED_BYTES", 1000)
    landed.file("fellows.xlsx", content)
    landed.run("fellowship")
    assert "unpacks to" in landed.delivery("fellows.xlsx")["delivery_reason"]


def test_a_file_of_another_feed_in_the_place_of_a_good_one_does_not_empty_the_table(landed: Landed) -> None:
    landed.file("data.csv", GOOD)
    landed.run()
    landed.file("data.csv", "SchoolCode,SchoolName,LEACode,Level,FRPLShare\n1,A,1,middle,0.5\n")
    held = landed.run()
    assert held.held_by == {
        "LA/2016/data.csv": "LA/2016/data.csv is now a file for school; land that one under a name of its own"
    }
    assert landed.scores() == [500.0] * 40
    assert open_troubles(landed.home) == list(held.held_by.values())


def test_a_lookup_file_that_is_a_delivery_of_its_own_is_held_when_it_is_damaged(landed: Landed) -> None:
    landed.layout(
        SCORES.replace("read:", "lookup: {school: {file: schools.csv, key: Code, by: District}}\nread:").replace(
            "lea_id: District", "school_id: school.Name"
        )
    )
    landed.layout(
        'layout: places\nfeed: school\nissuer: "*"\nabout: Schools\nrecognise: {columns: [Code, Name]}\n'
        "read: {format: delimited}\nfill: {school_id: Code, lea_id: Name}\n",
        "places.yaml",
    )
    landed.file("scores.csv", GOOD)
    landed.file("schools.csv", "Code,Name\n1,North\n")
    landed.run("school")
    landed.run()
    landed.file("schools.csv", "")
    assert list(landed.run("school").held_by) == ["LA/2016/schools.csv"]
    assert list(landed.run().held_by) == ["LA/2016/scores.csv"]
    assert landed.table("school_id", "lea_id", feed="school") == [("1", "North")]
    assert landed.table("school_id") == [("North",)] * 40


def test_a_resend_that_lacks_records_of_what_it_replaces_says_how_many_and_what_to_do(landed: Landed) -> None:
    landed.layout(SCORES + "correction: file\n")
    landed.file("a.csv", GOOD)
    landed.run()
    landed.file("b.csv", scores(*students(30, score=600)))
    report = landed.run()
    said = (
        "LA/2016/a.csv: 10 of its records are not in what took its place; where that is a mistake, land the whole file"
    )
    assert landed.scores() == [600.0] * 30
    assert landed.delivery("a.csv")["rows_left_out"] == 10
    assert left_out(report.deliveries) == [said]
    assert open_troubles(landed.home) == [said]


def test_a_shorter_file_under_the_old_name_says_how_many_records_it_lacks(landed: Landed) -> None:
    landed.file("a.csv", GOOD)
    landed.run()
    landed.file("a.csv", scores(*students(25, score=600)))
    report = landed.run()
    assert report.is_replaced
    old = report.deliveries.filter(delivery_status="superseded")
    assert (old["rows_left_out"].to_list(), landed.scores()) == ([15], [600.0] * 25)
    assert landed.run().deliveries.equals(report.deliveries)


def test_of_words_that_the_layout_maps_the_fix_names_those_of_the_file(landed: Landed) -> None:
    mapped = SCORES.replace(
        "subject: {value: mathematics}", "subject: {from: Name, map: {Math: mathematics, ELA: ela}}"
    )
    landed.layout(mapped).file(
        "scores.csv", scores(*(row.replace("Tester", "Math") for row in students(9)), "8,Maths,,04,1,500")
    )
    landed.run()
    assert landed.quarantine("source_column", "fix") == [
        ("Name", "Name: give one of Math, ELA, or map the value in the layout")
    ]


def test_a_fix_tells_no_more_words_than_a_person_reads(landed: Landed) -> None:
    words = ", ".join(f"C{place}: mathematics" for place in range(50))
    landed.layout(SCORES.replace("subject: {value: mathematics}", f"subject: {{from: Name, map: {{{words}}}}}"))
    landed.file("scores.csv", scores(*(row.replace("Tester", "C1") for row in students(9)), "8,Maths,,04,1,500"))
    landed.run()
    ((fix,),) = landed.quarantine("fix")
    assert "C29, or 20 more of the layout, or map the value" in fix
    assert "C30" not in fix
