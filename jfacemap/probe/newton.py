r"""Truncated Newton for many squared hinges over one matrix of rows.

Minimises $f(w) = \tfrac12\|w\|^2 + C \sum_i c_i \max(0, 1 - y_i z_i w)^2$ for each column
w. As the Hessian is at least the identity, $f(w) - \min f \le \tfrac12\|\nabla f(w)\|^2$:
columns rest when that is small, whatever the others do.
"""

import jax
import jax.numpy as jnp

from ..core.linalg import matmul
from ..core.mesh import shard_sum
from ..core.precision import widen


chunk = 2048
"""Rows at a time: what is computed of them stays in cache."""

rough, fine = 1e-3, 1e-7
"""Gaps, relative to f, of steps that are float32 throughout, and of those after them."""

most_steps, most_products, most_halvings = 60, 60, 20


def minimise(dtype, z, s, y, cost, C):
    """Columns `(d, A grid)`, f, its gap relative to f, and the Newton steps taken.

    `z (n, d)`: rows along axes of sums of squares `s (d,)`; `y`, `cost (n, A)`;
    `C (grid,)`.
    """
    problem = _Problem(z, s, y, cost, C)
    w = jnp.zeros((z.shape[1], y.shape[1] * C.shape[0]), dtype)
    steps = jnp.zeros((), jnp.int32)
    if dtype != z.dtype:
        w, steps, _ = _descend(problem, w.astype(z.dtype), steps, rough)
        w = widen(w, dtype)
    w, steps, (f, g, _) = _descend(problem, w, steps, fine)
    return w, f, _gap(f, g), steps


class _Problem:
    """The rows in chunks, both ways round, and products with them.

    Of a shard its own rows; what is summed over rows is summed over shards.
    """

    def __init__(self, z, s, y, cost, C):
        n = z.shape[0]
        size = min(chunk, n)
        pad = lambda a: jnp.pad(a, ((0, -n % size), (0, 0))).reshape(-1, size, a.shape[1])
        z, self.y, self.cost = pad(z), pad(y), pad(cost)
        # XLA's CPU product of a transposed operand is slower.
        self.z, self.zt = z, jax.lax.optimization_barrier(jnp.swapaxes(z, 1, 2))
        self.s, self.n, self.C = s, shard_sum(n), C

    def columns(self, per_attribute):
        """(rows, A) times C as (rows, A grid)."""
        both = per_attribute[:, :, None] * self.C[None, None]
        return both.reshape(per_attribute.shape[0], -1)

    def spread(self, per_attribute):
        """(rows, A) as (rows, A grid)."""
        return jnp.repeat(per_attribute, self.C.shape[0], axis=1)

    def evaluate(self, w):
        """f, its gradient, and scores in the rows' dtype; summed in the dtype of `w`."""
        dtype = w.dtype

        def add(sums, rows):
            loss, pull = sums
            z, zt, y, cost = rows
            scores = matmul(widen(z, dtype), w)
            y, cost = widen(self.spread(y), dtype), widen(self.columns(cost), dtype)
            slack = jnp.maximum(1 - y * scores, 0)
            loss = loss + jnp.sum(cost * slack**2, axis=0)
            pull = pull + matmul(widen(zt, dtype), cost * y * slack)
            return (loss, pull), widen(scores, z.dtype)

        start = jnp.zeros(w.shape[1], dtype), jnp.zeros_like(w)
        rows = self.z, self.zt, self.y, self.cost
        sums, scores = jax.lax.scan(add, start, rows)
        loss, pull = shard_sum(sums)
        return jnp.sum(w**2, axis=0) / 2 + loss, w - 2 * pull, scores

    def curve(self, scores, p):
        """The Hessian at `scores` times `p`, and the rows times `p`."""

        def add(total, rows):
            z, zt, y, cost, scores = rows
            active = self.spread(y) * scores < 1
            weight = jnp.where(active, self.columns(cost), 0)
            return total + matmul(zt, weight * matmul(z, p)), None

        rows = self.z, self.zt, self.y, self.cost, scores
        total, _ = jax.lax.scan(add, jnp.zeros_like(p), rows)
        return p + 2 * shard_sum(total)

    def scores(self, p):
        """Rows times `p`."""
        return jax.lax.map(lambda z: matmul(z, p), self.z)

    def loss(self, scores, move, t):
        """Hinge losses at `scores + t move`."""

        def add(total, rows):
            y, cost, scores, move = rows
            slack = jnp.maximum(1 - self.spread(y) * (scores + t[None] * move), 0)
            return total + jnp.sum(self.columns(cost) * slack**2, axis=0), None

        rows = self.y, self.cost, scores, move
        return shard_sum(jax.lax.scan(add, jnp.zeros_like(t), rows)[0])

    def scale(self, scores):
        """Diagonal preconditioner (d, columns): the Hessian's, were all rows alike."""

        def add(total, rows):
            y, cost, scores = rows
            active = self.spread(y) * scores < 1
            return total + jnp.sum(jnp.where(active, self.columns(cost), 0), axis=0), None

        start = jnp.zeros(scores.shape[-1], scores.dtype)
        rows = self.y, self.cost, scores
        mean = shard_sum(jax.lax.scan(add, start, rows)[0]) / self.n
        return 1 + 2 * widen(self.s, scores.dtype)[:, None] * mean[None]


def _gap(f, g):
    return jnp.sum(g**2, axis=0) / 2 / f


def _descend(problem: _Problem, w, steps, tolerance):
    """Newton steps until every column's gap is below `tolerance`."""
    work = problem.z.dtype

    def unfinished(carry):
        _, steps, (f, g, _) = carry
        return (steps < most_steps) & jnp.any(_gap(f, g) > tolerance)

    def step(carry):
        w, steps, (f, g, scores) = carry
        moving = _gap(f, g) > tolerance
        p = _solve(problem, scores, widen(jnp.where(moving, -g, 0), work))
        move = problem.scores(p)
        t = _search(problem, widen((w, g, f), work), p, scores, move)
        w = w + widen(t[None] * p, w.dtype)
        return w, steps + 1, problem.evaluate(w)

    return jax.lax.while_loop(unfinished, step, (w, steps, problem.evaluate(w)))


def _solve(problem, scores, b):
    """Conjugate gradients for Hessian p = b, to a tenth, or finer near the end."""
    scale = problem.scale(scores)
    size = jnp.sqrt(jnp.sum(b**2, axis=0))
    target = 0.1 * size

    def unfinished(carry):
        i, _, r, _, _ = carry
        return (i < most_products) & jnp.any(jnp.sqrt(jnp.sum(r**2, axis=0)) > target)

    def step(carry):
        i, x, r, p, rho = carry
        moving = jnp.sqrt(jnp.sum(r**2, axis=0)) > target
        q = problem.curve(scores, p)
        alpha = jnp.where(moving, rho / _alive(jnp.sum(p * q, axis=0)), 0)
        x, r = x + alpha[None] * p, r - alpha[None] * q
        y = r / scale
        new = jnp.sum(r * y, axis=0)
        p = jnp.where(moving[None], y + (new / _alive(rho))[None] * p, p)
        return i + 1, x, r, p, jnp.where(moving, new, rho)

    y = b / scale
    start = jnp.zeros((), jnp.int32), jnp.zeros_like(b), b, y, jnp.sum(b * y, axis=0)
    return jax.lax.while_loop(unfinished, step, start)[1]


def _search(problem, at, p, scores, move):
    """Step lengths 1, 1/2, 1/4 ...: the first that lowers f enough, up to rounding."""
    w, g, f = at
    slope = jnp.sum(g * p, axis=0)
    noise = 1e-6 * f

    def value(t):
        inside = jnp.sum((w + t[None] * p) ** 2, axis=0) / 2
        return inside + problem.loss(scores, move, t)

    def unfinished(carry):
        i, _, enough = carry
        return (i < most_halvings) & ~jnp.all(enough)

    def halve(carry):
        i, t, enough = carry
        t = jnp.where(enough, t, t / 2)
        return i + 1, t, value(t) <= f + 1e-2 * t * slope + noise

    t = jnp.ones_like(f)
    start = jnp.zeros((), jnp.int32), t, value(t) <= f + 1e-2 * t * slope + noise
    return jax.lax.while_loop(unfinished, halve, start)[1]


def _alive(x):
    return jnp.where(x > 0, x, 1)
