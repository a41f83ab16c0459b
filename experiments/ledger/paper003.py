"""Papers 003 and 004, *Attributes Shape the Embedding Space* (ICML 2025)."""

from collections import defaultdict
from typing import Any

import jax
import numpy as np
from scipy.stats import wilcoxon

import jfacemap as jfm

from .entry import counted, Outcome, rate, Run, tested, untestable


macro, micro, tuned, lenets = (
    "attribute_macroscale",
    "attribute_energy",
    "finetune_attributes",
    "lenet_attributes",
)
bundled = "bundled embeddings (jfacemap.data.load_faces), six real face models"

models = "FaceNet", "ArcFace R50", "SphereFaceR", "ArcFace R18", "AdaFace R18"
spearman = {
    "max.inter": (-.3687, -.3396, -.3208, -.4028, -.5006),
    "max.intra": (-.5448, -.5270, -.5214, -.5897, -.6236),
    "mean.inter": (-.4518, -.3583, -.4034, -.4274, -.5109),
    "mean.intra": (-.6493, -.5561, -.6069, -.6191, -.6565),
    "wtd.inter": (-.1773, -.3265, -.2886, -.3283, -.2583),
    "wtd.intra": (-.4193, -.5321, -.5287, -.5432, -.4818),
}  # fmt: skip
"""Spearman's rho between what KS makes of an attribute and its entropies, of five models."""


def p_of_more(change) -> float:
    """Wilcoxon's, one-sided: that a change is above 0."""
    found: Any = wilcoxon(change, alternative="greater")
    return float(found.pvalue)


def lfw_distances():
    """Within and between ten people of LFW, by bundled model."""
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset == "lfw100"]
    found = {}
    for name, x in faces.embeddings.items():
        each = jfm.class_distances(np.asarray(x), faces.label, metric="cosine")
        found[name] = float(each.ratio)
    return found


@tested(
    "paper 003, Table 1",
    "Distances between identities are at least twice those within (LFW)",
    "factor 2 or more",
)
def identities_are_apart():
    ratios = lfw_distances()
    least = min(ratios, key=ratios.get)  # type: ignore
    held = sum(ratio >= 2 for ratio in ratios.values())
    note = f"least {ratios[least]:.2f}, {least}"
    return counted(held, len(ratios), note, data=f"{bundled}, ten people of LFW")


def rows_by(run: Run, *keys: str) -> dict:
    found = defaultdict(list)
    for row in run.rows:
        found[tuple(row[k] for k in keys)].append(row)
    return found


@tested(
    "paper 003, section 4",
    "That an attribute leaves no mark is rejected for a large majority of attributes, at .001 by the asymptotic p",
    "large majority of 40",
    macro,
)
def attributes_leave_marks(run):
    log_p = np.array([float(row["log_p_asymptotic"]) for row in run.rows])
    log_p = log_p[np.isfinite(log_p)]
    share = float(np.mean(log_p < np.log(0.001)))
    value = f"{100 * share:.0f} % of {log_p.size} attributes and models"
    few = " (40 people: not to be told, the paper has 1,965)"
    # Few people cannot reject what many do; a majority rejected is a majority.
    return Outcome(value + few * (share <= 0.5), True if share > 0.5 else None)


@tested(
    "paper 003, section 4",
    "The same by an identity permutation, which knows that pairs share people (ours)",
    "not published",
    macro,
)
def permutation_agrees(run):
    p = np.array([float(row["p_benjamini_hochberg"]) for row in run.rows])
    p = p[np.isfinite(p)]
    share = np.mean(p < 0.05)
    return Outcome(
        f"{100 * share:.0f} % of {p.size} at 5 % false discoveries", bool(share > 0.5)
    )


def rho(run: Run) -> np.ndarray:
    """Spearman's rho of each model's table, the cell of mean KS and intra-entropy last."""
    return np.stack([run[f"{m}/rho"] for m in run["models"]])


@tested(
    "paper 003, section 4",
    "Attributes stable within people (low intra-entropy) leave the larger mark: rho is negative in every model",
    "-.42 to -.66",
    macro,
)
def stable_attributes_matter(run):
    table = rho(run)
    below = table.reshape(len(table), -1)
    return Outcome(
        f"{rate(float(np.nanmin(below)))} to {rate(float(np.nanmax(below)))} over models and aggregates",
        bool(np.nanmax(below) < 0),
    )


@tested(
    "paper 003, table of rho",
    "Intra-entropy goes with KS more than inter-entropy does, in all five models and three aggregates",
    "15 of 15",
)
def intra_more_than_inter():
    held = sum(
        abs(a) > abs(b)
        for how in ("max", "mean", "wtd")
        for a, b in zip(spearman[f"{how}.intra"], spearman[f"{how}.inter"], strict=True)
    )
    return counted(held, 15)


@tested("paper 003, table of rho", "All correlations are negative", "30 of 30")
def all_negative():
    values = np.array(list(spearman.values()))
    return counted(int((values < 0).sum()), values.size)


def energy_by_attribute(run: Run, suffix: str) -> dict[str, np.ndarray]:
    """Median energies over identities of each attribute, by model."""
    models = {row["model"]: None for row in run.rows}
    return {m: np.nanmedian(run[f"{m}/{suffix}"], axis=0) for m in models}


@tested(
    "paper 003, section 5",
    "Attributes differ in energy: models are more invariant to some than to others",
    "Figure of violins",
    micro,
)
def attributes_differ(run):
    found = energy_by_attribute(run, "energy")
    spans = [float(e.max() - e.min()) for e in found.values()]
    return Outcome(f"medians span {', '.join(map(rate, spans))}", bool(min(spans) > 0.05))


@tested(
    "paper 003, section 5",
    "Fields of attributes are no noise: energies are below those of a random field",
    "below 1",
    micro,
)
def fields_are_coherent(run):
    held = cases = 0
    for (_, _), rows in rows_by(run, "model", "attribute").items():
        energy = np.median([float(r["energy"]) for r in rows])
        null = np.median([float(r["null_mean"]) for r in rows])
        held, cases = held + int(energy < null), cases + 1
    return counted(held, cases, "attributes and models, by medians over people")


@tested(
    "paper 003, section 5",
    "Which attribute has the most energy depends on the scale (nearest neighbours or all pairs)",
    "differs",
    micro,
)
def order_depends_on_scale(run):
    near, far = (energy_by_attribute(run, s) for s in ("energy", "all_pairs"))
    flat = lambda e: e.reshape(len(e), -1)[:, 0] if e.ndim > 1 else e
    same = [bool(np.argmax(flat(near[m])) == np.argmax(flat(far[m]))) for m in near]
    return Outcome(
        f"the same attribute in {sum(same)} of {len(same)} models", not all(same)
    )


@tested(
    "paper 003, section 6",
    "Training for invariance to an attribute raises its energy (face network; here: of each "
    "training that learned, by Wilcoxon over people)",
    "raises",
    tuned,
)
def tuning_raises_energy(run):
    by = rows_by(run, "taught", "attribute", "identity")
    number = lambda *key: float(by[key][0]["energy"])
    gains = {}
    for title in sorted({key[0] for key in by} - {"before"}):
        if not np.argmin(run[f"{title}/validation"]):  # the network as it was
            continue
        attribute = title.split(",")[0]
        people = [key[2] for key in by if key[:2] == (title, attribute)]
        change = [number(title, attribute, p) - number("before", attribute, p)
                  for p in people]  # fmt: skip
        p = p_of_more(change)
        gains[title] = float(np.median(change)), p
    told = "; ".join(f"{t} {gain:+.3f} (p {p:.3f})" for t, (gain, p) in gains.items())
    held = sum(p < 0.05 for _, p in gains.values())
    return counted(held, len(gains), f"median changes: {told or 'nothing was learned'}")


@tested(
    "paper 003, section 6",
    "Training for invariance to an attribute raises its energy (controlled networks; here: "
    "of each attribute, by Wilcoxon over classes)",
    "raises",
    lenets,
)
def training_raises_energy(run):
    names = run["attributes"].tolist()
    taught = [n for n in run["trained_on"].tolist() if n in names]
    base = next(n for n in run["trained_on"].tolist() if n not in names)
    told, held = [], 0
    for name in taught:
        a = names.index(name)
        # (classes,): means over seeds.
        mean = lambda net, a=a: np.nanmean(run[f"{net}/energy"][..., a], axis=0)
        change = mean(name) - mean(base)
        p = p_of_more(change)
        held += p < 0.05
        told.append(f"{name} {change.mean():+.3f} (p {p:.3f})")
    return counted(held, len(taught), f"mean changes {', '.join(told)}")


@tested(
    "paper 003, section 5",
    "A field of random directions has energy 1, a constant one 0",
    "1 and 0",
)
def energies_of_known_fields():
    keys = jax.random.split(jax.random.key(0))
    points, field = (jax.random.normal(k, (400, 64)) for k in keys)
    constant = np.ones((400, 64), np.float32)
    energy = lambda v: float(jfm.field_energy(points, v, neighbours=jfm.AllPairs()).energy)
    found = energy(field), energy(constant)
    return Outcome(
        f"{found[0]:.3f} and {found[1]:.0e}",
        abs(found[0] - 1) < 0.02 and found[1] < 1e-5,
        data="simulated fields",
    )


licence = "CelebA needs its makers' consent; attribute_macroscale reads its format."

celeba = untestable(
    "003-celeba-table",
    "paper 003, table of rho",
    "Spearman's rho of five models on 1,965 people of CelebA",
    "30 numbers",
    licence,
)
dimension = untestable(
    "003-dimension",
    "paper 003, appendix",
    "The centroids' dimension is 20.1 (FaceNet) and 32.5 (ArcFace)",
    "20.1 and 32.5",
    "Neither network is at hand; `ph_dimension` is there for those that are.",
)
lattice = untestable(
    "003-lattice",
    "paper 003, section 5",
    "Energies of eight attributes on images of a generator",
    "violins",
    "GAN-Control's images are not to be had; edits of real images stand in.",
)
split = untestable(
    "003-ten-thousand",
    "paper 003, section 6",
    "Fine-tuning on 10,000 generated identities",
    "10,000",
    "Not to be had; finetune_attributes takes as many as there are.",
)
