"""Race against NumPy: run all, print what was found, write RESULTS.md beside this file.

`python -m benchmarks.onnx_speed` is apart: it needs networks, and races onnxruntime. So is
`python -m benchmarks.thesis_stream`, which writes gigabytes and races nobody.
"""

import dataclasses
import importlib
import pathlib
import typing

import tyro

from .machine import machine
from .report import Flag, show, size_of, write_markdown


Name = typing.Literal[
    "ols_pair",
    "all_pairs",
    "rotations",
    "sweep",
    "verification",
    "whole_table",
    "ridge_path",
    "gradient_fits",
    "stream",
    "read_protocol",
    "store_io",
    "embed_images",
    "likeness",
    "energy",
    "attribute_ks",
    "svm_probes",
    "train_seeds",
    "scaling",
]
names: tuple[Name, ...] = typing.get_args(Name)


def main(
    only: tuple[Name, ...] = names,
    tiny: Flag = False,
    rounds: int | None = None,
    out: pathlib.Path | None = None,
) -> None:
    """Time jfacemap against what a user would write with NumPy.

    Args:
        only: these benchmarks instead of all.
        tiny: small sizes, to see that they run; the times mean nothing.
        rounds: of each race; by default 7.
        out: markdown file to write; benchmarks/RESULTS.md if all run at full size.
    """
    facts, rows, size = machine(), [], size_of(tiny)
    size = dataclasses.replace(size, rounds=rounds or size.rounds)
    facts["rounds"] = str(size.rounds)
    for name in only:
        print(f"{name} ...", flush=True)
        rows += importlib.import_module(f".{name}", __package__).run(size)
    show(rows, facts)
    if out is None and not tiny and set(only) == set(names):
        out = pathlib.Path(__file__).with_name("RESULTS.md")
    if out is not None:
        write_markdown(rows, facts, out)
        print(f"wrote {out}")


if __name__ == "__main__":
    tyro.cli(main, prog="python -m benchmarks")
