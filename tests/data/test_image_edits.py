import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.transform import SimilarityTransform, warp

from jfacemap.data import edits, render
from jfacemap.data.image_edits import _warp, blur, hue


def smooth(seed=0, n=24):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 3, n)
    waves = [
        np.sin(a * t[:, None] + b * t[None] + c) for a, b, c in rng.normal(size=(3, 3))
    ]
    return np.float32(128 + 90 * np.stack(waves, axis=-1))


@pytest.mark.parametrize("name", edits)
def test_no_amount_changes_nothing_and_slopes_are_those_of_differences(name):
    image, edit = smooth(), edits[name]
    f = jax.jit(lambda z: edit.apply(image, z))
    if name != "covering":  # a soft edge of a covering of nothing is at the border
        np.testing.assert_allclose(f(jnp.float32(0)), image, atol=2e-3)
    z, h = jnp.float32((edit.low + edit.high) / 2 + 0.01), jnp.float32(1e-3 * edit.step)
    _, slope = jax.jvp(f, (z,), (jnp.float32(1),))
    numeric = (np.float64(f(z + h)) - np.float64(f(z - h))) / (2 * float(h))
    scale = np.abs(numeric).max()
    # Bilinear interpolation has kinks: few pixels cross one.
    assert np.median(np.abs(slope - numeric)) < 0.03 * scale
    assert scale > 0 and np.isfinite(slope).all()


def test_warp_matches_skimage():
    image = smooth()
    h = (image.shape[0] - 1) / 2
    for degrees, scale, right in ((10, 1, 0), (0, 1.2, 0), (0, 1, 2.5)):
        a = np.radians(degrees)
        # From the output to the input, about the middle.
        turn = SimilarityTransform(scale=1 / scale, rotation=a)
        move = SimilarityTransform(translation=(-h - right, -h))
        back = SimilarityTransform(translation=(h, h))
        wanted = warp(image / 255, move + turn + back, order=1, mode="edge") * 255
        numbers = np.cos(a) / scale, np.sin(a) / scale, float(right)
        found = np.asarray(_warp(image, *map(jnp.float32, numbers)))
        inside = slice(6, -6)
        np.testing.assert_allclose(found[inside, inside], wanted[inside, inside], atol=0.05)


def test_hue_keeps_grey_and_comes_round():
    image = smooth()
    grey = image.mean(-1, keepdims=True).repeat(3, -1)
    np.testing.assert_allclose(hue(grey, jnp.float32(70)), grey, atol=1e-3)
    np.testing.assert_allclose(hue(image, jnp.float32(360)), image, atol=1e-2)
    np.testing.assert_allclose(
        hue(image, jnp.float32(120)), np.roll(image, 1, axis=-1), atol=1e-2
    )


def test_blur_keeps_the_mean_of_a_line():
    image = np.zeros((40, 40, 1), np.float32)
    image[20] = 200
    found = np.asarray(blur(image, jnp.float32(1.5)))[:, 20, 0]
    assert found.sum() == pytest.approx(200, rel=1e-4)
    spread = np.sqrt((found * (np.arange(40) - 20) ** 2).sum() / found.sum())
    assert spread == pytest.approx(1.5, abs=0.05)


def test_render_applies_all_and_stays_within_pixels():
    image = smooth()
    chosen = {name: edits[name] for name in ("rotation", "brightness")}
    found = render(image, chosen, jnp.float32([5.0, 2.0]))
    one = edits["brightness"].apply(edits["rotation"].apply(image, 5.0), 2.0)
    np.testing.assert_allclose(found, np.clip(one, 0, 255), atol=1e-3)
    assert found.max() == 255
