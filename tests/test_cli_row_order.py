"""Stores of the same images in another order: every command pairs them by name."""

import pathlib

import numpy as np
import pytest

import jfacemap as jfm

from .cli_runs import folder, ok, refused, run  # noqa: F401


EmbeddingStore = jfm.data.EmbeddingStore


def write(rows, place, some=slice(None), **columns):
    """A store of some rows, with what names them."""
    np.save("rows.npy", rows[some])
    columns = {name: values[some] for name, values in columns.items()}
    return EmbeddingStore.from_file("rows.npy", f"{place}.zarr", columns=columns)


@pytest.fixture
def stores(folder, capsys):  # noqa: F811
    """a.zarr and s.zarr in one order, b.zarr as s.zarr in another; and a map."""
    a, b, who = (np.load(f"{name}.npy") for name in ("a", "b", "who"))
    named = {
        "image": np.array([f"{w}/{i}.png" for i, w in enumerate(who)]),
        "folder": who.astype(str),
        "weight": np.linspace(0, 1, 60),
    }
    order = np.random.default_rng(1).permutation(60)
    write(a, "a", **named)
    write(b, "s", **named)
    write(b, "b", order, **named)
    ok(capsys, "fit a.npy b.npy -o ab.safetensors")
    return b, order, named


lines = (
    "fit a.zarr {} -o m.safetensors --force",
    "fit a.zarr {} -o m.safetensors --force --weights {}:weight",
    "fit {} a.zarr -o m.safetensors --force --kind ridge --groups a.zarr:folder",
    "compare a.npy a.zarr {} --indices cka neighbours",
    "verify a.zarr --target {} --map ab.safetensors --labels {}:folder",
    "verify a.zarr --labels {}:folder",
    "sweep a.zarr {} --labels {}:folder --sizes 16 --repeats 1 --kinds rotation",
    "ladder a.zarr {} --groups {}:folder --families identity rotation",
    "identify s.zarr s.zarr --gallery-labels {}:folder --probe-labels s.zarr:folder",
)


@pytest.mark.parametrize("line", lines)
def test_rows_in_another_order_are_paired_by_image(stores, capsys, line):
    code, out, err = run(capsys, line.replace("{}", "b.zarr"))
    assert code == 0 and "in another order" in err
    want = ok(capsys, line.replace("{}", "s.zarr"))
    assert out.replace("b.zarr", "s.zarr") == want.replace("b.zarr", "s.zarr")


def test_a_map_is_that_of_the_pairs(stores, capsys):
    ok(capsys, "fit a.zarr b.zarr -o m.safetensors")
    m, want = jfm.load("m.safetensors"), jfm.load("ab.safetensors")
    np.testing.assert_array_equal(m.weight, want.weight)


def test_broken_rows_count_where_their_weight_is(stores, capsys):
    """A weight of 0 in the common order masks the row of that image, wherever it lies."""
    b, order, named = stores
    broken = np.where(np.arange(60)[:, None] == 0, np.nan, b)  # image 0 has no weight
    columns = {name: values[order] for name, values in named.items()}
    np.savez("c.npz", embeddings=broken[order], metadata=np.array("{}"), **columns)
    ok(capsys, "fit a.zarr c.npz:embeddings -o c.safetensors --weights c.npz:weight")
    ok(capsys, "fit a.zarr s.zarr -o s.safetensors --weights s.zarr:weight")
    weights = (jfm.load(f"{name}.safetensors").weight for name in "cs")
    np.testing.assert_array_equal(*weights)


def test_files_that_stores_were_written_to_are_ordered_too(stores, capsys):
    EmbeddingStore.open("b.zarr").to_file("b.npz")
    line = "verify a.zarr --target {} --map ab.safetensors --labels {}"
    npz = line.format("b.npz:embeddings", "b.npz:folder")
    code, out, err = run(capsys, npz)
    assert code == 0 and err.count("b.npz has the images of a.zarr in another order") == 1
    want = ok(capsys, line.format("s.zarr", "s.zarr:folder"))
    assert out.splitlines()[4:] == want.splitlines()[4:]


def test_a_list_of_pairs_counts_rows_as_they_lie(stores, capsys):
    b, order, _ = stores
    np.save("mixed.npy", b[order])
    rows = "".join(f"{i},{i},{i % 2}\n" for i in range(60))
    pathlib.Path("pairs.csv").write_text(rows)
    line = "verify a.zarr --target {} --map ab.safetensors --pairs pairs.csv"
    code, out, err = run(capsys, line.format("b.zarr"))
    assert code == 0 and not err
    assert out.replace("b.zarr", "mixed.npy").split() == (
        ok(capsys, line.format("mixed.npy")).split()
    )


def test_other_images_are_refused(stores, capsys):
    b, order, named = stores
    write(b, "fewer", order[1:], **named)
    error = refused(capsys, "compare a.zarr fewer.zarr")
    assert f"1 image is only in a.zarr ({named['image'][order[0]]})" in error
    error = refused(capsys, "verify a.npy --target fewer.zarr --labels s.zarr:folder")
    assert f"1 image is only in s.zarr ({named['image'][order[0]]})" in error
    named["image"] = np.array(["x"] * 59 + ["y"])
    write(b, "twice", **named)
    write(b, "again", slice(None, None, -1), **named)
    assert "more than once" in refused(capsys, "compare twice.zarr again.zarr")


def test_mapped_rows_keep_the_names_of_their_images(stores, capsys):
    _, _, named = stores
    ok(capsys, "apply ab.safetensors a.zarr -o z.npz")
    ok(capsys, "apply ab.safetensors a.npy -o z.npy")
    with np.load("z.npz") as z:
        np.testing.assert_array_equal(z["embeddings"], np.load("z.npy"))
        np.testing.assert_array_equal(z["image"], named["image"])
        np.testing.assert_array_equal(z["folder"], named["folder"])
    ask = "compare z.npz:embeddings {} --indices cka"
    code, out, err = run(capsys, ask.replace("{}", "b.zarr"))
    assert code == 0 and "in another order" in err
    want = ok(capsys, ask.replace("{}", "s.zarr"))
    assert out.replace("b.zarr", "s.zarr") == want


def test_a_npy_of_mapped_rows_warns_that_it_has_no_names(stores, capsys):
    code, _, err = run(capsys, "apply ab.safetensors a.zarr -o z.npy")
    assert code == 0 and "z.npy does not say which image a row is of" in err
