"""Does a protocol agree with itself? The first fault found, with the row it is in."""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .protocol import locate, Protocol


pairs_at_once = 2**20
"""Pairs looked up in one go; bounds the memory of a check."""


class Fault(NamedTuple):
    """What is wrong in `row` (from 0) of a part: "images", "pairs" or a roster's name."""

    part: str
    row: int
    message: str


def find_fault(protocol: Protocol) -> Fault | None:
    """The first fault of a protocol; None if there is none.

    Parts without rows; image names that are empty or hold blanks or quotes; pairs and
    rosters of templates without images; a template listed twice, or under two subjects;
    negative subjects (-1 stands for unknown); pairs whose label the subjects contradict.
    """
    parts = _empty, _images, _rosters, _pairs
    return next(itertools.chain.from_iterable(f(protocol) for f in parts), None)


def _empty(protocol: Protocol) -> Iterator[Fault]:
    sizes = {"images": protocol.n_images, "pairs": protocol.n_pairs}
    sizes |= {name: len(r.template) for name, r in protocol.rosters.items()}
    yield from (Fault(part, 0, "there are no rows.") for part, n in sizes.items() if not n)


def _images(protocol: Protocol) -> Iterator[Fault]:
    names = protocol.image.tolist()
    if all(names) and _is_plain("".join(names)):
        return
    for row, name in enumerate(names):
        if not (name and _is_plain(name)):
            yield Fault("images", row, f"{name!r} is no name: empty, or not plain text.")


def _is_plain(text: str) -> bool:
    return text.isprintable() and not {" ", '"'} & set(text)


def _rosters(protocol: Protocol) -> Iterator[Fault]:
    templates, seen = protocol.templates, {}
    for part, roster in protocol.rosters.items():
        _, known = locate(templates, roster.template)
        rows = zip(roster.template.tolist(), roster.subject.tolist(), known, strict=True)
        here = set()
        for row, (template, subject, has_images) in enumerate(rows):
            if not has_images:
                yield Fault(part, row, f"template {template} has no images.")
            if subject < 0:
                yield Fault(part, row, f"subject {subject} is negative.")
            other = seen.setdefault(template, subject)
            if other != subject:
                yield Fault(
                    part,
                    row,
                    f"template {template} is of subject {subject} and of {other}.",
                )
            if template in here:
                yield Fault(part, row, f"template {template} is listed twice.")
            here.add(template)


def _pairs(protocol: Protocol) -> Iterator[Fault]:
    templates, subjects = protocol.templates, protocol.template_subject
    for start in range(0, protocol.n_pairs, pairs_at_once):
        pairs = protocol.pairs[start : start + pairs_at_once]
        genuine = protocol.genuine[start : start + pairs_at_once]
        at, known = locate(templates, pairs)
        for row, side in np.argwhere(~known).tolist():
            message = f"template {pairs[row, side]} of a pair has no images."
            yield Fault("pairs", start + row, message)
        if subjects is None:
            continue
        a, b = subjects[at].T
        wrong = (genuine != (a == b)) & (a >= 0) & (b >= 0)
        for row in np.flatnonzero(wrong).tolist():
            label = "genuine" if genuine[row] else "impostor"
            yield Fault(
                "pairs",
                start + row,
                f"templates {pairs[row, 0]} and {pairs[row, 1]} are labelled {label}, but "
                f"are of subjects {a[row]} and {b[row]}.",
            )
