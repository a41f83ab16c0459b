"""The structure of a simulated IJB: IJB-C's counts, exactly, and nothing else of it."""

import numpy as np
from jaxtyping import Float, Int

from .ijb import published
from .protocol import Protocol, Roster


Sizes = dict[str, int]

_places = np.array([38.3, 51.7, 73.5, 51.5, 56.0, 71.7, 41.5, 92.4, 70.7, 92.2])
"""Where eyes, nose and mouth lie in a crop of 112 pixels."""


def simulate_protocol(
    rng: np.random.Generator, scale: float
) -> tuple[Protocol, Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """A protocol of IJB-C's counts times `scale`; subject and noise of each image row.

    Every subject has one gallery template, in G1 or in G2, and at least one probe. A probe
    is compared with its mate (of 19,593 probes 19,557 are, and 36 are not: that is what is
    left of the published counts) and with 798 or 799 others. Rows are in the order of
    template ids, which galleries and probes share at random. Subjects count from 0.
    """
    sizes = count_all(scale)
    subjects, probes = sizes["G1"] + sizes["G2"], sizes["probes"]
    numbers = np.arange(subjects, dtype=np.int32)
    of_probe = np.repeat(numbers, spread(rng, probes, subjects, 0.6))
    subject = np.concatenate([numbers, of_probe])  # of gallery templates, then of probes
    images = np.concatenate(
        [
            spread(rng, sizes["images of galleries"], subjects, 0.6),
            spread(rng, sizes["images of probes"], probes, 1.4, ones=0.45),
        ]
    )
    place = rng.permutation(len(subject)).astype(np.int32)  # of each among all templates
    order = np.argsort(place)
    ids, people = _ids(rng, len(subject)), rng.permutation(_ids(rng, subjects))
    row = np.repeat(order, images[order])
    media = _media(rng, images[order])
    noise = _noise(rng, media)
    landmarks, score = _detections(rng, noise)
    pairs = _pairs(rng, of_probe, sizes, place)
    side = np.zeros(subjects, bool)
    side[rng.permutation(subjects)[: sizes["G1"]]] = True
    roster = lambda some: Roster(ids[place[some]], people[subject[some]])
    protocol = Protocol(
        name="simulated",
        image=np.strings.add(np.arange(1, len(row) + 1).astype(str), ".jpg"),
        template=ids[place[row]],
        media=_ids(rng, int(media[-1]) + 1)[media],
        pairs=ids[pairs],
        genuine=np.equal(*subject[order][pairs].T),
        landmarks=landmarks,
        detector_score=score,
        galleries={"G1": roster(numbers[side]), "G2": roster(numbers[~side])},
        probes=roster(np.arange(subjects, len(subject))),
    )
    return protocol, subject[row], noise


def count_all(scale: float) -> Sizes:
    """How much there is of everything: IJB-C's counts times `scale`, at least a handful.

    Impostor pairs are at most all that there are: below a scale of .23 each probe meets
    the whole gallery.
    """
    if not 0 < scale < np.inf:
        raise ValueError(f"scale multiplies the counts of IJB-C: positive; got {scale}.")
    full = published["ijbc"]
    size = lambda what, least=4: max(least, round(scale * full[what]))
    g1, g2 = size("templates of G1"), size("templates of G2")
    probes = size("templates of probes", g1 + g2)
    return {
        "G1": g1,
        "G2": g2,
        "probes": probes,
        "images of galleries": size("images of galleries", 3 * (g1 + g2)),
        "images of probes": size("images of probes", 3 * probes),
        "genuine pairs": min(size("genuine pairs"), probes),
        "impostor pairs": min(size("impostor pairs"), probes * (g1 + g2 - 1)),
    }


def spread(
    rng: np.random.Generator, total: int, parts: int, sigma: float, ones: float = 0
) -> Int[np.ndarray, " parts"]:
    """`parts` positive numbers of sum `total`, log-normally uneven; a share is 1."""
    weight = rng.lognormal(0, sigma, parts) * (rng.random(parts) >= ones)
    weight[0] += not weight.any()
    return 1 + rng.multinomial(total - parts, weight / weight.sum())


def _ids(rng, n: int) -> np.ndarray:
    """Sorted ids from 1 with gaps, as the published ones have."""
    return 1 + np.sort(rng.choice(n + n // 2, n, replace=False)).astype(np.int32)


def _media(rng, images) -> np.ndarray:
    """Number of the media of each row: stills alone, frames of one video together."""
    change = np.repeat(rng.choice([0.03, 0.1, 0.6], len(images)), images)
    first = rng.random(len(change)) < change
    first[np.cumsum(images) - images] = True
    return np.cumsum(first) - 1


def _noise(rng, media) -> np.ndarray:
    """How noisy each row is, 1 in the median: a blurred video has blurred frames."""
    of_media = rng.normal(size=media[-1] + 1)[media]
    noise = np.exp(0.7 * of_media + 0.35 * rng.normal(size=len(media)))
    return noise.astype(np.float32)


def _detections(rng, noise) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks in pixels and detector scores, worse where there is more noise."""
    shift = 1.5 * noise[:, None] * rng.normal(size=(len(noise), 10))
    score = np.clip(1 / (1 + (noise / 8) ** 2), 0.001, 0.999)
    return (_places + shift).round(3).astype(np.float32), score.round(3)


def _pairs(rng, of_probe, sizes: Sizes, place) -> np.ndarray:
    """Compared templates by their places, sorted: gallery, probe.

    A probe meets the galleries at its mate's number plus multiples of a step that shares
    no factor with their number: all different, and none its mate.
    """
    subjects, probes = sizes["G1"] + sizes["G2"], sizes["probes"]
    total = subjects + probes
    if total**2 >= 2**31:
        place = place.astype(np.int64)
    steps = np.arange(1, subjects, dtype=place.dtype)
    step = rng.choice(steps[np.gcd(steps, subjects) == 1], probes)

    def codes(probe, nth):
        gallery = (of_probe[probe] + step[probe] * nth) % subjects
        return (place[gallery] * total + place[subjects + probe]).ravel()

    each, more = divmod(sizes["impostor pairs"], probes)
    mated = rng.permutation(probes)[: sizes["genuine pairs"]]
    further = rng.permutation(probes)[:more]
    others = codes(np.arange(probes)[:, None], np.arange(1, each + 1, dtype=place.dtype))
    every = np.concatenate([codes(mated, 0), others, codes(further, each + 1)])
    return np.stack(np.divmod(np.sort(every), total), axis=1)
