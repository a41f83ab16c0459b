"""Do maps work better between models of one pedigree? (paper 000, Figure 5)

Groups the pairs of six real face networks by what the two share of data, architecture
and loss, as far as it is known, and tests by permuting the networks (QAP) whether TAR
goes with it.
"""

import dataclasses
import pathlib
import warnings
from typing import Annotated

import jax
import numpy as np
import rich.box
import tyro
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.categories import plot_categories
from jfacemap.study.pedigree import Pedigree, shared_traits, trait_categories

from .canonical_faces import centre, fit_maps, fit_rows, held_out_pairs, unit_spaces
from .controls import controls, tell
from .harness import console, launch, Results


fars = 1e-1, 1e-2
kinds = "linear", "rotation"
known = {
    "dlib_resnet": Pedigree(arch="ResNet"),
    "mobilefacenet_512": Pedigree(arch="MobileFaceNet"),
    "mobilefacenet_ms1m": Pedigree(data="MS1M", arch="MobileFaceNet"),
    "mobilefacenet_tf": Pedigree(arch="MobileFaceNet"),
}
"""As the data card has it (jfacemap/data/FACES.md); of other networks nothing is known."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    out: pathlib.Path | None = None
    """Run folder; by default runs/pedigree-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: without the centred spaces."""


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]
    yale = faces.dataset == "yaleb"
    used = fit_rows(faces, np.unique(faces.label[yale])[::2])
    padded, same, valid = held_out_pairs(faces, np.flatnonzero(yale & ~used))
    plain = unit_spaces(faces)
    spaces = {"": plain}
    if not config.quick:
        spaces[", centred"] = centre(plain, used)
    tar, against = {}, {}
    for suffix, space in spaces.items():
        rows = [x[padded] for x in space]

        def evaluate(maps, native=True, rows=rows) -> np.ndarray:
            scores = jfm.cross_scores(maps, rows, native=native)
            return np.asarray(jfm.table_tar(scores, same, fars, valid=valid).tar)

        for kind, maps in fit_maps(space, used, kinds, faces.names).items():
            tar[kind + suffix] = evaluate(maps)
        fitted = [np.asarray(x)[used] for x in space]
        found = controls(fitted, faces.names, config.seed, evaluate)
        against |= {name + suffix: table for name, table in found.items()}
    models = [known.get(name, Pedigree()) for name in faces.names]
    groups = trait_categories(models)
    rows = list(trait_tests(config, models, tar))
    report(groups, tar, rows)
    at = fars.index(1e-2)
    told = tell({name: table[..., at] for name, table in against.items()})
    console.print(f"Controls, mean TAR at FAR 0.01: {told}.\n")
    data = {
        "source": "bundled embeddings (jfacemap.data.load_faces), six real face models",
        "sha256": faces.digest,
        "fit": f"{used.sum()} images: ORL, every second person of Yale-B",
        "evaluate": "the other people of the mildly lit Yale-B",
        "pedigree": {name: str(each) for name, each in known.items()},
    }
    title = "Six bundled face networks, people the maps never saw"
    arrays = {f"{kind}/tar": x for kind, x in tar.items()}
    arrays |= {f"control/{name}": x for name, x in against.items()}
    arrays |= {f"category/{name}": which for name, which in groups.items()}
    return Results(
        arrays=arrays | {"names": np.array(faces.names), "fars": np.array(fars)},
        rows=rows,
        figures={"figure5": plot_categories(tar, groups, fars, title=title)},
        data=data,
    )


def trait_tests(config: Config, models, tar):
    """Each kind and trait that some but not all pairs share, at each FAR."""
    key = jax.random.key(config.seed)
    native = {kind: np.diagonal(each).T for kind, each in tar.items()}
    for trait, same in shared_traits(models).items():
        pairs = same[~np.eye(len(models), dtype=bool)]
        if pairs.all() or not pairs.any():
            continue
        for kind, each in tar.items():
            best = np.minimum(native[kind][:, None], native[kind][None])
            for what, values in (("TAR", each), ("less the lesser native", each - best)):
                for k, far in enumerate(fars):
                    test = jfm.qap_test(key, values[..., k], same)
                    yield {"trait": trait, "kind": kind, "of": what, "far": far,
                           "correlation": test.correlation, "p": test.p_greater,
                           "permutations": len(test.null),
                           "exact": test.exact}  # fmt: skip


def report(groups, tar, rows) -> None:
    style = {"title_justify": "left", "box": rich.box.SIMPLE_HEAD}
    table = Table(title="Mean TAR at FAR 0.01 by what two networks share", **style)
    table.add_column("shared (ordered pairs)")
    for kind in tar:
        table.add_column(kind, justify="right")
    for name, which in groups.items():
        means = (f"{each[which][:, 1].mean():.3f}" for each in tar.values())
        table.add_row(f"{name} ({which.sum()})", *means)
    console.print(table)
    table = Table(title="Does TAR go with it? Networks permuted, one-sided", **style)
    for name in ("trait", "map", "of", "FAR", "correlation", "p"):
        table.add_column(name)
    for row in rows:
        numbers = f"{row['far']:g}", f"{row['correlation']:.2f}", f"{row['p']:.3f}"
        table.add_row(row["trait"], row["kind"], row["of"], *numbers)
    console.print(table)
    console.print(
        "All orders of the networks are tried. Three of six share an architecture: no p "
        "can be below 1/20. Data and loss are known of one network at most, so that "
        "sharing them cannot be tested.\n"
    )


if __name__ == "__main__":
    launch("pedigree", Config, run, __doc__)
