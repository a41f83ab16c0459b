"""What tells one model from another of the same weights."""

import hashlib
from collections.abc import Mapping

import numpy as np


def fingerprint(graph, opsets: Mapping[str, int], constants: Mapping) -> str:
    """SHA-256 of what a `GraphProto` computes beside its weights.

    Over nodes, outputs, opsets and constants: the same wherever weights are stored.
    """
    total = hashlib.sha256(repr(sorted(opsets.items())).encode())
    for part in (*graph.node, *graph.output):
        total.update(part.SerializeToString(deterministic=True))
    for name, value in sorted(constants.items()):
        total.update(f"{name} {value.dtype} {value.shape}".encode())
        total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()
