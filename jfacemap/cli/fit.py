"""Fit a map from one model's embeddings to another's.

Row i of X and row i of Y are the same image under the source and the target model. Rows
are read in batches, so the files may be larger than memory. The map goes to a file that
'jfacemap apply', 'jfacemap verify' and jfm.load read.

kinds:
  linear      x W, least squares: the most accurate where there are enough rows
  affine      x W + b
  rotation    x R, orthogonal Procrustes: keeps angles, needs far fewer rows
  similarity  s x R + b
  ridge       x W + b, its penalty chosen by cross-validation: for few rows
  low-rank    x L R + b, through --rank dimensions or as many as cross-validation likes
  gradient    by steps of Adam from the map of --start: any --loss
  identity    the naive baseline: pad with zeros or truncate, nothing is fitted

--center subtracts each model's mean over the fit rows, from both sides, and scales rows to
unit length again before the fit: rotations gain most. The file keeps both means, and
'apply' and 'verify' subtract them too. jfm.load gives the map between the centred spaces.

examples:
  jfacemap fit a.npy b.npy -o ab.safetensors
  jfacemap fit a.npy b.npy -o ab.safetensors --ridge 10
  jfacemap fit a.npy b.npy -o ab.safetensors --kind rotation --center
  jfacemap fit a.npy b.npy -o ab.safetensors --kind ridge --groups who.npy
  jfacemap fit a.npy b.npy -o ab.safetensors --kind gradient --loss cosine --start rotation
  jfacemap fit a.npy b.npy -o ab.safetensors --kind gradient --held-out .1 --patience 5
  jfacemap fit faces.npz:arcface faces.npz:facenet --kind rotation -o af.safetensors
"""

import dataclasses
import functools as ft
import math
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from ..core.linalg import unit
from ..core.maps import AbstractMap, identity_map
from ..core.moments import pair_moments, PairMoments
from ..core.monoid import merge
from ..data.arrays import InputError
from ..data.map_file import save
from ..fit.closed_form import solve_affine, solve_linear
from ..fit.diagnose import diagnose
from ..fit.rotation import solve_rotation, solve_similarity
from .console import facts, warn
from .files import check_output, Flag, short_name
from .fit_families import (
    by_folds,
    check_options,
    read_folds,
    read_labels_of,
    solve_rank,
    solve_ridge,
)
from .fit_steps import hold_out, Steps
from .fitted import mean_entries, Space
from .row_order import row_order, RowOrder
from .sources import read_weights, Rows
from .stream import batches, common_dtype, PlacedRows, precision


Start = Literal["linear", "affine", "rotation", "similarity"]
Kind = Literal[
    "linear",
    "affine",
    "rotation",
    "similarity",
    "ridge",
    "low-rank",
    "gradient",
    "identity",
]


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap fit`."""

    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="X")]]
    """Rows of the source model: .npy, .npz:KEY, .safetensors:KEY or a store."""
    target: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="Y")]]
    """Rows of the target model, of the same images in the same order."""
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="MAP.safetensors")]
    """Where to write the map."""
    kind: Kind = "linear"
    """Which family of maps to fit."""
    ridge: float = 0.0
    """Penalty on the squared weights of a linear or affine map (scikit-learn's alpha)."""
    reflection: Flag = False
    """Let a rotation or similarity mirror: its determinant may be -1."""
    weights: Annotated[str | None, tyro.conf.arg(metavar="W")] = None
    """One non-negative weight per row; rows of weight 0 are left out, and may hold NaN."""
    normalize: bool = True
    """Scale each row to unit length first; the map file remembers."""
    center: Flag = False
    """Subtract the mean of either side first; the map file remembers."""
    groups: Annotated[str | None, tyro.conf.arg(metavar="L")] = None
    """Who a row shows: people are held out together, and not told from themselves."""
    folds: int = 5
    """Parts of the rows, each held out once, to choose a ridge or a rank."""
    rank: int | None = None
    """Dimensions a low-rank map goes through; by default chosen among powers of two."""
    start: Start = "affine"
    """Where a gradient fit starts."""
    loss: Literal["squared", "distance", "cosine", "huber", "info-nce", "triplet"] = (
        "squared"
    )
    """What a gradient fit lowers."""
    steps: int = 1000
    """Of a gradient fit."""
    batch_size: int = 256
    """Rows in a step of a gradient fit."""
    learning_rate: float = 1e-3
    """Of the first step; it falls to 0."""
    held_out: float = 0.0
    """Share of the rows (4,096 at most) that a gradient fit leaves out: the map is kept
    that is best on them, of one every 10 steps."""
    patience: int | None = None
    """Looks at the rows held out without a new best, after which a gradient fit stops."""
    seed: int = 0
    """Of the batches."""
    force: Flag = False
    """Replace the output file if it exists."""


def run(c: Options) -> None:
    """Read, fit, write, report."""
    _check_options(c)
    inputs = [s for s in (c.source, c.target, c.weights, c.groups) if s is not None]
    check_output(c.out, ".safetensors", inputs, c.force)
    order = row_order(c.source, c.target, c.weights, c.groups)
    x, y, w = _read(c, order)
    chosen = c.kind in by_folds and c.rank is None
    folds = np.zeros(len(x), int)
    if chosen:
        folds = read_folds(c.groups, c.folds, len(x), order)
    kept, steps = w, None
    if c.kind == "gradient":
        who = None if c.groups is None else read_labels_of(c.groups, len(x), order)
        steps = Steps(c, w, who, hold_out(c.held_out, len(x), who))
        kept = steps.kept
    dtype = common_dtype(x, y)
    with precision(dtype):
        spaces = _spaces(c, x, y, kept, dtype)
        parts = _gather(spaces, x, y, kept, folds, dtype)
        moments = ft.reduce(merge, parts)
        m, said = _fit(c, spaces, x, y, parts, moments, dtype, steps)
        if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(m)):
            raise InputError("The fitted map is not finite: are all rows alike?")
        info = diagnose(moments, centered=_has_bias(c))
        residual, cosine = _judge(m, spaces, x, y, kept, dtype)
    rows, rank, condition = (
        float(np.asarray(v)) for v in (info.count, info.rank, info.condition)
    )
    _warn_of_doubt(c, rows, rank, condition, x.shape[1], y.shape[1])
    save(c.out, m, _metadata(c, int(rows), spaces, said))
    width, means = x.shape[1], [space.mean for space in spaces]
    ready = ", scaled to unit length" * c.normalize + ", centred" * c.center
    facts(
        {
            "map": f"{c.kind}, {m.in_dim} -> {m.out_dim}, {dtype}",
            "rows": f"{rows:,.0f}" + ready,
        }
        | said
        | ({"means": _lengths(means)} if c.center else {})
        | {
            "source rank": f"{rank:.0f} of {width}, condition number {condition:.3g}",
            "residual": f"{residual:.4f} of the target's energy is left unexplained",
            "cosine": f"{cosine:.4f}, mean of mapped and target rows, on the fit rows",
            "written to": str(c.out),
        }
    )


def _check_options(c: Options) -> None:
    if not (c.ridge >= 0 and math.isfinite(c.ridge)):
        raise InputError(f"--ridge is a number of at least 0, got {c.ridge}.")
    if c.ridge and c.kind not in ("linear", "affine"):
        raise InputError(f"--ridge is for linear and affine maps; this is {c.kind}.")
    if c.reflection and c.kind not in ("rotation", "similarity"):
        raise InputError(f"--reflection is for rotations and similarities, not {c.kind}.")
    check_options(c)


def _read(c: Options, order: RowOrder) -> tuple[Rows, Rows, np.ndarray]:
    w = None if c.weights is None else order.values(c.weights, read_weights(c.weights))
    used = None if w is None else w != 0
    x, y = (order.rows(spec, used=used) for spec in (c.source, c.target))
    if len(x) != len(y):
        raise InputError(
            f"Rows must pair up: {c.source} has {len(x):,} rows and {c.target} {len(y):,}. "
            "Give the same images in the same order."
        )
    return x, y, np.broadcast_to(np.ones(()), len(x)) if w is None else w


@jax.jit
def _add(total: PairMoments, x, y, w) -> PairMoments:
    return merge(total, pair_moments(x, y, w))


def _spaces(c: Options, x, y, w, dtype) -> tuple[Space, Space]:
    """How rows of either side are made ready: the means take a pass of their own."""
    plain = Space(c.normalize)
    if not c.center:
        return plain, plain
    totals, place = [np.zeros(a.shape[1]) for a in (x, y)], jax.jit(plain.place)
    for *sides, weights in batches([x, y, w], dtype, "centring"):
        used = weights != 0
        for i, rows in enumerate(sides):
            ready = np.asarray(place(rows), np.float64)[used]
            totals[i] += weights[used].astype(np.float64) @ ready
    source, target = (total / np.sum(w, dtype=np.float64) for total in totals)
    return Space(c.normalize, source), Space(c.normalize, target)


def _gather(spaces, x, y, w, folds, dtype) -> list[PairMoments]:
    """Moments of each fold. A batch is summed once for each of those it holds rows of."""
    zero = PairMoments.zero(x.shape[1], y.shape[1], dtype)
    totals, start = [zero] * (folds.max() + 1), 0
    for batch in batches([x, y, w], dtype, "reading"):
        rows, weights = _prepare(spaces, batch)[:2], batch[2]
        own = np.pad(folds[start : start + len(weights)], (0, len(weights)))[: len(weights)]
        for k in np.unique(own):
            part = jnp.asarray(np.where(own == k, weights, 0))
            totals[k] = _add(totals[k], *rows, part)
        start += len(weights)
    return totals


def _prepare(spaces, batch):
    x, y, w = map(jnp.asarray, batch)
    return spaces[0].place(x), spaces[1].place(y), w


def _fit(c: Options, spaces, x, y, parts, moments, dtype, steps: Steps | None):
    """The map, and what is said of how it was found."""
    widths = x.shape[1], y.shape[1]
    match c.kind:
        case "ridge":
            return solve_ridge(parts)
        case "low-rank":
            if c.rank is not None and c.rank > min(widths):
                raise InputError(f"--rank is at most {min(widths)}; got {c.rank}.")
            return solve_rank(parts, c.rank)
        case "gradient" if steps is not None:
            start = _solve(dataclasses.replace(c, kind=c.start), moments, *widths, dtype)
            sides = zip((x, y), spaces, strict=True)
            ready = (PlacedRows(rows, space, dtype) for rows, space in sides)
            return steps.descend(start, *ready)
    return _solve(c, moments, *widths, dtype), {}


def _has_bias(c: Options) -> bool:
    return c.kind not in ("linear", "rotation", "identity")


def _solve(c: Options, moments: PairMoments, d: int, k: int, dtype) -> AbstractMap:
    match c.kind:
        case "linear":
            return solve_linear(moments, ridge=c.ridge)
        case "affine":
            return solve_affine(moments, ridge=c.ridge)
        case "rotation":
            return solve_rotation(moments, reflection=c.reflection)
        case "similarity":
            return solve_similarity(moments, reflection=c.reflection)
        case _:
            return identity_map(d, k, dtype)


@jax.jit
def _agreement(m: AbstractMap, x, y, w):
    guess, used = m(x), w[:, None] != 0
    mean = lambda v: jnp.sum(w * jnp.sum(jnp.where(used, v, 0), axis=1))
    return mean((guess - y) ** 2), mean(y**2), mean(unit(guess) * unit(y)), jnp.sum(w)


def _judge(m: AbstractMap, spaces, x, y, w, dtype) -> tuple[float, float]:
    """Share of the target's energy the map misses, and mean cosine: a second pass."""
    total = np.zeros(4)
    for batch in batches([x, y, w], dtype, "judging"):
        total += np.asarray(_agreement(m, *_prepare(spaces, batch)), np.float64)
    return total[0] / total[1], total[2] / total[3]


def _warn_of_doubt(c: Options, rows, rank, condition, d: int, k: int) -> None:
    least_squares = c.kind in ("linear", "affine", "low-rank") and not c.ridge
    if least_squares and rows < d + (c.kind != "linear"):
        warn(
            f"{rows:,.0f} rows do not determine a map from width {d}: of the many that "
            "fit this is the one of least norm. Give --ridge, --kind rotation or more "
            "rows."
        )
    elif least_squares and rank < d:
        warn(
            f"the source rows span {rank:.0f} of {d} dimensions: of the many maps that "
            "fit this is the one of least norm. Give --ridge to choose another."
        )
    elif least_squares and condition > 1e6:
        warn(f"the source is ill-conditioned ({condition:.1e}): give --ridge.")
    if c.kind in ("rotation", "similarity") and rows < min(d, k):
        warn(
            f"{rows:,.0f} rows do not determine a rotation of widths {d} and {k}: "
            "directions the rows do not show are completed arbitrarily."
        )


def _lengths(means) -> str:
    x, y = (np.linalg.norm(mean) for mean in means)
    return f"of length {x:.4f} (source) and {y:.4f} (target) subtracted"


def _metadata(c: Options, rows: int, spaces, said) -> dict[str, str]:
    entries = {
        "source": short_name(c.source),
        "target": short_name(c.target),
        "weights": c.weights and short_name(c.weights),
        "rows": rows,
        "fit": c.kind,
        "ridge": c.ridge,
        **said,
        "reflection": str(c.reflection).lower(),
        "normalize": str(c.normalize).lower(),
    }
    found = {key: str(value) for key, value in entries.items() if value is not None}
    means = [space.mean for space in spaces]
    return found | (mean_entries(means) if c.center else {})
