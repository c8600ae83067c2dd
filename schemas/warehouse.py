"""The warehouse profile, `LE_HOME/warehouse.yaml`: whose tables the analysts' warehouse leaves out."""

from __future__ import annotations

from pathlib import Path

from schemas import yaml_file
from schemas.registry import Person, Table
from schemas.yaml_file import Strict


class WarehouseProfile(Strict):
    """`leave_out: [student, staff]` leaves out every table that holds records of students or of staff."""

    leave_out: frozenset[Person] = frozenset()

    def keeps(self, table: Table) -> bool:
        """Whether the table is in the warehouse."""
        return not self.leave_out & table.people


def load_profile(path: Path) -> WarehouseProfile:
    """The profile of that file, or the one that leaves nothing out where there is no file.

    Raises:
        ContractError: the file is no profile; names file, line and key.
    """
    return yaml_file.load_model(path, WarehouseProfile)[0] if path.exists() else WarehouseProfile()
