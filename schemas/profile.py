"""Disclosure profiles: what may be published of a state's students and staff, as data.

Shipped profiles are in `schemas/profiles/`; a user's own, in `LE_HOME/profiles/`, replace those of their name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas import yaml_file

SHIPPED = Path(__file__).parent / "profiles"
STRICT = "strict"
Unit = Literal["student", "staff", "school"]


class Band(BaseModel):
    """How percentages of groups of a size are told: below `bottom` and above `top` coded, else in steps of `width`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    n_from: Annotated[int, Field(ge=1)]
    bottom: Annotated[int, Field(ge=0, le=50)]
    top: Annotated[int, Field(ge=50, le=100)]
    width: Annotated[int, Field(ge=1, le=100)]


class Profile(BaseModel):
    """What protects people in published tables.

    `students` and `staff`: groups below this size are protected. `lower`: possible values of a protected count reach 0,
    or at least this far below it; upwards they always reach the smallest size that may be shown. `marker`: what stands
    for a figure that is not shown. `bands`: how percentages are coded, by the size of the group, the largest first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str
    about: str
    source: str
    states: tuple[str, ...] = ()
    students: Annotated[int, Field(ge=5)] = 10
    staff: Annotated[int, Field(ge=3)] = 5
    lower: Annotated[int, Field(ge=1)] = 1
    marker: Annotated[str, Field(min_length=1, max_length=8, pattern=r"^[^=+\-@\s0-9][^0-9]*$")] = "*"
    bands: tuple[Band, ...]

    @model_validator(mode="after")
    def _bands_in_order(self) -> Profile:
        sizes = [band.n_from for band in self.bands]
        if not sizes or sizes != sorted(set(sizes), reverse=True):
            raise ValueError("bands must be there, the largest n_from first, each once")
        return self

    def smallest(self, unit: Unit) -> int:
        """The smallest count of that kind of people that may be shown; 0 where any may."""
        return {"student": self.students, "staff": self.staff, "school": 0}[unit]

    def band(self, n: int) -> Band | None:
        """How percentages of a group of that size are coded; None where they are not told at all."""
        return next((band for band in self.bands if n >= band.n_from), None)


ProfileOf = Callable[[str], Profile]  # by a state, or `all` for all states together


def profiles(own: Path) -> dict[str, Profile]:
    """Every profile by its name, a user's own before the shipped ones.

    Raises:
        ContractError: a file is wrong, or two profiles are for one state.
    """
    found: dict[str, Profile] = {}
    for folder in (SHIPPED, own):
        for path in sorted(folder.glob("*.yaml")):
            profile, _ = yaml_file.load_model(path, Profile)
            if profile.profile != path.stem:
                raise yaml_file.ContractError(f"{path.name}: profile {profile.profile!r} must be named as its file")
            found[profile.profile] = profile
    states = [state for profile in found.values() for state in profile.states]
    if twice := sorted({state for state in states if states.count(state) > 1}):
        raise yaml_file.ContractError(
            f"more than one profile is for {', '.join(twice)}; leave the state to one of them"
        )
    return found


def of_state(found: dict[str, Profile], state: str) -> Profile:
    """The profile of a state: the one that names it, else the strict one."""
    return next((profile for profile in found.values() if state in profile.states), found[STRICT])
