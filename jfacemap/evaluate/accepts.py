"""What a threshold accepts at a target false accept rate: counts, and rates of them."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

from ..core.types import Numeric
from .floats import home, ratio


class TarAtFar(eqx.Module):
    """What a threshold at each target FAR accepts; `*q` is the shape of the targets.

    - `genuine_accepts`, `impostor_accepts (*q,)`: pairs that score at least `threshold`
    - `threshold (*q,)`: the least score accepted; +inf if none is
    - `supported (*q,)`: whether the target is at least one impostor pair, 1 / n_impostor
    - `genuine_at_zero`: genuine pairs above every impostor
    - `n_genuine`, `n_impostor`: pairs that count
    - `n_nan`: those of them whose score is NaN; they are never accepted
    - `target_words (*q, 4)`: what `target` is kept in, all its bits
    - `beyond`: rule "interpolate" only: accepts `(2, *q)`, genuine and impostor, of the
      next looser point; the fields above are of the strict one

    Rates are quotients of these counts: float64 NumPy, or float32 where traced.
    """

    genuine_accepts: Int[Numeric, "*cells_q"]
    impostor_accepts: Int[Numeric, "*cells_q"]
    threshold: Float[Numeric, "*cells_q"]
    supported: Bool[Numeric, "*cells_q"]
    genuine_at_zero: Int[Numeric, "*cells"]
    n_genuine: Int[Numeric, "*cells"]
    n_impostor: Int[Numeric, "*cells"]
    n_nan: Int[Numeric, "*cells"]
    target_words: Float[Numeric, "*cells_q 4"]
    beyond: list[Int[Numeric, "*cells_q"]] | None
    rule: str = eqx.field(static=True)

    @property
    def far(self) -> Float[Numeric, "*cells_q"]:
        """The FAR achieved at `threshold`; NaN without impostor pairs."""
        return ratio(self.impostor_accepts, self.n_impostor)

    @property
    def target(self) -> Float[Numeric, "*cells_q"]:
        """The FAR asked for."""
        words = self.target_words[..., :3]
        if home(words) is np:
            return np.asarray(np.asarray(words, np.float64).sum(axis=-1))
        return words.sum(axis=-1)

    @property
    def tar(self) -> Float[Numeric, "*cells_q"]:
        """True accept rate; NaN where not supported, or without genuine pairs."""
        far, tar = self.far, ratio(self.genuine_accepts, self.n_genuine)
        xp = home(far, tar, self.supported)
        if self.beyond is not None:
            next_tar = ratio(self.beyond[0], self.n_genuine)
            step = ratio(self.beyond[1], self.n_impostor) - far
            slope = (next_tar - tar) / xp.where(step > 0, step, 1)
            tar = slope * (self.target - far) + tar
        return xp.where(self.supported, tar, np.nan)

    @property
    def tar_at_zero(self) -> Float[Numeric, "*cells"]:
        """True accept rate at no false accept: above the best impostor."""
        return ratio(self.genuine_at_zero, self.n_genuine)
