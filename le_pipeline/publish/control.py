"""Disclosure control of a book: which cells may be shown and which shares told in bands. The auditor decides.

Suppression hides what it must, and an audit attacks the rest. Where the audit finds too little room, more is hidden, by
whole numbers. To hide more takes none of the tables away that an attacker has to believe possible, so that what has
passed once is not attacked again. At last, of the shares that are not shown, bands are told that agree with every table
the audits rest on: these tables are still possible for whoever knows the bands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from le_pipeline.errors import DisclosureError
from le_pipeline.publish.auditor import Audit, Exposure, audit, possible_values
from le_pipeline.publish.book import STATE, Book, Cell, Key, is_protected
from le_pipeline.publish.percent import Coded
from le_pipeline.publish.suppression import Against, Protection, UnprotectableError, mend, people_alone, suppress
from le_pipeline.publish.system import Mask, Numbers, System
from schemas.profile import ProfileOf

ROUNDS = 8  # of hiding more
ROUNDING = 1e-6


@dataclass(frozen=True)
class Controlled:
    """What may be shown of a book: cells, and parts of groups whose share is told in bands.

    `audit`: the last word of the auditor on everything; `rounds`: how often something was mended before it passed.
    """

    shown: frozenset[Key]
    told: frozenset[Key]
    audit: Audit
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
    hidden: Mask = field(init=False)

    @classmethod
    def of(cls, book: Book, profile_of: ProfileOf) -> _Task:
        system, place = book.system()
        size = system.size
        aims, figures = _Aims.nothing(size), np.ones(size)
        known, held, in_tables, alone = (np.zeros(size, dtype=bool) for _ in range(4))
        for key, cell in book.cells.items():
            at, profile = place[key], profile_of(key.dimensions[STATE])
            if is_protected(cell, profile):
                aims.ask(at, max(0, cell.value - profile.lower), profile.smallest(cell.unit))
                alone[at] |= cell.value == 1
            figures[at] += cell.figures
            known[at] |= cell.is_known
            held[at] |= cell.is_held
            in_tables[at] |= not cell.is_hidden
        aims.forget(known)  # what everybody knows cannot be protected any more
        need = Protection.of(
            np.nan_to_num(aims.high - system.values),
            np.nan_to_num(system.values - aims.low),
            np.log1p(np.maximum(system.values, 1)) * figures,  # with a cell all figures go that are made of it
            person=people_alone(system, alone & aims.asked),
            shown=known,
            hidden=held | ~(in_tables | known),
        )
        return cls(system, place, aims, need)

    def attack(self, only: Mask) -> Audit:
        """Attack what would be shown."""
        reach = (self.aims.low, self.aims.high)
        return audit(self.system, self.hidden, reach, self.need.person, known=self.need.shown, only=only)

    def relax(self, cells: Iterable[int]) -> bool:
        """Ask of cells that earlier releases told too much of no more than what those left open.

        Returns:
            Whether they told of any.
        """
        told = self.need.shown
        for cell in cells:
            low, high = possible_values(self.system, ~told, cell)
            self.aims.low[cell] = max(self.aims.low[cell], np.ceil(low - ROUNDING))
            self.aims.high[cell] = min(self.aims.high[cell], np.floor(high + ROUNDING))
        values = self.system.values
        self.need = replace(
            self.need, up=np.nan_to_num(self.aims.high - values), down=np.nan_to_num(values - self.aims.low)
        )
        return bool(told.any())

    def mend(self, exposures: Iterable[Exposure]) -> None:
        """Hide more, so that what is exposed is not."""
        demands: list[tuple[Against, int]] = []
        for exposure in exposures:
            kinds = (Against.INSIDER,) if exposure.insider else (Against.UP, Against.DOWN)
            demands += [(kind, exposure.cell) for kind in kinds if self._asks(kind, exposure.cell)]
        self.hidden = mend(self.system, self.need, self.hidden, demands)

    def _asks(self, kind: Against, cell: int) -> bool:
        return kind is Against.INSIDER or bool((self.need.up if kind is Against.UP else self.need.down)[cell] > 0)


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
        if not task.relax(error.cells):
            raise DisclosureError(_refusal(error.cells, task)) from None
        try:
            task.hidden = suppress(task.system, task.need)
        except UnprotectableError as still:
            raise DisclosureError(_refusal(still.cells, task)) from None
    attacked, found = task.aims.asked, []
    for _ in range(ROUNDS):
        found.append(task.attack(attacked))
        exposed = [exposure.cell for exposure in found[-1].exposures]
        if not exposed:
            return _decided(book, task, profile_of, found)
        attacked = np.isin(np.arange(task.system.size), exposed)
        task.mend(found[-1].exposures)
    raise DisclosureError(_refusal(exposed, task))


def _decided(book: Book, task: _Task, profile_of: ProfileOf, audits: Sequence[Audit]) -> Controlled:
    """What may be shown, and which bands are told: those that agree with every table that the audits rest on."""
    low = np.min([found.low for found in audits], axis=0)
    high = np.max([found.high for found in audits], axis=0)
    hidden = {key for key, at in task.place.items() if task.hidden[at]}
    # what was shown under an earlier profile is known, and is not shown again where the present one forbids it
    shown = frozenset(
        key
        for key, cell in book.cells.items()
        if key not in hidden and not cell.is_hidden and not is_protected(cell, profile_of(key.dimensions[STATE]))
    )
    told = {
        part
        for part, (group, band) in book.bands.items()
        if part in hidden
        and group not in hidden
        and _agrees(band, low[task.place[part]], high[task.place[part]])
        and _is_as_before(book.cells[part], band)
    }
    witnesses = sum(found.witnesses for found in audits)
    passed = replace(audits[0], unknown=int(task.hidden.sum()), witnesses=witnesses, exposures=())
    return Controlled(shown, frozenset(told), passed, len(audits) - 1)


def _is_as_before(cell: Cell, band: Coded) -> bool:
    """Whether earlier releases that have the cell told the band, so that rows stay as they were released."""
    return not cell.is_held or _agrees(band, cell.least, cell.most)


def _agrees(band: Coded, low: float, high: float) -> bool:
    return band.least <= low and high <= band.most


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
