"""Data sharing agreements, kept: what is due is destroyed, and vault files lie under the agreement that covers them.

How data are destroyed is in `destruction`; the certificate is written when the tables and the warehouse have been made
anew without them (`line.certify`).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from le_pipeline import destruction
from le_pipeline.errors import DestructionError
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import record
from le_pipeline.privacy.agreement import UNDECLARED, coverage, today
from le_pipeline.privacy.keys import Keys, verify
from le_pipeline.privacy.vault import OF_NO_FOLDER, Vault
from le_pipeline.warehouse.lake import Lake
from schemas.agreement import Agreement

ON_ITS_DATE = "the last day of the agreement has passed"


@dataclass(frozen=True)
class AgreementReport:
    """What became of agreements: those whose data were destroyed now, and vault files put under another one."""

    destroyed: tuple[str, ...]
    resealed: int

    @property
    def is_current(self) -> bool:
        """Whether nothing was to be done."""
        return not self.destroyed and not self.resealed


def keep(home: Home, keys: Keys) -> AgreementReport:
    """Destroy what is due, finish what was cut off, and put vault files under the agreement that covers them now.

    Raises:
        ContractError: an agreement file is wrong, or two cover one landing folder.
        VaultError, AuditError, KeyFileError: as their names say.
    """
    if is_kept(home, keys):
        return AgreementReport((), 0)
    with home.alone():
        verify(home, keys)
        begun = _finish_begun(home, keys)
        resealed = _reseal(Vault(home, keys))
        ended = due(home)
        for name in ended:
            destruction.begin(home, keys, name, ON_ITS_DATE)
            destruction.carry_out(home, keys, name)
        return AgreementReport((*begun, *ended), resealed)


def is_kept(home: Home, keys: Keys) -> bool:
    """Whether nothing is due, cut off or under another agreement than the one that covers it."""
    open_ones = [stone for stone in destruction.unfinished(home) if not stone["erased"]]
    return not open_ones and not due(home) and not _misplaced(Vault(home, keys))


def destroy(home: Home, keys: Keys, name: str, purpose: str) -> None:
    """Destroy what an agreement covers, whatever its date; `certify` follows when the tables have been made anew.

    Raises:
        DestructionError: there is no such agreement, or its data were destroyed already.
        VaultError, AuditError: as their names say.
    """
    with home.alone():
        verify(home, keys)
        stone = next((each for each in destruction.tombstones(home) if each["agreement"]["agreement"] == name), None)
        if stone and stone["certificate"]:
            raise DestructionError(f"the data of {name} were destroyed already: see {stone['certificate']}")
        _finish_begun(home, keys)
        if stone is None:
            _reseal(Vault(home, keys))
            destruction.begin(home, keys, name, purpose)
            destruction.carry_out(home, keys, name)


@dataclass(frozen=True)
class Holding:
    """What is held under an agreement, or under none: vault files, delivered files, and records accepted from them."""

    name: str
    covers: str
    until: str
    status: str
    vault_files: int
    files: int
    rows: int


def holdings(home: Home, keys: Keys) -> list[Holding]:
    """Every agreement with what is held under it, and last what is under none."""
    covered, vault = coverage(home), Vault(home, keys)
    stones = {destruction.name_of(stone): stone for stone in destruction.tombstones(home)}
    declared = {name: Agreement.model_validate(each["agreement"]) for name, each in stones.items()}
    declared |= {name: each for name, each in covered.agreements.items() if name not in stones}
    files = Lake(home.lake).read(record.TABLE).filter(pl.col("delivery_status") == "accepted")
    of = pl.struct("state", "school_year").map_elements(
        lambda row: covered.of(Partition(row["state"], row["school_year"])), pl.String
    )
    taken = {
        name: (n, rows)
        for name, n, rows in files.group_by(of.alias("of")).agg(pl.len(), pl.sum("rows_accepted")).rows()
    }
    kept = [vault.agreement(name) or UNDECLARED for name in vault.names("")]
    found = []
    for name, each in sorted(declared.items()):
        first, last = each.covers.school_years
        stone = stones.get(name)
        status = "kept" if each.destroy_by >= today() else "due"
        if stone:
            status = "destroyed" if stone["certificate"] else "being destroyed"
        here = (kept.count(name), *taken.get(name, (0, 0)))
        found.append(Holding(name, f"{each.covers.state} {first}-{last}", each.destroy_by.isoformat(), status, *here))
    here = (kept.count(UNDECLARED), *taken.get(UNDECLARED, (0, 0)))
    return [*found, Holding(UNDECLARED, "", "", "kept", *here)]


def due(home: Home) -> list[str]:
    """Agreements whose last day has passed and whose data are still there."""
    return coverage(home).due(today())


def undeclared(home: Home) -> list[Partition]:
    """Landing folders that no agreement covers."""
    covered = coverage(home)
    return [each for each in home.partitions() if covered.of(each) == UNDECLARED and not covered.destroyed(each)]


def _finish_begun(home: Home, keys: Keys) -> list[str]:
    begun = [destruction.name_of(stone) for stone in destruction.unfinished(home) if not stone["erased"]]
    for name in begun:
        destruction.carry_out(home, keys, name)
    return begun


# -- vault files under their agreements ------------------------------------------------------------------------------


def _misplaced(vault: Vault) -> list[str]:
    """Vault files under another data key than theirs; those of no landing folder may be under an earlier one."""
    return [
        name
        for name in vault.names("")
        if (kept := vault.agreement(name)) is None
        or (kept != vault.belongs_to(name) and name.partition("/")[0] not in OF_NO_FOLDER)
    ]


def _reseal(vault: Vault) -> int:
    """Encrypt anew what lies under another agreement; a data key that nothing is left under is erased."""
    names = _misplaced(vault)
    if not names:
        return 0
    vault.log("vault files encrypted anew", "put them under the agreement that covers them", files=len(names))
    for name in names:
        vault.reseal(name)
    used = {vault.agreement(name) for name in vault.names("")}
    for unused in sorted(set(vault.data_keys.names()) - used):
        vault.log("data key erased", "nothing is left that it opens", agreement=unused)
        vault.data_keys.erase(unused)
    return len(names)
