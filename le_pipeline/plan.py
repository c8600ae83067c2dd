"""`le plan`: the specifications that are declared, by hash, and what had been estimated when each was declared."""

from __future__ import annotations

from itertools import groupby
from textwrap import fill

from le_pipeline.home import Home
from le_pipeline.measure.plan_ledger import PlanLedger, Year
from schemas.analysis_plan import load_plan

WIDTH = 100


def told(home: Home) -> str:
    """The plan of a home as text: of each specification its hash, since when it is declared, and what it is for.

    Raises:
        ContractError: the home's plan does not fit; names file, line and key.
        ChainError: the record was changed.
    """
    plan, ledger = load_plan(home.analysis_plan), PlanLedger(home)
    blocks = []
    for name, specification in plan.specifications.items():
        code = plan.hash_of(name)
        since = ledger.since(code)
        status = f"declared {since}" if since else "not declared yet"
        blocks.append(f"{name}  ({specification.design})\n  {code}  {status}: {_status(ledger.estimated_before(code))}")
        blocks[-1] += "\n" + fill(specification.about, WIDTH, initial_indent="  ", subsequent_indent="  ")
    withdrawn = ledger.withdrawn(plan)
    if withdrawn:
        blocks.append("declared once, and no longer in the plan:")
        blocks += [f"  {name}  {code}  declared {ledger.since(code)}" for code, name in withdrawn.items()]
    if ledger.head:
        blocks.append(f"the record ends with {ledger.head}: keep that elsewhere, and a record cut short is found out")
    return "\n".join(blocks)


def declare(home: Home) -> list[str]:
    """Put on record what is not on it yet.

    Returns:
        The names of the specifications that were put on record.
    """
    return list(PlanLedger(home).declare(load_plan(home.analysis_plan)))


def _status(before: set[Year]) -> str:
    if not before:
        return "planned"
    states = (
        f"{state} {_years([year for _, year in years])}" for state, years in groupby(sorted(before), key=lambda y: y[0])
    )
    return f"exploratory for {', '.join(states)}"


def _years(years: list[int]) -> str:
    return str(years[0]) if len(years) == 1 else f"{years[0]}-{years[-1]}"
