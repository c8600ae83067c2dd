"""match_rate: which records are of people whom roster and staff file have, file by file and group by group."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from delivered import delivery
from le_pipeline.warehouse.contract import notices, violations
from scenario import Row, Scenario
from schemas import registry
from steps import STEP, told

COUNTS = ("feed", "path", "n", "n_matched", "match_share", "null_reason")


class Files:
    """A small lake of delivered records."""

    def __init__(self, root: Path) -> None:
        self.lake = Scenario(root)

    def enrolled(self, *names: str, **said: Any) -> Files:
        self.lake.write(
            "student_school_association", *({"student_key": name, "school_id": "1"} for name in names), **said
        )
        return self

    def scores(self, *rows: Row) -> Files:
        common = {"assessment": "LEAP", "subject": "ela", "scale_score": 700.0}
        self.lake.write("student_assessment", *rows, **common)
        return self

    def delivered(self, *rows: Row) -> Files:
        self.lake.write("delivery", *rows)
        return self

    def rates(self, *columns: str, breakdown: str = "all", path: str | None = None) -> list[tuple[Any, ...]]:
        made = self.lake.run(STEP["match_rate"])
        assert not any(violations(self.lake.engine, registry.tables()["match_rate"]).values())
        chosen = made.filter(made["breakdown"] == breakdown)
        return told(chosen if path is None else chosen.filter(chosen["path"] == path), *(columns or COUNTS))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "home")


def score(name: str, **said: Any) -> Row:
    return {"student_key": name} | said


def test_records_of_students_on_the_roster_are_matched_and_every_file_has_its_share(files: Files) -> None:
    files.enrolled("ann", "ben").delivered(delivery("d1"), delivery("d2"))
    files.scores(score("ann"), score("ben"), score("cy"), score("ann", delivery_id="d2", subject="science"))

    assert files.rates() == [
        ("student_assessment", "LA/2015/d1.csv", 3, 2, pytest.approx(2 / 3), None),
        ("student_assessment", "LA/2015/d2.csv", 1, 1, 1.0, None),
        ("student_assessment", "all", 4, 3, 0.75, None),
    ]


def test_a_person_with_several_keys_is_matched_by_any_of_them(files: Files) -> None:
    files.enrolled("ann").delivered(delivery()).scores(score("vendor"))
    files.lake.write("person_alias", {"alias_key": "vendor", "person_key": "ann", "person_kind": "student"})

    assert files.rates("n", "n_matched", path="all") == [(1, 1)]


def test_what_no_roster_had_at_the_door_is_in_n_of_its_file_and_leaves_no_share_of_a_group(files: Files) -> None:
    files.enrolled("ann").delivered(delivery()).scores(score("ann", race_ethnicity="asian"))
    pointer = {"path": "p", "source_column": "ID", "fix": "f"}
    files.lake.write(
        "quarantine",
        {"source_row": 3, "part": "ela", "rule": "not_on_roster"},
        {"source_row": 3, "part": "science", "rule": "not_on_roster"},
        {"source_row": 4, "rule": "range"},
        **pointer,
    )

    assert files.rates("n", "n_matched", path="all") == [(3, 1)]
    told = files.rates("breakdown_value", "n", "n_matched", "null_reason", breakdown="race_ethnicity", path="all")
    assert told == [("asian", 1, None, "groups_unknown")]


def test_the_share_of_a_group_is_compared_with_the_rest_of_its_file(files: Files) -> None:
    files.enrolled(*(f"a{i}x" for i in range(40)), *(f"b{i}x" for i in range(20))).delivered(delivery())
    rows = [score(f"a{i}x", english_learner="no") for i in range(40)]
    rows += [score(f"b{i}x", english_learner="yes") for i in range(40)]
    files.scores(*rows)

    (no, yes) = files.rates(
        "breakdown_value", "match_share", "rest_n", "difference_percentage_points", "difference_ci_low",
        "difference_ci_high", breakdown="english_learner", path="all",
    )  # fmt: skip

    assert no[:4] == ("no", 1.0, 40, 50.0)
    assert yes[:4] == ("yes", 0.5, 40, -50.0)
    assert -65 < yes[4] < -50 < yes[5] < -30
    assert (yes[4], yes[5]) == (pytest.approx(-no[5]), pytest.approx(-no[4]))
    assert notices(files.lake.engine, registry.tables()["match_rate"]) == {"low_match": 1, "linkage_bias": 2}


def test_without_a_roster_of_the_year_there_is_no_share_and_the_row_says_why(files: Files) -> None:
    files.enrolled("ann", school_year=2014).delivered(
        delivery("d1"), delivery("d2"), delivery("d3", feed="staff_section")
    )
    files.scores(score("ann"))

    assert files.rates() == [
        ("staff_section", "LA/2015/d3.csv", 0, None, None, "no_staff_file"),
        ("student_assessment", "LA/2015/d1.csv", 1, None, None, "no_roster"),
        ("student_assessment", "LA/2015/d2.csv", 0, None, None, "no_roster"),
        ("student_assessment", "all", 1, None, None, "no_roster"),
    ]


def test_a_file_that_gave_no_record_has_its_row_and_one_that_is_gone_has_none(files: Files) -> None:
    files.enrolled("ann").scores().delivered(
        delivery("d1"), delivery("d2", delivery_status="held"), delivery("d3", delivery_status="withdrawn"),
        delivery("d4", feed="school"),
    )  # fmt: skip

    assert files.rates() == [
        ("student_assessment", "LA/2015/d1.csv", 0, None, None, "no_record"),
        ("student_assessment", "LA/2015/d2.csv", 0, None, None, "held"),
    ]


def test_teachers_are_held_against_the_staff_file_and_entries_of_lists_against_who_was_found(files: Files) -> None:
    files.delivered(
        delivery("d1", "staff_section"), delivery("d2", "teacher_student_link"), delivery("d3", "fellowship"),
        delivery("d4", "mentorship"),
    )  # fmt: skip
    lake = files.lake
    post = {"position": "teacher", "is_teacher": "yes"}
    lake.write("staff_assignment", {"staff_key": "tom"}, **post)
    lake.write("staff_year", {"staff_key": "tom"}, **post, source="staff_file")
    lake.write(
        "section", {"section_key": "s", "school_id": "1", "subject": "ela"},
        term_begin_date=date(2014, 9, 1), term_end_date=date(2015, 5, 1),
    )  # fmt: skip
    lake.write(
        "staff_section_association",
        *({"staff_key": name, "section_key": "s", "position": "teacher_of_record"} for name in ("tom", "una")),
    )
    lake.write(
        "reported_teacher_student_link",
        {"student_key": "ann", "staff_key": "tom", "subject": "ela"},
        {"student_key": "ann", "name_key": "tom by name", "subject": "science"},
        {"student_key": "ann", "name_key": "una by name", "subject": "science"},
        delivery_id="d2",
    )
    lake.write("person_alias", {"alias_key": "tom by name", "person_key": "tom", "person_kind": "staff"})
    lake.write("fellowship", {"staff_key": "tom", "cohort": "1", "begin_date": date(2014, 8, 1)}, delivery_id="d3")
    lake.write("mentorship", {"mentee_staff_key": "tom", "fellow_name_key": "una by name"}, delivery_id="d4")
    lake.write(
        "program_participant",
        {"delivery_id": "d3", "role": "fellow", "staff_key": "tom"},
        {"delivery_id": "d4", "role": "mentee", "staff_key": "tom", "unresolved_reason": "not_on_staff"},
    )

    assert files.rates("feed", "n", "n_matched", path="all") == [
        ("fellowship", 1, 1),
        ("mentorship", 1, 0),
        ("staff_section", 2, 1),
        ("teacher_student_link", 3, 2),
    ]
    assert files.rates("feed", "breakdown_value", "n", breakdown="school", path="all") == [("staff_section", "1", 2)]
