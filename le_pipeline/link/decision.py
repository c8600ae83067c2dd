"""What people have decided about pairs that may be one person; kept in the vault, replayed on every run.

A decision is about two pseudonyms. Beside each stands what the pseudonym was made of (domain, issuer, id), so that the
decisions can be kept when the key is changed: see `rekeyed`.
"""

from __future__ import annotations

import datetime
import getpass

import polars as pl

from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.privacy.vault import Vault

FILE = "review/decisions"
SIDES = ("left", "right")
SCHEMA: dict[str, pl.DataType] = {
    "person_kind": pl.String(),
    **{f"{side}_{what}": pl.String() for side in SIDES for what in ("key", "domain", "issuer", "id")},
    "decision": pl.String(),
    "decided_by": pl.String(),
    "decided_at": pl.Datetime("us"),
}
WORDS = ("yes", "no", "later")


def read(vault: Vault) -> pl.DataFrame:
    """Every decision that stands, one row per pair."""
    return pl.concat([pl.DataFrame(schema=SCHEMA), *vault.read(FILE)])


def decided(vault: Vault, person_kind: str) -> pl.DataFrame:
    """The decisions about one kind of person, the oldest first, as `matching.match` takes them: the latest counts.

    Those of one moment are in the order of their ids, which other keys do not change.
    """
    both = [pl.concat_str(f"{side}_domain", f"{side}_issuer", f"{side}_id", separator="|") for side in SIDES]
    mine = read(vault).filter(pl.col("person_kind") == person_kind)
    in_time = mine.sort("decided_at", pl.min_horizontal(both), pl.max_horizontal(both))
    return in_time.select("left_key", "right_key", "decision")


def keep(vault: Vault, decisions: pl.DataFrame) -> None:
    """Add decisions; a pair that was decided before is decided anew.

    Args:
        vault: where they are kept.
        decisions: the columns of `SCHEMA` without decided_by and decided_at.
    """
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    fresh = decisions.with_columns(decided_by=pl.lit(getpass.getuser()), decided_at=pl.lit(now, pl.Datetime("us")))
    pair = ["left_key", "right_key"]
    kept = read(vault).join(fresh, on=pair, how="anti")
    every = pl.concat([kept, fresh.select(pl.col(name).cast(type_) for name, type_ in SCHEMA.items())])
    with vault.replacing(FILE) as file:
        file.add(in_file_order(every))
        file.keep()


def in_file_order(decisions: pl.DataFrame) -> pl.DataFrame:
    """Decisions in the order in which they are kept."""
    return decisions.sort("left_key", "right_key")


def rekeyed(decisions: pl.DataFrame, keys: Keys) -> pl.DataFrame:
    """The same decisions about the pseudonyms that the keys make."""
    made = decisions
    for side in SIDES:
        of = [f"{side}_domain", f"{side}_issuer"]
        parts = [made.clear()]
        for (domain, issuer), part in made.group_by(of, maintain_order=True):
            key = pseudonyms(part[f"{side}_id"], domain=str(domain), issuer=str(issuer), keys=keys)
            parts.append(part.with_columns(key.alias(f"{side}_key")))
        made = pl.concat(parts)
    return in_order(made)


def in_order(decisions: pl.DataFrame) -> pl.DataFrame:
    """The same with the smaller key of each pair on the left, as pairs are kept."""
    swap = pl.col("left_key") > pl.col("right_key")
    columns = [name.removeprefix("left_") for name in decisions.columns if name.startswith("left_")]
    turned = [
        pl.when(swap).then(pl.col(f"{other}_{name}")).otherwise(pl.col(f"{side}_{name}")).alias(f"{side}_{name}")
        for side, other in (("left", "right"), ("right", "left"))
        for name in columns
    ]
    return decisions.with_columns(turned)
