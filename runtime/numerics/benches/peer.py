"""ONNX Runtime as the peer of `cargo bench -p poai-numerics -- --peer`.

Reads a line for each request and answers each with a line. `make KIND SIZE THREADS` builds a model of one operator,
whose weights are constants so that they are packed beforehand, and answers `ok`. `time SECONDS` runs it over and over
for about so long, on buffers bound beforehand, and answers the seconds of one run.
"""

import sys
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

FLOAT, UINT8, INT8, INT32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32
NUMPY = {FLOAT: np.float32, UINT8: np.uint8, INT8: np.int8}


def product(operator, left, right, result, rows, size):
    weights = (np.arange(size * size) % 251 - 125).reshape(size, size).astype(NUMPY[right])
    node = helper.make_node(operator, ["x", "w"], ["y"])
    return node, [numpy_helper.from_array(weights, "w")], (left, [rows, size]), (result, [rows, size])


def attention(left, right, result):
    """A product of two operands that are not constant, for 12 heads."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return node, [], (FLOAT, [12, *left]), (FLOAT, [12, *result]), [12, *right]


def convolution(results):
    """The layer of so many results, in ONNX's order: channels before pixels."""
    side, kernel, channels, groups = {64: (56, 3, 64, 1), 256: (14, 3, 256, 1), 1024: (14, 1, 256, 1), 144: (56, 3, 144, 144)}[results]
    weights = (np.arange(results * channels // groups * kernel**2) % 251 / 125.0 - 1.0).astype(np.float32)
    weights = numpy_helper.from_array(weights.reshape(results, channels // groups, kernel, kernel), "w")
    node = helper.make_node("Conv", ["x", "w"], ["y"], pads=[kernel // 2] * 4, group=groups)
    return node, [weights], (FLOAT, [1, channels, side, side]), (FLOAT, [1, results, side, side])


def layer_norm(size):
    ones = numpy_helper.from_array(np.ones(size, np.float32), "s"), numpy_helper.from_array(np.ones(size, np.float32), "b")
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=-1)
    return node, list(ones), (FLOAT, [256, size]), (FLOAT, [256, size])


def plain(operator, size, **attributes):
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    return node, [], (FLOAT, [256, size]), (FLOAT, [256, size])


def parts_of(kind, size):
    return {
        "matmul": lambda: product("MatMul", FLOAT, FLOAT, FLOAT, size, size),
        "gemv": lambda: product("MatMul", FLOAT, FLOAT, FLOAT, 1, size),
        "scores": lambda: attention([size, 32], [32, size], [size, size]),
        "context": lambda: attention([size, size], [size, 32], [size, 32]),
        "conv3x3": lambda: convolution(size),
        "conv1x1": lambda: convolution(size),
        "depthwise": lambda: convolution(size),
        "u8s8": lambda: product("MatMulInteger", UINT8, INT8, INT32, size, size),
        "s8s8": lambda: product("MatMulInteger", INT8, INT8, INT32, size, size),
        "softmax": lambda: plain("Softmax", size, axis=-1),
        "layernorm": lambda: layer_norm(size),
        "gelu": lambda: plain("Gelu", size),
        "sigmoid": lambda: plain("Sigmoid", size),
        "tanh": lambda: plain("Tanh", size),
        "exp": lambda: plain("Exp", size),
    }[kind]()


def make(kind, size, threads):
    node, constants, (in_type, in_shape), (out_type, out_shape), *second = parts_of(kind, size)
    inputs = [helper.make_tensor_value_info("x", in_type, in_shape)]
    inputs += [helper.make_tensor_value_info("w", FLOAT, shape) for shape in second]
    outputs = [helper.make_tensor_value_info("y", out_type, out_shape)]
    graph = helper.make_graph([node], kind, inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    count = int(np.prod(in_shape))
    ramp = np.arange(count) % 251
    values = ramp / 125.0 - 1.0 if in_type == FLOAT else ramp - (125 if in_type == INT8 else 0)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", ort.OrtValue.ortvalue_from_numpy(values.reshape(in_shape).astype(NUMPY[in_type])))
    for shape in second:
        ones = np.ones(shape, np.float32)
        binding.bind_ortvalue_input("w", ort.OrtValue.ortvalue_from_numpy(ones))
    result = np.int32 if out_type == INT32 else np.float32
    binding.bind_ortvalue_output("y", ort.OrtValue.ortvalue_from_shape_and_type(out_shape, result, "cpu"))
    session.run_with_iobinding(binding)
    return lambda: session.run_with_iobinding(binding)


def seconds_of(run, span):
    begin, count = time.perf_counter(), 0
    while True:
        run()
        count += 1
        elapsed = time.perf_counter() - begin
        if elapsed >= span:
            return elapsed / count


def main():
    run = None
    for line in sys.stdin:
        words = line.split()
        if words[0] == "make":
            run = make(words[1], int(words[2]), int(words[3]))
            print("ok", flush=True)
        else:
            seconds = seconds_of(run, float(words[1]))
            # Idle threads look for work for a while: they shall not do so while others are measured.
            time.sleep(0.05)
            print(seconds, flush=True)


main()
