import dataclasses

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


def test_a_checkpoint_is_of_one_training(tmp_path):
    path = tmp_path / "state.eqx"
    fn, _ = tune("arcface", path, epochs=2)
    again, _ = tune("arcface", path, epochs=2)
    np.testing.assert_array_equal(again.first, fn.first)
    arguments = dict(
        key=key, fn=network(), preprocess=plain, images=faces(12)[0], identity=faces(12)[1],
        edit=edits["light"], validation=faces(6, 100),
    )  # fmt: skip
    settings = jfm.FinetuneSettings("arcface", 2, people=6, rate=1e-2, centre_rate=1e-2)
    others = {
        "edit": {"edit": edits["brightness"]},
        "key": {"key": jax.random.key(1)},
        "images": {"images": faces(12, 1)[0]},
        "identity": {"identity": np.repeat(np.arange(12), 3)[::-1]},
        "weights": {"fn": network(1)},
        "rate": {"settings": dataclasses.replace(settings, rate=1e-3)},
    }
    for what, change in others.items():
        with pytest.raises(ValueError, match=rf"another training \({what}\)"):
            jfm.finetune(**{**arguments, "settings": settings, **change}, checkpoint=path)
    with pytest.raises(ValueError, match="has 2 epochs, and 1 are asked for"):
        tune("arcface", path, epochs=1)
    whole = path.read_bytes()
    for damaged in (b"", b"\x93NUMPY", b"[1]\n", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"or damaged .*: remove it") as error:
            tune("arcface", path, epochs=2)
        assert "\n" not in str(error.value)


def test_more_epochs_go_on_from_fewer(tmp_path):
    whole, history = tune("arcface", epochs=4)
    tune("arcface", tmp_path / "state.eqx", epochs=2)
    longer, after = tune("arcface", tmp_path / "state.eqx", epochs=4)
    np.testing.assert_allclose(longer.first, whole.first, atol=1e-6)
    np.testing.assert_allclose(after.training, history.training, rtol=1e-5)
    np.testing.assert_allclose(after.validation, history.validation, rtol=1e-5)


def test_a_loss_that_is_not_a_number_is_not_the_best():
    best = lambda *v: jfm.FinetuneHistory(np.zeros(len(v) - 1), np.array(v)).best
    nan = np.nan
    assert best(3.0, nan, 1.0, nan) == 2
    assert best(nan, 2.0) == 1 and best(nan, nan) == 0


def test_variations_span_the_range():
    np.testing.assert_allclose(variations(edits["rotation"], jnp.float32(0.5)), [-10, 10])
    np.testing.assert_allclose(variations(edits["blur"], jnp.float32(1)), [0.8, 2.0])


def test_bad_input_is_refused(unchecked_types):
    images, who = faces(1)
    with pytest.raises(ValueError, match="Two people or more on either side; got 1"):
        jfm.finetune(key, network(), plain, images, who, edits["light"], faces(6))
    with pytest.raises(ValueError, match="no weights to train"):
        jfm.finetune(key, jnp.tanh, plain, *faces(3), edits["light"], faces(6))
