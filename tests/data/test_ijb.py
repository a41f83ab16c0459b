import dataclasses
import gzip
import re
import sys

import equinox as eqx
import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from jfacemap.data import ijb, protocol_check
from jfacemap.data.arrays import InputError
from jfacemap.data.ijb import read_ijb, write_ijb
from jfacemap.data.protocol import locate, Protocol, Roster
from jfacemap.data.protocol_check import find_fault


tid_mid = "ijbc_face_tid_mid.txt"
pair_label = "ijbc_template_pair_label.txt"
five_points = "ijbc_name_5pts_score.txt"
g1, g2 = "ijbc_1N_gallery_G1.csv", "ijbc_1N_gallery_G2.csv"
probe = "ijbc_1N_probe_mixed.csv"

points = " ".join(f"{i}.5" for i in range(10))

tiny = {
    tid_mid: "1.jpg 1 69544\n2.jpg 1 7\n3.jpg 20 8\n4.jpg 11065 8\n5.jpg 300 9\n",
    pair_label: "1 11065 1\n1 300 0\n20 300 1\n",
    five_points: "".join(f"{i}.jpg {points} 0.{i}\n" for i in range(1, 6)),
    g1: "TEMPLATE_ID,SUBJECT_ID\n1,101\n",
    g2: "TEMPLATE_ID,SUBJECT_ID\n20,55\n",
    probe: "TEMPLATE_ID,SUBJECT_ID\n11065,101\n300,55\n",
}
"""The published format, written by hand: five images, four templates, two people."""


def fill(folder, files=tiny):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, newline="")
    return folder


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path)


def read_part(folder, **options):
    return read_ijb(folder, check_counts=False, **options)


def check_tiny(protocol):
    ids = lambda *values: np.array(values, np.int32)
    wanted = Protocol(
        name="ijbc",
        image=np.array(["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]),
        template=ids(1, 1, 20, 11065, 300),
        media=ids(69544, 7, 8, 8, 9),
        pairs=ids((1, 11065), (1, 300), (20, 300)),
        genuine=np.array([True, False, True]),
        landmarks=np.tile(np.arange(10, dtype=np.float32) + np.float32(0.5), (5, 1)),
        detector_score=np.float32([0.1, 0.2, 0.3, 0.4, 0.5]),
        galleries={"G1": Roster(ids(1), ids(101)), "G2": Roster(ids(20), ids(55))},
        probes=Roster(ids(11065, 300), ids(101, 55)),
    )
    assert eqx.tree_equal(protocol, wanted, typematch=True)


def test_reads_the_published_format(folder):
    check_tiny(read_part(folder))


def test_what_a_protocol_tells(folder):
    p = read_part(folder)
    np.testing.assert_array_equal(p.templates, [1, 20, 300, 11065])
    np.testing.assert_array_equal(p.template_subject, [101, 55, 55, 101])
    np.testing.assert_array_equal(p.subject_of([300, 8]), [55, -1])
    np.testing.assert_array_equal(p.probe_subject, [101, 55, 55])
    np.testing.assert_array_equal(p.in_gallery, [True, True, True, False, False])
    np.testing.assert_array_equal(p.in_probes, [False, False, False, True, True])
    np.testing.assert_array_equal(p.identities, [0, 1, 1, 0])
    assert p.counts == {
        "images": 5,
        "templates": 4,
        "pairs": 3,
        "genuine pairs": 2,
        "impostor pairs": 1,
        "images of galleries": 3,
        "images of probes": 2,
        "templates of G1": 1,
        "templates of G2": 1,
        "templates of probes": 2,
    }


@pytest.mark.parametrize(
    "change",
    (
        lambda s: s.replace("\n", "\r\n"),
        lambda s: s.rstrip("\n"),
        lambda s: s + "\n\n",
        lambda s: s.replace(" ", "  ").replace(",", " , "),
        lambda s: s.replace("\n", " \n").replace(" ", "\t"),
        lambda s: "\ufeff" + s,
        lambda s: "\ufeff" + s + "\n\n",
    ),
    ids=("windows", "cut", "end", "wide", "tabs", "mark", "mark and end"),
)
def test_blanks_do_not_matter(tmp_path, change):
    check_tiny(read_part(fill(tmp_path, {n: change(s) for n, s in tiny.items()})))


def test_finds_the_files_in_meta_and_unpacks_them(tmp_path):
    meta = fill(tmp_path / "meta")
    check_tiny(read_part(tmp_path))
    for path in list(meta.iterdir()):
        with gzip.open(meta / f"{path.name}.gz", "wb") as file:
            file.write(path.read_bytes())
        path.unlink()
    check_tiny(read_part(tmp_path))


def test_a_list_with_a_line_an_image_lists_its_templates_once(folder):
    """As NIST has them: further columns, a template on as many lines as it has images."""
    (folder / g1).write_text('TEMPLATE_ID,SUBJECT_ID,FILE\n1,101,"a,b"\n1,101,c\n')
    check_tiny(read_part(folder))
    (folder / g1).write_text("TEMPLATE_ID,SUBJECT_ID,FILE\n1,101,a\n1,101,b\n9,101,c\n")
    with pytest.raises(InputError, match=f"{g1}, line 4: template 9 has no images"):
        read_part(folder)


def test_the_lists_and_the_faces_may_be_missing(folder):
    for name in (five_points, g1, g2, probe):
        (folder / name).unlink()
    p = read_part(folder)
    assert p.landmarks is None and p.detector_score is None
    assert p.probes is None and p.galleries == {} and p.template_subject is None
    assert "images of probes" not in p.counts
    for use in (lambda: p.in_gallery, lambda: p.in_probes, lambda: p.subject_of([1])):
        with pytest.raises(ValueError, match="'ijbc' has no 1:N lists"):
            use()


def test_a_name_chooses_among_data_sets(folder):
    fill(folder, {n.replace("ijbc", "ijbb"): s for n, s in tiny.items()})
    assert read_part(folder, name="ijbb").name == "ijbb"
    check_tiny(read_part(folder, name="ijbc"))
    with pytest.raises(InputError, match=r"holds the files of ijbb and ijbc.*name='ijbb'"):
        read_part(folder)


names = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters='"'), min_size=1
)
ids = st.integers(-(2**40), 2**40) | st.integers(0, 50)
floats = st.floats(width=32, allow_nan=False)


@st.composite
def protocols(draw):
    """Any consistent protocol, with and without faces and lists."""
    templates = draw(st.lists(ids, min_size=2, max_size=6, unique=True))
    some = lambda n: draw(hnp.arrays(int, n, elements=st.sampled_from(templates)))
    rows = templates + some(draw(st.integers(0, 5))).tolist()
    rows = draw(st.permutations(rows))
    n, n_pairs = len(rows), draw(st.integers(1, 8))
    person = {t: draw(st.integers(0, 2**33)) if i else 0 for i, t in enumerate(templates)}
    roster = lambda some: Roster(np.array(some), np.array([person[t] for t in some]))
    pairs = some((n_pairs, 2))
    same = np.array([person[a] == person[b] for a, b in pairs.tolist()])
    lists = faces = {}
    if draw(st.booleans()):
        cut = draw(st.integers(1, len(templates) - 1))
        lists = {"galleries": {"G1": roster(templates[:cut])}}
        lists["probes"] = roster(templates[cut:])
    if draw(st.booleans()):
        array = lambda *shape: draw(hnp.arrays(np.float32, shape, elements=floats))
        faces = {"landmarks": array(n, 10), "detector_score": array(n)}
    return Protocol(
        name=draw(st.sampled_from(["ijbc", "ijbb", "mine", "a_b"])),
        image=np.array(draw(st.lists(names, min_size=n, max_size=n))),
        template=np.array(rows),
        media=draw(hnp.arrays(int, n, elements=ids)),
        pairs=pairs,
        genuine=same if lists else draw(hnp.arrays(bool, n_pairs)),
        **lists,
        **faces,
    )


@hypothesis.given(protocols())
@hypothesis.settings(max_examples=40, deadline=None)
def test_reads_back_what_was_written(tmp_path_factory, protocol):
    folder = tmp_path_factory.mktemp("ijb")
    write_ijb(protocol, folder / "new")
    again = read_ijb(folder / "new", check_counts=False)
    assert eqx.tree_equal(again, protocol, typematch=True)


@hypothesis.given(protocols())
@hypothesis.settings(max_examples=25, deadline=None)
def test_reads_what_plain_python_reads(tmp_path_factory, protocol):
    folder = tmp_path_factory.mktemp("ijb")
    write_ijb(protocol, folder)
    read = lambda end: (folder / (protocol.name + end)).read_text("utf-8").split("\n")[:-1]
    column = lambda lines, i, kind: np.array([kind(line[i]) for line in lines])
    rows = [line.split(" ") for line in read("_face_tid_mid.txt")]
    pairs = [line.split(" ") for line in read("_template_pair_label.txt")]
    p = read_ijb(folder, check_counts=False)
    np.testing.assert_array_equal(p.image, column(rows, 0, str))
    np.testing.assert_array_equal(p.template, column(rows, 1, int))
    np.testing.assert_array_equal(p.media, column(rows, 2, int))
    np.testing.assert_array_equal(p.pairs[:, 0], column(pairs, 0, int))
    np.testing.assert_array_equal(p.pairs[:, 1], column(pairs, 1, int))
    np.testing.assert_array_equal(p.genuine, column(pairs, 2, int) == 1)
    if p.landmarks is not None:
        faces = [line.split(" ") for line in read("_name_5pts_score.txt")]
        np.testing.assert_array_equal(p.detector_score, column(faces, 11, np.float32))
        for i in range(10):
            np.testing.assert_array_equal(
                p.landmarks[:, i], column(faces, i + 1, np.float32)
            )
    if p.probes is not None:
        lines = [line.split(",") for line in read("_1N_probe_mixed.csv")[1:]]
        np.testing.assert_array_equal(p.probes.template, column(lines, 0, int))
        np.testing.assert_array_equal(p.probes.subject, column(lines, 1, int))


@hypothesis.given(protocols())
@hypothesis.settings(max_examples=25, deadline=None)
def test_identities_are_what_genuine_pairs_connect(protocol):
    parent = {t: t for t in protocol.templates.tolist()}

    def root(t):
        return t if parent[t] == t else root(parent[t])

    for a, b in protocol.pairs[protocol.genuine].tolist():
        parent[root(a)] = root(b)
    roots = [root(t) for t in protocol.templates.tolist()]
    ours = protocol.identities
    same = np.array(roots)[:, None] == np.array(roots)[None]
    np.testing.assert_array_equal(ours[:, None] == ours[None], same)
    assert set(ours) == set(range(len(set(roots))))


def edit(name, old, new):
    assert old in tiny[name]
    return {name: tiny[name].replace(old, new)}


@pytest.mark.parametrize(
    ("change", "message"),
    (
        (edit(tid_mid, " 20 8", " 20"), f"{tid_mid}, line 3 has 2 entries where 3 are"),
        (edit(tid_mid, " 20 8", " 20 8 9"), f"{tid_mid}, line 3 has 4 entries where 3"),
        (edit(tid_mid, "20 8", "2.0 8"), f"{tid_mid}, line 3: template '2.0' is no int"),
        (edit(tid_mid, "20 8", "20 x"), f"{tid_mid}, line 3: media 'x' is no integer"),
        (edit(tid_mid, "20 8", f"20 {2**63}"), "line 3: media '9223372036854775808' is no"),
        (edit(tid_mid, "3.jpg", "\n3.jpg"), f"{tid_mid}, line 3 is empty: remove it"),
        ({tid_mid: ""}, f"{tid_mid} has no lines: copy it again"),
        ({tid_mid: "\n\n"}, f"{tid_mid} has no lines"),
        (
            {tid_mid: None},
            f"nor .*meta holds NAME{tid_mid[4:]}, NAME being ijbb, ijbc.*NIST",
        ),
        (
            edit(pair_label, "300 0", "300 2"),
            f"{pair_label}, line 2: label '2' is neither 0",
        ),
        (edit(pair_label, "300 0", "300"), f"{pair_label}, line 2 has 2 entries where 3"),
        (edit(pair_label, "1 300", "- 300"), f"{pair_label}, line 2: template 1 '-' is no"),
        (
            edit(pair_label, "1 300", "1 301"),
            f"{pair_label}, line 2: template 301 of a pair",
        ),
        (
            edit(pair_label, "300 0", "300 1"),
            "line 2: templates 1 and 300 are labelled gen",
        ),
        (
            edit(pair_label, "300 1", "300 0"),
            "line 3: templates 20 and 300 are labelled imp",
        ),
        ({pair_label: ""}, f"{pair_label} has no lines"),
        ({pair_label: None}, f"lacks {pair_label}.*meta of the IJB-B and IJB-C.*NIST"),
        (edit(five_points, " 0.3", ""), f"{five_points}, line 3 has 11 entries where 12"),
        (
            edit(five_points, " 0.3", " O.3"),
            f"{five_points}, line 3: score 'O.3' is no num",
        ),
        (
            edit(five_points, "3.jpg", "9.jpg"),
            "line 3 is of image 9.jpg, but that.*of 3.jpg",
        ),
        ({five_points: f"1.jpg {points} 1\n"}, f"{five_points} has 1 lines and .*has 5"),
        ({g1: "1,101\n"}, f"{g1}, line 1 is no header such as 'TEMPLATE_ID,SUBJECT_ID'"),
        ({g1: "TEMPLATE_ID,SUBJECT_ID\n"}, f"{g1} has no lines"),
        ({g1: ""}, f"{g1} has no lines"),
        ({g1: "\ufeff1,101\n"}, f"{g1}, line 1 is no header"),
        (edit(g1, "1,101", "1"), f"{g1}, line 2 has 1 entries where 2 are wanted"),
        (edit(g1, "1,101", "1,x"), f"{g1}, line 2: subject 'x' is no integer"),
        (edit(g1, "1,101", "1,-1"), f"{g1}, line 2: subject -1 is negative"),
        (edit(g1, "1,101", "2,101"), f"{g1}, line 2: template 2 has no images"),
        (edit(g1, "1,101", "1,101\n1,7"), f"{g1}, line 3: template 1 is of subject 7 and"),
        (
            edit(g2, "20,55", "20,55\n1,7"),
            f"{g2}, line 3: template 1 is of subject 7 and of",
        ),
        (
            edit(probe, "300,55", "300,55\n1,7"),
            f"{probe}, line 4: template 1 is of subject 7",
        ),
        ({probe: None}, f"lacks {probe}"),
        ({g1: None, g2: None}, f"lacks {g1}"),
    ),
)
def test_says_which_line_of_which_file_is_wrong(folder, change, message):
    for name, text in change.items():
        if text is None:
            (folder / name).unlink()
        else:
            (folder / name).write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read_part(folder)
    assert "\n" not in str(error.value)


def test_says_that_there_is_no_folder(tmp_path):
    with pytest.raises(InputError, match="gone is no folder"):
        read_ijb(tmp_path / "gone")
    with pytest.raises(InputError, match=r"holds mine_face_tid_mid.txt"):
        read_ijb(tmp_path, name="mine")


def test_says_that_a_packed_file_is_damaged(folder):
    whole = gzip.compress((folder / pair_label).read_bytes())
    (folder / pair_label).unlink()
    (folder / f"{pair_label}.gz").write_bytes(whole[:-9])
    with pytest.raises(InputError, match=r"label.txt.gz cannot be read"):
        read_part(folder)


def test_says_that_names_are_not_text(folder):
    (folder / tid_mid).write_bytes(b"\xff.jpg 1 1\n")
    with pytest.raises(InputError, match=rf"{tid_mid} cannot be read \(.*UTF"):
        read_part(folder)


def test_checks_the_published_counts(folder, monkeypatch):
    with pytest.raises(InputError) as error:
        read_ijb(folder)
    for text in (
        "5 images where 469,375 are published",
        "3 pairs where 15,658,489",
        "1 te",
    ):
        assert text in str(error.value)
    assert "check_counts=False" in str(error.value)
    monkeypatch.setitem(ijb.published, "ijbc", read_part(folder).counts)
    check_tiny(read_ijb(folder))
    (folder / g2).unlink()
    with pytest.raises(
        InputError, match="0 templates of G2 where 1 are published"
    ) as error:
        read_ijb(folder)
    assert "templates of G1" not in str(error.value)
    for name in (g1, probe):
        (folder / name).unlink()
    assert read_ijb(folder).n_pairs == 3  # without the lists their counts are not wanted


def test_counts_of_other_data_are_not_known(tmp_path):
    fill(tmp_path, {n.replace("ijbc", "mine"): s for n, s in tiny.items()})
    with pytest.raises(InputError, match=r"published for 'mine'.*check_counts=False"):
        read_ijb(tmp_path)


def test_the_published_counts_agree_with_each_other():
    for counts in ijb.published.values():
        assert counts["pairs"] == counts["genuine pairs"] + counts["impostor pairs"]
    c = ijb.published["ijbc"]
    assert c["images"] == c["images of galleries"] + c["images of probes"]
    parts = ("G1", "G2", "probes")
    assert c["templates"] == sum(c[f"templates of {part}"] for part in parts)


@pytest.mark.parametrize("use", ("read", "write"))
def test_says_how_to_get_pyarrow(folder, monkeypatch, use):
    protocol = read_part(folder)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=re.escape("pip install 'jfacemap[protocol]'")):
        read_part(folder) if use == "read" else write_ijb(protocol, folder)


def test_a_failed_write_leaves_the_old_files(folder, monkeypatch):
    protocol = read_part(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.csv.write_csv", fail)
    with pytest.raises(InputError, match=f"{tid_mid} cannot be written: No space left"):
        write_ijb(protocol, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_refuses_to_write_what_would_not_read_back(folder):
    p = read_part(folder)
    fewer = dataclasses.replace(p, landmarks=None, detector_score=None)
    with pytest.raises(InputError, match=f"{five_points} is of another protocol 'ijbc'"):
        write_ijb(fewer, folder)
    lone = dataclasses.replace(p, galleries={"G1": Roster(np.array([1]), np.array([101]))})
    with pytest.raises(InputError, match=f"{g2} is of another protocol"):
        write_ijb(lone, folder)
    with pytest.raises(InputError, match=r"x cannot be made: Not a directory"):
        write_ijb(p, folder / tid_mid / "x")


@pytest.mark.parametrize(
    ("changes", "part", "row", "message"),
    (
        ({"image": np.array(["a", "b", "", "d", "e"])}, "images", 2, "'' is no name"),
        ({"image": np.array(["a", "b", "c", "d e", "e"])}, "images", 3, "'d e' is no name"),
        ({"image": np.array(["a", 'b"', "c", "d", "e"])}, "images", 1, "is no name"),
        ({"template": np.arange(5)}, "G2", 0, "template 20 has no images"),
        ({"genuine": np.array([False] * 3)}, "pairs", 0, "labelled impostor"),
        (
            {"pairs": np.zeros((0, 2), int), "genuine": np.zeros(0, bool)},
            "pairs",
            0,
            "no rows",
        ),
        (
            {"probes": Roster(np.array([300, 300]), np.array([55, 55]))},
            "probes",
            1,
            "template 300 is listed twice",
        ),
    ),
)
def test_finds_the_row_at_fault(folder, changes, part, row, message):
    protocol = read_part(folder)
    assert find_fault(protocol) is None
    fault = find_fault(dataclasses.replace(protocol, **changes))
    assert fault is not None and (fault.part, fault.row) == (part, row)
    assert message in fault.message
    with pytest.raises(InputError, match=re.escape(f"Row {row} of the {part}: {fault[2]}")):
        write_ijb(dataclasses.replace(protocol, **changes), folder / "new")


def test_finds_faults_past_the_first_batch(folder, monkeypatch):
    monkeypatch.setattr(protocol_check, "pairs_at_once", 2)
    protocol = read_part(folder)
    wrong = dataclasses.replace(protocol, genuine=np.array([True, False, False]))
    fault = find_fault(wrong)
    assert fault is not None and fault.row == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    (
        (
            {"template": np.arange(4)},
            r"5 images and 3 pairs has template \(5,\); got \(4,\)",
        ),
        ({"genuine": np.array([True])}, r"genuine \(3,\); got \(1,\)"),
        ({"landmarks": np.zeros((5, 9), np.float32)}, r"landmarks \(5, 10\); got \(5, 9\)"),
        ({"landmarks": None}, "landmarks and detector scores, or neither"),
        ({"probes": None}, "galleries and probes, or neither"),
        ({"media": np.ones(5)}, "integers; got float64"),
        (
            {"galleries": {"probes": Roster(np.array([1]), np.array([1]))}},
            "cannot be called",
        ),
    ),
)
def test_refuses_shapes_that_do_not_match(folder, unchecked_types, changes, message):
    protocol = read_part(folder)
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(protocol, **changes)


@hypothesis.given(
    known=hnp.arrays(st.sampled_from([np.int32, np.int64]), st.integers(0, 9)),
    wanted=hnp.arrays(np.int32, st.integers(0, 30), elements=st.integers(-9, 9)),
    spread=st.sampled_from([1, 2**20]),
)
def test_locates_ids_by_table_and_by_search(known, wanted, spread):
    known = np.unique(known // spread * spread)
    wanted = np.concatenate([wanted, known[:5].astype(known.dtype)])
    at, there = locate(known, wanted)
    np.testing.assert_array_equal(there, np.isin(wanted, known))
    np.testing.assert_array_equal(known[at[there]], wanted[there])
