"""Maps between real face models, verified across models (paper 000, sections 3 and 4).

Fits identity, linear, affine and rotation maps between every two of six face networks on
the bundled real embeddings, and compares mapped with native embeddings of people the maps
never saw: true accept rate (TAR) at fixed false accept rates (FAR).
"""

import concurrent.futures
import dataclasses
import itertools
import pathlib
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import rich.box
import tyro
from rich.progress import track
from rich.table import Table

import jfacemap as jfm
from jfacemap.plot.grid import plot_tar_grid

from .harness import console, launch, Results


fars = 1e-1, 1e-2, 1e-3
kinds = "identity", "linear", "affine", "rotation"
fitted = "linear", "rotation"
padded_images = 660
controls = "linear, random pairing", "rotation, random pairing", "self-map"
centred_rotation = "rotation, centred"
style: dict[str, Any] = {"title_justify": "left", "box": rich.box.SIMPLE_HEAD}
published = {"native": ".9652", "identity": "= FAR", "linear": ".95", "rotation": ".91"}
"""Paper 000, means on IJB-C at FAR 1e-2: native from Table 2, maps from the abstract."""


@dataclasses.dataclass(frozen=True)
class Config:
    """Flags."""

    seed: int = 0
    replicates: int = 2000
    """Draws of the identity bootstrap."""
    halves: int = 20
    """Random identity halves."""
    out: pathlib.Path | None = None
    """Run folder; by default runs/canonical_faces-<date>."""
    quick: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """A smoke run: 100 draws, 2 halves."""


def fit_rows(faces: jfm.data.Faces, identities: np.ndarray) -> np.ndarray:
    """The rows maps are fitted on: all of ORL, and some Yale-B people."""
    return (faces.dataset == "orl") | np.isin(faces.label, identities)


def unit_spaces(faces) -> list[jax.Array]:
    """Unit rows of each model."""
    return [jfm.unit(jnp.asarray(x)) for x in faces.embeddings.values()]


def centre(spaces: list[jax.Array], used: np.ndarray) -> list[jax.Array]:
    """Rows about the mean of the fit rows, unit again."""
    weights = jnp.asarray(used, jnp.float32)
    return [jfm.unit(jfm.fit_standardize(x, weights=weights)(x)) for x in spaces]


def fit_maps(spaces, used: np.ndarray, kinds, names) -> dict[str, jfm.PairMaps]:
    """The N x N maps of each kind, from one pass over the rows used."""
    joint = jfm.joint_moments(spaces, jnp.asarray(used, jnp.float32), names=names)
    fit = lambda kind: jfm.fit_all_pairs(joint, kind)
    return dict(zip(kinds, both_cores(fit, kinds), strict=True))


def split_halves(config: Config, faces) -> list[np.ndarray]:
    """Random halves of the Yale-B people to fit on."""
    people = np.unique(faces.label[faces.dataset == "yaleb"])
    rng = np.random.default_rng(config.seed)
    return [rng.permutation(people)[: len(people) // 2] for _ in range(config.halves)]


def held_out_pairs(faces, rows: np.ndarray):
    """Rows padded to one length, so that all splits share one compiled program.

    Returns them, which pairs of them are genuine, and which count: not the padding, nor
    an image with itself.
    """
    size = padded_images * -(-len(rows) // padded_images)
    padded, real = np.resize(rows, size), np.arange(size) < len(rows)
    same, valid = map(np.asarray, jfm.label_pairs(faces.label[padded]))
    return padded, same, valid & real[:, None] & real[None]


def evaluate(config: Config, label, same, valid, tables: dict) -> dict:
    """TAR of every table of scores, with identity-bootstrap intervals and bands.

    All tables see the same draws of people.
    """
    key = jax.random.key(config.seed)
    pairs = jfm.identity_pairs(label[:, None], label[None], valid=valid)

    def verify(kind):
        tar = jfm.table_tar(tables[kind], same, fars, valid=valid)
        if kind in controls:
            return tar, None, None
        scores, draws = tables[kind], config.replicates
        spread = jfm.tar_confidence(key, scores, pairs, fars, replicates=draws)
        return tar, spread, jfm.simultaneous_band(spread.tar, spread.replicates)

    return dict(zip(tables, both_cores(verify, tables, "verifying"), strict=True))


def both_cores(f, items, label: str | None = None) -> list:
    """`f` of each item, two at a time: decompositions and compilation use one core."""
    items = list(items)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = pool.map(f, items)
        if label is None:
            return list(done)
        return list(track(done, label, len(items), console=console, transient=True))


def mean_of(tar, diagonal: bool = False) -> Any:
    """Mean over the diagonal, or off it, of `(..., source, target, far)`."""
    tar = np.asarray(tar)
    n = tar.shape[-2]
    return tar[..., np.eye(n, dtype=bool) == diagonal, :].mean(axis=-2)


def over_halves(config: Config, faces) -> dict[str, np.ndarray]:
    """Mean TAR `(half,)` at FAR 1e-2 of each kind, refitted on random identity halves."""
    yale, plain = faces.dataset == "yaleb", unit_spaces(faces)
    halves = [fit_rows(faces, people) for people in split_halves(config, faces)]

    def verify_half(used):
        padded, same, valid = held_out_pairs(faces, np.flatnonzero(yale & ~used))
        means = {}
        for suffix, spaces in (("", plain), (", centred", centre(plain, used))):
            held_out = [x[padded] for x in spaces]
            families = fitted[1:] if suffix else fitted
            for kind, maps in fit_maps(spaces, used, families, faces.names).items():
                scores = jfm.cross_scores(maps, held_out)
                tar = jfm.table_tar(scores, same, fars[1:2], valid=valid).tar
                means[kind + suffix] = mean_of(tar)[0]
                means["native" + suffix] = mean_of(tar, diagonal=True)[0]
        return means

    means = both_cores(verify_half, halves, "random identity halves")
    return {name: np.array([m[name] for m in means]) for name in means[0]}


def run(config: Config) -> Results:
    if config.quick:
        config = dataclasses.replace(config, replicates=100, halves=2)
    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]  # it may overlap the networks' training data
    people = np.unique(faces.label[faces.dataset == "yaleb"])
    used = fit_rows(faces, people[::2])
    held_out = (faces.dataset == "yaleb") & ~used
    data = describe(faces, used, held_out)
    console.print(f"[bold]Data.[/bold] {data['fit']}\n      {data['evaluate']}\n")

    plain = unit_spaces(faces)
    centred = centre(plain, used)
    shuffled = shuffle_within(config.seed, plain, used)
    padded, same, valid = held_out_pairs(faces, np.flatnonzero(held_out))
    rows = [x[padded] for x in plain]
    maps = fit_maps(plain, used, kinds, faces.names)
    tables = {kind: jfm.cross_scores(m, rows) for kind, m in maps.items()}
    for kind, m in fit_maps(centred, used, fitted, faces.names).items():
        tables[f"{kind}, centred"] = jfm.cross_scores(m, [x[padded] for x in centred])
    for kind, m in fit_maps(shuffled, used, fitted, faces.names).items():
        tables[f"{kind}, random pairing"] = jfm.cross_scores(m, rows)
    tables["self-map"] = jfm.cross_scores(maps["linear"], rows, native=False)

    results = evaluate(config, faces.label[padded], same, valid, tables)
    halves = over_halves(config, faces)
    order = np.argsort(-np.diagonal(results["linear"][0].tar).mean(axis=0))
    report(faces, results, order)
    summarise(results, halves, config)
    teach(faces, plain, used, results)
    return Results(
        arrays=gather_arrays(results, halves, faces),
        rows=list(gather_rows(results, faces)),
        figures=draw(results, faces, order, held_out),
        data=data,
    )


def shuffle_within(seed: int, spaces, used: np.ndarray) -> list[jax.Array]:
    """The rows used, each model's in an order of its own: pairs of nothing."""
    rng, places = np.random.default_rng(seed), np.flatnonzero(used)
    return [x.at[places].set(x[rng.permutation(places)]) for x in spaces]


def describe(faces, used, held_out) -> dict[str, str]:
    count = lambda rows: (
        f"{rows.sum()} images of {len(np.unique(faces.label[rows]))} people"
    )
    orl = faces.dataset == "orl"
    return {
        "source": "bundled embeddings (jfacemap.data.load_faces), six real face models",
        "fit": f"Fitted on {count(used)}: ORL ({count(orl)}) and every second person of "
        f"the mildly lit Extended Yale-B ({count(used & ~orl)}).",
        "evaluate": f"Verified on {count(held_out)} of Yale-B, none of them fitted on; all "
        "ordered pairs of images, strict rule.",
        "models": ", ".join(
            f"{m} ({d})" for m, d in zip(faces.names, faces.dims, strict=True)
        ),
    }


def report(faces, results, order) -> None:
    """TAR tables, best native model first."""
    for kind, (k, far) in itertools.product(kinds, enumerate(fars)):
        tar, _, band = results[kind]
        half = np.nanmedian(band.upper[:, :, k] - band.lower[:, :, k]) / 2
        table = Table(title=f"{kind}: TAR at FAR {far:g}, ± {half:.3f}", **style)
        table.add_column("source \\ target", no_wrap=True)
        for j in order:
            table.add_column(faces.names[j], justify="right", overflow="fold", width=11)
        for i in order:
            cells = [f"{tar.tar[i, j, k]:.3f}" for j in order]
            cells[list(order).index(i)] = f"[bold]{tar.tar[i, i, k]:.3f}[/bold]"
            table.add_row(faces.names[i], *cells)
        console.print(table)
    console.print(
        "Rows source, columns target, [bold]diagonal[/bold] native. ±: median half-width "
        "of the 95 % band that holds for all cells of a kind at once.\n"
    )


def summarise(results, halves, config: Config) -> None:
    """Mean TAR per kind, its interval, the spread over refits, and the published mean."""
    table = Table(title="Mean TAR on people the maps never saw", **style)
    table.add_column("map", no_wrap=True)
    for far in fars:
        table.add_column(f"FAR {far:g}", no_wrap=True)
    table.add_column("refits", no_wrap=True)
    table.add_column("published")
    for name, values, ends in mean_rows(results):
        cells = [short(v) for v in values]
        if ends is not None:
            ranges = [f" \\[{short(a)} {short(b)}]" for a, b in ends]
            cells = [c + r for c, r in zip(cells, ranges, strict=True)]
        refits, spread = halves.get(name), ""
        if refits is not None:
            spread = f"{short(refits.mean())} ± {short(refits.std(ddof=1))}"
        table.add_row(name, *cells, spread, published.get(name, ""))
    console.print(table)
    console.print(
        "Maps: mean over ordered pairs of models; native: over the models.\n"
        f"\\[95 % interval]: {config.replicates} bootstrap draws of the people verified, "
        "maps as given.\n"
        f"Refits: mean ± sd at FAR 0.01 over {config.halves} random halves of the people.\n"
        "Controls: random pairing (rows shuffled), self-map (each model mapped to itself), "
        "identity (no map).\n"
        "Published: paper 000 at FAR 0.01, ten other models, IJB-C images: not the same "
        "data.\n"
    )


def short(rate: float) -> str:
    return f"{rate:.3f}".lstrip("0")


def mean_rows(results):
    """Name, mean TAR and its interval at each FAR, of each row of the summary."""
    native = {"native": "linear", "native, centred": "linear, centred"}
    for name in (*native, *results):
        tar, spread, _ = results[native.get(name, name)]
        diagonal = name in native or name == "self-map"
        ends = None
        if spread is not None:
            draws = mean_of(spread.replicates, diagonal)
            ends = np.nanquantile(draws, [0.025, 0.975], axis=0).T
        yield name, mean_of(tar.tar, diagonal), ends


def teach(faces, spaces, used, results) -> None:
    """One line each on what the faceres row and the centring show."""
    row = faces.names.index("faceres")
    others = np.arange(len(faces.names)) != row
    rank = np.linalg.matrix_rank(np.asarray(spaces[row], np.float64)[used])
    linear, rotation = (results[k][0].tar[row, others, 1].mean() for k in fitted)
    console.print(
        f"[bold]faceres.[/bold] {used.sum()} rows, rank {rank}, for {faces.dims[row]} "
        "dimensions: least squares fits them exactly and learns nothing, mean TAR of its "
        f"row {linear:.3f}; the rotation, with fewer freedoms, keeps {rotation:.3f}."
    )
    before, after = (mean_of(results[k][0].tar)[1] for k in (fitted[1], centred_rotation))
    console.print(
        "[bold]Centring.[/bold] Subtracting each model's mean over the fit rows, on both "
        f"sides, lifts rotations from {before:.3f} to {after:.3f}: a turn about the "
        "origin cannot move the mean."
    )


def intervals(spread, band, shape) -> dict[str, np.ndarray]:
    """Percentile intervals and simultaneous bands; NaN for a control, which has none."""
    ends = [np.full(shape, np.nan)] * 4
    if spread is not None:
        ends = [spread.lower, spread.upper, band.lower, band.upper]
    return dict(zip(("lower", "upper", "band_lower", "band_upper"), ends, strict=True))


def gather_arrays(results, halves, faces) -> dict[str, np.ndarray]:
    arrays = {"names": np.array(faces.names), "fars": np.array(fars)}
    for kind, (tar, spread, band) in results.items():
        rates = {"tar": tar.tar, "achieved_far": tar.far, "threshold": tar.threshold}
        rates |= intervals(spread, band, tar.tar.shape)
        arrays |= {f"{kind}/{name}": np.asarray(x) for name, x in rates.items()}
    return arrays | {f"halves/{name}": values for name, values in halves.items()}


def gather_rows(results, faces):
    for kind, (tar, spread, band) in results.items():
        extra = intervals(spread, band, tar.tar.shape)
        for i, j, k in np.ndindex(tar.tar.shape):
            yield {
                "kind": kind,
                "source": faces.names[i],
                "target": faces.names[j],
                "far": fars[k],
                "tar": tar.tar[i, j, k],
                "achieved_far": tar.far[i, j, k],
                "threshold": float(tar.threshold[i, j, k]),
                "genuine": int(tar.n_genuine[i, j]),
                "impostor": int(tar.n_impostor[i, j]),
            } | {name: x[i, j, k] for name, x in extra.items()}


def draw(results, faces, order, held_out) -> dict:
    names = [faces.names[i] for i in order]
    grids = {kind: results[kind][0].tar[np.ix_(order, order)] for kind in results}
    where = f"{held_out.sum()} held-out Extended Yale-B images; bold diagonal: native"
    pick = lambda *kinds: {kind: grids[kind] for kind in kinds}
    return {
        "figure2": plot_tar_grid(pick(*fitted), names, fars, title=where),
        "figure4": plot_tar_grid(
            pick("linear", "affine", "rotation", centred_rotation, "identity"),
            names,
            fars,
            title=where,
        ),
    }


if __name__ == "__main__":
    launch("canonical_faces", Config, run, __doc__)
