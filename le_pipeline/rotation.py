"""Another master key for a home: lake, warehouse, decisions and vault are put under it in one step.

Everything is made beside (`rekeying`), in `LE_HOME/.rotation/new`, and changes places with what is there by renames; a
journal says that they have begun. Before the journal is written nothing has changed; after it, the same command
finishes what was cut off, or `back` takes it back, until what was under the old key is destroyed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from le_pipeline import rekeying
from le_pipeline.errors import KeyFileError, RotationError
from le_pipeline.files import synced
from le_pipeline.home import Home
from le_pipeline.privacy.data_key import erased
from le_pipeline.privacy.key_source import pointing_to
from le_pipeline.privacy.keys import Keys, verify
from le_pipeline.privacy.vault import Vault
from le_pipeline.rekeying import Counts
from le_pipeline.warehouse.lake import replace

SWAPPING, SWEEPING = "swapping", "sweeping"
PURPOSE = "put the home under another key"


def is_begun(home: Home) -> bool:
    """Whether a change of keys has begun to change the home and is not finished."""
    return _journal(home).exists()


def rotate(home: Home, old: Keys | None, new: Keys) -> Counts:
    """Put the home under the new key, or finish the change to it that was cut off.

    Args:
        home: the home.
        old: its keys; not needed to finish what was cut off.
        new: the keys to put it under.

    Returns:
        Counts: as `rekeying.make` gives them.

    Raises:
        KeyFileError: both keys are the same, or the change that was cut off is one to another key.
        RotationError: the lake holds a key that nothing in the vault explains, or folders cannot change places.
        VaultError, AuditError: the vault or its log cannot be opened with the old key.
    """
    with home.alone():
        if is_begun(home):
            _require_same_change(home, new)
        else:
            _make(home, old, new)
        return _finish(home)


def back(home: Home, old: Keys) -> None:
    """Take back a change of keys that was cut off.

    Raises:
        RotationError: there is none, or what was under the old key is being destroyed already.
        KeyFileError: the key is not the one that the home had before.
    """
    with home.alone():
        if not home.rotation.exists():
            raise RotationError("no change of keys is under way")
        if is_begun(home):
            journal = _read(home)
            if journal["stage"] == SWEEPING:
                raise RotationError(
                    "the change of keys has taken effect, and what was under the old key is being destroyed: run"
                    " `le keys rotate` again with the same --to"
                )
            if journal["from"] != [old.key_id, old.check_value]:
                raise KeyFileError(
                    f"the home was made with the key {journal['from'][0]}: to go back to it, {pointing_to('it')}"
                )
            _swap_back(home)
            Vault(home, old).log("key rotation taken back", PURPOSE)
            _journal(home).unlink()
        shutil.rmtree(home.rotation)


def _journal(home: Home) -> Path:
    return home.rotation / "journal.json"


def _read(home: Home) -> dict[str, Any]:
    return dict(json.loads(_journal(home).read_text(encoding="ascii")))


def _write(home: Home, content: dict[str, Any]) -> None:
    replace(_journal(home), lambda path: path.write_text(json.dumps(content), encoding="ascii"))
    synced(home.rotation)


def _require_same_change(home: Home, new: Keys) -> None:
    begun = _read(home)["to"]
    if begun != [new.key_id, new.check_value]:
        raise KeyFileError(
            f"the change of keys that was cut off is one to the key {begun[0]}, not to {new.key_id}; nothing was"
            " changed. Give the file of that key with --to"
        )


# -- making everything beside ------------------------------------------------------------------------------------


def _make(home: Home, old: Keys | None, new: Keys) -> None:
    if old is None:
        raise RotationError("no change of keys is under way; the home's own key is needed to begin one")
    verify(home, old)
    if old.key_id == new.key_id:
        raise KeyFileError("the new key is the one that this home has; `le keys rotate` needs another")
    shutil.rmtree(home.rotation, ignore_errors=True)  # of a change that had changed nothing yet
    fresh = Home(home.rotation / "new", home.landing)
    counts = rekeying.make(home, fresh, old, new)
    Vault(fresh, new).log("key rotation", PURPOSE, from_key=old.key_id, to_key=new.key_id, **counts)
    keys = {"from": [old.key_id, old.check_value], "to": [new.key_id, new.check_value]}
    _write(home, keys | {"stage": SWAPPING, "counts": counts})


# -- changing places -------------------------------------------------------------------------------------------------


def _places(home: Home) -> list[tuple[Path, Path, Path]]:
    """What changes places: where it is, where the new one is made, where the old one goes."""
    there = (home.key_record, home.vault, home.lake, home.warehouse.parent)
    return [(path, home.rotation / "new" / path.name, home.rotation / "old" / path.name) for path in there]


def _finish(home: Home) -> Counts:
    journal = _read(home)
    if journal["stage"] == SWAPPING:
        try:
            _swap(home)
        except OSError as error:
            _swap_back(home)
            _journal(home).unlink()
            shutil.rmtree(home.rotation)
            raise RotationError(
                f"folders of {home.root} could not change places ({error.strerror}); the home is as it was. They must"
                " be on one disk"
            ) from None
        _write(home, journal | {"stage": SWEEPING})
    _sweep(home)
    return dict(journal["counts"])


def _swap(home: Home) -> None:
    (home.rotation / "old").mkdir(exist_ok=True)
    for path, new, old in _places(home):
        if not new.exists():  # in its place already
            continue
        if path.exists() and not old.exists():
            path.rename(old)
        new.rename(path)
    synced(home.root)


def _swap_back(home: Home) -> None:
    for path, new, old in reversed(_places(home)):
        if path.exists() and not new.exists():  # what is there is the new one
            path.rename(new)
        if old.exists():
            old.rename(path)
    synced(home.root)


def _sweep(home: Home) -> None:
    """Destroy what was under the old key, its data keys first; without them the rest opens nothing."""
    for path in sorted((home.rotation / "old" / "vault" / "keys").glob("*.json")):
        erased(path)
    for name in ("old", "new"):
        shutil.rmtree(home.rotation / name, ignore_errors=True)
    _journal(home).unlink()
    shutil.rmtree(home.rotation)
