"""Best-first search of a generalisation lattice: the node that loses least, without looking at all of them.

A node has a level for each hierarchy; its successors are one level coarser in one of them (Samarati 2001; LeFevre,
DeWitt and Ramakrishnan 2005, Incognito).
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

Node = tuple[int, ...]


@dataclass(frozen=True)
class Found:
    """The node that loses least, its loss, and how many nodes were judged."""

    node: Node
    loss: float
    visited: int


def least_loss(
    heights: Sequence[int], bound: Callable[[Node], float], judge: Callable[[Node, float], float | None]
) -> Found | None:
    """The node of least loss among those that may be taken; None where none may.

    Args:
        heights: the highest level of each hierarchy.
        bound: a loss that the node cannot fall below; no smaller in any successor than in the node itself.
        judge: the node's loss, or None where it may not be taken or loses no less than the loss that it is given.

    Nodes are judged in order of their bound, so that the search may end as soon as the next bound is no less than the
    best loss: everything that is left loses at least as much. Of nodes of equal loss the first in that order counts.
    """
    bottom = (0,) * len(heights)
    waiting = [(bound(bottom), bottom)]
    seen = {bottom}
    best: Found | None = None
    visited = 0
    while waiting and (best is None or waiting[0][0] < best.loss):
        _, node = heapq.heappop(waiting)
        loss = judge(node, math.inf if best is None else best.loss)
        visited += 1
        if loss is not None:
            best = Found(node, loss, visited)
        for place, height in enumerate(heights):
            if node[place] < height:
                coarser = (*node[:place], node[place] + 1, *node[place + 1 :])
                if coarser not in seen:
                    seen.add(coarser)
                    heapq.heappush(waiting, (bound(coarser), coarser))
    return best and replace(best, visited=visited)
