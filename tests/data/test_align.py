"""Alignment against scikit-image, against our own Procrustes, and on real faces."""

import os
import pathlib

import jax.numpy as jnp
import numpy as np
import pytest
import skimage.transform

import jfacemap as jfm
from jfacemap.data.align import align_face, five_points, solve_alignment, template


rng = np.random.default_rng(0)


@pytest.mark.parametrize("mirrored", (False, True))
def test_the_similarity_is_umeyamas(mirrored):
    source = rng.normal(size=(5, 2)) * [[-30, 30]] if mirrored else template + 3
    source = source + rng.normal(size=(5, 2)) * 4
    ours = solve_alignment(source, template)
    theirs = skimage.transform.SimilarityTransform.from_estimate(source, template)
    np.testing.assert_allclose(ours, theirs.params, atol=1e-9)
    m = jfm.fit_similarity(jnp.asarray(source, "float32"), jnp.asarray(template, "float32"))
    points = np.c_[source, np.ones(5)] @ ours[:2].T
    np.testing.assert_allclose(m(jnp.asarray(source, "float32")), points, atol=1e-3)


@pytest.mark.parametrize("channels", ((), (3,)))
@pytest.mark.parametrize("size", ((112, 112), (64, 48)))
@pytest.mark.parametrize("shift", (0, 150, -900))
def test_pixels_are_those_of_scikit_image(channels, size, shift):
    image = rng.integers(0, 256, (200, 180, *channels)).astype(np.uint8)
    turn = np.array([[0.8, 0.3], [-0.3, 0.8]])
    points = template @ turn * 1.3 + shift
    scale = np.array([size[1], size[0]]) / 112
    a = solve_alignment(points, template * scale)
    theirs = skimage.transform.warp(
        image, np.linalg.inv(a), output_shape=size, order=1, preserve_range=True
    )
    ours = align_face(image, points, size).astype(float)
    assert ours.shape == (*size, *channels)
    # The libraries treat the half pixel beyond the border differently.
    y, x = np.mgrid[: size[0], : size[1]]
    where = np.linalg.inv(a) @ np.stack([x, y, np.ones_like(x)]).reshape(3, -1)
    gap = np.minimum(where[:2], np.array([[179], [199]]) - where[:2]).min(axis=0)
    clear = (np.abs(gap) > 1).reshape(size)
    assert np.abs(ours - theirs)[clear].max() <= 0.5 + 1e-2


def test_a_face_that_lies_on_the_template_stays_as_it_is():
    image = rng.integers(0, 256, (112, 112, 3)).astype(np.uint8)
    np.testing.assert_array_equal(align_face(image, template), image)


def test_five_of_sixty_eight_points():
    points = rng.normal(size=(68, 2))
    five = five_points(points)
    np.testing.assert_allclose(five[0], points[36:42].mean(axis=0))
    np.testing.assert_array_equal(five[2:], points[[30, 48, 54]])
    np.testing.assert_array_equal(five_points(five), five)


@pytest.mark.parametrize(
    ("points", "match"),
    (
        (np.full((5, 2), np.nan), "not finite"),
        (np.full((5, 2), 7.0), "one point"),
        (np.zeros((7, 2)), "5 or 68"),
    ),
)
def test_what_is_no_face_is_an_error(points, match):
    with pytest.raises(ValueError, match=match):
        align_face(np.zeros((20, 20), np.uint8), points)


@pytest.mark.skipif("JFACEMAP_DATA" not in os.environ, reason="needs $JFACEMAP_DATA")
def test_real_faces_come_as_they_were_aligned_by_another_program():
    with np.load(pathlib.Path(os.environ["JFACEMAP_DATA"], "lfw100.npz")) as file:
        images, points, theirs = (file[k] for k in ("images", "landmarks68", "aligned112"))
    for i in range(0, 100, 10):
        ours = align_face(images[i], points[i]).astype(int)
        difference = np.abs(ours - theirs[i])
        assert difference.max() <= 1 and difference.mean() < 1e-3
