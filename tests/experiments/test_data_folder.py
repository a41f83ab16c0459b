"""Where networks are looked for."""

from experiments.data_folder import find_model


def test_below_and_through_links(tmp_path):
    (tmp_path / "far" / "package").mkdir(parents=True)
    (tmp_path / "near").mkdir()
    model = tmp_path / "far" / "package" / "net.onnx"
    model.write_bytes(b"")
    assert find_model(tmp_path / "far", "net") == model
    assert find_model(tmp_path / "near", "net") is None
    (tmp_path / "near" / "linked").symlink_to(model.parent)
    assert find_model(tmp_path / "near", "net").name == "net.onnx"
