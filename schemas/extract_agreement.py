"""The agreement under which a research extract leaves: who gets what, why, on which legal basis, and until when.

An agreement is a YAML file; the README shows one. It asks for data elements by their names in the registry, and what
must not leave is refused by name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from schemas import registry, yaml_file
from schemas.terms import State, Terms, Text
from schemas.yaml_file import Strict

LEAST_K = 10
MOST_SUPPRESSED = 0.05
LEAST_SHOWN = 0.5  # an extract whose teachers are hidden answers no question about teachers
ALWAYS = ("student_key", "school_year", "subject")  # without these a row says nothing of anybody
SUBJECTS = registry.field_of("subject").values or ()


def offered() -> dict[str, registry.Column]:
    """What an agreement may ask for, by its name in the registry; people and places come as random codes."""
    return {column.field.code_of or column.name: column for column in registry.research_extract().columns}


def _may_leave(name: str) -> str:
    if name in offered():
        return name
    field = registry.fields().get(name)
    if field is None:
        raise ValueError(f"{name!r} is no field of the registry; fields are listed in schemas/fields.yaml")
    why = {
        "direct": "identifies a person and never leaves the vault",
        "pseudonym": "is a pseudonym, and pseudonyms stay inside; student_key and staff_key are handed out as codes",
        "quasi": "helps to identify a person, and k-anonymity does not count it",
        "none": "is not part of a research extract",
    }[field.privacy]
    raise ValueError(f"{name!r} {why}. An agreement may ask for {', '.join(offered())}")


def _subject(name: str) -> str:
    if name not in SUBJECTS:
        raise ValueError(f"{name!r} is no subject; give some of {', '.join(SUBJECTS)}")
    return name


def _once(values: tuple[str | int, ...]) -> tuple[str | int, ...]:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} stands twice")
    return values


class Covers(Strict):
    """What the agreement is about: one state, its school years (ending years), and subjects; no subject means all."""

    state: State
    school_years: Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_once)]
    subjects: Annotated[tuple[Annotated[str, AfterValidator(_subject)], ...], AfterValidator(_once)] = ()


class Agreement(Terms):
    """One agreement. `k` may be stricter than 10 and `max_suppressed` (share of rows) than 0.05, never looser.

    `least_shown`: share of the rows that must show school and teachers, where these are asked for; the higher it is,
    the coarser characteristics become. `keep_codes`: whose code is which is sealed in the vault; else it is thrown away
    as soon as the extract is written.
    """

    recipient: Text
    covers: Covers
    elements: Annotated[
        tuple[Annotated[str, AfterValidator(_may_leave)], ...], Field(min_length=1), AfterValidator(_once)
    ]
    k: Annotated[int, Field(ge=LEAST_K)] = LEAST_K
    max_suppressed: Annotated[float, Field(ge=0, le=MOST_SUPPRESSED)] = MOST_SUPPRESSED
    least_shown: Annotated[float, Field(ge=0, le=1)] = LEAST_SHOWN
    keep_codes: bool = False

    @model_validator(mode="after")
    def _says_of_whom(self) -> Self:
        if missing := [name for name in ALWAYS if name not in self.elements]:
            raise ValueError(f"elements must hold {', '.join(missing)}: without them a row says nothing of anybody")
        return self

    @property
    def columns(self) -> tuple[registry.Column, ...]:
        """The columns that are delivered, in the order of the registry."""
        return tuple(column for name, column in offered().items() if name in self.elements)


def load_agreement(path: Path) -> Agreement:
    """Read an agreement.

    Raises:
        ContractError: it is not one; names file, line and key.
    """
    if not path.is_file():
        raise yaml_file.ContractError(f"{path}: there is no such file; give the YAML file of the agreement")
    return yaml_file.load_model(path, Agreement)[0]
