"""A lattice of edited images: which edits, how much of each, and in which row."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..data.image_edits import Edit, render
from ..data.lattice import Lattice


class LatticePlan(eqx.Module):
    """What `make_lattice` renders; host arrays.

    Base points are images at random amounts of all edits; each edit moves each of them a
    step down and a step up. Of B base points and A edits, base b is row b (1 + 2 A), and
    edit a down and up are the rows 1 + 2 a and 2 + 2 a after it.

    - `rows (I, m)`: the images of each identity, `people` in order
    - `amounts (B, A)`: of the edits at the base points, alike for all identities
    - `steps (A,)`: how far a curve goes either way
    """

    people: tuple[str, ...] = eqx.field(static=True)
    names: tuple[str, ...] = eqx.field(static=True)
    rows: Int[np.ndarray, "I m"]
    amounts: Float[np.ndarray, "B A"]
    steps: Float[np.ndarray, " A"]

    @property
    def lattice(self) -> Lattice:
        """Its curves, with each base point as step 1 of one curve of each edit."""
        first = np.arange(len(self.amounts)) * (1 + 2 * len(self.names))
        curves = [np.stack([first + 1 + 2 * a, first, first + 2 + 2 * a], axis=1)
                  for a in range(len(self.names))]  # fmt: skip
        ids = np.arange(len(first))
        return Lattice(self.names, tuple(curves), (ids,) * len(self.names))

    def nodes(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every row of an identity: which of its images, and the amounts `(N, A)`."""
        a = len(self.names)
        moves = np.zeros((1 + 2 * a, a))
        for i, step in enumerate(self.steps):
            moves[1 + 2 * i, i], moves[2 + 2 * i, i] = -step, step
        amounts = (self.amounts[:, None] + moves[None]).reshape(-1, a)
        which = np.arange(len(self.amounts)) % self.rows.shape[1]
        return np.repeat(which, 1 + 2 * a), amounts.astype(np.float32)


def plan_lattice(
    key: Key[jax.Array, ""],
    identity,
    chosen: Mapping[str, Edit],
    *,
    images: int | None = None,
    settings: int = 3,
) -> LatticePlan:
    """Draw the images and the amounts of a lattice; on the host, once.

    **Arguments:**

    - `identity (n,)`: who each image shows.
    - `chosen`: the edits, such as `jfm.data.edits`, in the order they are applied.
    - `images`: of each identity, drawn at random; by default the fewest that one has. An
      identity with fewer is left out.
    - `settings`: base points of each image, at amounts drawn evenly between the least and
      the most of each edit.

    Raises `ValueError` if nothing is left.
    """
    identity = np.asarray(identity)
    people, count = np.unique(identity, return_counts=True)
    if identity.ndim != 1 or not len(people) or not chosen or settings < 1:
        raise ValueError(
            "A lattice takes an identity an image, one edit or more and one setting or "
            f"more; got {identity.shape}, {len(chosen)}, {settings}."
        )
    images = int(count.min()) if images is None else images
    people = people[count >= images]
    if images < 1 or not len(people):
        raise ValueError(f"No identity has {images} images; the most is {count.max()}.")
    rng = np.random.default_rng(np.asarray(jax.random.bits(key, (4,), jnp.uint32)))
    rows = [rng.choice(np.flatnonzero(identity == who), images, replace=False)
            for who in people]  # fmt: skip
    low, high = (np.array([getattr(e, end) for e in chosen.values()])
                 for end in ("low", "high"))  # fmt: skip
    amounts = rng.uniform(low, high, (settings * images, len(chosen)))
    steps = np.array([e.step for e in chosen.values()])
    return LatticePlan(
        tuple(map(str, people)), tuple(chosen), np.stack(rows), amounts, steps
    )


def colour(images: np.ndarray) -> np.ndarray:
    """Images (n, h, w, 3), grey ones with three equal channels."""
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"images are (n, h, w), (n, h, w, 1 or 3); got {images.shape}.")
    return np.repeat(images, 3, axis=-1) if images.shape[-1] == 1 else images


def embed_edited(model, chosen: Mapping[str, Edit]):
    """A compiled function of images (b, h, w, 3) and amounts (b, A), to rows (b, d)."""

    @jax.jit
    def embed(images, amounts):
        edit = lambda image, z: render(image, chosen, z)
        return model(jax.vmap(edit)(images.astype(jnp.float32), amounts))

    return embed


def edit_derivatives(model, chosen: Mapping[str, Edit]):
    r"""A compiled function of images and amounts, to rows and $\partial e / \partial z$.

    The derivatives `(b, A, d)` are exact: by forward mode through network, edits and all.
    """

    def one(image, z):
        f = lambda z: model(render(image, chosen, z)[None])[0]
        # One pass for the value and one for the tangents of all edits side by side.
        value, push = jax.linearize(f, z)
        return value, jax.vmap(push)(jnp.eye(z.size, dtype=z.dtype))

    @jax.jit
    def both(images, amounts) -> tuple[Float[Array, "b d"], Float[Array, "b A d"]]:
        pair = images.astype(jnp.float32), amounts
        return jax.lax.map(lambda p: one(*p), pair)

    return both
