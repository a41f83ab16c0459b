"""Are row i of one source and row i of another the same image? Their names tell.

Embedding goes on where it stopped and files come in any order, so two stores of the same
images may hold them in different orders. Where both have a column `image`, it is compared.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np


def image_names(source: Any) -> np.ndarray | None:
    """The column `image (n,)` of an `EmbeddingStore`; None of what has none."""
    named = hasattr(source, "column") and "image" in source.columns
    return source.column("image") if named else None


def find_images(
    names: np.ndarray, wanted: np.ndarray, source: str, reference: str
) -> np.ndarray | None:
    """Where the `wanted` images lie among `names`, both (n,); None: row i is image i.

    `source` and `reference` are what messages call the two. Raises `ValueError` if they
    are not of the same images, or if a name occurs twice and the orders differ.
    """
    if np.array_equal(names, wanted):
        return None
    names, wanted = names.astype(str), wanted.astype(str)
    apart = _only(names, wanted, source) + _only(wanted, names, reference)
    if apart:
        raise ValueError(
            f"Rows pair by image, and {source} and {reference} differ: "
            f"{' and '.join(apart)}. Embed the same images by both models. If row i is "
            "the same image by another name, write the rows alone: EmbeddingStore.open("
            f"{source!r}).to_file('X.npy', columns=())."
        )
    for side, where in ((names, source), (wanted, reference)):
        values, counts = np.unique(side, return_counts=True)
        if len(values) < len(side):
            twice = values[counts > 1]
            raise ValueError(
                f"{source} and {reference} hold their images in different orders, and "
                f"{_count(twice)} in {where} more than once{_first(twice)}: name each row "
                "apart in the column 'image', or write both in one order."
            )
    place = np.empty(len(names), np.intp)
    place[np.argsort(wanted)] = np.argsort(names)
    return place


def check_same_images(sources: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless all sources that name their images agree, row by row."""
    named = {
        what: names
        for what, source in sources.items()
        if (names := image_names(source)) is not None
    }
    for what, names in list(named.items())[1:]:
        reference, wanted = next(iter(named.items()))
        if find_images(names, wanted, what, reference) is not None:
            raise ValueError(
                f"{what} holds the images of {reference} in another order, and row i pairs "
                "with row i: write the rows of both in one order, as "
                "s.rows(np.argsort(s.column('image')))."
            )


def _only(names: np.ndarray, others: np.ndarray, where: str) -> list[str]:
    """What to say of the names that others lack, if there are any."""
    alone = np.setdiff1d(names, others)
    return [f"{_count(alone)} only in {where}{_first(alone)}"] if len(alone) else []


def _count(names: np.ndarray) -> str:
    return f"{len(names):,} image{' is' if len(names) == 1 else 's are'}"


def _first(names: np.ndarray) -> str:
    return f" ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
