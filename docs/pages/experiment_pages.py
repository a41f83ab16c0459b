"""A page an experiment: what it asks, how to run it, its figures, what it decides."""

import ast
import functools
import pathlib
import re

from experiments.ledger import ledger


root = pathlib.Path(__file__).parents[2]


@functools.cache
def scripts() -> dict[str, str]:
    """The source of each script in `experiments/` that is run and leaves a record."""
    found = {p.stem: p.read_text() for p in sorted((root / "experiments").glob("*.py"))}
    return {name: text for name, text in found.items() if f'launch("{name}"' in text}


def paths() -> list[str]:
    """The pages, the paper's main experiment first."""
    first = "canonical_faces"
    return [f"experiments/{n}.md" for n in sorted(scripts(), key=lambda n: n != first)]


def pages() -> dict[str, str]:
    """Each page's text."""
    return {f"experiments/{name}.md": page(name) for name in scripts()}


def targets() -> dict[str, str]:
    """Where each experiment is told of, by its name and as a module."""
    where = {name: f"experiments/{name}.md" for name in scripts()}
    return where | {f"experiments.{name}": path for name, path in where.items()}


def page(name: str) -> str:
    """The page of one experiment."""
    tree = ast.parse(scripts()[name])
    title, _, about = (ast.get_docstring(tree) or "").partition("\n")
    run = f"python -m experiments.{name}"
    quick = "\n" + run + " --quick    # a smoke run, whose numbers mean nothing"
    rows = flags(tree)
    parts = [
        f"---\ntitle: {name}\n---\n\n# {title.rstrip('.')}",
        about.strip(),
        f"```\n{run}{quick * any(flag == '--quick' for flag, *_ in rows)}\n```",
        *figures(name, title),
        *_findings(name),
        "## Flags\n\n| flag | what it is | default |\n|---|---|---|\n"
        + "\n".join(f"| `{flag}` | {text} | `{default}` |" for flag, text, default in rows),
        *_claims(name),
    ]
    return "\n\n".join(filter(None, parts))


def flags(tree: ast.Module) -> list[tuple[str, str, str]]:
    """Flag, meaning and default of each field of `Config`."""
    config = next(
        n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Config"
    )
    rows = []
    for node, after in zip(config.body, [*config.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign):
            continue
        text = ""
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            text = " ".join(str(after.value.value).split()).replace("<", "&lt;")
        default = ast.unparse(node.value) if node.value else "needed"
        rows.append((f"--{ast.unparse(node.target).replace('_', '-')}", text, default))
    return rows


def figures(name: str, title: str) -> list[str]:
    """Links to `docs/figures/NAME.png` and `NAME-*.png`: of whole runs, where there are."""
    folder = root / "docs" / "figures"
    files = [*folder.glob(f"{name}.png"), *sorted(folder.glob(f"{name}-*.png"))]
    return [f"![{title}](../figures/{path.name})" for path in files]


def _findings(name: str) -> list[str]:
    """A link to where its results are told of."""
    if name == "canonical_faces":
        return ["Results: [What it finds](../index.md#what-it-finds)."]
    heading = ""
    for line in (root / "docs" / "findings.md").read_text().splitlines():
        heading = line.lstrip("# ") if line.startswith("#") else heading
        if re.search(rf"\b{name}\b", line):
            anchor = re.sub(r"[^\w]+", "-", heading.lower()).strip("-")
            return [f"Results: [{heading}](../findings.md#{anchor})."]
    return []


def _claims(name: str) -> list[str]:
    """What the papers say that this experiment tests."""
    lines = [f"- {c.says} ({c.source})" for c in ledger if c.experiment == name]
    return ["## Published claims it tests", "\n".join(lines)] if lines else []
