import pytest

from jfacemap.core.extras import MissingExtra, need


def test_a_missing_library_names_the_command():
    with pytest.raises(MissingExtra, match=r"pip install 'jfacemap\[images\]'"):
        need("no_such_library.part", "images")


def test_a_library_that_is_there_comes_and_its_own_faults_are_its_own(
    tmp_path, monkeypatch
):
    assert need("json.decoder", "images").JSONDecoder
    (tmp_path / "broken_library.py").write_text("import what_it_needs")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="what_it_needs") as caught:
        need("broken_library", "images")
    assert not isinstance(caught.value, MissingExtra)
