"""`jfacemap embed`: a folder and an array through a small ONNX model."""

import typing

import numpy as np
import onnx
import PIL.Image
import pytest

import jfacemap as jfm
from jfacemap.cli import embed as command, main

from .onnx2jax.build import draws, model, node, runtime


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model with two values to choose from, and five images, one of them broken."""
    monkeypatch.chdir(tmp_path)
    nodes = [
        node("Conv", ["x", "w"], ["h"]),
        node("GlobalAveragePool", ["h"], ["pool"]),
        node("Softmax", ["pool"], ["y"], axis=1),
    ]
    made = model(
        nodes, {"x": (1, 3, 8, 8)}, {"y": (1, 4, 1, 1)}, {"w": draws(0, 4, 3, 3, 3)}
    )
    onnx.save(made, "m.onnx")
    images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.uint8)
    np.save("images.npy", images)
    (tmp_path / "photographs").mkdir()
    for i, image in enumerate(images):
        PIL.Image.fromarray(image).save(f"photographs/{i}.png")
    (tmp_path / "photographs/broken.jpg").write_text("no image")
    return tmp_path


def run(capsys, line: str):
    try:
        code = main(line.split())
    except SystemExit as error:
        code = error.code
    return code, *capsys.readouterr()


def test_a_folder_becomes_a_store(folder, capsys):
    line = "embed m.onnx photographs -o s.zarr --preprocess mobilefacenet --batch 3"
    code, out, err = run(capsys, line)
    assert code == 0 and "4, 1 left out" in out and "broken.jpg" in err
    store = jfm.data.EmbeddingStore.open("s.zarr")
    x = np.float32((np.load("images.npy").transpose(0, 3, 1, 2) - 127.5) / 128)
    theirs = [runtime("m.onnx", x=x[i : i + 1])["y"].ravel() for i in range(4)]
    np.testing.assert_allclose(store.rows(), np.stack(theirs), rtol=1e-4, atol=1e-5)
    assert store.metadata["model"] == "m.onnx"
    assert run(capsys, line)[0] == 0  # goes on, and nothing is left to do
    assert len(jfm.data.EmbeddingStore.open("s.zarr")) == 4


def test_a_value_inside_and_an_array(folder, capsys):
    code, *_ = run(capsys, "embed m.onnx images.npy -o p.zarr --output pool --flip")
    rows = jfm.data.EmbeddingStore.open("p.zarr").rows()
    assert code == 0 and rows.shape == (4, 4) and not np.allclose(rows.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("line", "word"),
    (
        ("none.onnx images.npy", "none.onnx does not exist"),
        ("m.onnx nowhere", "nowhere does not exist"),
        ("m.onnx images.npy --output nothing", "no value 'nothing'"),
        ("m.onnx images.npy --landmarks images.npy", "Landmarks have shape"),
    ),
)
def test_faults_are_one_line(folder, capsys, line, word):
    code, _, err = run(capsys, f"embed {line} -o s.zarr --preprocess pixels")
    assert code == 2 and word in err and len(err.strip().splitlines()) == 1


def test_a_family_of_models_of_another_size_is_doubted(folder, capsys):
    _, _, err = run(capsys, "embed m.onnx images.npy -o s.zarr --preprocess facenet")
    assert "facenet take 160 x 160 pixels, and m.onnx 8 x 8: is it one of them?" in err
    assert run(capsys, "embed m.onnx images.npy -o t.zarr --preprocess pixels")[2] == ""


def test_a_crop_is_told(folder, capsys):
    line = "embed m.onnx images.npy -o s.zarr --preprocess efficientnet_lite"
    assert "of the middle 87.5% of the shorter side" in run(capsys, line)[1]


def test_what_an_interruption_keeps_is_told(folder, capsys, monkeypatch):
    def interrupted(f, images, place, **options):
        jfm.data.EmbeddingStore.create(place, 4).append(np.ones((3, 4), np.float32))
        raise KeyboardInterrupt

    monkeypatch.setattr("jfacemap.study.embed.embed", interrupted)
    line = "embed m.onnx images.npy -o s.zarr --preprocess pixels"
    code, _, err = run(capsys, line)
    assert code == 130
    assert "3 rows are kept in s.zarr: the same command goes on from there" in err


def test_one_of_several_outputs_is_chosen(folder, capsys):
    made = onnx.load("m.onnx")
    made.graph.output.append(onnx.helper.make_empty_tensor_value_info("pool"))
    onnx.save(made, "two.onnx")
    code, _, err = run(capsys, "embed two.onnx images.npy -o s.zarr")
    assert code == 2 and "has the outputs y, pool: choose one, as --output pool" in err
    assert run(capsys, "embed two.onnx images.npy -o s.zarr --output pool")[0] == 0


def test_one_image_left_out_is_one_and_none_left_is_an_error(folder, capsys):
    _, _, err = run(capsys, "embed m.onnx photographs -o s.zarr")
    assert "warning: 1 image is left out: broken.jpg" in err
    code, _, err = run(capsys, "embed m.onnx photographs/broken.jpg -o t.zarr")
    assert code == 2 and "The only image could not be embedded" in err
    assert not (folder / "t.zarr").exists()


def test_a_store_elsewhere(folder, capsys):
    """By its URL, which is no folder here."""
    place = f"memory://{folder}/s.zarr"
    assert run(capsys, f"embed m.onnx photographs -o {place}")[0] == 0
    assert len(jfm.data.EmbeddingStore.open(place)) == 4
    code, out, _ = run(capsys, f"info {place}")
    assert code == 0 and "4 x 4" in out
    assert not list(folder.glob("memory*"))
    for labels, word in (
        (f"{place}:image", "pairs"),
        (place, f"name a column, as {place}:COLUMN"),
        (f"{place}:who", "no column 'who'; it has image"),
    ):
        _, out, err = run(capsys, f"verify {place} --labels {labels}")
        assert word in out + err
    code, _, err = run(capsys, f"info memory://{folder}/nothing")
    assert code == 2 and "holds no store" in err


def test_a_model_of_any_size_takes_the_size_given(folder, capsys):
    nodes = [node("Conv", ["x", "w"], ["h"]), node("GlobalAveragePool", ["h"], ["y"])]
    shapes = {"x": (1, 3, "H", "W")}, {"y": (1, 4, 1, 1)}
    onnx.save(model(nodes, *shapes, {"w": draws(0, 4, 3, 3, 3)}), "open.onnx")
    line = "embed open.onnx images.npy -o o.zarr --preprocess pixels"
    code, _, err = run(capsys, line)
    assert code == 2 and "--size 112 112" in err
    assert run(capsys, f"{line} --size 6 5")[0] == 0
    store = jfm.data.EmbeddingStore.open("o.zarr")
    assert store.metadata["embed"]["preprocess"]["size"] == [6, 5]
    code, _, err = run(capsys, "embed m.onnx images.npy -o n.zarr --size 6 5")
    assert (
        code == 2 and "m.onnx takes images of 8 x 8 pixels alone: leave --size out" in err
    )


def test_the_families_are_the_presets():
    assert set(typing.get_args(command.Family)) == set(jfm.data.presets)
