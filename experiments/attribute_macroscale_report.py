"""Tables of `attribute_macroscale`, the published ones beside them."""

import numpy as np
import rich.box
from rich.table import Table

from jfacemap.attribute.dimension import published as published_dimension

from .harness import console


published = {
    "FaceNet": (-0.3687, -0.5448, -0.4518, -0.6493, -0.1773, -0.4193),
    "ArcFace R50": (-0.3396, -0.5270, -0.3583, -0.5561, -0.3265, -0.5321),
    "SphereFaceR": (-0.3208, -0.5214, -0.4034, -0.6069, -0.2886, -0.5287),
    "ArcFace R18": (-0.4028, -0.5897, -0.4274, -0.6191, -0.3283, -0.5432),
    "AdaFace R18": (-0.5006, -0.6236, -0.5109, -0.6565, -0.2583, -0.4818),
}
"""Paper 003, CelebA (1,965 people, 40 attributes): max, mean and count-weighted statistics,
each with inter- and with intra-entropy."""

published_p = {
    "FaceNet": (0.0192, 2.8e-4, 0.0034, 6e-6, 0.274, 0.0071),
    "ArcFace R50": (0.032, 4.8e-4, 0.0232, 2.0e-4, 0.0398, 4.1e-4),
    "SphereFaceR": (0.0435, 5.6e-4, 0.0099, 3.3e-5, 0.071, 4.5e-4),
    "ArcFace R18": (0.0100, 6.2e-5, 0.0059, 2.1e-5, 0.0386, 2.9e-4),
    "AdaFace R18": (0.001, 1.7e-5, 7.6e-4, 4e-6, 0.107, 0.0016),
}
"""Their p, asymptotic."""

columns = [f"{g}, {e}" for g in ("max", "mean", "weighted") for e in ("inter", "intra")]


def report(
    sample, found, tables, classes, spectra, overlap, power, entropies, adjusted, dimension
):
    _attributes(sample, found, entropies, power, adjusted)
    _correlations(tables)
    table = _new("Distances within and between identities", "model")
    for name in (
        "within",
        "between",
        "ratio",
        "Bayes overlap",
        "dimension",
        "of one",
        "90 %",
    ):
        table.add_column(name, justify="right")
    for name, each in classes.items():
        values = each.mean_within, each.mean_between, each.ratio, overlap[name]
        tree = dimension[name]
        tree = "-" if np.isnan(tree.mean) else f"{tree.mean:.1f} ± {tree.deviation:.1f}"
        own = np.nanmean(np.asarray(spectra[name].dimension))
        most = spectra[name].components(0.9).mean()
        numbers = (f"{float(v):.3f}" for v in values)
        table.add_row(name, *numbers, tree, f"{own:.1f}", f"{most:.1f}")
    console.print(table)
    told = ", ".join(f"{m} {a} ± {b}" for m, (a, b) in published_dimension.items())
    console.print(
        "Published (paper 003, Table 1, LFW): the ratio is 2 or more for all five models. "
        "dimension: of identities' centroids by persistent homology, ± sd over subsets; "
        f"published (its code, thousands of people): {told}. It is low where there are few "
        "points, or none (-). of one: directions that unit rows of one identity spread "
        "along (participation ratio), and how many principal components hold 90 % of it; "
        "means over people, at most one less than the images of each.\n"
    )
    if sample.few:
        _limits(sample, found)


def _new(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    table.add_column(first, no_wrap=True)
    return table


def _attributes(sample, found, entropies, power, adjusted) -> None:
    title = "Of each attribute, means and counts over models"
    table = _new(title, "attribute")
    for name in ("intra", "inter", "KS", "p < .001", "p < .05", "max-T, BH", "balanced"):
        table.add_column(name, justify="right")
    each = list(found.values())
    ks = np.mean([f.median_largest for f in each], axis=0)
    naive = np.sum([f.log_p.min(axis=1) < np.log(0.001) for f in each], axis=0)
    honest = np.sum([f.permutation_p < 0.05 for f in each], axis=0)
    balanced = np.mean([p.balanced for p in power.values()], axis=0)
    for a in np.argsort(-np.nan_to_num(ks)):
        table.add_row(
            sample.names[a],
            *(f"{entropies[e][a]:.3f}" for e in ("intra-entropy", "inter-entropy")),
            f"{ks[a]:.3f}",
            f"{naive[a]}/{len(each)}",
            f"{honest[a]}/{len(each)}",
            f"{np.sum(adjusted[:, a] < 0.05)}/{len(each)}",
            f"{balanced[a]:.2f}",
        )
    console.print(table)
    console.print(
        "KS: the larger of both values', median over draws. p < .001 is asymptotic, as "
        "published (there for a large majority of 40 attributes), and takes distances that "
        "share images for independent; p < .05 by relabelling, for itself; max-T, BH: "
        "below .05 once adjusted for all attributes of a model, then for the models. "
        "balanced: accuracy of a plane on people not fitted on.\n"
    )


def _correlations(tables) -> None:
    table = _new("Spearman's rho of KS statistics with entropies (95 %)", "model")
    for name in columns:
        table.add_column(name, justify="right")
    for name, each in tables.items():
        low, high = each.interval()
        cells = [
            f"{each.rho[g, e]:.2f} [{low[g, e]:.2f} {high[g, e]:.2f}]"
            for g in range(3)
            for e in range(2)
        ]
        table.add_row(name, *(c.replace("0.", ".") for c in cells))
    for name, row in published.items():
        table.add_row(f"{name} *", *(f"{v:.2f}".replace("0.", ".") for v in row))
    console.print(table)
    table = _new("The same: p, asymptotic, attributes taken to be independent", "model")
    for name in columns:
        table.add_column(name, justify="right")
    for name, each in tables.items():
        table.add_row(name, *(f"{p:.2g}" for p in each.p[:3].ravel()))
    for name, row in published_p.items():
        table.add_row(f"{name} *", *(f"{p:.2g}" for p in row))
    console.print(table)
    console.print(
        "* published: paper 003, CelebA. Intervals resample people; they do not resample "
        "attributes, of which there are few and which go together.\n"
    )


def _limits(sample, found) -> None:
    sizes = np.concatenate([f.size for f in found.values()])
    people = len(np.unique(sample.identity))
    console.print(
        f"What {people} people can show: clouds have {sizes.min()} to {sizes.max()} people "
        f"(paper: up to 500), and {len(sample.names)} attributes that nobody labelled, so "
        "that a rank correlation must pass about .5 in size to differ from 0 at all. That "
        "attributes shape these spaces can be tested, one by one; whether intra-entropy or "
        "inter-entropy tells how much, or that no attribute does, cannot.\n"
    )
