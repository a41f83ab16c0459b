"""Write `docs/api.md`: every public name, its signature and the first line of its help.

python docs/make_api.py
"""

import inspect
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import jfacemap as jfm
from jfacemap import data, onnx2jax
from jfacemap.evaluate import compare


rooms = {
    "Maps": ("core.maps", "core.head", "core.mlp", "core.linalg", "data.map_file"),
    "Statistics": ("core.moments", "core.factor", "core.monoid", "study.stream_moments"),
    "Fits": ("fit",),
    "Verification and identification": ("evaluate",),
    "Attributes and fields": ("attribute",),
    "Probes and networks": ("probe", "network"),
    "Whole studies": ("study", "page"),
    "Images to embeddings": ("embed",),
}
opening = """\
# Public names

Written by `python docs/make_api.py` from docstrings, see `help(jfm.fit_linear)`.
Arrays are (n, d), rows are samples, the source first. Docstrings name papers by number:
paper 000 is *Canonical Face Embeddings* (McNeely-White, Sattelberg, Blanchard & Beveridge,
2022), thesis 002 *Same Data, Same Features* (McNeely-White), paper 001 a book chapter on
the invariance of deep features: attributes and pose of faces, rotated MNIST.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([opening, *(_section(*each) for each in sections())])


def sections() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Title, what goes before a name, and the names with what they stand for."""
    names = {n: getattr(jfm, n) for n in dir(jfm) if not n.startswith("_")}
    names = {n: x for n, x in names.items() if not inspect.ismodule(x)}
    for title, homes in rooms.items():
        here = {n: x for n, x in names.items() if _lives_in(x, homes)}
        names = {n: x for n, x in names.items() if n not in here}
        if here:
            yield title, "jfm", here
    yield "Constants", "jfm", names
    own = {n: x for n, x in vars(jfm.losses).items() if inspect.isfunction(x)}
    own = {n: x for n, x in own.items() if _lives_in(x, ("fit.losses",)) and n[0] != "_"}
    yield "Losses of gradient fits", "jfm.losses", own
    for title, module, prefix in (
        ("Comparison indices", compare, "jfm.compare"),
        ("Data", data, "jfm.data"),
        ("Networks from ONNX", onnx2jax, "jfm.onnx2jax"),
    ):
        own = {n: getattr(module, n) for n in dir(module) if not n.startswith("_")}
        own = {n: x for n, x in own.items() if inspect.isclass(x) or inspect.isfunction(x)}
        yield title, prefix, own


def _lives_in(x, homes) -> bool:
    home = getattr(x, "__module__", "").removeprefix("jfacemap.")
    return any(home == h or home.startswith(f"{h}.") for h in homes)


def _section(title: str, prefix: str, names: dict) -> str:
    lines = [_line(f"{prefix}.{n}", x) for n, x in names.items()]
    return f"## {title}\n\n{''.join(lines)}"


def _line(name: str, x) -> str:
    if not callable(x):
        return f"- `{name}` = {x}\n"
    return f"- `{name}{signature(x)}`: {_summary(x)}\n"


def signature(x) -> str:
    """Names and defaults, without types."""
    try:
        given = inspect.signature(x).parameters.values()
    except ValueError:
        return ""
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in given]
    return re.sub(r"<function .*? at 0x\w+>|<[^>]*>", "...", str(inspect.Signature(bare)))


def _summary(x) -> str:
    first = (inspect.getdoc(x) or "").split("\n\n")[0]
    return " ".join(first.split())


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("api.md").write_text(page())
