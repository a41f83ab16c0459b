"""The command line: finds the command, runs it, and turns errors into plain lines.

A command is a module here: its docstring is the help, `Options` its arguments, `run` the
work. Modules are imported when called for, so that help does not wait for them.
"""

import difflib
import importlib
import importlib.metadata
import sys
import warnings
from collections.abc import Sequence

from ..core.extras import MissingExtra


commands = {
    "embed": "Embed images with an ONNX model.",
    "fit": "Fit a map between two models from rows of the same images.",
    "apply": "Map the rows of a file into the other model's space.",
    "verify": "TAR at FAR of one model, of two, or of a map between them.",
    "identify": "Search probes in a gallery: rank and open-set rates (1:N).",
    "sweep": "How many pairs a map needs: fits on random subsets.",
    "ladder": "Which family of maps two models' rows support.",
    "compare": "How alike two or more models' spaces are: CKA, CCA, neighbours, ...",
    "report": "One HTML page of all that two or more models have in common.",
    "energy": "How coherently attributes move embeddings: energies of a lattice.",
    "info": "Say what a map file, an array file or a store holds.",
}

_listing = "\n".join(f"  {name:<10}{line}" for name, line in commands.items())

_help = f"""\
usage: jfacemap COMMAND [OPTIONS]

Do two face models see the same thing, and what is the map between their embeddings?

commands:
{_listing}

'jfacemap COMMAND --help' explains one of them, 'jfacemap --version' says which this is.

Embeddings are (n, d) arrays, one row per image: X.npy, X.npz:KEY, X.safetensors:KEY, or
a store that jfm.data.EmbeddingStore wrote. Row i is the same image in all files of a
command; stores with a column 'image' are paired by it, whatever their order.

Train on some people, judge on others:
  jfacemap fit a_train.npy b_train.npy --kind rotation -o ab.safetensors
  jfacemap verify a_test.npy --map ab.safetensors --target b_test.npy --labels who.npy
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 2 for a wrong input or 130 for Ctrl-C."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: _say("warning", message)
        try:
            return _run(sys.argv[1:] if argv is None else list(argv))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        except (ValueError, OSError, MissingExtra) as error:
            _say("error", error)
            return 2
        except MemoryError as error:
            _say("error", f"out of memory: {error}")
            return 2


def _run(argv: list[str]) -> int:
    name = argv[0] if argv else "--help"
    if name in ("-h", "--help"):
        print(_help, end="")
        return 0
    if name == "--version":
        print("jfacemap", importlib.metadata.version("jfacemap"))
        return 0
    if name not in commands:
        close = difflib.get_close_matches(name, commands, n=1)
        hint = f"did you mean {close[0]}?" if close else f"try {', '.join(commands)}."
        raise ValueError(f"there is no command {name!r}; {hint} See jfacemap --help.")
    from .usage import parse

    module = importlib.import_module(f".{name}", __package__)
    if {"-h", "--help"} & set(argv):
        print(module.__doc__)  # the parser would run its lines together
    module.run(parse(module.Options, name, argv[1:]))
    return 0


def _say(what: str, message) -> None:
    print(f"{what}: {message}", file=sys.stderr)
