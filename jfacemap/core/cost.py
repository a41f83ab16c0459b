"""What a compiled program costs: flops, bytes of memory, bytes between devices.

Flops and bytes are XLA's own count, which sees a loop's body once; products and collectives
are read off the text of the program, those in loops as often as the loop turns.
"""

import math
import re
from collections import Counter
from typing import NamedTuple

from .hlo import computations, turns_of


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
    """Of one device's program.

    - `flops`, `bytes_accessed` of memory: as XLA counts them, a loop's body once
    - `products`: flops of matrix products, all turns of loops
    - `needs`: bytes of memory for arguments, results and all between
    - `collectives`: what is exchanged, all turns of loops
    """

    flops: float
    bytes_accessed: float
    products: float
    needs: int
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
    done) what is in it counts once. Products that are calls of a library are not seen.
    """
    analysis = compiled.cost_analysis() or {}
    flops, moved = (float(analysis.get(k, 0)) for k in ("flops", "bytes accessed"))
    text, memory = compiled.as_text(), compiled.memory_analysis()
    parts = "argument", "output", "temp"
    needs = sum(getattr(memory, f"{part}_size_in_bytes", 0) for part in parts)
    return ProgramCost(flops, moved, read_products(text), needs, read_collectives(text))


def read_products(text: str) -> float:
    """Flops of the matrix products of a compiled program (HLO text)."""
    bodies, entry = computations(text)
    total = 0
    for name, turns in turns_of(bodies, entry).items():
        shapes = {m["name"]: _dims(m) for m in map(_array.search, bodies[name]) if m}
        for line in bodies[name]:
            if found := _dot.search(line):
                left = shapes[found["left"]]
                inner = [left[int(i)] for i in found["inner"].split(",") if i]
                total += turns * 2 * math.prod(_dims(found)) * math.prod(inner)
    return float(total)


def read_collectives(text: str) -> tuple[Collective, ...]:
    """The collectives of a compiled program (HLO text), merged by kind and group size."""
    bodies, entry = computations(text)
    parts = _partitions.search(text)
    everyone = int(parts[1]) if parts else 1
    times, size = Counter(), Counter()
    for name, turns in turns_of(bodies, entry).items():
        for line in bodies[name]:
            if found := _collective.search(line):
                which = found["kind"], _shards(line, everyone)
                times[which] += turns
                size[which] += turns * _bytes(found)
    return tuple(
        Collective(kind, shards, times[kind, shards], size[kind, shards])
        for kind, shards in sorted(times)
    )


_collective = re.compile(
    r"= (?P<type>.*?) (?P<kind>all-gather|all-reduce|reduce-scatter|all-to-all|"
    r"collective-permute)(?P<start>-start)?\("
)
_shape = re.compile(r"\b(?P<kind>pred|[a-z]+\d+)\w*\[(?P<dims>[\d,]*)\]")
_partitions = re.compile(r"^HloModule .*\bnum_partitions=(\d+)")
_array = re.compile(r"%?(?P<name>[\w.\-]+) = [a-z]\w*\[(?P<dims>[\d,]*)\]")
_dot = re.compile(
    r"= [a-z]\w*\[(?P<dims>[\d,]*)\]\S* dot\((?:\S+ )?%?(?P<left>[\w.\-]+),.*"
    r"lhs_contracting_dims=\{(?P<inner>[\d,]*)\}"
)
_listed = re.compile(r"replica_groups=\{\{([\d,]*)\}")
_counted = re.compile(r"replica_groups=\[(\d+),(\d+)\]")
_named = re.compile(r"replica_groups=mesh\[([^\]]*)\]\s*\{([^}]*)\}")


def _dims(found) -> list[int]:
    return [int(d) for d in found["dims"].split(",") if d]


def _shards(line: str, everyone: int) -> int:
    if found := _counted.search(line):
        return int(found[2])
    if found := _listed.search(line):
        return found[1].count(",") + 1
    if found := _named.search(line):
        size = dict(re.findall(r"('\w+')=(\d+)", found[1]))
        return math.prod(int(size[axis]) for axis in re.findall(r"'\w+'", found[2]))
    return everyone if "replica_groups={}" in line else 2  # permuted: to one other


def _bytes(found) -> int:
    """Bytes of the results. What starts early has its operands before them."""
    shapes = [
        (1 if m["kind"] == "pred" else int(re.sub(r"\D", "", m["kind"])) // 8)
        * math.prod(_dims(m))
        for m in _shape.finditer(found["type"])
    ]
    if found["start"] and found["kind"] == "all-gather":
        return sum(shapes[len(shapes) // 2 :])
    if found["start"] and found["kind"] == "collective-permute":
        return max(shapes)  # numbers of the exchange come after them
    return sum(shapes)
