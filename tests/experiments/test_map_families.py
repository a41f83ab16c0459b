import dataclasses

import numpy as np
import pytest

import jfacemap as jfm
from experiments import canonical_faces, map_families


def test_finished_pairs_are_kept_and_read_again(tmp_path):
    rng = np.random.default_rng(0)
    error, cosine, tar = rng.random((3, 2)), rng.random((3, 2)), rng.random(3)
    pair = map_families.Pair(error, cosine, tar, np.asarray(4), np.asarray(0.5))
    path = tmp_path / "new" / "pair.npz"
    map_families.write(path, pair)
    again = map_families.read(path)
    for name, value in dataclasses.asdict(pair).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    assert [p.name for p in path.parent.iterdir()] == ["pair.npz"]


def test_the_table_says_who_won():
    families = "rotation", "affine"
    error = np.array([[0.5, 0.6, 0.7], [0.2, 0.2, 0.1]])
    tar = np.array([0.9, 0.8])
    pair = map_families.Pair(error, error, tar, np.asarray(np.nan), np.asarray(np.nan))
    rows = list(map_families.gather_rows({(0, 1): pair}, ("a", "b"), families))
    assert [row["best"] for row in rows] == [False, True]
    assert [row["tar"] for row in rows] == [0.9, 0.8]
    assert rows[0]["source"] == "a" and rows[0]["target"] == "b"


def test_a_quick_run_has_the_errors_of_numpy_and_goes_on_from_what_is_kept(
    tmp_path, monkeypatch
):
    config = map_families.Config(quick=True, keep=tmp_path)
    found = map_families.run(config)
    families = list(found.arrays["families"])
    assert families == ["identity", "rotation", "similarity", "low rank", "affine", "ridge"]
    assert found.arrays["pairs"].tolist() == [[0, 1], [1, 0]]
    error = dict(zip(families, np.moveaxis(found.arrays["error"], 1, 0), strict=True))

    faces = jfm.data.load_faces()
    faces = faces[faces.dataset != "lfw100"]
    yale = faces.dataset == "yaleb"
    used = canonical_faces.fit_rows(faces, np.unique(faces.label[yale])[::2])
    both = [np.float64(faces.embeddings[m])[used] for m in found.arrays["names"]]
    both = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in both]
    fold = jfm.assign_folds(faces.label[used], config.folds)
    for pair, (x, y) in enumerate((both, both[::-1])):
        for k in range(config.folds):
            kept, held = fold != k, fold == k
            share = lambda guess: np.sum((guess - y[held]) ** 2) / held.sum() / spread  # noqa: B023
            spread = np.sum((y - y.mean(axis=0)) ** 2) / len(y)
            u, _, vt = np.linalg.svd(x[kept].T @ y[kept], full_matrices=False)
            assert error["rotation"][pair, k] == pytest.approx(
                share(x[held] @ u @ vt), 1e-4
            )
            border = np.concatenate([x, np.ones((len(x), 1))], axis=1)
            affine = np.linalg.lstsq(border[kept], y[kept], rcond=None)[0]
            truth = share(border[held] @ affine)
            assert error["affine"][pair, k] == pytest.approx(truth, 1e-3)
    assert (error["ridge"] < error["identity"]).all()
    best = [row["family"] for row in found.rows if row["best"]]
    assert best == [families[i] for i in found.arrays["error"].mean(axis=2).argmin(axis=1)]

    monkeypatch.setattr(jfm, "map_ladder", None)  # not called: both pairs are there
    again = map_families.run(config)
    np.testing.assert_array_equal(again.arrays["error"], found.arrays["error"])
