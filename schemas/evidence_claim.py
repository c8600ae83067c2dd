"""Public claims, each with the rows that would support it, declared before anybody looks at these.

The shipped claims are `schemas/evidence_claims.yaml`; `LE_HOME/evidence_claims.yaml` adds to them. No claim can be
taken away or replaced.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas import registry, yaml_file
from schemas.terms import Name, Text
from schemas.yaml_file import ContractError, Strict

SHIPPED = Path(__file__).with_name("evidence_claims.yaml")

Kind = Literal["count", "comparison", "causal"]

# by table: the figures that a claim may rest on, with their units
FIGURES: dict[str, dict[str, str]] = {
    "program_reach": dict.fromkeys(("n_fellows", "n_mentees", "n_teachers_supported", "n_students"), "people"),
    "teacher_retention": {
        "risk_difference_percentage_points": "percentage points",
        "relative_change_percent": "percent",
    },
    "student_growth": {"percentile_rank_gain_difference": "percentile points"},
    "benchmark_gap": {"closed_share": "of the distance"},
    "program_impact": {
        "effect_size": "standard deviations",
        "improvement_index": "percentile points",
        "relative_change_percent": "percent",
    },
}
KINDS: dict[str, Kind] = {"program_reach": "count", "program_impact": "causal"}  # of other tables: comparison
CHOICES = ("is_most_conservative",)  # of program_impact, beside its key


class Evidence(Strict):
    """Rows of a mart and the figure in them.

    Of every column of the mart's key it is said what the claim is about: `where` gives its value, or several of which
    any will do, and `each` names the columns that the claim ranges over, in which `all` does not count. `all` as the
    school year of program_reach stands for every year together, each person once.
    """

    table: Literal["program_reach", "teacher_retention", "student_growth", "benchmark_gap", "program_impact"]
    figure: str
    where: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    each: tuple[str, ...] = ()

    @field_validator("where", mode="before")
    @classmethod
    def _one_or_several(cls, where: object) -> object:
        if not isinstance(where, dict):
            return where
        return {name: (value,) if isinstance(value, str) else value for name, value in where.items()}

    @property
    def unit(self) -> str:
        """The figure's unit."""
        return FIGURES[self.table][self.figure]

    @model_validator(mode="after")
    def _fits_the_table(self) -> Self:
        if self.figure not in FIGURES[self.table]:
            raise ValueError(f"{self.table} has the figures {', '.join(FIGURES[self.table])}, not {self.figure}")
        key = registry.tables()[self.table].key
        known = key + CHOICES if self.table == "program_impact" else key
        if unknown := [name for name in (*self.where, *self.each) if name not in known]:
            raise ValueError(f"{self.table} has no {', '.join(unknown)} to choose by, but {', '.join(known)}")
        if unsaid := [name for name in key if (name in self.where) == (name in self.each)]:
            raise ValueError(f"says not, or twice, which {', '.join(unsaid)}: name it under where, or under each")
        for name, values in self.where.items():
            self._are_possible(name, values)
        return self

    def _are_possible(self, name: str, values: Iterable[str]) -> None:
        allowed = registry.tables()[self.table].column(name).values
        wrong = [value for value in values if allowed and value not in allowed]
        if wrong:
            raise ValueError(f"{name} is never {', '.join(wrong)}, but one of {', '.join(allowed or ())}")


class Claim(Strict):
    """One claim, in the words of who makes it.

    `claimed`: the number that the figure must reach, in its unit; `claimed_to` the upper end where a range is claimed.
    `kind`: a count of people, a comparison that describes, or an effect. `unmeasured`, in the place of `rests_on`, says
    why no table can support it. `beside` is another figure that is told with it and does not decide. `rationale`: where
    a logic model stands written, which tier 4 needs.
    """

    words: Text
    source: Text
    kind: Kind
    claimed: float | None = None
    claimed_to: float | None = None
    rests_on: Evidence | None = None
    beside: Evidence | None = None
    unmeasured: Text | None = None
    rationale: Text | None = None

    @model_validator(mode="after")
    def _rests_on_what_fits(self) -> Self:
        if (self.rests_on is None) == (self.unmeasured is None):
            raise ValueError("give rests_on, or unmeasured with the reason why no table can support the claim")
        if self.rests_on is None:
            return self
        if self.claimed is None or self.claimed <= 0:
            raise ValueError("claimed: must be given, as a number above 0")
        if self.claimed_to is not None and self.claimed_to <= self.claimed:
            raise ValueError("claimed_to: must be above claimed")
        kind = KINDS.get(self.rests_on.table, "comparison")
        if kind != self.kind:
            raise ValueError(f"a {self.kind} claim cannot rest on {self.rests_on.table}, whose figures are {kind}")
        return self


class EvidenceClaims(Strict):
    """Claims by name, in the order in which they are told."""

    claims: dict[Name, Claim]


def load_claims(own: Path) -> EvidenceClaims:
    """The shipped claims, and those that a home adds.

    Raises:
        ContractError: the home's file does not fit; names file, line and key.
    """
    shipped = yaml_file.load_model(SHIPPED, EvidenceClaims)[0]
    if not own.exists():
        return shipped
    added, lines = yaml_file.load_model(own, EvidenceClaims)
    for name in added.claims:
        if name in shipped.claims:
            line = yaml_file.line_of(("claims", name), lines)
            raise ContractError(f"{own.name}, line {line}: claims.{name}: is a claim already; give yours another name")
    return EvidenceClaims(claims=shipped.claims | added.claims)
