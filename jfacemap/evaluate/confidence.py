r"""Intervals for TAR at FAR from resampled identities.

Pairs that share a person are not independent, so persons are drawn and not pairs. With
$w \sim \mathrm{Multinomial}(I; 1/I)$ a genuine pair of identity i weighs $w_i$, an
impostor pair of i and j weighs $w_i w_j$, and a pair of two copies of one identity
nothing. Threshold and TAR are found anew in each draw (Bolle, Ratha & Pankanti, 2004;
Fogliato, Patil & Perona, 2024, arXiv 2306.01198).
"""

import functools as ft
import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key

from ..core.types import Numeric
from .draws import check_draws
from .excess import Draws, first_excess
from .identities import IdentityPairs
from .target import count_limit, far_words


class TarConfidence(eqx.Module):
    """TAR at FAR with percentile intervals; float64 on the host.

    `*cells` are the leading axes of the scores, `*q` the shape of the targets.

    - `tar (*cells, *q)`: by the strict rule, as `tar_at_far` has it
    - `lower`, `upper (*cells, *q)`: percentile interval at `level`
    - `replicates (B, *cells, *q)`: TAR in each draw; NaN where it was skipped
    - `n_identities`: identities drawn from
    - `n_skipped`: draws that hold no genuine or no impostor pair

    All rates are NaN where the target is less than one impostor pair.
    """

    tar: Float[np.ndarray, "..."]
    lower: Float[np.ndarray, "..."]
    upper: Float[np.ndarray, "..."]
    replicates: Float[np.ndarray, "B ..."]
    n_identities: int = eqx.field(static=True)
    n_skipped: int = eqx.field(static=True)
    level: float = eqx.field(static=True)


@ft.partial(jax.jit, static_argnums=(1, 2))
def bootstrap_weights(
    key: Key[Array, ""], n_identities: int, replicates: int
) -> Int[Array, "replicates identities"]:
    r"""How often each identity is drawn: rows of $\mathrm{Multinomial}(I; 1/I)$."""
    shape = replicates, n_identities
    drawn = jax.random.randint(key, shape, 0, n_identities, jnp.int32)
    counts = jax.vmap(ft.partial(jnp.bincount, length=n_identities))(drawn)
    return counts.astype(jnp.int32)


def tar_confidence(
    key: Key[Array, ""],
    scores: Float[Numeric, "..."],
    pairs: IdentityPairs,
    fars: float | Sequence[float] | Float[np.ndarray, "*q"],
    *,
    replicates: int = 2000,
    level: float = 0.95,
    mesh: Mesh | None = None,
) -> TarConfidence:
    """Bootstrap TAR at FAR (strict rule) over identities.

    **Arguments:**

    - `key`: of the draws, `bootstrap_weights(key, pairs.n_identities, replicates)`. With
      one key and one `pairs` all tables see the same draws, so replicates subtract:
      "mapped minus native" has the interval of `mapped.replicates - native.replicates`.
    - `scores (*cells, *pairs.shape)`: a table of scores or a stack of them; a loop over
      tables gives the same. A NaN score is never accepted.
    - `pairs`: `identity_pairs(...)` of a table, shared by all.
    - `fars`: targets, plain numbers from 0 to 1.
    - `replicates`, `level`: draws, and coverage of the percentile interval.
    - `mesh`: its devices share the draws, to the same result.

    Driven from the host, where each table is ranked once. An interval is conditional on
    the map: that fits vary is not in it. Raises `ValueError` on shapes that do not match.
    """
    check_draws(key, replicates, level)
    split = scores.ndim - len(pairs.shape)
    if scores.shape[max(split, 0) :] != pairs.shape:
        raise ValueError(
            f"Scores {scores.shape} must end in the shape of the pairs, {pairs.shape}."
        )
    words = far_words(np.asarray(fars, np.float64))
    draws = _draw(key, pairs, words.reshape(-1, 4), replicates)
    tables = np.asarray(scores).reshape(-1, math.prod(pairs.shape))
    if tables.dtype.itemsize < 4:
        tables = tables.astype(np.float32)
    accepts = [_genuine_accepts(table, pairs, draws, mesh) for table in tables]

    tar = np.stack(accepts, axis=1) / np.maximum(draws.genuine, 1)[:, None, None]
    tar[~draws.used] = np.nan
    tar[:, :, draws.limits[0] == 0] = np.nan
    tar = tar.reshape(-1, *scores.shape[:split], *words.shape[:-1])
    kept = tar[draws.used][1:]
    ends = (1 - level) / 2, (1 + level) / 2
    lower, upper = np.quantile(kept, ends, axis=0) if len(kept) else tar[[0, 0]] * np.nan
    return TarConfidence(
        tar=np.asarray(tar[0]),
        lower=np.asarray(lower),
        upper=np.asarray(upper),
        replicates=tar[1:],
        n_identities=pairs.n_identities,
        n_skipped=replicates - len(kept),
        level=level,
    )


def _draw(key, pairs, words, replicates) -> Draws:
    drawn = np.asarray(bootstrap_weights(key, pairs.n_identities, replicates))
    # The first draw takes each identity once: it gives the estimate itself.
    weights = np.pad(drawn, ((1, 0), (0, 0)), constant_values=1)
    genuine, impostor = pairs.mass(weights)
    if impostor.max() >= 2**31:
        raise ValueError(f"Weighted counts reach {impostor.max()}: use fewer pairs.")
    limits = _limits(impostor.astype(np.int32), words)
    return Draws(weights, genuine, impostor, np.asarray(limits))


_limits = jax.jit(jax.vmap(count_limit, (0, None)))


def _genuine_accepts(scores, pairs, draws, mesh):
    """Weighted genuine pairs `(B, q)` above the first impostor pair in excess."""
    bar = first_excess(scores, pairs, draws, mesh)
    falling = -scores[pairs.genuine]
    order = np.argsort(falling)
    accepted = np.searchsorted(falling[order], -bar)  # NaN sorts last: all are accepted
    # Counts by identity up to each distinct place will do: many draws share one.
    places, place = np.unique(accepted, return_inverse=True)
    reached = np.searchsorted(places, np.arange(order.size), side="right")
    code = reached * pairs.n_identities + pairs.genuine_identity[order]
    counts = np.bincount(code, minlength=(places.size + 1) * pairs.n_identities)
    counts = counts.reshape(-1, pairs.n_identities)[:-1].cumsum(axis=0)
    return np.einsum("bqi,bi->bq", counts[place], draws.weights)
