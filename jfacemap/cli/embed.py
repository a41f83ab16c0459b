"""Embed images with an ONNX model: a row for each, in a store on disk.

IMAGES is a folder (all images in it and below), one image file, or an array of uint8 in a
file: (n, h, w) or (n, h, w, 3) with red first. Size, layout and channels are the model's
own where it declares them; the numbers it was trained on are those of its family:

  arcface            (x - 127.5) / 127.5, 112 x 112, aligned faces
  adaface            the same, blue first
  mobilefacenet      (x - 127.5) / 128, 112 x 112, aligned faces
  facenet            (x - 127.5) / 128, 160 x 160
  imagenet           torchvision's mean and deviation, 224 x 224, centre crop
  efficientnet_lite  (x - 127) / 128, 224 x 224, centre crop
  pixels             x, from 0 to 255

Unreadable images are left out and listed; if all are, it is an error. Rows are committed
every 10 seconds, and at Ctrl-C those computed so far: the same command goes on. The other
commands take STORE, and labels from STORE:folder; they pair two stores by image. In Python
the store is jfm.data.EmbeddingStore.open(STORE), whose .to_file("X.npz") writes rows and
columns.

examples:
  jfacemap embed arcface.onnx photographs -o arcface.zarr
  jfacemap embed model.onnx faces.npz:images -o model.zarr --preprocess mobilefacenet
  jfacemap embed model.onnx faces.npz:images -o model.zarr --landmarks faces.npz:points
  jfacemap embed classifier.onnx photographs -o c.zarr --preprocess imagenet --output pool
"""

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..data.arrays import check_writable, InputError, read_array
from ..data.preprocess import declared, Preprocess, preset
from ..data.store import EmbeddingStore
from .console import counted, facts, warn
from .files import Flag
from .sources import is_url


Family = Literal[
    "arcface",
    "adaface",
    "mobilefacenet",
    "facenet",
    "imagenet",
    "efficientnet_lite",
    "pixels",
]


@dataclasses.dataclass(frozen=True)
class Options:
    """Arguments of `jfacemap embed`."""

    model: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="MODEL.onnx")]]
    """The network."""
    images: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="IMAGES")]]
    """A folder, an image, or an array: .npy, .npz:KEY or .safetensors:KEY."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",), metavar="STORE")]
    """The folder or URL of the store; one that is there already is gone on with."""
    preprocess: Family = "arcface"
    """The family of models that says which numbers pixels become."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="H W")] = None
    """Height and width of images, where the model leaves them open."""
    landmarks: Annotated[str | None, tyro.conf.arg(metavar="P")] = None
    """(n, 5, 2) or (n, 68, 2) points in pixels, in the order of the images: align by
    them to ArcFace's template."""
    output: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """The value in the model to take for the embedding, if not its only output: of a
    classifier what its last layer reads. A wrong name lists some that there are."""
    flip: Flag = False
    """Average the embeddings of each image and its mirror image."""
    batch: int = 32
    """Images at once."""
    workers: int | None = None
    """Threads that decode images; by default one a core."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Of the rows in the store."""


def run(c: Options) -> None:
    """Load, embed, report."""
    from .. import onnx2jax
    from ..study.embed import embed

    if not is_url(c.out):
        place = Path(c.out)
        check_writable(place / "zarr.json" if place.is_dir() else place)
    outputs = None if c.output is None else [c.output]
    f = onnx2jax.load(c.model, outputs=outputs)
    if len(f.outputs) > 1:
        raise InputError(
            f"{c.model} has the outputs {', '.join(f.outputs)}: choose one, as --output "
            f"{f.outputs[-1]}."
        )
    landmarks = None if c.landmarks is None else read_array(c.landmarks)
    wanted = _preprocess(c, f)
    with counted("embedding") as progress, _kept_rows(c.out):
        store = embed(
            f,
            c.images,
            c.out,
            preprocess=wanted,
            landmarks=landmarks,
            flip=c.flip,
            batch_size=c.batch,
            workers=c.workers,
            metadata={"model": c.model.name} | ({"output": c.output} if c.output else {}),
            dtype=c.dtype,
            progress=progress,
        )
    metadata = store.metadata
    used, skipped = metadata["embed"]["preprocess"], metadata["skipped"]
    if skipped:
        first = "; ".join(f"{name}: {why}" for name, why in list(skipped.items())[:5])
        more = "; ..." if len(skipped) > 5 else ""
        n = f"{len(skipped):,} image{' is' if len(skipped) == 1 else 's are'}"
        warn(f"{n} left out: {first}{more}")
    height, width = used["size"]
    facts(
        {
            "model": f"{c.model.name}, {store.shape[1]} numbers an image",
            "images": f"{used['color']}, {height} x {width}, (x - {used['mean']}) / "
            f"{used['std']}{_framing(used, landmarks is not None)}",
            "embedded": f"{len(store):,}" + f", {len(skipped):,} left out" * bool(skipped),
            "written to": f"{c.out}, {store.shape[0]:,} x {store.shape[1]} {store.dtype}",
        }
    )


def _preprocess(c: Options, f) -> str | Preprocess:
    """The family by name, or, if a size is given, with that and what the model declares."""
    family = preset(c.preprocess)
    dims = f.inputs[0].dims if len(f.inputs) == 1 else None
    wanted = family if dims is None else declared(family, dims)
    own = None if dims is None else declared(Preprocess(), dims).size
    if own and c.size not in (None, own):
        raise InputError(
            f"{c.model.name} takes images of {own[0]} x {own[1]} pixels alone: leave "
            "--size out."
        )
    if own and family.size not in (None, own):
        sizes = "{} x {} pixels, and {} {} x {}".format(*family.size, c.model.name, *own)
        warn(f"Models of the family {c.preprocess} take {sizes}: is it one of them?")
    return c.preprocess if c.size is None else dataclasses.replace(wanted, size=c.size)


def _framing(used: dict, aligned: bool) -> str:
    """What becomes of an image before that, in words."""
    if aligned:
        return ", aligned"
    crop = used.get("crop")
    return f", of the middle {crop:.1%} of the shorter side" if crop else ""


@contextlib.contextmanager
def _kept_rows(place: str):
    """Say, if interrupted, what is kept, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        if EmbeddingStore.exists(place):
            n = len(EmbeddingStore.open(place))
            warn(f"{n:,} rows are kept in {place}: the same command goes on from there.")
        raise
