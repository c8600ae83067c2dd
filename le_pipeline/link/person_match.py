"""Who is who: which keys stand for one person.

Belongs here: names out of the vault, compared in memory; what goes into the lake are pairs of keys with method, weight
and model (`linked.person_match`), the keys that follow from them (`linked.person_alias`), and ids that are at odds with
the names beside them (`linked.identity_conflict`). Does not belong here: how names are compared (`matching`), what a
person decides (`decision`, `review`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline.home import Home
from le_pipeline.link import decision, matching
from le_pipeline.link.conflict import listed_conflicts, own_conflicts
from le_pipeline.link.individual import KINDS, STAFF, Kind, records, scopes, spellings
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.engine import Engine, code_version
from le_pipeline.warehouse.lake import Lake, polars_schema
from schemas import registry
from schemas.registry import Table

MATCH, ALIAS, CONFLICT = (registry.tables()[name] for name in ("person_match", "person_alias", "identity_conflict"))
TABLES = (MATCH, ALIAS, CONFLICT)
NOTE = "people"
FIELDS: dict[str, matching.Kind] = {
    "last_name": "surname",
    "first_name": "given_name",
    "middle_name": "middle_name",
    "birth_date": "birth_date",
    "email": "email",
    "sex": "sex",
    "context": "context",
}
INPUTS = tuple(dict.fromkeys(name for kind in KINDS for name in kind.inputs))


@dataclass(frozen=True)
class PeopleReport:
    """What came of it: rows by table; `is_current` says that nothing had changed, so nothing was done."""

    rows: dict[str, int]
    is_current: bool

    @property
    def waiting(self) -> int:
        """Pairs that somebody has to look at."""
        return self.rows["review"]


def told(pairs: int, conflicts: int) -> list[str]:
    """What to do about pairs that wait for somebody, and about ids at odds with the names beside them."""
    found = {
        f"{pairs:,} pairs of records may be one person: `le review` shows them side by side": pairs,
        f"{conflicts:,} ids or addresses stand beside somebody else's name: linked.identity_conflict says in which"
        " files of which year; ask the sender": conflicts,
    }
    return [text for text, count in found.items() if count]


def resolve(home: Home, keys: Keys) -> PeopleReport:
    """Bring the tables of who is who up to date.

    Raises:
        VaultError: a vault file cannot be opened.
        MatchingError: the comparison failed.
    """
    engine, vault = Engine(home), Vault(home, keys)
    with home.lock("linked.people"):
        made_from = _made_from(engine.lake, vault, keys)
        note = engine.lake.note(NOTE)
        if note and note["from"] == made_from and note["files"] == _stamps(engine.lake):
            return PeopleReport(note["rows"], is_current=True)
        found = [_resolved(engine, vault, kind, scope) for kind in KINDS for scope in scopes(vault, kind)]
        frames = {
            table: pl.concat(frame[table] for frame in found).sort(table.key, nulls_last=True) for table in TABLES
        }
        for table, frame in frames.items():
            _replace(engine.lake, table, frame)
        review = frames[MATCH].filter(pl.col("match_status") == "review").height
        rows = {table.name: frame.height for table, frame in frames.items()} | {"review": review}
        engine.lake.write_note(NOTE, {"from": made_from, "files": _stamps(engine.lake), "rows": rows})
        return PeopleReport(rows, is_current=False)


def is_current(home: Home, keys: Keys) -> bool:
    """Whether doing it again would change nothing."""
    lake = Lake(home.lake)
    note = lake.note(NOTE)
    return bool(note and note["from"] == _made_from(lake, Vault(home, keys), keys) and note["files"] == _stamps(lake))


def _resolved(engine: Engine, vault: Vault, kind: Kind, scope: str | None) -> dict[Table, pl.DataFrame]:
    spelt = spellings(vault, kind, scope)
    decided = decision.decided(vault, kind.name)
    found = matching.match(records(engine, kind, spelt), FIELDS, decided)
    pairs, conflicts = _pairs(found), [own_conflicts(vault, kind, spelt)]
    if kind == STAFF:
        listed, tied = listed_conflicts(engine, spelt, found, decided)
        conflicts.append(listed)
        # whom an id or an address has told, nobody has to be asked about
        is_tied = pl.col("left_key").is_in(tied.implode()) | pl.col("right_key").is_in(tied.implode())
        pairs = pairs.filter((pl.col("match_status") != "review") | ~is_tied | pl.col("match_decision").is_not_null())
    aliases = found.clusters.rename({"key": "alias_key"}).filter(pl.col("alias_key") != pl.col("person_key"))
    return {MATCH: _rows(MATCH, pairs, kind), ALIAS: _rows(ALIAS, aliases, kind), CONFLICT: pl.concat(conflicts)}


def _pairs(found: matching.Matches) -> pl.DataFrame:
    named = {"method": "match_method", "decision": "match_decision"}
    return found.pairs.rename(named).with_columns(model_hash=pl.lit(found.model_hash))


def _rows(table: Table, frame: pl.DataFrame, kind: Kind) -> pl.DataFrame:
    told = frame.with_columns(person_kind=pl.lit(kind.name))
    return told.select(pl.col(name).cast(type_) for name, type_ in polars_schema(table).items())


def _replace(lake: Lake, table: Table, frame: pl.DataFrame) -> None:
    """Write the table unless it is there as it should be: what is made from it is then not made again."""
    # as it lies there: a file of an earlier version may have other columns
    if not any(pl.read_parquet(file, hive_partitioning=False).equals(frame) for file in lake.files(table)):
        lake.write(table, "all", frame)


def _stamps(lake: Lake) -> list[Any]:
    return [lake.stamp(table) for table in TABLES]


def _made_from(lake: Lake, vault: Vault, keys: Keys) -> list[Any]:
    feeds = dict.fromkeys(named.feed for kind in KINDS for named in kind.named)
    identities = [
        [name, vault.stamp(name)]
        for feed in feeds
        for name in (f"{feed}/{partition}.identity" for partition in vault.partitions(feed))
    ]
    tables = [lake.stamp(registry.tables()[name.partition(".")[2]]) for name in INPUTS]
    names = [registry.HERE / "reference" / name for name in ("nickname.csv", "given_name.csv")]
    code = code_version(Path(__file__).parent, *names, *Path(matching.__file__).parent.glob("*.py"))
    return [code, keys.key_id, identities, tables, vault.stamp(decision.FILE)]
