"""Paper 000, *Canonical Face Embeddings*."""

import dataclasses

import numpy as np

from jfacemap.data import ijb as protocols
from jfacemap.study import claims, published

from ..tables import off_diagonal, own
from .entry import counted, keeps_half, Outcome, rate, Run, tested, untestable


faces = "canonical_faces"


def at(run: Run, far: float) -> int:
    """Where a FAR stands in the tables of a run."""
    return int(np.argmin(np.abs(run["fars"] - far)))


def counts(claim: claims.Claim) -> Outcome:
    """A counted sentence as an outcome."""
    return counted(claim.held, claim.cases, claim.note)


def cost(run: Run, kind: str, published_cost: float) -> Outcome:
    """Mean TAR at FAR 1e-2, mapped less native; holds if no dearer than published."""
    k, halves = at(run, 1e-2), run[f"halves/{kind}"] - run["halves/native"]
    table = run[f"{kind}/tar"][..., k]
    ours = off_diagonal(table).mean() - own(table).mean()
    spread = f"{halves.min():+.3f} to {halves.max():+.3f} over {halves.size} refits"
    return Outcome(f"{ours:+.3f}", ours >= -published_cost - 0.005, spread)


@tested("paper 000, abstract", "Through linear maps mean TAR at FAR .01 is close to native",
        ".95, native .96 to .965", faces)  # fmt: skip
def linear_cost(run):
    return cost(run, "linear", 0.015)


@tested("paper 000, abstract", "Through rotations mean TAR at FAR .01 is .91",
        ".91, native .965", faces)  # fmt: skip
def rotation_cost(run):
    return cost(run, "rotation", 0.055)


@tested("paper 000, section 4", "Networks are near a rotation apart: a rotation costs .04 "
        "of TAR at FAR .01 beyond a linear map (here: at most .05, where both keep half of "
        "native)", ".91 and .95", faces)  # fmt: skip
def rotation_beside_linear(run):
    k = at(run, 1e-2)
    means = [off_diagonal(run[f"{kind}/tar"][..., k]).mean() for kind in
             ("rotation", "linear")]  # fmt: skip
    less = run["halves/rotation"] - run["halves/linear"]
    ends = f"{less.min():+.3f} to {less.max():+.3f} over {less.size} refits"
    near = bool(means[0] - means[1] >= -0.05)
    holds = near if keeps_half(run, "linear", "rotation") else None
    return Outcome(f"{means[0] - means[1]:+.3f}", holds, ends)


@tested("paper 000, section 4", "No map beats both its models", "none of 90", faces)
def none_beats_both(run):
    both = [run[f"{kind}/tar"] for kind in ("linear", "rotation")]
    found = counts(claims.none_beats_both(np.concatenate(both, axis=-1)))
    known = keeps_half(run, "linear", "rotation")
    return found if known else dataclasses.replace(found, holds=None)


@tested("paper 000, section 4", "Some maps beat one of their two models", "some", faces)
def some_beat_one(run):
    tar = run["linear/tar"]
    native = np.diagonal(tar).T
    better = off_diagonal(tar > np.minimum(native[:, None], native[None]))
    return Outcome(f"{better.sum()} of {better.size}", bool(better.any()))


@tested("paper 000, section 4", "A rotation costs more than a linear map in all cases",
        "90 of 90", faces)  # fmt: skip
def rotation_costs_more(run):
    return counts(claims.rotation_costs_more(run["linear/tar"], run["rotation/tar"]))


@tested("paper 000, section 4", "The cost of a rotation is nearly symmetric", "nearly",
        faces)  # fmt: skip
def rotation_is_symmetric(run):
    return counts(claims.rotation_is_symmetric(run["rotation/tar"], run["linear/tar"]))


@tested("paper 000, section 4", "Without a map TAR nearly equals FAR", "near random", faces)
def unmapped_is_random(run):
    genuine = max(int(row["genuine"]) for row in run.rows)
    fars = run["fars"].tolist()
    return counts(claims.unmapped_is_random(run["identity/tar"], fars, genuine))


@tested("paper 000, section 4", "At FAR .1 every map has a high TAR, a rotation too "
        "(here: .8 of native)", "near native", faces)  # fmt: skip
def all_high_at_loose_far(run):
    k, held, cases = at(run, 1e-1), 0, 0
    for kind in ("linear", "rotation"):
        table = run[f"{kind}/tar"][..., k]
        good = off_diagonal(table >= 0.8 * np.diagonal(table)[None])
        held, cases = held + int(good.sum()), cases + good.size
    return counted(held, cases)


@tested("paper 000, section 4", "Maps fail more as FAR falls: the share of native TAR they "
        "keep falls with it", "falls", faces)  # fmt: skip
def fails_as_far_falls(run):
    keep = lambda kind, k: float(
        np.mean(off_diagonal(run[f"{kind}/tar"][..., k]))
        / np.mean(own(run[f"{kind}/tar"][..., k]))
    )
    order = np.argsort(-run["fars"])
    shares = {kind: [keep(kind, k) for k in order] for kind in ("linear", "rotation")}
    falls = all(np.all(np.diff(each) < 0) for each in shares.values())
    value = ", ".join(" ".join(map(rate, each)) for each in shares.values())
    return Outcome(f"linear and rotation: {value}", falls)


@tested("paper 000, section 3.2", "Points stay where they are on the sphere, as the rotation "
        "is about the origin (whether that loses anything is not said: here less than .01)",
        "not published", faces)  # fmt: skip
def centring_gains_nothing(run):
    gain = run["halves/rotation, centred"] - run["halves/rotation"]
    ends = f"{gain.min():+.3f} to {gain.max():+.3f} over {gain.size} refits"
    return Outcome(
        f"rotations gain {gain.mean():+.3f} of TAR", bool(gain.mean() < 0.01), ends
    )


@tested("paper 000, section 3.2", "Points are left in their original translation (not said: "
        "centring both sides lifts no kind of map by .01)", "not published",
        "centring")  # fmt: skip
def translation_carries_nothing(run):
    off = lambda name: np.array([off_diagonal(t).mean() for t in run[name]])
    gains = {kind: off(f"both sides/{kind}") - off(f"plain/{kind}") for kind in
             ("linear", "ridge", "rotation")}  # fmt: skip
    value = ", ".join(f"{kind} {gain.mean():+.3f}" for kind, gain in gains.items())
    moved = off("random point/rotation") - off("plain/rotation")
    every = np.concatenate(list(gains.values()))
    ends = f"{every.min():+.3f} to {every.max():+.3f} over {moved.size} halves"
    value = f"{value}; rotations about a random point {moved.mean():+.3f}"
    return Outcome(value, all(g.mean() < 0.01 for g in gains.values()), ends)


@tested("paper 000, section 4", "Maps need the right pairs (not said: random pairs as a "
        "control)", "not published", faces)  # fmt: skip
def random_pairs_give_nothing(run):
    k = at(run, 1e-2)
    nothing = off_diagonal(run["linear, random pairing/tar"][..., k]).mean()
    return Outcome(rate(nothing), bool(nothing < 0.03))


@tested("paper 000, section 4.1", "Rotations are behind from 1,024 pairs on, and lose less "
        "below (here: ahead below)", "1,024, of 512 dimensions", "sensitivity")  # fmt: skip
def rotation_is_ahead_below(run):
    k = at(run, 1e-2)
    each = [np.moveaxis(run[kind].mean(axis=1)[..., k], 0, -1) for kind in
            ("linear", "rotation")]  # fmt: skip
    linear, rotation = (off_diagonal(x).T for x in each)
    sizes = run["sizes"].tolist()
    found = counts(claims.rotation_is_ahead_below(linear, rotation, sizes, 1024))
    if found.holds and max(sizes) < 1024:
        note = f"{found.value}; linear maps of 1,024 pairs are not to be had"
        return dataclasses.replace(found, value=note, holds=None)
    return found


@tested("paper 000, section 4.1", "With few pairs (64 or fewer) a rotation is better than a "
        "linear map", "Figure 3", "sensitivity")  # fmt: skip
def rotation_needs_fewer_pairs(run):
    k, few = at(run, 1e-2), run["sizes"] <= 64
    mean = lambda kind: np.array(
        [off_diagonal(x.mean(axis=0)[..., k]).mean() for x in run[kind][few]]
    )
    linear, rotation = mean("linear"), mean("rotation")
    value = ", ".join(f"{n}: {rate(b)} and {rate(a)}" for n, a, b in
                      zip(run["sizes"][few], linear, rotation, strict=True))  # fmt: skip
    return Outcome(f"rotation and linear, {value}", bool(np.all(rotation > linear)))


@tested("paper 000, Figure 5", "How well a map works has little to do with what two networks "
        "share (architecture)", "largely independent", "pedigree")  # fmt: skip
def pedigree_does_not_matter(run):
    same = off_diagonal(run["category/arch"])
    gaps = []
    for kind in ("linear", "rotation"):
        tar = off_diagonal(run[f"{kind}/tar"][..., at(run, 1e-2)])
        gaps.append(tar[same].mean() - tar[~same].mean() if same.any() else np.nan)
    value = f"same architecture {gaps[0]:+.3f} (linear), {gaps[1]:+.3f} (rotation)"
    return Outcome(value, bool(np.all(np.abs(gaps) < 0.05)))


def above_zero(values) -> bool:
    """Whether a mean is above 0 by more than two standard errors."""
    flat = np.ravel(values)
    return bool(flat.mean() > 2 * flat.std(ddof=1) / np.sqrt(flat.size))


def rank1(run: Run, name: str) -> np.ndarray:
    """Rank-1 rates of pairs of models `(..., pairs)`, of the last set of pairs leaked."""
    values = run[name]
    values = values[:, -1] if name.startswith("pairs/") else values
    off = ~np.eye(values.shape[-2], dtype=bool)
    return values[..., 0][..., off]


@tested("paper 000, section 5", "Leaked pairs of image and embedding re-identify people who "
        "are not among them", "can determine the face", "reidentification")  # fmt: skip
def leaked_pairs_identify(run):
    found, chance = rank1(run, "pairs/ridge"), rank1(run, "random pairing/ridge").mean()
    ends = np.quantile(found, [0.025, 0.975])
    value = f"rank 1 {rate(found.mean())}, random pairs {rate(chance)}"
    spread = f"{rate(ends[0])} to {rate(ends[1])} over pairs of models"
    return Outcome(value, bool(found.mean() > 5 * chance), spread)


@tested("paper 000, section 6", "Re-identification takes around a thousand paired samples",
        "around a thousand", "reidentification")  # fmt: skip
def takes_a_thousand_pairs(run):
    off = ~np.eye(len(run["names"]), dtype=bool)
    by_size = run["pairs/ridge"][..., 0][..., off].mean(axis=(0, 2))
    half = by_size >= 0.5
    least = int(run["sizes"][np.argmax(half)]) if half.any() else None
    most = int(run["sizes"].max())
    value = (
        f"half are found at {least} pairs" if least else f"never half, up to {most} pairs"
    )
    # Fewer pairs than a thousand, and half not found: a thousand may do, or may not.
    return Outcome(value, least >= 1000 if least else None if most < 1000 else True)


@tested("paper 000, section 5", "Several models of the attacker's are better than one",
        "preferably multiple", "reidentification")  # fmt: skip
def several_models_help(run):
    single = run["pairs/ridge"][:, -1][..., 0]
    best = np.where(np.eye(single.shape[-1], dtype=bool), -1, single).max(axis=1)
    gain = run["fused"][..., 0] - best
    value = f"fused less the best single one: {gain.mean():+.3f}"
    ends = f"{gain.min():+.3f} to {gain.max():+.3f} over deals and models"
    return Outcome(value, above_zero(gain), ends)


@tested("paper 000, section 5", "Images, faces and models unknown: knowing which embeddings "
        "are of one person fits maps that link others", "was done", "linkage")  # fmt: skip
def identity_links_suffice(run):
    off = ~np.eye(len(run["names"]), dtype=bool)
    k = at(run, 1e-2)
    tar = run["identity, rotation/tar"][..., k][:, off]
    none = run["control: identities at random, ridge/tar"][..., k][:, off].mean()
    ends = np.quantile(tar.mean(axis=1), [0, 1])
    value = f"TAR {rate(tar.mean())}, identities at random {rate(none)}"
    spread = f"{rate(ends[0])} to {rate(ends[1])} over deals"
    return Outcome(value, bool(tar.mean() > 5 * none), spread)


@tested("paper 000, section 7", "Embeddings do not anonymise: sources can be linked "
        "(D_sys near 1 is fully linkable)", "should challenge any notion", "linkage")  # fmt: skip
def embeddings_are_linkable(run):
    off = ~np.eye(len(run["names"]), dtype=bool)
    linked = run["identity, rotation/d_sys"][:, off]
    none = run["control: no map/d_sys"][:, off].mean()
    value = f"D_sys {rate(linked.mean())}, without a map {rate(none)}"
    return Outcome(value, bool(linked.mean() > 0.5))


@tested("paper 000, section 5", "Some images constrain a map better than others (left open): "
        "D-optimal against random choice", "open", "which_pairs")  # fmt: skip
def some_pairs_are_better(run):
    off = ~np.eye(run["choice/random/linear"].shape[-1], dtype=bool)
    mean = lambda how, kind: run[f"choice/{how}/{kind}"].mean(axis=1)[:, off].mean(axis=1)
    gains = [mean("D-optimal", kind) - mean("random", kind) for kind in
             ("linear", "rotation")]  # fmt: skip
    people = mean("one of each person", "linear") - mean("random", "linear")
    value = f"D-optimal {np.mean(gains):+.3f}; one image a person {people.mean():+.3f}"
    spread = np.concatenate(gains)
    ends = f"{spread.min():+.3f} to {spread.max():+.3f} over pairs of models"
    return Outcome(value, above_zero(spread), ends)


@tested("paper 000, section 6", "How many people, and how many images of each, a map needs "
        "(left open): people count for more", "open", "which_pairs")  # fmt: skip
def people_count_for_more(run):
    off = ~np.eye(run["surface/linear"].shape[-1], dtype=bool)
    tar = run["surface/rotation"].mean(axis=2)[..., off].mean(axis=-1)
    people, images = run["surface/people"], run["surface/images"]
    total = people[:, None] * images[None]
    both, more = [], []
    for n in np.unique(total):
        cells = sorted(zip(*np.nonzero(total == n), strict=True))
        if len(cells) > 1:
            both.append(n)
            more.append(tar[cells[-1]] - tar[cells[0]])  # most people less most images each
    value = f"at the same number of pairs {np.mean(more):+.3f} for more people"
    return Outcome(value, bool(np.mean(more) > 0))


@tested("paper 000, section 7", "Fitted on one data set and tested on another, maps carry "
        "something (not asked; here: TAR above .03 at FAR .01)", "not published",
        "which_pairs")  # fmt: skip
def maps_carry_over(run):
    most = next(
        k for k in run.arrays if k.startswith("transfer/") and k.endswith("/linear")
    )
    values = run[most]
    off = ~np.eye(values.shape[-1], dtype=bool)
    table = values[..., off].mean(axis=-1)
    return Outcome(f"mean TAR by fit and test set {rate(table.min())} to {rate(table.max())}",
                   bool(table.min() > 0.03))  # fmt: skip


@tested("paper 000, section 6", "Maps need far fewer dimensions than their full rank (here "
        "half)", "may", "canonical_ijbc")  # fmt: skip
def few_dimensions_suffice(run):
    k = at(run, 1e-2)
    tar, ranks = run["ranks/linear"][..., k], run["ranks/sizes"].tolist()
    return counts(claims.few_dimensions_suffice(tar, ranks))


@tested("paper 000, abstract", "The ten models have a mean TAR of .96 at FAR .01 (rounded)",
        ".96")  # fmt: skip
def native_mean():
    mean = np.mean([m.tar[-2] for m in published.table2])
    return Outcome(f"{mean:.4f} from Table 2", bool(round(mean, 2) == 0.96))


@tested("paper 000, Figure 2", "Models are ordered by mean TAR over six FARs, G-R100-P1.0 "
        "first and C-IR1-C last", "the figure's order")  # fmt: skip
def order_of_models():
    means = {m.name: np.mean(m.tar) for m in published.table2}
    order = sorted(means, key=means.get, reverse=True)  # type: ignore
    ends = order[0], order[-1]
    return Outcome(f"{ends[0]} {means[ends[0]]:.4f}, {ends[1]} {means[ends[1]]:.4f}",
                   ends == ("G-R100-P1.0", "C-IR1-C"))  # fmt: skip


@tested("paper 000, section 3", "Ten models make 90 ordered pairs, in eight categories of "
        "what they share", "90")  # fmt: skip
def ninety_pairs():
    models = published.table2
    shared = {}
    for a in models:
        for b in models:
            if a is not b:
                traits = [t for t in ("data", "arch", "loss") if
                          getattr(a.pedigree, t) == getattr(b.pedigree, t)]  # fmt: skip
                name = "all" if len(traits) == 3 else "+".join(traits) or "none"
                shared[name] = shared.get(name, 0) + 1
    same = shared == {k: v for k, v in published.category_counts.items() if v}
    return Outcome(f"{sum(shared.values())} in {len(shared)} categories", same)


@tested("paper 000, section 3.2", "IJB-C's gallery and probe images are all its images",
        "11,856 and 457,519")  # fmt: skip
def images_add_up():
    counts = protocols.published["ijbc"]
    ours = 11_856 + 457_519
    return Outcome(f"{ours:,} of {counts['images']:,}", ours == counts["images"])


@tested("paper 000, section 3.1", "Its gallery and probe templates are all its templates",
        "3,531 people")  # fmt: skip
def templates_add_up():
    counts = protocols.published["ijbc"]
    parts = [counts[f"templates of {name}"] for name in ("G1", "G2", "probes")]
    return Outcome(f"{sum(parts):,} of {counts['templates']:,}",
                   sum(parts) == counts["templates"])  # fmt: skip


needs_ijbc = "IJB-C's images need a licence; the code reads its files where they are."

table2 = untestable(
    "000-table-2", "paper 000, Table 2", "TAR of ten models on IJB-C at six FARs",
    "60 numbers", needs_ijbc,
)  # fmt: skip
figure2 = untestable(
    "000-figure-2", "paper 000, Figure 2", "TAR of 90 linear maps and 90 rotations on IJB-C",
    "540 numbers", needs_ijbc,
)  # fmt: skip
near_random = untestable(
    "000-near-random-at-1e-5", "paper 000, section 4",
    "At FAR 1e-5 a handful of maps are near random", "a handful",
    f"Real faces at hand have too few impostor pairs for FAR 1e-5. {needs_ijbc}",
)  # fmt: skip
table1 = untestable(
    "000-table-1", "paper 000, Table 1", "Glint360K has 17 M people and 360 K images",
    "17 M, 360 K", "Swapped in print: its makers say 360 K people, 17 M images. Not at hand.",
)  # fmt: skip
partial_fc = untestable(
    "000-partial-fc", "paper 000, section 6",
    "Training on a tenth of the classes turns a network from those of other architectures",
    "hypothesis", "None of the networks at hand was trained so.",
)  # fmt: skip
program = untestable(
    "000-program", "paper 000, section 5", "The attack was used to reveal identities",
    "was used", "What was done elsewhere cannot be repeated here; see reidentification.",
)  # fmt: skip
pfe = untestable(
    "000-pfe", "paper 000, section 3.1",
    "Features and uncertainties as one vector of 1,024 serve as a uniform measure", "done",
    "No probabilistic network is at hand; maps between unequal widths are (faceres, 1,024).",
)  # fmt: skip
