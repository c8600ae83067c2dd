"""Another master key for a home: lake, warehouse, decisions and vault are put under it in one step.

Which pseudonym becomes which is worked out from the identities in the vault. Everything is made beside, in
`LE_HOME/.rotation/new`, and changes places with what is there by renames; a journal says that they have begun. Before
the journal is written nothing has changed; after it, the same command finishes what was cut off, or `back` takes it
back, until what was under the old key is destroyed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.errors import KeyFileError, RotationError
from le_pipeline.home import Home
from le_pipeline.ingest.delivery import hash_of
from le_pipeline.ingest.mending import MENDED
from le_pipeline.link import decision
from le_pipeline.link.person_match import ALIAS, MATCH
from le_pipeline.privacy.data_key import DESTROYED, erased, synced
from le_pipeline.privacy.keys import Keys, record, verify
from le_pipeline.privacy.pseudonym import ISSUER, pseudonyms
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse import build
from le_pipeline.warehouse.lake import Lake, replace
from schemas import registry
from schemas.layout import ANY_ISSUER
from schemas.registry import Table

IDENTITY = ".identity"
SWAPPING, SWEEPING = "swapping", "sweeping"
PURPOSE = "put the home under another key"
PAIR = {"old": pl.String, "new": pl.String, "domain": pl.String}
OF_NAMES = "staff_name"  # the domain of keys that stand for a name on a list, not for somebody with an id
WRITTEN: Any = {"compression": "zstd", "compression_level": 1, "statistics": False}
Counts = dict[str, int]
Changed = dict[str, Any]  # what a note may say of a file, as JSON, and what it has to say from now on


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
        Counts: pseudonyms (`keys`), tables and rows of the lake that hold some, vault files, decisions, files of mended
        rows, and tables of the warehouse.

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
                    f"the home was made with the key {journal['from'][0]}: point LE_KEY_FILE at it to go back to it"
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
    for folder in (fresh.vault, fresh.lake, fresh.warehouse.parent):
        folder.mkdir(parents=True, mode=0o700 if folder == fresh.vault else 0o777)
    record(fresh, new)
    counts: Counts = {}
    changed: Changed = {json.dumps(old.key_id): new.key_id}
    pairs = _make_vault(Vault(home, old), Vault(fresh, new), (old, new), changed, counts)
    _make_lake(Lake(home.lake), Lake(fresh.lake), pairs, changed, counts)
    counts["warehouse_tables"] = _make_warehouse(home, fresh)
    Vault(fresh, new).log("key rotation", PURPOSE, from_key=old.key_id, to_key=new.key_id, **counts)
    keys = {"from": [old.key_id, old.check_value], "to": [new.key_id, new.check_value]}
    _write(home, keys | {"stage": SWAPPING, "counts": counts})


def _make_vault(before: Vault, after: Vault, keys: tuple[Keys, Keys], changed: Changed, counts: Counts) -> pl.DataFrame:
    """Every vault file under new data keys; returns which pseudonym (`old`) becomes which (`new`)."""
    after.audit.take_over(before.audit)
    for ended in sorted((before.root / "keys").glob(f"*{DESTROYED}")):
        (after.root / "keys").mkdir(exist_ok=True, mode=0o700)
        shutil.copy2(ended, after.root / "keys")
    pairs = [pl.DataFrame(schema=PAIR)]
    names = before.names("")
    for name in names:
        with after.replacing(name, before.agreement(name) or before.belongs_to(name)) as file:
            if name == decision.FILE:
                decisions = decision.read(before)
                counts["decisions"] = decisions.height
                file.add(decision.in_file_order(decision.rekeyed(decisions, keys[1])))
            for frame in before.read(name) if name != decision.FILE else ():
                if name.endswith(IDENTITY):
                    made, found = _rekeyed(name, frame, keys)
                    file.add(made)
                    pairs.append(found)
                else:
                    file.add(frame)
            file.keep()
        changed[json.dumps(before.stamp(name))] = after.stamp(name)
        if name.endswith(MENDED):
            changed[json.dumps(hash_of(before.path(name)))] = hash_of(after.path(name))
    mended = sum(name.endswith(MENDED) for name in names)
    counts |= {"decisions": counts.get("decisions", 0), "mended_files": mended, "vault_files": len(names)}
    return pl.concat(pairs).unique()


def _rekeyed(name: str, frame: pl.DataFrame, keys: tuple[Keys, Keys]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """An identity frame under the new key, and its pairs of pseudonyms; the old ones must come out again."""
    issuer = frame[ISSUER].unique().to_list() if ISSUER in frame.columns else []
    if len(issuer) != 1:
        raise RotationError(f"{name} was written by an earlier version: `le run` makes it anew, then rotate")
    pairs = [pl.DataFrame(schema=PAIR)]
    made = frame
    for column in registry.feeds()[name.partition("/")[0]].columns:
        field = column.field
        if field.of is None or column.name not in frame.columns:
            continue
        of = {"domain": str(field.domain), "issuer": ANY_ISSUER if field.of_any_issuer else str(issuer[0])}
        again, fresh = (pseudonyms(frame[field.of], keys=each, **of) for each in keys)
        if not again.eq_missing(frame[column.name]).all():
            raise RotationError(f"{name} holds keys that its ids do not make: `le run` makes it anew, then rotate")
        pairs.append(pl.DataFrame({"old": again, "new": fresh, "domain": of["domain"]}).drop_nulls().unique())
        made = made.with_columns(fresh.alias(column.name))
    return made, pl.concat(pairs)


def _make_lake(before: Lake, after: Lake, pairs: pl.DataFrame, changed: Changed, counts: Counts) -> None:
    """Every table with the new pseudonyms, and the notes of what each was made from, which hold as they did."""
    counts |= {"keys": pairs.height, "tables": 0, "rows": 0}
    people = _people(before.read(ALIAS), pairs)
    of_people = pairs.select("old", "new").update(people.select(old="cluster", new="person").unique(), on="old")
    for table in registry.tables().values():
        keys = [column.name for column in table.columns if column.field.type == "key"]
        for path in before.files(table):
            target = after.root / path.relative_to(before.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if keys:
                is_of_people = table.layer != "canonical" and table != MATCH
                frame = _translated(table, keys, path, of_people if is_of_people else pairs)
                frame = _in_its_order(table, frame, people)
                replace(target, lambda place, made=frame: made.write_parquet(place, **WRITTEN))  # type: ignore[misc]
                counts["rows"] += frame.height
            else:
                shutil.copy2(path, target)
        counts["tables"] += bool(keys and after.files(table))
        stamps = zip(before.stamp(table), after.stamp(table), strict=True)
        changed |= {json.dumps(old): new for old, new in stamps}
    for name in before.note_names():
        after.write_note(name, _as_it_is_now(before.note(name), changed))


def _people(aliases: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """People with several keys: each of their `new` keys, the one they are known by, before (`cluster`) and now.

    They are known by the smallest key of theirs that is not a mere name, and another is the smallest now.
    """
    person = pl.col("person_key").alias("cluster")
    sides = [aliases.select("person_kind", person, old=side) for side in ("alias_key", "person_key")]
    members = pl.concat(sides).unique()
    named = members.join(pairs, on="old", how="left").sort(pl.col("domain") == OF_NAMES, "new")
    return named.with_columns(pl.col("new").first().over("cluster").alias("person"))


def _translated(table: Table, keys: list[str], path: Path, pairs: pl.DataFrame) -> pl.DataFrame:
    """A file of the lake with the new pseudonyms."""
    frame = pl.read_parquet(path, hive_partitioning=False)
    of = pairs.select("old", "new")
    for name in keys:
        if name not in frame.columns:
            raise RotationError(f"{table.qualified_name} was written by an earlier version: `le run`, then rotate")
        there = frame.select(old=pl.col(name).cast(pl.String)).join(of, on="old", how="left", maintain_order="left")
        if there["new"].null_count() > there["old"].null_count():
            raise RotationError(
                f"{table.qualified_name} holds keys in {name} that nothing in the vault explains; nothing was changed."
                " `le run` brings tables and vault together, then rotate"
            )
        frame = frame.with_columns(there["new"].alias(name))
    return frame


def _in_its_order(table: Table, frame: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """The rows as a run would have them: pairs with the smaller key on the left, all but canonical tables by key."""
    if table == MATCH:
        frame = decision.in_order(frame)
    if table == ALIAS:
        others = people.filter(pl.col("new") != pl.col("person"))
        frame = others.select("person_kind", alias_key="new", person_key="person").select(frame.columns)
    return frame if table.layer == "canonical" else frame.sort(table.key, nulls_last=True)


def _as_it_is_now(content: Any, changed: Changed) -> Any:
    """A note with the stamps and ids of what has changed in the place of those before."""
    if isinstance(content, (str, list)) and (said := json.dumps(content)) in changed:
        return changed[said]
    if isinstance(content, list):
        return [_as_it_is_now(item, changed) for item in content]
    if isinstance(content, dict):
        return {name: _as_it_is_now(item, changed) for name, item in content.items()}
    return content


def _make_warehouse(home: Home, fresh: Home) -> int:
    """The warehouse with the new pseudonyms; one that is older than the lake is left to the next run."""
    if not build.is_current(home):
        return 0
    rows = build.build(fresh).rows
    build.approve(fresh)
    build.promote(fresh)
    return len(rows)


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
