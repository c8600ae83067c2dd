"""Hierarchies are data; what is lost on each level is Iyengar's measure."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from le_pipeline.publish.hierarchy import ALL, RECODED, hierarchies, hierarchy
from schemas import registry
from schemas.yaml_file import ContractError

SHIPPED = registry.HERE / "reference" / "recoding.csv"


def test_every_value_of_every_quasi_identifier_ends_in_all() -> None:
    found = hierarchies(SHIPPED)

    assert set(found) == set(RECODED)
    for element, known in found.items():
        assert tuple(known.levels[0]) == tuple(known.levels[0].values()) == registry.field_of(element).values
        assert set(known.levels[-1].values()) == {ALL}


def test_what_is_lost_by_hand() -> None:
    # Iyengar 2002: (M - 1) / (A - 1); of four leaves, a and b become one of two, c stays, d stays
    known = hierarchy("place", ["a", "b", "c", "d"], [{"a": "ab", "b": "ab", "c": "c", "d": "d"}])

    assert known.loss(0) == {"a": 0, "b": 0, "c": 0, "d": 0}
    assert known.loss(1) == {"a": 1 / 3, "b": 1 / 3, "c": 0, "d": 0}
    assert known.loss(2) == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_coarser_level_never_loses_less() -> None:
    for known in hierarchies(SHIPPED).values():
        losses = [known.loss(level) for level in range(len(known.levels))]
        for finer, coarser in itertools.pairwise(losses):
            assert all(finer[value] <= coarser[value] for value in finer)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("grade,12,9-12,6-12,\n", ""), "grade: level_1 is missing for 12"),
        (("grade,05,3-5,PK-5,", "grade,05,3-5,6-12,"), "grade: values that are one before level_2 must be one on it"),
        (("element,value", "element,of"), "has no column value"),
        (("white,white,white,white", "white,,white,white"), "race_ethnicity: level_1 is missing for white"),
    ],
)
def test_a_table_that_is_no_hierarchy_is_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    own = tmp_path / "recoding.csv"
    text = SHIPPED.read_text(encoding="utf-8")
    assert change[0] in text
    own.write_text(text.replace(*change), encoding="utf-8")

    with pytest.raises(ContractError, match=says):
        hierarchies(own)
