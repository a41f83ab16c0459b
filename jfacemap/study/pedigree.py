"""What models have in common by birth: data, architecture, loss (paper 000, Figure 5)."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Bool


traits = "data", "arch", "loss"
"""What two models may share, in the order their names are joined."""


class Pedigree(eqx.Module):
    """What a model was made of; None where it is not known, which nothing shares."""

    data: str | None = eqx.field(static=True, default=None)
    arch: str | None = eqx.field(static=True, default=None)
    loss: str | None = eqx.field(static=True, default=None)


def shared_traits(models: Sequence[Pedigree]) -> dict[str, Bool[np.ndarray, "N N"]]:
    """For each of "data", "arch", "loss": which models are known to have the same."""

    def same(trait):
        values = [getattr(m, trait) for m in models]
        return np.array([[a is not None and a == b for b in values] for a in values])

    return {trait: same(trait) for trait in traits}


def trait_categories(models: Sequence[Pedigree]) -> dict[str, Bool[np.ndarray, "N N"]]:
    """Ordered pairs of two models by all that they share: Figure 5's categories.

    Names are "none", "data", "arch", "loss", "data+arch", "data+loss", "arch+loss" and
    "all". Each pair of two models is in one; categories without a pair are left out.
    """
    shared = shared_traits(models)
    bits = sum(2**i * same for i, same in enumerate(shared.values()))
    bits = np.where(np.eye(len(models), dtype=bool), -1, bits)
    found = {}
    for n in sorted(range(8), key=int.bit_count):
        some = [trait for i, trait in enumerate(traits) if n >> i & 1]
        name = {0: "none", 7: "all"}.get(n, "+".join(some))
        found[name] = bits == n
    return {name: which for name, which in found.items() if which.any()}
