"""Ids of templates: host metadata that finds rows and passes through `jit`."""

import numpy as np


class Ids:
    """Distinct ids, one a row; integers of any size or strings, never on a device.

    Hashable by content, so that a pytree holds it as static data.
    """

    def __init__(self, values):
        values = np.asarray(values)
        if values.dtype == object:  # pandas: its bytes are addresses, not content
            values = np.asarray(values.tolist())
        if values.ndim != 1 or not values.size:
            raise ValueError(f"Ids are one a row, at least one; got {values.shape}.")
        self.values = values
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if repeated.size:
            raise ValueError(f"Id {repeated[0]} stands for more than one row.")
        self._hash = hash((values.dtype.str, values.tobytes()))

    def rows(self, wanted, side: str) -> np.ndarray:
        """The row of each wanted id; `ValueError` names the first unknown one."""
        wanted = np.asarray(wanted)
        if wanted.size and (wanted.dtype.kind in "iu") != (self.values.dtype.kind in "iu"):
            raise ValueError(
                f"The {side} has ids of {self.values.dtype}, but {wanted.dtype} are "
                "wanted: convert one of them."
            )
        at = np.searchsorted(self.values, wanted, sorter=self._order)
        rows = self._order[np.minimum(at, len(self) - 1)]
        unknown = wanted[self.values[rows] != wanted]
        if unknown.size:
            raise ValueError(
                f"Id {unknown[0]} is not a template of the {side}, which has {len(self)} "
                f"({unknown.size} of {wanted.size} wanted ids are unknown)."
            )
        return rows

    def __len__(self) -> int:
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype, copy=copy)

    def __eq__(self, other) -> bool:
        return isinstance(other, Ids) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Ids({len(self)} of {self.values.dtype})"


def as_ids(values) -> Ids:
    """`values` as `Ids`."""
    return values if isinstance(values, Ids) else Ids(values)
