r"""One space for N models (paper 000, sections 6 and 7): N encoders, not N^2 maps.

From the joint moments alone, of any widths. Two families, `kind`:

- "rotation": generalised Procrustes. Spaces are centred, scaled to one variance, and
  turned by $R_i$ to agree, $\max \sum_{i < j} \mathrm{tr}(R_i' S_{ij} R_j)$ (Ten Berge,
  1977): one $R_i$ after the other, $R_i = \mathrm{polar}(\sum_{j \ne i} S_{ij} R_j)$.
- "correlation": multiset canonical correlation (MAXVAR; Kettenring, 1971). The unit scores
  Z nearest to all models' spans: eigenvectors of $W S W$, with
  $W = \mathrm{diag}((S_{ii} + \lambda I)^{-1/2})$.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core.linalg import inverse_root, matmul
from ..core.maps import AbstractMap, AffineMap, compose
from ..core.moments import find_model, JointMoments
from ..core.polar import polar
from ..core.precision import in_float64, widen
from ..core.types import Numeric
from .closed_form import as_ridge


kinds = ("rotation", "correlation")


class CanonicalSpace(eqx.Module):
    r"""Maps of N models into a shared space of width `dim`, and out of it.

    The consensus Z is the mean of the models' encodings ("rotation"), or their unit
    variates ("correlation").

    - `encoders`: one a model, `x (d,) -> z (dim,)`
    - `decoders`: one a model, `z -> x`: turned back, or least squares from Z
    - `spectrum (dim,)`, falling: "rotation": variance of Z along its axes, of models whose
      variance is 1 in all. "correlation": how many of N models are as one along an axis,
      from 1 (its own alone, as far as rows tell) to N (all see it alike)
    - `agreement (N, N)`: mean inner product of two models' encodings on the fit rows
    - `steps`: sweeps over the models; `converged`: whether they ended by the tolerance
    """

    encoders: tuple[AffineMap, ...]
    decoders: tuple[AffineMap, ...]
    spectrum: Float[Array, " dim"]
    agreement: Float[Array, "N N"]
    steps: Int[Array, ""]
    converged: Array
    names: tuple[str, ...] = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """Width of the shared space."""
        return self.encoders[0].out_dim

    def encoder(self, model: int | str) -> AffineMap:
        """The map of a model, by name or position, into the shared space."""
        return self.encoders[find_model(self.names, model)]

    def decoder(self, model: int | str) -> AffineMap:
        """The map out of the shared space into a model's own."""
        return self.decoders[find_model(self.names, model)]

    def route(self, source: int | str, target: int | str) -> AbstractMap:
        """From one model to another by way of the shared space."""
        return compose(self.encoder(source), self.decoder(target))

    @property
    def distances(self) -> Float[Array, "N N"]:
        """Root mean squared distance of two models' encodings of one row."""
        own = jnp.diagonal(self.agreement)
        square = own[:, None] + own[None] - self.agreement - self.agreement.T
        return jnp.sqrt(jnp.maximum(square, 0))

    @property
    def residual(self) -> Float[Array, " N"]:
        """Share of a model's encodings (mean square) that their mean over models lacks."""
        own = jnp.diagonal(self.agreement)
        mean = jnp.mean(self.agreement)
        return (own - 2 * jnp.mean(self.agreement, axis=1) + mean) / own


def fit_canonical(
    joint: JointMoments,
    kind: str = "rotation",
    *,
    dim: int | None = None,
    ridge: float | int | Float[Numeric, ""] = 0.0,
    tolerance: float | Float[Numeric, ""] = 1e-9,
    max_steps: int | Int[Numeric, ""] = 200,
) -> CanonicalSpace:
    r"""Fit a space that N models share, from their joint moments.

    **Arguments:**

    - `kind`: "rotation" keeps distances of every space no wider than `dim`;
      "correlation" keeps what models have in common and drops what each sees alone.
    - `dim`: by default the width of the widest model ("rotation") or of the narrowest
      ("correlation"). A model wider than `dim` is projected by orthonormal columns.
    - `ridge`: of "correlation", $\lambda \ge 0$ of $S_{ii} + \lambda I$. With rows not
      many times the sum of the widths it is needed: without it all models seem as one.
    - `tolerance`: of "rotation": ends when a sweep adds less than this share to the sum.
    - `max_steps`: sweeps at most.

    Axes are ordered by `spectrum`; rotations may mirror. The sum that "rotation" climbs
    never falls, and may end in a local maximum. Where models lack rank, directions unseen
    are completed as in `fit_rotation`. A model whose rows are all equal makes the space
    NaN. Raises `ValueError` for another kind, fewer than two models, or a `dim` out of
    reach.
    """
    if kind not in kinds:
        raise ValueError(f"kind is one of {', '.join(kinds)}; got {kind!r}.")
    n, total = len(joint.dims), sum(joint.dims)
    if n < 2:
        raise ValueError("A canonical space joins two models or more; got one.")
    most = max(joint.dims) if kind == "rotation" else total
    given = dim
    dim = (max if kind == "rotation" else min)(joint.dims) if dim is None else dim
    if not 1 <= dim <= most:
        raise ValueError(
            f"A space of kind {kind!r} of models of widths {joint.dims} has from 1 to "
            f"{most} dimensions; got dim={given}."
        )
    if kind == "rotation":
        if isinstance(ridge, float | int) and ridge:
            raise ValueError(f"Rotations take no ridge; got {ridge}.")
        leaves = _procrustes(joint, tolerance, max_steps, dim=dim)
    else:
        leaves = _correlation(joint, as_ridge(ridge), dim=dim)
    return CanonicalSpace(*leaves, names=joint.names)


def canonical_agreement(space: CanonicalSpace, joint: JointMoments) -> Float[Array, "N N"]:
    """`space.agreement` on other rows, given by their joint moments.

    Inner products are about the means of the fit rows, as the encoders have them.
    """
    if joint.dims != tuple(m.in_dim for m in space.encoders):
        widths = tuple(m.in_dim for m in space.encoders)
        raise ValueError(f"The space joins widths {widths}; got moments of {joint.dims}.")
    return _agreement(space, joint)


def _procrustes_kernel(dtype, joint, tolerance, max_steps, *, dim):
    joint, tolerance = widen((joint, jnp.asarray(tolerance)), dtype)
    tolerance = jnp.maximum(tolerance, 10 * jnp.finfo(dtype).eps)
    max_steps = jax.lax.convert_element_type(max_steps, jnp.int32)
    columns, every = joint.columns, range(len(joint.dims))
    variance = jnp.stack([jnp.trace(joint.scatter[c, c]) for c in columns]) / joint.mass
    scale = 1 / jnp.sqrt(jnp.where(variance > 0, variance, jnp.nan))
    unit = jnp.concatenate(
        [jnp.full(d, 1, dtype) * scale[i] for i, d in enumerate(joint.dims)]
    )
    s = joint.scatter * unit[:, None] * unit[None] / joint.mass
    cross = lambda i, j: s[columns[i], columns[j]]

    # Begin with every model turned to the widest, as it lies along its principal axes.
    widest = joint.dims.index(max(joint.dims))
    axes = jnp.linalg.eigh(cross(widest, widest))[1][:, ::-1][:, :dim]
    begin = tuple(
        axes if i == widest else polar(matmul(cross(i, widest), axes), True) for i in every
    )

    def sweep(turns):
        turns = list(turns)
        for i in every:
            others = [matmul(cross(i, j), turns[j]) for j in every if j != i]
            turns[i] = polar(sum(others[1:], others[0]), True)
        return tuple(turns)

    def gain(turns):
        table = _inner(turns, cross)
        return jnp.sum(table) - jnp.trace(table)

    def more(state):
        _, old, new, step = state
        return (step < max_steps) & (new - old > tolerance * jnp.abs(new))

    def go(state):
        turns, _, old, step = state
        turns = sweep(turns)
        return turns, old, gain(turns), step + 1

    first = (begin, jnp.full((), -jnp.inf, dtype), gain(begin), jnp.int32(0))
    turns, old, new, steps = jax.lax.while_loop(more, go, first)

    # Turn the shared space to the principal axes of the consensus.
    stacked = jnp.concatenate(turns)
    consensus = matmul(stacked.T, matmul(s, stacked))
    spread, v = jnp.linalg.eigh((consensus + consensus.T) / (2 * len(every) ** 2))
    turns = [matmul(turn, v[:, ::-1]) for turn in turns]
    encoders, decoders = [], []
    for i, turn in enumerate(turns):
        mean = joint.mean[columns[i]]
        encoders.append(AffineMap(scale[i] * turn, -scale[i] * matmul(mean, turn)))
        decoders.append(AffineMap(turn.T / scale[i], mean))
    agreement = _inner(turns, cross)
    converged = ~(new - old > tolerance * jnp.abs(new))
    return tuple(encoders), tuple(decoders), spread[::-1], agreement, steps, converged


def _correlation_kernel(dtype, joint, ridge, *, dim):
    joint, ridge = widen((joint, jnp.asarray(ridge)), dtype)
    columns = joint.columns
    whiteners = []
    for column, d in zip(columns, joint.dims, strict=True):
        own = joint.scatter[column, column]
        root = inverse_root(own + ridge * jnp.eye(d, dtype=dtype))
        whiteners.append(jnp.where(jnp.trace(own) > 0, root, jnp.nan))
    half = [matmul(w, joint.scatter[c]) for w, c in zip(whiteners, columns, strict=True)]
    rows = [
        jnp.concatenate(
            [matmul(h[:, c], w) for w, c in zip(whiteners, columns, strict=True)], axis=1
        )
        for h in half
    ]
    m = jnp.concatenate(rows)
    spread, v = jnp.linalg.eigh((m + m.T) / 2)
    spread, v = spread[::-1][:dim], v[:, ::-1][:, :dim]
    shared = jnp.sqrt(jnp.maximum(spread, 0))
    inverse = jnp.where(shared > 0, 1 / jnp.where(shared > 0, shared, 1), 0)
    root = jnp.sqrt(joint.mass)
    # Of unit variates Z = sum_i X_i W_i v_i / sqrt(lambda): what each model predicts of Z,
    # and what Z predicts of each model, both by least squares.
    scores = matmul(v.T, jnp.concatenate(half))
    encoders, decoders, parts = [], [], []
    for w, column in zip(whiteners, columns, strict=True):
        mean = joint.mean[column]
        weight = matmul(w, v[column]) * (shared * root)[None]
        encoders.append(AffineMap(weight, -matmul(mean, weight)))
        decoders.append(AffineMap(inverse[:, None] * scores[:, column] / root, mean))
        parts.append(weight)
    cross = lambda i, j: joint.scatter[columns[i], columns[j]] / joint.mass
    steps, converged = jnp.int32(0), jnp.full((), True)
    agreement = _inner(parts, cross)
    return tuple(encoders), tuple(decoders), spread, agreement, steps, converged


def _inner(weights, cross):
    """Table of `tr(A_i' S_ij A_j)`."""
    n = len(weights)
    part = lambda i, j: jnp.sum(weights[i] * matmul(cross(i, j), weights[j]))
    upper = {(i, j): part(i, j) for i in range(n) for j in range(i, n)}
    table = [[upper[min(i, j), max(i, j)] for j in range(n)] for i in range(n)]
    return jnp.stack(list(map(jnp.stack, table)))


def _agreement_kernel(dtype, space, joint):
    joint, encoders = widen((joint, space.encoders), dtype)
    columns = joint.columns
    weights = [m.weight for m in encoders]
    shifts = [m(joint.mean[c]) for m, c in zip(encoders, columns, strict=True)]
    shifts = jnp.stack(shifts)
    cross = lambda i, j: joint.scatter[columns[i], columns[j]] / joint.mass
    return _inner(weights, cross) + matmul(shifts, shifts.T)


_procrustes = in_float64(_procrustes_kernel, static=("dim",))
_correlation = in_float64(_correlation_kernel, static=("dim",))
_agreement = in_float64(_agreement_kernel)
