"""What becomes of each pair: accepted, left to a person, or rejected, and why."""

from __future__ import annotations

import math

import polars as pl

from le_pipeline.link.matching.clustering import People, settled
from le_pipeline.link.matching.evidence import RELATIVES

ACCEPT, REVIEW = 0.99, 0.5
CERTAIN = math.log2(ACCEPT / (1 - ACCEPT))
MARGIN = math.log2(99)
GUESS = -5.0  # bits: one in 33; from there on the best pair of a name that has no other is shown to a person
# One in thirty people is a twin; a given name or birth date is quite another in one of 250 records of a person. With
# this share of keys left over on both sides, the latter is 99 times likelier: 0.004 / (0.03 x 0.035^2).
LEFT_OVER = 0.035
AT_LEAST = 3  # keys that are counted as left over besides, since of a few nobody may be by luck
EXACT, PROBABILISTIC = "exact_name_birth_date", "probabilistic"
NODES = ("left_node", "right_node")


def people_of(keys: pl.DataFrame, joined: pl.DataFrame, decided: pl.DataFrame, pairs: pl.DataFrame) -> People:
    """The clusters of the keys in these pairs.

    Args:
        keys: node, lists, is_known of all keys.
        joined: node and cluster, of keys that are not alone.
        decided: what people have decided and no later decision contradicts.
        pairs: left_node and right_node.
    """
    nodes = pl.concat([pairs[side].alias("node") for side in NODES]).unique().to_frame()
    nodes = nodes.join(joined, on="node", how="left").with_columns(pl.col("cluster").fill_null(pl.col("node")))
    members = keys.join(joined, on="node", how="left").with_columns(pl.col("cluster").fill_null(pl.col("node")))
    members = members.join(nodes.select("cluster").unique(), on="cluster", how="semi")
    clusters = members.group_by("cluster").agg(
        pl.col("lists").explode(empty_as_null=False).drop_nulls().unique(), pl.col("is_known").any()
    )
    lists = {cluster: frozenset(of) for cluster, of in clusters.select("cluster", "lists").iter_rows()}
    names = set(clusters.filter(~pl.col("is_known"))["cluster"])
    alone = members.filter(~pl.col("is_known"))
    bound = set(alone.filter(~pl.col("cluster").is_in(list(names)))["node"])
    own = {node: frozenset(of) for node, of in members.select("node", "lists").iter_rows()}
    grown = People(lists, names, dict(nodes.select("node", "cluster").iter_rows()), bound, own)
    for left, right, decision in decided.iter_rows():
        if decision != "yes" and {left, right} <= set(nodes["node"]):
            grown.keep_apart(left, right, is_undecided=decision == "later")
    return grown


def outcome(
    keys: pl.DataFrame, joined: pl.DataFrame, decided: pl.DataFrame, standing: pl.DataFrame, pairs: pl.DataFrame
) -> pl.DataFrame:
    """The pairs with what became of each.

    Args:
        keys: node, lists, is_known of all keys.
        joined: node and cluster, of keys that are one person before any of these pairs is looked at.
        decided: what people have decided.
        standing: of it, what no later decision contradicts.
        pairs: with weight and evidence; a group where names and birth date agree.

    Returns:
        The pairs that are likely or decided, with method, match_status, review_reason and margin_weight; and of each
        mere name that has none to be accepted or looked at, the best pair that it has.
    """
    pairs = pairs.join(decided, on=NODES, how="left", maintain_order="left")
    pairs = pairs.with_columns(pl.col("is_allowed").fill_null(value=True))
    pairs = _with_namesakes(keys, pairs)
    every = pairs
    pairs = pairs.filter(
        (pl.col("match_weight") >= pl.when("is_allowed").then(0.0).otherwise(CERTAIN))
        | pl.col("decision").is_in(["yes", "later"])
    )
    pairs = pairs.with_columns(is_fit=pl.col("held_back").is_null() & pl.col("decision").is_null()).sort(
        "match_weight", *NODES, descending=[True, False, False]
    )
    grown = people_of(keys, joined, standing, every)
    pairs = _with_left_over(pairs, grown, keys.height, joined.height)
    decision, is_joined, is_exact = pl.col("decision"), pl.col("is_joined"), pl.col("group").is_not_null()
    reason = (
        pl.when(is_joined)
        .then(None)
        .when(decision == "no")
        .then(pl.lit("decided_no"))
        .when(decision == "later")
        .then(pl.lit("decided_later"))
        .when(decision == "yes")
        .then(pl.lit("contradicted"))
        .when(~pl.col("is_allowed"))
        .then(pl.lit("in_one_list"))
        .when(~pl.col("is_open"))
        .then(pl.lit("matched_elsewhere"))
        .when(pl.col("held_back").is_not_null())
        .then(pl.col("held_back"))
        .when(pl.col("match_weight") < CERTAIN)
        .then(pl.lit("below_threshold"))
        .when(is_exact)
        .then(pl.lit("ambiguous"))
        .otherwise(pl.lit("near_rival"))
    )
    status = (
        pl.when(is_joined)
        .then(pl.lit("accepted"))
        .when(reason.is_in(["decided_no", "contradicted", "matched_elsewhere"]))
        .then(pl.lit("rejected"))
        .otherwise(pl.lit("review"))
    )
    method = pl.when(is_exact & ~is_joined).then(pl.lit(EXACT)).otherwise(pl.lit(PROBABILISTIC))
    pairs = pairs.with_columns(review_reason=reason, match_status=status, method=method)
    return pl.concat([pairs, _guesses(keys, every, pairs, grown)], how="diagonal")


def _with_namesakes(keys: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Hold back who is called nearly like a mere name, where somebody else is called exactly so.

    A list may have the school of the year before, so that a school alone must not decide against a name.
    """
    names = keys.filter(~pl.col("is_known")).select("node")
    exact = pairs.filter(pl.col("is_named"), pl.col("is_allowed"), pl.col("decision").ne_missing("no"))
    for side in NODES:
        named = exact.join(names, left_on=side, right_on="node", how="semi").select(side).unique()
        pairs = pairs.join(named.with_columns(has_namesake=True), on=side, how="left", maintain_order="left")
        is_held = pl.col("has_namesake").fill_null(value=False) & ~pl.col("is_named") & ~pl.col("is_sole")
        reason = pl.when(is_held).then(pl.coalesce("held_back", pl.lit("namesake"))).otherwise("held_back")
        pairs = pairs.with_columns(held_back=reason).drop("has_namesake")
    return pairs


def _guesses(keys: pl.DataFrame, every: pl.DataFrame, pairs: pl.DataFrame, grown: People) -> pl.DataFrame:
    """For each mere name that nobody was found for, nor anybody to look at, the likeliest pair below even odds."""
    names = keys.filter(~pl.col("is_known")).select("node")
    looked_at = pairs.filter(pl.col("match_status") != "rejected")
    for side in NODES:
        names = names.join(looked_at, left_on="node", right_on=side, how="anti")
    unlikely = every.filter(
        pl.col("is_allowed"), pl.col("decision").is_null(), pl.col("match_weight").is_between(GUESS, 0)
    )
    sides = [unlikely.join(names, left_on=side, right_on="node", how="semi").with_columns(name=side) for side in NODES]
    found = pl.concat(sides).sort("match_weight", *NODES, descending=[True, False, False])
    is_open = pl.Series([grown.is_open(*pair) for pair in found.select(NODES).iter_rows()], dtype=pl.Boolean)
    best = found.filter(is_open).unique("name", keep="first", maintain_order=True).drop("name")
    return best.with_columns(
        review_reason=pl.lit("best_guess"), match_status=pl.lit("review"), method=pl.lit(PROBABILISTIC)
    )


def _with_left_over(pairs: pl.DataFrame, grown: People, keys: int, joined: int) -> pl.DataFrame:
    """Join pairs; where hardly anybody is left over, those too that might be relatives.

    Twins of whom each stands in one list alone are rarer then than a name that was changed.
    """
    first = settled(pairs, grown, CERTAIN, MARGIN)
    found = first.filter("is_joined")
    left_over = keys - joined - pl.concat([found[side].alias("node") for side in NODES]).n_unique()
    if left_over + AT_LEAST > LEFT_OVER * keys:
        return first
    relatives = pl.col("held_back").is_in(RELATIVES) & pl.col("is_told") & pl.col("decision").is_null()
    second = settled(pairs.with_columns(is_fit=relatives), grown, CERTAIN, MARGIN)
    margin = pl.when(first["is_joined"]).then(first["margin_weight"]).otherwise(pl.col("margin_weight"))
    return second.with_columns(margin_weight=margin)
