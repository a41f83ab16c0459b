"""IJB-C's 1:1 protocol at its size: mapping and pooling, scoring, TAR at FAR, one model."""

import jax
import jax.numpy as jnp
import numpy as np

import jfacemap as jfm
from jfacemap.study.verify_map import as_plan

from . import insightface
from .harness import gemm_peak, race, Row, Side, Size
from .report import launch
from .truth import relative_error


def run(size: Size) -> list[Row]:
    """One source model into one target model, on a simulated IJB-C."""
    key = jax.random.key(0)
    world = jfm.data.simulate_ijb(key, scale=size.protocol, models=2, width=size.width)
    plan, d = as_plan(world.protocol), size.width
    probes, enrolled = plan.rows[1], plan.rows[0]
    rows, target = world.embeddings(0), world.embeddings(1)
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    x, y = unit(rows[enrolled]), unit(target[enrolled])
    maps = {"linear": jfm.fit_linear(x, y), "rotation": jfm.fit_rotation(x, y)}
    galleries = jfm.pool_templates(target[enrolled], plan.grouping[0])
    rows = rows[probes]
    del target
    table = _pooling(size, plan.grouping[1], rows, maps)
    mapped = jfm.pool_mapped(maps["linear"], rows, plan.grouping[1])
    del rows
    return table + _scoring(size, d, plan, world.protocol, galleries, mapped)


def _pooling(size, grouping, rows, maps) -> list[Row]:
    order = grouping.order
    ordered = rows if order is None else rows[order]
    starts = np.flatnonzero(np.diff(grouping.segment, prepend=-1))
    share = np.float32(1) / grouping.count
    n, d = rows.shape
    device, kept = jnp.asarray(ordered), jfm.Grouping(
        grouping.ids, None, grouping.segment, grouping.count
    )  # fmt: skip
    judged = min(200, starts.size - 1)
    lines = []
    for kind, m in maps.items():
        weight = np.asarray(m.as_affine().weight)
        numpy, ours = "NumPy matmul and reduceat", "pool_mapped"
        truth = insightface.pool(
            ordered[: starts[judged]].astype(np.float64) @ weight.astype(np.float64),
            starts[:judged],
            share[: starts[judged]],
        )
        judge = lambda x, truth=truth: relative_error(np.asarray(x)[:judged], truth)
        sides = {
            numpy: Side(
                lambda weight=weight: insightface.pool(ordered @ weight, starts, share),
                judge,
            ),
            ours: Side(lambda m=m: jfm.pool_mapped(m, device, kept).vectors, judge),
        }
        mapped_rows = n if kind == "linear" else len(grouping.ids)
        floor = 2 * mapped_rows * d**2 / gemm_peak("float32")
        goals = (5, 7.5) if kind == "linear" else (60, 120)
        task = f"map ({kind}), scale, pool {n} x {d} to {len(grouping.ids)} templates"
        lines.append(Row(task, race(sides, size.rounds), ours, floor, numpy, *goals))
    return lines


def _scoring(size, d, plan, protocol, gallery, probes) -> list[Row]:
    a, b = np.asarray(gallery.vectors), np.asarray(probes.vectors)
    i = np.searchsorted(np.asarray(gallery.ids), protocol.pairs[:, 0])
    j = np.searchsorted(np.asarray(probes.ids), protocol.pairs[:, 1])
    some = slice(None, None, max(1, i.size // 1000))
    truth = np.sum(a[i[some]].astype(np.float64) * b[j[some]], axis=1)
    judge = lambda scores: relative_error(np.asarray(scores)[some], truth)
    numpy, ours = "insightface's chunks of pairs", "score_pairs"
    sides = {
        numpy: Side(lambda: insightface.score(a, b, i, j), judge),
        ours: Side(lambda: jfm.score_pairs(gallery, probes, plan.pairs), judge),
    }
    floor = 2 * len(a) * len(b) * d / gemm_peak("float32")
    task = f"score {i.size} pairs of {len(a)} x {len(b)} templates"
    lines = [Row(task, race(sides, size.rounds), ours, floor, numpy, 30, 45)]

    scores = jfm.score_pairs(gallery, probes, plan.pairs)
    host, fars = np.asarray(scores), jfm.ijb_fars
    sorting, ours = "roc_curve and argmin", "tar_at_far, rule insightface"
    strict, expected = "tar_at_far, rule strict", insightface.tar_at_far(
        host, plan.genuine, fars
    )  # fmt: skip
    tar = lambda rule: lambda: jfm.tar_at_far(scores, plan.genuine, fars, rule=rule)
    # "Error" is how far a rate is from the reference's, or the number of pairs by which the
    # accepts told differ from those at the threshold told: 0 means equal in every bit.
    apart = lambda tar: float(np.nanmax(np.abs(np.asarray(tar) - expected), initial=0))

    def miscounted(found) -> float:
        told = np.stack([found.genuine_accepts, found.impostor_accepts])
        above = [host >= bar for bar in np.asarray(found.threshold)]
        kinds = plan.genuine, ~plan.genuine
        count = [[np.count_nonzero(a & kind) for a in above] for kind in kinds]
        return float(np.abs(told - np.array(count)).max())

    exact = insightface.strict_tar_at_far(host, plan.genuine, fars)
    supported = np.asarray(fars) * np.count_nonzero(~plan.genuine) >= 1
    strictly_apart = lambda found: max(
        float(np.abs(np.asarray(found.tar) - exact)[supported].max(initial=0)),
        miscounted(found),
    )
    sides = {
        sorting: Side(lambda: insightface.tar_at_far(host, plan.genuine, fars), apart),
        ours: Side(
            tar("insightface"), lambda found: max(apart(found.tar), miscounted(found))
        ),
        strict: Side(tar("strict"), strictly_apart),
    }
    times = race(sides, size.rounds)
    task = f"TAR at six FARs of {i.size} scores"
    return [
        *lines,
        Row(task, times, ours, None, sorting, 30, 50),
        Row(task, times, strict, None, sorting, 30, 50),
    ]


if __name__ == "__main__":
    launch(run)
