"""What is known of the rows themselves: the data card's numbers."""

import hashlib

import equinox as eqx
import numpy as np

from .inputs import ReportRows


class ModelFacts(eqx.Module):
    """One model's rows.

    - `length`: mean length of rows as given; `offset`: length of the mean of unit rows, 0
      for rows all around and 1 for rows all alike
    - `dimensions`: participation ratio $(\\sum s)^2 / \\sum s^2$ of the variances s of unit
      rows: how many directions they fill
    - `zero_rows`: rows all zero, which score 0; `repeated`: judged rows that some fit row
      equals in every number: an image in both halves
    - `digest`: SHA-256 of the rows in float32
    """

    width: int
    length: float
    offset: float
    dimensions: float
    zero_rows: int
    repeated: int
    digest: str


class DataFacts(eqx.Module):
    """Of each model, and how many images and people there are in each part.

    `parts[name]` is (images, people), of the whole, what is fitted on, what is judged, and
    of each collection.
    """

    models: dict[str, ModelFacts]
    parts: dict[str, tuple[int, int]]
    images_each: tuple[int, float, int]
    genuine: int
    impostor: int


def gather_facts(rows: ReportRows, unit_rows) -> DataFacts:
    """Count what was given; `unit_rows` are the plain spaces."""
    pairs = zip(rows.embeddings.items(), unit_rows, strict=True)
    models = {name: _of_model(x, u, rows) for (name, x), u in pairs}
    every = np.ones(len(rows.label), bool)
    masks = {"all": every, "fitted on": rows.fit, "judged": rows.judged}
    if rows.dataset is not None:
        for name in np.unique(rows.dataset):
            masks[f"of {name}"] = rows.dataset == name
    count = np.unique(rows.label, return_counts=True)[1]
    judged = np.bincount(rows.label[rows.judged])
    genuine = int(np.sum(judged * (judged - 1)))
    return DataFacts(
        models=models,
        parts={name: (int(m.sum()), rows.people(m)) for name, m in masks.items()},
        images_each=(int(count.min()), float(np.median(count)), int(count.max())),
        genuine=genuine,
        impostor=int(judged.sum() ** 2 - np.sum(judged**2)),
    )


def _of_model(x: np.ndarray, unit_rows: np.ndarray, rows: ReportRows) -> ModelFacts:
    length = np.linalg.norm(x.astype(np.float64), axis=1)
    mean = unit_rows.mean(axis=0, dtype=np.float64)
    about = unit_rows.astype(np.float64) - mean
    scatter = about.T @ about
    energy = np.sum(scatter**2)
    filled = np.trace(scatter) ** 2 / energy if energy else 0.0
    fitted = {row.tobytes() for row in x[rows.fit] if row.any()}
    return ModelFacts(
        width=x.shape[1],
        length=float(length.mean()),
        offset=float(np.linalg.norm(mean)),
        dimensions=float(filled),
        zero_rows=int(np.sum(length == 0)),
        repeated=sum(row.tobytes() in fitted for row in x[rows.judged]),
        digest=hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest(),
    )
