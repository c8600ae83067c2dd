"""A wrong layout is told with file, line and key, in words that its author can act on."""

from __future__ import annotations

from pathlib import Path

import pytest

from landed import SCORES
from schemas.layout import load_layout, load_layouts
from schemas.yaml_file import ContractError


def trouble(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "own.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ContractError) as wrong:
        load_layout(path)
    return str(wrong.value)


CHANGED: list[tuple[str, str, str]] = [
    ("about:", "abuot:",
     "own.yaml, line 1: about: is missing\nown.yaml, line 4: abuot: is not a key that is known here"),
    ("feed: student_assessment\n", "", "own.yaml, line 1: feed: is missing"),
    ("lea_id: District", "lea_id: Name",
     "own.yaml, line 13: fill.lea_id: 'Name' is the last_name, which must not be taken for lea_id: all may see that"),
    ("student_assessment", "student_tests",
     "own.yaml, line 2: feed: 'student_tests' is not a feed; the feeds are applicant,"),
    ("layout: scores", "layout: My Scores", "own.yaml, line 1: layout: String should match pattern '^[a-z0-9_]+$'"),
    ('"*"', '"LA|MO"', "own.yaml, line 3: issuer: String should match pattern"),
    ("columns: [ID, Grade, Score]", "columns: []",
     "own.yaml, line 5: recognise.columns: Tuple should have at least 1 item"),
    ("columns: [ID, Grade, Score]", "name: x", "own.yaml, line 5: recognise.columns: is missing"),
    ("columns: [ID, Grade, Score]", "columns: [ID], school_years: [2016, now]",
     "own.yaml, line 5: recognise.school_years.1: Input should be a valid integer"),
    ("format: delimited", "format: csv",
     "own.yaml, line 6: read.format: Input should be 'delimited', 'fixed_width', 'excel'"),
    ("format: delimited", "format: delimited, delimiter: ', '",
     'own.yaml, line 6: read: delimiter must be one character; a tab is "\\t"'),
    ("format: delimited", 'format: delimited, quote: ""',
     "own.yaml, line 6: read: quote must be one character, or null where quotes mean nothing"),
    ("format: delimited", "format: delimited, encoding: utf-99",
     "own.yaml, line 6: read: encoding 'utf-99' is not known; use utf-8 or windows-1252"),
    ("format: delimited", "format: delimited, encoding: base64",
     "own.yaml, line 6: read: encoding 'base64' is not known; use utf-8 or windows-1252"),
    ("student_id: ID", "pupil_id: ID",
     "own.yaml, line 8: fill.pupil_id: 'pupil_id' is not a field of student_assessment;"),
    ("  student_id: ID\n", "",
     "own.yaml, line 7: fill: student_id is missing; student_assessment needs it in every row"),
    ("student_id: ID", "student_id: {from: ID, optional: true}",
     "own.yaml, line 8: fill.student_id: cannot be optional; student_assessment needs it in every row"),
    ("grade: Grade", "grade: {from: Grade, map: {3rd: '03', 4th: 4}}",
     "own.yaml, line 12: fill.grade.map: '4' is not an allowed value of grade: PK, KG, 01,"),
    ("grade: Grade", "grade: {from: Grade, allowed: ['3']}",
     "own.yaml, line 12: fill.grade.allowed: '3' is not an allowed value of grade:"),
    ("grade: Grade", "grade: {column: Grade}", "own.yaml, line 12: fill.grade.column: is not a key that is known here"),
    ("grade: Grade", "grade: {from: Grade, value: '04'}",
     "own.yaml, line 12: fill.grade: give `from` (a column), `either` (the first that is filled), "),
    ("grade: Grade", "grade: {join: '-'}",
     "own.yaml, line 12: fill.grade: give `from` (a column), `either` (the first that is filled), "),
    ("grade: Grade", "grade: {from: Grade, date: '%m/%d/%Y'}",
     "own.yaml, line 12: fill.grade: `date` is for dates, grade is of type grade"),
    ("grade: Grade", "grade: {from: Grade, range: [3, 8]}",
     "own.yaml, line 12: fill.grade: `range` is for numbers, grade is of type grade"),
    ("District", "{from: District, allowed: [a]}",
     "own.yaml, line 13: fill.lea_id: `allowed` is for fields with a list of values, lea_id has none"),
    ('"%m/%d/%Y"', '"mm/dd/yyyy"',
     "own.yaml, line 10: fill.birth_date: date 'mm/dd/yyyy' must tell day, month and year,"),
    ('"%m/%d/%Y"', '["%m/%d/%Y", "%m/%Y"]',
     "own.yaml, line 10: fill.birth_date: date '%m/%Y' must tell day, month and year,"),
    ('"%m/%d/%Y"', '"%Q"',
     "own.yaml, line 10: fill.birth_date: date '%Q' must tell day, month and year,"),
    ("[100, 900]", "[900, 100]", "own.yaml, line 14: fill.scale_score: range must go from the lowest to the highest"),
    ("[100, 900]", "[100]", "own.yaml, line 14: fill.scale_score.range.1: is missing"),
    ("[100, 900]", "[low, 900]", "own.yaml, line 14: fill.scale_score.range.0: Input should be a valid number"),
    ("0.25", "25", "own.yaml, line 15: tolerance: Input should be less than or equal to 1"),
    ("tolerance: 0.25", "exclude: {void: {void: V}}",
     "own.yaml, line 15: exclude.void.void: 'V' is not a value of void: yes, no"),
    ("tolerance: 0.25", "exclude: {late: {administration: {except: fall}}}",
     "own.yaml, line 15: exclude.late.administration: give a value, a list of values, or {not: ...}"),
    ("tolerance: 0.25", "correction: all", "own.yaml, line 15: correction: Input should be 'file', 'group' or 'rows'"),
    ("tolerance: 0.25", "levels: SAT9",
     "own.yaml, line 15: levels: 'SAT9' is not in reference/achievement_level.csv; give order and proficient_from"),
    ("tolerance: 0.25", "levels: {order: [Low, High], proficient_from: Top}",
     "own.yaml, line 15: levels: proficient_from 'Top' is not one of the levels in order"),
    ("tolerance: 0.25", "unpivot: {fill: {void: X}}",
     "own.yaml, line 15: unpivot: give a field with its values and column stems, and `fill`"),
    ("tolerance: 0.25", "unpivot: {topic: {a: b}, fill: {void: X}}",
     "own.yaml, line 15: unpivot: 'topic' is not a field of student_assessment"),
    ("tolerance: 0.25", "unpivot: {administration: {autumn: A}, fill: {void: X}}",
     "own.yaml, line 15: unpivot.administration.autumn: is not an allowed value: fall, winter, spring, summer"),
    ("tolerance: 0.25", "unpivot: {subject: {ela: A}, fill: {void: X}}",
     "own.yaml, line 11: fill.subject: is filled by unpivot already"),
    ("tolerance: 0.25", "lookup: {school: {file: ../schools.csv, key: A, by: B}}",
     "own.yaml, line 15: lookup.school.file: String should match pattern"),
    ("tolerance: 0.25", "lookup: {school: {file: schools.csv, by: B}}",
     "own.yaml, line 15: lookup.school.key: is missing"),
    ("tolerance: 0.25", "tolerance: 0.25\nfeed: school", "own.yaml, line 16: key 'feed' stands twice"),
    ("  grade: Grade\n", "  grade: Grade\n  grade: Level\n", "own.yaml, line 13: key 'grade' stands twice"),
    ("tolerance: 0.25", "[a]: 1", "own.yaml, line 15: a key must be a word"),
    ("tolerance: 0.25", "tolerance: [0.25", "own.yaml, line 16: is not valid YAML:"),
    ("tolerance: 0.25", " tolerance: 0.25", "own.yaml, line 15: is not valid YAML:"),
    ("tolerance: 0.25", "  tolerance: 0.25",
     "own.yaml, line 15: fill.tolerance: 'tolerance' is not a field of student_assessment;"),
    ("tolerance: 0.25", "tolerance: !python/object:os.system 1", "own.yaml, line 15: is not valid YAML:"),
    ("tolerance: 0.25", "tolerance: \x07", "own.yaml: holds characters that YAML does not allow;"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CHANGED)
def test_a_mistake_is_told_with_file_line_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in SCORES
    assert trouble(tmp_path, SCORES.replace(old, new)).startswith(expected)


def test_every_mistake_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    wrong = SCORES.replace("lea_id: District", "leaid: District").replace("subject: {value: mathematics}", "topic: X")
    assert [line.split(":")[0] for line in trouble(tmp_path, wrong).splitlines()] == [
        "own.yaml, line 11",
        "own.yaml, line 13",
        "own.yaml, line 7",
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "own.yaml, line 1: the file: Input should be a valid dictionary or instance of Layout"),
        (b"just words", "own.yaml, line 1: the file: Input should be a valid dictionary or instance of Layout"),
        (b"- a\n- b\n", "own.yaml, line 1: the file: Input should be a valid dictionary or instance of Layout"),
        (b"about: Schuljahr f\xfcr alle\n", "own.yaml: is not UTF-8 text; save it as UTF-8"),
        (b"a: 1\n---\nb: 2\n", "own.yaml, line 2: is not valid YAML:"),
        (b"a: &loop [*loop]\n", "own.yaml: is nested too deeply, or an anchor stands for something that holds itself"),
        (b"[" * 4_000 + b"]" * 4_000, "own.yaml: is nested too deeply"),
        (b"[" * 100_000, "own.yaml: is nested too deeply"),
        (b"- " * 100_000, "own.yaml: is nested too deeply"),
    ],
)
def test_what_is_no_layout_at_all_is_said_so(tmp_path: Path, content: bytes, expected: str) -> None:
    assert trouble(tmp_path, content).startswith(expected)


def test_two_layouts_of_one_name_in_a_folder_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SCORES, encoding="utf-8")
    (tmp_path / "b.yml").write_text(SCORES, encoding="utf-8")
    with pytest.raises(ContractError, match=r"^b\.yml: layout 'scores' is already defined in this folder$"):
        load_layouts(tmp_path)
