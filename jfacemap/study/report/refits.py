"""The same tables from other people: refits on random halves, and on few rows."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Array, Key

from ...core.moments import joint_moments
from ...evaluate.scoring import label_pairs
from ...fit.all_pairs import fit_all_pairs
from ..cross_verify import cross_scores, table_tar
from ..sweep import SubsetSweep, sweep_subsets
from .inputs import ReportRows
from .map_tables import Judge, mean_of
from .settings import centrings


kinds = "linear", "rotation"


def refit_halves(
    rng: np.random.Generator,
    rows: ReportRows,
    fars,
    repeats: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, np.ndarray]:
    """Mean TAR `(repeats, far)` of maps fitted on a random half of the people.

    By `"kind, centring"`, and of native models. As many images are judged as in the rest
    of the report, of people in the other half; all that half has, if fewer.
    """
    found: dict[str, list] = {}
    people = np.unique(rows.label)
    progress(0, repeats)
    most = int(rows.judged.sum())
    for r in range(repeats):
        order = rng.permutation(people)
        fit = np.isin(rows.label, order[: len(people) // 2])
        held = np.flatnonzero(~fit)
        held = rng.permutation(held)[:most] if len(held) > most else held
        # Padded to one length, so that all halves share their programs.
        padded, real = np.resize(held, most), np.arange(most) < len(held)
        genuine, valid = map(np.asarray, label_pairs(rows.label[padded]))
        valid = valid & real[:, None] & real[None]
        for centring in centrings:
            spaces = rows.spaces(centring == "centred", fit)
            weights = fit.astype(np.float32)
            joint = joint_moments(spaces, weights, names=rows.names)
            for kind in kinds:
                scores = cross_scores(
                    fit_all_pairs(joint, kind), [x[padded] for x in spaces]
                )
                tar = np.asarray(table_tar(scores, genuine, fars, valid=valid).tar)
                found.setdefault(f"{kind}, {centring}", []).append(mean_of(tar))
                if kind == kinds[0]:  # the diagonal is native in all
                    native = found.setdefault(f"native, {centring}", [])
                    native.append(mean_of(tar, True))
        progress(r + 1, repeats)
    return {name: np.stack(means) for name, means in found.items()}


def sweep_sizes(n: int) -> list[int]:
    """8, 32, 128, ... and all n."""
    return [*(2**k for k in range(3, n.bit_length(), 2) if 2**k < n), n]


def sweep_report(
    key: Key[Array, ""],
    rows: ReportRows,
    judge: Judge,
    repeats: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, SubsetSweep]:
    """TAR at the leading FAR `(source, target)` of maps from subsets, by centring."""
    sizes = sweep_sizes(int(rows.fit.sum()))
    total = len(centrings) * len(sizes) * repeats
    progress(0, total)
    found = {}
    for i, centring in enumerate(centrings):
        spaces = rows.spaces(centring == "centred")
        judged = [x[rows.judged] for x in spaces]

        def evaluate(maps, judged=judged):
            scores = cross_scores(maps, judged)
            tar = table_tar(scores, judge.genuine, judge.fars[:1], valid=judge.valid)
            return np.asarray(tar.tar)[..., 0]

        found[centring] = sweep_subsets(
            jax.random.fold_in(key, i),
            [x[rows.fit] for x in spaces],
            sizes,
            repeats,
            kinds,
            evaluate=evaluate,
            names=rows.names,
            progress=lambda done, _, i=i: progress(done + i * total // 2, total),
        )
    return found
