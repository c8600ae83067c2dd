"""What a partner is asked for follows from the tables, and the layouts that read it are layouts like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from schemas import registry, template
from schemas.layout import Layout, load_layout
from schemas.registry import Table

FED = registry.feeds()
every_feed = pytest.mark.parametrize("table", FED.values(), ids=list(FED))


PERSON = (("staff_id",), ("email",), ("last_name", "first_name"))
FELLOW, MENTEE = (
    tuple(tuple(f"{side}_{name}" for name in columns) for columns in PERSON) for side in ("fellow", "mentee")
)


@pytest.mark.parametrize(
    ("feed", "needed", "alternatives"),
    [
        ("student_assessment", ("student_id", "assessment", "subject", "grade", "scale_score"), ()),
        ("staff_assignment", ("staff_id", "position"), ()),
        ("fellowship", ("cohort", "begin_date"), (PERSON,)),
        ("mentorship", (), (FELLOW, MENTEE)),
    ],
)
def test_needed_is_what_the_table_requires_in_the_names_that_a_partner_fills(
    feed: str, needed: tuple[str, ...], alternatives: tuple[template.Group, ...]
) -> None:
    assert (template.needed(FED[feed]), template.alternatives(FED[feed])) == (needed, alternatives)


@every_feed
def test_a_partner_is_told_why_and_shown_an_example_of_every_field(table: Table) -> None:
    assert table.purpose and table.purpose.endswith(".")
    assert [name for name, field in template.asked(table).items() if not template.example(field)] == []


@every_feed
def test_what_the_pipeline_makes_itself_is_not_asked_for(table: Table) -> None:
    asked = template.asked(table)
    assert not [field for field in asked.values() if field.privacy == "pseudonym"]
    assert {"state", "school_year", "is_teacher", *registry.PROVENANCE}.isdisjoint(asked)


@pytest.mark.parametrize("layout", template.layouts().values(), ids=list(template.layouts()))
def test_a_layout_of_the_request_is_one_that_a_person_could_have_written(layout: Layout, tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    content = layout.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"hash"})
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_layout(path).model_copy(update={"hash": layout.hash}) == layout
