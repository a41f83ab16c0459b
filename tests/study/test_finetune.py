import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.data import edits
from jfacemap.study.finetune import variations


plain = jfm.data.Preprocess((6, 6), layout="nhwc")
key = jax.random.key(0)


class Small(eqx.Module):
    """Two layers; the number of pixels is a leaf that must not learn."""

    first: jax.Array
    second: jax.Array
    pixels: jax.Array

    def __call__(self, x):
        x = x.reshape(x.shape[0], -1)
        return jnp.tanh(x @ self.first) @ self.second


def network(seed=0):
    rng = np.random.default_rng(seed)
    a, b = (jnp.asarray(rng.normal(size=s) / 5, jnp.float32) for s in ((108, 24), (24, 8)))
    return Small(a, b, jnp.int32(108))


def faces(people, first=0, each=3):
    rng = np.random.default_rng(first)
    base = rng.uniform(60, 190, (people, 1, 6, 6, 3))
    images = base + rng.normal(0, 6, (people, each, 6, 6, 3))
    who = np.repeat(np.arange(first, first + people), each)
    return images.reshape(-1, 6, 6, 3).clip(0, 255).astype(np.uint8), who


def tune(kind, checkpoint=None, epochs=8):
    settings = jfm.FinetuneSettings(kind, epochs, people=6, rate=1e-2, centre_rate=1e-2)
    return jfm.finetune(
        key, network(), plain, *faces(12), edits["light"], faces(6, 100),
        settings=settings, checkpoint=checkpoint,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ("arcface", "adaface"))
def test_training_helps_people_it_has_not_seen(kind):
    fn, history = tune(kind)
    assert history.training[-1] < history.training[0]
    assert history.validation[history.best] < history.validation[0] and history.best > 0
    assert fn.pixels == 108 and not np.array_equal(fn.first, network().first)


def test_it_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path):
    whole, _ = tune("arcface", epochs=4)
    path = tmp_path / "state.eqx"

    class Stop(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise Stop

    settings = jfm.FinetuneSettings("arcface", 4, people=6, rate=1e-2, centre_rate=1e-2)
    arguments = key, network(), plain, *faces(12), edits["light"], faces(6, 100)
    options = {"settings": settings, "checkpoint": path}
    with pytest.raises(Stop):
        jfm.finetune(*arguments, progress=stop, **options)
    resumed, history = jfm.finetune(*arguments, **options)
    np.testing.assert_allclose(resumed.first, whole.first, atol=1e-6)
    assert np.isfinite(history.validation).all()


def test_variations_span_the_range():
    np.testing.assert_allclose(variations(edits["rotation"], jnp.float32(0.5)), [-10, 10])
    np.testing.assert_allclose(variations(edits["blur"], jnp.float32(1)), [0.8, 2.0])


def test_bad_input_is_refused(unchecked_types):
    images, who = faces(1)
    with pytest.raises(ValueError, match="Two people or more on either side; got 1"):
        jfm.finetune(key, network(), plain, images, who, edits["light"], faces(6))
    with pytest.raises(ValueError, match="no weights to train"):
        jfm.finetune(key, jnp.tanh, plain, *faces(3), edits["light"], faces(6))
