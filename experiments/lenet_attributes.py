"""Does training on an augmentation raise the energy of its attribute? (paper 003)

LeNets on MNIST, trained with and without rotated, shifted, blurred or dimmed digits, over
seeds; then the energy of each attribute among the last features (ip1) of test digits, a
class at a time. High energy means that the attribute moves features in no consistent
direction: invariance.
"""

import dataclasses
import pathlib
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap import network
from jfacemap.plot.energy import plot_energy_violins

from .harness import console, lacking, launch, Results, watch


ranges = {
    "rotation": (-30.0, 30.0, 15.0),
    "size": (-0.2, 0.2, 0.1),
    "shift": (-0.1, 0.1, 0.06),
    "blur": (0.8, 1.6, 0.6),
    "brightness": (-1.0, 0.0, 0.4),
}
"""Least and most amount of each attribute, and the step of a curve."""

attributes = {
    name: dataclasses.replace(jfm.data.edits[name], low=low, high=high, step=step)
    for name, (low, high, step) in ranges.items()
}
names = tuple(attributes)
none = "as they are"


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    data: pathlib.Path | None = None
    """MNIST: a file or folder for jfm.data.load_mnist; by default $JFACEMAP_DATA."""
    seeds: int = 3
    trained_on: tuple[str, ...] = names
    """Attributes, one a training; one more is on digits as they are."""
    iterations: int = 2000
    """Minibatches of 64."""
    levels: int = 5
    """Versions of each training digit, from the least amount of it to the most."""
    digits: int = 60
    """Test digits of each class, a base point each."""
    k: int = 10
    """Nearest neighbours."""
    keep: pathlib.Path | None = None
    """Folder for trainings; another run goes on from them."""
    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/lenet_attributes-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: two trainings, few digits."""


def run(config: Config) -> Results:
    try:
        mnist = jfm.data.load_mnist(config.data)
    except (ValueError, OSError, ImportError) as error:
        if config.quick:
            lacking(str(error).splitlines()[0], config.quick)
        raise
    trained_on = [none, *config.trained_on]
    size = 20_000
    if config.quick:
        config = dataclasses.replace(
            config, seeds=2, iterations=40, levels=2, digits=8, k=4
        )
        trained_on, size = [none, "rotation"], 600
    file = mnist.source.rpartition("/")[2]
    source = f"MNIST ({file}), {size:,} digits trained on, {config.seeds} seeds"
    console.print(f"[bold]Data.[/bold] {source}.", soft_wrap=True)
    keys = jax.random.split(jax.random.key(config.seed), config.seeds)
    plan = jfm.plan_lattice(
        jax.random.key(config.seed), mnist.test_labels, attributes,
        images=config.digits, settings=1,
    )  # fmt: skip
    nodes = render_nodes(plan, mnist.test_images)
    energy, accuracy, displacement = {}, {}, {}
    for name in trained_on:
        weights = train(config, keys, name, mnist, size)
        energy[name], displacement[name] = measure(config, plan, weights, nodes)
        accuracy[name] = test(weights, mnist, 1000 if config.quick else 10_000)
    report(config, energy, accuracy, displacement)
    figure = plot_energy_violins(
        {name: e.reshape(-1, len(names)) for name, e in energy.items()}, names,
        title=f"{source}: trained on digits with ...; a dot a class and seed",
    )  # fmt: skip
    arrays = {"attributes": np.array(names), "trained_on": np.array(trained_on)}
    for name in trained_on:
        arrays[f"{name}/energy"] = energy[name]  # (seed, class, attribute)
        arrays[f"{name}/displacement"] = displacement[name]
        arrays[f"{name}/accuracy"] = accuracy[name]
    data = {"source": source, "features": "ip1, 500 wide"}
    rows = list(gather_rows(energy, displacement))
    return Results(arrays, rows, {"energies": figure}, data, config)


def augment(images: np.ndarray, name: str, levels: int) -> np.ndarray:
    """Digits `(levels, n, 28, 28)`: as they are, or at amounts of one attribute."""
    if name == none:
        return images[None]
    edit = attributes[name]
    chosen = {name: edit}
    amounts = np.linspace(edit.low, edit.high, levels, dtype=np.float32)

    @jax.jit
    def apply(x, z):
        one = lambda x: jfm.data.render(x[..., None].astype(jnp.float32), chosen, z[None])
        return jnp.round(jax.lax.map(one, x, batch_size=100)[..., 0]).astype(jnp.uint8)

    return np.stack([np.asarray(apply(images, z)) for z in amounts])


def train(config: Config, keys, name: str, mnist, size: int):
    """Weights of a network for each seed, after the last minibatch."""
    images = augment(mnist.train_images[:size], name, config.levels)
    label = jnp.asarray(mnist.train_labels[:size], jnp.int32)
    digits = network.Digits(jnp.asarray(images), label)
    held = size // 20
    rows = np.tile(np.arange(size - held), (config.seeds, 1))
    validation = np.tile(np.arange(size - held, size), (config.seeds, 1))
    path = config.keep and config.keep / f"{name.replace(' ', '_')}.npz"
    about = (
        f"{config.iterations} {config.levels} {config.seed} {config.seeds} {size}, {name} "
        f"{ranges.get(name, '')}, MNIST {mnist.digest[:8]}"
    )
    state = None
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        state = network.load_training(path, about)
    with watch(f"training, {name}") as progress:
        state = network.train(
            keys, network.Softmax(), digits, rows, validation,
            iterations=config.iterations, chunk=min(100, config.iterations), state=state,
            save=lambda s: network.save_training(path, s, about) if path else None,
            progress=progress,
        )  # fmt: skip
    return state.weights


def render_nodes(plan: jfm.LatticePlan, images: np.ndarray):
    """All rows of the lattice as images `(class, N, 28, 28)`."""
    which, amounts = plan.nodes()

    @jax.jit
    def apply(x, z):
        one = lambda pair: jfm.data.render(
            pair[0][..., None].astype(jnp.float32), attributes, pair[1]
        )
        return jax.lax.map(one, (x, z), batch_size=50)[..., 0]

    nodes = [np.asarray(apply(images[rows][which], amounts)) for rows in plan.rows]
    return np.stack(nodes)


def measure(config: Config, plan, weights, nodes):
    """Energies in ip1 and how far it moves, relatively, `(seed, class, attribute)`."""

    @jax.jit
    def features(images):
        one = lambda w: network.apply_lenet(w, images).ip1
        return jax.vmap(one)(weights)

    energy, displacement = [], []
    near = jfm.KNearest(config.k)
    length = lambda x: np.linalg.norm(x, axis=-1).mean(axis=-1)
    for images in nodes:
        rows = np.asarray(features(images))
        fields = [plan.lattice.joined(each) for each in rows]
        found = [jfm.field_energy(f.points, f.vectors, neighbours=near) for f in fields]
        energy.append([np.asarray(f.energy) for f in found])
        displacement.append([length(f.vectors) / length(f.points) for f in fields])
    swap = lambda x: np.swapaxes(np.array(x), 0, 1)
    return swap(energy), swap(displacement)


def test(weights, mnist, most: int) -> np.ndarray:
    """Accuracy of each seed on the first `most` test digits."""

    @jax.jit
    def right(images, label):
        one = lambda w: jnp.argmax(network.apply_lenet(w, images).logits, axis=-1)
        return jnp.mean((jax.vmap(one)(weights) == label[None]).astype(jnp.float32), axis=1)

    parts = range(0, most, 1000)
    cut = lambda x, s: jnp.asarray(x[s : s + 1000])
    found = [right(cut(mnist.test_images, s), cut(mnist.test_labels, s).astype(jnp.int32))
             for s in parts]  # fmt: skip
    return np.mean(np.asarray(found), axis=0)


def report(config: Config, energy, accuracy, displacement) -> None:
    console.print(
        tabulate(f"Energy in ip1 ({config.k} nearest)", energy, accuracy, digits=3),
        tabulate(
            "How far two steps of an attribute move ip1, as part of its length",
            displacement, accuracy, digits=3,
        ),
    )  # fmt: skip
    base = energy[none]
    told = []
    for a, name in enumerate(names):
        if name in energy:
            gap = (energy[name] - base)[..., a].reshape(-1)
            test = jfm.compare_energies(energy[name].mean(0), base.mean(0))
            told.append(f"{name} {gap.mean():+.3f} (p {test.p_holm[a]:.3f})")
    console.print(
        "< the attribute trained on. What training on an attribute adds to its own energy; "
        f"Wilcoxon over ten classes, means of seeds, Holm: {', '.join(told)}.\n",
        soft_wrap=True,
    )


def tabulate(what: str, values, accuracy, digits: int) -> Table:
    """Means over classes and seeds, by training and attribute."""
    table = Table(
        title=f"{what}, mean over classes ± sd over seeds",
        title_justify="left", box=rich.box.SIMPLE_HEAD,
    )  # fmt: skip
    table.add_column("trained on digits with", no_wrap=True)
    for name in (*names, "accuracy"):
        table.add_column(name, justify="right")
    spread = lambda x: np.std(x, axis=0, ddof=1) if len(x) > 1 else np.full(x.shape[1:], 0)
    for name, each in values.items():
        seeds = each.mean(axis=1)
        cells = [
            f"{m:.{digits}f} ± {s:.{digits}f}" + (" <" if n == name else "")
            for n, m, s in zip(names, seeds.mean(0), spread(seeds), strict=True)
        ]
        table.add_row(name, *cells, f"{accuracy[name].mean():.4f}")
    return table


def gather_rows(energy, displacement):
    for name, values in energy.items():
        for seed, digit, a in np.ndindex(values.shape):
            yield {
                "trained_on": name,
                "seed": seed,
                "class": digit,
                "attribute": names[a],
                "energy": values[seed, digit, a],
                "displacement": displacement[name][seed, digit, a],
            }


if __name__ == "__main__":
    launch("lenet_attributes", Config, run, __doc__)
