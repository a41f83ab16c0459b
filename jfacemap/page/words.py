"""What a report says in sentences: in brief, on leakage, and of its methods."""

import numpy as np

from ..study.report.map_tables import beats_both, mean_of, paired
from ..study.report.reidentify import images_each
from ..study.report.settings import centrings, kinds
from ..study.report.whole import Report
from .count import count, images, listed, people


def in_brief(r: Report) -> list[str]:
    """What the tables say, a sentence each, every number from one of them."""
    far = r.settings.fars[0]
    plain = centrings[0]
    native = [r.summary[f"native, {c}"].value[0] for c in centrings]
    best, top = next((n, m) for n, m in r.ranking if n.split(", ")[0] in kinds)
    pairs = len(r.names) * (len(r.names) - 1)
    above, beyond = beats_both(r.maps[best])
    controls = {n: mean_of(t.tar.tar)[0] for n, t in r.controls.items()}
    fusion, attack = r.fusion, r.attack
    off = ~np.eye(len(r.names), dtype=bool)
    gains = int(np.sum(fusion.gain_lower[:, 0] > 0))
    return [
        f"The models themselves have a mean TAR of {native[0]:.3f} at FAR {far:g}, and "
        f"{native[1]:.3f} in centred spaces. Of maps between them {_name(best)} has the "
        f"highest, {top.value[0]:.3f}: {top.less[0]:+.3f} against native in the same "
        f"spaces [{top.less_lower[0]:+.3f}, {top.less_upper[0]:+.3f}]. {_level(r, best)}",
        _centring(r),
        f"Of {_name(best)}, {above} of {count(pairs, 'map', 'maps')} "
        f"{'has' if above == 1 else 'have'} a TAR above both of "
        f"{'its' if above == 1 else 'their'} models' own, {beyond} of them beyond the "
        "95 % interval of the paired difference.",
        f"Controls: no map {r.summary[f'identity, {plain}'].value[0]:.3f}; maps of rows "
        f"paired at random {max(controls.values()):.3f} at most.",
        f"Fusing two models changes TAR by {np.nanmean(fusion.gain[:, 0]):+.3f} against "
        "the better of the two, mean over pairs; it is higher beyond the 95 % interval in "
        f"{gains} of {count(len(fusion.gain), 'pair', 'pairs')}, and level or lower in "
        "the others.",
        f"With {count(attack.sizes[-1], 'leaked pair', 'leaked pairs')} the person is "
        f"found first for a share of {attack.rank1[-1][off].mean():.3f} of the unknown "
        "embeddings of people who are in the gallery of "
        f"{people(attack.counts['gallery people'])} (chance {attack.chance:.3f}).",
    ]


def on_leakage(r: Report, overlap: str | None) -> list[str]:
    """Who is in which half, and what is known of training data."""
    number = {name: r.data.parts[name][1] for name in ("all", "fitted on", "judged")}
    left = number["all"] - number["fitted on"] - number["judged"]
    repeated = {n: m.repeated for n, m in r.data.models.items() if m.repeated}
    told = ", ".join(f"{n}: {k}" for n, k in repeated.items())
    return [
        "No person is in both halves: maps, means, ridges, ranks and the scales of "
        f"fused scores come from {people(number['fitted on'])}, and all TARs are of "
        f"{count(number['judged'], 'other', 'others')}"
        + (f"; {people(left)} more in neither." if left else "."),
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
    told = lambda name: f"{images(parts[name][0])} of {people(parts[name][1])}"
    fars = listed([f"{far:g}" for far in sorted(s.fars)])
    one_width = len({m.width for m in r.data.models.values()}) == 1
    apart = "" if one_width else "; semi-orthogonal maps, either sign, where widths differ"
    widths = ", ".join(f"{n} ({m.width})" for n, m in r.data.models.items())
    strata = len(parts) > 3
    return (
        f"We compared {len(r.names)} embedding models (dimensions in brackets): "
        f"{widths}. Embeddings were scaled to unit length. People were dealt at random "
        f"into two disjoint halves{', alike in each collection' * strata}: maps were "
        f"fitted on {told('fitted on')} and judged on {told('judged')} "
        f"({r.data.genuine:,} genuine and {r.data.impostor:,} impostor pairs, counted as "
        "ordered: each two images twice, for either may be the source). "
        "Between every ordered pair of models we fitted linear and affine maps by "
        "least squares, affine maps with a ridge and linear maps of reduced rank (both "
        f"chosen for each pair by {s.folds}-fold cross-validation over people within "
        "the fit half), rotations (proper rotations, of determinant +1, by singular "
        f"vectors of the cross product{apart}; a reflection, were it allowed, might fit "
        "better) and similarities (such a rotation with a scale and a shift); no map at "
        "all, padding or truncating, is the baseline. 'Centred' subtracts each model's "
        "mean over the fit half on both sides and scales to unit length again, before "
        "fitting and scoring. A source "
        "image, mapped and scaled to unit length, was compared with every other image "
        "under the target model by cosine; we report the true accept rate (TAR) at "
        f"false accept rates (FAR) of {fars}, at the loosest threshold whose FAR does "
        f"not exceed the target. Intervals (95 %) are percentiles of {s.replicates:,} "
        "bootstrap draws of the people judged, the same draws for all maps, maps as "
        "given; bands cover all cells of a table together (maximum absolute "
        "standardised deviation over the draws, cut off at 0 and 1); native TARs also have "
        "dependence-adjusted Wilson intervals (Fogliato et al., 2024). Refits on "
        f"{count(s.refits, 'other random half', 'other random halves')} show what the "
        "choice of people does. Models' "
        "scores were fused as the mean of scores standardised by impostor pairs of the "
        "fit half. For the re-identification attack rotations of centred spaces were "
        "fitted on leaked pairs, and probes searched in a gallery of one mean "
        "embedding a person, beside distractors who are no probes; leaked people are "
        "neither probes nor in the gallery. "
        f"Computed with jfacemap, seed {r.seed}."
    )


def split_calls(r: Report, datasets: bool) -> str:
    """Python that deals the people of the report again, given its labels."""
    c = r.attack.counts
    strata = ", strata=datasets" * datasets
    return (
        "fitted, judged = jfm.data.split_identities(\n"
        f"    jax.random.fold_in(jax.random.key({r.seed}), 1), labels, (0.5, 0.5){strata}\n"
        ")\n"
        "plan = jfm.plan_attack(\n"
        f"    jax.random.split(jax.random.key({r.seed}), 5)[3], labels, "
        f"victims={c['victims']},\n    distractors={c['distractors']}, "
        f"strangers={c['strangers']}, images={images_each}\n"
        ")"
    )


def _name(map_and_spaces: str) -> str:
    kind, centring = map_and_spaces.split(", ")
    return f"{kind} (spaces {centring})"


def _level(r: Report, best: str) -> str:
    """Which other kinds are not told apart from the best."""
    names = [n for n, _ in r.ranking if n.split(", ")[0] in kinds and n != best]
    ends = {n: paired(r.maps[best], r.maps[n])[:, 0] for n in names}
    level = [_name(n) for n, (low, _) in ends.items() if not low > 0]
    if not level:
        return "No other is level with it."
    return (
        f"Level with it (the interval of the paired difference holds 0): {listed(level)}."
    )


def _centring(r: Report) -> str:
    before, after = (r.maps[f"rotation, {c}"] for c in centrings)
    one, other = (r.summary[f"rotation, {c}"].value[0] for c in centrings)
    low, high = paired(after, before)[:, 0]
    verdict = "" if low > 0 or high < 0 else ": they are level"
    return (
        f"Rotations have {one:.3f} in spaces as they are and {other:.3f} in centred ones, "
        f"{other - one:+.3f} [{low:+.3f}, {high:+.3f}]{verdict}."
    )
