"""The destruction of what an agreement covers, step by step.

It goes forward only. A tombstone beside the data keys says what is to be destroyed before anything is, so that what was
cut off is finished by whoever comes next; from then on nothing of the agreement's landing folders is read.
"""

from __future__ import annotations

import datetime
import getpass
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from le_pipeline import certificate
from le_pipeline.errors import DestructionError
from le_pipeline.files import hash_of
from le_pipeline.home import Home, Partition
from le_pipeline.ingest import record
from le_pipeline.link import decision
from le_pipeline.privacy.data_key import DESTROYED
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.vault import EXTRACT_CODES, OF_NO_FOLDER, REVIEW, SUFFIX, Vault
from le_pipeline.publish import record_code
from le_pipeline.warehouse.lake import Lake, replace
from schemas import registry
from schemas.agreement import Agreement

IDENTITY = ".identity"
OF_NO_PERSON = ("section", "staff_email")  # domains of keys that stand for something else
# what lies in the vault about people of any agreement: its columns, and those that say whom it is about
ABOUT: dict[str, tuple[dict[str, pl.DataType], list[str]]] = {
    REVIEW: (decision.SCHEMA, ["left_key", "right_key"]),
    EXTRACT_CODES: (record_code.SEALED, ["key"]),
}
Tombstone = dict[str, Any]


def tombstones(home: Home) -> list[Tombstone]:
    """What is on record of every destruction, done or under way."""
    found = sorted((home.vault / "keys").glob(f"*{DESTROYED}"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


def unfinished(home: Home) -> list[Tombstone]:
    """What was begun to be destroyed and has no certificate yet."""
    return [stone for stone in tombstones(home) if not stone["certificate"]]


def begin(home: Home, keys: Keys, name: str, purpose: str) -> None:
    """Put on record what is to be destroyed. From here on it is, whatever happens."""
    agreements = home.all_agreements()
    if name not in agreements:
        raise DestructionError(
            f"there is no agreement {name} in {home.agreements}; there are: {', '.join(agreements) or 'none'}"
        )
    agreement, vault, lake = agreements[name], Vault(home, keys), Lake(home.lake)
    names = _files_of(vault, name)
    parts = [(table.qualified_name, path) for table, path in _parts(lake, agreement)]
    _, dropped, people = _left(vault, names)
    rows: dict[str, int] = {}
    in_lake = []
    for table, path in parts:
        height = int(pl.scan_parquet(path).select(pl.len()).collect().item())
        rows[table] = rows.get(table, 0) + height
        in_lake.append({"path": _told(home, path), "sha256": hash_of(path), "table": table, "rows": height})
    in_vault = [
        {"path": _told(home, path), "sha256": hash_of(path), "bytes": path.stat().st_size}
        for path in map(vault.path, names)
    ]
    counts = {"vault_files": len(in_vault), "lake_files": len(in_lake), "rows": sum(rows.values())}
    about_people = {"decisions": dropped[REVIEW], "codes": dropped[EXTRACT_CODES]}
    entry = vault.log("destroy agreement", purpose, agreement=name, **counts, **about_people)
    stone = {
        "agreement": agreement.model_dump(mode="json"), "purpose": purpose, "by": getpass.getuser(),
        "begun": entry["at"], "is_without_people": False, "erased": None, "certificate": None, "key_id": keys.key_id,
        "audit_entry": {"number": entry["number"], "hash": entry["hash"]},
        "vault": in_vault, "lake": in_lake, "rows": rows, "people": people, **about_people,
    }  # fmt: skip
    _keep_tombstone(home, stone)


def carry_out(home: Home, keys: Keys, name: str) -> None:
    """Destroy what the tombstone lists; what is gone already is passed over."""
    (stone,) = [each for each in tombstones(home) if name_of(each) == name]
    vault, lake = Vault(home, keys), Lake(home.lake)
    if not stone["is_without_people"]:  # without the key nobody can tell any more whom decisions and codes are about
        _drop_people(vault, [_vault_name(home, each["path"]) for each in stone["vault"]])
        stone |= {"is_without_people": True}
        _keep_tombstone(home, stone)
    vault.data_keys.erase(name)
    for each in (*stone["vault"], *stone["lake"]):
        (home.root / each["path"]).unlink(missing_ok=True)
    agreement = Agreement.model_validate(stone["agreement"])
    for part in lake.files(record.TABLE):
        _withdraw(lake, part, agreement)
    for note in lake.note_names():
        folder, _, rest = note.partition("/")
        if folder == "ingest" and _covers(agreement, Partition.parse(rest.partition(".")[2])):
            lake.forget_note(note)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    _keep_tombstone(home, stone | {"erased": stone["erased"] or now})


def certify(home: Home, keys: Keys) -> list[Path]:
    """Write the certificates of what has been destroyed; for `line.certify`, when every table has been made anew.

    Returns:
        The certificates that were written.
    """
    written = []
    for stone in unfinished(home):
        if not stone["erased"]:
            continue
        path = certificate.write(home, keys, stone, _landed(home, stone))
        Vault(home, keys).log(
            "certificate of destruction", stone["purpose"], agreement=name_of(stone), certificate=path.name,
            sha256=hash_of(path),
        )  # fmt: skip
        _keep_tombstone(home, stone | {"certificate": str(path.relative_to(home.root))})
        written.append(path)
    return written


def name_of(stone: Tombstone) -> str:
    """The agreement that a tombstone is of."""
    return str(stone["agreement"]["agreement"])


def _parts(lake: Lake, agreement: Agreement) -> Iterable[tuple[registry.Table, Path]]:
    """The files of canonical tables that the agreement's landing folders alone have given."""
    first, last = agreement.covers.school_years
    years = range(first, last + 1)
    for table in registry.tables().values():
        if table.layer != "canonical" or table == record.TABLE:
            continue
        for path in lake.files(table):
            if f"state={agreement.covers.state}" not in path.parts:
                continue
            is_landed = path.stem in {f"landed_{year}" for year in years}
            is_of_year = path.parent.name in {f"school_year={year}" for year in years}
            if is_landed if table.feed else is_of_year:
                yield table, path


def _withdraw(lake: Lake, part: Path, agreement: Agreement) -> None:
    """Files of the agreement stay on record, as withdrawn."""
    files = lake.remembered(record.TABLE, [part])
    here = files.select("state", "school_year").unique().rows()
    if not any(agreement.covers.has(state, year) for state, year in here):
        return
    told = files.with_columns(
        delivery_status=pl.lit("withdrawn"),
        delivery_reason=pl.lit(f"the data of the agreement {agreement.agreement} were destroyed"),
    )
    state, year = here[0]
    lake.write(record.TABLE, part.stem, told, state, year)


def _files_of(vault: Vault, name: str) -> list[str]:
    """The vault files of an agreement: those that say so, and of an earlier version those that it covers."""
    return [each for each in vault.names("") if (vault.agreement(each) or vault.belongs_to(each)) == name]


def _left(vault: Vault, names: list[str]) -> tuple[dict[str, pl.DataFrame], dict[str, int], int]:
    """Decisions and codes of extracts, by vault file, without people whom only these vault files know.

    Returns:
        What is left, how many rows go of each folder, and how many such people there are.
    """
    mine = _people(vault, (name for name in names if name.endswith(IDENTITY)))
    others = _people(vault, (name for name in vault.names(IDENTITY) if name not in names))
    gone = mine.join(others, on="key", how="anti")["key"]
    left, dropped = {}, dict.fromkeys(OF_NO_FOLDER, 0)
    for name in vault.names(""):
        folder = name.partition("/")[0]
        if folder in OF_NO_FOLDER:
            schema, columns = ABOUT[folder]
            frame = pl.concat([pl.DataFrame(schema=schema), *vault.read(name)])
            left[name] = frame.filter(~pl.any_horizontal(pl.col(columns).is_in(gone.implode())))
            dropped[folder] += frame.height - left[name].height
    return left, dropped, gone.len()


def _people(vault: Vault, names: Iterable[str]) -> pl.DataFrame:
    found = [pl.DataFrame(schema={"key": pl.String})]
    for name in names:
        keys = [each.name for each in registry.feeds()[name.partition("/")[0]].columns if each.field.of]
        keys = [key for key in keys if registry.field_of(key).domain not in OF_NO_PERSON]
        found += [
            frame.select(pl.col(key).alias("key")).drop_nulls().unique()
            for frame in vault.read(name)
            for key in keys
            if key in frame.columns
        ]
    return pl.concat(found).unique()


def _drop_people(vault: Vault, names: list[str]) -> None:
    """Write decisions and codes that stay under new data keys and erase the old ones, so that no copy of them opens."""
    left, dropped, _ = _left(vault, [name for name in names if vault.path(name).exists()])
    for folder in OF_NO_FOLDER:
        files = [name for name in left if name.startswith(f"{folder}/")]
        if dropped[folder] or len(_data_keys_of(vault, files)) > 1:  # several: cut off half way
            data_key = vault.next_of(folder)
            for name in files:
                with vault.replacing(name, data_key) as file:
                    file.add(left[name])
                    file.keep()
        for data_key in vault.data_keys.names() if files else ():
            if data_key.startswith(f"{folder}.") and data_key not in _data_keys_of(vault, files):
                vault.data_keys.erase(data_key)


def _data_keys_of(vault: Vault, names: list[str]) -> set[str | None]:
    return {vault.agreement(name) for name in names}


def _landed(home: Home, stone: Tombstone) -> list[str]:
    agreement = Agreement.model_validate(stone["agreement"])
    covered = [partition for partition in home.partitions() if _covers(agreement, partition)]
    return [str(path) for partition in covered for path in home.files(partition)]


def _covers(agreement: Agreement, partition: Partition) -> bool:
    return agreement.covers.has(partition.state, partition.school_year)


def _keep_tombstone(home: Home, stone: Tombstone) -> None:
    path = home.vault / "keys" / f"{name_of(stone)}{DESTROYED}"
    replace(path, lambda beside: beside.write_text(json.dumps(stone, indent=2), encoding="utf-8"))


def _told(home: Home, path: Path) -> str:
    return path.relative_to(home.root).as_posix()


def _vault_name(home: Home, path: str) -> str:
    return (home.root / path).relative_to(home.vault).as_posix().removesuffix(SUFFIX)
