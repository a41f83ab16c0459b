r"""All N x N maps from fewer rows than dimensions, by systems of the size of the rows.

With n rows everything happens in their span, of dimension n. Least squares of minimum
norm is $W = x' (x x')^{+} y$, an n x n system a source. A rotation is the polar factor of
$x' y$, whose two sides have n-dimensional bases: with $x' = Q_x R_x$ and $y' = Q_y R_y$ it
is $Q_x\,\mathrm{polar}(R_x R_y')\,Q_y'$ on what the rows see.
"""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.linalg import matmul, solve_psd
from ..core.maps import LinearMap, RotationMap
from ..core.moments import as_rows
from ..core.polar import polar
from ..core.precision import in_float64, widen
from ..core.side_by_side import map_side_by_side
from ..core.types import Numeric
from .all_pairs import PairMaps


kinds = "linear", "rotation"


def fit_few_rows(
    embeddings: Sequence[Float[Numeric, "n _"]],
    kind: str,
    *,
    names: Sequence[str] | None = None,
) -> PairMaps:
    """What `fit_all_pairs` finds, from rows fewer than the narrowest model's dimensions.

    - "linear": the map of least norm among the many that fit exactly.
    - "rotation": rows do not say what becomes of the directions they leave out. Here the
      bases that Householder's QR completes each model's rows with are matched in order,
      and the last of them turned where the determinant would be -1. Deterministic, and
      `maps[j, i]` is exactly the transpose of `maps[i, j]`.

    Raises `ValueError` for another kind, or if rows are as many as a model's dimensions.
    """
    if kind not in kinds:
        raise ValueError(f"kind is one of {', '.join(kinds)}; got {kind!r}.")
    rows, _ = as_rows(embeddings, [f"model {i}" for i in range(len(embeddings))], None)
    n, least = rows[0].shape[0], min(x.shape[1] for x in rows)
    if n >= least:
        raise ValueError(
            f"{n} rows are not fewer than {least} dimensions: use fit_all_pairs."
        )
    names = tuple(map(str, range(len(rows)))) if names is None else tuple(names)
    return PairMaps((_linear if kind == "linear" else _rotation)(rows), names)


def _linear_kernel(dtype, rows):
    rows = widen(rows, dtype)
    targets = jnp.concatenate(rows, axis=1)
    ends = [sum(x.shape[1] for x in rows[: i + 1]) for i in range(len(rows) - 1)]

    def from_source(x):
        weight = matmul(x.T, solve_psd(matmul(x, x.T), targets))
        return tuple(map(LinearMap, jnp.split(weight, ends, axis=1)))

    return tuple(map(from_source, rows))


def _rotation_kernel(dtype, rows):
    rows, n = widen(rows, dtype), rows[0].shape[0]
    bases = [jnp.linalg.qr(x.T, mode="complete") for x in rows]
    signs = [jnp.linalg.slogdet(q)[0] for q, _ in bases]

    pairs = list(itertools.combinations(range(len(rows)), 2))
    seen = [matmul(bases[i][1][:n], bases[j][1][:n].T) for i, j in pairs]
    inner = map_side_by_side(lambda c: polar(c, True), jnp.stack(seen)) if pairs else ()

    def between(i, j, inner) -> Float[Array, "d k"]:
        a, b = bases[i][0], bases[j][0]
        d, k = a.shape[0], b.shape[0]
        turn = jnp.eye(d, k, dtype=dtype).at[:n, :n].set(inner)
        if d == k:
            sign = signs[i] * signs[j] * jnp.linalg.slogdet(inner)[0]
            turn = turn.at[-1, -1].mul(sign)
        return matmul(matmul(a, turn), b.T)

    maps = {(i, i): jnp.eye(x.shape[1], dtype=dtype) for i, x in enumerate(rows)}
    for (i, j), turn in zip(pairs, inner, strict=True):
        maps[i, j] = between(i, j, turn)
        maps[j, i] = maps[i, j].T
    every = range(len(rows))
    return tuple(tuple(RotationMap(maps[i, j]) for j in every) for i in every)


_linear, _rotation = in_float64(_linear_kernel), in_float64(_rotation_kernel)
