"""Pages of the API: each public name with its types and its whole docstring."""

import ast
import functools
import inspect
import re
import textwrap

import make_api


def paths() -> list[str]:
    """The pages, in the order of `docs/api.md`."""
    return [_path(title) for title, _, _ in make_api.sections()]


def pages() -> dict[str, str]:
    """Each page's text."""
    return {_path(title): _page(title, p, names) for title, p, names in make_api.sections()}


@functools.cache
def targets() -> dict[str, str]:
    """Where each public name is told of; without `jfm.` too if it is a name of its own."""
    found = {}
    for title, prefix, names in make_api.sections():
        for name in names:
            place = f"{_path(title)}#{prefix}.{name}"
            found[f"{prefix}.{name}"] = place
            if "_" in name or name[0].isupper():
                found.setdefault(name, place)
    return found


def _path(title: str) -> str:
    return f"api/{re.sub('[^a-z]+', '_', title.lower())}.md"


def _page(title: str, prefix: str, names: dict) -> str:
    return "\n\n".join([f"# {title}", *(_entry(prefix, n, x) for n, x in names.items())])


def _entry(prefix: str, name: str, x) -> str:
    heading = f"## `{name}` {{ #{prefix}.{name} }}"
    if not callable(x):
        return f"{heading}\n\n`{prefix}.{name} = {x}`"
    code = f"```python\n{prefix}.{name}{_header(x)}\n```"
    parts = [heading, code, inspect.getdoc(x) or ""]
    if inspect.isclass(x):
        parts.append("\n".join(_members(x)))
    return "\n\n".join(parts)


def _header(x) -> str:
    """Arguments with their types as they are written, one a line if they are many."""
    plain = inspect.unwrap(x)
    if not inspect.isfunction(plain):
        return make_api.signature(x)
    node = ast.parse(textwrap.dedent(inspect.getsource(plain))).body[0]
    assert isinstance(node, ast.FunctionDef)
    back = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    line = f"({ast.unparse(node.args)}){back}"
    if len(line) < 70:
        return line
    given = [f"\n    {each}," for each in _arguments(node.args)]
    return f"({''.join(given)}\n){back}"


def _arguments(args: ast.arguments) -> list[str]:
    """Each argument as it would be written alone, and the star before the named ones."""
    positional = [*args.posonlyargs, *args.args]
    least = len(positional) - len(args.defaults)
    texts = [
        _argument(each, args.defaults[k - least] if k >= least else None)
        for k, each in enumerate(positional)
    ]
    if args.vararg:
        texts.append(f"*{ast.unparse(args.vararg)}")
    elif args.kwonlyargs:
        texts.append("*")
    named = zip(args.kwonlyargs, args.kw_defaults, strict=True)
    texts += [_argument(each, default) for each, default in named]
    return texts + ([f"**{ast.unparse(args.kwarg)}"] if args.kwarg else [])


def _argument(arg: ast.arg, default: ast.expr | None) -> str:
    if default is None:
        return ast.unparse(arg)
    space = " " if arg.annotation else ""
    return f"{ast.unparse(arg)}{space}={space}{ast.unparse(default)}"


def _members(x: type):
    """A line for each public method and property of our own."""
    ours = [c for c in x.__mro__ if c.__module__.startswith("jfacemap")]
    names = dict.fromkeys(n for c in ours for n in vars(c) if not n.startswith("_"))
    for name in names:
        member = inspect.getattr_static(x, name)
        text = (inspect.getdoc(getattr(x, name)) or "").split("\n\n")[0]
        if isinstance(member, property):
            yield f"- `.{name}`: {' '.join(text.split())}"
        elif inspect.isroutine(inspect.unwrap(getattr(x, name))):
            call = make_api.signature(getattr(x, name)).replace("(self, ", "(")
            yield f"- `.{name}{call.replace('(self)', '()')}`: {' '.join(text.split())}"
