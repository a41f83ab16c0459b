"""Rank correlations: do attributes that mark the space vary little within a person?"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Key, Shaped

from ..core.types import as_array, Numeric
from .entropy import inter_entropy, intra_entropy
from .macroscale import AttributeKs, cloud_distances
from .relabel import SortedPairs
from .signs import as_signs, identity_codes
from .tiles import Metric


def ks_aggregates(ks, people) -> dict[str, np.ndarray]:
    """Statistics `(..., A, 2)` of both values as one number `(..., A)`, in four ways.

    - "max", "mean": of the two values
    - "weighted": sum of statistic times `people (A, 2)` that have the value, as published
      (paper 003's summary does not say of what the count is: here of identities)
    - "weighted mean": the same over the sum of the counts
    """
    total = (ks * people).sum(axis=-1)
    return {
        "max": ks.max(axis=-1),
        "mean": ks.mean(axis=-1),
        "weighted": total,
        "weighted mean": total / np.maximum(people.sum(axis=-1), 1),
    }


class SpearmanTable(eqx.Module):
    """Rank correlations over attributes of aggregates (rows) with entropies (columns).

    - `rho`, `p (G, 2)`: with inter- and intra-entropy; p is asymptotic, as published, and
      takes the attributes to be independent, which they are not
    - `replicates (B, G, 2)`: rho in draws of identities; NaN where it is undefined
    - `aggregates`: names of the rows
    """

    rho: Float[np.ndarray, "G 2"]
    p: Float[np.ndarray, "G 2"]
    replicates: Float[np.ndarray, "B G 2"]
    aggregates: tuple[str, ...] = eqx.field(static=True)

    def interval(self, level: float = 0.95) -> Float[np.ndarray, "2 G 2"]:
        """Percentile interval over draws of identities; NaN without draws."""
        if not len(self.replicates):
            return np.full((2, *self.rho.shape), np.nan)
        return np.nanquantile(self.replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)


def correlate_entropy(
    key: Key[jax.Array, ""],
    found: AttributeKs,
    embeddings: Float[Numeric, "n d"],
    attributes: Shaped[Numeric, "n A"],
    identity: Shaped[Numeric, " n"],
    *,
    metric: Metric,
    replicates: int = 0,
    bandwidth: float = 0.1,
) -> SpearmanTable:
    """Spearman's rho between what attributes do to distances and how much they vary.

    Of `found`, by `attribute_ks` of the same embeddings, the first draw. In each of the
    `replicates` identities are drawn with replacement: entropies are those of the draw,
    and a distance of two images counts as often as the identities' product, one of a
    person to itself not at all. Attributes with NaN are left out.
    """
    from scipy.stats import rankdata, spearmanr

    signs = np.asarray(as_signs(attributes))
    names, code = identity_codes(identity, len(signs), "attributes")
    inter = np.asarray(inter_entropy(signs, identity, bandwidth=bandwidth))
    intra = np.asarray(intra_entropy(signs, identity))
    values = ks_aggregates(found.statistic, found.people)
    known = np.isfinite(found.statistic).all(axis=1)
    pairs = [[spearmanr(v[known], e[known]) for e in (inter, intra)]
             for v in values.values()]  # fmt: skip
    rho, p = (np.array([[getattr(r, name) for r in row] for row in pairs])
              for name in ("statistic", "pvalue"))  # fmt: skip
    draws = np.zeros((0, *rho.shape))
    if replicates:
        w = _weights(key, len(names), replicates)
        ks = _weighted_statistics(found, np.asarray(as_array(embeddings)), code, w, metric)
        of_inter = lambda w: inter_entropy(signs, identity, weights=w, bandwidth=bandwidth)
        of_intra = lambda w: intra_entropy(signs, identity, weights=w)
        both = [np.asarray(jax.jit(jax.vmap(f))(w)) for f in (of_inter, of_intra)]
        both = np.stack(both)[:, :, known]
        rank = lambda x: rankdata(x, axis=-1) - (known.sum() + 1) / 2
        entropy = rank(both)
        rows = []
        for value in ks_aggregates(ks, found.people).values():
            value = rank(value[:, known])
            with np.errstate(invalid="ignore"):
                scale = np.sqrt((value**2).sum(-1) * (entropy**2).sum(-1))
                rows.append(((value * entropy).sum(-1) / scale).T)
        draws = np.stack(rows, axis=1)
    return SpearmanTable(rho, p, draws, tuple(values))


def _weights(key, people: int, replicates: int) -> np.ndarray:
    """How often each identity is drawn."""
    drawn = jax.random.randint(key, (replicates, people), 0, people, jnp.int32)
    count = jax.vmap(lambda row: jnp.zeros(people, jnp.float32).at[row].add(1))
    return np.asarray(count(drawn))


def _weighted_statistics(found, embeddings, code, weights, metric) -> np.ndarray:
    """KS statistics `(B, A, 2)` of the first draw's images, identities weighted."""
    out = np.full((len(weights), *found.statistic.shape), np.nan)
    images = 2 * int(found.size.max(initial=0))
    for a, size in enumerate(found.size):
        if size < 2:
            continue
        rows = found.clouds[a, :, :size].ravel()
        d = cloud_distances(embeddings[rows], images, metric)
        same = code[rows][:, None] == code[rows][None]
        pairs = SortedPairs(d, same, size=1)
        fill = images - len(rows)
        first = np.pad(np.arange(len(rows)) < size, (0, fill))
        of_image = np.pad(weights[:, code[rows]], ((0, 0), (0, fill)))
        more = images * (images - 1) // 2 - len(pairs.ends)
        cut = lambda x, more=more: np.pad(x.ravel(), (0, more))
        i, j, ends = map(cut, (pairs.first, pairs.second, pairs.ends))
        valid = cut(pairs.valid)
        out[:, a] = _weighted(of_image, first, i, j, valid, ends)
    return out


@jax.jit
def _weighted(weights, first, i, j, valid, ends):
    within = (first[i] & first[j], ~first[i] & ~first[j])
    across = first[i] != first[j]

    def one(w):
        w = w[i] * w[j] * valid
        share = lambda which: _share(jnp.where(which, w, 0))
        other = share(across)
        gaps = [jnp.abs(share(which) - other) for which in within]
        return jnp.stack([jnp.max(jnp.where(ends, gap, 0)) for gap in gaps])

    return jax.lax.map(one, weights)


def _share(w):
    # Whole numbers: exact up to 2^24 pairs.
    total = jnp.cumsum(w)
    return total / jnp.maximum(total[-1], 1)
