"""The text of a compiled program (HLO): its computations, and how often each runs."""

import re
from collections import Counter
from collections.abc import Mapping


_head = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+) \(.*\{\s*$")
_called = re.compile(r"(?:body|condition|to_apply|calls|\w+_computation)=%?([\w.\-]+)")
_branches = re.compile(r"(?:branch_computations|called_computations|calls)=\{([^}]*)\}")
_trips = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


def computations(text: str) -> tuple[Mapping[str, list[str]], str]:
    """The lines of each computation by name, and the name of the first to run."""
    bodies, entry, here = {}, "", []
    for line in text.splitlines():
        if head := _head.match(line):
            here = bodies[head["name"]] = []
            entry = head["name"] if head["entry"] else entry
        else:
            here.append(line)
    return bodies, entry


def turns_of(bodies: Mapping[str, list[str]], entry: str) -> Counter:
    """How often each computation runs; a loop of unknown length counts as one turn."""
    turns = Counter()

    def visit(name: str, times: int):
        turns[name] += times
        for line in bodies[name]:
            names = _called.findall(line)
            for several in _branches.findall(line):
                names += [one.strip().lstrip("%") for one in several.split(",")]
            trips = _trips.search(line)
            for one in names:
                if one in bodies:
                    visit(one, times * int(trips[1]) if trips else times)

    visit(entry, 1)
    return turns
