"""A face network taught to see through one attribute (paper 003, section on fine-tuning).

Starts from a trained network, shows it images of known people and two variations of one
attribute of each, and pulls all to a centre a person by ArcFace or AdaFace. What is kept
is the epoch of the least parameter-free loss on people who are not trained on.
"""

import dataclasses
import functools as ft
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..core.linalg import unit
from ..data.image_edits import Edit, render
from ..data.preprocess import Preprocess
from ..fit.margin import (
    adaface_logits,
    arcface_logits,
    Kind,
    margin_loss,
    NormStatistics,
    validation_loss,
)
from .embed_network import digest
from .finetune_checkpoint import describe, load, save
from .image_model import ImageModel


@dataclasses.dataclass(frozen=True)
class FinetuneSettings:
    """Settings of paper 003; where it says both Adam and momentum .9, Adam's first is .9.

    `people`: identities of a batch, each with an image and its two variations. `rate`,
    `decay`: of the network (AdamW). `centre_rate`: of the centres, by default 1e-3 by Adam
    for ArcFace, and 10 by gradient descent with momentum .9 for AdaFace: in Adam a rate of
    10 would leave nothing of a centre after one step.
    """

    kind: Kind = "arcface"
    epochs: int = 15
    people: int = 42
    rate: float = 1e-4
    decay: float = 5e-4
    centre_rate: float | None = None


class FinetuneHistory(eqx.Module):
    """Mean training loss of each epoch; validation loss before the first and after each."""

    training: Float[np.ndarray, " epochs"]
    validation: Float[np.ndarray, " epochs_and_one"]

    @property
    def best(self) -> int:
        """The epoch that was kept; 0 is the network as it came."""
        known = np.where(np.isnan(self.validation), np.inf, self.validation)
        return int(np.argmin(known))


class _State(eqx.Module):
    """All that training carries; what `best` holds is not trained further."""

    weights: Any
    centres: Array
    optimiser: Any
    statistics: NormStatistics
    best: Any
    training: Array
    validation: Array
    epoch: Array


def finetune(
    key: Key[Array, ""],
    fn: Callable[..., Any],
    preprocess: str | Preprocess,
    images: np.ndarray,
    identity: np.ndarray,
    edit: Edit,
    validation: tuple[np.ndarray, np.ndarray],
    *,
    settings: FinetuneSettings = FinetuneSettings(),
    checkpoint: str | Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Any, FinetuneHistory]:
    """Train a network on images (n, h, w, 3) and on variations of one attribute.

    **Arguments:**

    - `fn`: a pytree that is a function, such as an `OnnxFunction`; its float leaves learn.
    - `identity (n,)`: who the images show. An epoch shows an image of every person, drawn
      anew, with a variation down and one up.
    - `edit`: the attribute; variations lie between half of and all of its range.
    - `validation`: images and identities of other people; the first image of each is
      fixed, and all people are used at once.
    - `checkpoint`: a file that is written after each epoch and gone on from, to more
      epochs too.
    - `progress`: called with the number of epochs done, and of all.

    Returns the network of the best epoch and the history. Raises `ValueError` for fewer
    than two people on either side, a function without weights, or a checkpoint that is
    damaged, of another training, or of more epochs.
    """
    people, code = np.unique(identity, return_inverse=True)
    held, first = np.unique(validation[1], return_index=True)
    if min(len(people), len(held)) < 2:
        raise ValueError(
            f"Two people or more on either side; got {len(people)} and {len(held)}."
        )
    trainable, rest = eqx.partition(fn, eqx.is_inexact_array)
    if not jax.tree.leaves(trainable):
        raise ValueError(
            "The network holds no weights to train: give a pytree with float leaves, such "
            "as jfm.onnx2jax.load(path)."
        )
    size = min(settings.people, len(people))
    steps = len(people) // size
    optimiser = _optimiser(settings)
    forward = lambda weights, x: ImageModel(eqx.combine(weights, rest), preprocess)(x)
    step = eqx.filter_jit(_make_step(forward, optimiser, edit, settings.kind))
    judge = eqx.filter_jit(_make_judge(forward, edit, settings.kind))
    fixed = jnp.asarray(validation[0][first], jnp.float32)
    embed = eqx.filter_jit(forward)
    start = ft.partial(_start, trainable, embed, images, code, size, optimiser)
    state, about = None, {}
    if checkpoint is not None:
        about = {
            **describe(settings, edit, preprocess, fn),
            "key": np.asarray(jax.random.key_data(key)).tolist(),
            "images": digest((images, validation[0][first])),
            "identity": digest(code),
        }
        state = load(checkpoint, about, lambda epochs: start(epochs, shape=True))
    if state is not None:
        state = _lengthen(state, settings.epochs, checkpoint)
    else:
        state = start(settings.epochs)
        loss = judge(state.weights, fixed)
        state = dataclasses.replace(state, validation=state.validation.at[0].set(loss))
    for epoch in range(int(state.epoch), settings.epochs):
        epoch_key = jax.random.fold_in(key, epoch)
        rng = np.random.default_rng(
            np.asarray(jax.random.bits(epoch_key, (4,), jnp.uint32))
        )
        order, total = rng.permutation(len(people)), 0.0
        for i in range(steps):
            who = order[i * size : (i + 1) * size]
            rows = np.array([rng.choice(np.flatnonzero(code == w)) for w in who])
            reach = rng.uniform(0.5, 1, (size,)).astype(np.float32)
            state, loss = step(state, jnp.asarray(images[rows], jnp.float32), who, reach)
            total += float(loss) / steps
        loss = judge(state.weights, fixed)
        better = bool(loss < jnp.nanmin(state.validation))
        state = dataclasses.replace(
            state,
            best=state.weights if better else state.best,
            training=state.training.at[epoch].set(total),
            validation=state.validation.at[epoch + 1].set(loss),
            epoch=jnp.int32(epoch + 1),
        )
        if checkpoint is not None:
            save(checkpoint, about, settings.epochs, state)
        progress(epoch + 1, settings.epochs)
    history = FinetuneHistory(np.asarray(state.training), np.asarray(state.validation))
    return eqx.combine(state.best, rest), history


def variations(edit: Edit, reach: Float[Array, ""]) -> Float[Array, " 2"]:
    """Amounts of the variation down and of that up; `reach` is 1 for the whole range."""
    if edit.low < 0:
        return jnp.stack([reach * edit.low, reach * edit.high])
    return jnp.stack([edit.low + 0 * reach, edit.low + reach * (edit.high - edit.low)])


def _varied(edit: Edit, images, reach):
    """Images (b, h, w, 3), and two variations of each, (3 b, h, w, 3) in this order."""

    def pair(image, part):
        amounts = variations(edit, part)
        return jax.vmap(lambda z: render(image, {"edit": edit}, z[None]))(amounts)

    both = jax.vmap(pair)(images, reach)
    return jnp.concatenate([images, both.reshape(-1, *images.shape[1:])])


def _make_step(forward, optimiser, edit: Edit, kind: Kind):
    import optax

    def loss_of(parts, batch, label, statistics):
        weights, centres = parts
        rows = forward(weights, batch)
        if kind == "arcface":
            logits = arcface_logits(rows, centres, label)
        else:
            statistics = statistics.update(rows)
            logits = adaface_logits(rows, centres, label, statistics)
        return margin_loss(logits, label), statistics

    def step(state: _State, images, who, reach):
        who = jnp.asarray(who, jnp.int32)
        label = jnp.concatenate([who, jnp.repeat(who, 2)])
        parts = state.weights, state.centres
        grad = jax.value_and_grad(loss_of, has_aux=True)
        batch = _varied(edit, images, reach)
        (loss, statistics), slope = grad(parts, batch, label, state.statistics)
        # Optax raises floats to the power of a whole step number.
        with jax.numpy_dtype_promotion("standard"):
            updates, carried = optimiser.update(slope, state.optimiser, parts)
        moved: Any = optax.apply_updates(parts, updates)
        weights, centres = moved
        state = dataclasses.replace(state, weights=weights, centres=centres,
                                    optimiser=carried, statistics=statistics)  # fmt: skip
        return state, loss

    return step


def _make_judge(forward, edit: Edit, kind: Kind):
    def judge(weights, fixed):
        n = fixed.shape[0]
        rows = forward(weights, _varied(edit, fixed, jnp.ones(n, jnp.float32)))
        return validation_loss(rows[:n], rows[n:].reshape(n, 2, -1), kind)

    return judge


def _optimiser(settings: FinetuneSettings):
    import optax

    rate = settings.centre_rate
    if settings.kind == "arcface":
        centres = optax.adam(1e-3 if rate is None else rate)
    else:
        centres = optax.sgd(10.0 if rate is None else rate, momentum=0.9)
    network = optax.adamw(settings.rate, weight_decay=settings.decay)
    return optax.multi_transform(
        {"network": network, "centres": centres},
        lambda parts: (jax.tree.map(lambda _: "network", parts[0]), "centres"),
    )


def _lengthen(state: _State, epochs: int, path) -> _State:
    """A state of another number of epochs as one of so many."""
    done = int(state.epoch)
    if done > epochs:
        raise ValueError(
            f"{path} has {done} epochs, and {epochs} are asked for: ask for as many or "
            "more, give another file, or remove it."
        )
    return dataclasses.replace(
        state,
        training=jnp.zeros(epochs).at[:done].set(state.training[:done]),
        validation=jnp.full(epochs + 1, jnp.inf)
        .at[: done + 1]
        .set(state.validation[: done + 1]),
    )


def _start(
    trainable, embed, images, code, size, optimiser, epochs: int, shape=False
) -> _State:
    """The state before the first epoch: centres are people's mean embeddings."""

    def make():
        rows = [embed(trainable, jnp.asarray(images[s : s + size], jnp.float32))
                for s in range(0, len(images), size)]  # fmt: skip
        lengths = jnp.linalg.norm(jnp.concatenate(rows), axis=1)
        rows = unit(jnp.concatenate(rows))
        centres = jnp.zeros((code.max() + 1, rows.shape[1]), jnp.float32).at[code].add(rows)
        # AdaFace scales by running lengths: those of the network at hand to begin with.
        statistics = NormStatistics(jnp.mean(lengths), jnp.std(lengths))
        return _State(
            weights=trainable, centres=unit(centres),
            optimiser=optimiser.init((trainable, unit(centres))), statistics=statistics,
            best=trainable, training=jnp.zeros(epochs),
            validation=jnp.full(epochs + 1, jnp.inf), epoch=jnp.int32(0),
        )  # fmt: skip

    return eqx.filter_eval_shape(make) if shape else make()
