import dataclasses

import numpy as np

from experiments import map_families


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
