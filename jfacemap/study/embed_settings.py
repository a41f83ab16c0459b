"""How a store was embedded and how it would be now, told apart in words."""

from collections.abc import Iterator, Mapping
from typing import Any


digests = {
    "weights": "the network has other weights",
    "graph": "the network's graph is another",
    "images": "the images are not the array they were",
}
"""Settings that nobody could read, and what it means that they differ."""


def differences(theirs: Mapping, ours: Mapping, what: str = "") -> Iterator[str]:
    """What differs from the settings `theirs`, one text each; dicts setting by setting."""
    for name, now in ours.items():
        then = theirs.get(name)
        if then == now:
            continue
        if isinstance(then, dict) and isinstance(now, dict):
            yield from differences(then, now, f"{name} ")
        elif name in digests:
            yield digests[name]
        else:
            yield f"{what}{name}: {_text(then)} there, {_text(now)} now"


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)
