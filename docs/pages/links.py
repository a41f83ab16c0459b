"""Links of the site: those of files that move, and of names to where they are told of."""

import posixpath
import re


copied = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/RESULTS.md": "benchmarks.md",
    "jfacemap/data/FACES.md": "faces.md",
}
"""Files of the repository, and the pages they become."""


def relocate(text: str, here: str) -> str:
    """Links of the page `here`, as they are in the repository, as the site has them.

    A link to a file that is no page is left as its text.
    """
    if here not in copied.values():
        return text

    def move(match: re.Match) -> str:
        words, target = match[1], match[2]
        if ":" in target or target.startswith("#"):
            return match[0]
        if target.startswith("docs/"):
            return f"[{words}]({target.removeprefix('docs/')})"
        return f"[{words}]({copied[target]})" if target in copied else words

    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", move, text)


def link_names(text: str, here: str, targets: dict[str, str]) -> str:
    """Let names in backticks lead to their targets, outside headings and code blocks."""

    def link(match: re.Match) -> str:
        name = re.split(r"[(= ]", match[2].removeprefix("python -m "))[0]
        if name not in targets:
            return match[0]
        page, _, anchor = targets[name].partition("#")
        way = posixpath.relpath(page, posixpath.dirname(here) or ".")
        return f"{match[1]}[`{match[2]}`]({way}{'#' * bool(anchor)}{anchor})"

    parts = re.split(r"(^ *```.*?^ *```$)", text, flags=re.DOTALL | re.MULTILINE)
    for k in range(0, len(parts), 2):
        lines = parts[k].split("\n")
        linked = (re.sub(r"(^|[^\[`])`([^`]+)`(?!`|\])", link, line) for line in lines)
        parts[k] = "\n".join(
            old if old.startswith("#") else new
            for old, new in zip(lines, linked, strict=True)
        )
    return "".join(parts)
