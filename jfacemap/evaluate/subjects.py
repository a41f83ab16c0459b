"""Who the rows of two sides show, as numbers that compare."""

import numpy as np


def code_sides(left, right) -> tuple[np.ndarray, np.ndarray]:
    """Labels of two sides, of any shape, as numbers of one list.

    Raises `ValueError` where one side has strings and the other numbers: NumPy would write
    the numbers out, and 1 would be "1".
    """
    sides = [_as_labels(left), _as_labels(right)]
    kinds = [side.dtype.kind in "US" for side in sides]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"Subjects of {sides[0].dtype} on one side and {sides[1].dtype} on the other: "
            "give numbers in both or strings in both."
        )
    _, code = np.unique(np.concatenate([x.ravel() for x in sides]), return_inverse=True)
    one, other = np.split(code.astype(np.int32), [sides[0].size])
    return one.reshape(sides[0].shape), other.reshape(sides[1].shape)


def _as_labels(labels) -> np.ndarray:
    labels = np.asarray(labels)
    return np.asarray(labels.tolist()) if labels.dtype == object else labels  # of pandas
