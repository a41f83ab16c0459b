"""Energies of fields on shared points, against scikit-learn's neighbours and cosines."""

import jax.numpy as jnp
import numpy as np
from sklearn.metrics.pairwise import cosine_distances, paired_cosine_distances
from sklearn.neighbors import NearestNeighbors

import jfacemap as jfm

from .harness import gemm_peak, race, Row, Side, Size
from .report import launch


points, attributes, k = 3000, 8, 10


def run(size: Size) -> list[Row]:
    """Nearest neighbours, found once for all attributes or for each; then all pairs."""
    small = size.rows < 1000
    n, a, d = (200, 2, size.width) if small else (points, attributes, size.width)
    rng = np.random.default_rng(0)
    base = rng.standard_normal((n // 10, d))[np.arange(n) % (n // 10)]
    p = (base + 0.5 * rng.standard_normal((n, d))).astype(np.float32)
    # A field has a direction in common, and noise.
    common = rng.standard_normal((a, 1, d))
    v = (common + rng.standard_normal((a, n, d))).astype(np.float32)
    return [*nearest(size, p, v), all_pairs(size, p, v)]


def nearest(size: Size, p, v) -> list[Row]:
    truth = np.array([knn_energy(np.float64(p), np.float64(x)) for x in v])
    error = lambda found: float(np.abs(np.asarray(found) - truth).max())
    pj, vj = jnp.asarray(p), jnp.asarray(v)

    def shared() -> list[float]:
        index = neighbours(p)
        return [disagreement(x, index) for x in v]

    def apart() -> list[float]:
        return [disagreement(x, neighbours(p)) for x in v]

    def ours(pj=pj, vj=vj):
        return jfm.field_energy(pj, vj, neighbours=jfm.KNearest(k)).energy

    def ours_apart():
        return jnp.stack([ours(pj, x) for x in vj])

    task = f"energy of {len(v)} fields, {p.shape[0]} x {p.shape[1]}, {k} neighbours"
    floor = 2 * p.shape[0] ** 2 * p.shape[1] / gemm_peak("float64")
    rows = []
    for note, one, theirs, must in (
        ("found once", ours, shared, (5, 8)),
        ("found for each", ours_apart, apart, (None, None)),
    ):
        sides = {"sklearn": Side(theirs, error), "field_energy": Side(one, error)}
        times = race(sides, size.rounds)
        many = 1 if note == "found once" else len(v)
        rows.append(Row(f"{task}, {note}", times, "field_energy", many * floor, "sklearn",
                        *must))  # fmt: skip
    return rows


def neighbours(p) -> np.ndarray:
    finder = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(p)
    found = finder.kneighbors(p, return_distance=False)
    # A point is its own nearest, by index and not by place.
    own = found == np.arange(len(p))[:, None]
    own[~own.any(axis=1), -1] = True
    return found[~own].reshape(len(p), k)


def disagreement(v, index) -> float:
    pairs = np.repeat(v, index.shape[1], axis=0), v[index.ravel()]
    return float(paired_cosine_distances(*pairs).mean())


def knn_energy(p, v) -> float:
    """Float64 truth from whole matrices."""
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    d = 1 - unit(p) @ unit(p).T
    np.fill_diagonal(d, np.inf)
    index = np.argsort(d, axis=1, kind="stable")[:, :k]
    u = unit(v)
    return float(np.mean([1 - u[i] @ u[j] for i, row in enumerate(index) for j in row]))


def all_pairs(size: Size, p, v) -> Row:
    def whole(p, v) -> list[float]:
        d = cosine_distances(p)
        with np.errstate(divide="ignore"):
            w = 1 / d
        np.fill_diagonal(w, 0)
        w[~np.isfinite(w)] = 0
        total = w.sum(axis=1)
        return [float(((w * cosine_distances(x)).sum(axis=1) / total).mean()) for x in v]

    truth = np.array(whole(np.float64(p), np.float64(v)))
    error = lambda found: float(np.abs(np.asarray(found) - truth).max())
    pj, vj = jnp.asarray(p), jnp.asarray(v)
    sides = {
        "sklearn": Side(lambda: whole(p, v), error),
        "field_energy": Side(
            lambda: jfm.field_energy(pj, vj, neighbours=jfm.AllPairs()).energy, error
        ),
    }
    n, d = p.shape
    # A product for the distances, and one with the vectors of all fields.
    floor = 2 * n**2 * d * (1 / gemm_peak("float64") + len(v) / gemm_peak("float32"))
    task = f"energy of {len(v)} fields, {n} x {d}, all pairs by 1 / distance"
    return Row(task, race(sides, size.rounds), "field_energy", floor, "sklearn")


if __name__ == "__main__":
    launch(run)
