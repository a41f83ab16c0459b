"""Each benchmark at its least size: what both sides find is what float64 finds.

Those are left out that judge nothing (`train_seeds`, `scaling`), or start processes or read
data (`whole_table`, `embed_images`).
"""

import dataclasses
import importlib

import pytest

from benchmarks import harness


bounds = {
    "ols_pair": 1e-6,
    "all_pairs": 1e-5,
    "rotations": 1e-6,
    "sweep": 1e-6,
    "verification": 1e-5,
    "ridge_path": 1e-6,
    "gradient_fits": 1e-4,
    "stream": 1e-3,
    "read_protocol": 0.0,
    "store_io": 1e-9,
    "likeness": 1e-5,
    "energy": 1e-6,
    "attribute_ks": 1e-6,
    "svm_probes": 1e-2,
}
"""Of the error each states, in its own terms."""

unreliable = "solve_linear, float32 products"
"""Which `ols_pair` shows to be of no use for steep rows."""


@pytest.mark.parametrize("name", bounds)
def test_results_are_near_truth(name, monkeypatch):
    monkeypatch.setattr(harness, "settle", 0)
    size = dataclasses.replace(harness.tiny, rounds=1)
    rows = importlib.import_module(f"benchmarks.{name}").run(size)
    errors = {
        f"{row.task}: {side}": timing.error
        for row in rows
        for side, timing in row.times.items()
        if timing.error is not None and side != unreliable
    }
    assert any(f"{row.task}: {row.ours}" in errors for row in rows)
    assert {what: e for what, e in errors.items() if not e <= bounds[name]} == {}
