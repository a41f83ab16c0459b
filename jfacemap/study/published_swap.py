"""What thesis 002 printed: its ten networks (Table 5.1) and their swaps (Table 5.2).

Other networks and other images than any user's: to print beside a table, never in it.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class PublishedNetwork:
    """A row of Table 5.1: percent of ILSVRC2012's 50,000 validation images named right.

    `reported` by its makers on crops of `crop` pixels, `local` by the thesis on crops of
    `local_crop`; `dim`: width of its features; `parameters` in millions.
    """

    name: str
    reported: float
    crop: int
    local: float
    local_crop: int
    dim: int
    parameters: int


table51 = tuple(
    PublishedNetwork(*row)
    for row in (
        ("Inception-v1", 69.8, 224, 71.1, 331, 1024, 5),
        ("Inception-v2", 73.9, 224, 73.9, 331, 1024, 11),
        ("MobileNet-v2-1.4-224", 74.9, 224, 74.6, 224, 1792, 7),
        ("ResNet-v1-152", 76.8, 224, 78.8, 331, 2048, 60),
        ("ResNet-v2-152", 77.8, 224, 78.7, 331, 2048, 60),
        ("Inception-v3", 78.0, 299, 78.9, 331, 2048, 24),
        ("Inception-v4", 80.1, 299, 80.4, 331, 1536, 43),
        ("Inception-ResNet-v2", 80.4, 299, 81.2, 331, 1536, 56),
        ("NASNet-Large", 82.7, 331, 82.7, 331, 4032, 89),
        ("PNASNet-Large", 82.9, 331, 82.9, 331, 4320, 86),
    )
)

table52 = np.array(
    (
        (71.06, 62.82, 68.17, 68.45, 68.31, 67.36, 66.77, 65.86, 64.97, 65.40),
        (69.91, 73.94, 72.65, 72.73, 72.66, 72.34, 72.04, 71.55, 71.01, 71.24),
        (68.17, 66.27, 74.60, 71.57, 71.25, 70.56, 69.93, 69.43, 69.16, 69.72),
        (73.98, 73.42, 76.94, 78.78, 77.04, 76.47, 76.08, 75.86, 75.26, 75.12),
        (74.79, 74.42, 77.19, 77.79, 78.70, 76.75, 76.35, 76.10, 75.38, 75.44),
        (75.57, 75.55, 77.91, 77.90, 77.62, 78.88, 77.63, 77.50, 77.12, 77.17),
        (78.29, 78.49, 79.84, 79.75, 79.57, 79.79, 80.39, 79.68, 79.64, 79.61),
        (79.63, 79.63, 80.71, 80.80, 80.52, 80.69, 80.82, 81.16, 80.77, 80.69),
        (81.00, 81.30, 82.43, 82.32, 82.25, 82.42, 82.61, 82.58, 82.66, 82.65),
        (81.16, 81.40, 82.62, 82.52, 82.46, 82.72, 82.80, 82.77, 82.84, 82.94),
    )
)
"""Accuracy in percent, source by target; the diagonal is each network's own."""

printed_changes = np.array(
    (
        (0.0, -11.6, -4.1, -3.7, -3.9, -5.21, -6.04, -7.32, -8.58, -7.97),
        (-5.44, 0.0, -1.74, -1.63, -1.73, -2.17, -2.57, -3.24, -3.97, -3.65),
        (-8.62, -11.16, 0.0, -4.06, -4.49, -5.42, -6.25, -6.93, -7.30, -6.54),
        (-6.09, -6.80, -2.33, 0.0, -2.21, -2.93, -3.42, -3.70, -4.46, -4.65),
        (-4.97, -5.45, -1.92, -1.16, 0.0, -2.48, -2.98, -3.31, -4.22, -4.15),
        (-4.19, -4.22, -1.22, -1.24, -1.59, 0.0, -1.58, -1.75, -2.23, -2.17),
        (-2.61, -2.37, -0.69, -0.79, -1.01, -0.74, 0.0, -0.88, -0.93, -0.97),
        (-1.89, -1.89, -0.55, -0.44, -0.78, -0.57, -0.41, 0.0, -0.48, -0.58),
        (-2.01, -1.65, 0.28, -0.41, -0.50, -0.29, -0.06, -0.10, 0.0, -0.01),
        (-2.15, -1.86, -0.39, -0.52, -0.59, -0.27, -0.18, -0.20, -0.13, 0.0),
    )
)
"""The percents of change printed in Table 5.2, as they stand, errors and all."""

naive_best = 0.27
"""Percent named right by the best pair when features are cut or padded (section 5.6)."""

stated_median = -1.90
"""Percent, "over all mappings" (section 5.4); recomputed see `summarise_changes`."""


def percent_changes(accuracy: np.ndarray) -> np.ndarray:
    """Percent by which each cell (source, target) differs from its row's diagonal."""
    own = np.diagonal(accuracy)[:, None]
    return 100 * (accuracy - own) / np.where(own > 0, own, np.nan)


def misprints(accuracy: np.ndarray, printed: np.ndarray, tolerance: float = 0.02):
    """Cells whose printed change is not that of the accuracies: (source, target) pairs.

    Accuracies are rounded to .01, which moves a change by some .015.
    """
    return np.argwhere(np.abs(percent_changes(accuracy) - printed) > tolerance)


def summarise_changes(accuracy: np.ndarray) -> dict[str, float]:
    """Medians and the worst of the changes; how many mapped pairs beat which classifier.

    Ties beat nothing. `beat target`: better than the target with its own features.
    """
    changes, own = percent_changes(accuracy), np.diagonal(accuracy)
    mapped = ~np.eye(len(own), dtype=bool)
    return {
        "median, mapped pairs": float(np.median(changes[mapped])),
        "median, all cells": float(np.median(changes)),
        "worst": float(changes.min()),
        "mapped pairs": int(mapped.sum()),
        "beat target": int((mapped & (accuracy > own[None])).sum()),
        "beat source": int((mapped & (accuracy > own[:, None])).sum()),
    }
