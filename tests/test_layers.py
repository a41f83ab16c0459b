"""The shape of the house: who may import whom, read off the source."""

import ast
import itertools
import pathlib
import sys

import pytest

import jfacemap


root = pathlib.Path(jfacemap.__file__).parent

siblings = {"fit", "evaluate", "data", "onnx2jax"}
users = {"probe", "attribute", "network"}
numeric = {"core", "fit", "evaluate"}

allowed = {
    "core": set(),
    **{name: {"core"} for name in siblings},
    **{name: {"core", "fit", "evaluate"} for name in users},
    "study": {"core"} | siblings | users,
    "plot": {"core", "study"} | siblings | users,
    "page": {"core", "study", "data"},
    "cli": {"core", "study", "plot", "page"} | siblings | users,
}
"""The folders that each folder may import from, beside itself."""

light = {"jax", "equinox", "jaxtyping", "numpy", *sys.stdlib_module_names}
"""What the numeric folders may import beside each other; the rest waits in functions."""


def modules_of(folders):
    paths = [path for name in sorted(folders) for path in (root / name).rglob("*.py")]
    ids = [str(path.relative_to(root)) for path in paths]
    return pytest.mark.parametrize("path", paths, ids=ids)


def imports(path: pathlib.Path, *, when_imported: bool = False):
    """Dotted names a file imports, relative ones made absolute.

    `when_imported` leaves out what waits in a function or stands under TYPE_CHECKING.
    """
    package = ("jfacemap", *path.relative_to(root).parent.parts)
    return _imports(ast.parse(path.read_text()), package, when_imported)


def _imports(node, package, when_imported):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else ()
            source = (*base, *filter(None, [child.module]))
            # With the names: `from .. import fit` has its folder there.
            yield from (".".join([*source, alias.name]) for alias in child.names)
        elif not (when_imported and _waits(child)):
            yield from _imports(child, package, when_imported)


def _waits(node) -> bool:
    later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    return later or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))


@modules_of(allowed)
def test_imports_follow_the_edges(path):
    here = path.relative_to(root).parts[0]
    for name in imports(path):
        top, *rest = name.split(".")
        assert top not in ("experiments", "benchmarks", "tests"), name
        # `import jfacemap` fails too: the package's own names come from every folder.
        if top == "jfacemap":
            assert rest and rest[0] in {here} | allowed[here], f"{here} imports {name}"


@modules_of(numeric)
def test_numeric_folders_import_only_jax(path):
    for name in imports(path, when_imported=True):
        assert name.split(".")[0] in light | {"jfacemap"}, name


def test_the_table_has_every_folder_and_no_cycle():
    assert {path.parent.name for path in root.glob("*/__init__.py")} <= set(allowed)
    for a, b in itertools.permutations(allowed, 2):
        assert not (a in allowed[b] and b in allowed[a])


def test_no_module_takes_the_name_of_a_function():
    """Importing the module `jfacemap.name` would replace the function of that name."""
    source = ast.parse((root / "__init__.py").read_text())
    public = {
        alias.asname or alias.name
        for node in ast.walk(source)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert public
    assert not public & {path.stem for path in root.iterdir()}
