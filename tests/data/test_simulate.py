import equinox as eqx
import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.core.rows import RowSource
from jfacemap.data import simulate_models
from jfacemap.data.ijb import published, read_ijb, write_ijb
from jfacemap.data.protocol_check import find_fault
from jfacemap.data.simulate import simulate_ijb
from jfacemap.data.simulate_models import block_rows, private_rank, shared_rank
from jfacemap.data.simulate_protocol import count_all, simulate_protocol, spread


key = jax.random.key(0)


@pytest.fixture(scope="module")
def full():
    """The structure at full size: 15.7 million pairs."""
    return simulate_protocol(np.random.default_rng(0), 1.0)


@pytest.fixture(scope="module")
def world():
    return simulate_ijb(key, scale=0.02, models=3, width=(16, 24, 16))


def test_full_size_has_the_counts_of_ijbc(full):
    assert full[0].counts == published["ijbc"]


def test_full_size_agrees_with_itself(full):
    assert find_fault(full[0]) is None


def test_each_probe_meets_its_mate_and_others_once(full):
    p = full[0]
    gallery, probe = p.pairs.T
    enrolled = np.concatenate([g.template for g in p.galleries.values()])
    np.testing.assert_array_equal(np.unique(gallery), np.sort(enrolled))
    np.testing.assert_array_equal(np.unique(probe), np.sort(p.probes.template))
    assert np.intersect1d(enrolled, p.probes.template).size == 0
    code = gallery.astype(np.int64) * 2**31 + probe
    assert np.all(np.diff(code) > 0)  # in order, so no pair twice
    mates = np.unique(probe[p.genuine], return_counts=True)[1]
    assert mates.size == 19_557 and mates.max() == 1
    others = np.unique(probe[~p.genuine], return_counts=True)[1]
    np.testing.assert_array_equal(np.unique(others), [798, 799])


def test_each_person_is_enrolled_once_and_probed(full):
    p, person, _ = full
    one, two = (roster.subject for roster in p.galleries.values())
    people = np.unique(np.concatenate([one, two]))
    assert people.size == one.size + two.size == 3531
    np.testing.assert_array_equal(np.unique(p.probes.subject), people)
    who = person[np.unique(p.template, return_index=True)[1]]
    links = np.unique(np.stack([who, p.template_subject]), axis=1)
    assert links.shape[1] == people.size == np.unique(person).size


def test_templates_and_media_are_uneven(full):
    p, _, noise = full
    sizes = np.unique(p.template, return_counts=True)[1]
    assert 0.3 < np.mean(sizes == 1) < 0.6 and 500 < sizes.max() < 50_000
    media, first, frames = np.unique(p.media, return_index=True, return_counts=True)
    assert 0.3 < np.mean(frames == 1) < 0.9 and frames.max() > 50
    last = p.n_images - 1 - np.unique(p.media[::-1], return_index=True)[1]
    np.testing.assert_array_equal(p.template[first], p.template[last])
    assert p.templates.max() > p.n_templates and media.max() > media.size  # with gaps
    video = np.log(noise[p.media == media[frames.argmax()]])
    assert 0.2 < video.std() < 0.5 < np.log(noise).std()
    assert np.corrcoef(np.log(noise), p.detector_score)[0, 1] < -0.5
    assert 0 < p.detector_score.min() and p.detector_score.max() < 1


@pytest.mark.parametrize("scale", (1e-9, 0.001, 0.03, 0.3))
def test_other_sizes_agree_with_themselves(scale):
    sizes = count_all(scale)
    protocol, person, noise = simulate_protocol(np.random.default_rng(1), scale)
    assert find_fault(protocol) is None
    galleries, probes = sizes["G1"] + sizes["G2"], sizes["probes"]
    assert protocol.counts == {
        "images": sizes["images of galleries"] + sizes["images of probes"],
        "templates": galleries + probes,
        "pairs": sizes["genuine pairs"] + sizes["impostor pairs"],
        "genuine pairs": sizes["genuine pairs"],
        "impostor pairs": sizes["impostor pairs"],
        "images of galleries": sizes["images of galleries"],
        "images of probes": sizes["images of probes"],
        "templates of G1": sizes["G1"],
        "templates of G2": sizes["G2"],
        "templates of probes": probes,
    }
    assert person.shape == noise.shape == (protocol.n_images,)
    assert min(sizes.values()) >= 4


def test_counts_are_in_proportion():
    full = published["ijbc"] | {
        k: published["ijbc"][f"templates of {k}"] for k in ("G1", "G2")
    }
    full["probes"] = full["templates of probes"]
    for what, n in count_all(0.3).items():
        assert n == round(0.3 * full[what])
    small = count_all(0.1)  # where each probe meets the whole gallery
    assert small["impostor pairs"] == small["probes"] * (small["G1"] + small["G2"] - 1)
    assert count_all(2.0)["images of probes"] == 2 * full["images of probes"]


@pytest.mark.parametrize(("total", "parts"), ((7, 7), (8, 7), (1000, 9)))
@pytest.mark.parametrize("ones", (0.0, 0.5, 1.0))
def test_spread_has_its_sum(total, parts, ones):
    sizes = spread(np.random.default_rng(0), total, parts, 1.5, ones)
    assert sizes.size == parts and sizes.sum() == total and sizes.min() >= 1


def test_reads_back_from_its_files(world, tmp_path):
    write_ijb(world.protocol, tmp_path)
    again = read_ijb(tmp_path, check_counts=False)
    assert eqx.tree_equal(again, world.protocol, typematch=True)


def test_rows_are_the_same_however_they_are_cut(world):
    n = world.protocol.n_images
    assert n > 2 * block_rows and n % block_rows
    for model, d in enumerate(world.dims):
        whole = world.embeddings(model)
        assert whole.shape == (n, d) and whole.dtype == np.float32
        ends = (0, 1), (block_rows - 1, block_rows + 1), (5, 5), (7, n - 3), (-5, n + 9)
        for start, stop in ends:
            np.testing.assert_array_equal(world.rows(model, start, stop), whole[start:stop])
    source = world.source(model)
    assert isinstance(source, RowSource)
    assert source.shape == whole.shape and source.dtype == whole.dtype
    for size in (1000, block_rows, 5000, 2 * n):
        batches = list(source.batches(size))
        assert {len(b) for b in batches[:-1]} <= {size} and len(batches[-1]) <= size
        np.testing.assert_array_equal(np.concatenate(batches), whole)
    with pytest.raises(ValueError, match="at least one row"):
        next(source.batches(0))


def test_one_key_one_world(world):
    again = simulate_ijb(key, scale=0.02, models=3, width=(16, 24, 16))
    other = simulate_ijb(jax.random.key(1), scale=0.02, models=3, width=(16, 24, 16))
    assert eqx.tree_equal(again.protocol, world.protocol)
    np.testing.assert_array_equal(again.rows(1, 0, 5), world.rows(1, 0, 5))
    assert not np.array_equal(other.protocol.template, world.protocol.template)
    assert not np.array_equal(other.rows(1, 0, 5), world.rows(1, 0, 5))
    with jax.enable_x64(True):
        wide = simulate_ijb(key, scale=0.02, models=3, width=(16, 24, 16))
        np.testing.assert_allclose(wide.rows(1, 0, 5), world.rows(1, 0, 5), rtol=1e-5)


def test_models_have_names_and_count_from_either_end(world):
    assert world.names == ("model0", "model1", "model2") and world.dims == (16, 24, 16)
    np.testing.assert_array_equal(world.rows(-1, 0, 3), world.rows(2, 0, 3))
    with pytest.raises(IndexError):
        world.embeddings(3)


def test_rows_follow_the_formula():
    """In float64 NumPy, from the same draws."""
    world = simulate_models.make_world(jax.random.key(1), 5)
    model = simulate_models.make_model(jax.random.key(2), 5, 300, 0.7)
    person, media = np.arange(4, dtype=np.int32), np.int32([3, 9, 9, 3])
    noise = np.float32([1, 2, 0.5, 3])
    ours = simulate_models.embed_block(world, model, person, media, noise, np.int32(6))

    def shake(key, rank):
        of_media, of_image = jax.random.split(key)
        draw = lambda k, *shape: np.float64(jax.random.normal(k, shape))
        a = [draw(jax.random.fold_in(of_media, m), rank) for m in media.tolist()]
        e = draw(jax.random.fold_in(of_image, 6), 4, rank)
        return 0.7 * noise[:, None] * (np.sqrt(0.6) * np.array(a) + np.sqrt(0.4) * e)

    z = np.float64(world.people)[person] + shake(world.key, shared_rank)
    v = np.float64(model.people)[person] + shake(model.key, private_rank)
    seen = np.tanh(np.concatenate([z, v], axis=1) @ np.float64(model.mix))
    scale = float(model.length) * np.float64(noise)[:, None] ** (-1 / 3)
    np.testing.assert_allclose(ours, scale * (np.float64(model.mean) + seen), atol=1e-5)


@pytest.mark.parametrize("width", (16, 256, 300))
def test_axes_are_turned_and_weighted(width):
    mix = np.float64(simulate_models.make_model(key, 3, width, 0.5).mix)
    latent = shared_rank + private_rank
    if width >= latent:  # else it is a random projection
        lengths = np.linalg.norm(mix, axis=1)
        cosine = (mix / lengths[:, None]) @ (mix / lengths[:, None]).T
        np.testing.assert_allclose(cosine, np.eye(latent), atol=1e-4)
    size = np.sqrt(np.sum(mix**2) / width)  # root mean square of what tanh is taken of
    wanted = simulate_models.curvature * np.sqrt(1 + simulate_models.private_size**2)
    np.testing.assert_allclose(size, wanted, rtol=0.15)


def test_a_map_carries_what_both_models_see_and_no_more():
    sim = simulate_ijb(key, scale=0.01, models=2, width=64)
    x, y = (sim.embeddings(m) for m in range(2))
    lengths = np.linalg.norm(x, axis=1)
    assert lengths.std() > 0.1 * lengths.mean()  # not normalised
    cosine = np.sum(x * y, axis=1) / lengths / np.linalg.norm(y, axis=1)
    assert np.abs(cosine.mean()) < 0.3  # unrelated axes

    def left(x, y):
        """Share of the variance of every second row that a map of the others misses."""
        x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
        x = np.insert(x, 0, 1, axis=1)
        missed = y - x @ np.linalg.lstsq(x[::2], y[::2], rcond=None)[0]
        return np.mean(missed[1::2] ** 2) / y[1::2].var(axis=0).mean()

    # What a model sees alone has .57 of the variance; the same people are in both halves.
    assert 0.5 < left(x, y) < 0.65
    assert left(x, np.random.default_rng(0).permutation(y)) > 0.95


def test_a_better_model_verifies_better_and_a_map_carries_over(world):
    """Native TAR falls from the first model to the last; a map beats none."""
    plan, fars = jfm.plan_verification(world.protocol), [1e-2]
    spaces = [world.embeddings(i) for i in range(3)]
    identity = [jfm.identity_map(d) for d in world.dims]
    native = [
        jfm.verify_map(identity[i], spaces[i], spaces[i], plan, fars=fars).tar.tar[0]
        for i in (0, 2)
    ]
    assert native[0] > native[1] > 0.1
    a, b = (jfm.unit(spaces[i][plan.rows[0]]) for i in (0, 2))
    mapped = jfm.verify_map(jfm.fit_linear(a, b), spaces[0], spaces[2], plan, fars=fars)
    none = jfm.verify_map(identity[0], spaces[0], spaces[2], plan, fars=fars)
    assert mapped.tar.tar[0] > 3 * none.tar.tar[0]


@pytest.mark.parametrize(
    ("options", "message"),
    (
        ({"scale": 0.0}, r"scale .* positive; got 0.0"),
        ({"scale": float("nan")}, "positive; got nan"),
        ({"models": 0}, "0 models need"),
        ({"models": 3, "width": (8, 8)}, r"3 models need one positive width, or one each"),
        ({"models": 1, "width": 0}, "got 0"),
    ),
)
def test_says_what_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        simulate_ijb(key, **{"scale": 0.001} | options)


def test_every_probe_has_its_subject(world):
    protocol = world.protocol
    who = protocol.probe_subject
    person = {t: p for t, p in zip(protocol.template, world.person, strict=True)}
    of_probe = np.array([person[t] for t in protocol.pairs[:, 1]])
    of_gallery = np.array([person[t] for t in protocol.pairs[:, 0]])
    np.testing.assert_array_equal(of_probe == of_gallery, protocol.genuine)
    pairs = set(zip(who.tolist(), of_probe.tolist(), strict=True))
    assert len(pairs) == len(set(who.tolist())) == len(set(of_probe.tolist()))
