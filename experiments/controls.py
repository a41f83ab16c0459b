"""What maps are held against: pairs at random, no map, each model mapped to itself."""

from collections.abc import Callable, Sequence

import numpy as np

import jfacemap as jfm

from .canonical_faces_report import short
from .tables import off_diagonal, own


def controls(
    rows: Sequence, names: Sequence[str], seed: int, evaluate: Callable[..., np.ndarray]
) -> dict[str, np.ndarray]:
    """TAR tables `(source, target, ...)` of the controls, by name.

    `rows` are those fitted on, of each model; `evaluate(maps, native)` makes the table,
    through self-maps on its diagonal where `native` is False.
    """
    rng = np.random.default_rng(seed)
    joint = jfm.joint_moments(rows, names=names)
    shuffled = [x[rng.permutation(len(x))] for x in rows]
    nothing = jfm.joint_moments(shuffled, names=names)
    fit = jfm.fit_all_pairs
    return {
        "linear, random pairing": evaluate(fit(nothing, "linear"), True),
        "rotation, random pairing": evaluate(fit(nothing, "rotation"), True),
        "identity": evaluate(fit(joint, "identity"), True),
        "self-map": evaluate(fit(joint, "linear"), False),
    }


def tell(tables: dict[str, np.ndarray]) -> str:
    """Mean TAR of each `(source, target)`: over ordered pairs, of self-maps over models."""
    mean = lambda name: (own if name.startswith("self-map") else off_diagonal)(tables[name])
    return "; ".join(f"{name} {short(float(mean(name).mean()))}" for name in tables)
