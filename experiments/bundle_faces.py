"""Make the bundled `faces.npz` from the full embeddings in `$JFACEMAP_DATA/embeddings`."""

import os
import pathlib
from typing import Any

import numpy as np
import tyro

import jfacemap.data


models = (
    "dlib_resnet",
    "mobilefacenet_512",
    "mobilefacenet_ms1m",
    "mobilefacenet_tf",
    "mobileface",
    "faceres",
)
datasets = ("orl", "lfw100", "yaleb")


def gather(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The columns of the bundle: all of ORL and LFW-100, the mildly lit Yale-B."""
    parts = []
    for name in datasets:
        with np.load(folder / f"{name}.npz") as file:
            part = {key: file[key] for key in file.files}
        n = len(part["label"])
        part["dataset"] = np.full(n, name)
        for angle in ("azimuth", "elevation"):
            part[angle] = part.get(angle, np.full(n, np.nan)).astype(np.float32)
        dark = (abs(part["azimuth"]) > 50) | (abs(part["elevation"]) > 45)
        parts.append({key: column[~dark] for key, column in part.items()})
    join = lambda key: np.concatenate([part[key] for part in parts])
    columns = {model: join(model).astype(np.float16) for model in models}
    return columns | {k: join(k) for k in ("dataset", "label", "azimuth", "elevation")}


def main(data: pathlib.Path | None = None) -> None:
    """Write jfacemap/data/faces.npz.

    Args:
        data: folder that holds embeddings/{orl,lfw100,yaleb}.npz; by default
            $JFACEMAP_DATA
    """
    data = data or pathlib.Path(os.environ["JFACEMAP_DATA"])
    out = pathlib.Path(str(jfacemap.data.__file__)).with_name("faces.npz")
    partial = out.with_name("faces.partial.npz")
    columns: dict[str, Any] = gather(data / "embeddings")
    np.savez_compressed(partial, **columns)
    partial.replace(out)
    print(f"wrote {out.name}: {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    tyro.cli(main)
