import numpy as np
import pytest

from jfacemap.study.pedigree import Pedigree, shared_traits, trait_categories
from jfacemap.study.published import category_counts, mean_tar, table2


def test_the_papers_models_fall_into_the_published_categories():
    found = trait_categories([m.pedigree for m in table2])
    assert {name: which.sum() for name, which in found.items()} == category_counts
    assert list(found) == list(category_counts)


def test_each_pair_is_in_one_category():
    found = trait_categories([m.pedigree for m in table2])
    np.testing.assert_array_equal(
        sum(w.astype(int) for w in found.values()), 1 - np.eye(10)
    )


def test_table_2_has_the_means_the_paper_tells():
    assert np.mean([m.tar[4] for m in table2]) == pytest.approx(mean_tar["native"])
    means = {m.name: np.mean(m.tar) for m in table2}
    assert means["G-R100-P1.0"] == pytest.approx(0.9678, abs=5e-5)
    assert means["C-IR1-C"] == pytest.approx(0.7302, abs=5e-5)
    assert all(np.all(np.diff(m.tar) > 0) for m in table2)  # from FAR 1e-6 to 1e-1


def test_what_is_not_known_is_not_shared():
    models = Pedigree(arch="MobileFaceNet"), Pedigree(arch="MobileFaceNet"), Pedigree()
    shared = shared_traits(models)
    assert not shared["data"].any() and not shared["arch"][2].any()
    found = trait_categories(models)
    assert list(found) == ["none", "arch"] and found["arch"].sum() == 2
