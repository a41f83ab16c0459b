"""A lattice that anyone can make: real images, edits, any network, the published format."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Key

from ..data.arrays import InputError, new_file
from ..data.image_edits import Edit
from ..data.lattice import Lattice, write_lattice
from ..data.preprocess import Preprocess
from .embed_network import digest
from .image_model import ImageModel
from .kept import file_name
from .lattice_images import colour, embed_edited, LatticePlan, plan_lattice


class LatticeFolder:
    """A folder with a lattice: `curves`, the `plan` of it, and `files` by person."""

    def __init__(self, curves: Lattice, plan: LatticePlan, files: Mapping[str, Path]):
        self.curves, self.plan, self.files = curves, plan, dict(files)


def make_lattice(
    key: Key[jax.Array, ""],
    images: np.ndarray,
    identity,
    model: Callable[..., Any],
    edits: Mapping[str, Edit],
    folder: str | Path,
    *,
    preprocess: str | Preprocess = "arcface",
    images_each: int | None = None,
    settings: int = 3,
    batch_size: int = 32,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> LatticeFolder:
    """Embed edited images of each identity and write them as paper 003's lattices are.

    ```
    f = jfm.onnx2jax.load("arcface.onnx")
    made = jfm.make_lattice(key, images, who, f, jfm.data.edits, "lattice")
    ```

    In the folder: `df_param_step.csv`, which `jfm.data.read_lattice` reads, an array
    `PERSON.npy (N, d)` of each identity, and `amounts.npz` with what was done to each row.

    **Arguments:**

    - `images`: (n, h, w[, 3]) of numbers from 0 to 255; `identity (n,)`: who they show.
    - `model`: an `OnnxFunction`, or a function of a batch in the layout of `preprocess`.
    - `edits`: as `jfm.data.edits`, or some of them, or your own.
    - `images_each`, `settings`: as in `plan_lattice`: base points of an identity are their
      product, its rows that times 1 + 2 edits.
    - `progress`: called with the number of identities done, and of all.

    Called again it goes on after an interruption. Raises `InputError` if the folder holds
    a lattice that was made in another way, or two people's files had one name.
    """
    images = colour(np.asarray(images))
    if len(images) != len(np.asarray(identity)):
        raise ValueError(f"{len(images)} images, {len(np.asarray(identity))} identities.")
    plan = plan_lattice(key, identity, edits, images=images_each, settings=settings)
    network = ImageModel(model, preprocess)
    folder = Path(folder)
    files = _files(folder, plan.people)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, plan, network, model, images)
    embed = embed_edited(network, edits)
    which, amounts = plan.nodes()
    for i, person in enumerate(plan.people):
        if not files[person].exists():
            own = images[plan.rows[i]]
            rows = [
                _batch(embed, own, which[s : s + batch_size], amounts[s : s + batch_size],
                       batch_size)
                for s in range(0, len(which), batch_size)
            ]  # fmt: skip
            with new_file(files[person]) as temporary, temporary.open("wb") as file:
                np.save(file, np.concatenate(rows))
        progress(i + 1, len(plan.people))
    write_lattice(plan.lattice, folder / "df_param_step.csv")
    with new_file(folder / "amounts.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, names=np.array(plan.names), amounts=amounts, image=which,
                 rows=plan.rows, people=np.array(plan.people))  # fmt: skip
    return LatticeFolder(plan.lattice, plan, files)


def _batch(embed, images, which, amounts, size: int) -> np.ndarray:
    fill = size - len(which)
    which = np.pad(which, (0, fill), mode="edge")
    amounts = np.pad(amounts, ((0, fill), (0, 0)), mode="edge")
    return np.asarray(embed(images[which], amounts))[: size - fill]


def _claim(folder: Path, plan: LatticePlan, network: ImageModel, model, images) -> None:
    """Write how the rows are made, or see that those there were made so."""
    which, amounts = plan.nodes()
    how = {
        "edits": list(plan.names),
        "people": list(plan.people),
        "weights": digest(model),
        "graph": getattr(model, "graph_digest", None),
        "preprocess": str(network.preprocess),
        "made of": digest((images[plan.rows.ravel()], which, amounts)),
    }
    path = folder / "made.json"
    if path.exists():
        old = json.loads(path.read_text())
        differ = [name for name in how if old.get(name) != how[name]]
        if differ:
            raise InputError(
                f"{folder} holds a lattice that was made in another way "
                f"({', '.join(differ)}): give another folder, or remove it."
            )
        return
    with new_file(path) as temporary:
        temporary.write_text(json.dumps(how, indent=2) + "\n")


def _files(folder: Path, people: tuple[str, ...]) -> dict[str, Path]:
    """Where the rows of each person go."""
    owner = {}
    for person in people:
        name = file_name(person)
        # Some file systems do not tell a from A.
        other = owner.setdefault(name.lower(), person)
        if other != person:
            raise InputError(
                f"{other!r} and {person!r} would both be written to {name}.npy: name "
                "people so that letters, digits, '-', '_' and '.' tell them apart."
            )
    return {person: folder / f"{file_name(person)}.npy" for person in people}
