"""What verification finds: measured, shown, and written down."""

import importlib.metadata
import math
from collections.abc import Sequence

import jax
import numpy as np

from ..data.arrays import InputError
from ..evaluate.confidence import tar_confidence, TarConfidence
from ..evaluate.identities import identity_pairs
from ..evaluate.roc import roc_curve
from ..evaluate.subject_bootstrap import subject_confidence
from ..evaluate.tar import tar_at_far
from ..evaluate.wilson import clustered_rate, wilson_intervals
from .console import facts, line, table, warn
from .pairs import ends_of_all, Scored


few_people = 30
"""Below this the bootstrap is too narrow (Fogliato, Patil & Perona, 2024)."""


def measure(scored: Scored, fars: Sequence[float], rule: str, origin: str) -> dict:
    """TAR at each target and what belongs to it, as plain numbers."""
    n_genuine = np.count_nonzero(scored.genuine)
    if n_genuine in (0, len(scored.genuine)):
        missing = "impostor" if n_genuine else "genuine"
        raise InputError(
            f"{origin} makes no {missing} pairs: TAR is measured on pairs of one identity "
            "and FAR on pairs of two."
        )
    curve, at = roc_curve(*scored), tar_at_far(*scored, fars, rule=rule)
    columns = {
        "target_far": fars,
        "far": at.far,
        "tar": at.tar,
        "threshold": at.threshold,
        "supported": at.supported,
    }
    values = zip(*(np.asarray(v).tolist() for v in columns.values()), strict=True)
    return {
        "rule": rule,
        "n_genuine": int(at.n_genuine),
        "n_impostor": int(at.n_impostor),
        "n_nan": int(at.n_nan),
        "equal_error_rate": float(curve.equal_error_rate),
        "area_under_curve": float(curve.area),
        "tar_at_zero": float(at.tar_at_zero),
        "version": importlib.metadata.version("jfacemap"),
        "table": [dict(zip(columns, row, strict=True)) for row in values],
    }


def add_intervals(
    found: dict, scores: np.ndarray, labels: np.ndarray, two_models: bool, seed: int
) -> None:
    """Put bootstrap intervals over identities into the table of `found`."""
    left, right = ends_of_all(len(labels), two_models)
    fars = [t["target_far"] for t in found["table"]]
    pairs = identity_pairs(labels[left], labels[right])
    bands = tar_confidence(jax.random.key(seed), scores, pairs, fars)
    _put_intervals(found, bands, "identities", seed)
    if pairs.n_identities < few_people:
        bars = np.array([t["threshold"] for t in found["table"]])
        rates = wilson_intervals(scores, pairs, bars).tar
        _put_wilson(found, np.stack([rates.lower, rates.upper], axis=1))


def add_subject_intervals(found: dict, scored: Scored, subject, seed: int) -> None:
    """The same for a protocol: `subject (P,)` of each pair's probe is drawn."""
    fars = [t["target_far"] for t in found["table"]]
    bands = subject_confidence(jax.random.key(seed), *scored, subject, fars)
    _put_intervals(found, bands, "subjects of probes", seed)
    if bands.n_identities < few_people:
        score, who = scored.scores[scored.genuine], subject[scored.genuine]
        rates = [clustered_rate(score >= t["threshold"], who) for t in found["table"]]
        _put_wilson(found, np.array([(r.lower, r.upper) for r in rates]))


def _put_intervals(found: dict, bands: TarConfidence, whom: str, seed: int) -> None:
    for t, low, high in zip(found["table"], bands.lower, bands.upper, strict=True):
        t |= {"tar_low": float(low), "tar_high": float(high)}
    found["interval"] = describe_draws(bands, whom, seed)
    found["draws_skipped"] = bands.n_skipped


def _put_wilson(found: dict, ends: np.ndarray) -> None:
    for t, (low, high) in zip(found["table"], ends.tolist(), strict=True):
        t |= {"wilson_low": low, "wilson_high": high}


def describe_draws(bands: TarConfidence, whom: str, seed: int) -> str:
    """What was drawn, how often, and how many draws could not be used."""
    skipped = f"; {bands.n_skipped:,} of them skipped, as they lack one kind"
    return (
        f"{bands.level:.0%}, from {len(bands.replicates):,} draws of "
        f"{bands.n_identities:,} {whom} (seed {seed}){skipped if bands.n_skipped else ''}"
    )


def show(found: dict) -> None:
    """Print where the numbers come from, the table, and what it leaves unsaid."""
    r = found
    people = f" of {r['identities']:,} identities" if "identities" in r else ""
    about = {
        name: r[name]
        for name in ("source", "map", "target", "labels", "pairs", "protocol")
        if name in r
    }
    if "map" in r:
        about["map"] += f": {r['fitted']}"
    about |= r.get("about", {})
    about["scored"] = (
        f"{r['n_genuine']:,} genuine, {r['n_impostor']:,} impostor pairs{people}"
    )
    about["rule"] = r["rule"]
    about["EER"] = f"{r['equal_error_rate']:.4f}"
    about["AUC"] = f"{r['area_under_curve']:.4f}"
    facts(about)
    header = ["target FAR", "achieved FAR", "TAR", "threshold"]
    table(header + ["95% interval"] * ("interval" in r), map(_cells, r["table"]))
    few = [f"{t['target_far']:g}" for t in r["table"] if not t["supported"]]
    if few:
        line(
            f"FAR {', '.join(few)}: less than one of {r['n_impostor']:,} impostor pairs, "
            f"so there is no TAR; at no false accept it is {r['tar_at_zero']:.4f}."
        )
    if "interval" in r:
        given = "; the map is taken as given" if "map" in r else ""
        line(f"Intervals: {r['interval']}{given}.")
    wilson = [t for t in r["table"] if "wilson_low" in t and t["supported"]]
    if wilson:
        line(
            f"Wilson's intervals, which hold for fewer than {few_people} people too, at "
            "the thresholds found:"
        )
    for t in wilson:
        ends = f"{t['wilson_low']:.4f} to {t['wilson_high']:.4f}"
        line(f"  FAR {t['target_far']:g}: TAR {t['tar']:.4f}, {ends}")
    if r["n_nan"]:
        warn(f"{r['n_nan']:,} scores are NaN and count as not accepted.")


def _cells(t: dict) -> list[str]:
    rate = lambda x: "-" if math.isnan(x) else f"{x:.4f}"
    cells = [
        f"{t['target_far']:g}",
        f"{t['far']:.3g}",
        rate(t["tar"]),
        f"{t['threshold']:.4f}",
    ]
    if "tar_low" in t:
        known = t["supported"]
        cells.append(f"{t['tar_low']:.4f} to {t['tar_high']:.4f}" if known else "-")
    return cells
