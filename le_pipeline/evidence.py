"""`le evidence`: public claims, what the warehouse holds that would support them, and how far that carries."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import duckdb

from le_pipeline.errors import QueryError
from le_pipeline.warehouse.reader import Reader

WIDTH = 100
LABEL = 12
COUNTS = ("n_cells", "n_cells_supporting", "n_cells_positive", "n_cells_negative", "n_cells_null")
Row = dict[str, Any]


def told(warehouse: Reader, claim: str | None = None) -> str:
    """The claims of marts.evidence_claim, or one of them, as text of 100 columns.

    Raises:
        QueryError: the warehouse has no such table, or no such claim.
    """
    try:
        answer = warehouse.execute("select * from marts.evidence_claim order by claim")
    except duckdb.CatalogException:
        raise QueryError(
            "the warehouse has no marts.evidence_claim; `le run` makes it, unless it is left out"
        ) from None
    names = [name for name, *_ in answer.description]
    rows = [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    chosen = [row for row in rows if claim in (None, row["claim"])]
    if claim is not None and not chosen:
        raise QueryError(f"there is no claim {claim!r}; there are {', '.join(row['claim'] for row in rows)}")
    return "\n\n".join(map(_told, chosen))


def _told(row: Row) -> str:
    verdict = str(row["verdict"]).replace("_", " ").upper()
    lines = [f"{row['claim']:<{WIDTH - len(verdict) - 1}} {verdict}", _wrapped("", f"“{row['words']}”")]
    if row["claimed"] is not None:
        lines.append(_wrapped("claimed", f"{_range(row)} {row['unit']} ({row['claim_kind']})"))
    if row["estimate"] is not None:
        lines.append(_wrapped("found", _found(row)))
        lines.append(_wrapped("rests on", row["rests_on"]))
    if row["n_cells"] > 1:
        lines.append(_wrapped("cells", _cells(row)))
    if row["most_conservative_estimate"] is not None:
        lines.append(_wrapped("cautious", _interval(row, "most_conservative_estimate", "most_conservative_")))
    if row["claim_kind"] == "causal" and row["estimate"] is not None:
        lines.append(_wrapped("ESSA tier", _tier(row)))
    return "\n".join([*lines, _wrapped("", row["says"])])


def _wrapped(label: str, text: str) -> str:
    first = f"  {label:<{LABEL}}" if label else "  "
    return fill(text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False)


def _range(row: Row) -> str:
    ends = [row["claimed"]] if row["claimed_to"] is None else [row["claimed"], row["claimed_to"]]
    return " to ".join(_number(row, end) for end in ends)


def _found(row: Row) -> str:
    sites = "" if row["n_sites"] is None else f", {row['n_sites']:,} treated schools"
    return f"{_interval(row, 'estimate', '')}; n {row['n']:,}{sites}"


def _interval(row: Row, estimate: str, prefix: str) -> str:
    low, high = row[f"{prefix}ci_low"], row[f"{prefix}ci_high"]
    ends = "" if low is None else f", 95 percent interval {_number(row, low)} to {_number(row, high)}"
    return f"{_number(row, row[estimate])} {row['unit']}{ends}"


def _cells(row: Row) -> str:
    count, supporting, above, below, holding = (f"{row[name]:,}" for name in COUNTS)
    return (
        f"{count} in all; would support the claim: {supporting}; above 0: {above}, below: {below}, holding 0: {holding}"
    )


def _tier(row: Row) -> str:
    if row["essa_tier"] is None:
        return f"none: {row['why_not_higher']}"
    return f"{row['essa_tier']}, no higher: {row['why_not_higher']}"


def _number(row: Row, value: float) -> str:
    return f"{value:,.0f}" if row["unit"] == "people" else f"{value:.3g}"
