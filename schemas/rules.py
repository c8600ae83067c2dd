"""The rules that a record can break, in words: what each says, why it matters, how to mend it.

`rules.yaml` is the one place for these sentences. The quarantine's `fix` and the data request to a partner are made of
them.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from schemas import registry, yaml_file
from schemas.yaml_file import Strict

FILE = registry.HERE / "rules.yaml"


class RuleText(Strict):
    """One kind of rule. `how` may hold {values}, {range}, {description} and {kind}, which stand for a field's own."""

    what: str
    why: str
    how: str


class _Texts(Strict):
    rules: dict[str, RuleText]
    kinds: dict[registry.Type | Literal["percent"], str]


def rule_texts() -> dict[str, RuleText]:
    """Every rule by the name it has in the quarantine."""
    return _texts().rules


def kind(field: registry.Field) -> str:
    """What is asked for where a value cannot be read: by the field's type, else what the layout's map knows."""
    return _texts().kinds.get("percent" if field.as_percent else field.type, "a value of the map")


@cache
def _texts() -> _Texts:
    return yaml_file.load_model(FILE, _Texts)[0]
