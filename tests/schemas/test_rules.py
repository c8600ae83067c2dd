"""Every rule in words: what it says, why it matters, how to mend it, and that the fix is made of these words."""

from __future__ import annotations

import string

import pytest

from le_pipeline.ingest import contract
from schemas import registry
from schemas.rules import RuleText, rule_texts

SCORE = registry.field_of("scale_score").model_copy(update={"min": "100", "max": "900"})
STANDS_FOR = {"values", "range", "description", "kind"}


@pytest.mark.parametrize("text", rule_texts().values(), ids=list(rule_texts()))
def test_what_and_why_are_sentences_and_how_goes_on_behind_a_columns_name(text: RuleText) -> None:
    assert [said for said in (text.what, text.why) if not (said[0].isupper() and said.endswith("."))] == []
    assert text.how[0].islower() and not text.how.endswith(".")
    assert {name for _, name, _, _ in string.Formatter().parse(text.how) if name} <= STANDS_FOR


@pytest.mark.parametrize(
    ("rule", "field", "expected"),
    [
        ("required", SCORE, "Score: fill in the value; a record without it cannot be used"),
        ("unreadable", SCORE, "Score: give a number"),
        ("unreadable", registry.field_of("attempt"), "Score: give a whole number"),
        ("unreadable", registry.field_of("applied_year"), "Score: give a school year such as 2016 or 2015-16"),
        ("unreadable", registry.field_of("migrant"), "Score: give one of yes, no, or map the value in the layout"),
        ("unreadable", registry.field_of("exit_type"), "Score: give a value of the map"),
        ("range", SCORE, "Score: give a value from 100 to 900"),
        ("range", registry.field_of("attempt"), "Score: give a value from 1"),
        ("any_of", None, "Score: fill in the value; a record without it cannot be used"),
        ("formula", SCORE, "Score: give the value itself; the cell begins a spreadsheet formula"),
    ],
)
def test_a_fix_is_the_column_and_how_the_rule_is_mended(rule: str, field: registry.Field | None, expected: str) -> None:
    assert contract.fix(rule, field, "Score") == expected


def test_every_rule_is_in_the_document() -> None:
    said = (registry.HERE.parent / "docs" / "rules.md").read_text(encoding="utf-8")
    assert [rule for rule in rule_texts() if f"| `{rule}` |" not in said] == []
