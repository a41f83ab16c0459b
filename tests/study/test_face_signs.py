import numpy as np
import pytest

from jfacemap.study.face_signs import (
    face_signs,
    group_by_share,
    landmark_yaw,
    share_between,
)


def face(yaw=0.0, tilt=0.0, mouth=4.0, eyes=4.0):
    """Landmarks of a plain face: 68 points, in pixels."""
    p = np.zeros((68, 2))
    angle = np.linspace(0, np.pi, 17)
    p[:17] = np.stack([50 - 40 * np.cos(angle), 40 + 50 * np.sin(angle)], axis=1)
    p[17:22] = np.stack([np.linspace(18, 42, 5), np.full(5, 28)], axis=1)
    p[22:27] = np.stack([np.linspace(58, 82, 5), np.full(5, 28)], axis=1)
    p[27:31] = np.stack([np.full(4, 50), np.linspace(40, 60, 4)], axis=1)
    p[31:36] = np.stack([np.linspace(42, 58, 5), np.full(5, 64)], axis=1)
    for start, x in ((36, 32), (42, 68)):
        p[start : start + 6] = [
            (x - 8, 40), (x - 3, 40 - eyes / 2), (x + 3, 40 - eyes / 2),
            (x + 8, 40), (x + 3, 40 + eyes / 2), (x - 3, 40 + eyes / 2),
        ]  # fmt: skip
    turn = np.linspace(0, 2 * np.pi, 13)[:-1]
    p[48:60] = np.stack([50 - 15 * np.cos(turn), 76 - 7 * np.sin(turn)], axis=1)
    p[60:68] = [(38, 76), (44, 76), (50, 76 - mouth / 2), (56, 76), (62, 76),
                (56, 76), (50, 76 + mouth / 2), (44, 76)]  # fmt: skip
    p[30, 0] += 1.5 * 40 * np.sin(np.radians(yaw))
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    return p @ np.array([[c, s], [-s, c]])


def test_yaw_of_a_turned_head_however_it_is_placed():
    turned = np.stack([face(yaw=20), 3 * face(yaw=20, tilt=15) + 7, face(yaw=-35)])
    np.testing.assert_allclose(landmark_yaw(turned), [20, 20, -35], rtol=1e-4)


def test_signs_move_as_their_names_say():
    faces = [face(), face(mouth=12), face(eyes=1), face(yaw=25), face(tilt=10)]
    images = np.full((5, 112, 112), 100, np.uint8)
    images[1, :, :56] = 180
    images[2] = np.random.default_rng(0).integers(60, 140, (112, 112))
    signs = face_signs(np.stack(faces), images)
    most = lambda name: int(np.argmax(signs[name]))
    assert most("Mouth Open") == 1 and most("Narrow Eyes") == 2
    assert most("Turned Right") == most("Turned Away") == 3 and most("Tilted") == 4
    assert signs["Tilted"][4] == pytest.approx(10, abs=1e-3)
    assert most("Lit From Left") == most("Bright") == 1
    assert np.argmin(signs["Blurry"]) == 2
    for name in ("Wide Jaw", "Long Nose", "Close Eyes", "Mouth Open"):
        np.testing.assert_allclose(signs[name][0], signs[name][4], rtol=1e-5)
    colour = face_signs(np.stack(faces), np.repeat(images[..., None], 3, axis=3))
    np.testing.assert_allclose(colour["High Contrast"], signs["High Contrast"], rtol=1e-5)


def test_share_between_people():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(200), 5)
    own = rng.normal(size=200)[people]
    assert share_between(own, people) == 1
    assert share_between(rng.normal(size=1000), people) < 0.1
    mixed = share_between(own + rng.normal(size=1000), people)
    assert mixed == pytest.approx(0.5, abs=0.08)
    assert group_by_share(0.9) == "identity-dependent"
    assert group_by_share(mixed) == "identity-correlated"
    assert share_between(np.ones(10), people[:10]) == 0
