"""Effect of dosage, the share of a school's educators trained so far, by stacked cohorts.

Each cohort and the schools that are not treated within its window are a stack, an experiment of one first year (Cengiz,
Dube, Lindner and Zipperer 2019, Quarterly Journal of Economics 134, 1405-1454). One least-squares line through all
stacks, with effects of stack x school and stack x year, gives the effect of dosage. No school is a comparison once
it is treated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from le_pipeline.measure.inference.influence import FEWEST_IN_CELL, FEWEST_SCHOOLS, Effect, Effects, Truths
from le_pipeline.measure.inference.school_panel import EventStudyDesign, Floats, SchoolPanel

TEN_POINTS = 0.1


@dataclass(frozen=True)
class Window:
    """Years of the panel in a stack: before the first treated year, and from it on.

    Two and two: the fellowship lasts two years, and every further year leaves out cohorts that have it not.
    """

    before: int = 2
    after: int = 2


TWO_AND_TWO = Window()


@dataclass(frozen=True)
class Dosage:
    """`effect`, one row, has the columns of `EventStudy.overall`, and n_cohorts and n_cohorts_left_out.

    Left out are cohorts whose window the panel does not hold, or with fewer than two schools on a side. `members` are
    the schools of the estimate, as `SchoolPanel.members` has them.
    """

    effect: pl.DataFrame
    members: pl.DataFrame


@dataclass(frozen=True)
class _Stack:
    """One cohort's experiment: s schools (their places in the panel), and outcome and dose in its years (s x years)."""

    place: NDArray[np.int64]
    treated: Truths
    outcome: Floats
    dose: Floats


def dosage_effect(panel: pl.DataFrame, design: EventStudyDesign, dosage: str, window: Window = TWO_AND_TWO) -> Dosage:
    """The change of the outcome per 10 percentage points of educators trained.

    The dose of a treated school is its dosage from the first treated year on; it is 0 before, and in the other schools.
    So the line goes through 0: an effect in proportion to the dose, and the same for schools of high and of low dosage.
    Schools are in a stack if they are observed in all years of its window, so that the schools are the same in all of
    them. Comparison schools of stack a count q_a = (D_a / D) / (C_a / C) times, D and C being the weights of treated
    and of comparison schools, D_a and C_a those in the stack: without that, treated and comparison trends of a stack
    weigh differently and no average effect comes out (Wing, Freedman and Hollingsworth 2024, NBER working paper 32054).

    Args:
        panel: as for `event_study`.
        design: as for `event_study`; comparison schools of a stack are never or not treated within its window.
        dosage: the column of the share trained, 0 to 1; where it is not known of a treated school in a treated year of
            the window, the school is not in the stack.
        window: the years of a stack.

    Returns:
        The estimate and its schools. Errors are clustered by school, over all stacks, without a small-sample factor; t
        has the degrees of freedom that `freedom` gives.

    Raises:
        PanelError: a school stands twice in a year, or has two first years.
    """
    schools = SchoolPanel.read(panel, design, dosage)
    found = [_stack(schools, cohort, design, window) for cohort in schools.cohorts]
    stacks = [stack for stack in found if stack is not None]
    left_out = len(found) - len(stacks) + len(np.unique(schools.without_base))
    label = pl.DataFrame({"n_cohorts": [len(stacks)], "n_cohorts_left_out": [left_out]})
    line = _line(stacks, schools.weight)
    effect = Effects.of(label, [line], len(schools.cohort)).table(FEWEST_SCHOOLS).drop("band_low", "band_high")
    return Dosage(effect, schools.members(line.treated, line.comparison))


def _stack(schools: SchoolPanel, cohort: float, design: EventStudyDesign, window: Window) -> _Stack | None:
    first = schools.first_place(cohort)
    opening, end = first - window.before, first + window.after
    if opening < 0 or end > len(schools.years):
        return None
    outcome, dosage = (values[:, opening:end] for values in schools.values)
    since = np.arange(opening, end) >= first
    untreated = schools.years[end - 1] if design.comparison == "not_yet_treated" else schools.years[-1]
    known = np.isfinite(outcome).all(axis=1)
    treated = (schools.cohort == cohort) & known & np.isfinite(dosage[:, since]).all(axis=1)
    comparison = (schools.cohort > untreated) & known
    if min(treated.sum(), comparison.sum()) < FEWEST_IN_CELL:
        return None
    place = np.flatnonzero(treated | comparison)
    dose = np.where(treated[:, None] & since, dosage / TEN_POINTS, 0.0)
    return _Stack(place, treated[place], outcome[place], dose[place])


def _line(stacks: list[_Stack], weight: Floats) -> Effect:
    """The slope of the weighted line through all stacks and the influence of each school on it.

    The effects of stack x school and stack x year are taken out by means, which is exact: the years are the same for
    all schools of a stack, the weights the same in all years (Frisch and Waugh 1933, Econometrica 1, 387-401).
    """
    total_treated = sum(weight[stack.place[stack.treated]].sum() for stack in stacks)
    total_comparison = sum(weight[stack.place[~stack.treated]].sum() for stack in stacks)
    sides, score, rows = np.zeros((2, len(weight))), np.zeros(len(weight)), []
    for stack in stacks:
        own = weight[stack.place]
        share = own[stack.treated].sum() / total_treated
        corrected = np.where(stack.treated, own, own * share / (own[~stack.treated].sum() / total_comparison))
        outcome, dose = _within(stack.outcome, corrected), _within(stack.dose, corrected)
        rows.append((stack.place, corrected[:, None], outcome, dose))
        sides[np.where(stack.treated, 0, 1), stack.place] += corrected * np.sqrt((dose**2).sum(axis=1))
    squares = sum(float((w * dose**2).sum()) for _, w, _, dose in rows)
    if squares == 0:
        return Effect(np.nan, score, *sides)
    slope = sum(float((w * dose * outcome).sum()) for _, w, outcome, dose in rows) / squares
    for place, w, outcome, dose in rows:
        score[place] += (w * dose * (outcome - slope * dose)).sum(axis=1)
    return Effect(slope, score / squares, *sides)


def _within(values: Floats, weight: Floats) -> Floats:
    """What is left of values (schools x years) without the means of schools and, by weight, of years."""
    rest = values - values.mean(axis=1, keepdims=True)
    return np.asarray(rest - weight @ rest / weight.sum())
