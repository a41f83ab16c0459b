import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import safetensors.numpy

import jfacemap as jfm
from jfacemap.data.arrays import InputError
from jfacemap.data.map_file import holds_map, load, read_header, save


def _maps(key):
    x, y = jr.normal(key, (30, 5)), jr.normal(jr.fold_in(key, 1), (30, 4))
    low_rank = jfm.LowRankMap(x[:5, :2], y[:2], y[3])
    linear, rotation = jfm.fit_linear(x, y), jfm.fit_rotation(x, y)
    return {
        "linear": linear,
        "affine": jfm.fit_affine(x, y),
        "rotation": rotation,
        "similarity": jfm.fit_similarity(x, y),
        "low rank": low_rank,
        "centring": jfm.fit_standardize(x),
        "whitening": jfm.fit_standardize(x, whiten=True),
        "identity": jfm.identity_map(5, 4),
        "inverse": rotation.inverse,
        "composed": jfm.compose(jfm.fit_standardize(x), linear),
    }


names = tuple(_maps(jr.key(0)))


@pytest.mark.parametrize("dtype", (None, jnp.bfloat16, jnp.float16, jnp.float64))
@pytest.mark.parametrize("name", names)
def test_round_trip_is_exact(getkey, tmp_path, name, dtype):
    m = _maps(getkey())[name]
    if dtype is not None:
        with jax.enable_x64(True):
            m = jax.tree.map(lambda a: a.astype(dtype), m)
    save(tmp_path / "m.safetensors", m)
    assert eqx.tree_equal(load(tmp_path / "m.safetensors"), m, typematch=True)


@pytest.mark.parametrize("name", names)
def test_round_trip_of_a_stack_is_exact(getkey, tmp_path, name):
    maps = [_maps(k)[name] for k in jr.split(getkey(), 3)]
    stack = jax.tree.map(lambda *a: jnp.stack(a), *maps)
    save(tmp_path / "m.safetensors", stack)
    assert eqx.tree_equal(load(tmp_path / "m.safetensors"), stack, typematch=True)


def test_a_strided_array_is_saved_in_order(tmp_path):
    weight = np.arange(12, dtype=np.float32).reshape(4, 3).T
    m = eqx.tree_at(lambda m: m.rotation, jfm.identity_map(3), weight)
    save(tmp_path / "m.safetensors", m)
    np.testing.assert_array_equal(load(tmp_path / "m.safetensors").rotation, weight)


def test_header_keeps_metadata(tmp_path):
    path = tmp_path / "m.safetensors"
    metadata = {"source": "a.npy", "größe": "3 µm", "format": "mine", "kind": "x"}
    save(path, jfm.identity_map(3), metadata)
    header = read_header(path)
    assert (header.kind, header.metadata) == ("RotationMap", metadata)
    assert header.version[0].isdigit()


def test_file_has_the_usual_permissions(tmp_path):
    save(tmp_path / "m.safetensors", jfm.identity_map(3))
    (tmp_path / "other").touch()
    mode = lambda name: (tmp_path / name).stat().st_mode
    assert mode("m.safetensors") == mode("other")


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "m.safetensors"
    save(path, jfm.identity_map(3))
    old = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match="cannot be written: No space"):
        save(path, jfm.identity_map(4))
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


class Scaling(jfm.LinearMap):
    pass


@pytest.mark.parametrize(
    ("name", "m", "metadata", "message"),
    (
        ("m.npy", jfm.identity_map(3), None, "ends in .safetensors"),
        ("gone/m.safetensors", jfm.identity_map(3), None, "gone does not exist: mkdir"),
        ("m.safetensors", Scaling(jnp.eye(3)), None, r"Scaling cannot .*as_affine\(\)"),
        ("m.safetensors", jfm.identity_map(3), {"rows": 3}, "rows"),
        ("m.safetensors", jfm.identity_map(3), {"jfacemap.x": ""}, "reserved"),
    ),
)
def test_says_why_a_map_cannot_be_saved(tmp_path, name, m, metadata, message):
    with pytest.raises((InputError, TypeError), match=message):  # beartype's is a TypeError
        save(tmp_path / name, m, metadata)
    assert not list(tmp_path.iterdir())


def _write(path, arrays, **ours):
    safetensors.numpy.save_file(arrays, path, {f"jfacemap.{k}": v for k, v in ours.items()})


def test_says_why_a_file_is_no_map(tmp_path):
    path, eye = tmp_path / "m.safetensors", np.eye(3, dtype=np.float32)
    now = {"format": "1", "version": "9.9"}

    def refuses(message, path=path):
        for read in (load, read_header):
            with pytest.raises(InputError, match=message):
                read(path)

    refuses("m.safetensors does not exist")
    refuses("not a map file", tmp_path / "m.npy")
    path.write_text("hello")
    refuses("truncated or damaged")
    _write(path, {"weight": eye})
    refuses("holds arrays but no map: jfm.save")
    assert not holds_map(path)
    _write(path, {"weight": eye}, kind="WarpMap", **now)
    refuses("WarpMap in format 1, written by jfacemap 9.9; .*upgrade")
    _write(path, {"weight": eye}, kind="LinearMap", format="2", version="9.9")
    refuses("LinearMap in format 2, written by jfacemap 9.9; .*upgrade")
    assert holds_map(path)


@pytest.mark.parametrize(
    "arrays",
    (
        {},
        {"weight": np.ones((3, 4), np.float32)},
        {"weight": np.ones((3, 4), np.float32), "bias": np.ones(3, np.float32)},
        {"weight": np.ones((3, 4), np.int32), "bias": np.ones(4, np.float32)},
        {"weight": np.ones((2, 3, 4), np.float32), "bias": np.ones((5, 4), np.float32)},
        {n: np.ones((4, 4), np.float32)[i] for i, n in enumerate(("bias", "more"))},
    ),
)
def test_checks_that_arrays_make_the_map(tmp_path, arrays):
    _write(tmp_path / "m.safetensors", arrays, kind="AffineMap", format="1")
    with pytest.raises(InputError, match="make no AffineMap"):
        load(tmp_path / "m.safetensors")
