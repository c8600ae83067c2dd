"""Pairs that may be one person, shown to somebody side by side from the vault, and what they decide.

Every look is put on record. A decision is replayed on every run; it takes effect with the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import xlsxwriter

from le_pipeline.errors import ReviewError
from le_pipeline.home import Home
from le_pipeline.link import decision
from le_pipeline.link.individual import KINDS, NAMES, Kind, occurrences
from le_pipeline.link.person_match import ALIAS, MATCH
from le_pipeline.privacy import handout
from le_pipeline.privacy.keys import Keys
from le_pipeline.privacy.pseudonym import ISSUER, pseudonyms
from le_pipeline.privacy.vault import Vault
from le_pipeline.warehouse.engine import Engine
from le_pipeline.warehouse.lake import Lake

SHOWN = (*NAMES, "email", "id", "found_in", "schools")
PAIR = ["left_key", "right_key"]
WHY = ["person_kind", "match_probability", "review_reason", "evidence"]
SIDES = {"left": "A", "right": "B"}
WIDTH = 18
PURPOSE = "say which records are of one person"
NOT_KNOWN = "no such pair waits, or has been decided, any more"


@dataclass(frozen=True)
class Pair:
    """Two keys that may be one person; `left` and `right` are what is known of each, by field: for eyes only."""

    about: dict[str, Any]
    left: dict[str, str]
    right: dict[str, str]

    def decided(self, word: str) -> pl.DataFrame:
        """A decision about the pair, as `Reviewer.decide` takes it."""
        return pl.DataFrame({**{name: [self.about[name]] for name in PAIR}, "decision": [word]})


def waiting(home: Home) -> pl.DataFrame:
    """The rows of `linked.person_match` that somebody has to look at: those put off come last, likely ones first."""
    pairs = Lake(home.lake).read(MATCH).filter(pl.col("match_status") == "review")
    return pairs.sort(
        pl.col("match_decision").is_not_null(), "person_kind", "match_probability", *PAIR,
        descending=[False, True, True, False, False],
    )  # fmt: skip


def require_made(home: Home) -> None:
    """Stop where it has not been worked out yet who is who.

    Raises:
        ReviewError: no run has done so since the tables were last taken away.
    """
    if not Lake(home.lake).files(MATCH):
        raise ReviewError("who is who has not been worked out yet: run `le run` first")


class Reviewer:
    """What is known of the keys of pairs, out of the vault; and the place where decisions are kept."""

    def __init__(self, home: Home, keys: Keys) -> None:
        self.home = home
        self._keys = keys
        self.vault = Vault(home, keys)

    def pairs(self, rows: pl.DataFrame) -> list[Pair]:
        """The pairs with what is known of both sides.

        Args:
            rows: of `linked.person_match`.
        """
        known: dict[str, dict[str, str]] = {}
        for kind in KINDS:
            mine = rows.filter(pl.col("person_kind") == kind.name)
            keys = pl.concat([mine["left_key"], mine["right_key"]]).unique()
            known |= self.known(kind, keys) if keys.len() else {}
        nothing = dict.fromkeys(SHOWN, "")
        return [
            Pair(row, known.get(row["left_key"], nothing), known.get(row["right_key"], nothing))
            for row in rows.iter_rows(named=True)
        ]

    def looked_at(self, pair: Pair) -> None:
        """Put on record that somebody has seen the pair."""
        self.vault.log("review look", PURPOSE, left_key=pair.about["left_key"], right_key=pair.about["right_key"])

    def decide(self, decisions: pl.DataFrame) -> int:
        """Keep decisions.

        Args:
            decisions: left_key, right_key, decision (yes, no, later).

        Returns:
            How many.

        Raises:
            ReviewError: a pair is not one that waits or was decided; nothing is kept.
        """
        rows = Lake(self.home.lake).read(MATCH).select("person_kind", *PAIR)
        found = decisions.join(rows, on=PAIR, how="left", maintain_order="left")
        unknown = found["person_kind"].is_null().arg_true()
        if unknown.len():
            raise ReviewError(f"{unknown.len()} of the decisions (the first is number {unknown[0] + 1}): {NOT_KNOWN}")
        made_of = self._made_of(found)
        for side in SIDES:
            of = made_of.rename({name: f"{side}_{name}" for name in made_of.columns})
            found = found.join(of, on=f"{side}_key", how="left", maintain_order="left")
        self._one_person_a_name(found)
        if found.select("left_id", "right_id").null_count().sum_horizontal()[0]:
            raise ReviewError("a key of a pair is no longer in the vault; run `le run`, then decide again")
        self.vault.log("review decisions", PURPOSE, **dict(found["decision"].value_counts().iter_rows()))
        decision.keep(self.vault, found)
        return found.height

    def _one_person_a_name(self, found: pl.DataFrame) -> None:
        """A name on a list is one person's, so that two yes about it that name two people cannot both be right."""
        sides = [
            found.filter(pl.col("decision") == "yes", pl.col(f"{one}_domain") == "staff_name").select(
                name=f"{one}_key", key=f"{other}_key"
            )
            for one, other in (("left", "right"), ("right", "left"))
        ]
        aliases = Lake(self.home.lake).read(ALIAS).select(key="alias_key", person="person_key")
        people = (
            pl.concat(sides).join(aliases, on="key", how="left").with_columns(pl.col("person").fill_null(pl.col("key")))
        )
        twice = people.group_by("name").agg(pl.col("person").n_unique()).filter(pl.col("person") > 1)
        if twice.height:
            raise ReviewError(
                f"{twice.height} names on lists are said to be two people; say yes to one of them, and no to the other."
                " Nothing was taken"
            )

    def export(self, target: Path) -> int:
        """Write what waits into a workbook (mode 0600) with a column for the decision; the look is logged.

        Returns:
            How many pairs.

        Raises:
            ReviewError: nothing waits.
            HandoutError: the target lies where names must not be.
        """
        require_made(self.home)
        pairs = self.pairs(waiting(self.home))
        if not pairs:
            raise ReviewError("no pair waits for review")
        handout.make_room(self.home, target)
        self.vault.log("review export", PURPOSE, pairs=len(pairs))
        for pair in pairs:
            self.looked_at(pair)
        _write(pairs, target)
        return len(pairs)

    def known(self, kind: Kind, keys: pl.Series) -> dict[str, dict[str, str]]:
        """For each key what its records say, field by field, each thing once."""
        engine = Engine(self.home)
        with engine.connection(kind.inputs) as con:
            places = con.sql(kind.contexts).pl().filter(pl.col("key").is_in(keys.implode()))
        schools = (
            places.filter(pl.col("place").is_not_null())
            .sort("school_year", "place")
            .group_by("key")
            .agg(pl.format("{} ({})", "place", "school_year").str.join(", ").alias("schools"))
        )
        found_in = pl.format("{} {}-{}", "feed", "state", "school_year").alias("found_in")
        values = pl.col(*NAMES, "email", "id", "found_in").cast(pl.String).drop_nulls()
        told = (
            occurrences(self.vault, kind, keys)
            .with_columns(found_in)
            .group_by("key")
            .agg(values.unique().sort().str.join(" / "))
            .join(schools, on="key", how="left")
        )
        return {row["key"]: {name: row[name] or "" for name in SHOWN} for row in told.iter_rows(named=True)}

    def _made_of(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """What keys were made of (key, domain, issuer, id), so that they can be made again with another master key."""
        found = [pl.DataFrame(schema=dict.fromkeys(("key", "domain", "issuer", "id"), pl.String))]
        for kind in KINDS:
            about = pairs.filter(pl.col("person_kind") == kind.name)
            if about.is_empty():
                continue
            keys = pl.concat([about["left_key"], about["right_key"]]).unique()
            mine = occurrences(self.vault, kind, keys)
            for (domain, issuer), part in mine.group_by("domain", ISSUER, maintain_order=True):
                made = pseudonyms(part["id"], domain=str(domain), issuer=str(issuer), keys=self._keys)
                found.append(part.filter(made == part["key"]).select("key", "domain", ISSUER, "id"))
        return pl.concat(found).unique("key", keep="first", maintain_order=True)


def read_decisions(source: Path) -> pl.DataFrame:
    """The decisions of an exported workbook, or of a CSV file with left_key, right_key and decision.

    Raises:
        HandoutError: the workbook cannot be opened, or holds formulas.
        ReviewError: it cannot be opened, lacks a column, or says something else than yes, no or later.
    """
    try:
        if source.suffix.lower() == ".csv":
            with source.open(encoding="utf-8", errors="replace") as file:
                separator = ";" if file.readline().count(";") else ","  # as Excel writes it in many countries
            rows = pl.read_csv(source, infer_schema=False, separator=separator, encoding="utf8-lossy")
        else:
            rows = handout.read_back(source)[0]
    except (pl.exceptions.PolarsError, OSError):
        raise ReviewError(
            f"{source.name} cannot be opened; give the workbook that was exported, or a CSV file"
        ) from None
    lacking = [name for name in (*PAIR, "decision") if name not in rows.columns]
    if lacking:
        raise ReviewError(
            f"{source.name} lacks the column {' and '.join(lacking)}; leave the columns as they were exported"
        )
    said = pl.col("decision").str.strip_chars().str.to_lowercase()
    given = rows.with_row_index("row", offset=2).with_columns(said).filter(said.fill_null("") != "")
    wrong = given.filter(~pl.col("decision").is_in(decision.WORDS))
    if wrong.height:
        raise ReviewError(
            f"{source.name} row {wrong['row'][0]}: a decision is {', '.join(decision.WORDS)}, or empty"
            f" ({wrong.height} rows say something else); nothing was taken"
        )
    keys = [pl.col(name).str.strip_chars() for name in PAIR]
    given = decision.in_order(given.select(*keys, "decision"))
    twice = given.filter(pl.col("decision").n_unique().over(PAIR) > 1)
    if twice.height:
        raise ReviewError(f"{source.name} says different things of one pair in {twice.height} rows; nothing was taken")
    return given.unique(PAIR, maintain_order=True)


def _write(pairs: list[Pair], target: Path) -> None:
    both = [f"{name.replace('_', ' ')} {sign}" for name in SHOWN for sign in SIDES.values()]
    titles = ["decision", *WHY, *both, *PAIR]
    with xlsxwriter.Workbook(target, {"strings_to_numbers": False, "strings_to_formulas": False}) as book:
        as_text = book.add_format({"num_format": "@", "text_wrap": True, "valign": "top"})
        head = book.add_format({"bold": True})
        sheet = book.add_worksheet("Pairs")
        for column, title in enumerate(titles):
            sheet.write_string(0, column, title, head)
        for line, pair in enumerate(pairs, start=1):
            why = ["" if pair.about[name] is None else str(pair.about[name]) for name in WHY]
            sides = [side[name] for name in SHOWN for side in (pair.left, pair.right)]
            values = [pair.about["match_decision"] or "", *why, *sides, *(pair.about[name] for name in PAIR)]
            for column, value in enumerate(values):
                sheet.write_string(line, column, value, as_text)
        sheet.data_validation(1, 0, len(pairs), 0, {"validate": "list", "source": list(decision.WORDS)})
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, len(titles) - 1, WIDTH)
