"""Layouts that load: the shipped ones, the ones that the documents show, and a user's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from landed import SCORES
from le_pipeline.home import Home
from schemas import layout, registry, template
from schemas.layout import load_layout

DOCUMENT = Path(__file__).parents[2] / "docs" / "layouts.md"

# as the design sketches a layout
SKETCH = """\
layout: la_leap_3_8
feed: student_assessment
issuer: LA
about: Louisiana LEAP grades 3-8, student file of the state portal, one row per student
recognise:
  school_years: [2016, 2025]
  name: "*LEAP*.csv"
  columns: [LASID, ELAScaleScore, MathScaleScore, AdministrationDate]
read: {format: delimited, encoding: utf-8, nulls: ["", "NA"]}
fill:
  student_id: LASID
  last_name: LastName
  birth_date: {from: DOB, date: "%m/%d/%Y"}
  grade: Grade
  economically_disadvantaged: {from: EconomicallyDisadvantaged, map: {Y: "yes", N: "no"}}
unpivot:
  subject: {ela: ELA, mathematics: Math, science: Science, social_studies: Social}
  fill:
    scale_score: "{}ScaleScore"
    performance_level: "{}AchievementLevel"
    void: "{}VoidFlag"
exclude:
  void: {void: Y}
tolerance: 0.01
"""


def loaded(tmp_path: Path, text: str) -> layout.Layout:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    return load_layout(path)


def test_the_sketch_of_the_design_is_a_layout(tmp_path: Path) -> None:
    sketch = loaded(tmp_path, SKETCH)
    assert sketch.recognise.school_years == (2016, 2025)
    assert sketch.recognise.name == ("*LEAP*.csv",)
    assert sketch.fill["birth_date"].date == ("%m/%d/%Y",)
    (unpivot,) = sketch.unpivot
    assert unpivot.over["subject"]["mathematics"] == "Math"
    assert sketch.exclude["void"]["void"].values == ("Y",)
    assert sketch.tolerance == 0.01


def test_the_whole_layout_of_the_document_is_a_layout(tmp_path: Path) -> None:
    (example, *_) = re.findall(r"```yaml\n(layout: .*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert loaded(tmp_path, example).name == "district_scores"


@pytest.mark.parametrize("path", sorted(layout.SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_layout_loads_and_is_named_as_its_file(path: Path) -> None:
    assert load_layout(path).name == path.stem


def test_every_key_of_the_format_is_in_the_document() -> None:
    said = DOCUMENT.read_text(encoding="utf-8")
    parts = {"": layout.Layout, "recognise.": layout.Recognise, "read.": layout.Read}
    keys = [
        f"{under}{field.alias or name}" for under, part in parts.items() for name, field in part.model_fields.items()
    ]
    nested = {"recognise", "read", "hash"}  # told key by key; hash is not written by a person
    assert [key for key in keys if key not in nested and f"`{key}`" not in said] == []
    sources = [field.alias or name for name, field in layout.Source.model_fields.items()]
    assert [key for key in sources if f"{key}: " not in said] == []


def test_every_feed_is_in_the_document_with_its_table() -> None:
    said = DOCUMENT.read_text(encoding="utf-8")
    assert [feed for feed, table in registry.feeds().items() if f"| {feed} | {table.name} |" not in said] == []


def test_plain_words_are_text_whatever_yaml_would_make_of_them(tmp_path: Path) -> None:
    words = 'map: {no: "no", 1: "yes", 012: "no", on: ~, 2016-07-01: null, 1.0: "yes"}'
    made = loaded(tmp_path, SCORES.replace("grade: Grade", f"grade: Grade\n  migrant: {{from: M, {words}}}"))
    assert made.fill["migrant"].map == {
        "no": "no", "1": "yes", "012": "no", "on": None, "2016-07-01": None, "1.0": "yes",
    }  # fmt: skip


def test_a_users_layout_takes_the_place_of_the_shipped_one_of_its_name_and_others_stay(home: Home) -> None:
    (home.layouts / "mine.yaml").write_text(SKETCH, encoding="utf-8")
    (home.layouts / "scores.yml").write_text(SCORES, encoding="utf-8")
    layouts = home.all_layouts()
    shipped = [layout.load_layout(path) for path in layout.SHIPPED.glob("*.yaml")]
    names = {each.name for one in shipped for each in (one, *one.as_text)}
    assert set(layouts) == names | set(template.layouts()) | {"scores"}
    assert layouts["la_leap_3_8"].recognise.columns[-1] == "AdministrationDate"


def test_a_layout_that_is_written_again_is_read_again_and_has_another_hash(tmp_path: Path) -> None:
    first = loaded(tmp_path, SCORES)
    second = loaded(tmp_path, SCORES.replace("0.25", "0.5"))
    assert (first.tolerance, second.tolerance) == (0.25, 0.5)
    assert first.hash != second.hash


def test_a_layout_narrows_its_table_and_leaves_the_registry_alone(tmp_path: Path) -> None:
    narrowed = loaded(tmp_path, SCORES.replace("grade: Grade", "grade: {from: Grade, allowed: ['03', '04']}")).table
    assert narrowed.column("grade").values == ("03", "04")
    assert (narrowed.column("scale_score").field.min, narrowed.column("scale_score").field.max) == ("100", "900")
    assert registry.tables()["student_assessment"].column("scale_score").field.min is None
