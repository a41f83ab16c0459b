"""The distance between two spaces that is left by the best rotation."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core.moments import JointMoments
from ...core.precision import in_float64, widen
from .given import check_joint


def procrustes_distance(
    joint: JointMoments, *, angular: bool = False
) -> Float[Array, "N N"]:
    r"""Distance of centred spaces of unit size under the best rotation or reflection.

    $\sqrt{2 - 2 c}$, or with `angular` the angle $\arccos c$, of
    $c = \|X'Y\|_* / (\|X\|_F \|Y\|_F)$, the nuclear norm over the Frobenius norms. Both are
    metrics (Williams, Kunz, Kornblith & Linderman, 2021); the squared distance is what
    Ding, Denain & Steinhardt (2021) call orthogonal Procrustes, scaled. Of unequal widths
    the narrower space is padded by zeros. NaN for a model whose rows are all equal.
    """
    check_joint(joint, "procrustes_distance")
    return _distance(joint, angular=angular)


def _kernel(dtype, joint, *, angular):
    joint = widen(joint, dtype)
    columns, n = joint.columns, len(joint.dims)
    size = jnp.stack([jnp.trace(joint.scatter[c, c]) for c in columns])
    size = jnp.sqrt(jnp.where(size > 0, size, jnp.nan))

    def cosine(a, b):
        if a == b:
            return size[a] / size[a]
        cross = joint.scatter[columns[a], columns[b]]
        nuclear = jnp.sum(jnp.linalg.svd(cross, compute_uv=False))
        return jnp.minimum(nuclear / (size[a] * size[b]), 1)

    upper = {(a, b): cosine(a, b) for a in range(n) for b in range(a, n)}
    table = [[upper[min(a, b), max(a, b)] for b in range(n)] for a in range(n)]
    c = jnp.stack(list(map(jnp.stack, table)))
    return jnp.arccos(c) if angular else jnp.sqrt(2 - 2 * c)


_distance = in_float64(_kernel, static=("angular",))
