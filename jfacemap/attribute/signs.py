"""Binary attributes and identities as the rest of the folder wants them."""

import numpy as np
from jax.core import Tracer
from jaxtyping import Int, Shaped

from ..core.types import as_array, Numeric


def as_signs(attributes: Shaped[Numeric, "n A"]):
    """Attributes `(n, A)` in {-1, +1}, int8 on the host; traced ones as they are.

    Booleans and {0, 1} are converted. Raises `ValueError` for anything else, naming the
    first value that is no sign; an array of 1 alone may be either, and is all +1.
    """
    a = as_array(attributes)
    if a.ndim != 2:
        raise ValueError(f"Attributes are (n, A), a column each; got {a.shape}.")
    if isinstance(a, Tracer):
        return a
    a = np.asarray(a)
    if a.dtype == bool:
        return np.where(a, 1, -1).astype(np.int8)
    known = np.isin(a, (-1, 0, 1))
    if not known.all():
        row, column = np.argwhere(~known)[0]
        raise ValueError(
            f"Attributes are -1 or +1 (or booleans, or 0 and 1); attribute {column} of row "
            f"{row} is {a[row, column]}."
        )
    if (a == 0).any():
        if (a == -1).any():
            raise ValueError(
                "Attributes hold -1, 0 and 1: is 0 'no' or 'not known'? Give -1 and +1, or "
                "0 and 1, and leave out the rows that are not known."
            )
        return np.where(a == 1, 1, -1).astype(np.int8)
    return a.astype(np.int8)


def identity_codes(
    identity: Shaped[Numeric, " n"], rows: int, what: str
) -> tuple[np.ndarray, Int[np.ndarray, " n"]]:
    """The distinct identities, sorted, and the place of each row's among them.

    Integers or strings, known before tracing; `ValueError` unless there is one a row.
    """
    if isinstance(identity, Tracer):
        raise ValueError("identity is read on the host, before jit: close over it.")
    identity = np.asarray(as_array(identity))
    if identity.shape != (rows,):
        raise ValueError(f"{rows} rows of {what}, but identity is {identity.shape}.")
    names, code = np.unique(identity, return_inverse=True)
    return names, code.reshape(-1).astype(np.int32)
