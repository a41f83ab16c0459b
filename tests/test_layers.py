"""The shape of the house: who may import whom, read off the source."""

import ast
import itertools
import pathlib
import sys

import pytest

import jfacemap


root = pathlib.Path(jfacemap.__file__).parent

siblings = ("fit", "evaluate", "data", "onnx2jax")
users = ("probe", "attribute", "network")
fits = ("core", "fit", "evaluate")

allowed = {
    "core": set(),
    **{name: {"core"} for name in siblings},
    **{name: {"core", *siblings} for name in users},
    "study": {"core", *siblings, *users},
    "plot": {"core", *siblings, *users, "study"},
    "cli": {"core", *siblings, *users, "study", "plot"},
}
"""The folders that each folder may import from, beside itself."""

numeric = {"jax", "equinox", "jaxtyping", "numpy", *sys.stdlib_module_names}
"""What `core`, `fit` and `evaluate` may import when they are imported."""

modules = sorted(root.rglob("*.py"))
names = [str(path.relative_to(root)) for path in modules]
each_module = pytest.mark.parametrize("path", modules, ids=names)


def imports(path: pathlib.Path, *, when_imported: bool = False):
    """Dotted names a file imports, relative ones made absolute.

    `when_imported` leaves out what waits in a function or stands under TYPE_CHECKING.
    """
    package = ("jfacemap", *path.relative_to(root).parent.parts)
    return list(_imports(ast.parse(path.read_text()), package, when_imported))


def _imports(node, package, when_imported):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else ()
            source = ".".join([*base, *([child.module] if child.module else [])])
            # `from .. import fit` names a folder in its list.
            yield from (f"{source}.{alias.name}" for alias in child.names)
        elif not (when_imported and _waits(child)):
            yield from _imports(child, package, when_imported)


def _waits(node) -> bool:
    later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    return later or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))


def folder_of(path: pathlib.Path) -> str:
    return path.relative_to(root).parts[0]


@each_module
def test_imports_follow_the_edges(path):
    if path.parent == root:
        pytest.skip("the package itself gathers from everywhere")
    here = folder_of(path)
    folders = {p.name for p in root.iterdir() if p.is_dir()}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "jfacemap" and len(parts) > 1 and parts[1] in folders:
            assert parts[1] in {here} | allowed[here], f"{here} imports {name}"
        else:
            # The package's own names come from everywhere, so no layer may use them.
            assert parts[0] != "jfacemap", f"{here} imports {name}"
        assert parts[0] not in ("experiments", "benchmarks", "tests"), name


@each_module
def test_numeric_folders_import_only_jax(path):
    if folder_of(path) not in fits:
        pytest.skip("not a numeric folder")
    for name in imports(path, when_imported=True):
        assert name.split(".")[0] in numeric | {"jfacemap"}, name


def test_the_table_has_every_folder_and_no_cycle():
    folders = {p.name for p in root.iterdir() if (p / "__init__.py").exists()}
    assert folders <= set(allowed)
    for a, b in itertools.permutations(allowed, 2):
        assert not (a in allowed[b] and b in allowed[a])


def test_no_module_takes_the_name_of_a_function():
    """Importing `jfacemap.name` would put the module where the function was."""
    at_root = {p.stem for p in root.glob("*.py")} | {p.name for p in root.glob("*/")}
    for name in at_root & set(dir(jfacemap)):
        value = getattr(jfacemap, name)
        assert not callable(value), name
        assert not getattr(value, "__module__", "").startswith("jfacemap"), name
