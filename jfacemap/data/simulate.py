"""A simulated IJB: IJB-C's protocol in size and shape, with made-up embeddings."""

import dataclasses
from collections.abc import Iterator, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..core.rows import check_size
from .protocol import Protocol
from .simulate_models import (
    block_rows,
    embed_block,
    make_model,
    make_world,
    SimulatedModel,
    World,
)
from .simulate_protocol import simulate_protocol


class SimulatedIjb(eqx.Module):
    """A protocol, and models that embed its images when asked: not faces.

    - `protocol`: the structure
    - `person (n,)`: who each image shows, numbered from 0
    - `noise (n,)`: how noisy each image is for all models, 1 in the median
    - `models`: from the best to the weakest
    """

    protocol: Protocol
    person: Int[np.ndarray, " n"]
    noise: Float[np.ndarray, " n"]
    world: World
    models: tuple[SimulatedModel, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The models: "model0", "model1", ..."""
        return tuple(f"model{i}" for i in range(len(self.models)))

    @property
    def dims(self) -> tuple[int, ...]:
        """Width of each model's embedding."""
        return tuple(m.mean.shape[0] for m in self.models)

    def source(self, model: int) -> "SimulatedRows":
        """The rows of a model as a `RowSource`: made batch by batch, never held."""
        return SimulatedRows(self, range(len(self.models))[model])

    def embeddings(self, model: int) -> Float[np.ndarray, "n d"]:
        """All rows of a model, float32, not normalised; .96 GB at scale 1 and width 512."""
        return self.rows(model, 0, self.protocol.n_images)

    def rows(self, model: int, start: int, stop: int) -> Float[np.ndarray, "m d"]:
        """Rows `start` to `stop` of a model: bit for bit those of `embeddings`."""
        source = self.source(model)
        n, d = source.shape
        start, stop, _ = slice(start, stop).indices(n)
        rows = np.empty((max(stop - start, 0), d), np.float32)
        for block in range(start // block_rows, -(-stop // block_rows)):
            first = block * block_rows
            low, high = max(start, first), min(stop, first + block_rows)
            made = source.block(block)
            rows[low - start : high - start] = made[low - first : high - first]
        return rows


@dataclasses.dataclass(frozen=True)
class SimulatedRows:
    """The rows of one model of a simulation: a `RowSource`."""

    simulation: SimulatedIjb
    model: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        return self.simulation.protocol.n_images, self.simulation.dims[self.model]

    @property
    def dtype(self) -> np.dtype:
        """Float32."""
        return np.dtype(np.float32)

    def batches(self, size: int, *, start: int = 0) -> Iterator[np.ndarray]:
        """The rows from `start` on in order, `size` at a time, the last batch shorter."""
        check_size(size)
        held: list[np.ndarray] = []
        last = -(-self.shape[0] // block_rows) - 1
        first, skip = divmod(start, block_rows)
        for block in range(first, last + 1):
            rows = self.block(block)
            held.append(rows[skip:] if block == first else rows)
            if block == last or sum(map(len, held)) >= size:
                rows = np.concatenate(held)
                whole = len(rows) if block == last else len(rows) // size * size
                yield from (rows[i : min(i + size, whole)] for i in range(0, whole, size))
                held = [rows[whole:]]

    def block(self, block: int) -> np.ndarray:
        """Rows `block * block_rows` on, `block_rows` of them or to the end."""
        s = self.simulation
        part = slice(block * block_rows, (block + 1) * block_rows)
        columns = s.person[part], s.protocol.media[part], s.noise[part]
        count = len(columns[0])
        padded = [np.pad(c, (0, block_rows - count), mode="edge") for c in columns]
        rows = embed_block(s.world, s.models[self.model], *padded, np.int32(block))
        return np.asarray(rows)[:count]


def simulate_ijb(
    key: Key[Array, ""],
    *,
    scale: float = 1.0,
    models: int = 10,
    width: int | Sequence[int] = 512,
    noise: tuple[float, float] = (0.42, 0.98),
) -> SimulatedIjb:
    """A protocol with IJB-C's counts, and models to embed its images.

    **Arguments:**

    - `key`: the same key makes the same protocol and, on one machine, the same rows.
    - `scale`: multiplies the counts of images, templates, pairs and people. At 1 they are
      exactly the published ones.
    - `models`, `width`: how many, and how wide their embeddings are, one width for all or
      one each.
    - `noise`: of the best model and of the weakest, relative to what tells people apart;
      the others lie between, in geometric steps.

    It stands in for the licensed data in the size of every array, in the skew of templates
    and media, and roughly in error rates. Measured at scale .1: native TAR at FAR 1e-4 is
    .97 (best model) to .79 (weakest); at FAR 1e-2 the means are .958 native, .937 through
    linear maps, .904 through rotations (12 pairs of models) and FAR without a map; paper
    000 has .965, .95 and .91.

    It is not faces. Noise is all that makes an image hard: there is no pose, age or light,
    no two people are alike but by chance, and models differ as `simulate_models` says and
    in no other way. It measures programs; findings about faces need faces.
    """
    widths = [width] * models if isinstance(width, int) else list(width)
    if models < 1 or len(widths) != models or min(widths) < 1:
        raise ValueError(
            f"{models} models need one positive width, or one each; got {width}."
        )
    structure, shared, own = jax.random.split(key, 3)
    seed = np.asarray(jax.random.bits(structure, (4,), jnp.uint32))
    protocol, person, of_image = simulate_protocol(np.random.default_rng(seed), scale)
    people = int(person.max()) + 1
    made = [
        make_model(jax.random.fold_in(own, i), people, w, c)
        for i, (w, c) in enumerate(zip(widths, np.geomspace(*noise, models), strict=True))
    ]
    return SimulatedIjb(protocol, person, of_image, make_world(shared, people), tuple(made))
