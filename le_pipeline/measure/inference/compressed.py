"""A linear model's rows as sums: by level of each fixed effect where rows are many, by cell where clusters are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference.fixed_effects import FixedEffects, by_code, not_singleton
from le_pipeline.measure.inference.sums import Cells, Codes, Flags, Floats, Sums


@dataclass(frozen=True)
class Compressed:
    """Fixed effects with their levels, the variables' sums by these, and cross products over all rows.

    `nested` says of each effect whether it lies in one of the clusters. `cells` (rows that share every effect and the
    one cluster, whose codes come last) and `cross_by_cluster` are there where they were asked for.
    """

    effects: FixedEffects
    levels: tuple[pl.Series, ...]
    by_level: list[Floats]
    cross: Floats
    n_clusters: tuple[int, ...]
    nested: tuple[bool, ...]
    cells: Cells | None = None
    cross_by_cluster: Floats | None = None


def by_level(sums: Sums, effects: tuple[str, ...], clusters: tuple[str, ...]) -> Compressed:
    """In a few scans, of which none keeps more than the levels and the pairs of them that occur.

    Raises:
        EstimationError: no rows are left, or there are fewer than two clusters.
    """
    fixed = FixedEffects((), np.zeros(0))
    if effects:
        cells, levels = sums.cells(effects, with_sums=False)
        kept = not_singleton(cells.n, cells.codes)
        _leave_out(sums, effects, cells, levels, kept)
        left = cells.take(kept)
        fixed = FixedEffects(tuple(_renumbered(codes) for codes in left.codes), left.weight)
    sizes = [len(total) for total in fixed.totals]
    found = [
        # cross products come along where there are fewest levels to keep them apart by
        sums.cells((name,), with_products=sums.is_narrow and place == int(np.argmin(sizes)))
        for place, name in enumerate(effects)
    ]
    products = [cells.products for cells, _ in found if cells.products is not None]
    n_clusters = _enough([len(sums.cells((name,), with_sums=False)[0].n) for name in clusters])
    nested = tuple(
        # with fewer levels than clusters some level lies in several
        any(size >= n and sums.is_nested(effect, cluster) for cluster, n in zip(clusters, n_clusters, strict=True))
        for effect, size in zip(effects, sizes, strict=True)
    )
    return Compressed(
        effects=fixed,
        levels=tuple(levels for _, (levels,) in found),
        by_level=[cells.sums for cells, _ in found],
        cross=products[0] if products else sums.cross_products(),
        n_clusters=n_clusters,
        nested=nested,
    )


def by_cell(sums: Sums, effects: tuple[str, ...], cluster: str) -> Compressed:
    """In three scans, which keep cells of effects and cluster, and cross products by cluster.

    Raises:
        EstimationError: no rows are left, or there are fewer than two clusters.
    """
    cells, levels = sums.cells((*effects, cluster))
    kept = not_singleton(cells.n, cells.codes[:-1])
    if not kept.all():
        _leave_out(sums, effects, cells, levels, kept)
        cells, levels = sums.cells((*effects, cluster))
    n_clusters = _enough([len(levels[-1])])
    fixed = FixedEffects(cells.codes[:-1], cells.weight)
    cross_by_cluster = sums.cross_products_by(cluster, len(levels[-1]))
    return Compressed(
        effects=fixed,
        levels=levels[:-1],
        by_level=[by_code(codes, cells.sums) for codes in fixed.codes],
        cross=cross_by_cluster.sum(axis=0),
        n_clusters=n_clusters,
        nested=tuple(_is_nested(codes, cells.codes[-1]) for codes in fixed.codes),
        cells=cells,
        cross_by_cluster=cross_by_cluster,
    )


def _leave_out(sums: Sums, effects: tuple[str, ...], cells: Cells, levels: tuple[pl.Series, ...], kept: Flags) -> None:
    """Leave the levels out of which no cell is kept."""
    if kept.all():
        return
    for name, codes, found in zip(effects, cells.codes, levels, strict=False):
        gone = np.setdiff1d(codes, codes[kept])
        if len(gone):
            sums.leave_out(name, found[gone])
    sums.n = int(cells.n[kept].sum())
    if not sums.n:
        raise EstimationError("every row is alone in a fixed effect, so that nothing is left to compare")


def _enough(counted: Sequence[int]) -> tuple[int, ...]:
    if min(counted) < 2:  # noqa: PLR2004
        raise EstimationError("the model has fewer than two clusters, so that no error can be told")
    return tuple(counted)


def _renumbered(codes: Codes) -> Codes:
    return np.unique(codes, return_inverse=True)[1]


def _is_nested(codes: Codes, cluster: Codes) -> bool:
    pairs = np.unique(codes * (cluster.max() + 1) + cluster)
    return len(pairs) == len(np.unique(codes))
