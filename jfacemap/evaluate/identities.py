"""Who is in each pair: what an identity bootstrap needs to know beside the scores."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Int

from .subjects import code_sides


class IdentityPairs(eqx.Module):
    """Pairs by the identities they join; host arrays, shared by all score tables.

    - `genuine`, `impostor`: flat positions of the pairs of either kind
    - `genuine_identity`: the identity of each genuine pair
    - `impostor_class`: for each impostor pair the row of `classes`
    - `classes (classes, 2)`: the two identities of a class, unordered
    - `n_identities`: identities that occur in a pair
    - `shape`: of the scores these are the pairs of
    """

    genuine: Int[np.ndarray, " genuine"]
    impostor: Int[np.ndarray, " impostor"]
    genuine_identity: Int[np.ndarray, " genuine"]
    impostor_class: Int[np.ndarray, " impostor"]
    classes: Int[np.ndarray, "classes 2"]
    n_identities: int = eqx.field(static=True)
    shape: tuple[int, ...] = eqx.field(static=True)

    def mass(self, weights: Int[np.ndarray, "B I"]) -> tuple[np.ndarray, np.ndarray]:
        """Weighted counts `(B,)` of all genuine and all impostor pairs, int64."""
        weights = weights.astype(np.int64)
        genuine = np.bincount(self.genuine_identity, minlength=self.n_identities)
        counts = np.bincount(self.impostor_class, minlength=len(self.classes))
        a, b = self.classes.T
        impostor = [(w[a] * w[b]) @ counts for w in weights]
        return weights @ genuine, np.asarray(impostor)


def identity_pairs(
    identity_a, identity_b, *, valid: Bool[np.ndarray, "*n"] | None = None
) -> IdentityPairs:
    """Sort pairs into genuine and impostor by identity; on the host, once.

    Labels of the two sides are numbers or strings that broadcast to the shape of the
    scores: `(labels[:, None], labels[None])` for all pairs of rows. Pairs that are not
    `valid` do not count. Raises `ValueError` if shapes do not match, a kind is missing, or
    one side has numbers and the other strings.
    """
    a, b = np.asarray(identity_a), np.asarray(identity_b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    if valid is not None and np.shape(valid) != shape:
        raise ValueError(f"Pairs are {shape}, but valid is {np.shape(valid)}.")
    ends = np.stack([np.broadcast_to(x, shape).ravel() for x in code_sides(a, b)])
    position = np.arange(ends.shape[1]) if valid is None else np.flatnonzero(valid)
    present, ends = np.unique(ends[:, position], return_inverse=True)
    low, high = np.sort(ends, axis=0)
    same = low == high
    if same.all() or not same.any():
        raise ValueError(
            f"Of {same.size} pairs {same.sum()} are genuine: both kinds are needed."
        )
    n = present.size
    codes, kind = np.unique(low[~same] * n + high[~same], return_inverse=True)
    narrow = lambda x: x.astype(np.int32)
    return IdentityPairs(
        genuine=position[same],
        impostor=position[~same],
        genuine_identity=narrow(low[same]),
        impostor_class=narrow(kind),
        classes=narrow(np.stack(np.divmod(codes, n), axis=1)),
        n_identities=n,
        shape=shape,
    )
