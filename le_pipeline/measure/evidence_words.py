"""What is said of a claim: the verdict with its figures, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from le_pipeline.measure.evidence import ALPHA, POWER
from le_pipeline.measure.evidence_figure import NAMES
from schemas import registry
from schemas.evidence_claim import Claim, Evidence

Row = dict[str, Any]
FIGURES = {
    "percentile_rank_gain_difference": "measured gain in percentile rank less that of students of other teachers",
    "improvement_index": "effect converted to a rank of the median comparison student, not measured",
    "relative_change_percent": "retention against the comparison group, relative",
    "risk_difference_percentage_points": "retention less that of the comparison group",
    "effect_size": "effect in standard deviations",
    "closed_share": "share of the distance to the benchmark that the same students closed in the year",
    "n_fellows": "fellows, each once",
    "n_mentees": "mentees, each once",
    "n_teachers_supported": "fellows and mentees, each once",
    "n_students": "students linked to a fellow or mentee, each once",
}


@dataclass(frozen=True)
class Found:
    """What was found for a claim: the cell that would support it best, None without any estimate, and counts of all."""

    wanted: Evidence
    best: Row | None
    counts: dict[str, int]

    @property
    def key(self) -> str:
        """Table, figure and key of the best row."""
        told = [f"{name} {value}" for name, value in self._cell().items()]
        return f"marts.{self.wanted.table}, {self.wanted.figure}: {', '.join(told)}"

    @property
    def place(self) -> str:
        """The values by which the best row differs from others, in words."""
        return ", ".join(value for value in self._cell().values() if value != "all")

    def _cell(self) -> dict[str, str]:
        best = self.best or {}
        key = registry.tables()[self.wanted.table].key
        return {name: best[NAMES.get(name, name)] for name in key if best.get(NAMES.get(name, name)) is not None}


def unmeasured(claim: Claim) -> str:
    """What is said of a claim that no table can support."""
    return f"Not measured: {claim.unmeasured}."


def says(claim: Claim, found: Found, beside: Found | None, conservative: Row | None) -> str:
    """The verdict with the figures that it rests on, and what stands beside them."""
    sentences = [*_about(claim, found)]
    if conservative and found.best and conservative["specification"] != found.best["specification"]:
        by = conservative["specification"]
        sentences += [f"By the most conservative specification, {by}: {_figure(found.wanted, conservative)}."]
    if beside is not None:
        sentences += [_beside(beside)]
    if claim.kind == "comparison" and found.best is not None:
        sentences += ["It describes groups and shows no effect of the programme."]
    return " ".join(sentences)


def _about(claim: Claim, found: Found) -> Iterator[str]:
    best, cells = found.best, found.counts["n_cells"]
    if best is None:
        yield "Not measured: nothing could be estimated." if cells else "Not measured: these data have no such rows."
        return
    first = f"Best of {cells:,} cells" if cells > 1 else "The one cell"
    lead = "" if claim.kind == "count" else f"{first} ({found.place}): "
    yield f"{lead}{_figure(found.wanted, best)}, {FIGURES[found.wanted.figure]}; n {best['n']:,}."
    yield _verdict(claim, found.wanted, best, cells)
    if best["plan_status"] == "exploratory":
        yield "Its specification was declared after estimates had been seen (exploratory)."
    if cells > 1:
        yield f"{_spread(found.counts)}."
    intervals = _intervals(found.counts)
    if cells > 1 and intervals:
        yield f"Chance alone would put {intervals * ALPHA / 2:.3g} above 0."
    if found.wanted.table == "benchmark_gap" and best["comparison"] is not None:
        yield f"Students of other teachers closed {_number(found.wanted, best['comparison'])}."
    if best["verdict"] == "unsupported" and best["minimum_detectable_effect"] is not None:
        smallest = _number(found.wanted, best["minimum_detectable_effect"])
        yield f"From {smallest} on it would have been found with a probability of {POWER}."


def _verdict(claim: Claim, wanted: Evidence, best: Row, cells: int) -> str:
    claimed = _claimed(claim, wanted)
    if claim.kind == "count":
        reached = "reaches" if best["verdict"] == "supported" else "falls short of"
        return f"That {reached} the claimed {claimed}; who is in no delivered file is not counted."
    ends_below = "; it ends below what is claimed" if (best["ci_high"] or 0) < (claim.claimed or 0) else ""
    match best["verdict"]:
        case "supported":
            text = _reaching(claim, best, claimed)
        case "partly_supported" if best["estimate"] >= (claim.claimed or 0):
            text = f"{_reaching(claim, best, claimed)}, though not by the most conservative specification"
        case "partly_supported":
            text = f"Its interval excludes 0, and it falls short of the claimed {claimed}{ends_below}"
        case "contradicted":
            text = f"Its interval lies below 0, against the claimed {claimed}"
        case _ if best["ci_low"] is None:
            text = f"It has no interval, so it does not support the claimed {claimed}"
        case _ if best["ci_low"] > 0:
            among = f" among all {cells:,} cells" if cells > 1 else ""
            text = f"Its own interval excludes 0; its test{among} does not (p {best['adjusted_p_value']:.2g})"
        case _:
            text = f"Its interval holds 0, so it does not support the claimed {claimed}{ends_below}"
    return f"{text}."


def _reaching(claim: Claim, best: Row, claimed: str) -> str:
    if claim.claimed_to is not None and best["ci_low"] > claim.claimed_to:
        return f"It is more than the claimed {claimed}: the whole interval lies above"
    if best["ci_low"] >= (claim.claimed or 0):
        return f"It reaches the claimed {claimed}, and so does the whole interval"
    return f"It reaches the claimed {claimed}, and its interval excludes 0"


def _beside(beside: Found) -> str:
    figure, best, cells = FIGURES[beside.wanted.figure], beside.best, beside.counts["n_cells"]
    if best is None:
        return f"Beside it, {figure}: no estimate."
    first = f"best of {cells:,} cells" if cells > 1 else "the one cell"
    spread = f" {_spread(beside.counts)}." if cells > 1 and best["ci_low"] is not None else ""
    size = "" if beside.wanted.unit == "people" else f"; n {best['n']:,}"
    return f"Beside it, {figure}: {_figure(beside.wanted, best)}{size}, {first} ({beside.place}).{spread}"


def _spread(counts: dict[str, int]) -> str:
    above, below, holds = (counts[f"n_cells_{where}"] for where in ("positive", "negative", "null"))
    intervals = _intervals(counts)
    without = counts["n_cells"] - intervals
    told = f"Of {intervals:,} intervals {above:,} lie above 0, {below:,} below, {holds:,} hold it"
    return f"{told}; {without:,} cells have none" if without else told


def _intervals(counts: dict[str, int]) -> int:
    return sum(counts[f"n_cells_{where}"] for where in ("positive", "negative", "null"))


def _figure(wanted: Evidence, row: Row) -> str:
    told = _number(wanted, row["estimate"])
    if row["ci_low"] is None:
        return told if wanted.unit == "people" else f"{told} (no interval)"
    low, high = (_plain(wanted, row[name]) for name in ("ci_low", "ci_high"))
    return f"{told} (95 percent interval {low} to {high})"


def _claimed(claim: Claim, wanted: Evidence) -> str:
    low = _plain(wanted, claim.claimed or 0)
    return low if claim.claimed_to is None else f"{low} to {_plain(wanted, claim.claimed_to)}"


def _number(wanted: Evidence, value: float | None) -> str:
    if value is None:
        return "no figure"
    unit = "percent of the distance" if wanted.figure == "closed_share" else wanted.unit
    return f"{_plain(wanted, value)} {unit}"


def _plain(wanted: Evidence, value: float) -> str:
    match wanted.unit:
        case "people":
            return f"{value:,.0f}"
        case "standard deviations":
            return f"{value:.2f}"
        case "of the distance":
            return f"{100 * value:.1f}"
        case _:
            return f"{value:.1f}"
