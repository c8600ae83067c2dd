"""The format of a data sharing agreement: what it covers, on what legal basis, and by when the data are destroyed.

One YAML file in `LE_HOME/agreements/`, named for the agreement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas import yaml_file
from schemas.terms import State, Terms, Text
from schemas.yaml_file import Strict

NOT_A_NAME = "undeclared"  # what belongs to no agreement


class Covers(Strict):
    """The landing folders that an agreement covers: of one state, from one school year to another, both included."""

    state: State
    school_years: tuple[
        Annotated[int, Field(ge=1990, le=2100)],
        Annotated[int, Field(ge=1990, le=2100)],
    ]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.school_years[0] > self.school_years[1]:
            raise ValueError("school_years: the first comes after the last")
        return self

    def has(self, state: str, school_year: int) -> bool:
        """Whether the folder of a state and school year is covered."""
        return state == self.state and self.school_years[0] <= school_year <= self.school_years[1]

    def meets(self, other: Covers) -> bool:
        """Whether some folder is covered by both."""
        (first, last), (begin, end) = self.school_years, other.school_years
        return self.state == other.state and first <= end and begin <= last


class Agreement(Terms):
    """A data sharing agreement.

    `discloser`: who sends the data. `destroy_by`: the last day on which they may be kept.
    """

    discloser: Text
    covers: Covers

    @model_validator(mode="after")
    def _is_named(self) -> Self:
        if self.agreement.lower() == NOT_A_NAME:
            raise ValueError(f"agreement: {NOT_A_NAME} stands for what no agreement covers; choose another name")
        return self


def load_agreements(folder: Path) -> dict[str, Agreement]:
    """Every agreement of a folder, by name.

    Raises:
        ContractError: one is wrong, is not named as its file, or covers a landing folder that another covers.
    """
    found: dict[str, Agreement] = {}
    for path in sorted(folder.glob("*.y*ml")):
        agreement, lines = yaml_file.load_model(path, Agreement)
        if agreement.agreement != path.stem:
            raise yaml_file.ContractError(
                f"{path.name}, line {lines['agreement',]}: agreement: must be named as its file, {path.stem}"
            )
        for other in found.values():
            if agreement.covers.meets(other.covers):
                raise yaml_file.ContractError(
                    f"{path.name}, line {lines['covers',]}: covers: {other.agreement}.yaml covers some of these school"
                    " years of the state, too; a landing folder belongs to one agreement"
                )
        found[agreement.agreement] = agreement
    return found
