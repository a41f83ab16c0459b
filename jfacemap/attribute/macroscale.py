r"""Do identities that share an attribute lie nearer to each other than to the rest?

The macroscale analysis of *Attributes Shape the Embedding Space* (Leroy et al., ICML
2025, paper 003): for each attribute and each of its values, distances within a cloud of
identities against distances to the other cloud.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key, Shaped

from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .clouds import draw_clouds, host_rng
from .ks import ks_p_value, ks_statistic
from .relabel import largest_statistics, relabellings, SortedPairs
from .signs import as_signs, identity_codes
from .tiles import check_metric, check_points, distances, Metric, prepare


class AttributeKs(eqx.Module):
    """Of A attributes, values +1 and -1 (in this order), over `draws` of images; host.

    - `draws (draws, A, 2)`: KS statistic of distances within a cloud against across;
      NaN where an attribute has fewer than two identities of either value
    - `p`, `log_p (A, 2)`: asymptotic, of the first draw. Distances share images, so that
      this p is too small: use `permutation_p`
    - `size (A,)`: identities in each cloud
    - `people (A, 2)`: identities that have an image of each value
    - `null (A, R)`: the larger statistic of relabelled images of the first draw
    - `observed (A,)`: the same of the images as they are, at the same places
    - `clouds (A, 2, cap)`: rows of the first draw; -1 past `size`
    - `skipped`: images left out, their embedding not finite or, under cosine, zero
    """

    draws: Float[np.ndarray, "draws A 2"]
    p: Float[np.ndarray, "A 2"]
    log_p: Float[np.ndarray, "A 2"]
    size: Int[np.ndarray, " A"]
    people: Int[np.ndarray, "A 2"]
    null: Float[np.ndarray, "A R"]
    observed: Float[np.ndarray, " A"]
    clouds: Int[np.ndarray, "A 2 cap"]
    skipped: int = eqx.field(static=True)

    @property
    def statistic(self) -> Float[np.ndarray, "A 2"]:
        """Of the first draw."""
        return self.draws[0]

    @property
    def median_largest(self) -> Float[np.ndarray, " A"]:
        """The larger statistic of the two values, its median over draws."""
        return np.median(self.draws.max(axis=2), axis=0)

    @property
    def permutation_p(self) -> Float[np.ndarray, " A"]:
        """(1 + #{null >= observed}) / (R + 1); NaN without relabellings."""
        return self._share(self.null, self.observed)

    @property
    def permutation_p_max(self) -> Float[np.ndarray, " A"]:
        """The same, adjusted for the number of attributes by the largest of all (max-T).

        Statistics are standardised by their null first, as small clouds have large ones.
        Attributes are relabelled apart, which makes it conservative where they go together.
        """
        if not self.null.shape[1]:
            return np.full(len(self.null), np.nan)
        mean, spread = self.null.mean(axis=1), self.null.std(axis=1)
        scale = lambda x: (x - mean) / np.where(spread > 0, spread, 1)
        known = np.isfinite(self.observed)
        largest = scale(self.null.T)[:, known].max(axis=1, initial=-np.inf)
        return self._share(largest[None], scale(self.observed))

    def _share(self, null, observed):
        if not self.null.shape[1]:
            return np.full(len(observed), np.nan)
        count = (null >= observed[:, None] - 1e-6).sum(axis=1)
        p = (1 + count) / (1 + self.null.shape[1])
        return np.where(np.isfinite(observed), p, np.nan)


def attribute_ks(
    key: Key[jax.Array, ""],
    embeddings: Float[Numeric, "n d"],
    attributes: Shaped[Numeric, "n A"],
    identity: Shaped[Numeric, " n"],
    *,
    metric: Metric,
    cap: int = 500,
    draws: int = 1,
    permutations: int = 0,
    exclude_same: bool = False,
) -> AttributeKs:
    """KS statistics between distances within clouds of identities and across them.

    A cloud has one random image of each identity among those that have the value; both
    clouds are of one size, at most `cap`. Within are all pairs of a cloud, across all of
    one image of either; an identity may be in both.

    **Arguments:**

    - `embeddings`, `attributes`, `identity`: of n images; attributes in {-1, +1}, booleans
      and {0, 1} are converted.
    - `metric`: "cosine" or "euclidean", as the model was trained for.
    - `draws`: of images; the first is that of p, of the relabelling and of the clouds.
    - `permutations`: relabellings of each attribute, 9,999 or more for a p to quote.
      Identities in both clouds swap their two images, the others are dealt anew; compared
      at 1,024 or more places of the distances, at every one where there are fewer.
    - `exclude_same`: leave distances between two images of one identity out; the paper
      kept them, which matters where people are few.

    Raises `ValueError` on shapes that do not match, values that are no sign, or without
    an attribute.
    """
    check_metric(metric)
    embeddings = as_array(embeddings)
    check_points(embeddings, "embeddings")
    signs = np.asarray(as_signs(attributes))
    if len(signs) != len(embeddings):
        raise ValueError(f"{len(embeddings)} embeddings, {len(signs)} rows of attributes.")
    if not signs.shape[1]:
        raise ValueError("attribute_ks takes one attribute or more; got none.")
    if cap < 2 or draws < 1 or permutations < 0:
        raise ValueError(
            "attribute_ks takes cap of 2 or more, draws of 1 or more and permutations of 0 "
            f"or more; got {cap}, {draws}, {permutations}."
        )
    _, code = identity_codes(identity, len(signs), "attributes")
    rows = np.asarray(embeddings)
    usable = np.isfinite(rows).all(axis=1)
    if metric == "cosine":
        usable &= (rows != 0).any(axis=1)
    rng = host_rng(key)
    found = [
        [_one(rng, rows, signs[:, a], code, usable, metric, cap, exclude_same)
         for a in range(signs.shape[1])]
        for _ in range(draws)
    ]  # fmt: skip
    first = found[0]
    null = [_relabelled(rng, each, code, permutations) for each in first]
    p = np.array([each.p for each in first]).reshape(-1, 2, 2)
    return AttributeKs(
        draws=np.array([[each.statistic for each in draw] for draw in found]),
        p=p[..., 0],
        log_p=p[..., 1],
        size=np.array([each.rows.shape[1] for each in first]),
        people=np.array([each.people for each in first]),
        null=np.array([x[1:] for x in null]).reshape(len(first), permutations),
        observed=np.array([x[0] for x in null]),
        clouds=np.stack([_fill(each.rows, cap) for each in first]),
        skipped=int((~usable).sum()),
    )


class _Compared:
    """One attribute of one draw."""

    def __init__(self, rows, people, distance, excluded):
        self.rows, self.people = rows, people
        self.distance, self.excluded = distance, excluded
        n = rows.shape[1]
        self.statistic, self.p = (np.nan, np.nan), ((np.nan, np.nan),) * 2
        if n < 2:
            return
        upper = np.triu_indices(n, 1)
        across = distance[:n, n:][~excluded[:n, n:]]
        within = distance[:n, :n][upper], distance[n:, n:][upper]
        self.statistic = tuple(ks_statistic(d, across) for d in within)
        self.p = tuple(
            ks_p_value(s, d.size, across.size)
            for s, d in zip(self.statistic, within, strict=True)
        )


def _one(rng, x, signs, code, usable, metric, cap, exclude_same) -> _Compared:
    rows, people = draw_clouds(rng, signs, code, usable, cap)
    flat = rows.ravel()
    d = cloud_distances(x[flat], 2 * min(cap, len(np.unique(code))), metric)
    same = code[flat][:, None] == code[flat][None]
    return _Compared(rows, people, d, same if exclude_same else np.zeros_like(same))


def cloud_distances(
    x: Float[np.ndarray, "n d"], most: int, metric: Metric
) -> Float[np.ndarray, "n n"]:
    """Distances of a few rows, by a program for any number of them up to `most`."""
    some = np.zeros((most, x.shape[1]), x.dtype)
    some[: len(x)] = x
    return np.asarray(_distances(some, len(x), metric=metric))[: len(x), : len(x)]


def _relabelled(rng, each: _Compared, code, permutations: int) -> np.ndarray:
    """The larger statistic of the labels as they are, and of each relabelling."""
    if not permutations or each.rows.shape[1] < 2:
        return np.full(1 + permutations, np.nan)
    labels = relabellings(rng, code[each.rows], permutations)
    pairs = SortedPairs(each.distance, each.excluded)
    return largest_statistics(pairs, labels).astype(np.float64)


def _fill(rows, cap: int) -> np.ndarray:
    return np.pad(rows, ((0, 0), (0, cap - rows.shape[1])), constant_values=-1)


def _square(dtype, x, used, *, metric):
    x = widen(x, dtype)
    # What is not used must not move the mean.
    here = jnp.arange(x.shape[0], dtype=jnp.int32) < used
    x = prepare(jnp.where(here[:, None], x, jnp.nan), metric).x
    d = distances(x, x, metric)
    # Both triangles of one rounding: a pair is read from either.
    return jnp.triu(d, 1) + jnp.triu(d, 1).T


_distances = in_float64(_square, static=("metric",))
