"""Tensors and types of a model as NumPy's."""

import numpy as np


def to_numpy(tensor, folder: str = "") -> np.ndarray:
    """A `TensorProto` as an array; data in a file of its own are read from `folder`."""
    import onnx

    if tensor.data_type == onnx.TensorProto.STRING:
        raise ValueError(
            f"tensor {tensor.name!r} holds strings; only numbers are supported."
        )
    try:
        return onnx.numpy_helper.to_array(tensor, base_dir=folder)
    except (FileNotFoundError, onnx.checker.ValidationError) as error:
        where = next((e.value for e in tensor.external_data if e.key == "location"), "")
        raise ValueError(
            f"tensor {tensor.name!r} is stored beside the model in {where!r}, which is not "
            f"there: copy it into {folder or 'the folder of the model, and load its path'}."
        ) from error
    except ValueError as error:
        where = next((e.value for e in tensor.external_data if e.key == "location"), "")
        raise ValueError(
            f"tensor {tensor.name!r} of sizes {tuple(tensor.dims)} is damaged, its data "
            f"{f'in {where!r} ' if where else ''}are cut short ({error}): copy or export "
            "the model again."
        ) from error


def to_dtype(elem_type: int) -> np.dtype:
    """The NumPy dtype of an ONNX element type (bfloat16 and narrower from ml_dtypes)."""
    import onnx

    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(elem_type))
