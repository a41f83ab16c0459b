import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm

from ..helpers import relative_error


dims = (3, 5, 4)
r = np.random.default_rng(0)
rows = [np.float32(r.normal(size=(40, d)) + 3 * r.normal(size=d)) for d in dims]


def truth(rows):
    """Float64: squared lengths about the mean, and their products with rows."""
    z = [np.float64(x) - np.float64(x).mean(axis=0) for x in rows]
    e = np.stack([(a**2).sum(axis=1) for a in z])
    return e @ e.T, e @ np.concatenate(z, axis=1)


def errors(moments, rows):
    return [
        relative_error(ours, true)
        for ours, true in zip((moments.energies, moments.pulls), truth(rows), strict=True)
    ]


def test_moments_are_those_of_numpy():
    moments = jfm.compare.energy_moments(rows, names="abc")
    assert max(errors(moments, rows)) < 1e-12
    joint = jfm.joint_moments(rows, names="abc")
    for ours, true in zip(
        jax.tree.leaves(moments.joint), jax.tree.leaves(joint), strict=True
    ):
        np.testing.assert_array_equal(ours, true)
    assert moments.joint.names == ("a", "b", "c")


def test_batches_far_apart_merge_to_the_whole():
    """The means of the two batches differ, so all terms of the shift count."""
    first, rest = zip(*((x[:15], x[15:] + 5) for x in rows), strict=True)
    whole = [np.concatenate(parts) for parts in zip(first, rest, strict=True)]
    a, b = jfm.compare.energy_moments(first), jfm.compare.energy_moments(rest)
    for merged in (jfm.merge(a, b), jfm.merge(b, a)):
        assert max(errors(merged, whole)) < 1e-12
    assert min(errors(a, whole)) > 0.1
    zero = jfm.compare.EnergyMoments.zero(dims)
    for ours, true in zip(
        jax.tree.leaves(jfm.merge(zero, a)), jax.tree.leaves(a), strict=True
    ):
        np.testing.assert_allclose(ours, true, rtol=1e-6, atol=1e-6)


def test_rows_left_out_leave_no_trace():
    used = np.arange(40) % 3 != 0
    holed = [np.where(used[:, None], x, np.nan) for x in rows]
    moments = jfm.compare.energy_moments(holed, used)
    assert max(errors(moments, [x[used] for x in rows])) < 1e-12
    assert float(np.asarray(moments.joint.count)) == used.sum()
    assert np.isnan(np.asarray(jfm.compare.energy_moments(holed).energies)).all()


def test_says_what_a_mask_is(unchecked_types):
    with pytest.raises(ValueError, match=r"mask of rows.*got float32"):
        jfm.compare.energy_moments(rows, np.ones(40, np.float32))
    with pytest.raises(ValueError, match="Rows must pair up"):
        jfm.compare.energy_moments([rows[0], jnp.asarray(rows[1][:7])])
