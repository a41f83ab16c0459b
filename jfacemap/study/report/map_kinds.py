"""Maps of every family among all models, from the joint moments of folds of people."""

import functools as ft
import warnings
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from ...core.moments import joint_moments, JointMoments
from ...core.monoid import merge
from ...fit.all_pairs import fit_all_pairs, PairMaps
from ...fit.rotation import solve_similarity
from ..choose_maps import choose_maps
from ..rank import rank_path


ridges = tuple(float(r) for r in np.geomspace(1e-6, 1e-1, 11))
"""Penalties for each row, of unit length: their Gram matrix has mean eigenvalue 1 / d."""


class KindMaps(eqx.Module):
    """Maps of each kind, and what was chosen for each pair of models `(N, N)`."""

    maps: dict[str, PairMaps]
    chosen: dict[str, np.ndarray]


def fold_moments(
    spaces: Sequence[np.ndarray], fold: np.ndarray, names: Sequence[str]
) -> list[JointMoments]:
    """Joint moments of each fold of the rows; one program serves all."""
    rows = [jnp.asarray(x) for x in spaces]
    weights = [jnp.asarray(fold == k, jnp.float32) for k in range(int(fold.max()) + 1)]
    return [joint_moments(rows, w, names=names) for w in weights]


def fit_kinds(folds: Sequence[JointMoments]) -> KindMaps:
    """All kinds of maps; ridge and rank of each pair are chosen by the folds."""
    with warnings.catch_warnings():
        # A report says at length that rows are few for a wide model.
        warnings.filterwarnings("ignore", message=".* rows do not determine")
        joint = ft.reduce(merge, folds)
        plain = "identity", "linear", "affine", "rotation"
        maps = {kind: fit_all_pairs(joint, kind) for kind in plain}
        maps["similarity"] = fit_similarities(joint)
        ridge = choose_maps(folds, ridges, fit_ridges)
        ranks = _ranks(joint.dims)
        cut = choose_maps(folds, ranks, lambda m: rank_maps(m, ranks))
    maps |= {"ridge": ridge.maps, "low rank": cut.maps}
    return KindMaps(maps, {"ridge": ridge.chosen, "low rank": cut.chosen})


def fit_ridges(joint: JointMoments) -> list[PairMaps]:
    """Affine maps of every penalty in `ridges`."""
    mass = float(np.asarray(joint.mass))
    return [fit_all_pairs(joint, "affine", ridge=r * mass) for r in ridges]


def rank_maps(joint: JointMoments, ranks: Sequence[int]) -> list[PairMaps]:
    """Linear maps of every rank, from one decomposition a pair."""
    path = rank_path(joint)
    return [path.at(r) for r in ranks]


def fit_similarities(joint: JointMoments) -> PairMaps:
    """Scaled, centred Procrustes maps of all pairs."""
    each = range(len(joint.dims))
    row = lambda i: tuple(solve_similarity(joint.pair(i, j)) for j in each)
    return PairMaps(tuple(map(row, each)), joint.names)


def _ranks(dims: Sequence[int]) -> list[int]:
    """Powers of two, up to where every map is of full rank."""
    most = sorted(dims)[-2]
    return [*(2**i for i in range(2, most.bit_length()) if 2**i < most), most]
