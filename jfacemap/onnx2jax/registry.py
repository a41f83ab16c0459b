"""The table of operators: which function computes which operator, from which opset on.

An operator is a pure function whose signature is its specification: positional
parameters are the inputs of the node (None where one is left out), keyword-only ones its
attributes under their ONNX names, defaults included. `n_outputs`, if it asks for it, is
the number of outputs the node wants. It returns an array, or a tuple of outputs.
"""

import dataclasses
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any


Check = Callable[[Mapping[str, Any]], None]

oldest_opset, newest_opset = 7, 28
"""The opsets of the default domain whose semantics are known here."""


@dataclasses.dataclass(frozen=True)
class Operator:
    """A function, and what its signature says.

    `static` names the inputs whose values set a shape or a loop: they are needed while
    tracing. `last` is the same function for images with channels last: of its first
    input, or of all if it `broadcasts`. `check` raises `ValueError` for attributes that
    the function cannot do: they are a fault of the model, told at load.
    """

    call: Callable[..., Any]
    static: frozenset[str]
    inputs: tuple[str, ...]
    variadic: bool
    attributes: frozenset[str]
    required: frozenset[str]
    counts_outputs: bool
    last: Callable[..., Any] | None = None
    broadcasts: bool = False
    check: Check | None = None

    def input_name(self, i: int) -> str:
        """What the i-th input is called."""
        return self.inputs[i] if i < len(self.inputs) else self.inputs[-1]


_table: dict[tuple[str, str], dict[int, Operator]] = {}


def operator(
    *names: str,
    since: int = 1,
    static: Iterable[str] = (),
    domain: str = "",
    last: Callable[..., Any] | None = None,
    elementwise: bool = False,
    of_all: bool = False,
    check: Check | None = None,
):
    """Enter a function as the operators `names` from opset `since` on.

    `last` is the function for a first input with channels last, or for all of them if
    `of_all`. An `elementwise` function serves either layout itself.
    """

    def enter(call):
        entry = _describe(call, frozenset(static))
        layout = call if elementwise else last
        entry = dataclasses.replace(
            entry, last=layout, broadcasts=elementwise or of_all, check=check
        )
        for name in names:
            _table.setdefault((domain, name), {})[since] = entry
        return call

    return enter


def one_of(**allowed: Collection[str]) -> Check:
    """A check that attributes, where they are given, are among those allowed."""

    def check(attributes):
        for name, values in allowed.items():
            if name in attributes and attributes[name] not in values:
                known = ", ".join(filter(None, values))
                raise ValueError(f"{name} {attributes[name]!r} is none of {known}")

    return check


def find_operator(domain: str, name: str, opset: int) -> Operator | None:
    """The operator as of `opset`, or None."""
    versions = _table.get((domain, name), {})
    past = [since for since in versions if since <= opset]
    return versions[max(past)] if past else None


def operator_versions() -> dict[tuple[str, str], list[int]]:
    """(domain, operator) to the opsets at which its function changes."""
    return {key: sorted(versions) for key, versions in sorted(_table.items())}


def _describe(call, static) -> Operator:
    parameters = inspect.signature(call).parameters.values()
    positional = [
        p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)
    ]
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    names = tuple(p.name for p in positional)
    assert static <= set(names), f"{call}: no input {static - set(names)}"
    return Operator(
        call=call,
        static=static,
        inputs=names,
        variadic=any(p.kind is p.VAR_POSITIONAL for p in positional),
        attributes=frozenset(p.name for p in keywords) - {"n_outputs"},
        required=frozenset(p.name for p in keywords if p.default is p.empty)
        - {"n_outputs"},
        counts_outputs=any(p.name == "n_outputs" for p in keywords),
    )
