"""Rows of several models of the same images, of any size and condition number."""

import numpy as np

from .harness import Size


noise = 0.5
"""Size of what a model sees alone, in units of what all of them see."""


def embeddings(size: Size, condition: float, models: int | None = None) -> list[np.ndarray]:
    """Unit float32 rows `(n, d)` a model: a shared signal, own noise, an own rotation.

    `condition` is that of the rows before they are scaled to unit length.
    """
    rng = np.random.default_rng(0)
    n, d = size.rows, size.width
    spectrum = np.geomspace(1, 1 / condition, d, dtype=np.float32)
    draw = lambda *shape: rng.standard_normal(shape, np.float32)
    signal = draw(n, d)

    def model():
        rotation, _ = np.linalg.qr(draw(d, d))
        rows = ((signal + noise * draw(n, d)) * spectrum) @ rotation
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return [model() for _ in range(models or size.models)]


def condition(matrix: np.ndarray) -> str:
    """The measured condition number, as the table prints it."""
    return f"condition {np.linalg.cond(matrix.astype(np.float64)):.0e}"
