"""`jfacemap fit --kind gradient`: steps of Adam on rows that are read in parts."""

import dataclasses
import math
from typing import Any

import jax
import numpy as np

from ..core.maps import AbstractMap
from ..core.rows import RowSource
from ..fit import losses
from ..fit.buffers import buffer_rows
from ..fit.folds import as_folds
from ..fit.gradient import fit_gradient, GradientFit


row_losses = {
    "squared": losses.squared,
    "distance": losses.distance,
    "cosine": losses.cosine,
    "huber": losses.huber,
    "info-nce": losses.info_nce,
    "triplet": losses.triplet,
}
contrastive = "info-nce", "triplet"

check_every = 10
"""Steps from one look at the rows held out to the next."""

most_held = 2**12
"""Rows held out at most: they are all looked at each time, and stay in memory."""


def hold_out(share: float, n: int, who: np.ndarray | None) -> np.ndarray | None:
    """A mask `(n,)` of about a share of the rows: people whole, else neighbours."""
    if not share:
        return None
    parts = max(round(1 / share), math.ceil(n / most_held))
    fold = as_folds(n, min(parts, n if who is None else int(who.max()) + 1), who)
    return fold == fold.max()


@dataclasses.dataclass(frozen=True)
class Steps:
    """What a gradient fit is told: options, weights, rows' people, the rows held out."""

    options: Any
    weights: np.ndarray
    who: np.ndarray | None
    held_out: np.ndarray | None

    @property
    def kept(self) -> np.ndarray:
        """Weights of the rows that are fitted on: those held out have none."""
        if self.held_out is None:
            return self.weights
        return np.where(self.held_out, 0, self.weights)

    def descend(
        self, start: AbstractMap, x: RowSource, y: RowSource
    ) -> tuple[AbstractMap, dict[str, str]]:
        """The map that steps of Adam make of `start`, and what is said of it."""
        import optax

        c, n = self.options, len(self.weights)
        rate = optax.cosine_decay_schedule(c.learning_rate, c.steps)
        fit = fit_gradient(
            jax.random.key(c.seed),
            x,
            y,
            init=start,
            loss=row_losses[c.loss],
            optimizer=optax.adam(rate),
            steps=c.steps,
            batch_size=None if n <= min(c.batch_size, buffer_rows) else c.batch_size,
            weights=None if c.weights is None else self.weights,
            labels=self.who if c.loss in contrastive else None,
            held_out=self.held_out,
            check_every=check_every,
            patience=c.patience,
        )
        return fit.map, self._say(fit)

    def _say(self, fit: GradientFit) -> dict[str, str]:
        c, trace = self.options, np.asarray(fit.losses)
        done = int(np.isfinite(trace).sum()) or len(trace)
        tenth = max(1, done // 10)
        first, last = trace[:tenth].mean(), trace[done - tenth : done].mean()
        said = {
            "loss": f"{c.loss}, {first:.4g} in the first {tenth} of {done} steps, "
            f"{last:.4g} in the last"
        }
        if self.held_out is not None and fit.held_out is not None:
            seen = np.asarray(fit.held_out)
            said["held out"] = (
                f"{self.held_out.sum():,} rows, {c.loss} {seen[0]:.4g} at the start, "
                f"{np.nanmin(seen):.4g} after {int(fit.step)} steps: that map is kept"
            )
        return said
