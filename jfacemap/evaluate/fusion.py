r"""Several models' searches of the same gallery as one (score-level fusion).

The score of probe p with gallery template g in model m, z-normalised over the gallery, is
$(p_m \cdot g_m - \mu_m(p)) / \sigma_m(p)$. The mean $\mu_m(p) = p_m \cdot \bar g_m$ is an
inner product too, so that the sum over models is one of longer vectors,

$$\sum_m \frac{p_m \cdot (g_m - \bar g_m)}{\sigma_m(p)}
  = \left[\frac{p_m}{\sigma_m(p)}\right]_m \cdot \left[g_m - \bar g_m\right]_m ,$$

and whatever takes templates takes fused ones.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp

from ..core.linalg import matmul
from .floats import at_least_float32
from .templates import Templates


class FusedSearch(eqx.Module):
    """Templates whose inner product is the mean z-normalised score of several models."""

    gallery: Templates
    probes: Templates


def fuse_models(galleries: Sequence[Templates], probes: Sequence[Templates]) -> FusedSearch:
    """Fuse the searches of several models: mean of scores, z-normalised for each probe.

    `galleries[m]` and `probes[m]` are what model m makes of the same templates, in one
    order. Scores of a probe are shifted and scaled to mean 0 and variance 1 over the
    gallery, in each model (T-norm, as speaker recognition has it). A probe that a model
    scores alike with all of the gallery gets 0 from it. Raises `ValueError` if models do
    not have the same templates.
    """
    if not galleries or len(galleries) != len(probes):
        raise ValueError(f"{len(galleries)} galleries but {len(probes)} sets of probes.")
    for side in (galleries, probes):
        if any(each.ids != side[0].ids for each in side):
            raise ValueError("All models must have the same templates in one order.")
    left, right = _fuse(*(tuple(t.vectors for t in side) for side in (galleries, probes)))
    return FusedSearch(Templates(galleries[0].ids, left), Templates(probes[0].ids, right))


@jax.jit
def _fuse(galleries, probes):
    centred = lambda g: g - jnp.mean(g, axis=0, keepdims=True)
    galleries = [centred(at_least_float32(g)) for g in galleries]
    pairs = zip(galleries, map(at_least_float32, probes), strict=True)
    scaled = [_scale(g, p) / len(galleries) for g, p in pairs]
    return jnp.concatenate(galleries, axis=1), jnp.concatenate(scaled, axis=1)


def _scale(gallery, probes):
    # The variance of a probe's scores is a quadratic form: no table of scores is held.
    spread = matmul(gallery.T, gallery) / gallery.shape[0]
    variance = jnp.sum(matmul(probes, spread) * probes, axis=1, keepdims=True)
    rounding = gallery.shape[1] * jnp.finfo(probes.dtype).eps ** 2
    alive = variance > rounding * jnp.sum(probes**2, axis=1, keepdims=True)
    return jnp.where(alive, probes / jnp.sqrt(jnp.where(alive, variance, 1)), 0)
