"""teacher_student_link: which source decides, what a verified sheet removes, and where sources disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from roster import Roster, listed, section, student, teacher
from scenario import Row
from schemas import registry
from steps import told

DECIDED = ("student_key", "staff_key", "source", "weight", "excluded_reason")
REMOVED = "removed_by_verification"


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(tmp_path / "home")


def verified(teacher: str = "tom", student: str = "ann", **said: Any) -> Row:
    return listed(teacher, student, link_source="verified", **said)


def on_test(teacher: str = "tom", student: str = "ann", **said: Any) -> Row:
    return listed(teacher, student, link_source="test_file", **said)


def test_the_best_source_that_speaks_of_a_student_and_subject_decides(roster: Roster) -> None:
    pupils = ("ann", "bob", "cid", "dan")
    roster.lists(
        verified("vera", "ann"),
        *(listed("rita", name, weight=1) for name in ("ann", "bob")),
        *(on_test("tess", name) for name in pupils),
    )

    links = roster.links(*(student(name) for name in ("ann", "bob", "cid")), teacher("rose"))

    assert told(links, *DECIDED, "n_sources") == [
        ("ann", "rita", "reported", 0.0, REMOVED, 4),
        ("ann", "vera", "verified", 1.0, None, 4),
        ("bob", "rita", "reported", 1.0, None, 3),
        ("cid", "rose", "roster", 1.0, None, 2),
        ("dan", "tess", "test_file", 1.0, None, 1),
    ]


def test_sources_are_asked_subject_by_subject(roster: Roster) -> None:
    sections = [section("s"), section("t", subject="ela")]
    roster.lists(listed("rita", weight=1))

    links = roster.links(
        *sections, *(student(section_key=name) for name in "st"), *(teacher(section_key=name) for name in "st")
    )

    assert told(links, "subject", "staff_key", "source") == [
        ("mathematics", "rita", "reported"),
        ("ela", "tom", "roster"),
    ]


def test_an_order_of_ones_own_takes_the_place_of_the_declared_one(roster: Roster) -> None:
    own = roster.scenario.home.reference / "link_source.csv"
    own.parent.mkdir(exist_ok=True)
    own.write_text("source,rank,description\ntest_file,1,\nroster,10,\n", encoding="utf-8")
    roster.lists(listed("rita", weight=1), on_test("tess"))

    links = roster.links(student("ann"), student("bob"), teacher("rose"))

    assert told(links, *DECIDED, "n_sources") == [
        ("ann", "tess", "test_file", 1.0, None, 2),
        ("bob", "rose", "roster", 1.0, None, 1),
    ]


def test_a_source_that_excludes_its_own_links_still_decides(roster: Roster) -> None:
    roster.lists(listed("rita", weight=1, enrolled="no"), on_test("tess"))

    links = roster.links(student(), teacher("rose"))

    assert told(links, *DECIDED, "is_under_claimed") == [
        ("ann", "rita", "reported", 0.0, "not_enrolled_with_teacher", True)
    ]


def test_helpers_without_a_share_decide_nothing_where_another_source_names_the_teacher(roster: Roster) -> None:
    roster.lists(on_test("tess"))

    links = roster.links(student("ann"), student("bob"), teacher("sue", position="assistant"))

    assert told(links, *DECIDED) == [
        ("ann", "tess", "test_file", 1.0, None),
        ("bob", "sue", "roster", 0.0, "no_share_declared"),
    ]


# -- verified sheets ---------------------------------------------------------------------------------------------


def test_students_who_are_not_on_a_verified_sheet_are_taken_from_its_teacher(roster: Roster) -> None:
    roster.lists(verified("tom", "ann"), listed("tom", "cid", weight=0.5), on_test("tom", "dan"))

    links = roster.links(student("ann"), student("bob"), teacher("tom"))

    assert told(links, *DECIDED, "is_disputed", "is_under_claimed") == [
        ("ann", "tom", "verified", 1.0, None, False, False),
        ("bob", "tom", "roster", 0.0, REMOVED, True, True),
        ("cid", "tom", "reported", 0.0, REMOVED, True, True),
        ("dan", "tom", "test_file", 0.0, REMOVED, True, True),
    ]


@pytest.mark.parametrize(("schools", "weight"), [(["2"], 1.0), (["1", "2"], 0.0)])
def test_who_moved_between_two_schools_of_a_teacher_is_taken_by_the_sheets_of_both_alone(
    roster: Roster, schools: list[str], weight: float
) -> None:
    roster.lists(*(verified("tom", f"s{school}", school_id=school) for school in schools))

    links = roster.links(
        section("s"),
        section("t", school_id="2"),
        student("ann", end=50),
        student("ann", begin=51, section_key="t"),
        student("s1"),
        student("s2", section_key="t"),
        teacher("tom"),
        teacher("tom", section_key="t"),
    )

    found = dict(told(links, "student_key", "weight"))
    assert found == {"ann": weight, "s1": 1.0, "s2": 1.0}


def test_how_long_the_two_were_together_the_roster_says_whoever_decides(roster: Roster) -> None:
    roster.lists(verified("tom", "ann", weight=0.4), listed("tina", "ann", weight=0.6))

    links = roster.links(student("ann", end=50), teacher("tom"))

    assert told(links, "staff_key", "source", "weight", "enrollment_share") == [
        ("tina", "reported", 0.6, None),
        ("tom", "verified", 0.4, 0.5),
    ]


def test_rows_of_one_student_on_the_sheets_of_two_schools_add_up(roster: Roster) -> None:
    roster.lists(verified("tom", "ann", weight=0.5, school_id="1"), verified("tom", "ann", weight=0.5, school_id="2"))

    links = roster.links(section("s"), section("t", school_id="2"), student("ann"), teacher("tom"))

    assert told(links, *DECIDED, "is_under_claimed") == [("ann", "tom", "verified", 1.0, None, False)]


def test_a_row_of_a_teacher_whom_nobody_knows_gives_nothing_and_takes_nothing(roster: Roster) -> None:
    roster.lists(verified("tmo", "ann"), verified("tom", "bob")).staff("tom")

    links = roster.links(student("ann"), student("bob"), student("cid"), teacher("tom"))

    assert told(links, *DECIDED) == [
        ("ann", "tom", "roster", 1.0, None),
        ("bob", "tom", "verified", 1.0, None),
        ("cid", "tom", "roster", 0.0, REMOVED),
    ]
    claims = roster.scenario.engine.lake.read(registry.tables()["teacher_student_claim"])
    assert told(claims.filter(source="verified"), "student_key", "staff_key", "excluded_reason") == [
        ("ann", "tmo", "unknown_teacher"),
        ("bob", "tom", None),
    ]


@pytest.mark.parametrize(("school", "decided"), [("01", (0.4, None)), ("7", (1.0, None))])
def test_a_school_without_its_zeros_is_itself_and_an_unknown_one_changes_nothing(
    roster: Roster, school: str, decided: tuple[float, str | None]
) -> None:
    roster.lists(verified("tom", "ann", weight=0.4, school_id=school))

    links = roster.links(section(school_id="001"), student("ann"), student("bob"), teacher("tom"))

    assert told(links, "student_key", "weight", "excluded_reason") == [
        ("ann", *decided),
        ("bob", 1.0, None) if school == "7" else ("bob", 0.0, REMOVED),
    ]


def test_a_sheet_speaks_for_its_own_teacher_subject_year_and_school_alone(roster: Roster) -> None:
    roster.lists(verified("tom", "ann", school_id="1"))

    links = roster.links(
        section("s"),
        section("t", school_id="2"),
        section("u", subject="ela"),
        section("v", school_year=2014),
        section("w", school_id=None),
        *(student(name, section_key=where) for name, where in zip(("bob", "cid", "dan", "fay"), "stuw", strict=True)),
        student("eve", section_key="v", school_year=2014),
        *(teacher("tom", section_key=where) for where in "stuw"),
        teacher("tom", section_key="v", school_year=2014),
        teacher("tina"),
    )

    assert told(links, *DECIDED) == [
        ("ann", "tom", "verified", 1.0, None),
        ("bob", "tina", "roster", 0.5, None),
        ("bob", "tom", "roster", 0.0, REMOVED),
        ("cid", "tom", "roster", 1.0, None),
        ("dan", "tom", "roster", 1.0, None),
        ("eve", "tom", "roster", 1.0, None),
        ("fay", "tom", "roster", 1.0, None),
    ]


def test_a_sheet_without_a_school_speaks_for_every_school(roster: Roster) -> None:
    links = roster.lists(verified("tom", "ann")).links(student("bob"), teacher("tom"))

    assert told(links, "student_key", "excluded_reason") == [("ann", None), ("bob", REMOVED)]


def test_weight_0_takes_the_student_from_this_teacher_and_leaves_the_others(roster: Roster) -> None:
    roster.lists(verified("tom", "ann", weight=0))

    links = roster.links(student(), teacher("tom"), teacher("tina"))

    assert told(links, *DECIDED, "n_sources") == [
        ("ann", "tina", "roster", 0.5, None, 2),
        ("ann", "tom", "verified", 0.0, REMOVED, 2),
    ]


def test_a_sheet_leaves_the_links_of_teachers_whom_it_does_not_cover(roster: Roster) -> None:
    """A student who moves in the middle of the year; the sheet of the first school comes back as it went out."""
    roster.lists(verified("tom", weight=0.4491, school_id="1"))

    links = roster.links(
        section("s"),
        section("t", school_id="2", lea_id="8"),
        student(end=45),
        student(section_key="t", begin=55),
        teacher("tom"),
        teacher("tina", section_key="t"),
    )

    assert told(links, *DECIDED, "is_disputed") == [
        ("ann", "tina", "roster", 0.46, None, False),
        ("ann", "tom", "verified", 0.4491, None, False),
    ]


def test_a_teacher_without_any_row_on_a_sheet_is_as_if_nobody_had_looked(roster: Roster) -> None:
    roster.lists(verified("tom", weight=0.5, school_id="1"))

    links = roster.links(student(), teacher("tom"), teacher("tina"))

    assert told(links, *DECIDED, "is_disputed") == [
        ("ann", "tina", "roster", 0.5, None, False),
        ("ann", "tom", "verified", 0.5, None, False),
    ]


def test_beside_a_sheet_the_source_decides_that_would_without_it(roster: Roster) -> None:
    roster.lists(verified("tom", weight=0.5), listed("tom", weight=0.5), listed("rita", weight=0.5), on_test("tess"))

    links = roster.links(student(), teacher("tom"), teacher("rose"))

    assert told(links, *DECIDED) == [
        ("ann", "rita", "reported", 0.5, None),
        ("ann", "tom", "verified", 0.5, None),
    ]


def test_what_is_verified_is_not_scaled_down_in_favour_of_what_is_not(roster: Roster) -> None:
    roster.lists(verified("tom", weight=0.7))

    links = roster.links(
        student(),
        teacher("tom", contribution_percent=20),
        teacher("tina", contribution_percent=60),
        teacher("tess", contribution_percent=20),
    )

    assert told(links, *DECIDED, "is_over_claimed", "is_disputed") == [
        ("ann", "tess", "roster", 0.075, None, True, True),
        ("ann", "tina", "roster", 0.225, None, True, True),
        ("ann", "tom", "verified", 0.7, None, True, True),
    ]


@pytest.mark.parametrize("weights", [{"tom": 1.0}, {"tom": 0.9, "tess": 0.9}])
def test_whom_sheets_leave_nothing_is_told_so(roster: Roster, weights: dict[str, float]) -> None:
    roster.lists(*(verified(name, weight=weight) for name, weight in weights.items()))

    links = roster.links(student(), teacher("tina"))

    total = sum(weights.values())
    assert told(links, *DECIDED, "is_over_claimed", "is_disputed") == [
        *(
            ("ann", name, "verified", weight / total, None, total > 1, True)
            for name, weight in weights.items()
            if name == "tess"
        ),
        ("ann", "tina", "roster", 0.0, REMOVED, total > 1, True),
        ("ann", "tom", "verified", weights["tom"] / total, None, total > 1, True),
    ]


def test_links_that_count_for_nobody_keep_their_rows_and_reasons_beside_a_sheet(roster: Roster) -> None:
    """They are not on the sheet that goes out, so their absence says nothing."""
    roster.lists(verified("tom", "ann"), verified("sue", "bob"))

    links = roster.links(
        section("s"),
        section("t"),
        student("ann"),
        student("cid", section_key="t", excluded="yes"),
        teacher("tom"),
        teacher("sue", position="assistant"),
        teacher("tom", section_key="t"),
    )

    assert told(links, *DECIDED, "is_disputed") == [
        ("ann", "sue", "roster", 0.0, "no_share_declared", False),
        ("ann", "tom", "verified", 1.0, None, False),
        ("bob", "sue", "verified", 1.0, None, False),
        ("cid", "tom", "roster", 0.0, "teacher_student_data_link_exclusion", False),
    ]


def test_a_sheet_that_ones_own_order_puts_last_speaks_only_where_nothing_else_does(roster: Roster) -> None:
    own = roster.scenario.home.reference / "link_source.csv"
    own.parent.mkdir(exist_ok=True)
    own.write_text("source,rank,description\nroster,1,\nverified,2,\n", encoding="utf-8")
    roster.lists(verified("tom", "ann", weight=0.2), verified("tom", "bob"))

    links = roster.links(student("ann"), student("cid"), teacher("tom"))

    assert told(links, *DECIDED, "is_disputed") == [
        ("ann", "tom", "roster", 1.0, None, True),
        ("bob", "tom", "verified", 1.0, None, False),
        ("cid", "tom", "roster", 1.0, None, False),
    ]


# -- disagreement ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lists", "is_disputed"),
    [
        ([], False),
        ([listed("tom", weight=1)], False),
        ([listed("tom", weight=0.995)], False),
        ([listed("tom", weight=0.98)], True),
        ([listed("tina", weight=1)], True),
        ([listed("tom", weight=0.5), listed("tina", weight=0.5)], True),
        ([on_test("tom")], False),
        ([on_test("tina")], True),
        ([on_test("tom"), on_test("tina")], True),
        ([listed("tom", weight=1), on_test("tom"), verified("tom")], False),
        ([listed("tom", weight=1), on_test("tina"), verified("tom")], True),
        ([listed("tom", weight=1, enrolled="no")], True),
        ([listed("tina", weight=1, enrolled="no"), on_test("tom")], True),
    ],
)
def test_sources_disagree_where_they_claim_other_teachers_or_other_weights(
    roster: Roster, lists: list[Row], is_disputed: bool
) -> None:
    links = roster.lists(*lists).links(student(), teacher())

    assert links["is_disputed"].unique().to_list() == [is_disputed]


def test_a_source_that_only_names_teachers_does_not_dispute_the_weights_of_another(roster: Roster) -> None:
    roster.lists(on_test("tom"), on_test("tina"))

    links = roster.links(student(begin=31), teacher("tom", contribution_percent=90), teacher("tina"))

    assert told(links, "staff_key", "weight", "is_disputed") == [("tina", 0.07, False), ("tom", 0.63, False)]


def test_weights_are_compared_as_they_would_count(roster: Roster) -> None:
    """Two sections at one time claim 1 each; a list that gives half to each says the same."""
    roster.lists(listed("tom", weight=0.5), listed("tina", weight=0.5))

    links = roster.links(
        section("s"), section("t"), student(), student(section_key="t"), teacher(), teacher("tina", section_key="t")
    )

    assert told(links, "staff_key", "source", "is_disputed") == [
        ("tina", "reported", False),
        ("tom", "reported", False),
    ]
