"""Covariances of coefficients that are robust to clusters, and the wild cluster bootstrap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import linalg, sparse

from le_pipeline.errors import EstimationError
from le_pipeline.measure.inference.fixed_effects import FixedEffects, by_code
from le_pipeline.measure.inference.solved import Solved, gram_within, refit, solve
from le_pipeline.measure.inference.sums import Codes, Floats

MOST_ENUMERATED = 12  # clusters whose signs are all tried, 4,096 at most, where that is fewer than the replicates
LEAST_SHARE = 1e-10  # of a direction outside a cluster: below it the cluster holds all there is of it
AT_ONCE = 500  # replicates that are held together


def cr1(solved: Solved) -> Floats:
    """The sandwich of Liang and Zeger (1986), by one cluster or two, times the factor.

    With two, the covariance by each is added and that by both together taken away (Cameron, Gelbach and Miller 2011).
    """
    full = np.zeros(len(solved.gram) - 1)
    full[solved.kept] = solved.coefficients
    clusters, scores = solved.sums.scores(full, solved.added(), solved.clusters)
    scores = scores[:, solved.kept]
    meat = np.zeros_like(solved.inverse)
    for codes in clusters:
        total = by_code(codes, scores)
        meat += total.T @ total
    if len(clusters) > 1:
        meat -= scores.T @ scores
    return np.asarray(solved.small_sample_factor * solved.inverse @ meat @ solved.inverse)


def cr3(solved: Solved) -> Floats:
    """The jackknife times G / (G - 1) and more: pyfixest's CRV3, which has CR1's factor. See `jackknife`."""
    n_clusters = solved.compressed.n_clusters[0]
    return solved.small_sample_factor * n_clusters / (n_clusters - 1) * jackknife(solved)


def jackknife(solved: Solved) -> Floats:
    """(G - 1) / G times the squared changes of the coefficients as each cluster is left out, summed.

    Bell and McCaffrey (2002); MacKinnon, Nielsen and Webb (2023, J. Applied Econometrics 38, 671-694, CV3).

    Raises:
        EstimationError: without one cluster a coefficient is not there; CR2 can be told then.
    """
    whole, cluster = solved.cross_by_cluster.sum(axis=0), solved.cells.codes[-1]
    covariance = np.zeros_like(solved.inverse)
    size = np.sqrt(np.diag(solved.gram)[solved.kept])
    for code, own in enumerate(solved.cross_by_cluster):
        gram = refit(whole - own, solved.cells.take(cluster != code), len(solved.effect_names))
        left = gram[:-1, :-1]
        if np.linalg.matrix_rank(left / np.outer(size, size), tol=LEAST_SHARE) < len(left):
            raise EstimationError(
                "without one of the clusters a covariate is made up by the others (perhaps it lives in that one alone);"
                " use CR2"
            )
        change = solve(left, gram[:-1, -1]) - solved.coefficients
        covariance += np.outer(change, change)
    n_clusters = solved.compressed.n_clusters[0]
    return (n_clusters - 1) / n_clusters * covariance


def cr2(solved: Solved, contrasts: Floats) -> tuple[Floats, Floats]:
    """Bias-reduced linearisation, with Satterthwaite degrees of freedom of each contrast of coefficients.

    Bell and McCaffrey (2002), as Pustejovsky and Tipton (2018, J. Business and Economic Statistics 36, 672-683) put it
    for fixed effects: residuals of a cluster are multiplied by (I - H_gg)^(-1/2), H the hat matrix of covariates and
    fixed effect together; under weights the errors' variance is taken to be the inverse of the weight. No other factor.

    Args:
        solved: a model of one cluster and one fixed effect at most.
        contrasts: one per row, weights of the coefficients.

    Returns:
        The covariance of the coefficients, and degrees of freedom, one per contrast.
    """
    root = linalg.cholesky(solved.inverse, lower=True)
    directions = contrasts @ solved.inverse
    residual = solved.residual(solved.coefficients)
    levels = np.bincount(solved.cells.codes[0], solved.cells.weight) if solved.effect_names else np.ones(0)
    parts = list(_parts(solved))
    meat = np.zeros_like(solved.inverse)
    told = []
    for part in parts:
        shown = part.level_sums / np.sqrt(levels[part.levels])[:, None]
        covariates, of_residual = part.cross[:-1, :-1], part.cross[:-1] @ residual
        across = shown[:, :-1] @ root
        overlap = np.block(
            [[root.T @ covariates @ root, across.T], [across, np.diag(part.level_weight / levels[part.levels])]]
        )
        share, turned = linalg.eigh(overlap)
        is_free = 1 - share > LEAST_SHARE  # else the cluster holds all there is of the direction
        stretch = np.where(is_free, 1 / np.sqrt(np.where(is_free, 1 - share, 1)), 0)
        basis = np.hstack([covariates @ root, shown[:, :-1].T]) @ turned
        seen = np.concatenate([root.T @ of_residual, shown @ residual]) @ turned
        score = of_residual + basis @ (_per_share(stretch - 1, share) * seen)
        meat += np.outer(score, score)
        ahead = directions @ basis
        length = np.einsum("ti,ij,tj->t", directions, covariates, directions)
        length += ahead**2 @ _per_share(stretch**2 - 1, share)
        told.append((length, (ahead * stretch) @ turned.T))
    lengths = np.array([length for length, _ in told])
    degrees = [
        _satterthwaite(lengths[:, t], _projections(parts, [shadow[t] for _, shadow in told], len(root), len(levels)))
        for t in range(len(contrasts))
    ]
    return solved.inverse @ meat @ solved.inverse, np.array(degrees)


def wild_bootstrap(solved: Solved, place: int, replicates: int, seed: int) -> float:
    """Two-sided p-value that a coefficient is zero, by the wild cluster bootstrap with the null hypothesis imposed.

    Cameron, Gelbach and Miller (2008, Review of Economics and Statistics 90, 414-427): residuals of the model without
    the covariate, by cluster times +1 or -1 (Rademacher), and the t of each replicate with errors of kind CR1. They are
    made of sums by cluster, as in Roodman, MacKinnon, Nielsen and Webb (2019). With 12 clusters or fewer all signs are
    tried where that takes no more than the replicates, so that nothing is drawn. A replicate as far out as the sample
    counts, so p is never 0 where all signs are tried.

    Args:
        solved: a model of one cluster.
        place: of the coefficient among the kept ones.
        replicates: how many.
        seed: of the draws.
    """
    rest = np.delete(np.arange(len(solved.kept)), place)
    inner = solved.gram[np.ix_(solved.kept, solved.columns)]
    restricted = np.zeros(len(solved.kept))
    if len(rest):
        restricted[rest] = solve(inner[np.ix_(rest, rest)], inner[rest, -1])
    parts = list(_parts(solved))
    residual = solved.residual(restricted)
    scores = np.array([part.cross[:-1] @ residual for part in parts])
    row = solved.inverse[place]
    share = scores @ row
    order = np.argsort(share)  # signs are drawn in an order of what clusters hold, not of their names
    spread = np.array([row @ part.cross[:-1, :-1] @ solved.inverse for part in parts])
    effects = FixedEffects(solved.cells.codes[:-1], solved.cells.weight)
    sums, moving = _by_level_and_cluster(solved, residual, row)
    # with every sign left as it is, the replicate is the sample itself
    signs = np.ones((1, len(parts)))
    signs = np.vstack([signs, _signs(len(parts), replicates, seed)[:, np.argsort(order)]])
    found = []
    for drawn in np.array_split(signs, -(-len(signs) // AT_ONCE)):
        # how the signs move the score of each cluster: its own residuals, less what covariates and effects fit of all
        moved = drawn * share - (drawn @ scores) @ spread.T
        fitted = effects.fit([of_level.T @ drawn.T for of_level in sums])
        moved -= sum(((of_level @ part).T for of_level, part in zip(moving, fitted, strict=True)), np.zeros(1))
        found.append(np.abs(drawn @ share) / np.sqrt((moved**2).sum(axis=1)))
    t = np.concatenate(found)
    return float(np.mean(t[1:] >= t[0] * (1 - 1e-12)))


def _signs(n_clusters: int, replicates: int, seed: int) -> Floats:
    if n_clusters <= MOST_ENUMERATED and 2**n_clusters <= replicates:
        return np.array(list(product((1.0, -1.0), repeat=n_clusters)))
    return np.random.default_rng(seed).choice([1.0, -1.0], size=(replicates, n_clusters))


def _by_level_and_cluster(
    solved: Solved, residual: Floats, row: Floats
) -> tuple[list[sparse.csr_matrix], list[sparse.csr_matrix]]:
    """Of each fixed effect, clusters by levels: sums of residuals, and of what a fit of these moves in the scores."""
    cells, cluster = solved.cells, solved.cells.codes[-1]
    within = cells.sums - solved.taken * cells.weight[:, None]

    def spread(values: Floats, codes: Codes) -> sparse.csr_matrix:
        return sparse.csr_matrix((values, (cluster, codes)), shape=(cluster.max() + 1, codes.max() + 1))

    values = within @ residual, within[:, :-1] @ row
    sums, moving = ([spread(value, codes) for codes in cells.codes[:-1]] for value in values)
    return sums, moving


@dataclass(frozen=True)
class _Part:
    """One cluster: cross products within fixed effects; by level of the first of these, weight and sums within."""

    cross: Floats
    levels: Codes
    level_weight: Floats
    level_sums: Floats


def _parts(solved: Solved) -> Iterator[_Part]:
    cells, cluster = solved.cells, solved.cells.codes[-1]
    order = np.argsort(cluster, kind="stable")
    for code, places in enumerate(np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1)):
        own = cells.take(places)
        cross = gram_within(solved.cross_by_cluster[code], own, solved.taken[places])
        if not solved.effect_names:
            yield _Part(cross, np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros((0, len(cross))))
            continue
        levels, place = np.unique(own.codes[0], return_inverse=True)
        left = own.sums - solved.taken[places] * own.weight[:, None]
        yield _Part(cross, levels, np.bincount(place, own.weight).astype(float), by_code(place, left))


def _per_share(stretch: Floats, share: Floats) -> Floats:
    """Over the share of a direction; a direction without a share moves nothing."""
    is_there = share > LEAST_SHARE**1.2
    return np.where(is_there, stretch / np.where(is_there, share, 1), 0)


def _projections(parts: list[_Part], shadows: list[Floats], size: int, n_levels: int) -> sparse.csr_matrix:
    """One row per cluster: of what a contrast looks at, the part that covariates and fixed effect fit elsewhere."""
    columns = [np.concatenate([np.arange(size), size + part.levels]) for part in parts]
    rows = np.repeat(np.arange(len(parts)), [len(column) for column in columns])
    shape = (len(parts), size + n_levels)
    return sparse.csr_matrix((np.concatenate(shadows), (rows, np.concatenate(columns))), shape=shape)


def _satterthwaite(lengths: Floats, shadows: sparse.csr_matrix) -> float:
    """Degrees of freedom 2 E^2 / Var of a variance that is a sum over clusters, under errors all alike.

    Its quadratic form has length - shadow x shadow on the diagonal, and - shadow x shadow' beside it.
    """
    squared = np.asarray(shadows.multiply(shadows).sum(axis=1)).ravel()
    diagonal = lengths - squared
    between = shadows.T @ shadows
    total = float(between.multiply(between).sum()) - float((squared**2).sum()) + float((diagonal**2).sum())
    return float(diagonal.sum() ** 2 / total)
