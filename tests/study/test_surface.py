import jax
import numpy as np
import pytest

import jfacemap as jfm
from jfacemap.study.surface import draw_people, sweep_identities


key = jax.random.key(0)
label = np.repeat(np.arange(8), [6, 6, 6, 6, 6, 6, 6, 2])


def spaces(dims=(4, 4)):
    rng = np.random.default_rng(0)
    who = rng.normal(size=(8, 4))[label] + 0.5 * rng.normal(size=(len(label), 4))
    return [np.float32(who @ rng.normal(size=(4, d))) for d in dims]


def test_people_have_as_many_images_and_fewer_are_the_first_of_more():
    rows = draw_people(key, label, 4)
    assert rows.shape == (7, 4)  # the last person has too few
    who = label[rows]
    assert (who == who[:, :1]).all() and len(set(who[:, 0])) == 7
    assert all(len(set(r)) == 4 for r in rows)
    other = draw_people(jax.random.key(1), label, 4)
    assert not np.array_equal(rows, other)


def test_each_cell_is_the_maps_of_its_rows():
    rows = spaces()
    weight = lambda maps: np.asarray(maps[0, 1].as_affine().weight)
    found = sweep_identities(
        key, rows, label, (2, 5), (1, 3, 6), 2, evaluate=weight, names=("a", "b")
    )
    assert found.values["linear"].shape == (2, 3, 2, 4, 4)
    for r, k in enumerate(jax.random.split(key, 2)):
        chosen = draw_people(k, label, 6)[:5, :3].ravel()
        truth = jfm.fit_linear(*(x[chosen] for x in rows)).weight
        np.testing.assert_allclose(
            found.values["linear"][1, 1, r], truth, rtol=1e-3, atol=1e-4
        )


def test_cells_of_one_total():
    evaluate = lambda maps: np.zeros(())
    steps = []
    found = sweep_identities(
        key,
        spaces(),
        label,
        (1, 2, 4),
        (1, 2, 4),
        1,
        ("rotation",),
        evaluate=evaluate,
        progress=lambda *done: steps.append(done),
    )
    assert list(found.of_total("rotation", 4)) == [(1, 4), (2, 2), (4, 1)]
    assert found.of_total("rotation", 3) == {} and steps[-1] == (9, 9)


@pytest.mark.usefixtures("unchecked_types")
def test_bad_input_is_refused():
    rows = spaces()
    with pytest.raises(ValueError, match=r"\(44, 4\) and 1 has shape \(40, 4\)"):
        sweep_identities(key, [rows[0], rows[1][:40]], label, (2,), (2,), 1, evaluate=len)
    with pytest.raises(ValueError, match=r"embeddings are \(44, 4\), labels 40"):
        sweep_identities(key, rows, label[:40], (2,), (2,), 1, evaluate=len)
    with pytest.raises(ValueError, match=r"got \(\), \(2,\) and 1"):
        sweep_identities(key, rows, label, (), (2,), 1, evaluate=len)
    with pytest.raises(ValueError, match="8 people with 6 images each are asked for; the"):
        sweep_identities(key, spaces(), label, (8,), (6,), 1, evaluate=len)
    with pytest.raises(ValueError, match="kind is one of linear, affine, rotation"):
        sweep_identities(key, spaces(), label, (2,), (2,), 1, ("mlp",), evaluate=len)
