"""Can an attribute be read off an embedding by a plane? Tested on people not fitted on."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from ..core.linalg import matmul
from ..core.precision import in_float64, widen
from ..core.types import as_array, Numeric
from .clouds import host_rng
from .signs import as_signs, identity_codes
from .tiles import check_points


newton_steps, conjugate_steps = 12, 30


class Discrimination(eqx.Module):
    """Of A attributes, of all held-out images together; NaN where a fold lacks a value.

    - `accuracy`, `balanced (A,)`: part of the images told right, and its mean over values
    - `majority (A,)`: accuracy of always saying the commoner value
    """

    accuracy: Float[np.ndarray, " A"]
    balanced: Float[np.ndarray, " A"]
    majority: Float[np.ndarray, " A"]


def discriminative_power(
    key: Key[jax.Array, ""],
    embeddings: Float[Numeric, "n d"],
    attributes: Shaped[Numeric, "n A"],
    identity: Shaped[Numeric, " n"],
    *,
    folds: int = 5,
    ridge: float | Float[Numeric, ""] = 1.0,
) -> Discrimination:
    """Cross-validated logistic regression of every attribute, all at once.

    No identity is on both sides of a fold (in paper 003's code it is, so that what is read
    may be the person). Rows are standardised by the folds fitted on.

    **Arguments:**

    - `folds`: random groups of identities.
    - `ridge`: penalty ridge / 2 |w|^2 beside the summed loss: scikit-learn's 1 / C.

    Raises `ValueError` on shapes that do not match, rows that are not finite, or more
    folds than identities.
    """
    embeddings = as_array(embeddings)
    check_points(embeddings, "embeddings")
    signs = np.asarray(as_signs(attributes))
    if len(signs) != embeddings.shape[0]:
        raise ValueError(f"{len(embeddings)} embeddings, {len(signs)} rows of attributes.")
    broken = int(jnp.sum(~jnp.all(jnp.isfinite(embeddings), axis=1)))
    if broken:
        raise ValueError(
            f"{broken:,} of {len(signs):,} embeddings are not finite: leave those images "
            "out."
        )
    names, code = identity_codes(identity, len(signs), "attributes")
    if not 2 <= folds <= len(names):
        raise ValueError(f"folds are from 2 to the {len(names)} identities; got {folds}.")
    fold = host_rng(key).permutation(np.arange(len(names)) % folds)[code]
    guess = np.zeros(signs.shape)
    for k in range(folds):
        used = (fold != k).astype(np.float32)
        w = fit_logistic(embeddings, signs.astype(np.float32), used, ridge)
        guess[fold == k] = np.asarray(w.decide(embeddings))[fold == k]
        lacking = np.abs((signs * used[:, None]).sum(axis=0)) == used.sum()
        guess[:, lacking] = np.nan
    right = np.where(np.isnan(guess), np.nan, (guess > 0) == (signs > 0))
    with np.errstate(invalid="ignore"):
        by_value = [np.where(signs == m, right, 0).sum(0) / (signs == m).sum(0)
                    for m in (1, -1)]  # fmt: skip
    share = (signs == 1).mean(axis=0)
    return Discrimination(
        right.mean(axis=0), np.mean(by_value, axis=0), np.maximum(share, 1 - share)
    )


class Planes(eqx.Module):
    """`x -> (x - mean) / spread @ weight + bias`: above 0 means +1."""

    mean: Float[Array, " d"]
    spread: Float[Array, " d"]
    weight: Float[Array, "d A"]
    bias: Float[Array, " A"]

    def decide(self, x: Float[Numeric, "n d"]) -> Float[Array, "n A"]:
        """Log odds of +1."""
        x = (jnp.asarray(x) - self.mean[None]) / self.spread[None]
        return matmul(x, self.weight) + self.bias[None]


def fit_logistic(x, signs, used, ridge) -> Planes:
    r"""Minimise $\sum_i u_i \ln(1 + e^{-s_i (x_i w + b)}) + \lambda |w|^2 / 2$ by column.

    Newton's method, its steps by conjugate gradients: two products with the rows serve
    all columns at once.
    """
    return _compiled(x, signs, used, jnp.asarray(ridge, jnp.float32))


def _logistic(dtype, x, signs, used, ridge) -> Planes:
    x, signs, used, ridge = (widen(jnp.asarray(a), dtype) for a in (x, signs, used, ridge))
    n = jnp.sum(used)
    mean = jnp.sum(x * used[:, None], axis=0) / n
    spread = jnp.sqrt(jnp.sum((x - mean[None]) ** 2 * used[:, None], axis=0) / n)
    spread = jnp.where(spread > 0, spread, 1)
    z = (x - mean[None]) / spread[None] * (used > 0).astype(dtype)[:, None]
    z = jnp.concatenate([z, used[:, None]], axis=1)  # the bias, not penalised
    penalty = jnp.full(z.shape[1], ridge).at[-1].set(0)[:, None]

    def loss(w):
        margin = signs * matmul(z, w)
        each = jnp.sum(used[:, None] * jnp.logaddexp(0, -margin), axis=0)
        return each + jnp.sum(penalty * w**2, axis=0) / 2

    def newton(w, _):
        p = jax.nn.sigmoid(-signs * matmul(z, w))
        gradient = matmul(z.T, -signs * p * used[:, None]) + penalty * w
        curve = p * (1 - p) * used[:, None]
        hessian = lambda v: matmul(z.T, curve * matmul(z, v)) + (penalty + 1e-9) * v
        step = _solve(hessian, gradient)
        # From whole numbers: float64 ones would be handed to every platform.
        sizes = jnp.asarray(np.array([16, 8, 4, 1, 0], np.int32)).astype(dtype) / 16
        losses = jax.vmap(lambda s: loss(w - s * step))(sizes)
        least = losses == jnp.min(losses, axis=0, keepdims=True)
        best = jnp.max(jnp.where(least, sizes[:, None], 0), axis=0)
        return w - best[None] * step, None

    w = jnp.zeros((z.shape[1], signs.shape[1]), dtype)
    w, _ = jax.lax.scan(newton, w, None, length=newton_steps)
    return Planes(mean, spread, w[:-1], w[-1])


def _solve(product, b):
    """Conjugate gradients on all columns side by side."""

    def step(state, _):
        x, r, p, rr = state
        q = product(p)
        curve = jnp.sum(p * q, axis=0)
        alpha = jnp.where(curve > 0, rr / jnp.where(curve > 0, curve, 1), 0)
        x, r = x + alpha[None] * p, r - alpha[None] * q
        new = jnp.sum(r**2, axis=0)
        beta = jnp.where(rr > 0, new / jnp.where(rr > 0, rr, 1), 0)
        return (x, r, r + beta[None] * p, new), None

    start = (jnp.zeros_like(b), b, b, jnp.sum(b**2, axis=0))
    (x, *_), _ = jax.lax.scan(step, start, None, length=conjugate_steps)
    return x


_compiled = in_float64(_logistic)
