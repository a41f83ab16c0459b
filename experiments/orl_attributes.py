"""Binary attributes of the ORL faces, from landmarks, pixels and what networks say of them.

No one labelled these faces: each attribute is a number above its median. What its name
says is what it is meant to follow.
"""

import pathlib

import numpy as np

from .face_networks import network_signs


said = {"Male": "male", "Old": "old", "Smiling": "smiling"}
"""Attributes by what `network_signs` calls them."""


def measure(landmarks: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers (n,) of each face, by what being above the median is called."""
    left, right = landmarks[:, 36:42].mean(axis=1), landmarks[:, 42:48].mean(axis=1)
    eyes = right - left
    gap = np.linalg.norm(eyes, axis=1)
    mouth, nose, chin = landmarks[:, 48:60].mean(1), landmarks[:, 30], landmarks[:, 8]
    length = lambda a, b: np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1)
    across = lambda x: ((x - (left + right) / 2) * eyes).sum(axis=1) / gap**2
    open_eye = lambda a: (length(a + 1, a + 5) + length(a + 2, a + 4)) / length(a, a + 3)
    x = images.astype(np.float64)
    edges = np.abs(np.diff(x, axis=1))
    return {
        "turned": across(nose),
        "tilted": np.arctan2(eyes[:, 1], eyes[:, 0]),
        "looks_down": np.linalg.norm(nose - (left + right) / 2, axis=1)
        / np.linalg.norm(nose - mouth, axis=1),
        "mouth_open": length(62, 66) / gap,
        "wide_mouth": length(48, 54) / gap,
        "eyes_open": (open_eye(36) + open_eye(42)) / 2,
        "raised_brows": (length(19, 37) + length(24, 44)) / gap,
        "wide_jaw": length(4, 12) / gap,
        "long_face": np.linalg.norm(chin - (left + right) / 2, axis=1) / gap,
        "wide_nose": length(31, 35) / gap,
        "bright": x.mean(axis=(1, 2)),
        "contrast": x.std(axis=(1, 2)),
        "lit_from_left": x[:, :, :56].mean(axis=(1, 2)) - x[:, :, 56:].mean(axis=(1, 2)),
        "edges_at_eyes": edges[:, 40:62, 25:87].mean(axis=(1, 2)),  # glasses, above all
        "bright_forehead": x[:, 5:30, 35:77].mean(axis=(1, 2)) - x.mean(axis=(1, 2)),
    }


def load_attributes(folder: pathlib.Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Attributes (400, A) in {-1, +1}, in the order of `orl_faces.npz`, and their names.

    Those of networks come last, of such as the folder has.
    """
    with np.load(folder / "orl_faces.npz") as file:
        points = file["landmarks68"].astype(np.float64)
        found = measure(points, file["aligned112"])
        # Found in a picture padded by 40 pixels, after magnifying 2.5 times.
        signs = network_signs(folder, list(file["images"]), (points - 40) / 2.5)
    found |= {name: signs[sign] for sign, name in said.items() if sign in signs}
    values = [np.where(v > np.median(v), 1, -1) for v in found.values()]
    return np.stack(values, axis=1), tuple(found)
