import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.data import edits, InputError, read_lattice
from jfacemap.study.image_model import ImageModel
from jfacemap.study.lattice_images import embed_edited


chosen = {name: edits[name] for name in ("brightness", "light", "contrast")}
plain = jfm.data.Preprocess((8, 8), mean=127.5, std=127.5, layout="nhwc")
key = jax.random.key(0)


def network(x):
    """Smooth and small: two layers of fixed random weights."""
    rng = np.random.default_rng(0)
    a, b = (np.float32(rng.normal(size=s) / s[0] ** 0.5) for s in ((192, 24), (24, 10)))
    return jnp.tanh(x.reshape(x.shape[0], -1) @ a) @ b


def faces(n=9, size=8):
    rng = np.random.default_rng(1)
    images = rng.uniform(40, 200, (n, size, size)).astype(np.uint8)
    return images, np.array(["ann"] * 4 + ["bob"] * 3 + ["cy d"] * 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    images, who = faces()
    folder = tmp_path_factory.mktemp("lattice")
    return jfm.make_lattice(
        key,
        images,
        who,
        network,
        chosen,
        folder,
        preprocess=plain,
        settings=2,
        batch_size=16,
    )


def test_what_is_written_is_what_the_edits_give(made):
    folder = made.files["ann"].parent
    lattice = read_lattice(folder / "df_param_step.csv")
    assert lattice.names == tuple(sorted(chosen)) and set(made.files) == {
        "ann",
        "bob",
        "cy d",
    }
    rows = np.load(made.files["bob"])
    assert rows.shape == (4 * 7, 10)  # two images of everyone, two settings
    images, _ = faces()
    which, amounts = made.plan.nodes()
    colour = np.repeat(images[made.plan.rows[1][which]][..., None], 3, -1)
    again = embed_edited(ImageModel(network, plain), chosen)(colour, amounts)
    np.testing.assert_allclose(rows, again, atol=1e-5)
    start, base, end = lattice.curves[lattice.names.index("light")].T
    at = list(chosen).index("light")
    moved = np.eye(3)[[at] * 4] * 0.25
    np.testing.assert_allclose(amounts[end] - amounts[base], moved, atol=1e-6)
    np.testing.assert_allclose(amounts[base] - amounts[start], moved, atol=1e-6)


def test_it_goes_on_and_refuses_another_way(made):
    images, who = faces()
    folder = made.files["ann"].parent
    made.files["bob"].unlink()
    before = made.files["ann"].stat().st_mtime_ns
    options = {"preprocess": plain, "settings": 2, "batch_size": 16}
    jfm.make_lattice(key, images, who, network, chosen, folder, **options)
    assert made.files["bob"].exists() and made.files["ann"].stat().st_mtime_ns == before
    with pytest.raises(InputError, match="made in another way"):
        jfm.make_lattice(jax.random.key(1), images, who, network, chosen, folder, **options)

    class Graph:
        """An ONNX model of other outputs says so by this alone."""

        graph_digest = "another"
        __call__ = staticmethod(network)

    with pytest.raises(InputError, match=r"another way \(graph\)"):
        jfm.make_lattice(key, images, who, Graph(), chosen, folder, **options)


def test_energies_stream_and_are_kept(made, tmp_path):
    lattice = made.plan.lattice
    seen = []
    options = {"neighbours": jfm.KNearest((1, 3)), "nulls": 9, "keep": tmp_path / "kept"}
    found = jfm.lattice_energies(
        key, lattice, made.files, progress=lambda *step: seen.append(step), **options
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert found.energy.shape == found.z.shape == (3, 3, 2)
    rows = np.load(made.files["cy d"])
    for a, name in enumerate(lattice.names):
        p, v = lattice.field(name, rows)
        one = jfm.field_energy(p, v, neighbours=jfm.KNearest((1, 3)))
        np.testing.assert_allclose(found.energy[2, a], one.energy, atol=1e-5)
    np.testing.assert_allclose(found.alignment[:, range(3), range(3)], 0, atol=1e-6)
    again = jfm.lattice_energies(
        key, lattice, made.files, progress=lambda *step: seen.append(step), **options
    )
    assert len(seen) == 3
    np.testing.assert_array_equal(again.energy, found.energy)
    with pytest.raises(InputError, match=r"another way \(neighbours, nulls\)"):
        jfm.lattice_energies(key, lattice, made.files, keep=tmp_path / "kept")


def test_kept_energies_are_of_these_radii_rows_and_curves(made, tmp_path):
    lattice = made.plan.lattice
    rows = np.load(made.files["ann"])
    np.save(tmp_path / "x.npy", rows)

    def energies(radius=0.5, lattice=lattice, names=("a b",), **options):
        files = dict.fromkeys(names, tmp_path / "x.npy")
        ball = jfm.RelativeBall(np.float32([radius, 1]))
        options = {"neighbours": ball, "keep": tmp_path / "kept", **options}
        return jfm.lattice_energies(key, lattice, files, **options)

    first = energies()
    np.testing.assert_array_equal(energies().energy, first.energy)
    with pytest.raises(InputError, match=r"\(neighbours\)"):
        energies(0.6)
    turned = jfm.data.Lattice(
        lattice.names, tuple(c[::-1, ::-1] for c in lattice.curves), lattice.ids
    )
    with pytest.raises(InputError, match=r"\(curves\)"):
        energies(lattice=turned)
    other = rows[::-1] + np.float32(1)
    np.save(tmp_path / "x.npy", other)
    with pytest.raises(InputError, match=r"\(rows\)"):
        energies()
    # A name that is spelt alike in a file name is another identity.
    both = energies(names=("a_b",))
    assert not np.allclose(both.energy, first.energy)


def test_either_null_is_drawn(made):
    files = {"ann": made.files["ann"]}
    near = {"neighbours": jfm.KNearest(3), "nulls": 5}
    dealt, drawn = (
        jfm.lattice_energies(key, made.plan.lattice, files, kind=kind, **near)
        for kind in ("permutation", "gaussian")
    )
    p, v = made.plan.lattice.field("light", np.load(made.files["ann"]))
    null = jfm.field_null(
        key, p, v, repeats=5, kind="permutation", neighbours=jfm.KNearest(3)
    )
    at = dealt.names.index("light")
    np.testing.assert_allclose(dealt.null_mean[0, at], null.null.mean(), atol=1e-5)
    assert not np.allclose(drawn.null_mean, dealt.null_mean)


def test_an_attribute_does_not_depend_on_those_beside_it(made, tmp_path):
    """Base points that another attribute has alone do not move the mean distance."""
    lattice = made.plan.lattice
    rows = np.load(made.files["ann"]).copy()
    rows[lattice.curves[0][-1, 1]] *= -5  # far off, and a base point of one attribute
    np.save(tmp_path / "x.npy", rows)
    short = tuple(c if a == 0 else c[:-1] for a, c in enumerate(lattice.curves))
    ids = tuple(np.arange(len(c)) for c in short)
    beside = jfm.data.Lattice(lattice.names, short, ids)
    alone = jfm.data.Lattice(lattice.names[1:], short[1:], ids[1:])
    of = lambda lattice: jfm.lattice_energies(
        key, lattice, {"x": tmp_path / "x.npy"}, neighbours=jfm.RelativeBall(0.8), nulls=3
    )
    together, apart = of(beside), of(alone)
    for field in ("energy", "displacement", "gravity", "null_mean", "coverage"):
        ours, wanted = (getattr(x, field) for x in (together, apart))
        np.testing.assert_allclose(ours[:, 1:], wanted, atol=1e-5, err_msg=field)
    assert not together.skipped.any() and np.isfinite(together.alignment).all()


def test_attributes_that_share_few_points_are_taken_apart(made):
    """Curves through one image twice: no join, and the same energies."""
    lattice = made.plan.lattice
    rows = np.load(made.files["ann"])
    twice = jfm.data.Lattice(
        lattice.names,
        tuple(np.concatenate([c, c[:1, ::-1]]) for c in lattice.curves),
        tuple(np.arange(len(c) + 1) for c in lattice.curves),
    )
    found = jfm.lattice_energies(key, twice, {"ann": str(made.files["ann"])})
    p, v = twice.field("light", rows)
    one = jfm.field_energy(p, v).energy
    np.testing.assert_allclose(
        found.energy[0, lattice.names.index("light")], one, atol=1e-5
    )
    assert np.isnan(found.alignment).all()


def test_exact_derivatives_are_the_limit_of_the_stencil():
    images, _ = faces()
    colour = np.repeat(images[:3, ..., None], 3, -1)
    amounts = np.float32([[0.1, -0.1, 0.05], [0, 0.2, 0], [0.2, 0, -0.1]])
    model = ImageModel(network, plain)
    value, slope = jfm.edit_derivatives(model, chosen)(colour, amounts)
    embed = embed_edited(model, chosen)
    np.testing.assert_allclose(value, embed(colour, amounts), atol=1e-5)
    assert slope.shape == (3, 3, 10)
    for a, step in enumerate(np.float32(0.02) * np.eye(3, dtype=np.float32)):
        stencil = (embed(colour, amounts + step) - embed(colour, amounts - step)) / 0.04
        np.testing.assert_allclose(slope[:, a], stencil, atol=2e-3)


def test_bad_input_is_refused(unchecked_types, tmp_path):
    images, who = faces()
    with pytest.raises(ValueError, match="No identity has 5 images; the most is 4"):
        jfm.plan_lattice(key, who, chosen, images=5)
    with pytest.raises(ValueError, match="one edit or more"):
        jfm.plan_lattice(key, who, {})
    with pytest.raises(ValueError, match="9 images, 8 identities"):
        jfm.make_lattice(key, images, who[1:], network, chosen, tmp_path)
    twins = np.array(["a b", "a_b", "c"] * 3)
    with pytest.raises(InputError, match=r"'a b' and 'a_b' would both .* a_b\.npy"):
        jfm.make_lattice(key, images, twins, network, chosen, tmp_path / "twins")
    assert not (tmp_path / "twins").exists()
    with pytest.raises(ValueError, match="file of one identity or more"):
        jfm.lattice_energies(key, jfm.plan_lattice(key, who, chosen).lattice, {})
    with pytest.raises(ValueError, match="images are"):
        jfm.make_lattice(key, images[0], who, network, chosen, tmp_path)
