"""Re-identification from leaked pairs (paper 000, section 5).

The attacker knows nothing of a face model but some images with their embeddings. A map
fitted on these carries other people's embeddings into a model of the attacker's own, where
they are searched in a gallery of known faces.
"""

import dataclasses
from collections.abc import Callable, Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped

from ..core.linalg import unit
from ..core.maps import AbstractMap
from ..core.types import as_array, Numeric
from ..evaluate.draws import check_key
from ..evaluate.fusion import fuse_models
from ..evaluate.identify import Identification, identify
from ..evaluate.pooling import pool_templates
from ..evaluate.templates import group_templates, Templates
from ..fit.rotation import fit_rotation
from ..fit.standardize import fit_standardize


class AttackPlan(eqx.Module):
    """Who plays which part: rows of one labelled collection of images; host arrays.

    - `label (rows,)`: who each image shows
    - `leaked (K,)`: images whose unknown embeddings the attacker has
    - `gallery (m,)`: the attacker's own images: others of the victims, and distractors
    - `probes (n,)`: images known by their unknown embedding alone: victims and strangers

    Raises `ValueError` if someone leaked is searched for, or an image is on both sides.
    """

    label: Shaped[np.ndarray, " rows"]
    leaked: Int[np.ndarray, " K"]
    gallery: Int[np.ndarray, " m"]
    probes: Int[np.ndarray, " n"]

    def __check_init__(self):
        shared = np.intersect1d(self.gallery, self.probes)
        if shared.size:
            raise ValueError(f"Row {shared[0]} is in the gallery and a probe.")
        searched = np.concatenate([self.gallery, self.probes])
        known = np.intersect1d(self.label[self.leaked], self.label[searched])
        if known.size:
            raise ValueError(
                f"Person {known[0]} is leaked, and searched or in the gallery."
            )

    @property
    def gallery_size(self) -> int:
        """People in the gallery."""
        return np.unique(self.label[self.gallery]).size

    def chance(self, rank: int = 1) -> float:
        """The hit rate of a guess: rank / gallery size."""
        return min(1.0, rank / self.gallery_size)

    def leaking(self, rows) -> "AttackPlan":
        """The same plan with other leaked rows, such as fewer of them."""
        return dataclasses.replace(self, leaked=np.asarray(rows))


def plan_attack(
    key: Key[Array, ""],
    labels,
    *,
    victims: int,
    distractors: int,
    strangers: int,
    images: int | None = None,
) -> AttackPlan:
    """Deal the people of a collection at random into four disjoint parts.

    **Arguments:**

    - `labels (rows,)`: who each image shows.
    - `victims`: people to be found: half of their images are probes, the rest are in the
      gallery. They are drawn among those who have two images or more.
    - `distractors`: people in the gallery alone.
    - `strangers`: people among the probes alone, for the false positive rate.
    - `images`: most images of a person in gallery and probes, two or more, drawn at
      random; all by default.

    All images of everyone else are leaked. Raises `ValueError` if people do not suffice, or
    for one image a person, which cannot be a probe and in the gallery.
    """
    check_key(key)
    if images is not None and images < 2:
        raise ValueError(
            f"A victim has an image among the probes and one in the gallery: images is 2 "
            f"or more; got {images}."
        )
    labels = np.asarray(labels)
    seed = np.asarray(jax.random.bits(key, (4,), jnp.uint32))
    rng = np.random.default_rng(seed)
    people, count = np.unique(labels, return_counts=True)
    people = rng.permutation(people)
    several = np.isin(people, np.unique(labels)[count > 1])
    people = np.concatenate([people[several], people[~several]])
    wanted = victims + distractors + strangers
    if min(victims, distractors, strangers) < 0 or victims < 1:
        raise ValueError("An attack has at least one victim, and 0 or more of others.")
    if victims > several.sum() or wanted >= people.size:
        raise ValueError(
            f"{victims} victims, {distractors} distractors and {strangers} strangers leave "
            f"nobody to leak: there are {people.size} people, {several.sum()} of them with "
            "two images or more."
        )
    hunted, rest = people[:victims], rng.permutation(people[victims:])
    filling, strange = rest[:distractors], rest[distractors : distractors + strangers]
    draw = lambda who: rng.permutation(np.flatnonzero(labels == who))[:images]
    halves = [np.array_split(draw(who), 2) for who in hunted]
    rows = lambda parts: np.sort(np.concatenate([np.empty(0, int), *parts]))
    return AttackPlan(
        label=labels,
        leaked=np.flatnonzero(np.isin(labels, rest[distractors + strangers :])),
        gallery=rows([*(half[1] for half in halves), *map(draw, filling)]),
        probes=rows([*(half[0] for half in halves), *map(draw, strange)]),
    )


def leaked_pairs_attack(
    unknown: Float[Numeric, "rows d"],
    own: Float[Numeric, "rows _"] | Sequence[Float[Numeric, "rows _"]],
    plan: AttackPlan,
    *,
    fit: Callable[..., AbstractMap] = fit_rotation,
    centred: bool = True,
    fpirs: float | Sequence[float] = (1e-2, 1e-1),
) -> Identification:
    """Fit a map on the leaked pairs, and search the probes in the attacker's gallery.

    **Arguments:**

    - `unknown`: embeddings of all rows of the plan by the model under attack; only those of
      leaked rows and probes are used.
    - `own`: embeddings of the same rows by the attacker's model; probes are not used. A
      sequence for several models, whose scores are fused (`fuse_models`).
    - `fit`: from leaked rows `(x, y)` to a map: `fit_rotation`, `fit_linear`, a partial of
      it with a ridge.
    - `centred`: take both spaces about their mean over the leaked rows first.
    - `fpirs`: as in `identify`.

    Rows are scaled to unit length. Rank-1 is `.hit_rate(1)`, to compare with
    `plan.chance(1)`; open-set rates are `.tpir_at_fpir`. Raises `ValueError` unless all
    embeddings have the rows of the plan.
    """
    given = [jnp.asarray(as_array(x)) for x in (unknown, *_as_models(own))]
    check_rows(given, plan)
    spaces = [unit(x) for x in given]
    if centred:
        spaces = [centre_on(x, plan.leaked) for x in spaces]
    x, *models = spaces
    maps = [fit(x[plan.leaked], y[plan.leaked]) for y in models]
    return identify_mapped(maps, x, models, plan, fpirs=fpirs)


def identify_mapped(
    maps: AbstractMap | Sequence[AbstractMap],
    unknown: Float[Numeric, "rows d"],
    own: Float[Numeric, "rows _"] | Sequence[Float[Numeric, "rows _"]],
    plan: AttackPlan,
    *,
    fpirs: float | Sequence[float] = (1e-2, 1e-1),
    rule: str = "strict",
) -> Identification:
    """Search the probes, embedded by an unknown model and mapped, in the gallery.

    `maps` goes from the unknown model to `own`: one each where there are several, whose
    scores are fused. The gallery has one template a person: the mean of its unit rows,
    scaled to unit length. Rows, `fpirs` and `rule` as in `leaked_pairs_attack` and
    `identify`. Raises `ValueError` if maps and models, or rows and plan, do not match.
    """
    models = _as_models(own)
    check_rows((unknown, *models), plan)
    maps = [maps] if isinstance(maps, AbstractMap) else list(maps)
    if len(maps) != len(models):
        raise ValueError(f"{len(maps)} maps into {len(models)} models of the attacker.")
    for m, y in zip(maps, models, strict=True):
        if m.out_dim != y.shape[1]:
            raise ValueError(
                f"A map ends in width {m.out_dim}, the attacker's model has {y.shape[1]}."
            )
    who = plan.label[plan.gallery]
    grouping = group_templates(who, np.arange(who.size))
    galleries = [
        pool_templates(y[plan.gallery], grouping, normalize_images=True) for y in models
    ]
    ids = np.arange(plan.probes.size)
    probes = [Templates(ids, unit(m(unknown[plan.probes]))) for m in maps]
    gallery, probe = galleries[0], probes[0]
    if len(maps) > 1:
        fused = fuse_models(galleries, probes)
        gallery, probe = fused.gallery, fused.probes
    subjects = np.asarray(gallery.ids), plan.label[plan.probes]
    return identify(gallery, probe, *subjects, fpirs=fpirs, rule=rule)


def centre_on(x: Float[Numeric, "n d"], rows: Int[np.ndarray, " k"]) -> Float[Array, "n d"]:
    """Rows about the mean of some of them, scaled to unit length."""
    return unit(fit_standardize(x[rows])(x))


def check_rows(embeddings: Sequence, plan: AttackPlan) -> None:
    """Raise `ValueError` unless all have a row a label of the plan: JAX clamps indices."""
    for i, x in enumerate(embeddings):
        if x.shape[0] != plan.label.size:
            whose = "unknown" if i == 0 else "attacker's"
            raise ValueError(
                f"The plan has {plan.label.size} rows, but the {whose} embeddings are "
                f"{x.shape}: one row an image, in the order of the plan's labels."
            )


def _as_models(own) -> list:
    return [own] if hasattr(own, "shape") else list(own)
