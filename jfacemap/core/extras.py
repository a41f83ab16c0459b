"""Libraries that come with an extra of the package, and one line where one is missing."""

import importlib
from types import ModuleType


class MissingExtra(ImportError):
    """A library that is not installed; the message has the command that installs it."""


def need(module: str, extra: str) -> ModuleType:
    """The module of that name; `MissingExtra` if it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise MissingExtra(
            f"{top} is not installed: pip install 'jfacemap[{extra}]'"
        ) from error
