"""The cells of all published tables as one linear system: what suppression works on and what the auditor attacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class System:
    """Counts and the equations that anybody may assume between them.

    `values`: whole counts, one for each cell. `equations`: a matrix with a row for each equation and a column for each
    cell, `equations @ values = 0`. `least` and `most`: bounds that anybody knows of each cell without any table, such
    as 0, or what a published percentage band gives away.

    Raises:
        ValueError: an equation does not hold, or a value lies outside its bounds.
    """

    values: Numbers
    equations: sp.csr_matrix
    least: Numbers
    most: Numbers

    def __post_init__(self) -> None:
        if np.abs(self.equations @ self.values).max(initial=0) > 1e-6:  # noqa: PLR2004  # counts are whole
            raise ValueError("an equation does not hold for the values")
        if (self.values < self.least).any() or (self.values > self.most).any():
            raise ValueError("a value lies outside its bounds")

    @classmethod
    def of(
        cls,
        values: Sequence[float] | Numbers,
        equations: Iterable[Iterable[tuple[int, float]]],
        least: Numbers | None = None,
        most: Numbers | None = None,
    ) -> System:
        """A system of equations given as pairs of cell and coefficient; counts are at least 0 where nothing is said."""
        held = np.asarray(values, dtype=np.float64)
        found = [(row, cell, factor) for row, pairs in enumerate(equations) for cell, factor in pairs]
        rows, cells, factors = zip(*found, strict=True) if found else ((), (), ())
        shape = (max(rows, default=-1) + 1, len(held))
        return cls(
            held,
            sp.csr_matrix((factors, (rows, cells)), shape=shape, dtype=np.float64),
            np.zeros(len(held)) if least is None else least,
            np.full(len(held), np.inf) if most is None else most,
        )

    @property
    def size(self) -> int:
        """Number of cells."""
        return len(self.values)
