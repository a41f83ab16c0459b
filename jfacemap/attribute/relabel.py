"""Kolmogorov-Smirnov statistics of two clouds under thousands of relabellings.

Distances do not change when images change clouds: they are sorted once. A relabelling is
a bit of each image, 32 relabellings a word, and a pair of images lies across if its bits
differ: one XOR tells it of 32 relabellings. Pairs are counted block by block in order of
distance, in bytes that lie four to a word.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from ..core.linalg import matmul


most_pairs = 255
"""Pairs of a block: what a byte can count."""

least_blocks = 1024
"""Places at which distributions are compared, if there are as many pairs."""

words = 32
"""Words of relabellings at once: 1,024 of them."""


class SortedPairs:
    """The pairs of 2n images in order of distance, in blocks.

    `first`, `second (blocks, size)`: the images of a pair; of padding, both are 0.
    `degree (blocks, 2n)`: pairs of a block that an image is in. `valid (blocks,)`: pairs
    of a block. `ends (blocks,)`: whether the next block begins at a greater distance.
    """

    def __init__(self, distance: np.ndarray, excluded: np.ndarray, size: int | None = None):
        n = len(distance)
        i, j = np.triu_indices(n, 1)
        keep = ~excluded[i, j]
        i, j = i[keep], j[keep]
        d = distance[i, j]
        order = np.argsort(d, kind="stable")
        i, j, d = i[order], j[order], d[order]
        if size is None:
            wanted = min(most_pairs, max(1, len(d) // least_blocks))
            # A few sizes, so that a few programs serve all attributes.
            size = max(s for s in (1, 3, 15, 63, most_pairs) if s <= wanted)
        blocks = -(-len(d) // size)
        fill = blocks * size - len(d)
        shape = lambda x: np.pad(x, (0, fill)).reshape(blocks, size).astype(np.int32)
        self.first, self.second = shape(i), shape(j)
        self.valid = np.full(blocks, size, np.float32)
        self.valid[-1] -= fill
        block = np.arange(len(d)) // size
        code = np.concatenate([block * n + i, block * n + j])
        degree = np.bincount(code, minlength=blocks * n)
        self.degree = degree.reshape(blocks, n).astype(np.float32)
        last = np.append(np.arange(size, len(d), size), len(d)) - 1
        self.ends = np.append(d[last[:-1]] < d[last[:-1] + 1], True)
        self.images = n

    def padded(self, blocks: int, images: int) -> tuple[np.ndarray, ...]:
        """The arrays of the kernel with room for more blocks and images."""
        more = blocks - len(self.valid)
        rows = lambda x: np.pad(x, ((0, more), (0, 0)))
        degree = np.pad(self.degree, ((0, more), (0, images - self.images)))
        return (
            *map(rows, (self.first, self.second)),
            degree,
            np.pad(self.valid, (0, more)),
            np.pad(self.ends, (0, more)),
        )


def relabellings(
    rng: np.random.Generator, identity: Int[np.ndarray, "2 n"], repeats: int
) -> np.ndarray:
    """Which images are in the first cloud, `(R + 1, 2n)` bool, the first row as drawn.

    An identity with an image in both clouds has them swapped or not; the other images
    are dealt anew, as many to each cloud.
    """
    n = identity.shape[1]
    first, second = identity
    shared, at_first, at_second = np.intersect1d(first, second, return_indices=True)
    labels = np.zeros((repeats + 1, 2 * n), bool)
    swapped = rng.integers(0, 2, (repeats + 1, len(shared)), dtype=np.uint8).astype(bool)
    labels[:, at_first], labels[:, n + at_second] = ~swapped, swapped
    alone = np.setdiff1d(np.arange(2 * n), np.concatenate([at_first, n + at_second]))
    deal = np.broadcast_to(
        np.arange(len(alone)) < len(alone) // 2, (repeats + 1, len(alone))
    )
    labels[:, alone] = rng.permuted(deal, axis=1)
    labels[0] = np.arange(2 * n) < n
    return labels


def largest_statistics(pairs: SortedPairs, labels: np.ndarray) -> Float[np.ndarray, " R"]:
    """max(KS+, KS-) of each relabelling `(R, 2n)`, at the ends of blocks of distances."""
    count = len(labels)
    span = 32 * words
    images = 1 << max(4, (pairs.images - 1).bit_length())
    blocks = 1 << max(4, (len(pairs.valid) - 1).bit_length())
    arrays = pairs.padded(blocks, images)
    padded = np.zeros((-(-count // span) * span, images), bool)
    padded[:count, : pairs.images] = labels
    out = [
        np.asarray(_statistics(part, *arrays)) for part in padded.reshape(-1, span, images)
    ]
    return np.concatenate(out)[:count]


@jax.jit
def _statistics(labels, first, second, degree, valid, ends):
    """Of 1,024 relabellings: cumulative counts over blocks, and their largest gap."""
    member = labels.T.astype(jnp.float32)
    bits = labels.T.reshape(labels.shape[1], words, 32).astype(jnp.uint32)
    packed = jnp.sum(bits << jnp.arange(32, dtype=jnp.uint32)[None, None], axis=-1,
                     dtype=jnp.uint32)  # fmt: skip
    touching = matmul(degree, member)  # pairs inside twice, pairs across once

    def count(pair):
        return _count_bits(packed[pair[0]] ^ packed[pair[1]])

    across = jax.lax.map(count, (first, second))
    inside = (touching - across) / 2
    outside = valid[:, None] - across - inside
    sums = [jnp.cumsum(x, axis=0) for x in (inside, outside, across)]
    share = [x / jnp.maximum(x[-1:], 1) for x in sums]
    gap = jnp.maximum(jnp.abs(share[0] - share[2]), jnp.abs(share[1] - share[2]))
    return jnp.max(jnp.where(ends[:, None], gap, 0), axis=0)


def _count_bits(x):
    """How many of the rows of `x (size, words)` have each bit set, `(32 words,)`."""
    ones = jnp.uint32(0x01010101)
    shifts = jnp.arange(8, dtype=jnp.uint32)
    # Byte b of word k counts bit 8 b + k; at most 255 rows, so that none runs over.
    counts = [jnp.sum((x >> k) & ones, axis=0, dtype=jnp.uint32) for k in shifts]
    apart = jnp.stack(counts)[None] >> (8 * jnp.arange(4, dtype=jnp.uint32))[:, None, None]
    bytes_ = (apart & jnp.uint32(255)).astype(jnp.float32)  # (4, 8, words)
    return bytes_.transpose(2, 0, 1).reshape(-1)
