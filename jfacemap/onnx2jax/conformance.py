"""The conformance suite of the onnx wheel, run operator by operator.

Prints what fails and the table of operators, with cases passed of all cases; some minutes.
"""

import collections
import dataclasses
import itertools
import re
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import tyro

from .backend import JaxBackend
from .registry import find_operator, newest_opset, oldest_opset, operator_versions
from .tensors import to_numpy


Operator = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with inputs and outputs, and the operator that it tests."""

    name: str
    operator: Operator
    model: object
    data: list
    rtol: float
    atol: float

    def run(self) -> str:
        """What is wrong, or nothing."""
        try:
            ready = JaxBackend.prepare(self.model)
            for inputs, expected in self.data:
                outputs = ready.run([_array(x) for x in inputs])
                for have, want in zip(outputs, expected, strict=True):
                    self._compare(have, want)
        except Exception as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            # JAX goes on with places in files, which differ from machine to machine.
            ends = " at /", "Export it again"  # what to do about it is no fault
            lines = itertools.takewhile(
                lambda line: not any(e in line for e in ends), lines
            )
            return f"{type(error).__name__}: {' '.join(lines)[:160]}"
        return ""

    def _compare(self, have, want) -> None:
        if isinstance(want, list):
            assert len(have) == len(want)
            for pair in zip(have, want, strict=True):
                self._compare(*pair)
            return
        if want is None:
            assert have is None
            return
        have, want = np.asarray(have), np.asarray(_array(want))
        assert have.shape == want.shape, f"shape {have.shape}, not {want.shape}"
        assert have.dtype == want.dtype, f"{have.dtype}, not {want.dtype}"
        rtol = self.rtol
        if want.dtype in (np.float16, ml_dtypes.bfloat16):  # two units in the last place
            rtol = max(rtol, 2 * float(ml_dtypes.finfo(want.dtype).eps))
        if want.dtype.kind not in "fiub":  # bfloat16 and narrower
            have, want = have.astype(np.float32), want.astype(np.float32)
        np.testing.assert_allclose(have, want, rtol, self.atol)


def _array(x):
    """Types that NumPy lacks come as protos."""
    import onnx

    return to_numpy(x) if isinstance(x, onnx.TensorProto) else x


def node_cases() -> Iterator[Case]:
    """All cases of single operators, in the onnx wheel."""
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tests = load_model_tests(kind="node")
    plain: dict[str, Any] = {test.name: test.model for test in tests}
    for test in tests:
        if test.model is None or test.data_sets is None:
            continue
        base = plain.get(re.sub(r"_expanded.*", "", test.name), test.model)
        for operator in sorted({(n.domain, n.op_type) for n in base.graph.node}):
            yield Case(
                test.name, operator, test.model, list(test.data_sets), test.rtol, test.atol
            )


def run_all(cases: Iterable[Case]) -> dict[Operator, dict[str, str]]:
    """For each operator here, each case by name, and what is wrong with it if anything."""
    results, faults = collections.defaultdict(dict), {}
    for case in cases:
        if find_operator(*case.operator, newest_opset) is None:
            continue
        if case.name not in faults:
            faults[case.name] = case.run()
        results[case.operator][case.name] = faults[case.name]
    return dict(results)


def table(results) -> str:
    """Operators, cases passed and all cases, in markdown."""
    lines = ["| operator | passed | cases |", "|---|---|---|"]
    for (domain, name), _ in operator_versions().items():
        faults = results.get((domain, name), {})
        label = f"{domain}.{name}" if domain else name
        passed = sum(not fault for fault in faults.values())
        lines.append(f"| {label} | {passed or ''} | {len(faults) or 'none'} |")
    return "\n".join(lines)


def failures(results) -> str:
    """Cases that fail, and why, in markdown."""
    wrong = {case: why for of in results.values() for case, why in of.items() if why}
    lines = ["| case | what is wrong |", "|---|---|"]
    clean = lambda text: text.replace("|", "\\|")
    return "\n".join(lines + [f"| {k} | {clean(wrong[k])} |" for k in sorted(wrong)])


def page(results, total: int) -> str:
    """The table, with what it is; `total` counts the cases of any operator."""
    import onnx

    passed = sum(not fault for faults in results.values() for fault in faults.values())
    count = sum(map(len, results.values()))
    return f"""# Operators of ONNX

Written by `python -m jfacemap.onnx2jax.conformance --out docs/onnx_operators.md`: the
operators that `jfacemap.onnx2jax` knows, and the cases of the conformance suite in the
wheel of onnx {onnx.__version__} that pass, of all cases of the operator. In all
{passed:,} of {count:,}; a case of several operators counts for each. Of the suite's
{total:,} cases, counted so, {count:,} use these operators and are run, with JAX's x64 flag
on: without it 64-bit numbers are 32-bit ones. Opsets {oldest_opset} to {newest_opset}.
16-bit floats may differ by two units in the last place, others by a relative 1e-3, as the
suite has it.

{table(results)}

## Cases that fail

{failures(results)}
"""


def main(out: Path | None = None) -> None:
    """Run all cases, print what fails and the table.

    Args:
        out: a file to write the page to, in markdown
    """
    import jax

    start = time.perf_counter()
    if out is not None and not out.parent.is_dir():
        raise SystemExit(f"The folder {out.parent} does not exist: make it first.")
    jax.config.update("jax_disable_most_optimizations", True)  # compiles sooner
    cases = list(node_cases())
    with jax.enable_x64(True):
        results = run_all(cases)
    for (_, operator), faults in sorted(results.items()):
        for name, fault in faults.items():
            if fault:
                print(f"{operator}: {name}: {fault}")
    print(table(results))
    print(f"{time.perf_counter() - start:.0f} s")
    if out is not None:
        out.write_text(page(results, len(cases)))


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
