"""What a compiled program costs: flops, bytes of memory, bytes between devices.

Flops and bytes are XLA's own count, which sees a loop's body once; collectives are read
off the text of the program, those in loops as often as the loop turns.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple


class Collective(NamedTuple):
    """One kind of exchange in a program, with all that the devices exchange by it.

    - `kind`: "all-gather", "all-reduce", "reduce-scatter", "all-to-all" or
      "collective-permute"
    - `shards`: devices of a group that exchange
    - `times`: how often; `bytes`: of the results on one device, all times together
    """

    kind: str
    shards: int
    times: int
    bytes: int

    @property
    def sent(self) -> float:
        """Bytes that each device sends by the ring algorithm, which sends the fewest."""
        part = (self.shards - 1) / self.shards
        factor = {
            "all-gather": part,
            "all-reduce": 2 * part,
            "reduce-scatter": self.shards - 1,
            "all-to-all": part,
            "collective-permute": 1,
        }
        return float(factor[self.kind] * self.bytes)


class ProgramCost(NamedTuple):
    """Of one device's program: `flops`, bytes of memory read and written, collectives."""

    flops: float
    bytes_accessed: float
    collectives: tuple[Collective, ...]

    @property
    def sent(self) -> float:
        """Bytes each device sends to others."""
        return sum((c.sent for c in self.collectives), start=0.0)

    def bytes_of(self, kind: str) -> int:
        """Bytes of the results of one kind of collective."""
        return sum(c.bytes for c in self.collectives if c.kind == kind)


def program_cost(compiled) -> ProgramCost:
    """The cost of `jax.jit(f).lower(*args).compile()`.

    Where a loop's number of turns is not in the program (a solver that stops when it is
    done) its collectives count once.
    """
    analysis = compiled.cost_analysis() or {}
    flops, moved = (float(analysis.get(k, 0)) for k in ("flops", "bytes accessed"))
    return ProgramCost(flops, moved, read_collectives(compiled.as_text()))


def read_collectives(text: str) -> tuple[Collective, ...]:
    """The collectives of a compiled program (HLO text), merged by kind and group size."""
    bodies, entry = _computations(text)
    times, size = Counter(), Counter()
    for name, turns in _turns(bodies, entry).items():
        for line in bodies[name]:
            if found := _collective.search(line):
                which = found["kind"], _shards(line)
                times[which] += turns
                size[which] += turns * _bytes(found)
    return tuple(
        Collective(kind, shards, times[kind, shards], size[kind, shards])
        for kind, shards in sorted(times)
    )


_head = re.compile(r"^(?P<entry>ENTRY )?%?(?P<name>[\w.\-]+) \(.*\{\s*$")
_collective = re.compile(
    r"= (?P<type>.*?) (?P<kind>all-gather|all-reduce|reduce-scatter|all-to-all|"
    r"collective-permute)(?P<start>-start)?\("
)
_shape = re.compile(r"\b(?P<kind>pred|[a-z]+\d+)\w*\[(?P<dims>[\d,]*)\]")
_called = re.compile(r"(?:body|condition|to_apply|calls|\w+_computation)=%?([\w.\-]+)")
_branches = re.compile(r"(?:branch_computations|called_computations|calls)=\{([^}]*)\}")
_trips = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_listed = re.compile(r"replica_groups=\{\{([\d,]*)\}")
_counted = re.compile(r"replica_groups=\[(\d+),(\d+)\]")
_named = re.compile(r"replica_groups=mesh\[([^\]]*)\]\s*\{([^}]*)\}")


def _computations(text: str) -> tuple[Mapping[str, list[str]], str]:
    """The lines of each computation by name, and the name of the first to run."""
    bodies, entry, here = {}, "", []
    for line in text.splitlines():
        if head := _head.match(line):
            here = bodies[head["name"]] = []
            entry = head["name"] if head["entry"] else entry
        else:
            here.append(line)
    return bodies, entry


def _turns(bodies, entry: str) -> Counter:
    """How often each computation runs."""
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


def _shards(line: str) -> int:
    if found := _counted.search(line):
        return int(found[2])
    if found := _listed.search(line):
        return found[1].count(",") + 1
    if found := _named.search(line):
        size = dict(re.findall(r"('\w+')=(\d+)", found[1]))
        return math.prod(int(size[axis]) for axis in re.findall(r"'\w+'", found[2]))
    return 2  # a permutation: each device sends to one other


def _bytes(found) -> int:
    """Bytes of the results. What starts early has its operands beside them."""
    shapes = [
        (1 if m["kind"] == "pred" else int(re.sub(r"\D", "", m["kind"])) // 8)
        * math.prod(int(d) for d in m["dims"].split(",") if d)
        for m in _shape.finditer(found["type"])
    ]
    paired = found["start"] and found["kind"] in ("all-gather", "collective-permute")
    return max(shapes) if paired else sum(shapes)
