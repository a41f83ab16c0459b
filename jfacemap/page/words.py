"""What a report says in sentences: in brief, on leakage, and of its methods."""

import numpy as np

from ..study.report.map_tables import mean_of
from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report


def in_brief(r: Report) -> list[str]:
    """What the tables say, a sentence each, every number from one of them."""
    far = r.settings.fars[0]
    plain, centred = centrings
    native = r.summary[f"native, {plain}"].value[0]
    best, top = next((n, m) for n, m in r.ranking if n.split(", ")[0] in kinds)
    count = len(r.names) * (len(r.names) - 1)
    both = (r.summary[f"rotation, {c}"].value[0] for c in (plain, centred))
    controls = {n: mean_of(t.tar.tar)[0] for n, t in r.controls.items()}
    fusion, attack = r.fusion, r.attack
    off = ~np.eye(len(r.names), dtype=bool)
    return [
        f"The models themselves have a mean TAR of {native:.3f} at FAR {far:g}; of maps "
        f"between them {_name(best)} are ahead with {top.value[0]:.3f}, "
        f"{top.less[0]:+.3f} against native [{top.less_lower[0]:+.3f}, "
        f"{top.less_upper[0]:+.3f}].",
        "Centring both spaces moves rotations from {:.3f} to {:.3f}.".format(*both),
        f"A map beats both of its models in {_beats_both(r, best)} of {count} pairs "
        f"({_name(best)}).",
        f"Controls: no map {r.summary[f'identity, {plain}'].value[0]:.3f}; maps of rows "
        f"paired at random {max(controls.values()):.3f} at most.",
        f"Fusing two models gains {np.nanmean(fusion.gain[:, 0]):+.3f} of TAR over the "
        f"better one, mean over pairs.",
        f"With {attack.sizes[-1]:,} leaked pairs the person of "
        f"{attack.rank1[-1][off].mean():.3f} of unknown embeddings is found first in a "
        f"gallery of {attack.counts['gallery people']} people (chance "
        f"{attack.chance:.3f}).",
    ]


def on_leakage(r: Report, overlap: str | None) -> list[str]:
    """Who is in which half, and what is known of training data."""
    people = {name: r.data.parts[name][1] for name in ("all", "fitted on", "judged")}
    left = people["all"] - people["fitted on"] - people["judged"]
    repeated = {n: m.repeated for n, m in r.data.models.items() if m.repeated}
    told = ", ".join(f"{n}: {k}" for n, k in repeated.items())
    return [
        "No person is in both halves: maps, means, ridges, ranks and the scales of "
        f"fused scores come from {people['fitted on']} people, and all TARs are of "
        f"{people['judged']} others" + (f"; {left} more are in neither." if left else "."),
        "The subsets of the sensitivity curve and the folds of the ladder are of the "
        "people fitted on. Refits and the attack deal all people anew, each with "
        "nobody in two parts.",
        f"Judged rows that equal a row fitted on in every number: {told}. The same "
        "image may be in both halves under two labels."
        if repeated
        else "No judged row equals a row fitted on in every number.",
        "Overlap with the networks' own training data: "
        + (overlap or "not stated by who made this report."),
    ]


def write_methods(r: Report) -> str:
    """A paragraph for a paper."""
    s, parts = r.settings, r.data.parts
    count = lambda name: f"{parts[name][0]:,} images of {parts[name][1]:,} people"
    fars = ", ".join(f"{far:g}" for far in s.fars)
    widths = ", ".join(f"{n} ({m.width})" for n, m in r.data.models.items())
    strata = len(parts) > 3
    return (
        f"We compared {len(r.names)} embedding models (dimensions in brackets): "
        f"{widths}. Embeddings were scaled to unit length. People were dealt at random "
        f"into two disjoint halves{', alike in each collection' * strata}: maps were "
        f"fitted on {count('fitted on')} and judged on {count('judged')} "
        f"({r.data.genuine:,} genuine and {r.data.impostor:,} impostor ordered pairs). "
        "Between every ordered pair of models we fitted linear and affine maps by "
        "least squares, affine maps with a ridge and linear maps of reduced rank (both "
        f"chosen for each pair by {s.folds}-fold cross-validation over people within "
        "the fit half), rotations (orthogonal Procrustes; semi-orthogonal where widths "
        "differ) and similarities; no map at all, padding or truncating, is the "
        "baseline. 'Centred' subtracts each model's mean over the fit half on both "
        "sides and scales to unit length again, before fitting and scoring. A source "
        "image, mapped and scaled to unit length, was compared with every other image "
        "under the target model by cosine; we report the true accept rate (TAR) at "
        f"false accept rates (FAR) of {fars}, at the loosest threshold whose FAR does "
        f"not exceed the target. Intervals (95 %) are percentiles of {s.replicates:,} "
        "bootstrap draws of the people judged, the same draws for all maps, maps as "
        "given; bands cover all cells of a table together (maximum absolute "
        "standardised deviation over the draws); native TARs also have "
        "dependence-adjusted Wilson intervals (Fogliato et al., 2024). Refits on "
        f"{s.refits} other random halves show what the choice of people does. Models' "
        "scores were fused as the mean of scores standardised by impostor pairs of the "
        "fit half. For the re-identification attack rotations of centred spaces were "
        "fitted on leaked pairs, and probes searched in a gallery of one mean "
        "embedding a person; leaked people are neither probes nor in the gallery. "
        f"Computed with jfacemap, seed {r.seed}."
    )


def _name(map_and_spaces: str) -> str:
    kind, centring = map_and_spaces.split(", ")
    return f"{kind} maps of spaces {centring}"


def _beats_both(r: Report, name: str) -> int:
    tar = r.maps[name].tar.tar[..., 0]
    own = np.diagonal(tar)
    better = (tar > own[:, None]) & (tar > own[None])
    return int(better[~np.eye(len(own), dtype=bool)].sum())
