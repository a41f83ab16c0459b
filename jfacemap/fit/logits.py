r"""What a classifier's weights alone say of a feature space (thesis 002, section 5.5)."""

import equinox as eqx
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from ..core.head import Head
from ..core.linalg import matmul
from ..core.maps import AffineMap
from ..core.precision import in_float64, widen


class HeadSplit(eqx.Module):
    """Orthonormal bases of the features a head sees, and of those it cannot see.

    - `seen (d, r)`: what moves the logits; r is the rank of the head
    - `unseen (d, d - r)`: what does not: rows that differ there have the same logits
    - `spectrum (s,)`, falling: all singular values of the head, those of no rank too
    """

    seen: Float[Array, "d r"]
    unseen: Float[Array, "d u"]
    spectrum: Float[Array, " s"]

    @property
    def rank(self) -> Float[Array, ""]:
        """Singular values above d 2^-23 of the largest.

        That is the rounding of float32, the most that weights carry.
        """
        largest = jnp.max(self.spectrum, initial=0)
        least = self.seen.shape[0] * jnp.finfo(jnp.float32).eps * largest
        return jnp.sum(self.spectrum > least, dtype=self.spectrum.dtype)


def logit_map(source: Head, target: Head) -> AffineMap:
    r"""The map that keeps logits: $x \mapsto (x C_A + b_A - b_B)\, C_B^+$.

    Nothing is fitted and no row is seen. If $C_B$ has full column rank (no fewer
    dimensions than classes, and none redundant) then $C_B^+ C_B = I$ and the target's head
    gives the source's logits exactly, so that every classifier does as well as the
    source's own (Table 5.3). If not, the logits nearest to them in least squares. Singular
    values below float32's rounding count as zero. Raises `ValueError` if the heads have
    different classes.
    """
    if source.classes != target.classes:
        raise ValueError(
            f"The heads tell apart {source.classes} and {target.classes} classes: logits "
            "carry over between the same classes in the same order."
        )
    return AffineMap(*_logit_map(source, target))


def head_split(head: Head, *, up_to_shift: bool = False) -> HeadSplit:
    r"""Split a feature space into what a head sees and what it does not.

    The column space of C and its complement, from the singular vectors. `up_to_shift`
    leaves out what adds the same number to every logit: labels and probabilities do not
    see it, so that at most classes - 1 directions are seen. Directions whose singular value
    is rounding (`HeadSplit.rank`), as of redundant classes, are unseen. Within `jit`, where
    widths cannot depend on values, they count as seen.
    """
    split = HeadSplit(*_split(head, up_to_shift=up_to_shift))
    if isinstance(split.spectrum, Tracer):
        return split
    r = int(split.rank)
    basis = jnp.concatenate([split.seen, split.unseen], axis=1)
    return HeadSplit(basis[:, :r], basis[:, r:], split.spectrum)


def _logit_kernel(dtype, source, target):
    source, target = widen((source, target), dtype)
    u, s, vt = jnp.linalg.svd(target.weight, full_matrices=False)
    # Weights come in float32 or less: what they round is no direction of theirs.
    kept = s > max(target.weight.shape) * float(jnp.finfo(jnp.float32).eps) * s[0]
    inverse = jnp.where(kept, 1 / jnp.where(kept, s, 1), 0)
    back = matmul(vt.T, inverse[:, None] * u.T)
    bias = matmul(source.bias - target.bias, back)
    return matmul(source.weight, back), bias


def _split_kernel(dtype, head, *, up_to_shift):
    weight = widen(head.weight, dtype)
    if up_to_shift:
        weight = weight - jnp.mean(weight, axis=1, keepdims=True)
    u, s, _ = jnp.linalg.svd(weight, full_matrices=True)
    rank = min(weight.shape[0], weight.shape[1] - up_to_shift)
    return u[:, :rank], u[:, rank:], s[:rank]


_logit_map = in_float64(_logit_kernel)
_split = in_float64(_split_kernel, static=("up_to_shift",))
