"""The analysis plan: every specification by which effects are estimated, declared before anybody looks.

The shipped plan is `schemas/analysis_plan.yaml`; `LE_HOME/analysis_plan.yaml` adds to it. Nothing can be taken away:
all that is declared is estimated and reported.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from schemas import registry, yaml_file
from schemas.yaml_file import ContractError, Loc, Strict

SHIPPED = Path(__file__).with_name("analysis_plan.yaml")

METHOD = 1  # of the estimators: raise it with any change of theirs that moves a figure, so that the change shows

Population = Literal["fellow", "mentee"]
Comparison = Literal["none", "applicant"]
Matching = Literal["nearest", "full", "weighting"]

# where a design takes its covariates from, and what of it is the outcome or the treatment
SAMPLES = {"achievement": "achievement_sample", "retention": "retention_sample"}
NOT_HELD_EQUAL = ("z_score", "fellow_share", "mentee_share")


class _Specification(Strict):
    """`about` says in a sentence what is compared with what; `covariates` name groups of the plan."""

    about: str
    covariates: tuple[str, ...] = ()


class AchievementSpecification(_Specification):
    """Students' standard scores, beside those of students of other teachers.

    `comparison`: teachers without a part in the programme, or applicants who were not selected. `matching`: only
    teachers who were matched on their propensity. `effects`: what students are compared within, besides grade and year.
    `roster`: each student once, treated to the share of the teachers' responsibility (partial credit), or once with
    each teacher, weighing the time spent together (full roster).
    """

    design: Literal["achievement"]
    populations: Annotated[tuple[Population, ...], Field(min_length=1)] = ("fellow", "mentee")
    comparison: Comparison = "none"
    matching: Matching | None = None
    effects: Literal["school", "teacher"] | None = None
    roster: Literal["partial_credit", "full_roster"] = "partial_credit"

    @model_validator(mode="after")
    def _mentees_did_not_apply(self) -> AchievementSpecification:
        if self.comparison == "applicant" and self.matching and "mentee" in self.populations:
            raise ValueError("mentees are not matched with applicants; name `populations: [fellow]`")
        return self


class RetentionSpecification(_Specification):
    """Whether teachers are retained into the next year, beside other teachers.

    `model`: a linear probability model, a logit, or the discrete-time hazard (complementary log-log, by years since the
    teacher was first observed). Definition and level as in marts.teacher_retention.
    """

    design: Literal["retention"]
    populations: Annotated[tuple[Population, ...], Field(min_length=1)] = ("fellow", "mentee")
    comparison: Comparison = "none"
    matching: Matching | None = None
    model: Literal["linear_probability", "logit", "hazard"] = "linear_probability"
    definition: Literal["strict", "inclusive"] = "strict"
    level: Literal["school", "lea", "state", "high_poverty_school"] = "school"


class SchoolSpecification(_Specification):
    """Schools' mean standard scores as their educators are trained, by cohort of schools.

    `estimator`: event study of Callaway and Sant'Anna, or the effect of the share of educators trained (dosage).
    """

    design: Literal["school"]
    estimator: Literal["event_study", "dosage"] = "event_study"
    comparison: Literal["never_treated", "not_yet_treated"] = "never_treated"

    @model_validator(mode="after")
    def _has_no_covariates(self) -> SchoolSpecification:
        if self.covariates:
            raise ValueError("a specification of design school takes no covariates: take them out of it")
        return self


Specification = Annotated[
    AchievementSpecification | RetentionSpecification | SchoolSpecification, Field(discriminator="design")
]


class AnalysisPlan(Strict):
    """Groups of covariates, and specifications by name."""

    covariates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    specifications: dict[str, Specification] = Field(default_factory=dict)

    def extended(self, own: AnalysisPlan) -> AnalysisPlan:
        """This plan with what another one adds."""
        return AnalysisPlan(
            covariates=self.covariates | own.covariates, specifications=self.specifications | own.specifications
        )

    @model_validator(mode="after")
    def _names(self) -> AnalysisPlan:
        wrong = [name for name in (*self.covariates, *self.specifications) if not name.isidentifier()]
        if wrong:
            raise ValueError(f"a name is made of letters, digits and underscores: {', '.join(wrong)}")
        return self

    def columns(self, specification: _Specification) -> tuple[str, ...]:
        """The covariates of a specification, group by group."""
        return tuple(dict.fromkeys(name for group in specification.covariates for name in self.covariates[group]))

    def hash_of(self, name: str) -> str:
        """Changes with anything that the specification declares, its covariates included."""
        specification = self.specifications[name]
        declared = specification.model_dump(exclude={"about"}) | {"covariates": self.columns(specification)}
        declared["method"] = METHOD
        return hashlib.sha256(json.dumps([name, declared], sort_keys=True).encode()).hexdigest()[:16]


def load_plan(own: Path) -> AnalysisPlan:
    """The shipped plan, and what a home adds to it.

    Raises:
        ContractError: the home's file does not fit; names file, line and key.
    """
    plan = yaml_file.load_model(SHIPPED, AnalysisPlan)[0]
    if not own.exists():
        return plan
    added, lines = yaml_file.load_model(own, AnalysisPlan)
    for kind, declared_here, shipped in (
        ("covariates", added.covariates, plan.covariates),
        ("specifications", added.specifications, plan.specifications),
    ):
        for name in declared_here:
            if name in shipped:
                line = yaml_file.line_of((kind, name), lines)
                raise ContractError(
                    f"{own.name}, line {line}: {name} is in the shipped plan, of which nothing is taken away; give"
                    " yours another name"
                )
    plan = plan.extended(added)
    for name, specification in plan.specifications.items():
        if fault := _fault(plan, specification):
            group, said = fault
            declared: Loc = ("covariates", group)
            line = yaml_file.line_of(declared if declared in lines else ("specifications", name, "covariates"), lines)
            raise ContractError(f"{own.name}, line {line}: specification {name} {said}")
    return plan


def covariates_of(design: str) -> tuple[str, ...]:
    """The columns that a specification of that design may hold equal, in order of name."""
    columns = registry.tables()[SAMPLES[design]].columns
    numbers = (c.name for c in columns if c.field.type in ("integer", "number"))
    return tuple(sorted(name for name in numbers if name not in NOT_HELD_EQUAL and not name.startswith("retained_")))


def _fault(plan: AnalysisPlan, specification: Specification) -> tuple[str | None, str] | None:
    """What is wrong with the covariates of a specification, and in which group."""
    unknown = [group for group in specification.covariates if group not in plan.covariates]
    if unknown:
        return None, (
            f"names {', '.join(unknown)} among its covariates; the plan has the groups {', '.join(plan.covariates)},"
            " and more can be declared under `covariates`"
        )
    if specification.design == "school":
        return None
    known = covariates_of(specification.design)
    for group in specification.covariates:
        wrong = [name for name in plan.covariates[group] if name not in known]
        if wrong:
            return group, (
                f"has the covariates {', '.join(wrong)}, by its group {group};"
                f" linked.{SAMPLES[specification.design]} has {', '.join(known)}"
            )
    if specification.design == "retention" and specification.matching and not plan.columns(specification):
        return None, "matches teachers on nothing; name groups under `covariates`"
    return None
