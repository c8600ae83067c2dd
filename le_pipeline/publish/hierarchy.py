"""Hierarchies: how the values of a quasi-identifier are made coarser, level by level, and what is lost by it.

They are data (`schemas/reference/recoding.csv`, or a file of that name in `LE_HOME/reference/`). Level 0 is the value
itself, the last level is `all`, and what is between stands in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from schemas import registry
from schemas.yaml_file import ContractError

ALL = "all"
RECODED = ("grade", "race_ethnicity", "sex", "economically_disadvantaged", "english_learner", "disability")


@dataclass(frozen=True)
class Hierarchy:
    """What each value becomes on each level, up to `all`; a value that is not known stays empty until then."""

    element: str
    levels: tuple[Mapping[str, str], ...]

    def loss(self, level: int) -> dict[str, float]:
        """What each value loses on a level, from 0 to 1.

        Iyengar 2002 (Transforming data to satisfy privacy constraints): of the other values of the hierarchy, the share
        that the value can no longer be told from, (M - 1) / (A - 1).
        """
        recoded = self.levels[level]
        alike = [*recoded.values()]
        others = len(recoded) - 1
        return {value: (alike.count(to) - 1) / others if others else float(to == ALL) for value, to in recoded.items()}


def hierarchy(element: str, values: Sequence[str], between: Iterable[Mapping[str, str]] = ()) -> Hierarchy:
    """The hierarchy from the values themselves over the levels between to `all`."""
    own = {value: value for value in values}
    return Hierarchy(element, (own, *between, dict.fromkeys(values, ALL)))


def hierarchies(path: Path) -> dict[str, Hierarchy]:
    """The hierarchy of each quasi-identifier that is recoded, from a table of element, value, level_1, level_2 ...

    Raises:
        ContractError: a column or value is missing, or values that are one on a level are not on the next.
    """
    table = pl.read_csv(path, infer_schema=False)
    if missing := {"element", "value"}.difference(table.columns):
        raise ContractError(f"{path.name}: has no column {', '.join(sorted(missing))}")
    found = {}
    for element in RECODED:
        values = registry.field_of(element).values or ()
        rows = table.filter(pl.col("element") == element)
        named = [name for name in table.columns if name.startswith("level_") and rows[name].null_count() < rows.height]
        between = [dict(zip(rows["value"], rows[name], strict=True)) for name in named]
        found[element] = hierarchy(element, values, between)
        _check(found[element], path)
    return found


def _check(found: Hierarchy, path: Path) -> None:
    for number, (finer, coarser) in enumerate(zip(found.levels, found.levels[1:], strict=False), start=1):
        if missing := sorted(value for value in finer if not coarser.get(value)):
            raise ContractError(f"{path.name}: {found.element}: level_{number} is missing for {', '.join(missing)}")
        if len({(finer[value], coarser[value]) for value in finer}) > len(set(finer.values())):
            raise ContractError(
                f"{path.name}: {found.element}: values that are one before level_{number} must be one on it, too"
            )
