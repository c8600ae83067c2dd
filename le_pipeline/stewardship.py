"""What a steward asks of the vault, each time for a stated purpose that is put on record before anything is told."""

from __future__ import annotations

import re

import polars as pl

from le_pipeline import agreements
from le_pipeline.agreements import Holding
from le_pipeline.errors import HandoutError, VaultError
from le_pipeline.home import Home
from le_pipeline.link.individual import KINDS
from le_pipeline.link.review import Reviewer
from le_pipeline.privacy.audit import stated
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import Vault

PSEUDONYM = re.compile(r"[0-9a-f]{32}")


def behind(home: Home, keys: Keys, wanted: list[str], purpose: str, *, is_terminal: bool) -> dict[str, dict[str, str]]:
    """Who is behind pseudonyms of students and staff: for each, what the vault has, by field.

    Raises:
        PurposeError: no purpose is stated.
        HandoutError: what is shown would not go to a terminal, but into a file or another program.
        VaultError: one of them is no pseudonym, or the vault does not have it; nothing is shown.
    """
    said = stated(purpose)
    if not is_terminal:
        raise HandoutError("names are shown on a terminal only: run it there, without > or |")
    wrong = [place for place, key in enumerate(wanted, start=1) if not PSEUDONYM.fullmatch(key)]
    if wrong:
        raise VaultError(f"number {wrong[0]} is no key: a key is 32 of the signs 0-9 and a-f, as tables have it")
    reviewer = Reviewer(home, keys)
    Vault(home, keys).log("vault show", said, keys=wanted)
    known: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        known |= reviewer.known(kind, pl.Series(wanted))
    unknown = [key for key in wanted if key not in known]
    if unknown:
        raise VaultError(
            f"the vault does not have {', '.join(unknown)}: no student's or staff member's key, or one whose data were"
            " destroyed"
        )
    return {key: known[key] for key in wanted}


def holdings(home: Home, keys: Keys, purpose: str) -> list[Holding]:
    """What is held under each agreement.

    Raises:
        PurposeError: no purpose is stated.
    """
    Vault(home, keys).log("vault agreements", stated(purpose))
    return agreements.holdings(home, keys)
