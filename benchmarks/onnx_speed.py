"""Networks from ONNX files, beside onnxruntime, at batch 1 and 32.

Needs `$JFACEMAP_DATA` with the files that `tests/onnx2jax/test_models.py` reads, and tells
nothing of those that are not there. `--out benchmarks/RESULTS_ONNX.md` writes the table.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from jfacemap import onnx2jax

from .harness import race, Row, Side, Size
from .networks import find_networks
from .report import launch


legend = """\
Medians of alternated runs in one process, compilation excluded, both sides with all the
cores. *Ratio* is how many times faster ours is than onnxruntime, *range* its extremes over
the rounds; *must* is a half. *Error* is the largest deviation from onnxruntime, relative to
its largest entry. Weights are constants of the program, inputs uniform noise. Models
exported for one sample run once a sample there, under `batched` here."""

shapes = {
    "fr_feature": (3, 112, 112),
    "fr_landmark": (1, 64, 64),
    "fr_detect": (3, 240, 320),
    "fr_pose": (3, 224, 224),
    "fr_expression": (3, 224, 224),
    "efficientnet_lite0": (3, 224, 224),
}


def run(size: Size) -> list[Row]:
    """A row for each network and batch; nothing where the files are not."""
    found = find_networks()
    names = [name for name in shapes if name in found]
    small = size.rows < 1000
    if not names:
        print(
            "None of the networks is there: set JFACEMAP_DATA to the folder that "
            "python -m experiments.fetch_models --to FOLDER filled."
        )
    return [
        row_of(name, found[name], n, size.rounds)
        for name in (names[:1] if small else names)
        for n in ((1, 2) if small else (1, 32))
    ]


def row_of(name: str, path: pathlib.Path, n: int, rounds: int) -> Row:
    session = open_session(path)
    (given,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    x = np.random.default_rng(0).uniform(-1, 1, (n, *shapes[name])).astype(np.float32)
    # A fixed batch of one is the export's, not the runtime's: it loops.
    parts = [x[i : i + 1] for i in range(n)] if given.shape[0] == 1 else [x]

    def theirs() -> list:
        return [session.run(None, {given.name: part}) for part in parts]

    f = onnx2jax.load(path)
    rows, truth = jnp.asarray(x), np.concatenate([np.asarray(out[0]) for out in theirs()])
    closed = jax.jit(f if n == 1 else f.batched)

    def error(out) -> float:
        first = np.asarray(out[outputs[0]] if isinstance(out, dict) else out)
        first = first.reshape(truth.shape)
        return float(np.abs(first - truth).max() / np.abs(truth).max())

    ours, peer = "jax.jit(f)", "onnxruntime"
    sides = {peer: Side(theirs), ours: Side(lambda: closed(rows), error)}
    return Row(f"{name}, batch {n}", race(sides, rounds), ours, None, peer, 0.5, 1.0)


def open_session(path: pathlib.Path):
    """The network in onnxruntime, which warns of what it has optimised away."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])


if __name__ == "__main__":
    launch(run, legend)
