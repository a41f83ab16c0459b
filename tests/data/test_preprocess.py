import numpy as np
import PIL.Image
import pytest

from jfacemap.data.preprocess import fit_input, Preprocess, presets


rng = np.random.default_rng(0)
pixels = rng.integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)
mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@pytest.mark.parametrize("layout", ("nchw", "nhwc"))
@pytest.mark.parametrize("color", ("rgb", "bgr"))
def test_numbers_are_as_the_formula_says(color, layout):
    truth = (pixels.astype(np.float64) - mean) / std
    truth = truth[..., ::-1] if color == "bgr" else truth
    truth = truth.transpose(0, 3, 1, 2) if layout == "nchw" else truth
    ours = Preprocess((4, 6), mean, std, color, layout).numbers(pixels)
    assert ours.dtype == "float32"
    np.testing.assert_allclose(ours, truth, atol=1e-5)


def test_gray_is_pillows_luminance():
    p = Preprocess((4, 6), color="gray")
    image = PIL.Image.fromarray(pixels[0])
    np.testing.assert_array_equal(p.frame(image)[..., 0], np.asarray(image.convert("L")))
    assert p.numbers(p.frame(image)[None]).shape == (1, 1, 4, 6)


def test_images_of_the_right_size_are_not_touched():
    frame = Preprocess((4, 6)).frame(PIL.Image.fromarray(pixels[0]))
    np.testing.assert_array_equal(frame, pixels[0])
    gray = PIL.Image.fromarray(pixels[0, ..., 0])
    np.testing.assert_array_equal(
        Preprocess((4, 6)).frame(gray), np.repeat(pixels[0, ..., :1], 3, axis=-1)
    )


def test_a_centred_crop_keeps_the_middle():
    """As torchvision has it: shrink, then crop; here at once, so to a grey level."""
    ramp = np.add.outer(np.arange(320), np.arange(512)).clip(0, 255).astype(np.uint8)
    image = PIL.Image.fromarray(ramp)
    ours = Preprocess((224, 224), crop=0.875).frame(image)[..., 0].astype(int)
    resized = image.resize((round(512 * 256 / 320), 256), PIL.Image.Resampling.BILINEAR)
    left, top = (resized.width - 224) // 2, 16
    theirs = np.asarray(resized.crop((left, top, left + 224, top + 224))).astype(int)
    assert np.abs(ours - theirs).max() <= 2
    np.testing.assert_array_equal(
        Preprocess((2, 2), crop=1.0).frame(PIL.Image.fromarray(pixels[0, :2])),
        pixels[0, :2, 2:4],
    )


def test_what_a_model_declares_goes_before_a_preset():
    assert fit_input("arcface", None) == presets["arcface"]
    assert fit_input("arcface", ("n", 3, None, None)).size == (112, 112)
    assert fit_input("arcface", (1, 3, 128, 96)).size == (128, 96)
    last = fit_input("facenet", (None, 160, 160, 3))
    assert (last.layout, last.size) == ("nhwc", (160, 160))
    gray = fit_input("imagenet", (1, 1, 64, 64))
    assert gray.color == "gray" and gray.mean == pytest.approx(np.mean(mean))
    assert fit_input(Preprocess(), (1, 3, 80, 70)).size == (80, 70)


@pytest.mark.parametrize(
    ("wanted", "dims", "match"),
    (
        (Preprocess((100, 100)), (1, 3, 112, 112), r"of size \(112, 112\); .*\(100, 100\)"),
        (Preprocess(layout="nhwc"), (1, 3, 112, 112), "layout"),
        (Preprocess(color="gray"), (1, 3, 112, 112), "color"),
        ("arcface", (1, 4, 112, 112), "4 channels"),
        ("arcface", (1, 512), "four axes"),
        ("pixels", (1, 3, None, 112), "size of images"),
        ("arcfaces", None, "There is no preset 'arcfaces'; there are arcface"),
    ),
)
def test_what_does_not_fit_is_an_error(wanted, dims, match):
    with pytest.raises(ValueError, match=match):
        fit_input(wanted, dims)


@pytest.mark.parametrize(
    "wrong",
    ({"std": 0.0}, {"size": (0, 3)}, {"crop": 1.5}, {"color": "gray", "mean": mean}),
)
def test_wrong_numbers_are_refused(wrong):
    with pytest.raises(ValueError):
        Preprocess(**wrong)
