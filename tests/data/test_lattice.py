import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import jfacemap as jfm
from jfacemap.data import InputError, Lattice, read_lattice, write_lattice


head = "moving_dimension,id_curve,param_step,index\n"


def write(folder, *lines):
    path = folder / "df_param_step.csv"
    path.write_text(head + "".join(f"{line}\n" for line in lines))
    return path


def test_numbers_in_any_spelling_are_one_attribute(tmp_path):
    lines = "0,7,0,10", "0.0,7,1,11", "00,7.0,2,12", "hue,1,2,5", "hue,1,0,3", "hue,1,1,11"
    lattice = read_lattice(write(tmp_path, *lines))
    assert lattice.names == ("0", "hue")
    np.testing.assert_array_equal(lattice.curves[0], [[10, 11, 12]])
    np.testing.assert_array_equal(lattice.curves[1], [[3, 11, 5]])
    assert lattice.size == 13


def test_fields_and_their_join(tmp_path):
    lines = "a,0,0,0", "a,0,1,1", "a,0,2,2", "a,1,0,3", "a,1,1,4", "a,1,2,5"
    lines += "b,0,0,6", "b,0,1,4", "b,0,2,7"
    lattice = read_lattice(write(tmp_path, *lines))
    e = np.random.default_rng(0).normal(size=(8, 3))
    p, v = lattice.field("a", e)
    np.testing.assert_array_equal(p, e[[1, 4]])
    np.testing.assert_array_equal(v, e[[2, 5]] - e[[0, 3]])
    joined = lattice.joined(e)
    np.testing.assert_array_equal(joined.rows, [1, 4])
    np.testing.assert_array_equal(joined.present, [[True, True], [False, True]])
    np.testing.assert_array_equal(joined.vectors[1, 1], e[7] - e[6])
    shared = jfm.field_alignment(joined.vectors, joined.present).shared
    np.testing.assert_array_equal(shared, [[2, 1], [1, 1]])
    with pytest.raises(ValueError, match="rows up to 7"):
        lattice.field("a", e[:7])
    for few, fault in ((7, "Curve '0' of attribute 'b' has row 7 at step 2"),
                       (4, "Curve '1' of attribute 'a' has row 4 at step 1")):  # fmt: skip
        with pytest.raises(ValueError, match=fault):
            lattice.joined(e[:few])
    with pytest.raises(ValueError, match=r"are \(N, d\)"):
        lattice.field("a", e[0])
    with pytest.raises(ValueError, match="no attribute 'c'"):
        lattice.field("c", e)


@pytest.mark.parametrize(
    "lines, fault",
    (
        (("a,0,0,0", "a,0,1,1"), "curve '0' of attribute 'a' has no step 2"),
        (("a,0,0,0", "a,0,0,1"), "line 3: curve '0' of attribute 'a' has step 0 twice"),
        (("a,0,3,0",), "param_step 3"),
        (("a,0,0,-1",), "index is '-1', not a whole number"),
        (("a,0,0,x",), "index is 'x'"),
        (("a,0,0,1.5",), "index is '1.5'"),
        (("a,0,0",), "index is None"),
        ((), "holds no curves"),
    ),
)
def test_faults_are_named(tmp_path, lines, fault):
    with pytest.raises(InputError, match=fault):
        read_lattice(write(tmp_path, *lines))


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_lattice(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has no column moving_dimension"):
        read_lattice(tmp_path / "x.csv")


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_what_is_written_is_read_back(tmp_path_factory, data):
    names = data.draw(st.sets(st.sampled_from(("0", "3", "age", "hue", "1.5")), min_size=1))
    names = tuple(sorted(names, key=lambda n: (n.isalpha(), n)))
    curves, ids = [], []
    for _ in names:
        rows = data.draw(st.lists(st.tuples(*[st.integers(0, 99)] * 3), min_size=1))
        curves.append(np.array(rows))
        ids.append(np.arange(len(rows)))
    path = tmp_path_factory.mktemp("lattice") / "df_param_step.csv"
    write_lattice(Lattice(names, tuple(curves), tuple(ids)), path)
    back = read_lattice(path)
    assert back.names == names
    for a, b in zip(back.curves, curves, strict=True):
        np.testing.assert_array_equal(a, b)
