"""The page of public names is the one its script writes."""

import importlib.util
import pathlib


docs = pathlib.Path(__file__).parents[1] / "docs"


def test_the_page_is_up_to_date():
    spec = importlib.util.spec_from_file_location("make_api", docs / "make_api.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    page = module.page()
    assert "`jfm.fit_linear(x, y, *, weights=None, ridge=0.0)`" in page
    assert (docs / "api.md").read_text() == page, "run python docs/make_api.py"
