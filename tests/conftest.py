import os


os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads spin while others work
# Most of a test's time is compilation. Experiments and benchmarks run as users do.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import equinox.internal as eqxi
import jax
import jaxtyping
import pytest


jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def unchecked_types():
    """Without the tests' type checker, which would speak before the library does."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def getkey():
    return eqxi.GetKey(0)
