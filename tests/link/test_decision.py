"""Decisions about pairs are kept in the vault; the last one counts, and another key changes none."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from le_pipeline.home import Home
from le_pipeline.link import decision
from le_pipeline.privacy.keys import Keys, new_keys
from le_pipeline.privacy.pseudonym import pseudonyms
from le_pipeline.privacy.vault import Vault


def decided(keys: Keys, left: str, right: str, word: str) -> pl.DataFrame:
    """A decision about two students of Louisiana."""
    row: dict[str, object] = {"person_kind": "student", "decision": word}
    for side, given in (("left", left), ("right", right)):
        (key,) = pseudonyms(pl.Series([given]), domain="student", issuer="LA", keys=keys)
        row |= {f"{side}_key": key, f"{side}_domain": "student", f"{side}_issuer": "LA", f"{side}_id": given}
    return decision.in_order(pl.DataFrame([row]))


def test_the_last_decision_about_a_pair_counts(home: Home, keys: Keys) -> None:
    vault = Vault(home, keys)
    decision.keep(vault, decided(keys, "A1", "B1", "no"))
    decision.keep(vault, decided(keys, "A2", "B2", "later"))
    decision.keep(vault, decided(keys, "B1", "A1", "yes"))
    kept = decision.decided(vault, "student")
    assert sorted(kept["decision"]) == ["later", "yes"]
    assert (kept["left_key"] < kept["right_key"]).all()
    assert decision.decided(vault, "staff").is_empty()


def test_decisions_are_handed_over_in_the_order_of_time_whatever_the_key_is(home: Home, keys: Keys) -> None:
    vault = Vault(home, keys)
    words = ["no", "later", "yes", "later", "no", "yes"]
    for number, word in enumerate(words):
        decision.keep(vault, decided(keys, f"A{number}", f"B{number}", word))
    assert decision.decided(vault, "student")["decision"].to_list() == words


def test_another_key_changes_the_pseudonyms_and_no_decision(home: Home, keys: Keys, tmp_path: Path) -> None:
    other = new_keys(tmp_path / "other.key", home)
    mine = pl.concat(decided(keys, f"A{n}", f"B{n}", "yes") for n in range(20))
    theirs = decision.rekeyed(mine, other)
    expected = pl.concat(decided(other, f"A{n}", f"B{n}", "yes") for n in range(20))
    assert theirs.sort("left_key").equals(expected.sort("left_key"))


def test_who_decided_and_when_is_kept(home: Home, keys: Keys) -> None:
    vault = Vault(home, keys)
    decision.keep(vault, decided(keys, "A1", "B1", "no"))
    (row,) = decision.read(vault).rows(named=True)
    assert row["decided_by"] and row["decided_at"]
