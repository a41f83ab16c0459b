"""Tables and figures of `mnist_invariance`."""

import numpy as np
import rich.box
from rich.table import Table

from jfacemap.network import angles, layers
from jfacemap.plot import digits as plot
from jfacemap.study.rotated_digits import ways as ways_by_features

from .harness import console
from .mnist_invariance_examine import of_last


published = {
    ("LeNet", "softmax"): 98.98,
    ("LeNet", "MAV"): 89.90,
    ("LeNet", "per-angle MAV"): 95.44,
    ("mu-LeNet", "MAV"): 97.18,
    ("PAIR-LeNet", "softmax"): 99.02,
    ("PAIR-LeNet", "MAV"): 94.21,
    ("PAIR-LeNet", "label-and-angle MAV"): 94.21,
}
"""Accuracies in % of paper 001, section 4; PAIR's MAVs are described in two ways."""

ways = "softmax", of_last, *ways_by_features


def report(found, opened, steps) -> None:
    console.print(_accuracies(found, steps))
    console.print(_angles(found))
    console.print(_why(found))
    console.print(_depth(found))
    console.print(_features(found))
    console.print(_open(opened))


def with_spread(values, digits=2) -> str:
    """Mean and standard deviation over seeds."""
    values = np.asarray(values, float)
    if values.size < 2:
        return f"{values.mean():.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1):.{digits}f}"


def _table(title, *columns) -> Table:
    table = Table(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i else "left")
    return table


def _accuracies(found, steps) -> Table:
    names = list(found)
    table = _table(
        "Accuracy on rotated test digits, %: mean ± sd over seeds (published, paper 001)",
        "",
        *(f"{name}\n{steps[name]:,} minibatches" for name in names),
    )
    for way in ways:
        cells = []
        for name in names:
            if way not in found[name][0].missed:
                cells.append("")
                continue
            value = with_spread([100 * (1 - f.missed[way]) for f in found[name]])
            known = published.get((name, way))
            cells.append(value + (f" ({known:.2f})" if known else ""))
        table.add_row(way, *cells)
    return table


def _angles(found) -> Table:
    table = _table(
        "Angle read by the true class's regressor: mean, deviation (published: some 15)",
        "angle",
        *found,
    )
    for i, degree in enumerate(angles):
        cells = [
            f"{with_spread([f.verdict.angle_mean['true class'][i] for f in fs], 1)}, "
            f"{with_spread([f.verdict.angle_std['true class'][i] for f in fs], 1)}"
            for fs in found.values()
        ]
        table.add_row(f"{degree}", *cells)
    for reader in ("true class", "predicted class"):
        cells = [
            with_spread([f.verdict.angle_std[reader].mean() for f in fs], 1)
            for fs in found.values()
        ]
        table.add_row(f"deviation, {reader}", *cells)
    return table


def _why(found) -> Table:
    first = next(iter(found.values()))
    table = _table("LeNet: deviation of the angle read in other ways", "", "degrees")
    for way in first[0].why:
        table.add_row(way, with_spread([f.why[way] for f in first if f.why], 1))
    return table


def _depth(found) -> Table:
    table = _table(
        "Layer by layer, linearly: R2 of the angle; digits missed, %; variance by the "
        "angle within digits, %",
        "layer",
        *found,
    )
    for layer in layers:
        cells = []
        for fs in found.values():
            if layer not in fs[0].layers:
                cells.append("")
                continue
            r = [f.layers[layer] for f in fs]
            cells.append(
                f"{with_spread([x.angle_r2 for x in r])}; "
                f"{with_spread([100 * x.digit_error for x in r], 1)}; "
                f"{with_spread([100 * x.by_angle for x in r], 1)}"
            )
        table.add_row(layer, *cells)
    return table


def _features(found) -> Table:
    table = _table(
        "Features ip1 of test digits",
        "",
        "dead of 500",
        "zeros, %",
        "variance on 9 axes, %",
        "10 axes, %",
        "largest mean of a class",
    )
    for name, fs in found.items():
        share = [np.cumsum(f.scree**2) / np.sum(f.scree**2) for f in fs]
        table.add_row(
            name,
            with_spread([f.dead for f in fs], 0),
            with_spread([100 * f.sparsity for f in fs], 1),
            with_spread([100 * s[8] for s in share], 1),
            with_spread([100 * s[9] for s in share], 1),
            with_spread([np.nanmax(f.statistics.class_mavs) for f in fs]),
        )
    return table


def _open(opened) -> Table:
    table = _table(
        "Three digits never trained on, by MAVs of their training images: accuracy, % "
        "(chance 33)",
        "trained on seven digits",
        "mean ± sd over seeds, each with three other digits held out",
        "each",
    )
    for name, error in opened.items():
        each = ", ".join(f"{100 * (1 - e):.2f}" for e in error)
        table.add_row(name, with_spread(100 * (1 - error)), each)
    return table


def gather_rows(found, opened):
    """One line of the csv a number."""
    row = lambda net, seed, what, where, value, known="": {
        "network": net, "seed": seed, "what": what, "where": where, "value": value,
        "published": known,
    }  # fmt: skip
    for net, fs in found.items():
        for seed, f in enumerate(fs):
            for way, error in f.missed.items():
                known = str(published.get((net, way), ""))
                yield row(net, seed, "accuracy", way, 100 * (1 - error), known)
                for digit, e in enumerate(f.verdict.errors.get(way, ())):
                    yield row(net, seed, f"error of {digit}", way, 100 * e)
            for reader in f.verdict.angle_std:
                for i, degree in enumerate(angles):
                    moments = f.verdict.angle_mean[reader], f.verdict.angle_std[reader]
                    yield row(net, seed, f"angle mean, {reader}", degree, moments[0][i])
                    yield row(net, seed, f"angle sd, {reader}", degree, moments[1][i])
            for way, value in f.why.items():
                yield row(net, seed, "angle sd", way, value)
            for layer, r in f.layers.items():
                for what in ("angle_r2", "angle_error", "digit_error", "by_angle"):
                    yield row(net, seed, what, layer, getattr(r, what))
    for net, errors in opened.items():
        for seed, e in enumerate(errors):
            yield row(f"open {net}", seed, "accuracy", "MAV", 100 * (1 - e))


def gather_arrays(found, opened, pictures, steps) -> dict[str, np.ndarray]:
    arrays = {f"open/{name}": e for name, e in opened.items()}
    for net, fs in found.items():
        arrays[f"{net}/minibatches"] = np.array(steps[net])
        arrays[f"{net}/scree"] = np.stack([f.scree for f in fs])
        for way in fs[0].missed:
            arrays[f"{net}/missed/{way}"] = np.array([f.missed[way] for f in fs])
        for way in fs[0].verdict.errors:
            arrays[f"{net}/error/{way}"] = np.stack([f.verdict.errors[way] for f in fs])
        for reader in fs[0].verdict.angle_std:
            both = [(f.verdict.angle_mean[reader], f.verdict.angle_std[reader]) for f in fs]
            arrays[f"{net}/angle/{reader}"] = np.array(both)
        arrays |= {f"{net}/{k}": v for k, v in pictures[net].items()}
    return arrays


def depth_of(f, layer, what) -> float:
    """A reading of one layer; NaN for mu-LeNet's softmax, which is never trained."""
    return getattr(f.layers[layer], what) if layer in f.layers else np.nan


def draw(found, opened, pictures):
    """Figures 3, 4, 6, 7 and 8, and one of each open question."""
    chapter = {n: fs for n, fs in found.items() if n != "class-wise LeNet"}
    every = lambda take, nets: {
        n: np.stack([take(f) for f in fs]) for n, fs in nets.items()
    }
    reading = lambda f: np.stack(
        [f.verdict.angle_mean["true class"], f.verdict.angle_std["true class"]]
    )
    bars = {
        f"{net}, {way}": np.stack([100 * f.verdict.errors[way] for f in found[net]])
        for net, way in (
            ("LeNet", "MAV"),
            ("LeNet", "per-angle MAV"),
            ("mu-LeNet", "MAV"),
            ("PAIR-LeNet", "MAV"),
            ("LeNet", "softmax"),
            ("PAIR-LeNet", "softmax"),
        )
    }
    heat = {n: (pictures[n]["heat"], pictures[n]["label"]) for n in chapter}
    blocks = {
        n: (p["heat"][p["order"]], p["label"], p["cluster"][p["order"]])
        for n, p in pictures.items()
        if n in chapter
    }
    pairwise = {n: found[n] for n in ("LeNet", "PAIR-LeNet", "class-wise LeNet")}
    return {
        "figure3_angles": plot.plot_angles(every(reading, chapter), angles),
        "figure4_errors": plot.plot_digit_errors(bars),
        "figure6_scree": plot.plot_scree(every(lambda f: f.scree, chapter)),
        "figure7_heat": plot.plot_heat(heat),
        "figure8_blocks": plot.plot_heat(blocks),
        "class_wise": plot.plot_class_wise(
            {
                n: {
                    "softmax error, %": [100 * f.verdict.error["softmax"] for f in fs],
                    "MAV error, %": [100 * f.verdict.error["MAV"] for f in fs],
                    "angle sd, degrees": [
                        f.verdict.angle_std["true class"].mean() for f in fs
                    ],
                    "variance by angle, %": [100 * f.layers["ip1"].by_angle for f in fs],
                }
                for n, fs in pairwise.items()
            }
        ),
        "depth": plot.plot_depth(
            {
                n: {
                    what: np.array([[depth_of(f, k, what) for k in layers] for f in fs])
                    for what in ("angle_r2", "by_angle", "digit_error")
                }
                for n, fs in found.items()
            },
            layers,
        ),
        "open_set": plot.plot_class_wise(
            {n: {"error on unseen digits, %": 100 * e} for n, e in opened.items()}
        ),
    }
