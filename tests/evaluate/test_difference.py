"""Paired differences of TAR, on draws made up for the purpose."""

import dataclasses

import numpy as np
import pytest

import jfacemap as jfm


def cells(draws, level=0.8):
    draws = np.asarray(draws, float)
    about = {"n_identities": 9, "n_skipped": 0, "level": level}
    return jfm.TarConfidence(draws[0], draws[0], draws[0], draws, **about)


def test_draws_subtract_one_by_one():
    a = cells([[0.5, 0.9], [0.6, 0.8], [0.1, 0.4], [0.9, 0.7], [0.3, 0.6]])
    b = cells([[0.4, 0.9], [0.7, 0.5], [0.1, 0.3], [0.5, 0.9], [0.2, 0.1]])
    less = jfm.tar_difference(a, b)
    truth = [[0.1, 0], [-0.1, 0.3], [0, 0.1], [0.4, -0.2], [0.1, 0.5]]
    np.testing.assert_allclose(less.replicates, truth, atol=1e-12)
    np.testing.assert_allclose(less.estimate, [0.1, 0], atol=1e-12)
    # A tenth of four steps is .4 of the first: from -.1 to 0, and from .1 to .4.
    np.testing.assert_allclose([less.lower[0], less.upper[0]], [-0.06, 0.28], atol=1e-12)


def test_what_is_not_paired_is_refused():
    a = cells([[0.5], [0.6]])
    for other in (cells([[0.5], [0.6], [0.7]]), dataclasses.replace(a, n_identities=8),
                  dataclasses.replace(a, level=0.9)):  # fmt: skip
        with pytest.raises(ValueError):
            jfm.tar_difference(a, other)
