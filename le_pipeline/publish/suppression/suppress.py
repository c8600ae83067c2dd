"""Which cells to hide: small systems at the least weight there is, large ones by a search with certificates."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from le_pipeline.errors import PipelineError
from le_pipeline.publish.suppression import exact
from le_pipeline.publish.suppression.blocks import Cells, around, blocks, components
from le_pipeline.publish.suppression.need import Against, Demand, Protection
from le_pipeline.publish.suppression.search import Search
from le_pipeline.publish.system import Mask, System

BLOCK = 600  # cells of a block: larger ones leave fewer cells hidden, and take longer
STEP = 4  # a demand that a neighbourhood cannot meet is tried in one this many times as large


class UnprotectableError(PipelineError):
    """Some cells cannot be protected, whatever is hidden beside them; `cells` are their places in the system."""

    def __init__(self, message: str, *, cells: tuple[int, ...] = ()) -> None:
        super().__init__(message)
        self.cells = cells

    @classmethod
    def of(cls, cells: Iterable[int]) -> UnprotectableError:
        """What to say of these cells."""
        places = tuple(sorted(set(cells)))
        return cls(
            f"{len(places)} cells cannot be protected whatever is hidden beside them: what is known already gives them"
            " away, or they make up all of a table. Leave out the tables or breakdowns that hold them",
            cells=places,
        )


def suppress(system: System, need: Protection) -> Mask:
    """The cells to hide: those that need protection, and what must be hidden with them.

    Systems fall into parts that no equation joins. A part of up to `exact.SIZE` cells is solved at the least weight
    (Fischetti and Salazar 2001), others by a search. Every demand is met for certain for tables of real numbers; the
    auditor looks at whole ones.

    Raises:
        UnprotectableError: no choice of cells protects all that need it.
    """
    movable = ~need.shown & (system.most > system.least)
    asked = np.flatnonzero(need.primary)
    hidden = need.primary | need.hidden
    parts = [part for part in components(system, movable) if need.primary[part].any()]
    large: list[Cells] = []
    for part in parts:
        best = exact.least_weight(system, need, part) if len(part) <= exact.SIZE else None
        if best is None:
            large.append(part)
        else:
            hidden[part] |= best
    if stuck := [int(cell) for cell in asked if not movable[cell]]:
        raise UnprotectableError.of(stuck)
    if large:
        inside = np.zeros(system.size, dtype=bool)
        inside[np.concatenate(large)] = True
        _search(system, need, hidden, inside)
    return hidden


def mend(system: System, need: Protection, hidden: Mask, demands: Iterable[Demand]) -> Mask:
    """Hide more, so that these demands are met by whole numbers too. Those that cannot be stay as they are."""
    hidden = hidden.copy()
    movable = ~need.shown & (system.most > system.least)
    for against, target in demands:
        for size in (BLOCK // STEP, BLOCK, BLOCK * STEP):
            cells = around(system, target, movable, size)
            search = Search.begin(system, need, cells, hidden)
            search.shifts.be_whole()
            search.greedy([(against, int(np.searchsorted(cells, target)))])
            if not search.unmet:
                hidden[cells] |= search.hidden
                break
    return hidden


def _search(system: System, need: Protection, hidden: Mask, inside: Mask) -> None:
    """Hide what must be hidden of the cells inside, block by block, then whatever no block can protect alone."""

    def work(cells: Cells) -> Search:
        first = Search.begin(system, need, cells, hidden)
        demands = first.need.demands()
        first.greedy(demands)
        possible = need.without([(against, int(cells[cell])) for against, cell in first.unmet])
        light = exact.light_choice(system, possible, cells)
        if light is None:
            first.take_back()
            return first
        start = hidden.copy()
        start[cells] |= light
        second = Search.begin(system, need, cells, start)
        second.greedy(demands)
        second.take_back()
        return second

    parts = [cells for cells in blocks(system, inside, BLOCK) if need.primary[cells].any()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        searches = list(pool.map(work, parts))
    for search in searches:
        hidden[search.shifts.cells] |= search.hidden
    unmet = [(against, int(search.shifts.cells[cell])) for search in searches for against, cell in search.unmet]
    stuck = [cell for against, cell in unmet if not _widen(system, need, hidden, inside, (against, cell))]
    if stuck:
        raise UnprotectableError.of(stuck)


def _widen(system: System, need: Protection, hidden: Mask, inside: Mask, demand: Demand) -> bool:
    """Meet one demand in neighbourhoods that grow; says whether it could be met.

    What a person alone knows of a cell is left to the auditor where nothing can be hidden against it: mostly they would
    know though nothing at all were shown, as the cell is theirs as well: who left a school is who left the district.
    """
    against, target = demand
    size = BLOCK
    while True:
        cells = around(system, target, inside, size)
        search = Search.begin(system, need, cells, hidden)
        place = int(np.searchsorted(cells, target))
        search.greedy([(against, place)])
        if search.unmet and len(cells) < size and against is Against.INSIDER:
            search.unmet = search.against_each_alone(place)
        if not search.unmet or len(cells) < size:
            hidden[cells] |= search.hidden
            return not search.unmet or against is Against.INSIDER
        size *= STEP
