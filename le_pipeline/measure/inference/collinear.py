"""Which columns of a design the columns before them make up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9
ROUNDING = 1e-13  # of a column's own sum of squares: below it a pivot is nothing but rounding


def collinear(gram: NDArray[np.float64], squares: NDArray[np.float64] | None = None) -> NDArray[np.bool_]:
    """Columns to drop: those whose squared pivot in the Cholesky decomposition of the gram matrix is below 1e-9.

    The rule of fixest and pyfixest (`collin_tol`): from left to right, each column less its projection on the columns
    that were kept before it.

    Args:
        gram: cross products of the columns, in their own units, columns by columns.
        squares: sums of squares of the columns before anything was taken out of them; by default those of the gram.
            With many rows a pivot that is zero comes out as more than 1e-9, but as no more than rounding of these.

    Returns:
        One truth value per column.
    """
    size = len(gram)
    floor = np.maximum(TOLERANCE, ROUNDING * (np.diag(gram) if squares is None else squares))
    dropped = np.zeros(size, dtype=bool)
    factor = np.zeros((size, size))
    for j in range(size):
        pivot = gram[j, j] - factor[:j, j] @ factor[:j, j]
        if pivot < floor[j]:
            dropped[j] = True
            continue
        factor[j, j:] = (gram[j, j:] - factor[:j, j] @ factor[:j, j:]) / np.sqrt(pivot)
    return dropped
