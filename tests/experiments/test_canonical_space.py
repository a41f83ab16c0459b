"""`canonical_space --quick`, whole, against float64 NumPy."""

import numpy as np
import pytest

from experiments import canonical_faces, canonical_space
from experiments.tables import off_diagonal

from ..helpers import least_squares


@pytest.fixture(scope="module")
def whole():
    return canonical_space.run(canonical_space.Config(quick=True))


def test_affine_maps_leave_what_they_leave_in_numpy(faces_rows, whole):
    """The picked ridge, in its unit: of the half of the people it was picked on."""
    spaces, used, held, label = faces_rows
    people = np.random.default_rng(0).permutation(np.unique(label[used]))
    half = used & np.isin(label, people[::2])
    centred = [x[half] - x[half].mean(axis=0) for x in spaces]
    energy = sum((x**2).sum() for x in centred) / sum(x.shape[1] for x in spaces)
    ridge = float(whole.arrays["picked/affine"]) * energy
    left = np.zeros((len(spaces), len(spaces)))
    for i, x in enumerate(spaces):
        for j, y in enumerate(spaces):
            weight, bias = least_squares(x[used], y[used], ridge=ridge, centred=True)
            miss, wanted = x[held] @ weight + bias - y[held], y[held]
            left[i, j] = (miss**2).sum() / ((wanted - wanted.mean(axis=0)) ** 2).sum()
    ours = whole.arrays["affine, ridge/direct"]
    np.testing.assert_allclose(off_diagonal(ours), off_diagonal(left), atol=1e-3)


@pytest.fixture(scope="module")
def faces_rows():
    faces = canonical_space.load(canonical_space.Config(quick=True))
    yale = faces.dataset == "yaleb"
    used = canonical_faces.fit_rows(faces, np.unique(faces.label[yale])[::2])
    spaces = canonical_faces.centre(canonical_faces.unit_spaces(faces), used)
    return [np.float64(x) for x in spaces], used, yale & ~used, faces.label


def test_a_space_has_two_maps_a_model_and_loses_little(whole):
    rows = {row["way"]: row for row in whole.rows if row["part"] == "way"}
    n = len(whole.arrays["names"])
    native = rows["none: each model with itself"]["tar"]
    shared = [row for way, row in rows.items() if "shared" in way]
    assert len(shared) == 2 and all(row["maps"] == 2 * n for row in shared)
    for row, kind in zip(shared, ("rotation", "affine, ridge"), strict=True):
        direct = rows[f"{kind}: A -> C"]
        assert direct["maps"] == n * (n - 1)
        assert abs(row["residual"] - direct["residual"]) < 0.05
        assert 0.3 < row["tar"] < native


def test_what_is_picked_is_of_the_grids(faces_rows, whole):
    full = sum(x.shape[1] for x in faces_rows[0])
    assert whole.arrays["picked/width"] in [*canonical_space.dims, full]
    assert whole.arrays["picked/ridge"] in canonical_space.ridges
    spectrum, n = whole.arrays["spectrum"], len(whole.arrays["names"])
    assert len(spectrum) == whole.arrays["picked/width"] and spectrum[0] <= n + 1e-4
    assert np.all(np.diff(spectrum) <= 1e-6)
    assert spectrum[0] > whole.arrays["spectrum at random"][0] + 0.5


def test_the_record_is_whole(whole):
    rows = list(whole.rows)
    assert set(whole.figures) == {"canonical_space"}
    assert all(set(row) == set(canonical_space.columns) for row in rows)
    assert sum(row["part"] == "index" for row in rows) == 9
