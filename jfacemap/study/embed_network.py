"""A network as a function from pixels to rows, compiled for batches of one shape."""

import dataclasses
import hashlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from ..core.types import Numeric
from ..data.preprocess import fit_input, Preprocess


class Network:
    """`fn` of numbers, after what it wants done to pixels, and averaged over mirroring.

    `preprocess` is as the model has it. Called with pixels (b, h, w, c) it gives (b, d).
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        preprocess: str | Preprocess,
        flip: bool = False,
        sharding: jax.sharding.Sharding | None = None,
    ):
        act, dims, dtype = read_network(fn)
        self.preprocess = fit_input(preprocess, dims)
        if not jnp.issubdtype(dtype, jnp.floating) and self._scales():
            raise ValueError(
                f"The model takes pixels as {np.dtype(dtype).name}, which (pixel - mean) / "
                "std would not fit: give preprocess='pixels', or mean=0 and std=1."
            )
        self.settings = {
            "preprocess": dataclasses.asdict(self.preprocess),
            "flip": flip,
            "weights": digest(fn),
            "graph": getattr(fn, "graph_digest", None),
        }
        if sharding is not None and not sharding.is_fully_addressable:
            raise ValueError(
                "The sharding has devices of other processes. Each process embeds images "
                "of its own into a store of its own: give it files[slice(*jfm.process_rows("
                "len(files)))], and join what they have made by jfm.data.join_stores."
            )
        self._sharding = sharding

        def run(pixels):
            n = len(pixels)
            if flip:
                pixels = jnp.concatenate([pixels, pixels[:, :, ::-1]])
            rows = first_output(act(self.preprocess.numbers(pixels).astype(dtype)))
            if rows.ndim < 2 or len(rows) != len(pixels):
                raise ValueError(
                    f"The network makes {rows.shape} of {len(pixels)} images; embeddings "
                    f"are ({len(pixels)}, d)."
                )
            rows = rows.reshape(len(rows), -1).astype(jnp.float32)
            return rows.reshape(2, n, -1).mean(axis=0) if flip else rows

        self._run = jax.jit(run)

    def _scales(self) -> bool:
        mean, std = np.asarray(self.preprocess.mean), np.asarray(self.preprocess.std)
        return bool(np.any(mean != 0) or np.any(std != 1))

    def width(self, batch_size: int) -> int:
        """d, found without computing anything."""
        shape = (batch_size, *(self.preprocess.size or ()), self.preprocess.channels)
        spec = jax.ShapeDtypeStruct(shape, jnp.uint8)
        return jax.eval_shape(self._run, spec).shape[1]

    def __call__(self, pixels: UInt8[Numeric, "b h w c"]) -> Float[Array, "b d"]:
        if self._sharding is not None:
            pixels = jax.device_put(pixels, self._sharding)
        return self._run(pixels)


def digest(fn: Any) -> str | None:
    """SHA-256 over the arrays of a pytree, such as a function; None if it holds none."""
    arrays = [x for x in jax.tree.leaves(fn) if isinstance(x, jax.Array | np.ndarray)]
    if not arrays:
        return None
    total = hashlib.sha256()
    for x in map(np.asarray, arrays):
        total.update(f"{x.dtype}{x.shape}".encode())
        total.update(np.ascontiguousarray(x).view(np.uint8).data)
    return total.hexdigest()


def read_network(fn) -> tuple[Callable[[Array], Any], tuple | None, Any]:
    """A function of a batch, what is known of its input's sizes, and its dtype."""
    from ..onnx2jax import OnnxFunction

    if not callable(fn):
        raise ValueError(
            f"fn is a function of images; got {fn!r}. jfm.onnx2jax.load(PATH) makes one of "
            "an ONNX file."
        )
    if not isinstance(fn, OnnxFunction):
        return fn, None, jnp.float32
    if len(fn.inputs) != 1:
        names = ", ".join(repr(spec.name) for spec in fn.inputs)
        raise ValueError(
            f"The model takes {len(fn.inputs)} inputs, {names}: give a function of the "
            "images alone, as lambda x: f(x, other)."
        )
    (spec,) = fn.inputs
    one = spec.dims is not None and spec.dims[:1] == (1,)
    return (fn.batched if one else fn), spec.dims, spec.dtype or jnp.float32


def first_output(out: Any) -> Array:
    """The one output of a network, of several named ones an error."""
    if isinstance(out, dict):
        if len(out) != 1:
            raise ValueError(
                f"The network has the outputs {', '.join(map(repr, out))}: choose one, as "
                "onnx2jax.load(path, outputs=[NAME]), or a function that gives it."
            )
        (out,) = out.values()
    return jnp.asarray(out)
