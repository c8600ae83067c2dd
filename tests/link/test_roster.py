"""The rosters that schools are asked to verify: who stands on them, under which ids, and what stands apart."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import fastexcel
import polars as pl
import pytest

from le_pipeline.errors import HandoutError, RosterError
from le_pipeline.home import Home
from le_pipeline.link.roster import Choice, Exported, export
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.privacy.vault import Vault
from scenario import Row, Scenario

YEAR = 2015
FIRST_SCHOOL = "1 North"
OF_017 = Choice("017")
NAMES = ("Teacher ID", "Teacher Last Name", "Student ID", "Student Last Name", "Subject", "Share percent")


class School:
    """One district of a small lake, with its vault."""

    def __init__(self, home: Home, keys: Keys) -> None:
        self.home, self.keys = home, keys
        self.lake = Scenario(home.root)
        self.lake.write("school", {"school_id": "017001", "lea_id": "017", "school_name": "North"})

    def student(self, id_: str | None, issuer: str = "LA") -> str:
        return self._key(id_, "student", issuer)

    def teacher(self, id_: str, issuer: str = "LA") -> str:
        return self._key(id_, "staff", issuer)

    def link(self, teacher: str, student: str, weight: float = 1, **said: Any) -> Row:
        shares = {"raw_weight": weight, "weight": weight, "source": "roster"}
        shares |= {"is_under_claimed": False, "is_over_claimed": False, "is_disputed": False, "n_sources": 1}
        return {"staff_key": teacher, "student_key": student, "subject": "mathematics"} | shares | said

    def links(self, *links: Row) -> School:
        self.lake.write("teacher_student_link", *links)
        staff = dict.fromkeys((row["staff_key"], row.get("school_year", YEAR)) for row in links)
        common = {"school_id": "017001", "lea_id": "017", "position": "teacher", "is_teacher": "yes"}
        posts = ({"staff_key": name, "school_year": year} for name, year in staff)
        self.lake.write("staff_year", *posts, source="staff_file", **common)
        return self

    def vault(self, feed: str, rows: list[dict[str, str | None]], year: int = YEAR) -> School:
        """Put people into the vault, as ingest does."""
        with Vault(self.home, self.keys).replacing(f"{feed}/LA-{year}.identity") as identity:
            identity.add(pl.DataFrame(rows))
            identity.keep()
        return self

    def known(self, *students: str, teachers: tuple[str, ...] = ("T1",)) -> School:
        self.vault("student_enrollment", [self.person("student", id_) for id_ in students])
        return self.vault("staff_assignment", [self.person("staff", id_) for id_ in teachers])

    def person(self, kind: str, id_: str, issuer: str = "LA") -> dict[str, str | None]:
        key = self._key(id_, kind, issuer)
        return {f"{kind}_key": key, f"{kind}_id": id_, "last_name": f"Last{id_}", "first_name": f"First{id_}"}

    def export(self, target: Path, choice: Choice = OF_017) -> Exported:
        return export(self.home, self.keys, choice, target)

    def _key(self, id_: str | None, domain: str, issuer: str) -> str:
        return str(pseudonyms(pl.Series([id_]), domain=domain, issuer=issuer, keys=self.keys)[0])


@pytest.fixture
def school(home: Home, keys: Keys) -> School:
    return School(home, keys)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "roster.xlsx"


def sheet(target: Path, name: str, *columns: str) -> list[tuple[str | None, ...]]:
    frame = fastexcel.read_excel(target).load_sheet(name, dtypes="string").to_polars()
    return frame.select(columns or frame.columns).rows()


def test_each_teachers_students_stand_with_ids_names_and_shares_in_order(school: School, target: Path) -> None:
    cy, di = school.teacher("T1"), school.teacher("T2")
    ann, ben = school.student("01"), school.student("02")
    school.known("01", "02", teachers=("T1", "T2"))
    school.links(school.link(di, ann, 0.25), school.link(cy, ben), school.link(cy, ann, 0.75, subject="algebra_1"))

    told = school.export(target)

    assert told == Exported("LA", YEAR, rows=3, schools=1, not_counted=0, not_here=0)
    assert sheet(target, FIRST_SCHOOL, *NAMES) == [
        ("T1", "LastT1", "01", "Last01", "Algebra 1", "75%"),
        ("T1", "LastT1", "02", "Last02", "Mathematics", "100%"),
        ("T2", "LastT2", "01", "Last01", "Mathematics", "25%"),
    ]
    assert set(sheet(target, FIRST_SCHOOL, "School Year", "School ID", "School Name")) == {
        ("2014-2015", "017001", "North")
    }
    instructions = fastexcel.read_excel(target).load_sheet("Read me first", dtypes="string").to_polars()
    assert any("Do not delete all of them" in text for (text,) in instructions.rows() if text)


def test_shares_of_two_decimals_still_add_up_to_the_whole(school: School, target: Path) -> None:
    teachers = [school.teacher(f"T{number}") for number in (1, 2, 3)]
    school.known("01", teachers=("T1", "T2", "T3"))
    school.links(*(school.link(teacher, school.student("01"), 1 / 3) for teacher in teachers))

    school.export(target)

    assert sorted(sheet(target, FIRST_SCHOOL, "Share percent")) == [("33.33%",), ("33.33%",), ("33.34%",)]


def test_who_could_not_be_read_back_stands_apart_with_the_reason(school: School, target: Path) -> None:
    cy, foreign, unknown = school.teacher("T1"), school.student("V9", "vendor"), school.student("gone")
    rows = [school.person("student", id_) for id_ in ("01", "02")]
    school.vault("student_enrollment", [*rows, school.person("student", "V9", "vendor")])
    school.lake.write(
        "student_school_association",
        *({"student_key": school.student(id_), "school_id": "017001"} for id_ in ("01", "gone")),
        {"student_key": foreign, "school_id": "017001"},
    )
    di = school.teacher("T2")
    everybody = (school.student("01"), school.student("02"), foreign, unknown)
    school.known("01", teachers=("T1", "T2"))
    school.vault("student_enrollment", [*rows, school.person("student", "V9", "vendor")])
    school.links(*(school.link(cy, student) for student in everybody), school.link(di, school.student("01")))

    told = school.export(target)

    assert (told.rows, told.not_here) == (1, 4)
    assert sheet(target, FIRST_SCHOOL, "Teacher ID", "Student ID") == [("T2", "01")]
    why = dict(sheet(target, "Cannot be verified here", "Student", "Why it cannot be verified here"))
    assert why == {
        "Last01, First01 (01)": (
            "Teacher: has other students in this subject who cannot stand on a sheet (listed here); "
            "without them a sheet that comes back would take them away"
        ),
        "Last02, First02 (02)": "Student: not on the enrolment roster of the year; send a roster that has the student",
        "LastV9, FirstV9": (
            "Student: the id on file was given by somebody else than the state, so it would not be recognised"
        ),
        "(no name on file)": "Student: no id is on file; send a file that has it",
    }


def test_a_teacher_is_left_off_in_the_subject_alone_in_which_a_sheet_would_not_be_whole(
    school: School, target: Path
) -> None:
    cy, ann, gone = school.teacher("T1"), school.student("01"), school.student("gone")
    school.known("01").links(
        school.link(cy, ann),
        school.link(cy, gone),
        school.link(cy, ann, subject="ela"),
        school.link(cy, gone, 0, subject="ela", excluded_reason="no_share_declared"),
    )

    told = school.export(target)

    assert (told.rows, told.not_counted, told.not_here) == (1, 0, 3)
    assert sheet(target, FIRST_SCHOOL, "Student ID", "Subject") == [("01", "ELA")]


def test_a_link_that_counts_for_nobody_stands_apart_with_its_reason_in_words(school: School, target: Path) -> None:
    cy = school.teacher("T1")
    school.known("01", "02").links(
        school.link(cy, school.student("01")),
        school.link(cy, school.student("02"), 0, excluded_reason="not_full_academic_year"),
    )

    told = school.export(target)

    assert (told.rows, told.not_counted) == (1, 1)
    assert sheet(target, "Not counted") == [
        (
            "017001 North",
            "LastT1, FirstT1 (T1)",
            "Last02, First02 (02)",
            "Mathematics",
            "The student was not in the school for the full academic year",
        )
    ]


def test_of_the_keys_of_one_person_the_id_of_the_state_is_given(school: School, target: Path) -> None:
    cy, vendors = school.teacher("T1"), school.student("V9", "vendor")
    school.known("01")
    school.vault("student_assessment", [school.person("student", "V9", "vendor")])
    school.lake.write(
        "person_alias", {"alias_key": school.student("01"), "person_key": vendors, "person_kind": "student"}
    )
    school.links(school.link(cy, vendors))

    school.export(target)

    assert sheet(target, FIRST_SCHOOL, *NAMES[2:4]) == [("01", "Last01")]


def test_a_student_is_on_the_sheet_of_the_school_that_the_source_names(school: School, target: Path) -> None:
    cy, ann, ben = school.teacher("T1"), school.student("01"), school.student("02")
    schools = (("017001", "017", "North"), ("017002", "017", "South"))
    school.lake.write("school", *({"school_id": s, "lea_id": lea, "school_name": n} for s, lea, n in schools))
    claim = {"student_key": ann, "staff_key": cy, "subject": "mathematics", "source": "roster", "raw_weight": 1.0}
    school.lake.write("teacher_student_claim", claim, school_id="017002", is_weighted=True)
    school.known("01", "02").links(school.link(cy, ann), school.link(cy, ben))

    told = school.export(target)

    assert told.schools == 2
    assert sheet(target, "2 South", "Student ID") == [("01",)]
    assert school.export(target, Choice("017", school_id="017002")).rows == 1


def test_the_latest_year_is_taken_and_only_the_owner_may_read_it(school: School, target: Path) -> None:
    cy, ann = school.teacher("T1"), school.student("01")
    school.known("01").links(school.link(cy, ann), school.link(cy, ann, school_year=YEAR - 1))
    target.write_text("an earlier one that all could read")

    assert school.export(target).school_year == YEAR
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    entry = json.loads((school.home.vault / "audit.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {name: entry[name] for name in ("what", "rows", "schools")} == {
        "what": "roster export",
        "rows": 1,
        "schools": 1,
    }


def test_what_cannot_be_exported_is_told(school: School, target: Path) -> None:
    school.known("01").links(school.link(school.teacher("T1"), school.student("01")))

    with pytest.raises(RosterError, match="no teacher-student links of lea_id 099"):
        school.export(target, Choice("099"))
    with pytest.raises(HandoutError, match="lies where no name may be"):
        school.export(school.home.landing / "roster.xlsx")
    with pytest.raises(HandoutError, match="give a name that ends in"):
        school.export(target.with_suffix(".csv"))
    assert not target.exists()


def test_an_id_that_two_states_districts_have_asks_for_the_state(school: School, target: Path) -> None:
    cy, ann = school.teacher("T1"), school.student("01")
    school.links(school.link(cy, ann), school.link("mo", "mo", state="MO"))
    common = {"position": "teacher", "is_teacher": "yes", "source": "staff_file", "lea_id": "017", "school_id": None}
    school.lake.write("staff_year", {"staff_key": cy}, {"staff_key": "mo", "state": "MO"}, **common)

    with pytest.raises(RosterError, match="several states have links of lea_id 017: LA, MO; say which with --state"):
        school.export(target)
