"""Images to stored rows: against a loop, against onnxruntime, and interrupted."""

import warnings

import jax.numpy as jnp
import numpy as np
import onnx
import PIL.Image
import pytest

import jfacemap as jfm
from jfacemap import onnx2jax
from jfacemap.data.arrays import InputError
from jfacemap.study.embed_frames import Frames

from ..devices import on_eight_devices
from ..onnx2jax.build import draws, model, node, runtime, value


rng = np.random.default_rng(0)
images = rng.integers(0, 256, (11, 8, 8, 3)).astype(np.uint8)
small = jfm.data.Preprocess((8, 8))
weight = rng.normal(size=(8 * 8 * 3, 5)).astype(np.float32)


def network(x):
    """Linear, of channels second."""
    return x.reshape(len(x), -1) @ weight


def truth(pixels):
    x = (pixels.astype(np.float64) - 127.5) / 127.5
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1) @ weight.astype(np.float64)


@pytest.fixture
def place(request):
    return f"memory://test_embed/{request.node.nodeid}"


@pytest.fixture
def folder(tmp_path):
    for i, image in enumerate(images):
        path = tmp_path / "images" / f"person{i // 3}" / f"{i:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    return tmp_path / "images"


@pytest.mark.parametrize("batch_size", (1, 4, 11, 32))
def test_rows_are_those_of_a_loop(place, batch_size):
    store = jfm.embed(network, images, place, preprocess=small, batch_size=batch_size)
    assert store.columns == {"image": "int64"}
    np.testing.assert_array_equal(store.column("image"), np.arange(11))
    np.testing.assert_allclose(store.rows(), truth(images), rtol=1e-4, atol=1e-4)


def test_one_shape_is_compiled_whatever_is_left_over(place):
    shapes = []

    def count(x):
        shapes.append(x.shape)
        return network(x)

    seen = []
    options = dict(preprocess=small, batch_size=4, progress=lambda *n: seen.append(n))
    jfm.embed(count, images, place, **options)
    assert set(shapes) == {(4, 3, 8, 8)} and len(shapes) == 1
    assert seen == [(4, 11), (8, 11), (11, 11)]


def test_folders_give_names_and_whose_they_are(place, folder):
    extra = {"quality": np.arange(11) / 2}
    store = jfm.embed(
        network, folder, place, preprocess=small, columns=extra, metadata={"by": "me"}
    )
    assert store.columns == {"image": "string", "folder": "string", "quality": "float64"}
    assert store.column("image")[4] == "person1/04.png"
    assert store.column("folder").tolist() == [f"person{i // 3}" for i in range(11)]
    np.testing.assert_array_equal(store.column("quality"), extra["quality"])
    assert store.metadata["by"] == "me" and store.metadata["embed"]["aligned"] is False
    np.testing.assert_allclose(store.rows(), truth(images), rtol=1e-4, atol=1e-4)


def test_unreadable_images_are_left_out_listed_and_tried_again(place, folder):
    broken, cut = folder / "person0/01.png", folder / "person2/07.png"
    whole = cut.read_bytes()
    broken.write_text("no image")
    cut.write_bytes(whole[:60])
    options = dict(preprocess=small, batch_size=3)
    store = jfm.embed(network, folder, place, **options)
    skipped = store.metadata["skipped"]
    assert set(skipped) == {"person0/01.png", "person2/07.png"} and all(skipped.values())
    kept = [i for i in range(11) if i not in (1, 7)]
    np.testing.assert_allclose(store.rows(), truth(images[kept]), rtol=1e-4, atol=1e-4)
    cut.write_bytes(whole)
    store = jfm.embed(network, folder, place, **options)
    assert set(store.metadata["skipped"]) == {"person0/01.png"}
    assert store.column("image")[-1] == "person2/07.png" and len(store) == 10
    np.testing.assert_allclose(store.rows([-1]), truth(images[[7]]), rtol=1e-4, atol=1e-4)


def test_no_image_that_can_be_read_is_an_error_and_leaves_no_store(place, folder):
    for path in folder.rglob("*.png"):
        path.write_text("no image")
    with pytest.raises(
        InputError, match=r"None of the 11 images could .*00\.png: .*; \.\.\."
    ):
        jfm.embed(network, folder, place, preprocess=small)
    assert not jfm.data.EmbeddingStore.exists(place)
    one = folder / "person0/00.png"
    with pytest.raises(InputError, match=r"The only image could not .*00\.png: "):
        jfm.embed(network, [one], place, preprocess=small)
    PIL.Image.fromarray(images[0]).save(one)
    assert len(jfm.embed(network, folder, place, preprocess=small)) == 1
    one.write_text("no image")  # what was there stays, read now or not
    assert len(jfm.embed(network, folder, place, preprocess=small)) == 1


def test_rows_that_are_not_finite_are_left_out(place):
    def some(x):
        dark = jnp.mean(x, axis=(1, 2, 3), keepdims=False)[:, None] < -0.9
        return jnp.where(dark, jnp.nan, network(x))

    dark = images.copy()
    dark[3] = 0
    store = jfm.embed(some, dark, place, preprocess=small)
    assert store.metadata["skipped"] == {"3": "its embedding is not finite"}
    assert 3 not in store.column("image") and len(store) == 10


def test_an_interrupted_run_is_gone_on_with(place):
    class Stop(Exception):
        pass

    def stop(done, total):
        if done >= 4:
            raise Stop

    options = dict(preprocess=small, batch_size=2)
    with pytest.raises(Stop):
        jfm.embed(network, images, place, progress=stop, **options)
    half = jfm.data.EmbeddingStore.open(place)
    assert len(half) == 4
    seen = []
    store = jfm.embed(
        network, images, place, progress=lambda *n: seen.append(n[0]), **options
    )
    assert seen == [6, 8, 10, 11]
    np.testing.assert_array_equal(store.column("image"), np.arange(11))
    np.testing.assert_allclose(store.rows(), truth(images), rtol=1e-4, atol=1e-4)


def test_ctrl_c_keeps_all_rows_that_are_computed(place, monkeypatch):
    """It comes as the third batch is decoded: the second is computed, not written."""
    frame = Frames.frame

    def interrupted(self, i):
        if i == 4:
            raise KeyboardInterrupt  # what the thread raises comes out of `result()`
        return frame(self, i)

    monkeypatch.setattr(Frames, "frame", interrupted)
    with pytest.raises(KeyboardInterrupt):
        jfm.embed(network, images, place, preprocess=small, batch_size=2)
    half = jfm.data.EmbeddingStore.open(place)
    np.testing.assert_allclose(half.rows(), truth(images[:4]), rtol=1e-4, atol=1e-4)
    monkeypatch.undo()
    store = jfm.embed(network, images, place, preprocess=small, batch_size=2)
    np.testing.assert_array_equal(store.column("image"), np.arange(11))


def test_faces_of_another_size_are_warned_of(place):
    """Of networks that take aligned faces: they would be squeezed whole."""
    made = onnx2jax.load(tiny_onnx(1))
    large = np.repeat(images, 2, axis=1)
    with pytest.warns(UserWarning, match=r"image 0 is 16 x 8, and arcface .*of 8 x 8"):
        jfm.embed(made, large, place)
    points = np.broadcast_to(jfm.data.align.template / 14, (11, 5, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        jfm.embed(made, large, f"{place}1", landmarks=points)
        jfm.embed(made, large, f"{place}2", preprocess="facenet")
        jfm.embed(made, images, f"{place}3")


def test_another_network_or_way_is_not_mixed_in(place):
    jfm.embed(network, images, place, preprocess=small)
    again = lambda fn=network, **options: jfm.embed(
        fn, images, place, **{"preprocess": small} | options
    )
    again()
    for options, what in (
        ({"flip": True}, "flip: off there, on now"),
        (
            {"preprocess": jfm.data.Preprocess((8, 8), std=128.0)},
            r"preprocess std: 127\.5 there, 128\.0 now",
        ),
        ({"columns": {"more": np.arange(11)}}, "columns: image there, image more now"),
        ({"dtype": "float16"}, "dtype: float32 there, float16 now"),
        ({"fn": lambda x: network(x)[:, :3]}, "width: 5 there, 3 now"),
    ):
        with pytest.raises(InputError, match=f"another way .*{what}"):
            again(**options)
    assert len(jfm.data.EmbeddingStore.open(place)) == 11


def test_another_array_is_not_taken_for_the_first(place):
    """Their positions are the same: only their pixels tell them apart."""
    jfm.embed(network, images[:8], place, preprocess=small)
    for other in (255 - images, images):
        with pytest.raises(InputError, match=r"another way .*images"):
            jfm.embed(network, other, place, preprocess=small)


def test_metadata_of_a_later_call_are_stored_too(place):
    first = jfm.embed(network, images, place, preprocess=small, metadata={"a": 1, "b": 2})
    again = {"b": 3, "embed": "not ours"}
    store = jfm.embed(network, images, place, preprocess=small, metadata=again)
    assert store.metadata == first.metadata | {"b": 3}


def test_mirror_images_are_averaged(place):
    store = jfm.embed(network, images, place, preprocess=small, flip=True)
    mean = (truth(images) + truth(images[:, :, ::-1])) / 2
    np.testing.assert_allclose(store.rows(), mean, rtol=1e-4, atol=1e-4)


def test_faces_are_aligned_and_those_without_landmarks_left_out(place):
    size = (8, 8)
    points = jfm.data.align.template[None] * (8 / 112) + np.arange(11)[:, None, None] / 9
    points[2] = np.nan
    store = jfm.embed(network, images, place, preprocess=small, landmarks=points)
    kept = [i for i in range(11) if i != 2]
    faces = [jfm.data.align_face(images[i], points[i], size) for i in kept]
    np.testing.assert_allclose(store.rows(), truth(np.stack(faces)), rtol=1e-4, atol=1e-4)
    assert set(store.metadata["skipped"]) == {"2"}
    crops = jfm.data.Preprocess(size, crop=0.875)  # of whole photographs, not of faces
    cropped = jfm.embed(network, images, f"{place}3", preprocess=crops, landmarks=points)
    np.testing.assert_array_equal(cropped.rows(), store.rows())
    named = jfm.embed(
        network, images, f"{place}2", preprocess=small, landmarks={4: points[4]}
    )
    np.testing.assert_allclose(
        named.rows(), truth(np.stack([faces[3]])), rtol=1e-4, atol=1e-4
    )


def tiny_onnx(batch):
    """Convolve, pool over all: (batch, 6, 1, 1)."""
    nodes = [
        node("Conv", ["x", "w"], ["h"], pads=[1, 1, 1, 1]),
        node("Relu", ["h"], ["r"]),
        node("GlobalAveragePool", ["r"], ["y"]),
    ]
    shapes = {"x": (batch, 3, 8, 8)}, {"y": (batch, 6, 1, 1)}
    return model(nodes, *shapes, {"w": draws(0, 6, 3, 3, 3)})


@pytest.mark.parametrize("batch", (1, "n"))
def test_onnx_models_give_what_onnxruntime_does(place, batch):
    made = tiny_onnx(batch)
    store = jfm.embed(onnx2jax.load(made), images, place, batch_size=4)  # size by the graph
    x = np.float32((images.transpose(0, 3, 1, 2) - 127.5) / 127.5)
    theirs = [runtime(made, x=x[i : i + 1])["y"].ravel() for i in range(11)]
    np.testing.assert_allclose(store.rows(), np.stack(theirs), rtol=1e-4, atol=1e-5)
    assert store.metadata["embed"]["preprocess"]["size"] == [8, 8]
    other = tiny_onnx(batch)
    other.graph.initializer[0].CopyFrom(
        onnx.numpy_helper.from_array(draws(1, 6, 3, 3, 3), "w")
    )
    with pytest.raises(InputError, match=r"another way .*weights"):
        jfm.embed(onnx2jax.load(other), images, place)


def test_another_output_of_one_model_is_not_mixed_in(place):
    """Of the same weights and width: only the graph tells them apart."""
    made = tiny_onnx(1)
    jfm.embed(onnx2jax.load(made, outputs=["h"]), images[:4], place)
    for other in (
        onnx2jax.load(made, outputs=["r"]),
        onnx2jax.load(relu_to("Elu", made), outputs=["r"]),
    ):
        with pytest.raises(InputError, match=r"another way .*graph"):
            jfm.embed(other, images[:4], place)
    jfm.embed(onnx2jax.load(made, outputs=["h"]), images[:4], place)


def relu_to(op, made):
    other = onnx.ModelProto.FromString(made.SerializeToString())
    other.graph.node[1].op_type = op
    return other


def test_models_of_whole_numbers_take_pixels_as_they_are(place):
    uint8 = onnx.TensorProto.UINT8
    nodes = [
        node("Cast", ["x"], ["c"], to=onnx.TensorProto.FLOAT),
        node("Conv", ["c", "w"], ["h"]),
        node("GlobalAveragePool", ["h"], ["y"]),
    ]
    inputs = {"x": value("x", (1, 3, 8, 8), uint8)}
    made = model(nodes, inputs, {"y": (1, 6, 1, 1)}, {"w": draws(0, 6, 3, 3, 3)})
    f = onnx2jax.load(made)
    with pytest.raises(ValueError, match=r"pixels as uint8.*preprocess='pixels'"):
        jfm.embed(f, images, place)
    store = jfm.embed(f, images[:1], place, preprocess="pixels")
    want = runtime(made, x=images[:1].transpose(0, 3, 1, 2))["y"].ravel()
    np.testing.assert_allclose(store.rows()[0], want, rtol=1e-5, atol=1e-3)


def test_batches_may_be_sharded(tmp_path):
    np.savez(tmp_path / "a.npz", images=images, weight=weight, truth=truth(images))
    code = """
    import jfacemap as jfm
    from jfacemap.study.embed_network import Network

    images, weight, truth = np.load(sys.argv[1]).values()
    small = jfm.data.Preprocess((8, 8))
    fn = lambda x: x.reshape(len(x), -1) @ weight
    out = Network(fn, small, sharding=over)(np.resize(images, (16, 8, 8, 3)))
    assert len({s.device for s in out.addressable_shards}) == 8
    assert all(s.data.shape == (2, 5) for s in out.addressable_shards)
    options = dict(preprocess=small, sharding=over, batch_size=8)
    store = jfm.embed(fn, images, "memory://sharded", **options)
    np.testing.assert_allclose(store.rows(), truth, rtol=1e-4, atol=1e-4)
    """
    on_eight_devices(code, tmp_path / "a.npz")


def test_what_makes_no_embedding_is_an_error(place, unchecked_types):
    embed = lambda fn, **o: jfm.embed(fn, images, place, **{"preprocess": small} | o)
    with pytest.raises(ValueError, match=r"outputs 'a', 'b': choose one"):
        embed(lambda x: {"a": x, "b": x})
    with pytest.raises(ValueError, match="embeddings are"):
        embed(lambda x: x.sum())
    with pytest.raises(ValueError, match="Images are 11, and there are landmarks for 7"):
        embed(network, landmarks=np.zeros((7, 5, 2)))
    with pytest.raises(InputError, match="No image has landmarks"):
        embed(network, landmarks={"x": np.zeros((5, 2))})
    with pytest.raises(ValueError, match="written by embed"):
        embed(network, columns={"image": np.arange(11)})
    with pytest.raises(ValueError, match="one value each"):
        embed(network, columns={"who": np.arange(10)})
    with pytest.raises(ValueError, match=r"'m\.onnx'.*onnx2jax\.load"):
        embed("m.onnx")
    with pytest.raises(ValueError, match=r"one of arcface, .*got None"):
        embed(network, preprocess=None)
    with pytest.raises(ValueError, match="at least 1; got -1"):
        embed(network, workers=-1)
    with pytest.raises(ValueError, match="change it, or name a preset"):
        embed(onnx2jax.load(tiny_onnx(1)), preprocess=jfm.data.Preprocess((9, 9)))
    assert not jfm.data.EmbeddingStore.exists(place)
