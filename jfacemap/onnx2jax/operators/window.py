"""The geometry of windows that slide over images: for convolutions and pools."""

import dataclasses
import itertools
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True)
class Window:
    """A window along every spatial axis: its size, step, spread and the padding around."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]

    @property
    def reach(self) -> tuple[int, ...]:
        """Pixels from the first to the last of a window, inclusive."""
        both = zip(self.kernel, self.dilations, strict=True)
        return tuple((k - 1) * d + 1 for k, d in both)

    def counts(self, sizes) -> tuple[int, ...]:
        """How many windows fit along each axis."""
        parts = zip(sizes, self.pads, self.reach, self.strides, strict=True)
        return tuple((n + sum(p) - r) // s + 1 for n, p, r, s in parts)

    def taps(self, sizes) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
        """For each position in the window, the slices of a padded image that it meets."""
        counts = self.counts(sizes)
        for place in itertools.product(*map(range, self.kernel)):
            parts = zip(place, self.dilations, counts, self.strides, strict=True)
            yield (
                place,
                tuple(slice(i * d, i * d + (n - 1) * s + 1, s) for i, d, n, s in parts),
            )


def window(
    sizes, kernel, strides=None, dilations=None, pads=None, auto_pad="NOTSET", ceil_mode=0
) -> Window:
    """The window that the attributes describe on an image of these spatial sizes."""
    ndim = len(kernel)
    strides, dilations = (tuple(x or (1,) * ndim) for x in (strides, dilations))
    flat = pads or (0,) * (2 * ndim)
    if len(sizes) != ndim or len(strides) != ndim or len(flat) != 2 * ndim:
        raise ValueError(
            f"kernel {tuple(kernel)}, strides {strides} and pads {tuple(flat)} do not fit "
            f"an image of {len(sizes)} spatial axes."
        )
    edges = tuple(zip(flat[:ndim], flat[ndim:], strict=True))
    plain = Window(tuple(kernel), strides, dilations, edges)
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        parts = zip(sizes, strides, plain.reach, strict=True)
        total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in parts]
        half = [(t // 2, t - t // 2) for t in total]
        if auto_pad == "SAME_LOWER":
            half = [(b, a) for a, b in half]
        return dataclasses.replace(plain, pads=tuple(half))
    if auto_pad == "VALID":
        return dataclasses.replace(plain, pads=((0, 0),) * ndim)
    if auto_pad not in ("NOTSET", ""):
        raise ValueError(f"auto_pad {auto_pad!r} is none of NOTSET, SAME_*, VALID")
    return _up_to_the_edge(plain, sizes) if ceil_mode else plain


def _up_to_the_edge(w: Window, sizes) -> Window:
    """Room for one more window at the far side, if it would start on the image."""
    pads = []
    for n, (a, b), r, s in zip(sizes, w.pads, w.reach, w.strides, strict=True):
        count = -(-(n + a + b - r) // s) + 1
        if (count - 1) * s >= n + a:
            count -= 1
        pads.append((a, max(b, (count - 1) * s + r - n - a)))
    return dataclasses.replace(w, pads=tuple(pads))
