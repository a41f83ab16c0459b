import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from jfacemap import network
from jfacemap.network.train import _order, is_flat


rng = np.random.default_rng(0)
label = np.arange(40) % 10
plain = np.zeros((40, 28, 28), np.uint8)
for i, c in enumerate(label):  # a bar at a place of each digit's own, and noise
    plain[i, 4 + 2 * c : 7 + 2 * c, 4:24] = 200
    plain[i, 10:18, 10:18] += rng.integers(0, 40, (8, 8)).astype(np.uint8)
turned = network.rotate_images(plain, np.float32([0, 15]))
digits = network.Digits(turned, jnp.asarray(label, jnp.int32))
keys = jr.split(jr.key(0), 2)
rows, held = np.tile(np.arange(32), (2, 1)), np.tile(np.arange(32, 40), (2, 1))
train = lambda objective, **options: network.train(
    keys, objective, digits, rows, held, batch=8, chunk=10, **options
)
trained = train(network.Softmax(), iterations=30)


def caffe(weights, velocity, slope, step):
    """SGDSolver's update in float64: the rate inside the velocity, twice for biases."""
    rate = 0.01 * (1 + 1e-4 * step) ** -0.75
    new = {}
    for name, w in weights.items():
        twice = 2 if "bias" in name else 1
        velocity[name] = 0.9 * velocity[name] + rate * twice * (slope[name] + 5e-4 * w)
        new[name] = w - velocity[name]
    return new, velocity


def test_the_solver_is_caffes():
    weights = {"ip.kernel": rng.normal(size=(3, 2)), "ip.bias": rng.normal(size=2)}
    slopes = [{k: rng.normal(size=v.shape) for k, v in weights.items()} for _ in range(4)]
    optimizer = network.CaffeSolver().optimizer()
    ours = jax.tree.map(jnp.float32, weights)
    state = optimizer.init(ours)
    velocity = {k: np.zeros_like(v) for k, v in weights.items()}
    for step, slope in enumerate(slopes):
        move, state = optimizer.update(jax.tree.map(jnp.float32, slope), state, ours)
        ours = jax.tree.map(jnp.add, ours, move)
        weights, velocity = caffe(weights, velocity, slope, step)
    for name, w in weights.items():
        np.testing.assert_allclose(ours[name], w, rtol=1e-5)


def test_warm_up_is_at_a_tenth_of_the_rate():
    plain = network.CaffeSolver(momentum=0.0, decay=0.0).optimizer()
    warm = network.CaffeSolver(momentum=0.0, decay=0.0, warmup=2).optimizer()
    weights, slope = {"w": jnp.ones(3)}, {"w": jnp.arange(3.0)}
    states = [x.init(weights) for x in (plain, warm)]
    for share in (0.1, 0.1, 1.0):
        moves = []
        for i, optimizer in enumerate((plain, warm)):
            move, states[i] = optimizer.update(slope, states[i], weights)
            moves.append(np.asarray(move["w"]))
        np.testing.assert_allclose(moves[1], share * moves[0], rtol=1e-6)


def test_it_learns_and_seeds_differ():
    assert trained.step == 30 and trained.loss.shape == (2, 3)
    assert (trained.loss[:, -1] < 0.7 * trained.loss[:, 0]).all()
    a, b = trained.weights["ip1"]["kernel"].get_value()
    assert not np.allclose(a, b)


def test_seeds_do_not_meet_and_a_stop_changes_nothing(tmp_path):
    swapped = network.train(
        keys[::-1], network.Softmax(), digits, rows, held, batch=8, chunk=10, iterations=10
    )
    np.testing.assert_allclose(swapped.loss[::-1], trained.loss[:, :1], rtol=1e-4)
    path = tmp_path / "lenet.npz"
    save = lambda state: network.save_training(path, state, "a")
    train(network.Softmax(), iterations=20, save=save)
    state = network.load_training(path, "a")
    assert state is not None and state.step == 20
    again = train(network.Softmax(), iterations=30, state=state)
    assert eqx.tree_equal(again, trained)


def test_mean_of_the_weights_is_that_of_its_formula():
    seen = []
    state = network.train(
        keys, network.Softmax(), digits, rows, held, batch=8, chunk=1, iterations=30,
        save=lambda state: seen.append(jax.tree.map(np.float64, state.weights)),
    )  # fmt: skip
    # Unrolled, weights after minibatch t count as t (t + 1) ... (t + 8).
    counts = np.array([math.prod(range(t, t + 9)) for t in range(1, 31)], float)
    average = lambda *w: np.average(np.stack(w), axis=0, weights=counts)
    mean = jax.tree.map(average, *seen)
    for ours, chunked, truth in zip(
        *(jax.tree.leaves(x) for x in (state.mean, trained.mean, mean)), strict=True
    ):
        np.testing.assert_allclose(ours, truth, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(chunked, truth, rtol=1e-4, atol=1e-5)


def test_validation_is_of_the_mean_of_the_weights():
    angle = np.arange(8) % 2  # one angle after the other
    for s in range(2):
        loss = lambda weights, s=s: network.Softmax()(
            jr.key(0), jax.tree.map(lambda w: w[s], weights), digits, angle, held[s]
        )
        np.testing.assert_allclose(trained.validation[s, -1], loss(trained.mean), rtol=1e-5)
        assert abs(loss(trained.mean) / loss(trained.weights) - 1) > 1e-3


def test_files_that_are_not_the_training(tmp_path):
    path = tmp_path / "lenet.npz"
    assert network.load_training(path) is None
    network.save_training(path, trained, "one")
    with pytest.raises(ValueError, match=r"another training \(one; wanted two\)"):
        network.load_training(path, "two")
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged"):
        network.load_training(path, "one")
    np.savez(path, about="one", step=1, loss=np.zeros((1, 1)), validation=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="other weights"):
        network.load_training(path, "one")


def test_every_image_at_every_angle_once_an_epoch():
    angle, image = _order(jr.key(3), jnp.int32(0), 16, 8, jnp.arange(100, 132), digits)
    pairs = np.stack([angle, image], axis=-1).reshape(-1, 2)
    assert len(np.unique(pairs[:64], axis=0)) == len(np.unique(pairs[64:], axis=0)) == 64
    assert pairs[:, 1].min() == 100 and pairs[:, 1].max() == 131
    later = _order(jr.key(3), jnp.int32(5), 3, 8, jnp.arange(100, 132), digits)
    np.testing.assert_array_equal(later[1], image[5:8])


def test_flat_is_no_more_than_a_hundredth_better():
    falling = np.geomspace(1, 0.5, 10)
    assert not is_flat(falling, 3) and not is_flat(np.ones(3), 3)
    assert is_flat(np.append(falling, [0.5, 0.499, 0.51]), 3)


@jax.jit
def features(weights, angle, image):
    return network.apply_lenet(weights, digits.take(angle, image))


@jax.jit
def losses(objectives):
    """All at once: one program."""
    return [objective(jr.key(0), one, digits, angle, image) for objective in objectives]


one = jax.tree.map(lambda w: w[0], trained.weights)
angle, image = np.int32([0, 1, 0, 1, 1, 0]), np.int32([0, 1, 10, 11, 20, 31])


def test_objectives_by_their_formulas():
    seen = jax.tree.map(np.float64, features(one, angle, image))
    scores = seen.logits - seen.logits.max(axis=1, keepdims=True)
    log = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    entropy = -log[np.arange(6), label[image]]
    targets = rng.normal(size=(10, 500)).astype(np.float32)
    w = np.float32([0.1, 0.2, 0.3, 0.4])
    softmax, means, pairs, classes = losses(
        [network.Softmax(), network.Means(targets), network.Pairs(w), network.Classes(w)]
    )
    np.testing.assert_allclose(softmax, entropy.mean(), rtol=1e-4)
    half = np.sum((seen.ip1 - targets[label[image]]) ** 2, axis=1).mean() / 2
    np.testing.assert_allclose(means, half, rtol=1e-5)
    # Two angles: the other rotation is known.
    other = jax.tree.map(np.float64, features(one, 1 - angle, image))
    near = [
        np.sum((getattr(seen, k) - getattr(other, k)) ** 2) / 12
        for k in ("conv1", "conv2", "ip1", "logits")
    ]
    np.testing.assert_allclose(pairs, entropy.mean() + np.dot(w, near), rtol=1e-4)
    # Class-wise: digits 0, 1, 0, 1, 0, 1 about their means, twice their half squares.
    spread = []
    for k in ("conv1", "conv2", "ip1", "logits"):
        x = getattr(seen, k).reshape(6, -1)
        means = np.stack([x[::2].mean(axis=0), x[1::2].mean(axis=0)])
        spread.append(np.sum((x - means[[0, 1, 0, 1, 0, 1]]) ** 2) / 6)
    np.testing.assert_allclose(classes, entropy[:3].mean() + np.dot(w, spread), rtol=1e-4)


def test_features_of_several_networks_some_at_a_time(monkeypatch):
    monkeypatch.setattr("jfacemap.network.features.batch", 4)
    found = network.extract(trained.weights, digits, angle, image, ("ip1", "softmax"))
    assert found["ip1"].shape == (2, 6, 500)
    for seed in (0, 1):
        w = jax.tree.map(lambda x, seed=seed: x[seed], trained.weights)
        truth = features(w, angle, image)
        np.testing.assert_allclose(found["ip1"][seed], truth.ip1, rtol=1e-4, atol=1e-5)
