"""Who is one person, from pairs with weights: the most certain first, and never two keys of one list.

A cluster is one person. Two clusters may be joined where no list has a key of both, no decision keeps them apart, and
each mere name has at most one known person. Only somebody's decision joins two keys of one list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import polars as pl
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


class People:
    """Clusters of keys that grow by joining.

    Args:
        lists: the lists of each cluster to begin with.
        names: clusters that are a mere name, each a single key, and have no person yet.
        of: the cluster of each key, where it is not a cluster of its own.
        bound: keys that are a mere name and have their person.
        own: the lists of each key by itself.
    """

    def __init__(
        self,
        lists: dict[int, frozenset[int]],
        names: set[int],
        of: dict[int, int],
        bound: set[int],
        own: dict[int, frozenset[int]],
    ) -> None:
        self._lists, self._names, self._of, self._bound = dict(lists), set(names), dict(of), set(bound)
        self._own = own
        self._apart: defaultdict[int, dict[int, bool]] = defaultdict(dict)
        self._weights: defaultdict[int, dict[int, float]] = defaultdict(dict)

    def cluster(self, key: int) -> int:
        """The cluster that a key now belongs to."""
        root = key
        while (above := self._of.get(root, root)) != root:
            root = above
        while key != root:
            self._of[key], key = root, self._of[key]
        return root

    def keep_apart(self, left: int, right: int, *, is_undecided: bool = False) -> None:
        """Forbid a pair of keys, and with it all that belongs to them; an undecided one stays a rival of others."""
        one, other = self.cluster(left), self.cluster(right)
        self._apart[one][other] = self._apart[other][one] = is_undecided

    def weigh(self, pairs: Iterable[tuple[int, int, float]]) -> None:
        """Take note of the bits that speak for each pair, so that rivals are seen."""
        for left, right, weight in pairs:
            one, other = self.cluster(left), self.cluster(right)
            if one != other and self.is_open(left, right):
                self._note(one, other, weight)

    def is_open(self, left: int, right: int, *, is_decided: bool = False) -> bool:
        """Whether a pair of keys may still be joined; a decision about it counts for more than the lists with both."""
        free = left not in self._bound and right not in self._bound
        both = self._own[left] & self._own[right] if is_decided else frozenset[int]()
        return free and self._may_join(self.cluster(left), self.cluster(right), both)

    def margin(self, left: int, right: int, certain: float) -> float | None:
        """Bits by which a pair is ahead of the best rival of either side; null without rival.

        Args:
            left: a key.
            right: another.
            certain: weight from which on a pair can be accepted; who is that certain with both sides is no rival.
        """
        one, other = self.cluster(left), self.cluster(right)
        weights = self._weights
        rivals = [
            weight
            for side, opposite in ((one, other), (other, one))
            for rival, weight in weights[side].items()
            if rival != opposite
            and (self._may_join(side, rival) or self._apart.get(side, {}).get(rival))
            and not self._may_both_be_names_of_one(rival, opposite)
            and not (
                weight >= certain
                and weights[opposite].get(rival, certain - 1) >= certain
                and self._may_join(opposite, rival)
            )
        ]
        return weights[one][other] - max(rivals) if rivals else None

    def join(self, left: int, right: int) -> None:
        """Make two keys, and all that belong to them, one person."""
        one, other = sorted(
            (self.cluster(left), self.cluster(right)), key=lambda cluster: (cluster in self._names, cluster)
        )
        if other in self._names:
            self._bound.add(other)
            for rival in self._weights.pop(other, {}):
                del self._weights[rival][other]
        self._lists[one] |= self._lists.pop(other)
        self._of[other] = one
        for rival, is_undecided in self._apart.pop(other, {}).items():
            del self._apart[rival][other]
            self.keep_apart(rival, one, is_undecided=is_undecided and self._apart[one].get(rival, True))
        for rival, weight in self._weights.pop(other, {}).items():
            del self._weights[rival][other]
            if rival != one:
                self._note(one, rival, weight)

    def _may_join(self, one: int, other: int, overruled: frozenset[int] = frozenset()) -> bool:
        return (
            one != other
            and other not in self._apart.get(one, {})
            and not (one in self._names and other in self._names)
            and self._lists[one] & self._lists[other] <= overruled
        )

    def _may_both_be_names_of_one(self, one: int, other: int) -> bool:
        """Whether two mere names are no rivals for a person, who may be named on many lists."""
        return one in self._names and other in self._names and self._lists[one].isdisjoint(self._lists[other])

    def _note(self, one: int, other: int, weight: float) -> None:
        best = max(weight, self._weights[one].get(other, weight))
        self._weights[one][other] = self._weights[other][one] = best


def components(pairs: pl.DataFrame) -> pl.DataFrame:
    """Keys that are joined by pairs, directly or over others.

    Args:
        pairs: left_node and right_node.

    Returns:
        node and cluster, the smallest node of it.
    """
    if pairs.is_empty():
        return pl.DataFrame(schema={"node": pl.Int64, "cluster": pl.Int64})
    nodes = pl.concat([pairs["left_node"], pairs["right_node"].alias("left_node")]).unique().sort()
    left, right = (nodes.search_sorted(pairs[side]).to_numpy() for side in ("left_node", "right_node"))
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(nodes), len(nodes)))
    labels = connected_components(graph, directed=False)[1]
    found = pl.DataFrame({"node": nodes, "cluster": labels})
    return found.with_columns(cluster=pl.col("node").min().over("cluster"))


def settled(pairs: pl.DataFrame, people: People, certain: float, margin: float) -> pl.DataFrame:
    """Join pairs, the most certain first, until none is left that may be.

    Args:
        pairs: left_node, right_node, match_weight, is_fit (whether it may be accepted), the most certain first.
        people: the clusters; they grow.
        certain: the least weight of a pair that is accepted.
        margin: bits that it must be ahead of any rival.

    Returns:
        The pairs with margin_weight, is_joined, and is_open (whether their keys might still be one person).
    """
    told = list(pairs.select("left_node", "right_node", "match_weight", "is_fit").iter_rows())
    people.weigh((left, right, weight) for left, right, weight, _ in told)
    waiting = [(left, right) for left, right, weight, is_fit in told if is_fit and weight >= certain]
    margins: dict[tuple[int, int], float | None] = {}
    is_growing = True
    while is_growing:
        is_growing = False
        left_over = []
        for left, right in waiting:
            if not people.is_open(left, right):
                continue
            ahead = people.margin(left, right, certain)
            if ahead is None or ahead >= margin:
                margins[left, right] = ahead
                people.join(left, right)
                is_growing = True
            else:
                left_over.append((left, right))
        waiting = left_over
    rows = []
    for left, right, _, _ in told:
        is_joined, is_open = people.cluster(left) == people.cluster(right), people.is_open(left, right)
        ahead = people.margin(left, right, certain) if is_open else margins.get((left, right))
        rows.append((ahead, is_joined, is_open))
    schema = {"margin_weight": pl.Float64, "is_joined": pl.Boolean, "is_open": pl.Boolean}
    return pl.concat([pairs, pl.DataFrame(rows, schema=schema, orient="row")], how="horizontal")
