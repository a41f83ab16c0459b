"""What a face recognition system may do to embeddings before they are stored or compared.

A defence takes rows and who each belongs to, and returns what leaves the system: leaked
pairs, stolen embeddings and legitimate comparisons are all of defended rows, on both sides.
Each is a pytree, so that its size can be swept under `jit`.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..core.linalg import matmul, unit
from ..core.types import Numeric


class AbstractDefence(eqx.Module):
    """A change to the rows of a system."""

    @abc.abstractmethod
    def __call__(
        self, x: Float[Numeric, "n d"], user: Int[Numeric, " n"]
    ) -> Float[Array, "n k"]:
        """The defended rows; `user` numbers whose record each belongs to."""


class Noise(AbstractDefence):
    """Normal noise of expected length `size` on unit rows, drawn for each row; then unit.

    One call draws independently for its rows; two calls of one shape draw alike.
    """

    key: Key[Array, ""]
    size: Float[Numeric, ""] | float

    def __call__(self, x, user):
        """Add the noise."""
        x = unit(jnp.asarray(x))
        noise = jax.random.normal(self.key, x.shape, x.dtype) / x.shape[1] ** 0.5
        return unit(x + jnp.asarray(self.size, x.dtype) * noise)


class Quantise(AbstractDefence):
    """Each coordinate of unit rows to `2^bits` even steps within ±3 / sqrt(d); then unit.

    Beyond is clipped: a coordinate of an even unit row has a root mean square of
    1 / sqrt(d). One bit keeps signs.
    """

    bits: Int[Numeric, ""] | int

    def __call__(self, x, user):
        """Round the coordinates."""
        x = unit(jnp.asarray(x))
        reach = 3 / x.shape[1] ** 0.5
        step = 2 * reach / 2.0 ** jnp.asarray(self.bits, x.dtype)
        level = (jnp.floor(x / step) + 0.5) * step
        return unit(jnp.clip(level, step / 2 - reach, reach - step / 2))


class Truncate(AbstractDefence):
    """The first `width` coordinates alone; `ValueError` unless rows have so many."""

    width: int = eqx.field(static=True)

    def __call__(self, x, user):
        """Cut."""
        if not 0 < self.width <= x.shape[1]:
            raise ValueError(
                f"Rows are {x.shape}: cut to 1 to {x.shape[1]} coordinates, not "
                f"{self.width}."
            )
        return unit(jnp.asarray(x)[:, : self.width])


class Rotate(AbstractDefence):
    """One random rotation for the whole system, its secret.

    It changes no comparison, and nothing for an attacker who fits on rotated pairs: least
    squares maps turn along, and so do rotations that the pairs determine.
    """

    key: Key[Array, ""]

    def __call__(self, x, user):
        """Rotate all rows alike."""
        return matmul(unit(jnp.asarray(x)), random_rotation(self.key, x.shape[1]))


class UserKeys(AbstractDefence):
    """A random rotation for each user, kept with the record.

    A claim to be a user is compared under that user's key on both sides, hence exactly as
    without a defence. Rows of different users have no direction in common. Users must be
    known while tracing. `ValueError` unless there is one a row.
    """

    key: Key[Array, ""]

    def __call__(self, x, user):
        """Rotate each row by its user's key."""
        user = np.asarray(user, np.int32)
        if user.shape != x.shape[:1]:
            raise ValueError(f"One user a row: rows are {x.shape}, users {user.shape}.")
        return _turn_by_user(self.key, unit(jnp.asarray(x)), user, np.unique(user))


@jax.jit
def _turn_by_user(key, x, user, users):
    def turn(turned, who):
        rotation = random_rotation(jax.random.fold_in(key, who), x.shape[1])
        mine = (user == who)[:, None]
        return jnp.where(mine, matmul(x, rotation), turned), None

    return jax.lax.scan(turn, jnp.zeros_like(x), users)[0]


def random_rotation(key: Key[Array, ""], d: int) -> Float[Array, "d d"]:
    """An orthogonal matrix drawn evenly (Haar): QR of a normal one, signs fixed."""
    q, r = jnp.linalg.qr(jax.random.normal(key, (d, d), jnp.float32))
    return q * jnp.where(jnp.diagonal(r) < 0, -1, 1)[None].astype(q.dtype)
