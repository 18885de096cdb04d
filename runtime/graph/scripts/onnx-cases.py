"""Writes the test cases of the `onnx` package as files: `onnx-cases.py OUT`, or a few of them as one: `--selection FILE`.

Each case becomes a folder OUT/KIND/NAME with `model.onnx`, its inputs `input_0.pb`, … and the outputs to expect,
`output_0.pb`, …, in the model's order; all of them are TensorProto messages whose elements are `raw_data`. Besides:
`skipped` says why a case has no such files (it is about sequences, optionals or maps), and `rtol` and `atol` hold the
tolerances that the case declares, where they are not ONNX's usual 1e-3 and 1e-7. OUT must not be there yet.

The selection is what `cargo test -p poai-graph` runs. Its one file has all of these files one after the other, each after a
line of its path and its length.

Kinds: `node` (made in memory by the package), `simple`, `pytorch-operator`, `pytorch-converted` (models with data) and
`light` (whole image models whose weights are made by operators; their input is what ONNX's own test runner makes up).

Needs `pip install onnx`. The cases are ONNX's, under the Apache License 2.0.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.backend.test import loader

DATA = Path(loader.DATA_DIR)
# Of the selection, and of one case in it.
SELECTION_BYTES = 256 << 10
SELECTED_CASE_BYTES = 4 << 10
USUAL_TOLERANCE = {"rtol": 1e-3, "atol": 1e-7}
# What ONNX's list of real models says of the one that deviates.
LIGHT_TOLERANCE = {"densenet121": {"rtol": 2e-3, "atol": 1e-7}}


def tensor_message(value):
    """A value of a case, as a TensorProto with raw elements; text has no raw form and stays as it is."""
    if isinstance(value, TensorProto):
        if value.data_type == TensorProto.STRING or value.HasField("raw_data"):
            return value
        value, kind = numpy_helper.to_array(value), value.data_type
        raw = numpy_helper.from_array(value)
        assert raw.data_type == kind, f"{raw.data_type} is not {kind}"
        return raw
    return numpy_helper.from_array(np.asarray(value))


def files_of(model, inputs, outputs, tolerance):
    """The files of one case by name; `inputs` and `outputs` are messages or arrays, in the model's order."""
    files = {"model.onnx": model.SerializeToString()}
    for name, usual in USUAL_TOLERANCE.items():
        if tolerance[name] != usual:
            files[name] = f"{tolerance[name]!r}\n".encode()
    for value in (*model.graph.input, *model.graph.output):
        if not value.type.HasField("tensor_type"):
            kind = value.type.WhichOneof("value").removesuffix("_type").replace("_", " ")
            return files | {"skipped": f"{value.name} is no tensor but of a {kind} type\n".encode()}
    for kind, values in (("input", inputs), ("output", outputs)):
        files |= {f"{kind}_{number}.pb": tensor_message(value).SerializeToString() for number, value in enumerate(values)}
    return files


def name_of(case, data_set):
    return case.name if data_set == 0 else f"{case.name}.{data_set}"


def node_cases():
    for case in loader.load_model_tests(kind="node"):
        for number, (inputs, outputs) in enumerate(case.data_sets):
            yield name_of(case, number), case.model, inputs, outputs, {"rtol": case.rtol, "atol": case.atol}


def messages(folder, prefix):
    """The files PREFIX_N.pb, read only when somebody asks for one: not all hold a TensorProto."""
    files = sorted(folder.glob(f"{prefix}_*.pb"), key=lambda file: int(file.stem.rpartition("_")[2]))
    return (TensorProto.FromString(file.read_bytes()) for file in files)


def model_cases(kind):
    for case in sorted(loader.load_model_tests(kind=kind), key=lambda case: case.name):
        model = onnx.load(Path(case.model_dir, "model.onnx"))
        for number, data in enumerate(sorted(Path(case.model_dir).glob("test_data_set_*"))):
            tolerance = {"rtol": case.rtol, "atol": case.atol}
            yield name_of(case, number), model, messages(data, "input"), messages(data, "output"), tolerance


def light_cases():
    for path in sorted(DATA.glob("light/*.onnx")):
        name, model = path.stem.removeprefix("light_"), onnx.load(path)
        weights = {weight.name for weight in model.graph.initializer}
        inputs = [value.type.tensor_type.shape for value in model.graph.input if value.name not in weights]
        inputs = [[dim.dim_value or 1 for dim in shape.dim] for shape in inputs]
        inputs = [(np.arange(np.prod(shape)).reshape(shape) / np.prod(shape)).astype(np.float32) for shape in inputs]
        yield name, model, inputs, messages(path.parent, f"{path.stem}_output"), LIGHT_TOLERANCE.get(name, USUAL_TOLERANCE)


def write_all(out):
    out.mkdir(parents=True)
    kinds = {"node": node_cases(), "light": light_cases()}
    kinds |= {kind: model_cases(kind) for kind in ("simple", "pytorch-operator", "pytorch-converted")}
    for kind, cases in kinds.items():
        count = 0
        for name, *case in cases:
            folder = out / kind / name
            folder.mkdir(parents=True)
            for file, content in files_of(*case).items():
                folder.joinpath(file).write_bytes(content)
            count += 1
        print(f"{kind}: {count} cases")


def write_selection(archive):
    """The smallest node cases of each of ONNX's own operators, as many of each as there is room for."""
    operators = {}
    for name, model, *case in node_cases():
        named = {(node.domain, node.op_type) for node in model.graph.node}
        files = files_of(model, *case)
        if len(named) == 1 and ("skipped" not in files) and not min(named)[0]:
            entries = (f"node/{name}/{file} {len(content)}\n".encode() + content for file, content in files.items())
            operators.setdefault(min(named), []).append((name, b"".join(entries)))
    ranked = []
    for cases in operators.values():
        ranked += enumerate(sorted(cases, key=lambda case: (len(case[1]), case[0])))
    chosen, room = {}, SELECTION_BYTES
    for _, (name, entries) in sorted(ranked, key=lambda ranked: (ranked[0], len(ranked[1][1]), ranked[1][0])):
        if len(entries) <= min(room, SELECTED_CASE_BYTES):
            chosen[name], room = entries, room - len(entries)
    archive.write_bytes(b"".join(chosen[name] for name in sorted(chosen)))
    print(f"{len(chosen)} cases of {len(operators)} operators")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # NumPy's, of the infinities that some cases are about
    if sys.argv[1] == "--selection":
        write_selection(Path(sys.argv[2]))
    else:
        write_all(Path(sys.argv[1]))
