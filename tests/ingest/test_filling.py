"""Text to canonical fields, told in small layouts: what each source form makes of each cell."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from landed import LA_2016, everything_coded, of
from le_pipeline.errors import LinkFileError, MissingColumnError
from le_pipeline.ingest import filling, reading
from le_pipeline.ingest.coded import as_texts
from le_pipeline.ingest.filling import DAMAGED, EXCLUDED, FAULT, Filler
from schemas.layout import Layout

UNREAD = "cannot be read"
UNREADABLE = f"{FAULT}:unreadable:"


def filler(path: Path, content: str, feed: str = "student_assessment", **keys: Any) -> Filler:
    path.write_text(content, encoding="utf-8")
    given = {"layout": "test", "feed": feed, "issuer": "LA", "about": "test", "read": {"format": "delimited"}}
    layout = Layout.model_validate(given | {"recognise": {"columns": ["X"]}} | keys)
    return Filler(layout, of(path), reading.header(of(path), layout.read).columns, LA_2016)


def filled(path: Path, content: str, *columns: str, **keys: Any) -> list[tuple[Any, ...]]:
    """What a file comes to, the same whether each cell is worked out or each distinct text."""
    made = filler(path, content, **keys)
    raw = pl.concat(reading.batches(of(path), made.layout.read))
    by_cell = made.fill(raw)
    with everything_coded():
        codes = pl.concat(reading.coded_batches(of(path), made.layout.read, (), made.single_columns))
        by_text = as_texts(made.fill(codes))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(filling, "MANY", 0)
        by_column = made.fill(raw)
    # a mark that nothing can have is left out
    unmarked = [pl.lit(value=False).alias(name) for name in by_cell.columns if name not in by_column.columns]
    assert all(name.meta.output_name().startswith(FAULT) for name in unmarked)
    by_column = by_column.with_columns(unmarked).select(by_cell.columns)
    assert_frame_equal(by_text, by_cell)
    assert_frame_equal(by_column, by_cell)
    return by_cell.select(columns).rows()


def value(path: Path, field: str, cell: str, **source: Any) -> object:
    """What one cell becomes in the field, or that it cannot be read."""
    wanted = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S"}
    fill = wanted | {field: {"from": "V", **source}}
    columns = (field, UNREADABLE + field) if field != "last_name" else (field,)
    ((found, *marked),) = filled(path, f'X,G,S,V\n1,04,5,"{cell}"\n', *columns, fill=fill)
    return UNREAD if marked == [True] else found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.csv"


@pytest.mark.parametrize(
    ("cell", "source", "expected"),
    [
        ("2006-02-03", {}, datetime.date(2006, 2, 3)),
        (" 2006-02-03 ", {}, datetime.date(2006, 2, 3)),
        ("2006-02-03T23:59:00.000Z", {}, datetime.date(2006, 2, 3)),
        ("2006-02-031", {}, UNREAD),
        ("2006-02-30", {}, UNREAD),
        ("02/03/2006", {}, UNREAD),
        ("", {}, None),
        ("02/03/2006", {"date": "%m/%d/%Y"}, datetime.date(2006, 2, 3)),
        ("2/3/2006", {"date": "%m/%d/%Y"}, datetime.date(2006, 2, 3)),
        ("13/02/2006", {"date": "%m/%d/%Y"}, UNREAD),
        ("2/3/06", {"date": "%m/%d/%Y"}, UNREAD),  # not the year 6
        ("2006-02-03", {"date": "%m/%d/%Y"}, UNREAD),
        ("2006-02-03", {"date": ["%m/%d/%Y", "%Y-%m-%d"]}, datetime.date(2006, 2, 3)),
        ("20306", {"width": 6, "date": "%m%d%y"}, datetime.date(2006, 2, 3)),
        ("3 Feb 2006", {"date": "%d %b %Y"}, datetime.date(2006, 2, 3)),
        ("1062-02-03", {}, UNREAD),
        ("9999-12-31", {}, UNREAD),
    ],
)
def test_dates(path: Path, cell: str, source: dict[str, Any], expected: object) -> None:
    assert value(path, "birth_date", cell, **source) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("3", "03"), ("03", "03"), ("12", "12"), ("K", "KG"), ("kg", "KG"), ("0", "KG"), ("PK", "PK"), ("p", "PK"),
     ("3rd", UNREAD), ("13", UNREAD), ("003", UNREAD), ("3.0", "03"), ("-1", UNREAD), ("", None)],
)  # fmt: skip
def test_grades(path: Path, cell: str, expected: object) -> None:
    assert value(path, "grade", cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("2016", 2016), ("2015-16", 2016), ("2015-2016", 2016), ("2015/16", 2016), ("2015_2016", 2016), ("1999-00", 2000),
     ("2015-17", UNREAD), ("16", UNREAD), ("201", UNREAD), ("20166", UNREAD), ("SY2016", UNREAD), ("2016-15", UNREAD)],
)  # fmt: skip
def test_school_years(path: Path, cell: str, expected: object) -> None:
    assert value(path, "school_year", cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("500", 500.0), ("500.5", 500.5), ("1e2", 100.0), ("-3", -3.0), ("1,000", UNREAD), ("5 00", UNREAD),
    ("inf", UNREAD),
     ("NaN", UNREAD), ("<100", UNREAD), ("0x10", UNREAD), ("", None)],
)  # fmt: skip
def test_numbers(path: Path, cell: str, expected: object) -> None:
    assert value(path, "raw_score", cell) == expected


@pytest.mark.parametrize(("cell", "expected"), [("2", 2), ("02", 2), ("2.0", 2), ("2.5", UNREAD), ("two", UNREAD)])
def test_whole_numbers(path: Path, cell: str, expected: object) -> None:
    assert value(path, "attempt", cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("Y", "yes"),
        ("true", "yes"),
        ("1", "yes"),
        ("n", "no"),
        ("False", "no"),
        ("0", "no"),
        ("maybe", UNREAD),
        ("", None),
    ],
)
def test_yes_and_no(path: Path, cell: str, expected: object) -> None:
    assert value(path, "migrant", cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("two_or_more_races", "two_or_more_races"), ("Two or More Races", "two_or_more_races"), ("ASIAN ", "asian"),
     ("Asian/White", UNREAD)],
)  # fmt: skip
def test_words_of_a_list_are_read_whatever_their_case_and_punctuation(path: Path, cell: str, expected: object) -> None:
    assert value(path, "race_ethnicity", cell) == expected


MAP = {"F": "yes", "P": "no"}


@pytest.mark.parametrize(
    ("cell", "known", "expected"),
    [
        ("F", MAP, "yes"),
        ("f", MAP, UNREAD),  # a map says exactly what the file says
        ("yes", MAP, UNREAD),
        ("", MAP, None),
        ("", MAP | {"": "no"}, "no"),
        ("Z", MAP | {"*": "no"}, "no"),
        ("", MAP | {"*": "no"}, None),
        ("Z", MAP | {"Z": None}, None),
        ("Z", MAP | {"*": None}, None),
        ("F", MAP | {"*": None}, "yes"),
        ("Z", MAP | {"": None}, UNREAD),
    ],
)
def test_maps(path: Path, cell: str, known: dict[str, str | None], expected: object) -> None:
    assert value(path, "economically_disadvantaged", cell, map=known) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("Grade 4", "04"), ("Grade 04 (b)", "04"), ("Fourth", UNREAD), ("Grade 44", UNREAD), ("", None)],
)
def test_what_is_not_found_in_a_cell_cannot_be_read(path: Path, cell: str, expected: object) -> None:
    assert value(path, "grade", cell, extract=r"Grade (\d+)") == expected


@pytest.mark.parametrize(
    ("cell", "expected"), [("Grade 4", "04"), ("4th", "04"), ("Grade 4, 5th", "04"), ("four", UNREAD)]
)
def test_of_several_expressions_the_first_that_finds_something_counts(path: Path, cell: str, expected: object) -> None:
    assert value(path, "grade", cell, extract=[r"Grade (\d+)", r"(\d+)th"]) == expected


def test_a_column_that_is_optional_may_be_missing_and_nobody_is_warned(path: Path) -> None:
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S"}
    fill |= {"school_id": {"from": "V", "optional": True}, "lea_id": "W"}
    assert filler(path, "X,G,S\n1,04,5\n", fill=fill).missing_columns == ["W"]
    assert filled(path, "X,G,S\n1,04,5\n", "school_id", fill=fill) == [(None,)]
    assert filled(path, "X,G,S,V\n1,04,5,17\n", "school_id", fill=fill) == [("17",)]


def test_a_code_that_is_not_found_in_a_cell_is_told_too(path: Path) -> None:
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S"}
    fill |= {"school_id": {"from": "V", "extract": r"^(\d{3})"}}
    rows = filled(path, "X,G,S,V\n1,04,5,017001\n2,04,5,abc\n", "school_id", UNREADABLE + "school_id", fill=fill)
    assert rows == [("017", False), (None, True)]


def test_text_is_kept_as_it_is_with_its_leading_zeros_and_without_outer_spaces(path: Path) -> None:
    assert value(path, "last_name", "\u00a0 007 de la Cruz ") == "007 de la Cruz"


def test_a_quoted_nothing_and_a_blank_are_empty_whatever_else_the_layout_calls_empty(path: Path) -> None:
    read = {"format": "delimited", "nulls": ["NA"]}
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S"}
    rows = filled(path, 'X,G,S\n"",04,NA\n"  ",04,5\n', "student_id", "scale_score", fill=fill, read=read)
    assert rows == [(None, None), (None, 5.0)]


def test_the_files_own_word_is_kept_beside_the_mapped_one(path: Path) -> None:
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S"}
    rows = filled(path, "X,G,S\n1,K,5\n", "grade", "grade_source", fill=fill)
    assert rows == [("KG", "K")]


def test_columns_are_joined_and_the_join_is_empty_where_one_of_them_is(path: Path) -> None:
    fill = {"school_id": {"from": ["D", "X"], "join": "-"}, "lea_id": "D"}
    assert filled(path, "X,D\n01,7\n02,\n", "school_id", feed="school", fill=fill) == [("7-01",), (None,)]


def test_what_a_layout_does_not_fill_is_empty_but_for_year_and_assessment(path: Path) -> None:
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S", "sex": "Gender"}
    rows = filled(path, "X,G,S\n1,4,5\n", "state", "school_year", "assessment", "sex", "test_date", fill=fill)
    assert rows == [("LA", 2016, "test", None, None)]


UNPIVOT = {
    "fill": {"student_id": "X", "grade": "G"},
    "unpivot": {"subject": {"ela": "R", "mathematics": "M"}, "fill": {"scale_score": "{}S", "void": "{}V"}},
}


def test_columns_of_several_subjects_become_a_record_each_and_what_was_not_taken_is_not_tested(path: Path) -> None:
    content = "X,G,RS,RV,MS,MV\n1,4,500,N,600,N\n2,4,,N,610,N\n3,4,?,N,,Y\n"
    rows = filled(path, content, "source_row", "part", "scale_score", EXCLUDED, UNREADABLE + "scale_score", **UNPIVOT)
    assert sorted(rows, key=lambda row: row[:2]) == [
        (2, "ela", 500.0, None, False),
        (2, "mathematics", 600.0, None, False),
        (3, "ela", None, "not_tested", False),
        (3, "mathematics", 610.0, None, False),
        (4, "ela", None, None, True),  # it was taken: its score cannot be read
        (4, "mathematics", None, "not_tested", False),
    ]


def test_a_voided_record_is_excluded_without_a_rule_of_the_layout(path: Path) -> None:
    content = "X,G,RS,RV,MS,MV\n1,4,500,Y,600,N\n"
    assert filled(path, content, "part", EXCLUDED, **UNPIVOT) == [("ela", "void"), ("mathematics", None)]


def test_exclusions_name_fields_or_columns_and_the_first_reason_that_holds_counts(path: Path) -> None:
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S", "administration": "A"}
    exclude = {
        "retest": {"administration": ["fall", "Winter"]},
        "young": {"grade": "3", "T": {"not": ["R", None]}},
        "no_score": {"scale_score": None},
    }
    content = (
        "X,G,S,A,T\n1,04,5,spring,R\n2,04,,fall,R\n3,03,5,spring,ALT\n4,03,,spring,R\n5,03,,spring,\n6,04,5,winter,R\n"
    )
    rows = filled(path, content, EXCLUDED, fill=fill, exclude=exclude)
    assert rows == [(None,), ("retest",), ("young",), ("no_score",), ("no_score",), ("retest",)]


def test_levels_have_an_order_and_a_first_one_that_is_proficient(path: Path) -> None:
    fill = {"student_id": "X", "subject": {"value": "ela"}, "grade": "G", "scale_score": "S", "performance_level": "L"}
    levels = {"order": ["Low", "Middle", "High"], "proficient_from": "Middle"}
    content = "X,G,S,L\n1,4,5,Low\n2,4,5,Middle\n3,4,5,High\n4,4,5,\n5,4,5,high\n6,4,5,Top\n"
    rows = filled(path, content, "level_order", "proficient", fill=fill, levels=levels)
    assert rows == [(1, "no"), (2, "yes"), (3, "yes"), (None, None), (3, "yes"), (None, None)]


LOOKUP = {
    "feed": "student_section",
    "fill": {"student_id": "user.number", "section_id": {"from": ["school.code", "X"], "join": "/"}},
    "lookup": {
        "user": {"file": "users.csv", "key": "id", "by": "U"},
        "class": {"file": "classes.csv", "key": "id", "by": "X"},
        "school": {"file": "orgs.csv", "key": "id", "by": "class.school"},
    },
}


@pytest.fixture
def roster(path: Path) -> Path:
    path.with_name("users.csv").write_text("id,number\nu1,7001\nu1,7009\nu2,7002\n,7003\n", encoding="utf-8")
    path.with_name("classes.csv").write_text("id,school\nc1,s1\nc2,s9\n", encoding="utf-8")
    path.with_name("orgs.csv").write_text("id,code\ns1,01\n", encoding="utf-8")
    return path


def test_values_are_looked_up_through_chained_files_and_rows_are_never_multiplied(roster: Path) -> None:
    rows = filled(roster, "X,U\nc1,u1\nc1,u2\nc2,u1\nc1,\nc1,u7\n", "source_row", "student_id", "section_id", **LOOKUP)
    assert rows == [
        (2, "7001", "01/c1"),
        (3, "7002", "01/c1"),
        (4, "7001", None),
        (5, None, "01/c1"),
        (6, None, "01/c1"),
    ]


def test_a_lookup_that_is_missing_or_lies_elsewhere_is_named(roster: Path, tmp_path: Path) -> None:
    orgs = roster.with_name("orgs.csv")
    orgs.write_text("id,name\ns1,North\n", encoding="utf-8")
    with pytest.raises(MissingColumnError, match=r"needs code in orgs\.csv"):
        filler(roster, "X,U\n", **LOOKUP)
    orgs.unlink()
    with pytest.raises(MissingColumnError, match=r"needs orgs\.csv beside it, which is not there"):
        filler(roster, "X,U\n", **LOOKUP)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "orgs.csv").write_text("id,code\ns1,01\n", encoding="utf-8")
    orgs.symlink_to(tmp_path / "other" / "orgs.csv")
    with pytest.raises(LinkFileError, match=r"needs orgs\.csv beside it, which is a link to another place"):
        filler(roster, "X,U\n", **LOOKUP)


def test_damaged_bytes_are_marked_in_the_columns_that_are_read_and_in_what_is_looked_up(roster: Path) -> None:
    roster.with_name("users.csv").write_bytes(b"id,number\nu1,70\xff1\nu2,7002\n")
    made = filler(roster, "X,U,Note\n", **LOOKUP)
    roster.write_bytes(b"X,U,Note\nc1,u1,a\nc1,u2,a\nc1,u2,\xff\nc\xff,u2,a\n")
    marks = made.fill(pl.concat(reading.batches(of(roster), made.layout.read)))[DAMAGED].to_list()
    assert marks == [True, False, False, True]


def test_a_column_that_the_layout_needs_is_named_when_it_is_missing(path: Path) -> None:
    fill = {
        "student_id": "X",
        "subject": {"value": "ela"},
        "grade": "G",
        "scale_score": {"from": ["S", "T"]},
        "sex": "Gender",
    }
    with pytest.raises(MissingColumnError, match=r"^lacks S, T, which layout test needs"):
        filler(path, "X,G,Other\n1,4,5\n", fill=fill)


def test_columns_that_the_layout_ignores_are_not_unknown_and_columns_it_reads_and_does_not_find_are_missing(
    path: Path,
) -> None:
    made = filler(
        path,
        "X,D,Accom_1,Note\n",
        feed="school",
        fill={"school_id": "X", "lea_id": "D", "level": "Kind"},
        ignore=["Accom_*"],
    )

    assert made.unknown_columns == ["Note"]
    assert made.missing_columns == ["Kind"]


def test_unknown_columns_are_told_by_name_or_by_place_where_the_header_looks_like_data(path: Path) -> None:
    fill = {"school_id": "X", "lea_id": "D"}
    assert filler(path, "X,D,New,2016 Score\n", feed="school", fill=fill).unknown_columns == ["2016 Score", "New"]
    glued = "X,D,New7000001,Canary,02/03/2006,a@b.org\n"  # the line end below the header is lost
    assert filler(path, glued, feed="school", fill=fill).unknown_columns == [
        "column 3",
        "column 4",
        "column 5",
        "column 6",
    ]


@pytest.mark.parametrize("cell", ["123.5", "TRUE", "-5", "0", "000", "N/A", "#REF!", "null"])
def test_what_is_nobodys_id_is_no_id(path: Path, cell: str) -> None:
    fill = {"student_id": {"from": "X", "width": 9}, "subject": {"value": "ela"}, "scale_score": "S"}
    ((student, marked),) = filled(path, f"X,S\n{cell},5\n", "student_id", f"{FAULT}:damaged_id:student_id", fill=fill)
    assert (student, marked) == (None, True)
    fill["student_id"] = {"from": "X"}
    assert filled(path, f"X,S\n{cell},5\n", f"{FAULT}:damaged_id:student_id", fill=fill) == [(True,)]


@pytest.mark.parametrize(("cell", "percent"), [("0.5", 50.0), ("1", 100.0), ("50", 50.0), ("0", 0.0), ("1.5", 1.5)])
def test_a_percentage_may_be_given_as_a_proportion_of_1(tmp_path: Path, cell: str, percent: float) -> None:
    fill = {"staff_id": "X", "section_id": "S", "contribution_percent": {"from": "V", "proportion": "true"}}
    made = filled(tmp_path / "f", f"X,S,V\n1,2,{cell}\n", "contribution_percent", feed="staff_section", fill=fill)
    assert made == [(percent,)]


@pytest.mark.parametrize(
    ("cell", "subject"), [("Math", "mathematics"), ("MATH", "mathematics"), ("math", "mathematics"), ("Art", "other")]
)
def test_capitals_make_no_difference_where_a_map_takes_any_other_value(tmp_path: Path, cell: str, subject: str) -> None:
    assert value(tmp_path / "f", "subject", cell, map={"Math": "mathematics", "*": "other"}) == subject
