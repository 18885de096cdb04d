"""Writes the models of these tests: `python host/tests/models/make.py`, in any folder. Needs `pip install onnx`.

`scores.onnx` keeps its weights in the file, `beside.onnx` the same ones in `weights.bin`. All numbers are small integers,
so that every result is exact; what NumPy makes of them is printed.
"""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
WEIGHTS = np.array([[1, -2], [3, 4], [-5, 6]], np.float32)
BIAS = np.array([0.5, -1], np.float32)
X = np.array([[1, 2, 3], [4, 5, 6], [7, -8, 9], [5, 0, -3]], np.float32)


def model(weights):
    nodes = [
        helper.make_node("Gemm", ["x", "weights", "bias"], ["sums"], name="layer"),
        helper.make_node("Relu", ["sums"], ["scores"], name="rectify"),
        helper.make_node("ArgMax", ["scores"], ["best/class"], name="choose", axis=1, keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])]
    outputs = [
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2]),
        helper.make_tensor_value_info("best/class", TensorProto.INT64, ["batch"]),
    ]
    graph = helper.make_graph(nodes, "scores", inputs, outputs, [weights, numpy_helper.from_array(BIAS, "bias")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return made.SerializeToString()


def main():
    weights = numpy_helper.from_array(WEIGHTS, "weights")
    HERE.joinpath("scores.onnx").write_bytes(model(weights))
    HERE.joinpath("weights.bin").write_bytes(weights.raw_data)
    onnx.external_data_helper.set_external_data(weights, "weights.bin")
    weights.ClearField("raw_data")
    HERE.joinpath("beside.onnx").write_bytes(model(weights))
    scores = np.maximum(X @ WEIGHTS + BIAS, 0)
    for name, value in (("scores", scores), ("best/class", scores.argmax(1))):
        print(name, value.dtype, value.tolist(), hashlib.sha256(value.tobytes()).hexdigest())


if __name__ == "__main__":
    main()
