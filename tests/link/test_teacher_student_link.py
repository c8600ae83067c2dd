"""teacher_student_link: whose student a student is, and to what share."""

from __future__ import annotations

from datetime import date
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from le_pipeline.warehouse.contract import violations
from roster import DAYS, Roster, day, listed, section, student, teacher
from scenario import Row, key
from schemas import registry
from steps import STEP, told

SHARES = ("student_key", "staff_key", "enrollment_share", "contribution_share", "weight")
CORE = ("ela", "mathematics", "science", "social_studies")
REASONS = ("student_key", "staff_key", "weight", "excluded_reason")


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(tmp_path / "home")


def test_a_teacher_alone_for_the_whole_year_has_all_of_the_student(roster: Roster) -> None:
    links = roster.links(student(), teacher())

    assert links.drop("student_key", "staff_key").to_dicts() == [
        {
            "state": "LA",
            "school_year": 2015,
            "subject": "mathematics",
            "enrollment_share": 1.0,
            "contribution_share": 1.0,
            "raw_weight": 1.0,
            "weight": 1.0,
            "source": "roster",
            "enrolled": None,
            "is_under_claimed": False,
            "is_over_claimed": False,
            "is_disputed": False,
            "n_sources": 1,
            "excluded_reason": None,
        }
    ]


def test_two_teachers_of_record_at_the_same_time_have_half_each(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom"), teacher("tina"))

    assert told(links, *SHARES) == [("ann", "tina", 1.0, 0.5, 0.5), ("ann", "tom", 1.0, 0.5, 0.5)]


def test_a_teacher_replaced_within_the_year_has_the_days_until_then(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom", end=40), teacher("tina", begin=41))

    assert told(links, *SHARES) == [("ann", "tina", 0.6, 1.0, 0.6), ("ann", "tom", 0.4, 1.0, 0.4)]


def test_teachers_share_only_the_days_that_both_are_there(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom", end=60), teacher("tina", begin=41))

    assert told(links, "staff_key", "enrollment_share", "weight") == [("tina", 0.6, 0.5), ("tom", 0.6, 0.5)]


def test_percentages_of_the_roster_come_before_equal_parts(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom", contribution_percent=70), teacher("tina", contribution_percent=30))

    assert told(links, *SHARES) == [("ann", "tina", 1.0, 0.3, 0.3), ("ann", "tom", 1.0, 0.7, 0.7)]


def test_teachers_without_a_percentage_share_what_the_percentages_leave(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom", contribution_percent=40), teacher("tina"), teacher("tara"))

    assert told(links, "staff_key", "weight") == [("tara", 0.3), ("tina", 0.3), ("tom", 0.4)]


def test_percentages_above_all_leave_nothing_and_are_scaled_down(roster: Roster) -> None:
    links = roster.links(
        student(), teacher("tom", contribution_percent=90), teacher("tina", contribution_percent=60), teacher("tara")
    )

    assert told(links, "staff_key", "raw_weight", "weight") == [
        ("tara", 0.0, 0.0),
        ("tina", 0.6, 0.4),
        ("tom", 0.9, 0.6),
    ]


def test_who_only_helps_has_no_share_unless_the_roster_declares_one(roster: Roster) -> None:
    helpers = [teacher(position, position=position) for position in ("support_teacher", "assistant", "substitute")]

    links = roster.links(student(), teacher("tom"), *helpers)

    assert told(links, *REASONS) == [
        ("ann", "assistant", 0.0, "no_share_declared"),
        ("ann", "substitute", 0.0, "no_share_declared"),
        ("ann", "support_teacher", 0.0, "no_share_declared"),
        ("ann", "tom", 1.0, None),
    ]


def test_a_support_teacher_with_a_percentage_counts_only_for_the_days_and_students_shared(roster: Roster) -> None:
    links = roster.links(
        student("ann"),
        student("bob", end=50),
        teacher("tom"),
        teacher("sue", begin=51, position="support_teacher", contribution_percent=40),
    )

    assert told(links, *SHARES) == [
        ("ann", "sue", 0.5, 0.4, 0.2),
        ("ann", "tom", 1.0, 0.8, 0.8),
        ("bob", "tom", 0.5, 1.0, 0.5),
    ]


def test_a_support_teacher_with_a_section_of_some_students_shares_those_alone(roster: Roster) -> None:
    pulled_out = section("p", term_begin_date=day(51))

    links = roster.links(
        section("s"),
        pulled_out,
        student("ann"),
        student("bob"),
        student("bob", section_key="p"),
        teacher("tom"),
        teacher("sue", section_key="p"),
    )

    assert told(links, "student_key", "staff_key", "raw_weight", "weight", "is_over_claimed") == [
        ("ann", "tom", 1.0, 1.0, False),
        ("bob", "sue", 0.5, round(1 / 3, 12), True),
        ("bob", "tom", 1.0, round(2 / 3, 12), True),
    ]


def test_a_support_teacher_with_a_percentage_counts_by_it(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom"), teacher("sue", position="support_teacher", contribution_percent=20))

    assert told(links, *REASONS) == [("ann", "sue", 0.2, None), ("ann", "tom", 0.8, None)]


def test_a_teacher_listed_twice_for_the_same_days_counts_once_with_the_larger_share(roster: Roster) -> None:
    links = roster.links(
        student(),
        teacher("tom", contribution_percent=40),
        teacher("tom", begin=1, position="support_teacher", contribution_percent=10),
        teacher("tina"),
        teacher("tina", begin=1, position="assistant"),
    )

    assert told(links, *SHARES) == [("ann", "tina", 1.0, 0.6, 0.6), ("ann", "tom", 1.0, 0.4, 0.4)]


def test_a_section_of_one_semester_makes_half_a_year_of_the_link(roster: Roster) -> None:
    links = roster.links(section(term_end_date=day(50)), student(), teacher())

    assert told(links, *SHARES, "is_under_claimed") == [("ann", "tom", 0.5, 1.0, 0.5, True)]


def test_a_teacher_of_the_fall_and_one_of_the_spring_have_half_a_year_each(roster: Roster) -> None:
    links = roster.links(
        section("s", term_end_date=day(50)),
        section("t", term_begin_date=day(51)),
        student(),
        student(section_key="t"),
        teacher("tom"),
        teacher("tina", section_key="t"),
    )

    assert told(links, *SHARES, "is_under_claimed") == [
        ("ann", "tina", 0.5, 1.0, 0.5, False),
        ("ann", "tom", 0.5, 1.0, 0.5, False),
    ]


def test_where_no_school_year_is_named_the_terms_of_the_lea_span_it(roster: Roster) -> None:
    no_year = {"year_begin_date": None, "year_end_date": None}
    links = roster.links(
        section("s", term_end_date=day(50), **no_year),
        section("t", term_begin_date=day(51), **no_year),
        section("u", lea_id="8", term_end_date=day(50), subject="science", **no_year),
        student("ann"),
        student("bob", section_key="u"),
        teacher("tom"),
        teacher("tom", section_key="u"),
    )

    assert told(links, "student_key", "enrollment_share") == [("ann", 0.5), ("bob", 1.0)]


def test_where_sections_name_no_lea_either_the_terms_of_the_school_span_the_year(roster: Roster) -> None:
    bare = {"year_begin_date": None, "year_end_date": None, "lea_id": None}
    links = roster.links(
        section("s", term_end_date=day(50), **bare),
        section("t", school_id="2", **bare),
        student("ann"),
        student("bob", section_key="t"),
        teacher("tom"),
        teacher("tom", section_key="t"),
    )

    assert told(links, "student_key", "weight") == [("ann", 1.0), ("bob", 1.0)]


def test_the_day_of_a_move_is_one_of_the_section_moved_to(roster: Roster) -> None:
    """OneRoster's end dates are exclusive: who leaves one section on a day and enters another on it was moved once."""
    links = roster.links(
        section("s"),
        section("t"),
        student("ann", end=51),
        student("ann", begin=51, section_key="t"),
        teacher("tom"),
        teacher("tina", section_key="t"),
    )

    assert told(links, "staff_key", "weight", "is_over_claimed") == [("tina", 0.5, False), ("tom", 0.5, False)]


def test_a_summer_session_makes_no_year_longer(roster: Roster) -> None:
    bare = {"year_begin_date": None, "year_end_date": None}
    summer = {"term_begin_date": date(2015, 6, 1), "term_end_date": date(2015, 6, 10)}
    links = roster.links(
        section("s", **bare),
        section("u", **bare, **summer),
        student("ann"),
        student("bob", section_key="u"),
        teacher("tom"),
        teacher("tom", section_key="u"),
    )

    assert told(links, "student_key", "enrollment_share") == [("ann", 1.0), ("bob", 0.1)]


def test_a_school_year_is_at_least_as_long_as_its_terms(roster: Roster) -> None:
    links = roster.links(
        section(year_begin_date=day(90), year_end_date=day(20), term_end_date=day(80)), student(end=40), teacher()
    )

    assert told(links, "enrollment_share", "weight") == [(0.5, 0.5)]


def test_blank_dates_mean_the_term_and_dates_outside_of_it_are_cut_to_it(roster: Roster) -> None:
    links = roster.links(
        section(term_begin_date=day(11), term_end_date=day(60)),
        student("ann"),
        student("bob", begin=-30, end=300),
        student("cid", begin=61, end=90),
        teacher("tom", begin=1, end=DAYS),
    )

    assert told(links, "student_key", "enrollment_share") == [("ann", 0.5), ("bob", 0.5)]


def test_a_student_who_enters_late_and_one_who_comes_back_have_the_days_they_were_there(roster: Roster) -> None:
    links = roster.links(student("ann", begin=26), student("bob", end=20), student("bob", begin=71), teacher())

    assert told(links, *SHARES, "is_under_claimed") == [
        ("ann", "tom", 0.75, 1.0, 0.75, True),
        ("bob", "tom", 0.5, 1.0, 0.5, True),
    ]


def test_who_leaves_for_another_school_and_comes_back_has_three_stays(roster: Roster) -> None:
    links = roster.links(
        section("s"),
        section("t", school_id="2"),
        student(end=20),
        student(section_key="t", begin=21, end=50),
        student(begin=61),
        teacher("tom"),
        teacher("tina", section_key="t"),
    )

    assert told(links, *SHARES, "is_under_claimed") == [
        ("ann", "tina", 0.3, 1.0, 0.3, True),
        ("ann", "tom", 0.6, 1.0, 0.6, True),
    ]


def test_overlapping_rows_of_one_stay_do_not_count_a_day_twice(roster: Roster) -> None:
    links = roster.links(student(), student(begin=1, end=50), student(begin=40, end=90), student(begin=45), teacher())

    assert told(links, *SHARES) == [("ann", "tom", 1.0, 1.0, 1.0)]


def test_a_student_who_moves_between_sections_and_schools_is_shared_by_days(roster: Roster) -> None:
    links = roster.links(
        section("s"),
        section("t"),
        section("u", school_id="2", lea_id="8"),
        student(end=20),
        student(section_key="t", begin=21, end=50),
        student(section_key="u", begin=51),
        teacher("tom"),
        teacher("tina", section_key="t"),
        teacher("tara", section_key="u"),
    )

    assert told(links, "staff_key", "weight", "is_under_claimed") == [
        ("tara", 0.5, False),
        ("tina", 0.3, False),
        ("tom", 0.2, False),
    ]


def test_teachers_who_claim_more_than_one_student_are_scaled_down_in_proportion(roster: Roster) -> None:
    links = roster.links(
        section("s"),
        section("t", term_end_date=day(50)),
        student(),
        student(section_key="t"),
        teacher("tom"),
        teacher("tina", section_key="t"),
    )

    assert told(links, "staff_key", "raw_weight", "weight", "is_under_claimed", "is_over_claimed") == [
        ("tina", 0.5, round(1 / 3, 12), False, True),
        ("tom", 1.0, round(2 / 3, 12), False, True),
    ]


def test_teachers_who_claim_less_than_one_student_are_left_and_flagged(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom", contribution_percent=60), teacher("tina", contribution_percent=30))

    assert told(links, "staff_key", "weight", "is_under_claimed") == [("tina", 0.3, True), ("tom", 0.6, True)]


@pytest.mark.parametrize("where", ["section", "student", "teacher"])
def test_an_exclusion_by_the_roster_excludes_with_its_reason(roster: Roster, where: str) -> None:
    mark = {name: {"excluded": "yes"} if name == where else {} for name in ("section", "student", "teacher")}

    links = roster.links(section(**mark["section"]), student(**mark["student"]), teacher(**mark["teacher"]))

    assert told(links, *SHARES, "raw_weight", "is_under_claimed", "excluded_reason") == [
        ("ann", "tom", 1.0, None, 0.0, 0.0, True, "teacher_student_data_link_exclusion")
    ]


def test_a_teacher_listed_twice_is_excluded_where_one_of_the_rows_says_so(roster: Roster) -> None:
    links = roster.links(student(), teacher(), teacher(begin=61, end=100, excluded="yes"))

    assert told(links, *SHARES, "excluded_reason") == [("ann", "tom", 0.6, 1.0, 0.6, None)]


def test_what_an_excluded_teacher_would_have_had_goes_to_nobody(roster: Roster) -> None:
    links = roster.links(student(), teacher("tom", excluded="yes"), teacher("tina"))

    assert told(links, *REASONS) == [
        ("ann", "tina", 0.5, None),
        ("ann", "tom", 0.0, "teacher_student_data_link_exclusion"),
    ]


def test_an_exclusion_takes_only_its_own_days_even_from_rows_that_overlap(roster: Roster) -> None:
    links = roster.links(student(), student(begin=31, end=50, excluded="yes"), teacher())

    assert told(links, *SHARES, "excluded_reason") == [("ann", "tom", 0.8, 1.0, 0.8, None)]


def test_a_student_not_there_for_the_full_academic_year_is_excluded_from_that_school_only(roster: Roster) -> None:
    roster.scenario.write(
        "student_school_association",
        {"student_key": "ann", "school_id": "1", "full_academic_year": "no"},
        {"student_key": "ann", "school_id": "2", "full_academic_year": "yes"},
        {"student_key": "bob", "school_id": "1"},
    )

    links = roster.links(
        section("s"),
        section("t", school_id="2"),
        student("ann", end=30),
        student("ann", section_key="t", begin=31),
        student("bob"),
        teacher("tom"),
        teacher("tina", section_key="t"),
    )

    assert told(links, *REASONS) == [
        ("ann", "tina", 0.7, None),
        ("ann", "tom", 0.0, "not_full_academic_year"),
        ("bob", "tom", 1.0, None),
    ]


def test_a_test_file_too_may_say_that_the_year_was_not_full(roster: Roster) -> None:
    test = {"student_key": "ann", "assessment": "LEAP", "subject": "ela", "grade": "05", "scale_score": 700}
    roster.scenario.write(
        "student_assessment",
        test | {"school_id": "1", "full_academic_year": "no"},
        test | {"student_key": "bob", "school_id": "2", "full_academic_year": "no"},
    )

    links = roster.links(student("ann"), student("bob"), teacher())

    assert told(links, *REASONS) == [("ann", "tom", 0.0, "not_full_academic_year"), ("bob", "tom", 1.0, None)]


def test_subjects_are_claimed_apart(roster: Roster) -> None:
    links = roster.links(
        section("s"),
        section("t", subject="ela"),
        student(),
        student(section_key="t"),
        teacher(),
        teacher(section_key="t"),
    )

    assert told(links, "subject", "weight") == [("ela", 1.0), ("mathematics", 1.0)]


def test_links_that_the_state_reports_take_the_place_of_the_rosters(roster: Roster) -> None:
    roster.lists(
        listed("tara", weight=0.6, enrolled="yes"),
        listed("tina", weight=0.9),
        listed("tess", weight=1.0, enrolled="no"),
    )

    links = roster.links(
        section("s"),
        section("t", subject="ela"),
        student(),
        student(section_key="t"),
        teacher(),
        teacher(section_key="t"),
    )

    columns = ("staff_key", "subject", "raw_weight", "weight", "source", "enrolled", "excluded_reason")
    assert told(links, *columns) == [
        ("tara", "mathematics", 0.6, 0.4, "reported", "yes", None),
        ("tess", "mathematics", 1.0, 0.0, "reported", "no", "not_enrolled_with_teacher"),
        ("tina", "mathematics", 0.9, 0.6, "reported", None, None),
        ("tom", "ela", 1.0, 1.0, "roster", None, None),
    ]


def test_a_section_without_a_teacher_and_one_without_students_link_nobody(roster: Roster) -> None:
    links = roster.links(section("s"), section("t"), student(), teacher(section_key="t"))

    assert links.is_empty()


SECTIONS = ("s", "t", "u", "h")
FIRST, LAST = st.none() | st.integers(-5, 70), st.none() | st.integers(71, 120)
STAYS = st.builds(
    student,
    st.sampled_from(("ann", "ann2", "bob")),
    FIRST,
    LAST,
    section_key=st.sampled_from(SECTIONS),
    excluded=st.sampled_from((None, None, "no", "yes")),
)
TEACHERS = st.builds(
    teacher,
    st.sampled_from(("tom", "tina", "tara", "tara2")),
    FIRST,
    LAST,
    section_key=st.sampled_from(SECTIONS),
    position=st.sampled_from(("teacher_of_record", "teacher_of_record", "support_teacher")),
    contribution_percent=st.none() | st.floats(0, 100),
)


LISTED = st.builds(
    listed,
    st.sampled_from(("tom", "tina", "tara", "tess")),
    st.sampled_from(("ann", "ann2", "bob")),
    subject=st.sampled_from(("mathematics", "ela", "science")),
    link_source=st.sampled_from((None, "reported", "verified", "test_file")),
    weight=st.none() | st.sampled_from((0, 1)) | st.floats(0, 1),
    school_id=st.sampled_from((None, "1", "2")),
    enrolled=st.sampled_from((None, "yes", "no")),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(STAYS, max_size=8),
    st.lists(TEACHERS, max_size=8),
    st.lists(LISTED, max_size=8),
    st.integers(50, DAYS),
)
def test_the_weights_of_a_student_sum_to_1_or_are_flagged_whatever_the_roster_and_the_lists(
    stays: list[Row], teachers: list[Row], lists: list[Row], term_end: int
) -> None:
    sections = [
        section("s"),
        section("t", term_end_date=day(term_end)),
        section("u", subject="ela", lea_id="8"),
        section("h", subject="all_subjects"),
    ]
    with TemporaryDirectory() as folder:
        roster = Roster(Path(folder)).same({"ann2": "ann"}, {"tara2": "tara"}).lists(*lists)
        claims = roster.claims(*sections, *stays, *teachers)
        links = roster.scenario.run(STEP["teacher_student_link"])
        broken = [
            violations(roster.scenario.engine, registry.tables()[name])
            for name in ("teacher_student_claim", "teacher_student_link")
        ]
        roster.lists(*(row for row in lists if row["link_source"] != "verified"))
        without_sheets = roster.links(*sections, *stays, *teachers)

    assert not any(count for rules in broken for count in rules.values())
    assert links["weight"].is_between(0, 1).all()
    assert ((links["weight"] == 0) == links["excluded_reason"].is_not_null()).all()
    assert set(links["student_key"]) <= {key("ann"), key("bob")}
    counts = pl.col("excluded_reason").is_null()
    totals = links.group_by("student_key", "subject").agg(
        pl.col("weight").sum(),
        pl.col("raw_weight").filter(counts).sum(),
        pl.col("source").filter(counts & (pl.col("source") != "verified")).n_unique().alias("n_deciding"),
        pl.col("is_under_claimed", "is_over_claimed").first(),
    )
    assert (((totals["weight"] - 1).abs() < 1e-9) | totals["is_under_claimed"]).all()
    assert (totals["weight"] <= 1 + 1e-9).all()
    assert (totals["is_under_claimed"] == (totals["raw_weight"] < 1 - 1e-9)).all()
    assert (totals["is_over_claimed"] == (totals["raw_weight"] > 1 + 1e-9)).all()
    assert (totals["n_deciding"] <= 1).all()  # beside the sheets
    # a sheet moves nobody's student but its own teachers'
    names = ["student_key", "staff_key", "subject"]
    of_sheets = claims.filter(pl.col("source") == "verified")
    before = without_sheets.join(of_sheets, on=["staff_key", "subject"], how="anti")
    assert before.join(links, on=names, how="anti").is_empty()
    after = links.join(of_sheets, on=["staff_key", "subject"], how="anti")
    assert after.join(without_sheets, on=[*names, "source"], how="anti").is_empty()
    # nobody whom a source speaks of is lost
    recognised = ~pl.col("excluded_reason").is_in(["unknown_teacher", "unknown_school"]).fill_null(value=False)
    spoken_of = claims.filter(recognised).select("student_key", "subject").unique()
    assert spoken_of.join(totals, on=["student_key", "subject"], how="anti").is_empty()
    ela = claims.filter((pl.col("subject") == "ela") & (pl.col("source") == "roster"))
    # in one section at once, and in a homeroom besides, if those who teach ela there only help
    assert ela["enrollment_share"].is_between(0, 2).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(STAYS, max_size=8), st.lists(TEACHERS, max_size=8), st.integers(50, DAYS))
def test_a_roster_that_says_everything_twice_says_the_same(
    stays: list[Row], teachers: list[Row], term_end: int
) -> None:
    """What stands in one row is taken as it is, what stands in several is cut into pieces of time: both are one law."""
    sections = [
        section("s", term_end_date=day(term_end)),
        section("u", subject="ela"),
        section("t", subject="science"),
        section("h", subject="all_subjects"),
    ]
    again = [row | {"student_key": f"{row['student_key']}_again"} for row in stays]
    with TemporaryDirectory() as folder:
        roster = Roster(Path(folder)).same({"ann_again": "ann", "bob_again": "bob", "ann2": "ann", "ann2_again": "ann"})
        once = roster.claims(*sections, *stays, *teachers)
        twice = roster.claims(*sections, *stays, *again, *teachers)

    assert once.equals(twice)


def test_links_equal_a_count_of_days_one_by_one(roster: Roster) -> None:
    random = np.random.default_rng(7)
    sections = [
        section(
            f"s{i}x",
            subject=("ela", "mathematics", "ela", "mathematics", "all_subjects")[i % 5],
            school_id=str(i % 3),
            term_begin_date=day((1, 1, 51)[i % 3]),
            term_end_date=day((DAYS, 50, DAYS)[i % 3]),
            excluded="yes" if i == 7 else None,
        )
        for i in range(12)
    ]

    def some(mark: float, value: Any) -> Any:
        return value if random.random() < mark else None

    def anywhere() -> Row:
        begin, length = int(random.integers(-10, 95)), int(random.integers(1, 80))
        stay = {"begin": some(0.6, begin), "end": some(0.6, begin + length)}
        return stay | {"section_key": f"s{random.integers(12)}x", "excluded": some(0.15, "yes")}

    students = [student(f"a{random.integers(60)}{some(0.2, 'y') or 'x'}", **anywhere()) for _ in range(300)]
    teachers = [
        teacher(
            f"t{random.integers(15)}x",
            position=str(random.choice(["teacher_of_record", "support_teacher", "assistant"], p=[0.7, 0.2, 0.1])),
            contribution_percent=some(0.3, float(random.integers(0, 101))),
            **anywhere(),
        )
        for _ in range(90)
    ]
    partial = {(f"a{i}x", str(i % 3)) for i in range(0, 60, 9)}
    roster.scenario.write(
        "student_school_association",
        *({"student_key": name, "school_id": school, "full_academic_year": "no"} for name, school in partial),
    )

    roster.same({f"a{i}y": f"a{i}x" for i in range(60)})

    links = roster.links(*sections, *students, *teachers)

    one_key = [row | {"student_key": row["student_key"].replace("y", "x")} for row in students]
    expected = _day_by_day(sections, one_key, teachers, partial)
    found = {
        (name, staff, subject): shares
        for name, staff, subject, *shares in told(
            links, "student_key", "staff_key", "subject", "enrollment_share", "weight", "excluded_reason"
        )
    }
    assert len(found) > 300
    assert found.keys() == expected.keys()
    for who, (enrollment_share, weight, excluded_reason) in found.items():
        assert enrollment_share == pytest.approx(expected[who][0], abs=1e-9), who
        assert weight == pytest.approx(expected[who][1], abs=1e-9), who
        assert (excluded_reason is not None) == expected[who][2], who


def _day_by_day(
    sections: list[Row], students: list[Row], teachers: list[Row], partial: set[tuple[str, str]]
) -> dict[tuple[str, str, str], tuple[float, float, bool]]:
    """Enrollment share, weight and whether excluded, by student, staff and subject."""
    counted: dict[tuple[str, str, str], list[float]] = {}
    moved = _moved(sections, students)

    def sits(taught: Row, row: Row, subject: str, date_: date) -> bool:
        return not ((id(row), subject) in moved and date_ == _span(taught, row)[1])

    for date_ in (day(number) for number in range(1, DAYS + 1)):
        lessons = [_lesson(taught, students, teachers, date_) for taught in sections]
        own = {
            (row["student_key"], taught["subject"])
            for taught, there, staff, _ in lessons
            for row in there
            if sits(taught, row, taught["subject"], date_)
            and any(r["position"] == "teacher_of_record" for rows in staff.values() for r in rows)
        }
        for taught, there, staff, parts in lessons:
            of_all = taught["subject"] == "all_subjects"
            for name, subject in product(
                {row["student_key"] for row in there}, CORE if of_all else [taught["subject"]]
            ):
                rows_of = [r for r in there if r["student_key"] == name and sits(taught, r, subject, date_)]
                if not rows_of or (of_all and (name, subject) in own):
                    continue
                for colleague, rows in staff.items():
                    is_excluded = (
                        taught["excluded"] == "yes"
                        or any(r["excluded"] == "yes" for r in rows)
                        or any(r["excluded"] == "yes" for r in rows_of)
                        or (name, taught["school_id"]) in partial
                        or parts[colleague] is None
                    )
                    days = counted.setdefault((name, colleague, subject), [0, 0, 0.0])
                    days[1 if is_excluded else 0] += 1
                    days[2] += 0 if is_excluded else parts[colleague] or 0
    claims: dict[tuple[str, str], float] = {}
    for (name, _, subject), (_, _, weight) in counted.items():
        claims[name, subject] = claims.get((name, subject), 0) + weight / DAYS
    return {
        (name, colleague, subject): (
            (days or excluded_days) / DAYS,
            weight / DAYS / max(1, claims[name, subject]),
            not days or not weight,
        )
        for (name, colleague, subject), (days, excluded_days, weight) in counted.items()
    }


def _lesson(
    taught: Row, students: list[Row], teachers: list[Row], date_: date
) -> tuple[Row, list[Row], dict[str, list[Row]], dict[str, float | None]]:
    """A section with the rows of who is there on a day, and each teacher's part."""
    staff: dict[str, list[Row]] = {}
    for row in teachers:
        if _has(taught, row, date_):
            staff.setdefault(row["staff_key"], []).append(row)
    return taught, [row for row in students if _has(taught, row, date_)], staff, _parts(staff)


def _moved(sections: list[Row], students: list[Row]) -> set[tuple[int, str]]:
    """Rows of students that end on the day on which a row in another section of the subject begins."""
    spans = [(taught, row, *_span(taught, row)) for taught in sections for row in students if _is_of(taught, row)]
    return {
        (id(row), subject)
        for taught, row, first, last in spans
        for other, another, begins, ends in spans
        if another["student_key"] == row["student_key"] and other is not taught and first < begins == last <= ends
        for subject in _subjects(taught)
        if subject in _subjects(other)
    }


def _has(taught: Row, row: Row, date_: date) -> bool:
    first, last = _span(taught, row)
    return _is_of(taught, row) and first <= date_ <= last


def _is_of(taught: Row, row: Row) -> bool:
    return bool(row["section_key"] == taught["section_key"])


def _span(taught: Row, row: Row) -> tuple[date, date]:
    begin, end = row["begin_date"] or taught["term_begin_date"], row["end_date"] or taught["term_end_date"]
    return max(begin, taught["term_begin_date"]), min(end, taught["term_end_date"])


def _subjects(taught: Row) -> list[str]:
    return CORE if taught["subject"] == "all_subjects" else [taught["subject"]]


def _parts(staff: dict[str, list[Row]]) -> dict[str, float | None]:
    """Each teacher's part of one day of a section; None where nobody declares one."""
    given = {
        name: max(r["contribution_percent"] for r in rows if r["contribution_percent"] is not None) / 100
        for name, rows in staff.items()
        if any(r["contribution_percent"] is not None for r in rows)
    }
    equal = [
        n for n, rows in staff.items() if n not in given and any(r["position"] == "teacher_of_record" for r in rows)
    ]
    rest = max(0, 1 - sum(given.values()))
    return {name: given.get(name, rest / len(equal) if name in equal else None) for name in staff}
