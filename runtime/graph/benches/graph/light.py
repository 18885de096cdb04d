"""Gives one of ONNX's light models real weights: `light.py IN OUT`.

A light model makes each weight by ConstantOfShape when it runs, all of one number; here they become initializers of
small random numbers, as a trained model has them.
"""

import sys

import numpy as np
import onnx
from onnx import numpy_helper

model = onnx.load(sys.argv[1])
graph = model.graph
values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
random = np.random.default_rng(0)
kept = []
for node in graph.node:
    if node.op_type != "ConstantOfShape":
        kept.append(node)
        continue
    shape = values[node.input[0]].astype(int)
    spread = np.sqrt(2 / max(1, np.prod(shape[1:])))
    weight = (random.standard_normal(shape) * spread if len(shape) > 1 else np.ones(shape)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(weight, node.output[0]))
del graph.node[:]
graph.node.extend(kept)
used = {name for node in kept for name in node.input}
initializers = [tensor for tensor in graph.initializer if tensor.name in used]
del graph.initializer[:]
graph.initializer.extend(initializers)
inputs = [value for value in graph.input if value.name not in values]
del graph.input[:]
graph.input.extend(inputs)
# From version 4 on an initializer need not be an input.
model.ir_version = 8
onnx.checker.check_model(model)
onnx.save(model, sys.argv[2])
