import numpy as np
import pytest

import jfacemap as jfm


attributes = (
    "4\nBald Smiling Young\na.jpg -1  1  1\nb.jpg  1 -1  0\nc.jpg -1 -1 -1\nd.jpg 1 1 1\n"
)
partition = "b.jpg 0\na.jpg 1\nc.jpg 2\nd.jpg 0\n"
identity = "a.jpg 7\nb.jpg 7\nc.jpg 12\nd.jpg 3\n"
files = {
    "list_attr_celeba.txt": attributes,
    "list_eval_partition.txt": partition,
    "identity_CelebA.txt": identity,
}


def write(folder, **changes):
    for name, text in files.items():
        text = changes.get(name.split("_")[1], lambda text: text)(text)
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_reads_what_is_published(tmp_path):
    celeba = jfm.data.read_celeba(write(tmp_path))
    assert list(celeba.image) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
    assert celeba.names == ("Bald", "Smiling", "Young") and celeba.models == ()
    truth = [[-1, 1, 1], [1, -1, 0], [-1, -1, -1], [1, 1, 1]]
    np.testing.assert_array_equal(celeba.attributes, truth)
    np.testing.assert_array_equal(celeba.partition, [1, 0, 2, 0])  # by name, not by line
    np.testing.assert_array_equal(celeba.identity, [7, 7, 12, 3])


def test_folders_below_no_identities_and_embeddings(tmp_path):
    for name, text in files.items():
        place = tmp_path / ("Eval" if "partition" in name else "Anno")
        place.mkdir(exist_ok=True)
        if "identity" not in name:
            (place / name).write_text(text)
    (tmp_path / "embeddings").mkdir()
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.save(tmp_path / "embeddings" / "net.npy", rows)
    celeba = jfm.data.read_celeba(tmp_path)
    assert celeba.identity is None and len(celeba) == 4
    (model,) = celeba.models
    np.testing.assert_array_equal(model.read([1, 3]), rows[[1, 3]])
    np.save(tmp_path / "embeddings" / "net.npy", rows[:3])
    with pytest.raises(jfm.data.InputError, match="net has 3 rows, where 4"):
        jfm.data.read_celeba(tmp_path)


swap = lambda a, b: lambda text: text.replace(a, b)
bad = {
    "no count": ({"attr": swap("4\n", "")}, "line 1: the number of images"),
    "count": ({"attr": swap("4\n", "5\n")}, "says it has 5 images and has 4"),
    "value": ({"attr": swap("b.jpg  1", "b.jpg  2")}, "line 4: .* values -1 or 1"),
    "short line": ({"attr": swap("-1 -1 -1", "-1 -1")}, "line 5: .* there are 2"),
    "image twice": ({"attr": swap("d.jpg", "a.jpg")}, "line 6: a.jpg is there a second"),
    "name twice": ({"attr": swap("Smiling", "Bald")}, "names an attribute twice"),
    "partition": ({"eval": swap("c.jpg 2", "c.jpg 3")}, "line 3: 3 is none of"),
    "unknown image": ({"eval": swap("c.jpg", "x.jpg")}, "x.jpg has no attributes"),
    "lacks an image": (
        {"eval": swap("c.jpg 2\n", "")},
        "lacks 1 of 4 images, such as c.jpg",
    ),
    "no number": ({"CelebA.txt": swap("12", "Bob")}, "line 3: a file name and a whole"),
    "no file": ({"eval": lambda text: None}, "lacks list_eval_partition.txt"),
}


@pytest.mark.parametrize("fault", bad)
def test_bad_files_are_refused_by_name_and_line(tmp_path, fault):
    changes, words = bad[fault]
    with pytest.raises(jfm.data.InputError, match=words):
        jfm.data.read_celeba(write(tmp_path, **changes))


def test_no_folder(tmp_path):
    with pytest.raises(jfm.data.InputError, match="no folder"):
        jfm.data.read_celeba(tmp_path / "celeb")
