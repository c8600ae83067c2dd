"""Standards of evidence: formulas of the What Works Clearinghouse (WWC), tiers of the Every Student Succeeds Act.

Of published figures as much as of our own: functions take numbers, and know no table.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal

from scipy import stats

ALPHA = 0.05
POWER = 0.8
# What the WWC assumes where a study does not report it [recall]
ACHIEVEMENT_CORRELATION, OTHER_CORRELATION = 0.20, 0.10
LARGE_SAMPLE, SEVERAL_SITES = 350, 2  # ESSA, non-regulatory guidance of the U.S. Department of Education, 2016

Design = Literal["randomised", "quasi_experiment"]


@dataclass(frozen=True)
class CorrectedTest:
    """A test that allows for clusters: t, its degrees of freedom, two-sided p-value."""

    t: float
    degrees_of_freedom: float
    p_value: float


def cluster_corrected(
    t: float, n: int, cluster_size: float, intraclass_correlation: float = ACHIEVEMENT_CORRELATION
) -> CorrectedTest | None:
    """The test of an effect whose t ignored that whole clusters were treated; None where no freedom is left.

    t x sqrt(((N - 2) - 2 (n - 1) rho) / ((N - 2) (1 + (n - 1) rho))) with h = ((N - 2) - 2 (n - 1) rho)^2 /
    ((N - 2) (1 - rho)^2 + n (N - 2n) rho^2 + 2 (N - 2n) rho (1 - rho)) degrees of freedom: Hedges 2007, Journal of
    Educational and Behavioral Statistics 32, 151-179; WWC Procedures Handbook 4.1, appendix F.

    Args:
        t: as reported, without regard to clusters.
        n: students of both groups (N).
        cluster_size: students per cluster on average (n).
        intraclass_correlation: share of the variance that is between clusters (rho).
    """
    rho, size = intraclass_correlation, cluster_size
    left = n - 2 - 2 * (size - 1) * rho
    spread = (n - 2) * (1 - rho) ** 2 + size * (n - 2 * size) * rho**2 + 2 * (n - 2 * size) * rho * (1 - rho)
    if left <= 0 or spread <= 0:
        return None
    corrected = t * sqrt(left / ((n - 2) * (1 + (size - 1) * rho)))
    freedom = left**2 / spread
    return CorrectedTest(corrected, freedom, p_value(corrected, freedom))


def p_value(t: float, degrees_of_freedom: float | None) -> float:
    """Two-sided p-value of Student's t; of the normal distribution without degrees of freedom."""
    return float(2 * stats.t.sf(abs(t), inf if degrees_of_freedom is None else degrees_of_freedom))


def minimum_detectable_effect(standard_error: float, degrees_of_freedom: float | None = None) -> float:
    """The smallest effect that a two-sided test at 0.05 finds with a probability of 0.8, in the error's unit.

    (t(0.975) + t(0.8)) x standard error: Bloom 1995, Evaluation Review 19, 547-556.
    """
    freedom = inf if degrees_of_freedom is None else degrees_of_freedom
    return float(stats.t.ppf(1 - ALPHA / 2, freedom) + stats.t.ppf(POWER, freedom)) * standard_error


def adjusted_p_values(p_values: list[float]) -> list[float]:
    """What each p-value is worth among all of them, as the WWC does (Benjamini and Hochberg 1995, JRSS B 57, 289)."""
    return [float(p) for p in stats.false_discovery_control(p_values)] if p_values else []


@dataclass(frozen=True)
class Study:
    """What a tier is given for.

    `design`: randomised where attrition is low too; with high attrition it is judged as a quasi_experiment.
    `baseline_equivalence`: satisfied, satisfied_with_adjustment, not_satisfied, or None where it is not known.
    `is_adjusted`: the model has covariates that control for who takes part. `n_sites`: schools with somebody treated.
    `n_negative`: significant negative estimates of the same outcome. `has_rationale`: a logic model is written down,
    with an evaluation under way.
    """

    design: Design
    baseline_equivalence: str | None
    is_adjusted: bool
    estimate: float
    p_value: float | None
    n: int
    n_sites: int
    n_negative: int
    has_rationale: bool


@dataclass(frozen=True)
class Tier:
    """A tier from 1 (strong) to 4 (a rationale), or None; and why it is not a higher one, empty at 1."""

    tier: int | None
    why_not_higher: str


def essa_tier(study: Study) -> Tier:
    """The tier of evidence that a study can carry under the Every Student Succeeds Act, section 8101(21)(A).

    1: randomised; 2: a quasi-experiment that meets baseline equivalence; both with a significant positive effect, at
    least 350 people and 2 sites; 3: a significant positive effect with controls for selection; 4: a logic model with an
    evaluation under way. Significant negative effects on the same outcome override all of them.
    """
    if study.n_negative:
        return Tier(None, f"{_estimates(study.n_negative)} significantly negative")
    if study.p_value is None or study.p_value >= ALPHA or study.estimate <= 0:
        return _rationale(study, "the effect is not significant and positive")
    against = _against_strong_or_moderate(study)
    if not against:
        return Tier(1, "") if study.design == "randomised" else Tier(2, "who takes part was not drawn by lot")
    if study.is_adjusted:
        return Tier(3, "; ".join(against))
    return _rationale(study, "; ".join([*against, "nothing controls for who takes part"]))


def _estimates(count: int) -> str:
    return "1 estimate of the same outcome is" if count == 1 else f"{count:,} estimates of the same outcome are"


def _rationale(study: Study, why: str) -> Tier:
    if study.has_rationale:
        return Tier(4, why)
    return Tier(None, f"{why}; the claim names no rationale (a logic model)")


def _against_strong_or_moderate(study: Study) -> list[str]:
    found = []
    if study.design == "quasi_experiment":
        match study.baseline_equivalence:
            case None:
                found.append("baseline equivalence is not known")
            case "not_satisfied":
                found.append("baseline equivalence is not satisfied")
            case "satisfied_with_adjustment" if not study.is_adjusted:
                found.append("baseline equivalence needs an adjustment that was not made")
    if study.n < LARGE_SAMPLE:
        found.append(f"the sample has {study.n:,} people, under {LARGE_SAMPLE}")
    if study.n_sites < SEVERAL_SITES:
        found.append("there are not several sites")
    return found
