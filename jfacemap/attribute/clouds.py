"""Two clouds of images: one image an identity among those that have an attribute or not."""

import jax
import numpy as np
from jaxtyping import Int, Key


def host_rng(key: Key[jax.Array, ""]) -> np.random.Generator:
    """NumPy's generator, seeded by a JAX key."""
    if not isinstance(key, jax.Array):
        raise ValueError(f"key is a JAX key, as of jax.random.key(0); got {key!r}.")
    return np.random.default_rng(np.asarray(jax.random.bits(key, (4,), np.uint32)))


def one_an_identity(
    rng: np.random.Generator, rows: Int[np.ndarray, " m"], code: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " people"]:
    """One of the `rows` of each identity among them, at random, identities in any order."""
    rows = rng.permutation(rows)
    _, first = np.unique(code[rows], return_index=True)
    return rng.permutation(rows[first])


def draw_clouds(
    rng: np.random.Generator,
    signs: Int[np.ndarray, " n"],
    code: Int[np.ndarray, " n"],
    usable: np.ndarray,
    cap: int,
) -> tuple[Int[np.ndarray, "2 size"], tuple[int, int]]:
    """Rows of the +1 and of the -1 cloud, as many of both, and how many there could be."""
    both = [one_an_identity(rng, np.flatnonzero((signs == m) & usable), code)
            for m in (1, -1)]  # fmt: skip
    size = min(cap, *map(len, both))
    return np.stack([rows[:size] for rows in both]), (len(both[0]), len(both[1]))
