"""What a model is once read: nodes in order, constants, and the names of its weights.

All of it is static under `jit`: it is compared by identity, and arrays in it are NumPy.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from .registry import Operator


@dataclasses.dataclass(frozen=True)
class Input:
    """What a model wants: `dims` holds sizes, names of sizes, or None; None: any rank.

    `dtype` is None for what is not a tensor (a sequence).
    """

    name: str
    dtype: np.dtype | None
    dims: tuple[int | str | None, ...] | None
    static: bool = False


@dataclasses.dataclass(frozen=True, eq=False)
class Node:
    """One application of an operator; attributes that are graphs are `Graph`s."""

    name: str
    op: str
    operator: Operator
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def __str__(self) -> str:
        return f"node {self.name!r} ({self.op})"


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in the order of evaluation.

    `constants` are values known at load (shapes, indices, numbers in formulas); `weights`
    maps a name in the graph to the key of the function's leaf.
    """

    inputs: tuple[Input, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, np.ndarray]
    weights: Mapping[str, str]
