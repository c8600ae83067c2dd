"""Plan before look: which specifications had been declared before estimates of a state and year were made.

A chained record in `LE_HOME/analysis_plan.jsonl`. A specification that is added, or changed, after estimates have been
made is exploratory for the years of these, and planned for those to come.
"""

from __future__ import annotations

from le_pipeline.home import Home
from le_pipeline.measure.impact import ALL
from le_pipeline.privacy import chain
from schemas.analysis_plan import AnalysisPlan

PLANNED, EXPLORATORY = "planned", "exploratory"
Year = tuple[str, int]


class PlanLedger:
    """The record of one home."""

    def __init__(self, home: Home) -> None:
        self._path = home.plan_ledger
        self._home = home
        self._seen: dict[str, set[Year]] = {}
        self._since: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self.head = ""  # the last entry's hash
        self._estimated: set[Year] = set()
        self._read()

    def _read(self) -> None:
        """Read what was declared and estimated, in the order in which it was.

        Raises:
            ChainError: an entry was changed.
        """
        for entry in chain.read(self._path):
            if "declared" in entry:
                for name, code in entry["declared"].items():
                    self._seen.setdefault(code, set(self._estimated))
                    self._since.setdefault(code, str(entry["at"]))
                    self._names.setdefault(code, name)
            self._estimated |= {(state, int(year)) for state, year in entry.get("estimated", ())}
            self.head = str(entry["hash"])

    def declare(self, plan: AnalysisPlan) -> dict[str, str]:
        """Put on record, by name and hash, what the plan declares and the record does not have."""
        with self._home.lock("analysis_plan"):
            new = {name: plan.hash_of(name) for name in plan.specifications if plan.hash_of(name) not in self._seen}
            if new:
                chain.append(self._path, {"declared": new})
                self._read()
        return new

    def estimated(self, years: list[Year]) -> None:
        """Put on record the states and years that estimates have been made of, where it does not have them."""
        new = [year for year in years if year not in self._estimated]
        if new:
            with self._home.lock("analysis_plan"):
                chain.append(self._path, {"estimated": new})
                self._estimated |= set(new)

    def estimated_before(self, declared: str) -> set[Year]:
        """The states and years that had been estimated when that was declared, or by now where it was not."""
        return self._seen.get(declared, self._estimated)

    def since(self, declared: str) -> str | None:
        """When that was declared; nothing where it was not."""
        return self._since.get(declared)

    def withdrawn(self, plan: AnalysisPlan) -> dict[str, str]:
        """What was declared once and is no longer in the plan: its name by hash."""
        present = {plan.hash_of(name) for name in plan.specifications}
        return {code: name for code, name in self._names.items() if code not in present}

    def status(self, declared: str, state: str, period: str) -> str:
        """Whether that was declared before any of the row's states and years had been estimated."""
        before = self.estimated_before(declared)
        is_known = any(state in (ALL, of_state) and period in (ALL, str(year)) for of_state, year in before)
        return EXPLORATORY if is_known else PLANNED
