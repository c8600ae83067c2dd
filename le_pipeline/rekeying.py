"""A home under another key, made beside: which pseudonym becomes which is worked out from the identities in the vault.

Nothing of the home itself is changed here; `rotation` lets the two change places.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.errors import RotationError
from le_pipeline.files import hash_of
from le_pipeline.home import Home
from le_pipeline.ingest.mending import MENDED
from le_pipeline.link import decision
from le_pipeline.link.person_match import ALIAS, MATCH
from le_pipeline.privacy.data_key import DESTROYED
from le_pipeline.privacy.keys import Keys, record
from le_pipeline.privacy.pseudonym import ISSUER, pseudonyms
from le_pipeline.privacy.vault import EXTRACT_CODES, Vault
from le_pipeline.publish import record_code
from le_pipeline.warehouse import build
from le_pipeline.warehouse.lake import Lake, replace
from schemas import registry
from schemas.layout import ANY_ISSUER
from schemas.registry import Table

IDENTITY = ".identity"
PAIR = {"old": pl.String, "new": pl.String, "domain": pl.String}
OF_NAMES = "staff_name"  # the domain of keys that stand for a name on a list, not for somebody with an id
WRITTEN: Any = {"compression": "zstd", "compression_level": 1, "statistics": False}
Counts = dict[str, int]
Changed = dict[str, Any]  # what a note may say of a file, as JSON, and what it has to say from now on


@dataclass(frozen=True)
class Translation:
    """Which pseudonym becomes which: in files (`pairs`), in tables of people (`of_people`); and who has several."""

    pairs: pl.DataFrame
    of_people: pl.DataFrame
    people: pl.DataFrame


def make(home: Home, fresh: Home, old: Keys, new: Keys) -> Counts:
    """Make vault, lake and warehouse of a home in another one, under other keys and new data keys.

    Returns:
        Counts: pseudonyms (`keys`), tables and rows of the lake that hold some, vault files, decisions, codes of
        extracts, those of them that are gone because nothing in the vault explains them any more, files of mended rows,
        and tables of the warehouse.

    Raises:
        RotationError: the lake holds a key that nothing in the vault explains, or a folder's group cannot be kept.
        VaultError, AuditError: the vault or its log cannot be opened with the old key.
    """
    _make_folders(home, fresh)
    record(fresh, new)
    counts: Counts = {}
    changed: Changed = {json.dumps(old.key_id): new.key_id}
    before, after = Vault(home, old), Vault(fresh, new)
    pairs = _make_vault(before, after, (old, new), changed, counts)
    people = _people(Lake(home.lake).read(ALIAS), pairs)
    of_people = pairs.select("old", "new").update(people.select(old="cluster", new="person").unique(), on="old")
    _make_codes(before, after, of_people, counts)
    _make_lake(Lake(home.lake), Lake(fresh.lake), Translation(pairs, of_people, people), changed, counts)
    return counts | {"warehouse_tables": _make_warehouse(home, fresh)}


def _make_folders(home: Home, fresh: Home) -> None:
    """The folders that change places, for whom those before are; and the profile that the warehouse is built by."""
    home.create()
    for there in (home.vault, home.lake, home.warehouse.parent):
        here, known = fresh.root / there.name, there.stat()
        here.mkdir(parents=True, mode=0o700)
        try:
            os.chown(here, -1, known.st_gid)
        except PermissionError:
            raise RotationError(
                f"{there} belongs to a group that you are not in, so that it cannot be made anew; nothing was changed."
                " Rotate as the account that runs the pipeline"
            ) from None
        here.chmod(stat.S_IMODE(known.st_mode))  # last: a change of group takes the set-group-id bit away
    if home.warehouse_profile.exists():
        shutil.copy2(home.warehouse_profile, fresh.warehouse_profile)


def _make_vault(before: Vault, after: Vault, keys: tuple[Keys, Keys], changed: Changed, counts: Counts) -> pl.DataFrame:
    """Every vault file but codes, under new data keys; returns which pseudonym (`old`) becomes which (`new`)."""
    after.audit.take_over(before.audit)
    for ended in sorted((before.root / "keys").glob(f"*{DESTROYED}")):
        (after.root / "keys").mkdir(exist_ok=True, mode=0o700)
        shutil.copy2(ended, after.root / "keys")
    pairs = [pl.DataFrame(schema=PAIR)]
    names = before.names("")
    for name in names:
        if name.startswith(f"{EXTRACT_CODES}/"):
            continue
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


def _make_codes(before: Vault, after: Vault, of_people: pl.DataFrame, counts: Counts) -> None:
    """Sealed codes of extracts, of the people as they are now; those of whom nobody knows any more go."""
    counts |= {"codes": 0, "lost_codes": 0}
    for name in before.names(""):
        if not name.startswith(f"{EXTRACT_CODES}/"):
            continue
        sealed = pl.concat([pl.DataFrame(schema=record_code.SEALED), *before.read(name)])
        made = record_code.rekeyed(sealed, of_people)
        with after.replacing(name, before.agreement(name)) as file:
            file.add(made)
            file.keep()
        counts["codes"] += made.height
        counts["lost_codes"] += sealed.height - made.height


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


def _make_lake(before: Lake, after: Lake, to: Translation, changed: Changed, counts: Counts) -> None:
    """Every table with the new pseudonyms, and the notes of what each was made from, which hold as they did."""
    counts |= {"keys": to.pairs.height, "tables": 0, "rows": 0}
    for table in registry.tables().values():
        keys = [column.name for column in table.columns if column.field.type == "key"]
        for path in before.files(table):
            target = after.root / path.relative_to(before.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            if keys:
                is_of_people = table.layer != "canonical" and table != MATCH
                frame = _translated(table, keys, path, to.of_people if is_of_people else to.pairs)
                frame = _in_its_order(table, frame, to.people)
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
