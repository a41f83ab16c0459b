"""What could a map attain? Maps within one network, from changed images to images

Flipped, shifted, compressed and shrunk faces go through one network, and maps lead from
their embeddings back to those of the images as they were. What is then left of the
network's own TAR is lost by the images, not by another network: a scale for what maps
between networks lose, fitted on and verified with the same people.
"""

import dataclasses
import io
import pathlib
import tempfile
import warnings
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from PIL import Image

import jfacemap as jfm
from jfacemap.plot.ceilings import plot_ceilings

from .canonical_faces import both_cores, centre
from .ceilings_report import report
from .data_folder import data_folder
from .embed_faces import embed_rows, fit_maps
from .face_collections import read_models
from .face_edits import find_networks, load_faces, Network, substitutes
from .harness import console, launch, Results


far = 1e-2
kinds = {"identity": "no map", "linear": "linear", "ridge": "ridge", "rotation": "rotation"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    data: pathlib.Path | None = None
    """Folder of orl_faces.npz and lfw100.npz, and of `embeddings/` if it has them; by
    default $JFACEMAP_DATA."""
    models: pathlib.Path | None = None
    """Folder that fetch_models filled; by default the folder of data."""
    network: str = "fr_feature"
    """Of fr_feature, fr_liveness and fr_pose."""
    people: int = 50
    """Of LFW's ten and ORL's forty; every second is fitted on."""
    replicates: int = 1000
    """Draws of people, for intervals."""
    stores: pathlib.Path | None = None
    """Folder to keep the embeddings in; another run goes on from them."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/ceilings-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: 12 people, a substitute network of random weights."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """Of one kind of map: TAR, and its share of the target's own, `(source, target)`.

    `spread` and `ends` are the 95 % intervals `(2, source, target)` of both over people.
    """

    tar: np.ndarray
    spread: np.ndarray
    share: np.ndarray
    ends: np.ndarray


def shift(images, pixels: int) -> np.ndarray:
    """Cut `pixels` off the right and the lower border; the other edges are repeated."""
    h, w = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (pixels, 0), (pixels, 0), (0, 0)), mode="edge")
    return padded[:, :h, :w]


def compress(images, quality: int) -> np.ndarray:
    """Through JPEG of a quality."""

    def one(image):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    return np.stack(list(map(one, images)))


def shrink(images, size: int) -> np.ndarray:
    """To `size` pixels a side, and up again."""
    smooth, (h, w) = Image.Resampling.BILINEAR, images.shape[1:3]
    one = lambda x: Image.fromarray(x).resize((size, size), smooth).resize((w, h), smooth)
    return np.stack([np.asarray(one(image)) for image in images])


changes = {
    "no change": lambda x: x,
    "flip": lambda x: x[:, :, ::-1],
    "shift 4 px": lambda x: shift(x, 4),
    "shift 8 px": lambda x: shift(x, 8),
    "JPEG 50": lambda x: compress(x, 50),
    "JPEG 10": lambda x: compress(x, 10),
    "56 px": lambda x: shrink(x, 56),
    "28 px": lambda x: shrink(x, 28),
    "14 px": lambda x: shrink(x, 14),
}
"""Of aligned faces (n, 112, 112, 3)."""


class Judge:
    """The people held out, and the draws of them that all tables share."""

    def __init__(self, config: Config, who):
        self.who, self.used = who, np.isin(who, np.unique(who)[::2])
        self.key, self.replicates = jax.random.key(config.seed), config.replicates
        label = np.unique(who, return_inverse=True)[1][~self.used]
        _, valid = map(np.asarray, jfm.label_pairs(label))
        self.pairs = jfm.identity_pairs(label[:, None], label[None], valid=valid)

    def __call__(self, spaces) -> dict[str, Kept]:
        """Maps of each kind among some spaces, fitted on half of the people."""
        maps, held = fit_maps(spaces, self.used, self.who), [x[~self.used] for x in spaces]
        found = {}
        for kind, name in kinds.items():
            scores = jfm.cross_scores(maps[kind], held)
            spread = jfm.tar_confidence(
                self.key, scores, self.pairs, far, replicates=self.replicates
            )
            found[name] = kept(spread)
        return found


def kept(spread: jfm.TarConfidence) -> Kept:
    """Shares of native TAR, on the diagonal of `(source, target)`, within each draw."""
    native = lambda tar: np.diagonal(tar, axis1=-2, axis2=-1)[..., None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = spread.tar / native(spread.tar)
        draws = spread.replicates / native(spread.replicates)
    ends = np.nanquantile(draws, [0.025, 0.975], axis=0)
    return Kept(spread.tar, np.stack([spread.lower, spread.upper]), share, ends)


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    folder = data_folder(config.data)
    if config.quick:
        config = dataclasses.replace(config, people=12, replicates=50)
    name, network = open_network(config, folder)
    images, who = load_faces(folder, config.people, config.quick)
    assert folder is not None  # or there would be no images
    judge = Judge(config, who)
    models, source = rows_of_models(folder, who)
    data = describe(name, network, judge, source)
    console.print("[bold]Data.[/bold] " + "\n".join(data.values()) + "\n")
    with tempfile.TemporaryDirectory() as scratch:
        views = embed_views(config.stores or pathlib.Path(scratch), name, network, images)
    within, between = {}, {}
    for space in ("plain", "centred"):
        seat = lambda rows: [jfm.unit(jnp.asarray(x, jnp.float32)) for x in rows]
        place = seat if space == "plain" else lambda rows: centre(seat(rows), judge.used)  # noqa: B023
        original = views["no change"]
        pair = lambda view: judge(place([original, view]))  # noqa: B023
        found = both_cores(pair, views.values(), f"{space} spaces, image changes")
        within[space] = dict(zip(views, found, strict=True))
        with console.status(f"{space} spaces, {len(models)} models"):
            between[space] = judge(place(list(models.values())))
    report(within, between, list(models), kinds.values(), config.replicates)
    names = tuple(models)
    return Results(
        arrays=gather_arrays(within, between, names),
        rows=list(gather_rows(within, between, names)),
        figures={"ceilings": draw(within, between, name, judge)},
        data=data,
        config=config,
    )


def open_network(config: Config, folder) -> tuple[str, Network]:
    """The network asked for, or a substitute, which it says."""
    found = {}
    if not config.quick:
        found = find_networks(config.models or folder, (config.network,))
    if not found:
        if not config.quick:
            fault = f"{config.network} is not there (python -m experiments.fetch_models)"
            console.print(f"[yellow]{fault}: a substitute of random weights.")
        found = substitutes(1)
    return next(iter(found.items()))


def rows_of_models(folder: pathlib.Path, who) -> tuple[dict[str, np.ndarray], str]:
    """Rows of other models of the same images: seven of the folder, or the bundled six."""
    places = [folder / "embeddings" / f"{name}.npz" for name in ("lfw100", "orl")]
    if all(place.is_file() for place in places):
        models, source = read_models(places), "seven models of the data folder"
    else:
        faces = jfm.data.load_faces()
        sets = [np.flatnonzero(faces.dataset == name) for name in ("lfw100", "orl")]
        order = np.concatenate(sets)
        models, source = faces[order].embeddings, "the six bundled models"
    # Images of a person follow each other, and people come in the order of the files.
    return {name: x[: len(who)] for name, x in models.items()}, source


def embed_views(place: pathlib.Path, name: str, network: Network, images):
    """Rows of one network, by the change of the images."""
    rows = {}
    place.mkdir(parents=True, exist_ok=True)
    for change, apply in changes.items():
        store = place / f"{name} {change}.zarr".replace(" ", "_")
        pixels = np.ascontiguousarray(apply(images))
        rows[change] = embed_rows(network.fn, pixels, store, network.preprocess)
    return rows


def describe(name: str, network: Network, judge: Judge, source: str) -> dict[str, str]:
    used, who = judge.used, judge.who
    count = lambda rows: f"{rows.sum()} images of {len(np.unique(who[rows]))} people"
    return {
        "source": f"LFW-100 and ORL, aligned, through {name} ({network.what}).",
        "fit": f"Fitted on {count(used)}, verified on {count(~used)}: other people.",
        "between": f"Maps between models: {source}, the same images and people.",
        "training overlap": "LFW may overlap what the networks were trained on.",
    }


def shares(within, kind: str) -> np.ndarray:
    """From each changed view to the images as they were: share and its ends `(view, 3)`."""
    each = [found[kind] for found in within.values()]
    return np.array([[k.share[1, 0], *k.ends[:, 1, 0]] for k in each])


def pair_shares(between, kind: str) -> np.ndarray:
    """Of ordered pairs of models `(pair,)`."""
    share = between[kind].share
    return share[~np.eye(len(share), dtype=bool)]


def draw(within, between, name: str, judge: Judge):
    own, others = within["centred"], between["centred"]
    title = (
        f"{name}: TAR at FAR {far:g} kept, spaces centred; "
        f"{len(np.unique(judge.who[~judge.used]))} people no map was fitted on"
    )
    return plot_ceilings(
        {kind: shares(own, kind) for kind in kinds.values()},
        list(own),
        {kind: pair_shares(others, kind) for kind in kinds.values()},
        title=title,
    )


def gather_arrays(within, between, names) -> dict[str, np.ndarray]:
    arrays = {"changes": np.array(list(changes)), "names": np.array(names)}
    for space, found in within.items():
        for kind in kinds.values():
            each = {change: k[kind] for change, k in found.items()}
            arrays |= {
                f"{space}/within/{kind}/tar": np.stack([k.tar for k in each.values()]),
                f"{space}/within/{kind}/share": shares(found, kind),
                f"{space}/between/{kind}/tar": between[space][kind].tar,
                f"{space}/between/{kind}/share": between[space][kind].share,
                f"{space}/between/{kind}/ends": between[space][kind].ends,
            }
    return arrays


def gather_rows(within, between, names):
    def row(space, kind, source, target, k: Kept, i: int, j: int):
        return {
            "space": space, "kind": kind, "source": source, "target": target,
            "tar": k.tar[i, j], "lower": k.spread[0, i, j], "upper": k.spread[1, i, j],
            "native": k.tar[j, j], "share": k.share[i, j],
            "share_lower": k.ends[0, i, j], "share_upper": k.ends[1, i, j],
        }  # fmt: skip

    for space in within:
        for change, found in within[space].items():
            for kind, k in found.items():
                yield row(space, kind, change, "no change", k, 1, 0)
        for kind, k in between[space].items():
            for i, j in np.ndindex(k.tar.shape):
                if i != j:
                    yield row(space, kind, names[i], names[j], k, i, j)


if __name__ == "__main__":
    launch("ceilings", Config, run, __doc__)
