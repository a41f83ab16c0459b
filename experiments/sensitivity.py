"""How many pairs of images a map needs (paper 000, section 4.2, Figures 3 and 6).

Fits linear maps and rotations between every two of six real face networks on random
subsets of the images, from 8 to all, and verifies people that are in no subset.
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
from jfacemap.plot.boxes import plot_subset_boxes

from .canonical_faces import centre, fit_rows, held_out_pairs, unit_spaces
from .canonical_faces_report import short
from .controls import controls, tell
from .harness import all_devices, console, launch, Results, watch


fars = 1e-1, 1e-2, 1e-3
kinds = "linear", "rotation"
published = (
    "paper 000, IJB-C: rotations are ahead below some 1,024 pairs, linear maps above"
)


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    repeats: int = 3
    """Subsets of each size."""
    keep: pathlib.Path | None = None
    """Folder to commit each subset to: killed and run again, it goes on from there."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/sensitivity-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: three sizes, one subset of each."""


def sizes_of(n: int, quick: bool) -> list[int]:
    """Powers of two from 8, and all n."""
    powers = [2**k for k in range(3, n.bit_length()) if 2**k < n]
    return [8, 128, n] if quick else [*powers, n]


def run(config: Config) -> Results:
    warnings.filterwarnings("ignore", message=".* rows do not determine")
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]
    people = np.unique(faces.label[faces.dataset == "yaleb"])
    used = fit_rows(faces, people[::2])
    padded, same, valid = held_out_pairs(
        faces, np.flatnonzero((faces.dataset == "yaleb") & ~used)
    )
    data = {
        "source": "bundled embeddings (jfacemap.data.load_faces), six real face models",
        "sha256": faces.digest,
        "fit": f"subsets of {used.sum()} images: ORL, every second person of Yale-B",
        "evaluate": "the other people of the mildly lit Yale-B, none of them fitted on",
    }
    console.print(f"[bold]Data.[/bold] Fitted on {data['fit']}; verified on "
                  f"{data['evaluate']}.\n")  # fmt: skip
    plain = unit_spaces(faces)
    sizes = sizes_of(int(used.sum()), config.quick)
    repeats = 1 if config.quick else config.repeats
    boxes, native, arrays = {}, {}, {"sizes": np.array(sizes), "fars": np.array(fars)}
    held_against = {}
    for suffix, spaces in (("", plain), (", centred", centre(plain, used))):
        rows = [x[padded] for x in spaces]

        def evaluate(maps, native=True, rows=rows):
            scores = jfm.cross_scores(maps, rows, native=native)
            return np.asarray(jfm.table_tar(scores, same, fars, valid=valid).tar)

        fitted = [np.asarray(x)[used] for x in spaces]
        against = controls(fitted, faces.names, config.seed, evaluate)
        held_against |= {name + suffix: tar for name, tar in against.items()}
        with watch(f"subsets{suffix}") as progress:
            swept = jfm.sweep_subsets(
                jax.random.key(config.seed),
                fitted,
                sizes,
                repeats,
                kinds,
                evaluate=evaluate,
                names=faces.names,
                progress=progress,
                mesh=all_devices(),
                keep=config.keep and config.keep / (suffix[2:] or "plain"),
            )
        for kind in kinds:
            boxes[kind + suffix] = swept.boxes(kind)
            arrays[kind + suffix] = swept.values[kind]
        diagonal = np.diagonal(swept.values["linear"][-1, 0])
        native["native" + suffix] = diagonal.mean(axis=1)
    report(boxes, native, sizes, repeats)
    at = fars.index(1e-2)
    told = tell({name: tar[..., at] for name, tar in held_against.items()})
    console.print(f"Controls, fitted on all {sizes[-1]} images, mean TAR at FAR 0.01: "
                  f"{told}.\n")  # fmt: skip
    rows = list(gather_rows(arrays, faces.names))
    arrays |= {f"control/{name}": tar for name, tar in held_against.items()}
    figure = lambda suffix: plot_subset_boxes(
        {kind: boxes[kind + suffix] for kind in kinds},
        sizes,
        fars,
        native=native["native" + suffix],
        title=f"Bundled faces{suffix}: 30 pairs of models a box, mean of {repeats} subsets",
    )
    return Results(
        arrays=arrays,
        rows=rows,
        figures={"figure3": figure(""), "figure3_centred": figure(", centred")},
        data=data,
        config=dataclasses.replace(config, repeats=repeats),
    )


def report(boxes, native, sizes, repeats: int) -> None:
    """Median over the pairs of models and what 95 % of them have, by size, at FAR 1e-2."""
    at = fars.index(1e-2)
    table = Table(title="Median TAR at FAR 0.01 over 30 pairs of models",
                  title_justify="left", box=rich.box.SIMPLE_HEAD)  # fmt: skip
    table.add_column("pairs fitted on", justify="right")
    for kind in boxes:
        table.add_column(kind, justify="right")
    for i, size in enumerate(sizes):
        table.add_row(str(size), *(median_of(each[i, :, at]) for each in boxes.values()))
    console.print(table)
    ahead = [
        size
        for i, size in enumerate(sizes)
        if np.median(boxes["linear"][i, :, at]) > np.median(boxes["rotation"][i, :, at])
    ]
    where = f"at {', '.join(map(str, ahead))} pairs" if ahead else "at no size"
    console.print(
        "Brackets: 95 % of the pairs. "
        f"Mean native TAR: {native['native'][at]:.3f}; centred "
        f"{native['native, centred'][at]:.3f}. Each pair is the mean of {repeats} subsets. "
        f"By the median linear maps are ahead {where}. Published ({published}): other "
        "models and images.\n"
    )


def median_of(values) -> str:
    """The median, and the range of 95 % of the values."""
    middle, low, high = (short(np.quantile(values, q)) for q in (0.5, 0.025, 0.975))
    return f"{middle} \\[{low} {high}]"


def gather_rows(arrays, names):
    for kind in (k for k in arrays if k not in ("sizes", "fars")):
        for i, j, a, b, k in np.ndindex(arrays[kind].shape):
            yield {
                "kind": kind,
                "pairs": int(arrays["sizes"][i]),
                "subset": j,
                "source": names[a],
                "target": names[b],
                "far": fars[k],
                "tar": arrays[kind][i, j, a, b, k],
            }


if __name__ == "__main__":
    launch("sensitivity", Config, run, __doc__)
