"""Where data and models that cannot ship here are."""

import os
import pathlib


def data_folder(given: pathlib.Path | None) -> pathlib.Path | None:
    """The folder given, else $JFACEMAP_DATA, else None."""
    named = os.environ.get("JFACEMAP_DATA")
    return given or (pathlib.Path(named) if named else None)


def find_model(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    """The file NAME.onnx, in the folder or below, through links too."""
    walk = os.walk(folder, followlinks=True)
    found = (pathlib.Path(place, f"{name}.onnx") for place, _, _ in walk)
    return min(filter(pathlib.Path.is_file, found), default=None)
