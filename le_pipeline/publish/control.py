"""Disclosure control of a book: which cells may be shown and which shares told in bands. The auditor decides.

Suppression hides what it must, an audit attacks the rest with every band told. Where the audit finds too little room,
bands near by are told no more, and then more is hidden. To hide more, or to tell less, takes none of the tables away
that an attacker has to believe possible, so that what has passed once is not attacked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from le_pipeline.errors import DisclosureError
from le_pipeline.publish.auditor import Audit, Exposure, audit
from le_pipeline.publish.book import ALL, STATE, Book, Key, is_protected
from le_pipeline.publish.suppression import Against, Protection, UnprotectableError, mend, people_alone, suppress
from le_pipeline.publish.suppression.blocks import around
from le_pipeline.publish.system import Mask, Numbers, System
from schemas.profile import ProfileOf

ROUNDS = 8  # of telling less and hiding more
NEAR = (60, 600)  # unknown cells around an exposed one whose bands go untold, in the first rounds
TOTAL = 10  # how much dearer a state's or school year's total is than a part of the same size


@dataclass(frozen=True)
class Controlled:
    """What may be shown of a book: cells, and parts of groups whose share is told in bands.

    `audit`: the last word of the auditor on everything; `rounds`: how often something was mended before it passed.
    """

    shown: frozenset[Key]
    told: frozenset[Key]
    audit: Audit
    cells: int
    rounds: int


@dataclass
class _Aims:
    """How low and high the possible values of each cell must reach; not a number where nothing is asked."""

    low: Numbers
    high: Numbers

    @classmethod
    def nothing(cls, size: int) -> _Aims:
        return cls(np.full(size, np.nan), np.full(size, np.nan))

    def ask(self, cell: int, low: float, high: float) -> None:
        self.low[cell] = np.fmin(self.low[cell], low)
        self.high[cell] = np.fmax(self.high[cell], high)

    def forget(self, cells: Mask) -> None:
        self.low[cells] = self.high[cells] = np.nan

    @property
    def asked(self) -> Mask:
        return ~np.isnan(self.low)


@dataclass
class _Task:
    """A book as a linear system, what it must keep, and what of it is hidden by now."""

    system: System
    place: dict[Key, int]
    aims: _Aims
    need: Protection
    is_in_tables: Mask
    hidden: Mask = field(init=False)

    @classmethod
    def of(cls, book: Book, profile_of: ProfileOf) -> _Task:
        system, place = book.system()
        size = system.size
        aims, weights = _Aims.nothing(size), np.log1p(np.maximum(system.values, 1))
        known, held, in_tables, alone = (np.zeros(size, dtype=bool) for _ in range(4))
        for key, cell in book.cells.items():
            at, profile = place[key], profile_of(key.dimensions[STATE])
            if is_protected(cell, profile):
                aims.ask(at, max(0, cell.value - profile.lower), profile.smallest(cell.unit))
                alone[at] |= cell.value == 1
            if _is_total(key) and not cell.is_hidden:
                weights[at] = TOTAL * np.log1p(max(cell.value, 1))
            known[at] |= cell.is_known
            held[at] |= cell.is_held
            in_tables[at] |= not cell.is_hidden
        _ask_of_changes(book, place, profile_of, aims)
        aims.forget(known)  # what everybody knows cannot be protected any more
        need = Protection.of(
            np.nan_to_num(aims.high - system.values),
            np.nan_to_num(system.values - aims.low),
            weights,
            person=people_alone(system, alone & aims.asked),
            shown=known,
            hidden=held | ~(in_tables | known),
        )
        return cls(system, place, aims, need, in_tables)

    def exposures(self, told: Mapping[int, tuple[int, int]], only: Mask) -> Audit:
        """Attack what would be shown."""
        least, most = self.system.least.copy(), self.system.most.copy()
        for cell, (low, high) in told.items():
            least[cell], most[cell] = max(least[cell], low), min(most[cell], high)
        system = replace(self.system, least=least, most=most)
        return audit(system, self.hidden, (self.aims.low, self.aims.high), self.need.person, only)

    def mend(self, exposures: Iterable[Exposure]) -> None:
        """Hide more, so that what is exposed is not."""
        demands: list[tuple[Against, int]] = []
        for exposure in exposures:
            kinds = (Against.INSIDER,) if exposure.insider else (Against.UP, Against.DOWN)
            demands += [(kind, exposure.cell) for kind in kinds if self._asks(kind, exposure.cell)]
        self.hidden = mend(self.system, self.need, self.hidden, demands)

    def _asks(self, kind: Against, cell: int) -> bool:
        return kind is Against.INSIDER or bool((self.need.up if kind is Against.UP else self.need.down)[cell] > 0)

    def near(self, cells: Iterable[int], size: int) -> NDArray[np.intp]:
        """Hidden cells around these."""
        return np.unique(np.concatenate([around(self.system, cell, self.hidden, size) for cell in cells]))


def control(book: Book, profile_of: ProfileOf) -> Controlled:
    """Decide what of a book may be shown.

    Args:
        book: every count that tables show or give away, and what earlier releases showed.
        profile_of: what protects people, by the first dimension of a cell.

    Raises:
        DisclosureError: whatever is hidden, something can be worked out; names kinds of cells, never a value.
    """
    task = _Task.of(book, profile_of)
    try:
        task.hidden = suppress(task.system, task.need)
    except UnprotectableError as error:
        raise DisclosureError(_refusal(error.cells, task)) from None
    offered = {task.place[part]: (task.place[group], code, part) for part, (group, code) in book.bands.items()}
    untold: set[int] = set()
    attacked, first = task.aims.asked, None
    for done in range(ROUNDS):
        told = {
            cell: (code.least, code.most)
            for cell, (group, code, _) in offered.items()
            if task.hidden[cell] and not task.hidden[group] and cell not in untold
        }
        found = task.exposures(told, attacked)
        first = first or found
        if found.passed:
            shown = frozenset(
                key for key, at in task.place.items() if not task.hidden[at] and not book.cells[key].is_hidden
            )
            passed = replace(first, exposures=(), unknown=int(task.hidden.sum()))
            labels = frozenset(offered[cell][2] for cell in told)
            return Controlled(shown, labels, passed, task.system.size, done)
        exposed = [exposure.cell for exposure in found.exposures]
        attacked = np.isin(np.arange(task.system.size), exposed)
        size = NEAR[done] if done < len(NEAR) else task.system.size
        near = {int(cell) for cell in task.near(exposed, size) if cell in told}
        untold |= near
        if not near:
            task.mend(found.exposures)
    raise DisclosureError(_refusal(exposed, task))


def _ask_of_changes(book: Book, place: Mapping[Key, int], profile_of: ProfileOf, aims: _Aims) -> None:
    """A count that differs from one shown before by fewer people than may be shown tells of who came or left."""
    for key, editions in book.editions.items():
        smallest = profile_of(key.dimensions[STATE]).smallest(book.cells[next(iter(editions.values()))].unit)
        shown = [value for value, edition in editions.items() if book.cells[edition].is_known]
        for value, edition in editions.items():
            for before in shown:
                if 0 < value - before < smallest:
                    aims.ask(place[edition], value - 1, before + smallest)
                elif 0 < before - value < smallest:
                    aims.ask(place[edition], max(0, before - smallest), value + 1)


def _is_total(key: Key) -> bool:
    """Whether a cell is one of a whole state."""
    places = key.dimensions[STATE + 1 :]
    return all(value == ALL for value in places if not value.isdigit())


def _refusal(cells: Iterable[int], task: _Task) -> str:
    """What cannot be published, by kinds of cells."""
    at = {*cells}
    kinds: dict[str, int] = {}
    for key, cell in task.place.items():
        if cell in at:
            at.remove(cell)
            kind = f"{key.measure.split('~')[0]} ({key.dimensions[STATE]})"
            kinds[kind] = kinds.get(kind, 0) + 1
    listed = "; ".join(f"{kind}: {count}" for kind, count in sorted(kinds.items()))
    return (
        "nothing is released: from what is to be published and was published before, counts of too few people could be"
        f" worked out ({listed}). Leave out the breakdowns or tables that hold them in LE_HOME/release.yaml, and make"
        " the release again"
    )
