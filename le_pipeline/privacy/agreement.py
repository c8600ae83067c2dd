"""Which data sharing agreement a landing folder belongs to, and which agreements' data were destroyed."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass

from le_pipeline.errors import DestructionError
from le_pipeline.home import Home, Partition
from le_pipeline.privacy.data_key import DESTROYED
from schemas.agreement import NOT_A_NAME, Agreement, Covers

UNDECLARED = NOT_A_NAME


@dataclass(frozen=True)
class Coverage:
    """The agreements of a home: those that are declared, and what those covered whose data were destroyed.

    `uncertified`: agreements whose destruction has begun; tables and warehouse may still hold what they covered.
    """

    agreements: dict[str, Agreement]
    ended: dict[str, Covers]
    on: dict[str, str]
    uncertified: tuple[str, ...] = ()

    def of(self, partition: Partition) -> str:
        """The agreement that covers a landing folder, or `undeclared`."""
        here = (partition.state, partition.school_year)
        return next((name for name, each in self.agreements.items() if each.covers.has(*here)), UNDECLARED)

    def destroyed(self, partition: Partition) -> str | None:
        """Why a landing folder is not read again, if the data of its agreement were destroyed."""
        here = (partition.state, partition.school_year)
        for name, covers in self.ended.items():
            if covers.has(*here):
                return (
                    f"is covered by the agreement {name}, whose data were destroyed on {self.on[name]};"
                    " nothing of its landing folders is read again. Destroy the landed files by hand"
                )
        return None

    def due(self, today: datetime.date) -> list[str]:
        """Agreements whose last day has passed and whose data have not been destroyed."""
        return [name for name, each in self.agreements.items() if each.destroy_by < today and name not in self.ended]


def coverage(home: Home) -> Coverage:
    """The agreements of a home as they are now.

    Raises:
        ContractError: an agreement file is wrong, or two cover one landing folder.
    """
    ended: dict[str, Covers] = {}
    on: dict[str, str] = {}
    uncertified = []
    for path in sorted((home.vault / "keys").glob(f"*{DESTROYED}")):
        content = json.loads(path.read_text(encoding="utf-8"))
        name = content["agreement"]["agreement"]
        ended[name] = Covers.model_validate(content["agreement"]["covers"])
        on[name] = content["begun"][:10]
        uncertified += [name] * (not content["certificate"])
    return Coverage(home.all_agreements(), ended, on, tuple(uncertified))


def require_nothing_due(home: Home) -> None:
    """Stop where something is to be destroyed and still there, before anything leaves.

    Raises:
        DestructionError: names the agreements.
        ContractError: an agreement file is wrong.
    """
    covered = coverage(home)
    if names := [*covered.uncertified, *covered.due(today())]:
        raise DestructionError(
            f"what {', '.join(names)} covers is to be destroyed and is still in the tables, so nothing is handed out;"
            " `le run` destroys it and makes the tables anew without it"
        )


def today() -> datetime.date:
    """The day, where this runs."""
    return datetime.datetime.now().astimezone().date()
