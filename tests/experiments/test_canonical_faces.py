"""The splits, controls and records of the main experiment; `--quick` runs it whole."""

import numpy as np
import pytest

import jfacemap as jfm
from experiments import canonical_faces, canonical_faces_report


@pytest.fixture(scope="module")
def faces():
    faces = jfm.data.load_faces()
    return faces[faces.dataset != "lfw100"]


def test_people_verified_are_never_fitted_on(faces):
    yale = faces.dataset == "yaleb"
    halves = canonical_faces.split_halves(canonical_faces.Config(halves=5), faces)
    assert len({tuple(sorted(people)) for people in halves}) == 5
    for people in halves:
        used = canonical_faces.fit_rows(faces, people)
        held_out = yale & ~used
        assert used[faces.dataset == "orl"].all() and len(people) == 19
        assert not set(faces.label[used]) & set(faces.label[held_out])
        assert (used | held_out).all()


def test_padding_and_images_with_themselves_do_not_count(faces):
    rows = np.flatnonzero(faces.dataset == "yaleb")[:23]
    padded, same, valid = canonical_faces.held_out_pairs(faces, rows)
    assert padded.size == canonical_faces.padded_images
    assert valid.sum() == 23 * 22 and not valid[np.arange(23), np.arange(23)].any()
    np.testing.assert_array_equal(padded[:23], rows)
    label = faces.label[rows]
    np.testing.assert_array_equal(same[:23, :23], label[:, None] == label[None])


def test_random_pairing_keeps_the_rows_and_breaks_the_pairs(faces):
    spaces = canonical_faces.unit_spaces(faces)[:2]
    used = faces.dataset == "orl"
    shuffled = canonical_faces.shuffle_within(0, spaces, used)
    orders = []
    for before, after in zip(
        map(np.asarray, spaces), map(np.asarray, shuffled), strict=True
    ):
        np.testing.assert_array_equal(before[~used], after[~used])
        np.testing.assert_array_equal(
            np.sort(before[used], axis=0), np.sort(after[used], axis=0)
        )
        orders.append([np.argmin(((before[used] - x) ** 2).sum(1)) for x in after[used]])
    assert np.mean(np.array(orders[0]) == orders[1]) < 0.05


def test_centring_is_of_the_rows_fitted_on(faces):
    x, used = canonical_faces.unit_spaces(faces)[0], faces.dataset == "orl"
    (ours,) = canonical_faces.centre([x], used)
    truth = np.float64(x) - np.float64(x)[used].mean(axis=0)
    truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    np.testing.assert_allclose(ours, truth, atol=1e-6)


def test_means_are_over_ordered_pairs_or_over_models():
    tar = np.arange(9.0).reshape(3, 3, 1)
    assert canonical_faces_report.mean_of(tar) == (1 + 2 + 3 + 5 + 6 + 7) / 6
    assert canonical_faces_report.mean_of(tar, diagonal=True) == 4


@pytest.mark.parametrize("rate, text", [(0.5, ".500"), (-0.25, "-.250"), (1.0, "1.000")])
def test_rates_are_short(rate, text):
    assert canonical_faces_report.short(rate) == text


def test_the_data_is_named_by_its_digest(faces):
    assert len(faces.digest) == 64 and int(faces.digest, 16)


@pytest.fixture(scope="module")
def whole():
    """A run with few draws and one half; fits, tables and figures are those of any."""
    return canonical_faces.run(canonical_faces.Config(replicates=20, halves=1))


def strict_tar(scores, genuine, far):
    """By sorting, in NumPy: the loosest threshold whose FAR is at most `far`."""
    off = ~np.eye(len(scores), dtype=bool)
    mated, others = np.sort(scores[genuine & off]), np.sort(scores[~genuine])
    beyond = others[others.size - 1 - int(far * others.size + 1e-9)]
    return np.mean(mated > beyond)


@pytest.mark.parametrize("centred", (False, True))
@pytest.mark.parametrize("kind", ("identity", "linear", "rotation"))
def test_tables_are_those_of_float64_numpy(faces, whole, kind, centred):
    people = np.unique(faces.label[faces.dataset == "yaleb"])
    used = canonical_faces.fit_rows(faces, people[::2])
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    spaces = [unit(np.float64(x)) for x in faces.embeddings.values()]
    if centred:
        spaces = [unit(x - x[used].mean(axis=0)) for x in spaces]
    label = faces.label[~used]
    genuine = label[:, None] == label[None]
    name = f"{kind}, centred" if centred else kind
    ours = whole.arrays[f"{name}/tar"]
    for i, x in enumerate(spaces):
        if faces.names[i] == "faceres":
            continue  # as many rows as dimensions: unstable in any precision
        inverse = np.linalg.pinv(x[used])
        for j, y in enumerate(spaces):
            if kind == "identity":
                m = np.eye(x.shape[1], y.shape[1])
            elif kind == "linear":
                m = inverse @ y[used]
            else:
                u, _, vt = np.linalg.svd(x[used].T @ y[used], full_matrices=False)
                if x.shape[1] == y.shape[1]:
                    u[:, -1] *= np.linalg.det(u @ vt)
                m = u @ vt
            mapped = x[~used] if i == j else unit(x[~used] @ m)
            scores = mapped @ y[~used].T
            for k, far in enumerate(canonical_faces.fars):
                assert abs(ours[i, j, k] - strict_tar(scores, genuine, far)) < 0.002


def test_the_record_is_whole(faces, whole):
    n, kinds = len(faces.names), [key[:-4] for key in whole.arrays if key.endswith("/tar")]
    rows = list(whole.rows)
    assert len(rows) == len(kinds) * n * n * 3
    assert {"linear", "rotation, centred", "self-map", "identity"} <= set(kinds)
    assert whole.data["sha256"] == faces.digest and "1021 images" in whole.data["fit"]
    assert set(whole.figures) == {"figure2", "figure4"}
    lower, upper = (whole.arrays[f"linear/band_{end}"] for end in ("lower", "upper"))
    assert (lower <= whole.arrays["linear/tar"]).all() and (upper > lower).all()


def test_controls_bound_the_maps(whole):
    mean = lambda name, diagonal=False: canonical_faces_report.mean_of(
        whole.arrays[f"{name}/tar"], diagonal
    )[1]
    assert mean("identity") < 0.02 and mean("linear, random pairing") < 0.03
    assert mean("linear") < mean("self-map", True) <= mean("linear", True) + 0.002
