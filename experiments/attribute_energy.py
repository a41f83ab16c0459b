"""How coherently does an edit move a face network's embeddings? (paper 003, the microscale)

Real faces are rotated, scaled, blurred, lit, coloured and covered; every edit is a field
of directions on the embeddings of one person. Its energy is beside that of the same
vectors dealt anew, at several scales, beside exact derivatives, and beside what the edit
costs in verification.
"""

import dataclasses
import pathlib
import tempfile
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

import jfacemap as jfm
from jfacemap.plot.energy import (
    plot_energy_damage,
    plot_energy_violins,
    plot_scale_curves,
)
from jfacemap.study.image_model import ImageModel

from .attribute_energy_report import report
from .data_folder import data_folder
from .face_edits import chosen, find_networks, load_faces, names, Network, substitutes
from .harness import console, launch, Results, watch


far = 1e-2


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    data: pathlib.Path | None = None
    """Folder of orl_faces.npz and lfw100.npz; by default $JFACEMAP_DATA."""
    models: pathlib.Path | None = None
    """Folder that fetch_models filled; by default the folder of data."""
    networks: tuple[str, ...] = ("fr_feature", "fr_liveness")
    """Of fr_feature, which tells people, fr_liveness and fr_pose, which do not."""
    people: int = 20
    """Identities, of LFW's ten and ORL's forty."""
    images: int = 10
    """Of each identity."""
    settings: int = 2
    """Base points of each image, at random amounts of all edits."""
    k: int = 5
    """Nearest neighbours."""
    nulls: int = 100
    """Random fields of each identity."""
    null: Literal["permutation", "gaussian"] = "permutation"
    """Its vectors dealt anew, or isotropic directions."""
    exact: int = 3
    """Identities whose exact derivatives are taken, of the first network."""
    keep: pathlib.Path | None = None
    """Folder for the lattices; another run goes on from them."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/attribute_energy-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run, on substitute networks of random weights."""


def run(config: Config) -> Results:
    folder = data_folder(config.data)
    if config.quick:
        config = dataclasses.replace(config, people=3, images=4, nulls=10, exact=1, k=3)
    networks = (
        {} if config.quick else find_networks(config.models or folder, config.networks)
    )
    if not networks:
        if not config.quick:
            fault = "No face network is there (python -m experiments.fetch_models)"
            console.print(f"[yellow]{fault}: substitutes of random weights.")
        networks = substitutes(1 if config.quick else 2)
    images, who = load_faces(folder, config.people, config.quick)
    people = len(np.unique(who))
    source = f"{people} people of LFW and ORL, {config.images} images of each, edited"
    told = "; ".join(f"{name}: {each.what}" for name, each in networks.items())
    console.print(f"[bold]Data.[/bold] {source}. {told}.", soft_wrap=True)
    key = jax.random.key(config.seed)
    found, curves, balls, damage = {}, {}, {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        place = config.keep or pathlib.Path(scratch)
        made = {
            name: embed(config, key, name, network, images, who, place)
            for name, network in networks.items()
        }
        base = config.images * config.settings
        scales = sorted({2, 5, 10, config.k, base - 1} & set(range(1, base)))
        eps = np.array([0.4, 0.6, 0.8, 1.0, 1.2], np.float32)
        for name, lattice in made.items():
            with watch(f"energies, {name}") as progress:
                near = jfm.KNearest(tuple(scales))
                found[name] = jfm.lattice_energies(
                    key, lattice.curves, lattice.files, neighbours=near,
                    nulls=config.nulls, kind=config.null, progress=progress,
                    keep=kept(config, name, "nearest"),
                )  # fmt: skip
            ball = jfm.RelativeBall(eps)
            balls[name] = jfm.lattice_energies(
                key, lattice.curves, lattice.files, neighbours=ball,
                keep=kept(config, name, "ball"),
            )  # fmt: skip
            curves[name] = jfm.lattice_energies(
                key, lattice.curves, lattice.files, neighbours=jfm.AllPairs(),
                keep=kept(config, name, "all_pairs"),
            )  # fmt: skip
            damage[name] = verify(lattice, names)
        first, lattice = next(iter(made.items()))
        exact = (
            derivatives(config, networks[first], lattice, images) if config.exact else {}
        )
    at = scales.index(config.k)
    report(found, balls, curves, damage, exact, names, at, scales, eps, config)
    arrays, figures = gather(found, balls, curves, damage, exact, names, at, scales, eps)
    for figure in figures.values():
        figure.suptitle(source, fontsize=9)
    rows = list(gather_rows(found, damage, at))
    data = {"source": source, "networks": {n: e.what for n, e in networks.items()}}
    return Results(arrays, rows, figures, data, config)


def kept(config: Config, name: str, what: str) -> pathlib.Path | None:
    """Where energies are kept, if they are."""
    return config.keep and config.keep / f"{name.replace(' ', '_')}_{what}"


def embed(config, key, name, network: Network, images, who, place) -> jfm.LatticeFolder:
    with watch(f"embedding, {name}") as progress:
        return jfm.make_lattice(
            key, images, who, network.fn, chosen, place / name.replace(" ", "_"),
            preprocess=network.preprocess, images_each=config.images,
            settings=config.settings, batch_size=25, progress=progress,
        )  # fmt: skip


def verify(lattice: jfm.LatticeFolder, names) -> np.ndarray:
    """TAR of base points with other images, and with those after each edit `(1 + A,)`."""
    rows = [np.load(path) for path in lattice.files.values()]
    which, _ = lattice.plan.nodes()
    base = lattice.curves.curves[0][:, 1]
    gallery = np.concatenate([r[base] for r in rows])
    person = np.repeat(np.arange(len(rows)), len(base))
    image = np.tile(which[base], len(rows))
    same = person[:, None] == person[None]
    valid = ~(same & (image[:, None] == image[None]))
    tar = []
    for name in (None, *names):
        if name is None:
            probes = gallery
        else:
            end = lattice.curves.curves[lattice.curves.names.index(name)][:, 2]
            probes = np.concatenate([r[end] for r in rows])
        scores = np.asarray(jfm.score_all(probes, gallery))
        tar.append(float(jfm.tar_at_far(scores, same, far, valid=valid).tar))
    return np.array(tar)


def derivatives(config, network: Network, lattice: jfm.LatticeFolder, images) -> dict:
    """Exact fields beside the stencil's: cosine of the two, and both energies, by edit."""
    model = ImageModel(network.fn, network.preprocess)
    both = jfm.edit_derivatives(model, chosen)
    which, amounts = lattice.plan.nodes()
    base = lattice.curves.curves[0][:, 1]
    cosine, energies = [], []
    near = jfm.KNearest(config.k)
    with watch("exact derivatives") as progress:
        for i, path in enumerate(list(lattice.files.values())[: config.exact]):
            own = images[lattice.plan.rows[i][which[base]]]
            points, exact = both(own, amounts[base])
            exact = jnp.swapaxes(exact, 0, 1)
            rows = np.load(path)
            stencil = np.stack([lattice.curves.field(n, rows)[1] for n in names])
            energy = lambda v, p=points: jfm.field_energy(p, v, neighbours=near).energy
            energies.append([np.asarray(energy(exact)), np.asarray(energy(stencil))])
            dot = jnp.sum(jfm.unit(exact) * jfm.unit(jnp.asarray(stencil)), axis=-1)
            cosine.append(np.asarray(dot.mean(axis=1)))
            progress(i + 1, config.exact)
    return {"cosine": np.mean(cosine, axis=0), "energy": np.mean(energies, axis=0)}


def gather(found, balls, curves, damage, exact, names, at, scales, eps):
    place = [next(iter(found.values())).names.index(n) for n in names]
    pick = lambda x: np.asarray(x)[:, place]
    energy = {m: pick(f.energy)[:, :, at] for m, f in found.items()}
    null = {m: pick(f.null_mean)[:, :, at] for m, f in found.items()}
    median = lambda x: np.nanmedian(x, axis=0)
    with np.errstate(all="ignore"):
        ball = {m: median(pick(f.energy)) for m, f in balls.items()}
        cover = {m: median(pick(f.coverage)) for m, f in balls.items()}
    by_k = {m: median(pick(f.energy)) for m, f in found.items()}
    lost = {m: d[0] - d[1:] for m, d in damage.items()}
    arrays = {"attributes": np.array(names), "k": np.array(scales), "eps": np.array(eps)}
    for m in found:
        arrays |= {
            f"{m}/energy": pick(found[m].energy), f"{m}/null": pick(found[m].null_mean),
            f"{m}/displacement": pick(found[m].displacement),
            f"{m}/ball": pick(balls[m].energy),
            f"{m}/all_pairs": pick(curves[m].energy), f"{m}/tar": damage[m],
            f"{m}/alignment": found[m].alignment,
        }  # fmt: skip
    arrays |= {f"exact/{k}": v for k, v in exact.items()}
    figures = {
        "violins": plot_energy_violins(energy, names, null=null),
        "scale_nearest": plot_scale_curves(by_k, scales, names),
        "scale_ball": plot_scale_curves(
            ball, eps.tolist(), names, coverage=cover,
            label="eps (mean distances); hollow: coverage below half",
        ),
        "damage": plot_energy_damage(
            {m: median(e) for m, e in energy.items()}, lost, names,
            label=f"TAR at FAR {far:g} lost by the edit",
        ),
    }  # fmt: skip
    return arrays, figures


def gather_rows(found, damage, at):
    for model, each in found.items():
        for i, a in np.ndindex(each.displacement.shape):
            yield {
                "model": model,
                "identity": each.identities[i],
                "attribute": each.names[a],
                "energy": each.energy[i, a, at],
                "null_mean": each.null_mean[i, a, at],
                "z": each.z[i, a, at],
                "displacement": each.displacement[i, a],
                "gravity": each.gravity[i, a],
                "skipped": each.skipped[i, a],
            }


if __name__ == "__main__":
    launch("attribute_energy", Config, run, __doc__)
