"""teacher_student_claim: what each source says by itself of whose a student is."""

from __future__ import annotations

from pathlib import Path

import pytest

from roster import Roster, listed, section, student, teacher
from steps import told

CLAIM = ("student_key", "staff_key", "source", "raw_weight", "excluded_reason")
SUBJECTS = ("student_key", "staff_key", "subject", "enrollment_share", "raw_weight")
CORE = ("ela", "mathematics", "science", "social_studies")


@pytest.fixture
def roster(tmp_path: Path) -> Roster:
    return Roster(tmp_path / "home")


def test_every_source_keeps_its_own_claim(roster: Roster) -> None:
    roster.lists(
        listed("tina", weight=0.7, school_id="1", enrolled="yes"),
        listed("tina", weight=0.6, link_source="verified"),
        listed("tara", link_source="test_file", school_id="2"),
    )

    claims = roster.claims(student(), teacher())

    columns = ("staff_key", "source", "school_id", "enrollment_share", "contribution_share", "raw_weight")
    assert told(claims, *columns, "is_weighted", "enrolled") == [
        ("tara", "test_file", "2", None, None, 1.0, False, None),
        ("tina", "reported", "1", None, None, 0.7, True, "yes"),
        ("tina", "verified", None, None, None, 0.6, True, None),
        ("tom", "roster", "1", 1.0, 1.0, 1.0, True, None),
    ]


def test_teachers_that_a_source_names_without_a_weight_share_equally(roster: Roster) -> None:
    roster.lists(*(listed(name, link_source="test_file") for name in ("tom", "tina", "tara", "tess")))

    assert told(roster.claims(), "staff_key", "raw_weight") == [(t, 0.25) for t in ("tara", "tess", "tina", "tom")]


def test_teachers_without_a_weight_share_what_the_weights_of_the_source_leave(roster: Roster) -> None:
    roster.lists(listed("tom", weight=0.5), listed("tina"), listed("tara"), listed("tess", link_source="test_file"))

    assert told(roster.claims(), "staff_key", "source", "raw_weight", "is_weighted") == [
        ("tara", "reported", 0.25, False),
        ("tess", "test_file", 1.0, False),
        ("tina", "reported", 0.25, False),
        ("tom", "reported", 0.5, True),
    ]


def test_weight_0_on_a_verified_sheet_says_that_the_student_is_not_the_teachers(roster: Roster) -> None:
    roster.lists(
        listed("tom", weight=0, link_source="verified"),
        listed("tina", link_source="verified"),
        listed("tom", weight=0),
    )

    assert told(roster.claims(), *CLAIM) == [
        ("ann", "tina", "verified", 1.0, None),
        ("ann", "tom", "reported", 0.0, "no_share"),
        ("ann", "tom", "verified", 0.0, "removed_by_verification"),
    ]


def test_the_full_academic_year_counts_wherever_the_school_of_a_claim_is_known(roster: Roster) -> None:
    roster.scenario.write(
        "student_school_association", {"student_key": "ann", "school_id": "1", "full_academic_year": "no"}
    )
    roster.lists(
        listed("tom", weight=1, school_id="1"),
        listed("tina", weight=1, link_source="verified"),
        listed("tara", link_source="test_file", school_id="2"),
    )

    assert told(roster.claims(), "staff_key", "excluded_reason") == [
        ("tara", None),
        ("tina", None),
        ("tom", "not_full_academic_year"),
    ]


# -- people with several keys ------------------------------------------------------------------------------------


def test_a_student_whose_id_changed_within_the_year_is_one_person(roster: Roster) -> None:
    roster.same(students={"ann2": "ann"}).lists(
        listed("tara", weight=0.25), listed("tara", "ann2", weight=0.5), listed("tess", "ann2", link_source="test_file")
    )

    claims = roster.claims(student("ann", end=40), student("ann2", begin=41), teacher())

    assert told(claims, *CLAIM) == [
        ("ann", "tara", "reported", 0.75, None),
        ("ann", "tess", "test_file", 1.0, None),
        ("ann", "tom", "roster", 1.0, None),
    ]


def test_days_under_both_keys_of_a_student_count_once(roster: Roster) -> None:
    claims = roster.same(students={"ann2": "ann"}).claims(student("ann", end=60), student("ann2", begin=41), teacher())

    assert told(claims, "student_key", "enrollment_share", "raw_weight") == [("ann", 1.0, 1.0)]


def test_a_teacher_with_two_keys_does_not_share_with_herself(roster: Roster) -> None:
    claims = roster.same(staff={"tina2": "tina"}).claims(student(), teacher("tina"), teacher("tina2"), teacher("tom"))

    assert told(claims, "staff_key", "raw_weight") == [("tina", 0.5), ("tom", 0.5)]


def test_a_year_that_was_not_full_under_one_key_of_a_student_is_not_under_the_other(roster: Roster) -> None:
    roster.scenario.write(
        "student_school_association", {"student_key": "ann2", "school_id": "1", "full_academic_year": "no"}
    )

    claims = roster.same(students={"ann2": "ann"}).claims(student("ann"), teacher())

    assert told(claims, "excluded_reason") == [("not_full_academic_year",)]


def test_a_teacher_known_by_name_is_the_staff_member_whose_name_it_is(roster: Roster) -> None:
    roster.same(staff={"named": "tom"}).lists(listed(None, name_key="named", link_source="test_file"))

    assert told(roster.claims(), *CLAIM) == [("ann", "tom", "test_file", 1.0, None)]


def test_a_name_that_is_nobodys_has_no_claim_and_leaves_its_share_to_nobody(roster: Roster) -> None:
    roster.lists(
        listed(None, name_key="stranger", link_source="test_file"),
        listed("tom", link_source="test_file"),
        listed(None, "bob", name_key="stranger", link_source="test_file"),
    )

    assert told(roster.claims(), *CLAIM) == [("ann", "tom", "test_file", 0.5, None)]


# -- classes of all subjects -------------------------------------------------------------------------------------


def homeroom(name: str = "h", **said: object) -> dict[str, object]:
    return section(name, subject="all_subjects", **said)


def test_a_section_of_all_subjects_counts_for_every_core_subject(roster: Roster) -> None:
    claims = roster.claims(homeroom(), student(section_key="h", end=60), teacher(section_key="h"))

    assert told(claims, *SUBJECTS) == [("ann", "tom", subject, 0.6, 0.6) for subject in CORE]


def test_the_section_of_a_specialist_takes_its_subject_over_for_its_students_and_its_time(roster: Roster) -> None:
    claims = roster.claims(
        homeroom(),
        section("m"),
        student("ann", section_key="h"),
        student("bob", section_key="h"),
        student("cid", section_key="h"),
        student("ann", section_key="m"),
        student("bob", 41, 60, section_key="m"),
        teacher("tom", section_key="h"),
        teacher("sue", section_key="m"),
    )

    mathematics = claims.filter(claims["subject"] == "mathematics")
    assert told(mathematics, *SUBJECTS) == [
        ("ann", "sue", "mathematics", 1.0, 1.0),
        ("bob", "sue", "mathematics", 0.2, 0.2),
        ("bob", "tom", "mathematics", 0.8, 0.8),
        ("cid", "tom", "mathematics", 1.0, 1.0),
    ]
    assert claims.height == len(mathematics) + 3 * (len(CORE) - 1)


def test_a_section_without_a_teacher_or_with_helpers_alone_takes_nothing_over(roster: Roster) -> None:
    claims = roster.claims(
        homeroom(),
        section("m"),
        section("e", subject="ela"),
        *(student(section_key=name) for name in "hme"),
        teacher("tom", section_key="h"),
        teacher("sue", section_key="m", position="support_teacher"),
    )

    counted = claims.filter(claims["excluded_reason"].is_null())
    assert told(counted, *SUBJECTS) == [("ann", "tom", subject, 1.0, 1.0) for subject in CORE]


def test_who_teaches_a_class_of_all_subjects_and_one_of_them_apart_has_the_days_once(roster: Roster) -> None:
    claims = roster.claims(
        homeroom(),
        section("m"),
        student(section_key="h"),
        student(section_key="m", begin=31, end=60),
        teacher(section_key="h"),
        teacher(section_key="m"),
    )

    assert told(claims, *SUBJECTS) == [("ann", "tom", subject, 1.0, 1.0) for subject in CORE]


def test_a_table_of_ones_own_says_which_subjects_a_class_of_all_subjects_has(roster: Roster) -> None:
    reference = roster.scenario.home.reference / "self_contained_subject.csv"
    reference.parent.mkdir(exist_ok=True)
    reference.write_text("subject\nreading\nmathematics\n", encoding="utf-8")

    claims = roster.claims(homeroom(), student(section_key="h"), teacher(section_key="h"))

    assert told(claims, "subject") == [("mathematics",), ("reading",)]


def test_a_share_of_0_says_so_whether_it_is_given_or_left(roster: Roster) -> None:
    roster.lists(
        listed("rita", weight=0),
        listed("rose", weight=1),
        listed("rob"),
        listed("vera", link_source="verified", weight=0),
    )

    claims = roster.claims(
        student(), teacher("tom"), teacher("tina", contribution_percent=100), teacher("tess", contribution_percent=0)
    )

    assert told(claims, "staff_key", "raw_weight", "excluded_reason") == [
        ("rita", 0.0, "no_share"),
        ("rob", 0.0, "no_share"),
        ("rose", 1.0, None),
        ("tess", 0.0, "no_share"),
        ("tina", 1.0, None),
        ("tom", 0.0, "no_share"),
        ("vera", 0.0, "removed_by_verification"),
    ]
