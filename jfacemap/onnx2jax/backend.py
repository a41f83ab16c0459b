"""ONNX's own interface to a runtime, which its conformance suite speaks."""

from collections.abc import Sequence
from typing import Any

import jax
import onnx.backend.base as base

from .function import OnnxFunction
from .loading import load


class JaxBackendRep(base.BackendRep):
    """A model that is ready to run."""

    def __init__(self, function: OnnxFunction):
        self.function = function

    def run(self, inputs: Sequence[Any], **_) -> tuple[Any, ...]:
        """The outputs, in their order."""
        out = self.function(*inputs)
        return tuple(out.values()) if isinstance(out, dict) else (out,)


class JaxBackend(base.Backend):
    """`onnx.backend.base.Backend` in JAX."""

    @classmethod
    def prepare(cls, model, device: str = "CPU", **_) -> JaxBackendRep:
        """Load a model."""
        return JaxBackendRep(load(model))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whatever JAX runs on here."""
        return device == "CPU" or any(
            device.lower() in str(d).lower() for d in jax.devices()
        )
