"""What the warehouse profile leaves out is not in the file, and everything else is as it was."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from le_pipeline import line
from le_pipeline.home import Home
from le_pipeline.privacy.keys import Keys, new_keys
from le_pipeline.rotation import rotate
from le_pipeline.warehouse import build, ddl
from schemas import registry
from schemas.warehouse import WarehouseProfile
from schemas.yaml_file import ContractError


def leave_out(home: Home, *people: str) -> None:
    home.warehouse_profile.write_text(f"leave_out: [{', '.join(people)}]\n", encoding="utf-8")


def built(home: Home) -> build.WarehouseReport:
    report = build.build(home)
    if not report.is_current:
        build.approve(home)
        build.promote(home)
    return report


def tables_in(path: Path) -> dict[str, str]:
    """Every table of a warehouse with its comment."""
    with duckdb.connect(path, read_only=True) as con:
        return dict(con.execute("select schema_name || '.' || table_name, comment from duckdb_tables()").fetchall())


@pytest.mark.parametrize(
    ("table", "level"),
    [
        ("student_assessment", "student"),
        ("standard_score", "student"),
        ("staff_assignment", "staff"),
        ("fellowship", "staff"),
        ("program_participant", "staff"),
        ("teacher_student_link", "student and staff"),
        ("person_alias", "student and staff"),
        ("quarantine", "student and staff"),
        ("delivery", "aggregate"),
        ("section", "aggregate"),
        ("published_result", "aggregate"),
        ("unresolved_record", "aggregate"),
    ],
)
def test_a_tables_level_follows_from_whose_keys_it_holds(table: str, level: str) -> None:
    assert registry.tables()[table].level == level


def test_an_aggregate_holds_no_key_of_a_person_and_no_mart_is_about_one() -> None:
    for table in registry.tables().values():
        if table.level == "aggregate":
            keys = {c.name for c in table.columns if c.field.privacy == "pseudonym"}
            assert keys <= {"section_key"}, table.name
        else:
            assert table.layer != "marts"


@pytest.mark.parametrize("people", [(), ("student",), ("staff",), ("student", "staff")])
def test_what_is_left_out_is_not_there_and_the_rest_keeps_its_name_and_comment(
    home: Home, people: tuple[str, ...]
) -> None:
    if people:
        leave_out(home, *people)

    report = built(home)

    stays = {t.qualified_name: t for t in registry.tables().values() if not set(people) & t.people}
    assert tables_in(home.warehouse) == {name: ddl.table_comment(table) for name, table in stays.items()}
    assert set(report.rows) == set(stays)
    assert set(stays) >= {"marts.program_reach", "canonical.delivery", "canonical.school"}
    if people:
        assert "linked.teacher_student_link" not in stays and "canonical.quarantine" not in stays


def test_a_changed_profile_makes_the_warehouse_anew_and_an_unchanged_one_does_not(home: Home) -> None:
    built(home)
    assert build.is_current(home)

    leave_out(home, "student")
    assert not build.is_current(home)
    assert not built(home).is_current
    assert "canonical.student_assessment" not in tables_in(home.warehouse)

    leave_out(home, "student", "student")
    assert built(home).is_current

    home.warehouse_profile.write_text("")
    home.warehouse_profile.unlink()
    assert not build.is_current(home)
    built(home)
    assert "canonical.student_assessment" in tables_in(home.warehouse)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "leave_out: [student, teacher]\n",
            "warehouse.yaml, line 1: leave_out.1: Input should be 'student' or 'staff'",
        ),
        ("\nleaveout: [student]\n", "warehouse.yaml, line 2: leaveout: is not a key that is known here"),
        ("leave_out: student\n", "warehouse.yaml, line 1: leave_out: "),
        ("leave_out: [aggregate]\n", "warehouse.yaml, line 1: leave_out.0: Input should be 'student' or 'staff'"),
        ("- student\n", "warehouse.yaml, line 1: "),
        ("leave_out: [\n", "warehouse.yaml, line 2: is not valid YAML"),
        ("", "warehouse.yaml, line 1: "),
    ],
)
def test_a_mistake_is_told_with_line_and_key_before_any_work(home: Home, keys: Keys, text: str, message: str) -> None:
    home.warehouse_profile.write_text(text)

    with pytest.raises(ContractError) as told:
        next(line.run(home, keys, []))

    assert str(told.value).startswith(message)
    assert not home.warehouse.exists()


def test_without_a_profile_nothing_is_left_out() -> None:
    assert all(WarehouseProfile().keeps(table) for table in registry.tables().values())


def test_what_is_left_out_stays_out_when_the_key_is_changed(home: Home, keys: Keys, tmp_path: Path) -> None:
    leave_out(home, "student")
    built(home)

    rotate(home, keys, new_keys(tmp_path / "other", home))

    assert "canonical.student_assessment" not in tables_in(home.warehouse)
    assert "canonical.staff_assignment" in tables_in(home.warehouse)
    assert build.is_current(home)
