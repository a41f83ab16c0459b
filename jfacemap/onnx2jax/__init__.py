"""ONNX models as JAX functions: `load` a file, call what it returns."""

from .function import OnnxFunction as OnnxFunction
from .graph import Input as Input
from .loading import load as load
from .registry import operator_versions as operator_versions
