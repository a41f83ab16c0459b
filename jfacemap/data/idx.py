"""The idx format of MNIST's files: a magic number, sizes, bytes; plain or gzipped."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from .arrays import InputError


def read_idx(path: Path) -> np.ndarray:
    """The array of unsigned bytes in an idx file, gunzipped if it is gzipped."""
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError, zlib.error) as error:
            raise InputError(
                f"{path} is truncated or damaged ({error}): copy it again."
            ) from error
    if len(raw) < 4 or raw[:2] != b"\0\0":
        raise InputError(
            f"{path} has the wrong magic number {raw[:4].hex() or 'nothing'}: an idx file "
            "begins with 0000, a type and a number of axes."
        )
    kind, axes = raw[2], raw[3]
    if kind != 8:
        raise InputError(
            f"{path} holds numbers of type {kind:#04x}; MNIST's are unsigned bytes, 0x08."
        )
    start = 4 + 4 * axes
    if len(raw) < start:
        raise InputError(f"{path} is truncated: it ends within its {axes} sizes.")
    shape = struct.unpack(f">{axes}I", raw[4:start])
    wanted, found = math.prod(shape), len(raw) - start
    if found != wanted:
        what = "is truncated" if found < wanted else "is too long"
        raise InputError(
            f"{path} {what}: {found:,} bytes for the {wanted:,} of shape {shape}. Copy it "
            "again."
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)
