"""What MkDocs asks while it builds the site, as of `make docs`: pages that nobody writes.

The API is written from docstrings, an experiment's page from its script, the claims from
the ledger, the tutorials by running them, and the rest are files of the repository.
"""

import html
import pathlib
import re
import sys

from latex2mathml.converter import convert
from mkdocs.structure.files import File


root = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(root), str(root / "docs")]

import api_pages  # noqa: E402
import claims_page  # noqa: E402
import experiment_pages  # noqa: E402
import links  # noqa: E402
import tutorial_pages  # noqa: E402


def on_config(config):
    """The menu, which no one keeps up by hand."""
    config.nav = [
        {"Home": "index.md"},
        {"Tutorials": tutorial_pages.paths()},
        {"From paper to function": ["papers.md", "claims.md", "verdicts.md"]},
        {"Experiments": [*experiment_pages.paths(), "findings.md"]},
        {"API": ["api.md", *api_pages.paths()]},
        {"Benchmarks": ["benchmarks.md", "scaling.md"]},
        {"More": ["onnx_operators.md", "faces.md", "contributing.md", "changelog.md"]},
    ]
    return config


def on_files(files, config):
    """Add the pages to those in `docs/`."""
    content = {path: (root / old).read_text() for old, path in links.copied.items()}
    content |= api_pages.pages() | experiment_pages.pages() | tutorial_pages.pages()
    content["claims.md"] = claims_page.page()
    for path, text in content.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Let links lead to pages, and names to what is said of them."""
    here = page.file.src_uri
    targets = api_pages.targets() | experiment_pages.targets()
    return links.link_names(links.relocate(markdown, here), here, targets)


def on_page_content(content, page, config, files):
    """Set formulas as MathML, which browsers draw without a script or a font."""
    pattern = r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>'
    return re.sub(pattern, _formula, content, flags=re.DOTALL)


def _formula(match: re.Match) -> str:
    display = "block" if match[1] == "div" else "inline"
    return convert(html.unescape(match[2]), display=display)
