"""`le plan`: the specifications that are declared, by hash, and what had been estimated when each was declared."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table

from le_pipeline.home import Home
from le_pipeline.measure.plan_ledger import PlanLedger
from schemas.analysis_plan import load_plan


def declared(home: Home) -> Table:
    """The plan of a home, and for which states and school years each specification is exploratory.

    Raises:
        ContractError: the home's plan does not fit; names file, line and key.
        ChainError: the record was changed.
    """
    plan, ledger = load_plan(home.analysis_plan), PlanLedger(home)
    columns = ("specification", "design", "hash", "declared", "exploratory for", "what is compared")
    table = Table(*columns, box=box.SIMPLE)
    for name, specification in plan.specifications.items():
        code = plan.hash_of(name)
        before = ", ".join(f"{state} {year}" for state, year in sorted(ledger.estimated_before(code)))
        since = ledger.since(code) or "not yet"
        table.add_row(name, specification.design, code, since, before, escape(specification.about))
    return table


def declare(home: Home) -> list[str]:
    """Put on record what is not on it yet.

    Returns:
        The names of the specifications that were put on record.
    """
    return list(PlanLedger(home).declare(load_plan(home.analysis_plan)))
