"""Moments of several groups of rows at once, from one pass over rows on disk.

Moments of disjoint rows add up, so those of folds serve cross-validation and, merged, the
fit on all rows: nothing is read twice.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from ..core.moments import as_named, JointMoments
from ..core.rows import RowSource
from ..core.types import Numeric
from ..fit.groups import check_groups
from .stream_moments import add_rows, Progress, stream, sum_dtype, Way


def stream_fold_moments(
    embeddings: Sequence[Numeric | RowSource] | Mapping[str, Numeric | RowSource],
    fold: Int[np.ndarray, " n"],
    weights: Numeric | None = None,
    *,
    names: Sequence[str] | None = None,
    normalize: bool = False,
    precision: str = "float64",
    batch_rows: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 2**17,
    rows: tuple[int, int] | None = None,
    progress: Progress | None = None,
) -> tuple[JointMoments, ...]:
    """`jfm.joint_moments` of each fold of N models' rows, which are read once, in batches.

    `fold (n,)` numbers the fold of each row from 0, as `jfm.assign_folds` does, so that
    rows of one image or person stay together; rows of a fold may lie anywhere. The moments
    of all rows are `functools.reduce(jfm.merge, folds)`. Other arguments and errors as of
    `stream_joint_moments`; memory holds the sums of every fold, 8 D^2 bytes each.
    """
    embeddings, names = as_named(embeddings, names)
    fold = check_groups(fold, np.shape(fold)[0])
    number = int(fold.max(initial=-1)) + 1

    def empty(sources):
        if len(fold) != sources[0].shape[0]:
            raise ValueError(
                f"fold has a number for {len(fold):,} rows, and there are "
                f"{sources[0].shape[0]:,}."
            )
        dims = [r.shape[1] for r in sources]
        zero = lambda: JointMoments.zero(dims, names, sum_dtype(sources))
        return tuple(zero() for _ in range(number))  # each is given up as rows are added

    def add(totals, parts, w, at: int, way: Way):
        here = fold[at : at + len(parts[0])]
        w = np.ones(len(here), np.float32) if w is None else np.asarray(w)
        parts, totals = tuple(map(np.asarray, parts)), list(totals)
        step = -(-len(here) // 16)
        for k in np.unique(here):
            place = np.flatnonzero(here == k)
            # Up to a round number of rows, or every batch would compile anew.
            pad = (0, -len(place) % step)
            own = [jnp.asarray(np.pad(x[place], (pad, (0, 0)))) for x in parts]
            given = jnp.asarray(np.pad(w[place], pad))
            totals[k] = add_rows(totals[k], tuple(own), given, way)
        return tuple(totals)

    digest = hashlib.sha256(fold.astype(np.int64).tobytes()).hexdigest()[:16]
    return stream(
        dict(zip(names, embeddings, strict=True)),
        weights,
        empty,
        Way(normalize, precision),
        (batch_rows, checkpoint, every, rows, progress),
        add,
        (f"fold {digest}",),
    )
