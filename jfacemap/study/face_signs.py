"""Attributes of faces from their 68 landmarks and pixels, where nobody has labelled them.

Crude on purpose: each is one quantity anybody can compute, cut at its median. What is
between people and what is within them is measured, not assumed.
"""

import numpy as np
from jaxtyping import Float, Shaped


nose_reach = 1.5
"""Of the tip of the nose from the axis the head turns about, in half widths of the jaw."""


def landmark_yaw(landmarks: Float[np.ndarray, "n 68 2"]) -> Float[np.ndarray, " n"]:
    """Yaw in degrees, positive to the image's right; crude.

    The head as a cylinder between the ends of the jaw, with the nose's tip `nose_reach`
    radii before its axis: $\\arcsin$ of how far the tip is from the middle. The scale
    depends on that number; the order of images does not.
    """
    left, right, tip = landmarks[:, 0], landmarks[:, 16], landmarks[:, 30]
    axis = right - left
    half = np.sum(axis**2, axis=1) / 2
    off = np.sum((tip - (left + right) / 2) * axis, axis=1) / half / nose_reach
    return np.degrees(np.arcsin(np.clip(off, -1, 1))).astype(np.float32)


def face_signs(
    landmarks: Float[np.ndarray, "n 68 2"], images: Shaped[np.ndarray, "n h w *c"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Quantities of each face, larger where what their name says is more the case.

    `landmarks`: of the iBUG order, in pixels of any image of the face; only ratios of
    distances are used. `images`: aligned faces of one size, gray or colour.
    """
    p = np.asarray(landmarks, np.float64)
    between = lambda i, j: np.linalg.norm(p[:, i] - p[:, j], axis=1)
    eyes = p[:, 42:48].mean(axis=1) - p[:, 36:42].mean(axis=1)
    apart = np.linalg.norm(eyes, axis=1)
    middle = (p[:, 36:42].mean(axis=1) + p[:, 42:48].mean(axis=1)) / 2
    down = np.stack([-eyes[:, 1], eyes[:, 0]], axis=1) / apart[:, None]
    depth = lambda i: np.sum((p[:, i] - middle) * down, axis=1)
    opening = lambda a: between(a + 1, a + 5) + between(a + 2, a + 4)
    corners = (depth(48) + depth(54)) / 2
    yaw = landmark_yaw(landmarks)
    gray = np.asarray(images, np.float64)
    gray = gray.mean(axis=3) if gray.ndim == 4 else gray
    half = gray.shape[2] // 2
    laplacian = (
        4 * gray[:, 1:-1, 1:-1]
        - gray[:, :-2, 1:-1]
        - gray[:, 2:, 1:-1]
        - gray[:, 1:-1, :-2]
        - gray[:, 1:-1, 2:]
    )
    face = gray[:, 30:90, 25:87] if gray.shape[1:] == (112, 112) else gray
    signs = {
        "Wide Jaw": between(4, 12) / depth(8),
        "Long Nose": between(27, 33) / depth(8),
        "Close Eyes": -apart / between(0, 16),
        "High Brows": -(depth(19) + depth(24)) / 2 / apart,
        "Thick Lips": (between(51, 62) + between(57, 66)) / apart,
        "Narrow Eyes": -(opening(36) / between(36, 39) + opening(42) / between(42, 45)),
        "Mouth Open": between(62, 66) / apart,
        "Wide Mouth": between(48, 54) / apart,
        "Raised Corners": (depth(66) - corners) / apart,
        "Turned Right": yaw,
        "Turned Away": np.abs(yaw),
        "Nose Down": depth(30) / depth(8),
        "Tilted": np.abs(np.degrees(np.arctan2(eyes[:, 1], eyes[:, 0]))),
        "Bright": face.mean(axis=(1, 2)),
        "High Contrast": face.std(axis=(1, 2)),
        "Blurry": -np.log(laplacian.var(axis=(1, 2)) + 1e-9),
        "Lit From Left": gray[:, :, :half].mean(axis=(1, 2))
        - gray[:, :, -half:].mean(axis=(1, 2)),
    }
    return {name: x.astype(np.float32) for name, x in signs.items()}


def share_between(x: Float[np.ndarray, " n"], people: Shaped[np.ndarray, " n"]) -> float:
    """Share of the variance of `x` that is between people: 1 if each has one value.

    The intraclass correlation by one-way analysis of variance, at least 0.
    """
    x = np.asarray(x, np.float64)
    _, at, count = np.unique(people, return_inverse=True, return_counts=True)
    means = np.bincount(at, x) / count
    within = np.sum((x - means[at]) ** 2) / max(len(x) - len(count), 1)
    spread = np.sum(count * (means - x.mean()) ** 2) / max(len(count) - 1, 1)
    each = (len(x) - np.sum(count**2) / len(x)) / max(len(count) - 1, 1)
    between = max(spread - within, 0) / each
    return float(between / (between + within)) if between + within > 0 else 0.0


groups = "identity-dependent", "identity-correlated", "identity-independent"


def group_by_share(share: float) -> str:
    """The group of paper 001's Figure 2 by `share_between`: above .6, .3, or below."""
    return groups[0] if share > 0.6 else groups[1] if share > 0.3 else groups[2]
