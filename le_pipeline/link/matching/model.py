"""Which keys stand for the same person: exact name and birth date first, then by weight of evidence, one to one.

Frames in, frames out. The work is Splink's on DuckDB, in memory. What is compared and how much it says is in
`comparisons` and `frequency`, which pairs are looked at in `blocking`, who belongs together in `clustering`.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import duckdb
import polars as pl

from le_pipeline.errors import MatchingError
from le_pipeline.link.matching.blocking import blocked
from le_pipeline.link.matching.clustering import components
from le_pipeline.link.matching.comparisons import Comparison
from le_pipeline.link.matching.evidence import judged
from le_pipeline.link.matching.learning import learned, reweighed
from le_pipeline.link.matching.outcome import ACCEPT, CERTAIN, EXACT, GUESS, MARGIN, NODES, REVIEW, outcome, people_of
from le_pipeline.link.matching.people import RECORDS, columns_of, gathered, people
from le_pipeline.link.matching.prior import FEW, agreeing, allowed_comparisons, expected_matches
from le_pipeline.link.matching.scoring import PEOPLE, database, modelled, put, quiet
from le_pipeline.link.matching.spelling import Columns, Kind

MOST_FOUND = 0.95
ANCHOR = ("given_name_0", "surname_0", "birth_date_0")

PAIRS: dict[str, type[pl.DataType]] = {
    "left_key": pl.String,
    "right_key": pl.String,
    "method": pl.String,
    "match_probability": pl.Float64,
    "match_weight": pl.Float64,
    "margin_weight": pl.Float64,
    "match_status": pl.String,
    "review_reason": pl.String,
    "decision": pl.String,
    "evidence": pl.String,
}
DECISIONS = ("left_key", "right_key", "decision")


@dataclass(frozen=True)
class Matches:
    """What was found.

    Args:
        pairs: one row per pair of keys that is at least as likely one person as not, or decided, or the best guess for
            a mere name that has none; left_key < right_key.
            match_weight in bits, log2 of the odds; margin_weight in bits, null without rival; review_reason is null
            where match_status is accepted; evidence names levels of agreement and never a value.
        clusters: key and person_key, the smallest known key of its cluster; keys that are alone are left out.
        model_hash: 16 hex digits over everything that decides.
    """

    pairs: pl.DataFrame
    clusters: pl.DataFrame
    model_hash: str


def match(records: pl.DataFrame, fields: dict[str, Kind], decisions: pl.DataFrame | None = None) -> Matches:
    """Find the keys that stand for one person.

    What becomes of known keys among each other does not depend on any mere name.

    Args:
        records: one row per spelling of a person: `key`; `lists`, names of the lists that have the key; `is_known`,
            false where the key is only a name on a list; and the columns of `fields`.
        fields: the columns to compare, and what each of them is.
        decisions: what people have decided, the oldest first: `left_key`, `right_key`, `decision` (yes, no, later).

    Raises:
        MatchingError: a column is missing or of another type, or the matching engine failed.
    """
    columns = columns_of(records, fields)
    with quiet(), database() as connection:
        rows = people(records, columns)
        return _settled_and_named(connection, rows, columns, decisions)


def match_lists(left: pl.DataFrame, right: pl.DataFrame, fields: dict[str, Kind]) -> Matches:
    """Match two lists, each with a `key` and the columns of `fields`; nobody stands twice in one of them.

    In the pairs, left_key is of the left list and right_key of the right one. In the clusters, keys begin with `left/`
    or `right/`, since both lists may use the same ones.

    Raises:
        MatchingError: a column is missing or of another type, or the matching engine failed.
    """
    sides = []
    for name, side in (("left", left), ("right", right)):
        if missing := {"key", *fields} - set(side.columns):
            raise MatchingError(f"the {name} list lacks {', '.join(sorted(missing))}")
        key = pl.lit(f"{name}/") + pl.col("key").cast(pl.String)
        told = (key.alias("key"), pl.lit([name]).alias("lists"), pl.lit(value=True).alias("is_known"))
        sides.append(side.select(*told, *(name for name in fields if name not in RECORDS)))  # `match` refuses those
    found = match(pl.concat(sides, how="vertical_relaxed"), fields)
    keys = (pl.col("left_key").str.strip_prefix("left/"), pl.col("right_key").str.strip_prefix("right/"))
    return Matches(found.pairs.with_columns(keys), found.clusters, found.model_hash)


def _settled_and_named(
    connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, columns: Columns, decisions: pl.DataFrame | None
) -> Matches:
    """Known keys among each other first, then whom each mere name is of."""
    known = rows.filter("is_known")
    among_known = _decided(decisions, known)
    first = _Matching(connection, known, columns, among_known, components(among_known.clear()))
    settled = first.matches()
    if known.is_empty() or known.height == rows.height:
        return settled
    about_names = _decided(decisions, rows).join(among_known, on=NODES, how="anti", maintain_order="left")
    rows = rows.with_columns(is_settled="is_known")
    named = _Matching(connection, rows, columns, about_names, first.joined).matches()
    model_hash = hashlib.sha256((settled.model_hash + named.model_hash).encode()).hexdigest()[:16]
    pairs = pl.concat([settled.pairs, named.pairs]).sort("left_key", "right_key")
    return Matches(pairs, named.clusters, model_hash)


def _decided(decisions: pl.DataFrame | None, rows: pl.DataFrame) -> pl.DataFrame:
    """The last word on each pair of keys that are there, the oldest first: left_node < right_node, decision.

    Raises:
        MatchingError: a column is missing.
    """
    if decisions is None:
        return pl.DataFrame(schema={"left_node": pl.Int64, "right_node": pl.Int64, "decision": pl.String})
    if missing := set(DECISIONS) - set(decisions.columns):
        raise MatchingError(f"decisions lack {', '.join(sorted(missing))}")
    if set(decisions["decision"]) - {"yes", "no", "later"}:
        raise MatchingError("a decision is yes, no or later")
    number = rows.select("key", "node").unique()
    for side in ("left", "right"):
        named = number.rename({"key": f"{side}_key", "node": f"{side}_node"})
        decisions = decisions.join(named, on=f"{side}_key", maintain_order="left")
    ordered = decisions.select(
        pl.min_horizontal(NODES).alias("left_node"), pl.max_horizontal(NODES).alias("right_node"), "decision"
    )
    ordered = ordered.filter(pl.col("left_node") != pl.col("right_node"))
    return ordered.unique(NODES, keep="last", maintain_order=True)


class _Matching:
    """One matching, step by step.

    Args:
        connection: a database of its own.
        rows: of people.
        columns: what is compared.
        decided: what people have decided, the oldest first.
        joined: node and cluster, of keys that are one person before; in the end, of all that are.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        rows: pl.DataFrame,
        columns: Columns,
        decided: pl.DataFrame,
        joined: pl.DataFrame,
    ) -> None:
        self.connection, self.columns, self.decided, self.joined = connection, columns, decided, joined
        self.rows, self.scorer = modelled(connection, rows, columns)
        self.keys = rows.select("node", "key", "lists", "is_known", "is_settled").unique("node", maintain_order=True)
        self.expected, agreeing_ones = expected_matches(connection, self.rows, self.scorer.compared, self.scorer.found)
        self.found_share = min(2 * agreeing_ones / max(self.keys.height, 1), MOST_FOUND)
        self.prior = self._prior(self.expected)

    def matches(self) -> Matches:
        """The pairs and clusters."""
        exact = self._exact()
        standing = self._standing()
        before = self.joined.select(pl.col("cluster").alias(NODES[0]), pl.col("node").alias(NODES[1]))
        yes = pl.concat([before, standing.filter(decision="yes").select(NODES)])
        sure = self._sure(exact, yes, standing)
        joined = components(pl.concat([sure.select(NODES), yes]))
        decided = self._scored(self.decided.select(NODES))  # while each key stands for itself
        rest, rules = blocked(gathered(self.rows, joined), self.columns)
        put(self.connection, PEOPLE, rest)
        prior = self._prior(max(self.expected - sure.height, 1.0))
        shift = _weight(prior) - _weight(self.prior)
        before = exact.join(sure, on=NODES, how="anti", maintain_order="left")
        before = pl.concat([before, decided], how="diagonal")
        before = before.with_columns(pl.col("match_weight") + shift)
        least = 0.0 if self.keys["is_known"].all() else GUESS
        likely = before.clear()
        if rules:
            likely = self._best(judged(self.scorer.of_rules(rules, prior, least), self.scorer.compared))
        pairs = pl.concat([before, likely], how="diagonal").unique(NODES, keep="first", maintain_order=True)
        pairs = pairs.join(sure, on=NODES, how="anti", maintain_order="left")
        sure = sure.join(exact, on=NODES, maintain_order="left")
        sure = sure.join(self.decided, on=NODES, how="left", maintain_order="left")
        compared = self.scorer.compared
        certain = (pl.col("match_weight") >= CERTAIN) & pl.col("held_back").is_null()
        after = learned(compared, pl.concat([sure, pairs.filter(certain)], how="diagonal"))
        pairs = reweighed(pairs, compared, after)
        settled_pairs = outcome(self.keys, joined, self.decided, standing, pairs)
        sure = sure.with_columns(method=pl.lit(EXACT), match_status=pl.lit("accepted"))
        told = pl.concat([sure, settled_pairs], how="diagonal")
        return Matches(self._told(told), self._clusters(told, yes), self._hash(after, prior))

    def _prior(self, expected: float) -> float:
        """Share of one person's pairs among those that the lists allow; of a handful it is one in `FEW` at most."""
        comparisons = allowed_comparisons(self.connection)
        return min(max(expected, 1.0), comparisons + 1) / (comparisons + FEW)

    def _best(self, scored: pl.DataFrame) -> pl.DataFrame:
        """Of the spellings of two keys, those that agree best."""
        number = self.rows.select("row", "node")
        for side in ("left", "right"):
            scored = scored.join(number.rename({"row": side, "node": f"{side}_node"}), on=side, maintain_order="left")
        scored = scored.sort("match_weight", "left", "right", descending=[True, False, False])
        return scored.unique(NODES, keep="first", maintain_order=True).drop("left", "right")

    def _scored(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Pairs of keys with weight and evidence, before anything is joined."""
        number = self.rows.select("row", "node")
        pairs = keys
        for side in ("left", "right"):
            pairs = pairs.join(number.rename({"row": side, "node": f"{side}_node"}), on=f"{side}_node")
        scored = self.scorer.of_pairs(pairs.select("left", "right"), self.prior)
        return self._best(judged(scored, self.scorer.compared))

    def _exact(self) -> pl.DataFrame:
        """Pairs of keys with one name and birth date, of which `group` tells them apart."""
        on = [column for column in ANCHOR if column in self.columns]
        pairs = agreeing(self.connection, self.rows, on) if len(on) == len(ANCHOR) else None
        if pairs is None or pairs.is_empty():
            return self._scored(pl.DataFrame(schema=dict.fromkeys(NODES, pl.Int64))).with_columns(
                group=pl.lit(0), is_allowed=pl.lit(value=True)
            )
        scored = self._best(judged(self.scorer.of_pairs(pairs, self.prior), self.scorer.compared))
        groups = pairs.group_by(NODES).agg(pl.col("group").min(), pl.col("is_allowed").all())
        scored = scored.join(groups, on=NODES, maintain_order="left")
        # Two that nobody else is called and born like are a coincidence only if neither has its own counterpart there,
        # and most people do.
        is_only = pl.col("is_allowed") & (pl.len().over("group") == 1)
        bits = pl.when(is_only).then(-2 * math.log2(1 - self.found_share)).otherwise(0.0)
        return scored.with_columns(match_weight=pl.col("match_weight") + bits)

    def _standing(self) -> pl.DataFrame:
        """The decisions without those that later ones contradict."""
        grown = people_of(self.keys, self.joined, self.decided.clear(), self.decided)
        for left, right, decision in self.decided.reverse().iter_rows():
            if decision == "yes":
                if grown.is_open(left, right, is_decided=True):
                    grown.join(left, right)
            elif decision == "no" and grown.cluster(left) != grown.cluster(right):
                grown.keep_apart(left, right)
        is_one = [grown.cluster(left) == grown.cluster(right) for left, right, _ in self.decided.iter_rows()]
        return self.decided.filter(pl.Series(is_one, dtype=pl.Boolean) == (pl.col("decision") == "yes"))

    def _sure(self, exact: pl.DataFrame, yes: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
        """The pairs of groups in which nothing speaks against one person.

        Args:
            exact: pairs of equal name and birth date.
            yes: pairs that are one person already.
            standing: decisions that count.
        """
        against = standing.filter(pl.col("decision") != "yes").select(*NODES, is_decided=pl.lit(value=True))
        fit = exact.join(against, on=NODES, how="left", maintain_order="left").with_columns(
            is_fit=pl.col("is_allowed")
            & (pl.col("match_weight") >= CERTAIN)
            & pl.col("held_back").is_null()
            & pl.col("is_decided").is_null()
        )
        fit = fit.filter(pl.col("is_fit").all().over("group"))
        joined = components(pl.concat([fit.select(NODES), yes]))
        lists = joined.join(self.keys.select("node", "lists"), on="node").explode("lists").drop_nulls("lists")
        # keys that somebody has found to be one person may share a list
        said = components(yes).rename({"cluster": "said"})
        lists = lists.join(said, on="node", how="left").with_columns(pl.col("said").fill_null(pl.col("node")))
        lists = lists.unique(["cluster", "said", "lists"])
        twice = lists.filter(pl.struct("cluster", "lists").is_duplicated())["cluster"]
        sides = [joined.rename({"node": node, "cluster": f"{node}_cluster"}) for node in NODES]
        apart = against.join(sides[0], on=NODES[0]).join(sides[1], on=NODES[1])
        inside = apart.filter(pl.col("left_node_cluster") == pl.col("right_node_cluster"))["left_node_cluster"]
        people = self.keys.filter("is_settled").select("node").join(self.joined, on="node", how="left")
        people = people.select("node", person=pl.col("cluster").fill_null(pl.col("node")))
        several = joined.join(people, on="node").group_by("cluster").agg(pl.col("person").n_unique())
        broken = pl.concat([twice, inside, several.filter(pl.col("person") > 1)["cluster"]]).unique()
        bad = joined.filter(pl.col("cluster").is_in(broken.implode()))["node"]
        return fit.filter(~pl.col("left_node").is_in(bad.implode())).select(NODES)

    def _told(self, pairs: pl.DataFrame) -> pl.DataFrame:
        number = self.keys.select("key", "node")
        for side in ("left", "right"):
            named = number.rename({"key": f"{side}_key", "node": f"{side}_node"})
            pairs = pairs.join(named, on=f"{side}_node", maintain_order="left")
        odds = pl.lit(2.0).pow(-pl.col("match_weight"))
        pairs = pairs.with_columns(pl.col("match_weight", "margin_weight").round(6), match_probability=1 / (1 + odds))
        return pairs.select(pl.col(name).cast(dtype) for name, dtype in PAIRS.items()).sort("left_key", "right_key")

    def _clusters(self, told: pl.DataFrame, yes: pl.DataFrame) -> pl.DataFrame:
        accepted = told.filter(match_status="accepted").select(NODES)
        self.joined = components(pl.concat([accepted, yes]))
        keys = self.joined.join(self.keys, on="node").sort("node")
        person = pl.col("key").filter("is_known").first().over("cluster").alias("person_key")
        return keys.select("key", person)

    def _hash(self, after: list[Comparison], prior: float) -> str:
        told = [[asdict(one) for one in (*self.scorer.compared, *after)], self.prior, prior, ACCEPT, REVIEW, MARGIN]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _weight(probability: float) -> float:
    return math.log2(probability / (1 - probability))
