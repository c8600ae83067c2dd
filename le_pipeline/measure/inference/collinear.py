"""Which columns of a design say nothing that the columns before them have not said."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-9  # the rule's usual one; it is absolute, so a column in very small units may fall under it


def collinear(gram: NDArray[np.float64], tolerance: float = TOLERANCE) -> NDArray[np.bool_]:
    """The columns to drop: True where a column is a combination of those before it that are kept.

    Args:
        gram: X'X of the design.
        tolerance: a column goes when what the kept columns before it leave of its squared length is less.

    The rule is the one of R's fixest and of pyfixest: walk the Cholesky decomposition of X'X column by column, and
    leave out whatever has a squared pivot below the tolerance. So of columns that say the same the first stays.
    """
    dropped = np.zeros(len(gram), dtype=np.bool_)
    factor = np.zeros_like(gram, dtype=np.float64)
    for j in range(len(gram)):
        pivot = gram[j, j] - factor[:j, j] @ factor[:j, j]
        if pivot < tolerance:
            dropped[j] = True
            continue
        factor[j, j:] = (gram[j, j:] - factor[:j, j] @ factor[:j, j:]) / np.sqrt(pivot)
    return dropped
