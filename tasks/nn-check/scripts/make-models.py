#!/usr/bin/env python3
"""Writes the models of nn-check into models/, and prints what they should come to."""

from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).parent.parent / "models"
DENSE_WEIGHTS = numpy.array([[1, -2], [0.5, 3], [-1, 0.25]], numpy.float32)
DENSE_BIAS = numpy.array([0.5, -1], numpy.float32)
TABLE = numpy.array([[1, 2], [3, 4], [5, 6]], numpy.float32)
TYPES = {
    "fp16": TensorProto.FLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "bf16": TensorProto.BFLOAT16,
    "u8": TensorProto.UINT8,
    "i32": TensorProto.INT32,
    "i64": TensorProto.INT64,
}


def outside(tensor, weights):
    """Moves a tensor's elements into the file weights.bin, which lies beside the model."""
    offset = len(weights)
    weights += tensor.raw_data
    place = {"location": "weights.bin", "offset": offset, "length": len(tensor.raw_data)}
    tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=str(value)) for key, value in place.items())
    tensor.data_location = TensorProto.EXTERNAL
    tensor.ClearField("raw_data")


def save(name, nodes, inputs, outputs, weights=(), domains=()):
    value = lambda given: helper.make_tensor_value_info(*given)
    constants = [numpy_helper.from_array(array, name) for name, array in weights]
    graph = helper.make_graph(nodes, name, [*map(value, inputs)], [*map(value, outputs)], constants)
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(domain, 1) for domain in domains)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return model


def main():
    FOLDER.mkdir(exist_ok=True)
    node = helper.make_node
    floats, integers = TensorProto.FLOAT, TensorProto.INT64
    dense = save(
        "dense",
        [node("MatMul", ["x", "w"], ["product"]), node("Add", ["product", "b"], ["sum"]), node("Relu", ["sum"], ["y"])],
        [("x", floats, ["rows", 3])],
        [("y", floats, ["rows", 2])],
        [("w", DENSE_WEIGHTS), ("b", DENSE_BIAS)],
    )
    whole = (FOLDER / "dense.onnx").read_bytes()
    (FOLDER / "broken.onnx").write_bytes(whole[: len(whole) // 2])
    weights = bytearray()
    for tensor in dense.graph.initializer:
        outside(tensor, weights)
    (FOLDER / "split.onnx").write_bytes(dense.SerializeToString(deterministic=True))
    (FOLDER / "weights.bin").write_bytes(weights)
    save(
        "pick",
        [node("Gather", ["table", "indices"], ["rows"])],
        [("indices", integers, ["count"])],
        [("rows", floats, ["count", 2])],
        [("table", TABLE)],
    )
    save(
        "spread",
        [node("Expand", ["x", "shape"], ["y"])],
        [("x", floats, [1]), ("shape", integers, ["rank"])],
        [("y", floats, ["rows", "columns"])],
    )
    save(
        "types",
        [node("Identity", [f"{name}-in"], [f"{name}-out"]) for name in TYPES],
        [(f"{name}-in", ty, ["n"]) for name, ty in TYPES.items()],
        [(f"{name}-out", ty, ["n"]) for name, ty in TYPES.items()],
    )
    save(
        "foreign",
        [node("Oracle", ["x"], ["y"], domain="example.org")],
        [("x", floats, [1])],
        [("y", floats, [1])],
        domains=["example.org"],
    )
    x = numpy.array([[1, 2, 3], [-1, 0, 4]], numpy.float32)
    print("dense", numpy.maximum(x @ DENSE_WEIGHTS + DENSE_BIAS, 0).tolist())
    print("pick", TABLE[[2, 0]].tolist())


if __name__ == "__main__":
    main()
