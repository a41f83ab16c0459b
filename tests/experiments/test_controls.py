"""Controls of the experiments: pairs at random, no map, each model mapped to itself."""

import numpy as np

from experiments.controls import controls, tell


def test_pairs_at_random_carry_nothing_and_self_maps_everything():
    rng = np.random.default_rng(0)
    x = np.float32(rng.normal(size=(200, 4)))
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    rows, seen = [x, np.float32(x @ turn)], []

    def left(maps, native):
        """Share of each target's rows that a map misses."""
        seen.append(native)
        miss = lambda i, j: (
            np.mean((maps[i, j](rows[i]) - rows[j]) ** 2) / np.mean(rows[j] ** 2)
        )
        return np.array([[miss(i, j) for j in range(2)] for i in range(2)])

    found = controls(rows, ("a", "b"), 0, left)
    assert (found["linear, random pairing"][[0, 1], [1, 0]] > 0.9).all()
    assert (found["rotation, random pairing"][[0, 1], [1, 0]] > 1).all()
    np.testing.assert_allclose(np.diagonal(found["self-map"]), 0, atol=1e-9)
    np.testing.assert_allclose(np.diagonal(found["identity"]), 0, atol=1e-9)
    assert found["identity"][0, 1] > 0.2 and seen == [True, True, True, False]
    told = tell({"identity": np.array([[9, 0.1], [0.3, 9]]), "self-map": np.eye(2) * 0.5})
    assert told == "identity .200; self-map .500"
