r"""Linkability: what a score tells about two records being of one person.

Gomez-Barrero, Galbally, Rathgeb & Busch, "General framework to evaluate unlinkability in
biometric template protection systems" (IEEE TIFS 13(6), 2018), sections IV-B and IV-C.
"""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from ..core.types import Numeric
from .floats import at_least_float32, home, ratio
from .pairs import as_pairs, at_precision_of


class Linkability(eqx.Module):
    r"""Histograms of mated and non-mated scores, and what they give away.

    - `mated`, `non_mated (bins,)`: scores of each kind in each bin; all bins are as wide
    - `low`, `high`: the extreme scores, where the bins begin and end
    - `n_nan`: scores that are NaN, in no bin
    - `prior`: $\omega = P(\text{mated}) / P(\text{non-mated})$, of two records at hand
    """

    mated: Int[Numeric, "*cells bins"]
    non_mated: Int[Numeric, "*cells bins"]
    low: Float[Numeric, "*cells"]
    high: Float[Numeric, "*cells"]
    n_nan: Int[Numeric, "*cells"]
    prior: Float[Numeric, "*cells"]

    @property
    def edges(self) -> Float[Numeric, "*cells edges"]:
        """Where the bins begin and end."""
        xp = home(self.low)
        bins = self.mated.shape[-1]
        share = xp.arange(bins + 1, dtype=self.low.dtype) / bins
        low, high = (xp.asarray(x)[..., None] for x in (self.low, self.high))
        return low + (high - low) * share.astype(self.low.dtype)

    @property
    def local(self) -> Float[Numeric, "*cells bins"]:
        r"""$D(s) = \max(0, 2 \frac{\omega LR}{1 + \omega LR} - 1)$ of each bin, in [0, 1].

        LR(s) is the likelihood ratio p(s | mated) / p(s | non-mated). 1 where only mated
        scores fall, 0 where none do.
        """
        mated, non_mated = self._shares
        xp = home(mated)
        mated = mated * xp.asarray(self.prior).astype(mated.dtype)[..., None]
        total = mated + non_mated
        # 2 wLR / (1 + wLR) - 1 without the quotient that may be infinite.
        gap = (mated - non_mated) / xp.where(total > 0, total, 1)
        return xp.maximum(gap, 0)

    @property
    def d_sys(self) -> Float[Numeric, "*cells"]:
        r"""$D_{sys} = \int D(s)\,p(s \mid \text{mated})\,ds$; NaN if a kind is missing.

        0 where scores tell nothing; 1 where mated and non-mated ones never meet. Chance
        differences between bins of few scores count too: a system that links nothing is
        above 0, by about .06 at 1,000 mated scores in 100 bins.
        """
        mated = self._shares[0]
        return home(mated).asarray((mated * self.local).sum(axis=-1))

    @property
    def _shares(self):
        counts = self.mated, self.non_mated
        mated, non_mated = (ratio(c, c.sum(axis=-1)) for c in counts)
        # A missing kind is 0 / 0: it makes the other, and so all that follows, NaN too.
        return mated + 0 * non_mated, non_mated + 0 * mated


def linkability(
    scores: Float[Numeric, "*n"],
    genuine: Bool[Numeric, "*n"],
    *,
    prior: float | int | Float[Numeric, ""] = 1.0,
    valid: Bool[Numeric, "*n"] | None = None,
    bins: int | None = None,
) -> Linkability:
    r"""Compare how scores of one person's records spread with how others' do.

    **Arguments:**

    - `scores`: similarity of two records, of any shape; a score need not rise with it.
    - `genuine`: whether both are of one person ("mated").
    - `prior`: $\omega$, how many times likelier a mated pair is than a non-mated one
      before the score is seen. Traced.
    - `valid`: pairs that count, all by default.
    - `bins`: of the histograms; by default a tenth of the mated scores, from 2 to 100, as
      in the authors' code; 100 under `jit`, where their number is not known.

    Density is a histogram between the extreme finite scores. NaN is in no bin, and an
    infinite score in the last of its side. Raises `ValueError` on shapes that do not match
    or fewer than 1 bin.
    """
    scores, genuine, valid = as_pairs(scores, genuine, valid)
    if bins is None:
        flags = genuine if valid is None else (genuine, valid)
        known = not any(isinstance(x, Tracer) for x in jax.tree.leaves(flags))
        mated = np.sum(np.logical_and.reduce(jax.tree.leaves(flags))) if known else 1000
        bins = int(np.clip(mated // 10, 2, 100))
    if bins < 1:
        raise ValueError(f"A histogram has at least one bin; got {bins}.")
    return at_precision_of(_linkability, scores, genuine, valid, prior, bins=bins)


@ft.partial(jax.jit, static_argnames="bins")
def _linkability(scores, genuine, valid, prior, *, bins) -> Linkability:
    s = at_least_float32(scores).ravel()
    genuine = jnp.asarray(genuine).ravel()
    valid = jnp.ones(s.shape, bool) if valid is None else jnp.asarray(valid).ravel()
    used, finite = valid & ~jnp.isnan(s), valid & jnp.isfinite(s)
    low = jnp.min(jnp.where(finite, s, jnp.inf))
    high = jnp.max(jnp.where(finite, s, -jnp.inf))
    at = (s - low) * (bins / jnp.where(high > low, high - low, 1))
    at = jnp.where(used, jnp.clip(at, 0, bins - 1), 0).astype(jnp.int32)
    count = lambda which: _count(at, used & which, bins)
    return Linkability(
        mated=count(genuine),
        non_mated=count(~genuine),
        low=low,
        high=high,
        n_nan=jnp.sum(valid & jnp.isnan(s), dtype=jnp.int32),
        prior=jnp.asarray(prior, s.dtype),
    )


def _count(at, which, bins: int) -> Int[Array, " bins"]:
    return jnp.zeros(bins, jnp.int32).at[at].add(which.astype(jnp.int32))
