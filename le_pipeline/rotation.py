"""Another master key for a home: what people have done is carried over, everything else is made anew from landing.

Carried over are mended rows, decisions of the review (with the new pseudonyms), the log of looks into the vault, and
the record of deliveries, which says in which order files came. A rotation that is cut off is finished by starting it
again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from le_pipeline.errors import KeyFileError
from le_pipeline.home import Home
from le_pipeline.ingest.mending import MENDED
from le_pipeline.link import decision
from le_pipeline.privacy.keys import KEY_ID, Keys
from le_pipeline.privacy.vault import LOG, Vault
from le_pipeline.warehouse.lake import Lake
from schemas import registry

KEPT = registry.tables()["delivery"]  # no pseudonym is in it


def rotate(home: Home, old: Keys, new: Keys) -> dict[str, int]:
    """Put the home under the new key; the next run makes every table anew.

    Returns:
        What was carried over: files of mended rows, and decisions.

    Raises:
        KeyFileError: both keys are the same, or a change to another key was cut off.
        VaultError: the vault cannot be opened with the old key.
    """
    before, after = home.old_vault, home.vault.with_name("vault.new")
    if old.key_id == new.key_id and not before.exists():
        raise KeyFileError("the new key is the one that this home has; `le keys rotate` needs another")
    with home.lock("rotation"):
        if before.exists():  # the vaults are changing places already
            _same_change(after if after.exists() else home.vault, new)
        else:
            shutil.rmtree(after, ignore_errors=True)
            _carry_over(Vault(home, old), Vault(home, new, after), new)
            home.vault.rename(before)
        if after.exists():
            after.rename(home.vault)
        _forget(home, new)
        shutil.rmtree(before)
    vault = Vault(home, new)
    counts = {"mended_files": len(vault.names(MENDED)), "decisions": decision.read(vault).height}
    vault.log("key rotation", key_id=new.key_id, **counts)
    return counts


def _same_change(vault: Path, new: Keys) -> None:
    begun = (vault / KEY_ID).read_text(encoding="ascii") if (vault / KEY_ID).exists() else None
    if begun != new.key_id:
        raise KeyFileError(
            f"the change of keys that was cut off is one to the key {begun}, not to {new.key_id}; nothing was changed."
            " Give the file of that key with --to"
        )


def _carry_over(old: Vault, new: Vault, keys: Keys) -> None:
    new.root.mkdir(mode=0o700)
    (new.root / KEY_ID).write_text(keys.key_id, encoding="ascii")
    for name in old.names(MENDED):
        with new.replacing(name) as file:
            for frame in old.read(name):
                file.add(frame)
            file.keep()
    decisions = decision.read(old)
    if decisions.height:
        decision.write(new, decision.rekeyed(decisions, keys))
    if (old.root / LOG).exists():
        shutil.copy2(old.root / LOG, new.root / LOG)


def _forget(home: Home, keys: Keys) -> None:
    """Take out of the lake whatever holds pseudonyms of the old key."""
    lake = Lake(home.lake)
    lake.write_note(KEY_ID, keys.key_id)
    for table in registry.tables().values():
        if table != KEPT:
            shutil.rmtree(lake.folder(table), ignore_errors=True)
    lake.forget_notes(but=KEY_ID)
