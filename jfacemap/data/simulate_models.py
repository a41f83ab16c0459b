r"""Simulated embedding models: what all see of an image, and what each sees alone.

Image i shows person s in media m, with noise of size q. A model embeds it as

    x = l q^(-1/3) (mean + tanh([w z, p v] R)),
    z = u_s + c q (a_m + e_i),    v = u'_s + c q (a'_m + e'_i),

with one draw of normal u a person, a a media, e an image: z is the same for all models,
all primed letters are the model's own. So are its rotation R, its weights w of the shared
axes, its noise c, its mean and its length l. Between two models a linear map undoes both
R and w and leaves out v; a rotation undoes R alone; nothing undoes tanh.
"""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, Int, Key

from ..core.linalg import matmul


block_rows = 4096
"""Rows made at once; a block is the same whichever of its rows are asked for."""

shared_rank, private_rank = 212, 44
"""Directions in which people differ for all models, and for one alone."""

private_size = 1.15
"""Length of what a model sees alone, p v, where that of what all see is 1."""

media_share = 0.6
"""Share of the variance of noise that all frames of a media have in common."""

curvature = 0.5
"""Root mean square of what tanh is taken of: the larger, the less linear."""


_normal = ft.partial(jax.random.normal, dtype=jnp.float32)  # under x64 too


class World(eqx.Module):
    """What all models share: the noise they all see, and who is who."""

    key: Key[Array, ""]
    people: Float[Array, "people shared"]


class SimulatedModel(eqx.Module):
    """What is a model's own; `mix` is both w and p, R and the scale of tanh."""

    key: Key[Array, ""]
    people: Float[Array, "people private"]
    mix: Float[Array, "latent d"]
    mean: Float[Array, " d"]
    noise: Float[Array, ""]
    length: Float[Array, ""]


@ft.partial(jax.jit, static_argnames="people")
def make_world(key: Key[Array, ""], people: int) -> World:
    """Draw who is who."""
    noise, who = jax.random.split(key)
    return World(noise, _normal(who, (people, shared_rank)))


@ft.partial(jax.jit, static_argnames=("people", "width"))
def make_model(
    key: Key[Array, ""], people: int, width: int, noise: Float[ArrayLike, ""]
) -> SimulatedModel:
    """Draw a model of embeddings of some width, with noise `c` relative to identity."""
    own, who, rotation, weights, mean, sizes = jax.random.split(key, 6)
    latent = shared_rank + private_rank
    tall = _normal(rotation, (max(latent, width), min(latent, width)))
    r = jnp.linalg.qr(tall)[0]
    r = r.T if latent < width else r
    spectrum = jnp.geomspace(1, 0.3, shared_rank, dtype=jnp.float32)
    w = spectrum * jnp.exp(0.25 * _normal(weights, (shared_rank,)))
    p = jnp.full(private_rank, private_size / private_rank**0.5, jnp.float32)
    axes = jnp.concatenate([w / jnp.linalg.norm(w), p])
    offset, length = jnp.exp(0.4 * _normal(sizes, (2,)))
    return SimulatedModel(
        key=own,
        people=_normal(who, (people, private_rank)),
        mix=curvature * max(latent, width) ** 0.5 * axes[:, None] * r,
        mean=0.3 * curvature * offset * _normal(mean, (width,)),
        noise=jnp.asarray(noise, jnp.float32),
        length=length,
    )


@jax.jit
def embed_block(
    world: World,
    model: SimulatedModel,
    person: Int[Array, " rows"],
    media: Int[Array, " rows"],
    noise: Float[Array, " rows"],
    block: Int[Array, ""],
) -> Float[Array, "rows d"]:
    """What a model makes of the images of one block, not normalised."""
    size = model.noise * noise[:, None]
    z = world.people[person] + size * _noise(world.key, shared_rank, media, block)
    v = model.people[person] + size * _noise(model.key, private_rank, media, block)
    seen = jnp.tanh(matmul(jnp.concatenate([z, v], axis=1), model.mix))
    return model.length * noise[:, None] ** (-1 / 3) * (model.mean[None] + seen)


def _noise(key, rank, media, block):
    """Unit variance; the media's part is drawn again for each of its frames."""
    of_media, of_image = jax.random.split(key)
    draw = lambda m: _normal(jax.random.fold_in(of_media, m), (rank,))
    image = jax.random.fold_in(of_image, block)
    both = jax.vmap(draw)(media), _normal(image, (len(media), rank))
    return media_share**0.5 * both[0] + (1 - media_share) ** 0.5 * both[1]
