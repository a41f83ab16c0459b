import numpy as np

from experiments import which_pairs


def test_one_of_each_person_comes_before_a_second_of_any():
    label = np.repeat(list("abcd"), [5, 3, 2, 5])
    order = which_pairs.round_robin(np.random.default_rng(0), label)
    assert sorted(order) == list(range(15))
    assert set(label[order[:4]]) == set(label[order[4:8]]) == set("abcd")
    other = which_pairs.round_robin(np.random.default_rng(1), label)
    assert not np.array_equal(order, other)
