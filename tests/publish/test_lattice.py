"""The search finds what looking at every node would find, and looks at fewer."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from le_pipeline.publish.lattice import Node, least_loss

HEIGHTS = st.lists(st.integers(0, 3), min_size=1, max_size=4)


@given(HEIGHTS, st.randoms(use_true_random=False))
def test_it_finds_the_least_loss_of_all_nodes(heights: list[int], random: object) -> None:
    nodes = list(itertools.product(*(range(height + 1) for height in heights)))
    bounds = {node: sum(node) / 10 for node in nodes}
    draw = random.random  # type: ignore[attr-defined]
    losses = {node: None if draw() < 0.5 else bounds[node] + draw() for node in nodes}

    found = least_loss(heights, bounds.__getitem__, lambda node, below: _below(losses[node], below))

    best = min((loss for loss in losses.values() if loss is not None), default=None)
    assert (found and found.loss) == best
    assert found is None or (losses[found.node] == best and found.visited <= len(nodes))


def _below(loss: float | None, below: float) -> float | None:
    return loss if loss is not None and loss < below else None


def test_it_stops_as_soon_as_nothing_better_can_come() -> None:
    judged: list[Node] = []

    def judge(node: Node, _: float) -> float:
        judged.append(node)
        return sum(node) / 10

    found = least_loss([3, 3, 3], lambda node: sum(node) / 10, judge)

    assert found is not None
    assert (found.node, found.visited) == ((0, 0, 0), 1)
    assert judged == [(0, 0, 0)]


def test_every_node_is_judged_once_where_none_may_be_taken() -> None:
    judged: list[Node] = []
    assert least_loss([2, 1], lambda _: 0.0, lambda node, _: judged.append(node)) is None
    assert len(judged) == len(set(judged)) == math.prod((3, 2))
