"""Parts of the experiments of paper 001; the experiments run in CI, small."""

import dataclasses
import threading

import jax.numpy as jnp
import numpy as np
import pytest
from rich.progress import Progress

from experiments import attribute_probes, face_collections, face_networks, pose_regression
from experiments.mnist_invariance_data import Data
from experiments.mnist_invariance_train import beside, targets_of, Trainer
from jfacemap import network


def write_celeba(folder):
    rng = np.random.default_rng(0)
    names = "Male", "Young", "Odd"
    lines = ["9", " ".join(names)]
    lines += [f"{i}.jpg " + " ".join(map(str, rng.choice([-1, 1], 3))) for i in range(9)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(lines) + "\n")
    partition = "".join(f"{i}.jpg {i % 3}\n" for i in range(9))
    (folder / "list_eval_partition.txt").write_text(partition)
    (folder / "embeddings").mkdir()
    np.save(folder / "embeddings" / "net.npy", np.float32(rng.normal(size=(9, 4))))
    return folder


def test_a_folder_in_celebas_format(tmp_path):
    found = face_collections.open_celeba(write_celeba(tmp_path))
    assert list(found.models) == ["net"] and found.people is None
    assert found.names == ["Male", "Young *", "Odd *"]  # stated in the text, or by us
    assert found.groups[0] == "identity-dependent"
    (roles,) = found.splits
    assert [np.flatnonzero(mask)[0] for mask in roles] == [0, 1, 2]
    (tmp_path / "embeddings" / "net.npy").unlink()
    (tmp_path / "embeddings").rmdir()
    with pytest.raises(SystemExit, match=r"MODEL\.npy"):
        face_collections.open_celeba(tmp_path)


def test_another_classifiers_predictions_count_on_test_rows_alone(tmp_path):
    found = face_collections.open_celeba(write_celeba(tmp_path))
    assert attribute_probes.known(None, found) is None
    perfect = attribute_probes.known(np.float32(found.labels), found)
    assert perfect is not None
    tested = found.splits[0].test
    assert (perfect.predicted[~tested] == 0).all()
    rates = perfect.errors.false_negative.rate
    assert (rates[~np.isnan(rates)] == 0).all()
    with pytest.raises(SystemExit, match="--reference has shape"):
        attribute_probes.known(found.labels[:4], found)


def test_medians_are_of_each_data_set():
    x = np.float32([1, 2, 3, 4, 101, 102, 103, 104])
    cut = face_collections.by_median(x, np.repeat(["a", "b"], 4))
    np.testing.assert_array_equal(cut, [-1, -1, 1, 1] * 2)


def test_angles_of_66_bins():
    logits = np.full((2, 66), -50.0)
    logits[0, [33, 34]], logits[1, 30] = 5, 5
    yaw, pitch, roll = face_networks.angles(
        {"output": logits, "617": logits[::-1], "618": logits}
    )
    np.testing.assert_allclose(yaw, [1.5, -9], atol=1e-6)
    np.testing.assert_allclose(pitch, yaw[::-1], atol=1e-6)
    np.testing.assert_array_equal(roll, yaw)


def test_stages_divide_bins_into_thirds():
    """27 bins of three stages: one lit bin a stage is that number in base three."""
    lit = np.array([2, 0, 1])
    outputs = {f"prob_stage_{s}": np.eye(3)[None, lit[s - 1]] for s in (1, 2, 3)}
    outputs |= {f"index_offset_stage{s}": np.zeros((1, 3)) for s in (1, 2, 3)}
    outputs |= {f"stage{s}_delta_k": np.zeros((1, 1)) for s in (1, 2, 3)}
    whole = (2 * 9 + 0 * 3 + 1) / 27
    np.testing.assert_allclose(face_networks.staged(outputs, 101), [101 * whole])
    outputs["index_offset_stage1"] += 0.5  # half a bin of the first stage
    np.testing.assert_allclose(face_networks.staged(outputs, 1), [whole + 0.5 / 3])
    outputs["stage1_delta_k"] += 1  # bins half as wide, those within them, too
    np.testing.assert_allclose(face_networks.staged(outputs, 1), [(whole + 0.5 / 3) / 2])


def test_two_expressions_of_seven():
    logits = np.zeros((1, 7))
    logits[0, 3] = np.log(4)
    smiling, still = face_networks.expressions({"": logits})
    np.testing.assert_allclose([smiling[0], still[0]], [0.4, 0.1])


def test_networks_that_are_not_there_say_nothing(tmp_path):
    assert face_networks.network_signs(tmp_path, [], []) == {}


def test_crops_reach_beyond_the_points_and_the_picture():
    image = np.full((20, 20), 200, np.uint8)
    points = np.float32([(0, 0), (10, 10)])
    crop = face_networks.crop(image, points, 0.5, 8)
    assert crop.shape == (8, 8, 3)
    assert crop[0, 0, 0] == 0 and crop[-2, -2, 0] == 200  # black beyond the picture


def test_bins_and_published_numbers():
    assert pose_regression.bin_names(pose_regression.yaw_edges) == [
        "0 to 15", "15 to 30", "30 to 45", "> 45",
    ]  # fmt: skip
    counts = pose_regression.published_counts
    assert sum(counts[:4]) == counts[4]
    for errors in pose_regression.published.values():
        total = np.dot(errors[:4], counts[:4]) / counts[4]
        assert total == pytest.approx(errors[4], abs=0.06)  # all are rounded


def test_own_files(tmp_path):
    x = np.float32(np.random.default_rng(0).normal(size=(12, 3)))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "yaw.npy", -np.arange(12.0))
    config = pose_regression.Config(
        features=str(tmp_path / "x.npy"), angles=str(tmp_path / "yaw.npy")
    )
    (problem,) = pose_regression.problems(config)
    np.testing.assert_array_equal(problem.angle, np.arange(12))
    np.save(tmp_path / "yaw.npy", np.arange(5.0))
    with pytest.raises(SystemExit, match=r"shape \(5,\), for 12"):
        pose_regression.problems(config)
    with pytest.raises(SystemExit, match="belong together"):
        pose_regression.problems(pose_regression.Config(angles="a.npy"))


def test_what_runs_beside_is_stopped_with_the_first_thread():
    stop, begun = threading.Event(), threading.Event()

    def train():
        begun.set()
        return stop.wait(60)

    later = []
    with pytest.raises(KeyboardInterrupt), beside(stop) as submit:
        later += [submit(train), submit(train)]
        begun.wait(60)
        raise KeyboardInterrupt
    assert later[0].result() and later[1].cancelled()


def test_what_fails_beside_stops_the_first_thread_and_is_what_is_told():
    stop = threading.Event()
    with pytest.raises(ZeroDivisionError), beside(stop) as submit:
        submit(lambda: 1 // 0)
        assert stop.wait(60)
        raise InterruptedError("by the event")


def trainer(folder, **changed) -> Trainer:
    images = np.zeros((2, 6, 28, 28), np.uint8)
    digits = network.Digits(jnp.asarray(images), jnp.arange(6, dtype=jnp.int32))
    data = Data(digits, digits, np.arange(4), np.arange(4, 6), "made up", "0" * 64)
    given = {"seeds": 1, "seed": 0, "chunk": 1, "stop": threading.Event()}
    return Trainer(data, folder, bar=Progress(disable=True), **(given | changed))


def test_trainings_are_gone_on_with_or_refused_before_they_begin(tmp_path, monkeypatch):
    """`network.train` stands in: three minibatches, saved, from the state it is given."""
    begun = []

    def train(keys, *arguments, state, save, most, progress, **options):
        begun.append(0 if state is None else state.step)
        state = network.start_training(keys, network.CaffeSolver())
        losses = np.ones((1, most), np.float32)
        state = dataclasses.replace(state, step=most, loss=losses, validation=losses)
        save(state)
        progress(most, most)
        return state

    monkeypatch.setattr(network, "train", train)
    pairs = lambda w: network.Pairs(np.full((1, 4), w, np.float32))
    begin = lambda most=3, weight=0.25, **changed: trainer(tmp_path, **changed).begin(
        "PAIR", pairs(weight), iterations=1, most=most
    )
    assert begin()().step == 3 and begin(5)().step == 5
    assert begun == [0, 3]
    with pytest.raises(SystemExit, match="trained for 5 minibatches, more than the 4"):
        begin(4)
    for changed in ({"weight": 0.5}, {"seed": 1}):
        with pytest.raises(SystemExit, match="another training"):
            begin(5, **changed)
    stop = threading.Event()
    stop.set()
    with pytest.raises(InterruptedError, match="PAIR was stopped after 6"):
        begin(6, stop=stop)()


def test_mu_lenets_of_other_targets_have_other_files():
    targets = lambda t: network.Means(np.full((2, 10, 500), t, np.float32))
    names = [targets_of(x) for x in (network.Softmax(), targets(0.0), targets(1.0))]
    assert names[0] == "" and len(set(names)) == 3
