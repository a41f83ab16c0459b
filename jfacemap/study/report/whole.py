"""Everything a report says, measured on one collection of rows."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import numpy as np

from ...core.moments import joint_moments
from ...evaluate.accepts import TarAtFar
from ...evaluate.scoring import score_all
from ...evaluate.tar import tar_at_far
from ...evaluate.wilson import RateInterval, wilson_intervals
from ...fit.all_pairs import fit_all_pairs
from ...fit.folds import assign_folds
from ..ladder import Ladder, map_ladder
from ..sweep import SubsetSweep
from .facts import DataFacts, gather_facts
from .fusion import fuse_pairs, Fusion
from .inputs import read_input, ReportRows
from .likeness import compare_models, Likeness
from .map_kinds import fit_kinds, fold_moments, KindMaps
from .map_tables import (
    Judge,
    judge_of,
    MapTable,
    MeanTar,
    shuffled,
    summary,
    verify_maps,
    verify_self_maps,
)
from .parts import name_parts, Parts
from .refits import refit_halves, sweep_report
from .reidentify import Attack, attack_models, deal_attack
from .settings import centrings, kinds, ReportSettings


Progress = Callable[[str, int, int], None]

climbed = "identity", "rotation", "similarity", "low rank", "affine", "ridge"
"""Families of the ladder: all of `map_ladder` but the network, which takes longer."""

curve_fars = tuple(float(f) for f in np.geomspace(1e-4, 1, 17)[:-1])


class Report(eqx.Module):
    """What N models have in common, as numbers; `jfm.report` makes it, and a page of it.

    Tables are `(source, target, far)`, FARs in the order of `settings.fars`; dictionaries
    of them go by `"kind, centring"`: "rotation, centred".

    - `data`: counts of rows and people, and what each model's rows are like; `parts`: who
      is fitted on, judged, and what they are in the attack
    - `curve (N, fars)`: native TAR at `curve_fars`; `wilson`: native intervals
      `(N, far)`, adjusted for pairs that share people
    - `maps`, `summary`: TAR of all maps between models, and means over their cells
    - `chosen`: ridge a row, or rank, of each pair
    - `controls`: rows paired at random; `self_map`: each model mapped to itself
    - `refits`: mean TAR `(refits, far)` on other halves of the people
    - `ladders`: by (source, target): every model is a source once and a target once
    - `likeness`, `sweep`, `fusion`, `attack`: see these
    """

    names: tuple[str, ...] = eqx.field(static=True)
    settings: ReportSettings = eqx.field(static=True)
    seed: int = eqx.field(static=True)
    data: DataFacts
    parts: Parts
    curve_fars: tuple[float, ...] = eqx.field(static=True)
    curve: np.ndarray
    wilson: RateInterval
    maps: dict[str, MapTable]
    summary: dict[str, MeanTar]
    chosen: dict[str, np.ndarray]
    controls: dict[str, MapTable]
    self_map: TarAtFar
    refits: dict[str, np.ndarray]
    ladders: dict[tuple[str, str], Ladder]
    likeness: Likeness
    sweep: dict[str, SubsetSweep]
    fusion: Fusion
    attack: Attack

    @property
    def order(self) -> list[int]:
        """Models by native TAR at the leading FAR, the best first."""
        native = np.diagonal(self.native.tar.tar[..., 0])
        return np.argsort(-np.nan_to_num(native, nan=-1), kind="stable").tolist()

    @property
    def ranking(self) -> list[tuple[str, MeanTar]]:
        """Native TAR and all maps by mean TAR at the leading FAR, the best first."""
        worth = lambda item: -np.nan_to_num(item[1].value[0], nan=-1)
        return sorted(self.summary.items(), key=worth)

    @property
    def native(self) -> MapTable:
        """A table whose diagonal is native TAR in the spaces as they are."""
        return self.maps[f"{kinds[0]}, {centrings[0]}"]


def measure_report(
    embeddings: Mapping[str, Any],
    labels,
    *,
    datasets=None,
    seed: int = 0,
    settings: ReportSettings = ReportSettings(),  # noqa: B008, frozen
    progress: Progress = lambda stage, done, total: None,
) -> Report:
    """Fit maps among models on half of the people, and judge them on the other half.

    **Arguments:**

    - `embeddings`: {model: rows (n, d)} of the same n images; computed with in float32.
    - `labels (n,)`: who each image shows, integers or strings.
    - `datasets (n,)`: the collection each image is from; people of each are halved alike.
    - `seed`: of the halves and of every draw; `settings`: how much is measured.
    - `progress`: called with the stage's name, steps done, and of how many.

    Raises `ValueError` before any work if there are too few models, people or images, rows
    do not pair up, or hold NaN. Zero rows are counted and score 0.
    """
    rows = read_input(embeddings, labels, datasets, seed, settings)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* rows do not determine")
        return _measure(rows, seed, settings, progress)


def _measure(rows: ReportRows, seed, settings, progress: Progress) -> Report:
    keys = iter(jax.random.split(jax.random.key(seed), 5))
    rng = np.random.default_rng([seed, 3])
    stage = lambda name: lambda done, total: progress(name, done, total)
    spaces = {c: rows.spaces(c == "centred") for c in centrings}
    judged = {c: [x[rows.judged] for x in spaces[c]] for c in centrings}
    label = rows.label[rows.judged]
    judge = judge_of(next(keys), label, settings.fars, settings.replicates)

    fitted = _fit(rows, spaces, settings, stage("fitting maps"))
    maps = _verify(fitted, judged, judge, stage("verifying maps"))
    plain, centred = centrings
    rotations = maps[f"rotation, {centred}"].tar.tar[..., 0]
    progress("comparing models", 0, 3)
    likeness = compare_models(rng, judged[plain], rotations, settings.neighbours)
    progress("comparing models", 1, 3)
    fits = [x[rows.fit] for x in spaces[plain]]
    fusion = fuse_pairs(fits, rows.label[rows.fit], judged[plain], judge)
    progress("comparing models", 2, 3)
    curve, wilson = _native(judged[plain], judge)
    progress("comparing models", 3, 3)
    controls, self_map = _controls(rng, rows, spaces, fitted[plain], judged, judge)
    refits = refit_halves(
        rng, rows, settings.fars, settings.refits, stage("refitting on other people")
    )
    ladders = _climb(next(keys), rows, fits, settings, stage("climbing the ladder"))
    sweep = sweep_report(
        next(keys), rows, judge, settings.repeats, stage("fitting on few rows")
    )
    plan = deal_attack(next(keys), rows.label)
    leaked = np.isin(np.arange(len(rows.label)), plan.leaked)
    about = rows.spaces(True, leaked)
    identity = fitted[plain].maps["identity"]
    attack = attack_models(
        next(keys), plan, about, rows.names, identity, stage("attacking")
    )
    return Report(
        names=rows.names,
        settings=settings,
        seed=seed,
        data=gather_facts(rows, spaces[plain]),
        parts=name_parts(rows, plan),
        curve_fars=curve_fars,
        curve=curve,
        wilson=wilson,
        maps=maps,
        summary=summary(maps),
        chosen={
            f"{kind}, {c}": table
            for c in centrings
            for kind, table in fitted[c].chosen.items()
        },
        controls=controls,
        self_map=self_map,
        refits=refits,
        ladders=ladders,
        likeness=likeness,
        sweep=sweep,
        fusion=fusion,
        attack=attack,
    )


def _fit(rows: ReportRows, spaces, settings, progress) -> dict[str, KindMaps]:
    """Maps of all kinds by centring, ridge and rank chosen among folds of the people."""
    fold = assign_folds(rows.label[rows.fit], settings.folds)
    found = {}
    for i, centring in enumerate(centrings):
        progress(i, len(centrings))
        fits = [x[rows.fit] for x in spaces[centring]]
        found[centring] = fit_kinds(fold_moments(fits, fold, rows.names))
    progress(len(centrings), len(centrings))
    return found


def _verify(fitted: dict[str, KindMaps], judged, judge: Judge, progress):
    found, total = {}, len(kinds) * len(centrings)
    for kind in kinds:
        for centring in centrings:
            progress(len(found), total)
            maps = fitted[centring].maps[kind]
            found[f"{kind}, {centring}"] = verify_maps(maps, judged[centring], judge)
    progress(total, total)
    return found


def _native(rows, judge: Judge) -> tuple[np.ndarray, RateInterval]:
    """Native TAR over many FARs, and Wilson intervals at those of the report."""
    scores = [score_all(x, x) for x in rows]
    tars = lambda fars: [
        tar_at_far(s, judge.genuine, fars, valid=judge.valid) for s in scores
    ]
    bars = np.stack([np.asarray(tar.threshold) for tar in tars(judge.fars)])
    curve = np.stack([np.asarray(tar.tar) for tar in tars(curve_fars)])
    return curve, wilson_intervals(np.stack(scores), judge.pairs, bars).tar


def _controls(rng, rows: ReportRows, spaces, fitted: KindMaps, judged, judge: Judge):
    """Maps of rows paired at random, and each model mapped to itself."""
    found = {}
    for centring in centrings:
        mixed = shuffled(rng, spaces[centring], rows.fit)
        joint = joint_moments([x[rows.fit] for x in mixed], names=rows.names)
        for kind in ("linear", "rotation"):
            maps = fit_all_pairs(joint, kind)
            table = verify_maps(maps, judged[centring], judge, intervals=False)
            found[f"{kind}, {centring}"] = table
    linear = fitted.maps["linear"]
    return found, verify_self_maps(linear, judged[centrings[0]], judge)


def _climb(key, rows: ReportRows, fits, settings, progress) -> dict:
    """Ladders around the ring of models."""
    n, found = len(fits), {}
    label = rows.label[rows.fit]
    folds = max(settings.folds, 3)  # a ladder chooses among the folds it does not judge
    for i in range(n):
        j = (i + 1) % n
        progress(i, n)
        found[rows.names[i], rows.names[j]] = map_ladder(
            key, fits[i], fits[j], folds=folds, groups=label, families=climbed
        )
    progress(n, n)
    return found
