import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jfacemap.evaluate.target import count_limit, far_words


limits = jax.jit(jax.vmap(lambda n, words: count_limit(n, words)))


def sizes(size=2000):
    rng = np.random.default_rng(0)
    n = np.concatenate([rng.integers(1, high, size) for high in (300, 2**24, 2**31)])
    return n, (rng.random(n.size) * (n + 1)).astype(np.int64), rng


def near(n, k, rng):
    """Targets at, next to and between the rates k / n, and few-digit ones."""
    rate = k / n
    yield from (rate, np.nextafter(rate, 0), np.minimum(np.nextafter(rate, 1), 1))
    yield from ((k // 2 + 0.5) / n, np.round(rate, 2), rng.random(n.size))
    yield np.minimum(rng.integers(0, 20, n.size) / n, 1)


def is_limit(k, n, far):
    dtype = far.dtype.type
    within = lambda k: dtype(k / n) <= far
    return (k >= 0) & (k <= n) & within(k) & ((k == n) | ~within(k + 1))


def test_counts_are_those_of_a_float64_division():
    n, k, rng = sizes()
    for far in near(n, k, rng):
        words = far_words(far)
        exact = np.float64(words[:, :3]).sum(axis=1)
        np.testing.assert_array_equal(exact[far > 1e-30], far[far > 1e-30])
        ours = np.asarray(limits(n.astype(np.int32), words), np.int64)
        assert is_limit(ours, n, far).all()


def test_float32_targets_count_as_a_float32_quotient():
    n, k, rng = sizes()
    for far in near(n, k, rng):
        words = far_words(jnp.asarray(far, jnp.float32))
        ours = np.asarray(limits(n.astype(np.int32), words), np.int64)
        # Beyond, k / n may lie between two float32, and the test itself rounds twice.
        assert is_limit(ours, n, np.float32(far))[n < 2**24].all()


@pytest.mark.parametrize(("far", "limit"), [(0.29, 29), (0, 0), (1, 100), (1e-300, 0)])
def test_plain_numbers(far, limit):
    assert count_limit(jnp.int32(100), far_words(far)) == limit
    assert count_limit(jnp.int32(0), far_words(far)) == 0
