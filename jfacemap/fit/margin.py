"""Losses that pull an image to its identity's centre by a margin: ArcFace and AdaFace.

Deng et al., "ArcFace" (CVPR 2019); Kim, Jain & Liu, "AdaFace" (CVPR 2022). The loss
without parameters is that of paper 003 (Leroy et al., ICML 2025), which validates on
people who have no centre yet.
"""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core.linalg import matmul, unit
from ..core.types import as_array, Numeric


Kind = Literal["arcface", "adaface"]


class NormStatistics(eqx.Module):
    """Running mean and standard deviation of embedding lengths, which AdaFace scales by."""

    mean: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.float32(20))
    deviation: Float[Array, ""] = eqx.field(default_factory=lambda: jnp.float32(100))

    def update(self, embeddings: Float[Array, "n d"], rate: float = 0.01):
        """Moved towards a batch by `rate` (t of the paper, .01)."""
        length = _lengths(embeddings)
        deviation = jnp.std(length, ddof=1) if len(length) > 1 else self.deviation
        mix = lambda new, old: jax.lax.stop_gradient(rate * new + (1 - rate) * old)
        return NormStatistics(
            mix(jnp.mean(length), self.mean), mix(deviation, self.deviation)
        )


def arcface_logits(
    embeddings: Float[Numeric, "n d"],
    centres: Float[Numeric, "c d"],
    label: Int[Numeric, " n"],
    *,
    margin: float = 0.5,
    scale: float = 64.0,
) -> Float[Array, "n c"]:
    r"""$s \cos(\theta_j + m [j = y])$, the angle to a centre widened for the own identity.

    Angles do not pass 180 degrees.
    """
    return _logits(embeddings, centres, label, margin, 0.0, scale)


def adaface_logits(
    embeddings: Float[Numeric, "n d"],
    centres: Float[Numeric, "c d"],
    label: Int[Numeric, " n"],
    statistics: NormStatistics,
    *,
    margin: float = 0.4,
    concentration: float = 0.333,
    scale: float = 64.0,
) -> Float[Array, "n c"]:
    r"""$s(\cos(\theta_y - m \hat z) - m \hat z - m)$, for others $s \cos\theta_j$.

    $\hat z$ is the embedding's length, standardised by `statistics`, times h
    (`concentration`), within -1 to 1: what a network is sure of has the larger margin.
    """
    length = jax.lax.stop_gradient(_lengths(embeddings))
    z = (length - statistics.mean) / (statistics.deviation + 1e-3) * concentration
    z = jnp.clip(z, -1, 1)
    return _logits(embeddings, centres, label, -margin * z, margin * (z + 1), scale)


def margin_loss(logits: Float[Array, "n c"], label: Int[Numeric, " n"]) -> Float[Array, ""]:
    """Mean cross entropy of logits with the identities."""
    own = jnp.take_along_axis(logits, jnp.asarray(label)[:, None], axis=1)[:, 0]
    return jnp.mean(jax.nn.logsumexp(logits, axis=1) - own)


def validation_loss(
    fixed: Float[Numeric, "I d"],
    variations: Float[Numeric, "I m d"],
    kind: Kind = "arcface",
) -> Float[Array, ""]:
    """The loss without parameters: the embedding of its fixed image is a person's centre.

    Of I people not seen in training, `fixed (I, d)` and m variations of each. Falls as
    variations come nearer to their own fixed image, rises as fixed images of two people
    come nearer to each other. AdaFace's lengths are standardised by those at hand.
    """
    fixed, variations = as_array(fixed), as_array(variations)
    if kind not in ("arcface", "adaface"):
        raise ValueError(f"kind is 'arcface' or 'adaface'; got {kind!r}.")
    people, each = variations.shape[:2]
    if fixed.shape != (people, variations.shape[2]):
        raise ValueError(
            f"A fixed image of each of {people} people: ({people}, "
            f"{variations.shape[2]}); got {fixed.shape}."
        )
    rows = variations.reshape(people * each, -1)
    label = jnp.repeat(jnp.arange(people, dtype=jnp.int32), each)
    if kind == "arcface":
        return margin_loss(arcface_logits(rows, fixed, label), label)
    statistics = NormStatistics().update(jnp.asarray(rows), rate=1.0)
    return margin_loss(adaface_logits(rows, fixed, label, statistics), label)


def _logits(embeddings, centres, label, angle, less, scale):
    x, c = unit(as_array(embeddings)), unit(as_array(centres))
    # Not at 0 and 180 degrees, where the arc cosine has no slope.
    cosine = jnp.clip(matmul(x, c.T), -1 + 1e-6, 1 - 1e-6)
    own = jax.nn.one_hot(jnp.asarray(label), c.shape[0], dtype=cosine.dtype)
    theta = jnp.arccos(jnp.sum(cosine * own, axis=1)) + angle
    target = jnp.cos(jnp.clip(theta, 0, jnp.pi)) - less
    return scale * jnp.where(own > 0, target[:, None], cosine)


def _lengths(embeddings):
    return jnp.clip(jnp.linalg.norm(jnp.asarray(embeddings), axis=1), 1e-3, 100)
