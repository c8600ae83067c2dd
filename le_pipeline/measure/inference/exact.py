"""Cross products of many columns without any error, so that they do not depend on how rows come in.

Ozaki, Ogita, Oishi and Rump (2012, Numerical Algorithms 59, 95-118): each number is cut into slices of few bits, so
that products of slices, and their sums over a batch, are whole numbers that a double holds; sums over batches are
kept as whole numbers of 64 bits, and of any length beyond.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]

ROWS = 2**14  # of a batch
BITS = 19  # of a slice: two of them and the rows of a batch make up the 53 bits of a double, less one
SLICES = 3
MOST = 2**23  # rows whose sums 64 bits are sure to hold; with more they are carried over to numbers of any length
LEVELS = [2 * BITS, 3 * BITS, 4 * BITS]  # bits behind the point of products of the first, the next and the third order


class CrossProducts:
    """Sums of left x right, columns by columns, over all rows added, for each of some groups.

    Args:
        n_groups: how many groups.
        left: how far from zero each left column may be.
        right: likewise for the right ones.
    """

    def __init__(self, n_groups: int, left: Floats, right: Floats) -> None:
        self._left, self._right = _power_above(left), _power_above(right)
        self._sums = np.zeros((len(LEVELS), n_groups, len(left), len(right)), dtype=np.int64)
        self._rows, self._carried = 0, np.zeros((), dtype=object)

    def add(self, left: Floats, right: Floats, groups: Codes | None = None) -> None:
        """Add at most `ROWS` rows; `groups` says which group each belongs to, by default the first."""
        if groups is not None:
            order = np.argsort(groups, kind="stable")
            left, right, groups = left[order], right[order], groups[order]
        if self._rows + len(left) > MOST:
            self._carried, self._rows = self._carried + self._sums.astype(object), 0
            self._sums[:] = 0
        self._rows += len(left)
        cut_left, cut_right = _slices(left / self._left), _slices(right / self._right)
        starts = [0] if groups is None else [0, *(np.flatnonzero(np.diff(groups)) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(left)], strict=True):
            group = 0 if groups is None else groups[start]
            for i, (in_left, of_left) in enumerate(cut_left):
                for j, (in_right, of_right) in enumerate(cut_right[: SLICES - i]):
                    product = of_left[start:end].T @ of_right[start:end]
                    whole = np.rint(product * 2.0 ** LEVELS[i + j]).astype(np.int64)
                    self._sums[i + j, group][np.ix_(in_left, in_right)] += whole

    def total(self) -> Floats:
        """The sums, groups by left columns by right columns."""
        sums = (self._carried + self._sums.astype(object)).astype(np.float64) if self._carried.ndim else self._sums
        parts = [level * 2.0**-bits for level, bits in zip(sums, LEVELS, strict=True)]
        return np.asarray((parts[2] + parts[1] + parts[0]) * self._left[:, None] * self._right)


def _power_above(bound: Floats) -> Floats:
    return np.asarray(2.0 ** np.ceil(np.log2(np.where(bound > 0, bound, 1.0))))


def _slices(values: Floats) -> list[tuple[Codes, Floats]]:
    """Numbers between -1 and 1 in slices of `BITS` bits each, the rest of the last one dropped.

    Returns:
        Of each slice the columns that have anything in it, and these; zeros and ones are all in the first.
    """
    found = []
    for place in range(1, SLICES + 1):
        # adding and taking away a number of this size rounds to the slice's last bit
        size = 1.5 * 2.0 ** (52 - place * BITS)
        part = (values + size) - size
        filled = np.flatnonzero(part.any(axis=0))
        found.append((filled, part[:, filled]))
        values = values - part
    return found
