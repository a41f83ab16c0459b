import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.signal

from jfacemap import network


weights = network.init_lenet(jr.key(0))
images = np.asarray(jr.randint(jr.key(1), (3, 28, 28), 0, 256), np.uint8)


def by_hand(weights, image):
    """One image, layer by layer, in float64."""
    plain = jax.tree.map(np.float64, weights.to_pure_dict())

    def convolve(x, layer):
        kernel, bias = layer["kernel"], layer["bias"]
        flat = np.stack(
            [
                sum(scipy.signal.correlate2d(x[c], k[c], "valid") for c in range(len(x)))
                for k in kernel
            ]
        )
        o, h, w = flat.shape
        pooled = flat.reshape(o, h // 2, 2, w // 2, 2).max(axis=(2, 4))
        return pooled + bias[:, None, None]

    conv1 = convolve(np.float64(image)[None] / 256, plain["conv1"])
    conv2 = convolve(conv1, plain["conv2"])
    dense = lambda x, layer: x @ layer["kernel"] + layer["bias"]
    ip1 = np.maximum(dense(conv2.reshape(-1), plain["ip1"]), 0)
    return conv1, conv2, ip1, dense(ip1, plain["ip2"])


def test_every_layer_by_hand():
    seen = jax.jit(network.apply_lenet)(weights, images)
    for i, image in enumerate(images):
        for ours, truth in zip(jax.tree.leaves(seen), by_hand(weights, image), strict=True):
            np.testing.assert_allclose(ours[i], truth, rtol=1e-4, atol=1e-5)


def test_caffes_shapes_and_first_weights():
    sizes = {
        k: {n: v.shape for n, v in d.items()} for k, d in weights.to_pure_dict().items()
    }
    assert sizes == {
        "conv1": {"kernel": (20, 1, 5, 5), "bias": (20,)},
        "conv2": {"kernel": (50, 20, 5, 5), "bias": (50,)},
        "ip1": {"kernel": (800, 500), "bias": (500,)},
        "ip2": {"kernel": (500, 10), "bias": (10,)},
    }
    for name, fan_in in (("conv1", 25), ("conv2", 500), ("ip1", 800), ("ip2", 500)):
        layer = weights.to_pure_dict()[name]
        limit = np.sqrt(3 / fan_in)
        assert 0.9 * limit < np.abs(layer["kernel"]).max() <= limit
        assert not np.any(layer["bias"])


def test_layers_by_name(unchecked_types):
    seen = network.apply_lenet(weights, images)
    assert [seen.layer(name).shape[1] for name in network.layers] == [2880, 800, 500, 10]
    np.testing.assert_allclose(seen.layer("softmax").sum(axis=1), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="no layer 'ip3'"):
        seen.layer("ip3")
    with pytest.raises(ValueError, match=r"\(n, 28, 28\)"):
        network.apply_lenet(weights, images[:, 1:])


def test_lowers_for_accelerators_without_float64():
    loss = lambda w, x: jnp.sum(network.apply_lenet(w, x).logits)
    traced = jax.jit(jax.grad(loss)).trace(weights, images)
    assert "convolution" in traced.lower(lowering_platforms=("cuda",)).as_text()
    assert "f64" not in traced.lower(lowering_platforms=("tpu",)).as_text()
