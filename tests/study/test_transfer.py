import numpy as np
import pytest

import jfacemap as jfm


rng = np.random.default_rng(0)
x = np.float32(rng.normal(size=(40, 4)))
spaces = [x, np.concatenate([x[:20] @ np.eye(4)[::-1], -x[20:]]).astype(np.float32)]
first = np.arange(40) < 20


def error(rows):
    return lambda maps: np.mean((maps[0, 1](spaces[0][rows]) - spaces[1][rows]) ** 2)


def test_each_set_is_fitted_on_and_tested_alone():
    found = jfm.transfer_maps(
        spaces,
        {"a": first, "b": ~first, "both": slice(None)},
        {"a": error(first), "b": error(~first)},
        ("linear",),
    )
    assert found.fit_sets == ("a", "b", "both") and found.test_sets == ("a", "b")
    table = found.values["linear"]
    assert table.shape == (3, 2)
    assert (np.diagonal(table) < 1e-9).all() and table[0, 1] > 0.5 and table[1, 0] > 0.5
    assert (table[2] > 0.1).all()


@pytest.mark.usefixtures("unchecked_types")
def test_an_empty_set_is_refused():
    test = {"a": error(first)}
    with pytest.raises(ValueError, match=r"\(40, 4\) and 1 has shape \(30, 4\)"):
        jfm.transfer_maps([spaces[0], spaces[1][:30]], {"a": np.arange(30)}, test)
    for rows in (np.arange(50), first[:30]):
        with pytest.raises(ValueError, match=r"set 'a' does not fit rows \(40, 4\)"):
            jfm.transfer_maps(spaces, {"a": rows}, test)
    with pytest.raises(ValueError, match="The set 'a' has no rows"):
        jfm.transfer_maps(spaces, {"a": first & ~first}, {"a": error(first)})
    with pytest.raises(ValueError, match="kind is one of"):
        jfm.transfer_maps(spaces, {"a": first}, {"a": error(first)}, ("mlp",))
