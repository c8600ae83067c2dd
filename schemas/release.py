"""What a release holds, `LE_HOME/release.yaml`: which tables, and by what they are broken down.

Every breakdown is one more thing to hide: the finer the tables, the more of them, and of what they are made of, may not
be shown. So a release holds fewer than the marts do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from schemas import yaml_file
from schemas.yaml_file import Strict

Dimension = Literal["region", "role", "cohort", "poverty_band", "grade_band"]
TableName = Literal["program_reach", "teacher_retention", "achievement_gap", "benchmark_gap"]
DIMENSIONS: tuple[Dimension, ...] = ("region", "role", "cohort", "poverty_band", "grade_band")
TABLES: tuple[TableName, ...] = ("program_reach", "teacher_retention", "achievement_gap", "benchmark_gap")


class ReleaseContent(Strict):
    """`tables`: the marts that are released. `breakdowns`: by which dimensions together their rows may be broken down.

    Totals are always there, and with a breakdown by several dimensions those by fewer of them, without which the finer
    rows would tell on each other. Of every other dimension there is the total only.
    """

    tables: Annotated[tuple[TableName, ...], Field(min_length=1)] = TABLES
    breakdowns: tuple[frozenset[Dimension], ...] = (
        frozenset({"region"}),
        frozenset({"role"}),
        frozenset({"region", "role"}),
        frozenset({"cohort"}),
        frozenset({"poverty_band"}),
        frozenset({"grade_band"}),
    )

    @field_validator("tables")
    @classmethod
    def _each_once(cls, tables: tuple[TableName, ...]) -> tuple[TableName, ...]:
        return tuple(dict.fromkeys(tables))

    def holds(self, broken_down_by: frozenset[str]) -> bool:
        """Whether rows that are broken down by these dimensions are released."""
        return not broken_down_by or any(broken_down_by <= breakdown for breakdown in self.breakdowns)


def load_content(path: Path) -> ReleaseContent:
    """The content that file asks for, or the usual one where there is no file.

    Raises:
        ContractError: the file is wrong; names file, line and key.
    """
    return yaml_file.load_model(path, ReleaseContent)[0] if path.exists() else ReleaseContent()
