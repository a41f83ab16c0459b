"""IJB-C's 1:1 protocol for all pairs of ten models: every map, template, score and TAR.

The reference way is timed on one pair of models and one kind of map at a time, and
multiplied. Embeddings are simulated as they are asked for, which is in neither time. Both
kinds in one call are a process of their own, which tells the memory it took.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import time

import jax
import numpy as np

import jfacemap as jfm

from . import insightface
from .harness import gemm_peak, Row, Size, Timing
from .report import launch


kinds = {"linear": (15, 25), "rotation": (40, 80)}


class Loader:
    """The embeddings of a model when asked for, and the seconds spent on making them."""

    def __init__(self, world):
        self.world, self.seconds = world, 0.0

    def __call__(self, model: int) -> np.ndarray:
        start = time.perf_counter()
        rows = self.world.embeddings(model)
        self.seconds += time.perf_counter() - start
        return rows


def run(size: Size) -> list[Row]:
    """One round, compilation included: it takes minutes.

    "Error" is the largest difference of a TAR, for two pairs of models.
    """
    n = size.models
    world, plan, load, maps = prepare(size)
    cells, theirs = ((0, 1), (n - 1, n - 2)), {}
    for i, j in cells:
        source, target = world.embeddings(i), world.embeddings(j)
        for kind in kinds:
            theirs[kind, i, j] = _one_pair(maps[kind][i, j], source, target, world, plan)
        del source, target
    rows, reference_of, pairs = [], {}, n * (n - 1)
    reference = f"insightface's way, one pair of {pairs}"
    for kind, goals in kinds.items():
        load.seconds, start = 0.0, time.perf_counter()
        found = jfm.verify_pairs({kind: maps[kind]}, load, plan, rule="insightface")
        ours = time.perf_counter() - start - load.seconds
        apart = max(
            float(np.nanmax(np.abs(found.tar[kind].tar[cell] - theirs[kind, *cell][0])))
            for cell in cells
        )
        _, seconds, shared = theirs[kind, 0, 1]
        times = {
            "verify_pairs": Timing(np.array([ours]), apart),
            reference: Timing(np.array([seconds * pairs + shared * n]), None),
        }
        reference_of[kind] = times[reference]
        images = plan.rows[1].sum()
        mapped = images if kind == "linear" else len(plan.grouping[1].ids)
        sides = [len(grouping.ids) for grouping in plan.grouping]
        flops = 2 * pairs * size.width * (mapped * size.width + sides[0] * sides[1])
        task = (
            f"all {pairs} pairs of models, {kind}: {images} images, "
            f"{plan.genuine.size} scores each, TAR at six FARs"
        )
        floor = flops / gemm_peak("float32")
        rows.append(Row(task, times, "verify_pairs", floor, reference, *goals))
    return [*rows, _both_kinds(size, reference_of, reference)]


def prepare(size: Size):
    """A simulated world, its plan, the loader of its models, and maps of both kinds."""
    key, n = jax.random.key(0), size.models
    world = jfm.data.simulate_ijb(key, scale=size.protocol, models=n, width=size.width)
    plan, load = jfm.plan_verification(world.protocol), Loader(world)
    enrolled = [jfm.unit(load(i)[plan.rows[0]]) for i in range(n)]
    joint = jfm.joint_moments(enrolled, names=world.names)
    return world, plan, load, {kind: jfm.fit_all_pairs(joint, kind) for kind in kinds}


def _both_kinds(size: Size, reference_of, reference: str) -> Row:
    """All of it in one call, in a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.whole_table_together"]
    given = json.dumps(dataclasses.asdict(size))
    root = pathlib.Path(__file__).parent.parent
    done = subprocess.run([*command, given], cwd=root, capture_output=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    both = np.sum([timing.seconds for timing in reference_of.values()], axis=0)
    times = {
        "verify_pairs": Timing(np.array([told["seconds"]]), None),
        reference: Timing(both, None),
    }
    task = f"both kinds in one call, in a process of its own: peak {told['peak']}"
    return Row(task, times, "verify_pairs", None, reference)


def _one_pair(m, source, target, world, plan) -> tuple[np.ndarray, float, float]:
    """TAR of one map by the reference way, its seconds, and those of a gallery before.

    A gallery serves all sources.
    """
    weight, protocol = np.asarray(m.as_affine().weight), world.protocol
    images = [
        _ordered(x[used], g)
        for x, used, g in zip((target, source), plan.rows, plan.grouping, strict=True)
    ]
    starts = [np.flatnonzero(np.diff(g.segment, prepend=-1)) for g in plan.grouping]
    share = [np.float32(1) / g.count for g in plan.grouping]
    ids = [np.asarray(g.ids) for g in plan.grouping]
    i, j = (np.searchsorted(ids[k], protocol.pairs[:, k]) for k in range(2))
    start = time.perf_counter()
    gallery = insightface.pool(images[0], starts[0], share[0])
    shared = time.perf_counter() - start
    start = time.perf_counter()
    probes = insightface.pool(images[1] @ weight, starts[1], share[1])
    scores = insightface.score(gallery, probes, i, j)
    tar = insightface.tar_at_far(scores, plan.genuine, jfm.ijb_fars)
    return tar, time.perf_counter() - start, shared


def _ordered(rows, grouping):
    return rows if grouping.order is None else rows[grouping.order]


if __name__ == "__main__":
    launch(run)
