"""The bundled real embeddings: six face models on the same real images."""

import dataclasses
import hashlib
import pathlib

import numpy as np


@dataclasses.dataclass(frozen=True)
class Faces:
    """Embeddings of the same n images by several face models; see `card` for terms.

    - `embeddings`: {model: (n, d) float32}, not normalised, in the order of `names`
    - `label (n,)`: identity; `dataset (n,)`: "orl", "lfw100" or "yaleb"
    - `azimuth`, `elevation (n,)`: light direction in degrees; NaN outside yaleb
    """

    embeddings: dict[str, np.ndarray]
    label: np.ndarray
    dataset: np.ndarray
    azimuth: np.ndarray
    elevation: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The models."""
        return tuple(self.embeddings)

    @property
    def dims(self) -> tuple[int, ...]:
        """Width of each model's embedding."""
        return tuple(x.shape[1] for x in self.embeddings.values())

    @property
    def card(self) -> str:
        """The data card: what, from where, licence notes, what it must not be used for."""
        return (_folder() / "FACES.md").read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """SHA-256 of the file these came from: which data a result was made of."""
        return hashlib.sha256((_folder() / "faces.npz").read_bytes()).hexdigest()

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows) -> "Faces":
        """The faces of some rows: a mask, a slice or positions."""
        rest = (getattr(self, f.name)[rows] for f in dataclasses.fields(self)[1:])
        return Faces({m: x[rows] for m, x in self.embeddings.items()}, *rest)


def load_faces() -> Faces:
    """The embeddings that ship with the package: 1,744 images, 88 people, six models.

    ORL (400 images of 40 people), LFW-100 (100 of 10) and the mildly lit part of
    Extended Yale-B (1,244 of 38). Stored in float16, returned in float32.
    """
    with np.load(_folder() / "faces.npz") as file:
        columns = {key: file[key] for key in file.files}
    about = {f.name: columns.pop(f.name) for f in dataclasses.fields(Faces)[1:]}
    return Faces({m: x.astype(np.float32) for m, x in columns.items()}, **about)


def _folder() -> pathlib.Path:
    return pathlib.Path(__file__).parent
