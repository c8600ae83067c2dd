"""A small lake written by hand, on which one step runs: what tests of link and measure are told in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.home import Home
from le_pipeline.warehouse.engine import Engine, Step
from le_pipeline.warehouse.lake import polars_schema
from schemas import registry
from schemas.registry import Column

Row = dict[str, Any]

# what a test does not say about a row; a required column without a default here has to be said
DEFAULTS: Row = {
    "state": "LA",
    "school_year": 2015,
    "delivery_id": "d1",
    "source_row": 2,
    "person_kind": "staff",
    "is_pre_program": False,
}
# a link that one source gives, of a student whose weights sum to 1
DEFAULTS |= {"is_under_claimed": False, "is_over_claimed": False, "is_disputed": False, "n_sources": 1}


class Scenario:
    """Tables of a home, written by hand, and steps run on them."""

    def __init__(self, root: Path) -> None:
        self.home = Home.at(root)
        self.home.create()
        self.engine = Engine(self.home)

    def write(self, name: str, *rows: Row, **common: Any) -> Scenario:
        """Replace a table by the rows; `common` holds for each of them.

        Keys are padded to the 32 characters that a pseudonym has, so that a test may say `student_key="ann"`.
        """
        table = registry.tables()[name]
        frame = pl.DataFrame([self._row(table.columns, common | row) for row in rows], schema=polars_schema(table))
        self.engine.lake.write(table, "all", frame)
        return self

    def run(self, step: Step) -> pl.DataFrame:
        """Run the step and give back its table, sorted by its key."""
        self.engine.run(step)
        return self.engine.lake.read(step.table).sort(step.table.key)

    def _row(self, columns: tuple[Column, ...], said: Row) -> Row:
        unknown = set(said) - {column.name for column in columns}
        assert not unknown, f"no such columns: {sorted(unknown)}"
        defaults = DEFAULTS | (
            {"part": part(said)} if {"role", "is_active", "part"} <= {c.name for c in columns} else {}
        )
        row = {column.name: said.get(column.name, defaults.get(column.name)) for column in columns}
        missing = [column.name for column in columns if column.required and row[column.name] is None]
        assert not missing, f"a row must say {missing}"
        return {
            column.name: key(row[column.name]) if column.field.type == "key" else row[column.name] for column in columns
        }


def part(role: Row) -> str:
    """The part of a row of program_role, which its step makes of the rest."""
    if role.get("role") in ("fellow", "mentee"):
        return role["role"] if role.get("is_active") else "former"
    return "applicant" if role.get("application_decision") == "not_selected" else "none"


def key(name: str | None) -> str | None:
    """The 32 characters that stand for a person in a test's tables."""
    return None if name is None else name.ljust(32, "0")
