r"""Indices that compare linear kernels $K = X X'$, or distances, over all pairs of rows.

With $S_{ab} = X_a' X_b$ of centred rows and $e_a$ the rows' squared lengths, all sums over
pairs of rows are sums over columns: $\sum_{ij} K_{a,ij} K_{b,ij} = \|S_{ab}\|_F^2$.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from ...core.energy import EnergyMoments, sum_by_model
from ...core.moments import JointMoments
from ...core.precision import in_float64, widen
from .given import check_energies, check_joint


def linear_cka(joint: JointMoments) -> Float[Array, "N N"]:
    r"""Linear CKA of all models: $\|X'Y\|_F^2 / (\|X'X\|_F \|Y'Y\|_F)$ of centred rows.

    Kornblith, Norouzi, Lee & Hinton (2019), eq. 3. From 0 to 1; biased upwards where rows
    are not many more than dimensions: see `debiased_cka`. NaN for a model whose rows are
    all equal. Raises `ValueError` for what is not `jfm.joint_moments`.
    """
    check_joint(joint, "linear_cka")
    return _linear_cka(joint)


def debiased_cka(moments: EnergyMoments) -> Float[Array, "N N"]:
    r"""Linear CKA from the unbiased estimate of HSIC (Song et al., 2012, eq. 5).

    $\mathrm{HSIC}_{ab} \propto \|S_{ab}\|_F^2 - \frac{n}{n - 2} \sum e_a e_b
    + \frac{\mathrm{tr} S_{aa}\, \mathrm{tr} S_{bb}}{(n - 1)(n - 2)}$, and CKA is
    $\mathrm{HSIC}_{ab} / \sqrt{\mathrm{HSIC}_{aa} \mathrm{HSIC}_{bb}}$. 0 on average for
    spaces that share nothing, and so at times below 0. NaN for fewer than 4 rows, or a
    model whose own estimate is not above 0. Raises `ValueError` for what is not
    `compare.energy_moments`.
    """
    check_energies(moments, "debiased_cka")
    return _debiased_cka(moments)


def rsa(moments: EnergyMoments) -> Float[Array, "N N"]:
    r"""Pearson's correlation of two models' squared distances between rows, $i < j$.

    Representational similarity analysis (Kriegeskorte, Mur & Bandettini, 2008) with
    squared Euclidean distances, exact and without making one:
    $\sum_{ij} d_a d_b = 2 n \sum e_a e_b + 2\, \mathrm{tr} S_{aa}\, \mathrm{tr} S_{bb}
    + 4 \|S_{ab}\|_F^2$. On unit rows distances are $2 - 2 \cos$, so that this is the
    correlation of cosines. From -1 to 1; NaN where all distances are equal. Ranks of
    cosines: `rank_rsa`. Raises `ValueError` for what is not `compare.energy_moments`.
    """
    check_energies(moments, "rsa")
    return _rsa(moments)


def _squares(joint: JointMoments):
    """$\\|S_{ab}\\|_F^2$ and the traces of $S_{aa}$, of widened moments."""
    squares = sum_by_model(sum_by_model(joint.scatter**2, joint.dims).T, joint.dims)
    return squares, sum_by_model(jnp.diagonal(joint.scatter), joint.dims)


def _normalised(table):
    """A table over the roots of its diagonal, which becomes 1; NaN where not above 0."""
    own = jnp.diagonal(table)
    own = jnp.where(own > 0, own, jnp.nan)
    scaled = table / jnp.sqrt(jnp.outer(own, own))
    eye = jnp.eye(own.shape[0], dtype=bool)
    return jnp.where(eye, (own / own)[None], scaled)


def _linear_cka_kernel(dtype, joint):
    squares, _ = _squares(widen(joint, dtype))
    return _normalised(squares)


def _debiased_kernel(dtype, moments):
    m = widen(moments, dtype)
    (squares, total), n = _squares(m.joint), m.joint.count
    n = jnp.where(n > 3, n, jnp.nan)
    unbiased = squares - n / (n - 2) * m.energies
    return _normalised(unbiased + jnp.outer(total, total) / ((n - 1) * (n - 2)))


def _rsa_kernel(dtype, moments):
    m = widen(moments, dtype)
    (squares, total), n = _squares(m.joint), m.joint.count
    both = jnp.outer(total, total)
    product = (2 * n * m.energies + 2 * both + 4 * squares) / (n * (n - 1))
    return _normalised(product - 4 * both / (n - 1) ** 2)


_linear_cka = in_float64(_linear_cka_kernel)
_debiased_cka = in_float64(_debiased_kernel)
_rsa = in_float64(_rsa_kernel)
