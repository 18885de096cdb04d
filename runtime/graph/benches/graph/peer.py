"""ONNX Runtime as the peer of `cargo bench -p poai-graph`.

Reads a line for each request and answers each with a line. `load THREADS FILE` loads a model and answers the seconds
that it took. `inputs NAME:TYPE:SIZES:VALUE …` makes inputs, of numbers that go up or of one value, and answers `ok`.
`run SECONDS` computes over and over for about so long, and answers the seconds of one computation. `memory` answers
the most bytes that were held since the process began, beyond those that it began with.
"""

import sys
import time

import numpy as np
import onnxruntime as ort

TYPES = {"f32": np.float32, "i32": np.int32, "i64": np.int64}


def load(threads, path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = int(threads), 1
    options.log_severity_level = 4
    start = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, time.perf_counter() - start


def made(spec):
    name, dtype, sizes, value = spec.rsplit(":", 3)
    shape = [int(size) for size in sizes.split(",") if size]
    steps = np.arange(int(np.prod(shape))) % 251
    numbers = np.full(steps.shape, int(value)) if value else steps / 125.0 - 1.0 if dtype == "f32" else steps
    return name, numbers.reshape(shape).astype(TYPES[dtype])


def run(session, inputs, span):
    start, count = time.perf_counter(), 0
    while True:
        session.run(None, inputs)
        count += 1
        elapsed = time.perf_counter() - start
        if elapsed >= span:
            return elapsed / count


def kilobytes(line):
    with open("/proc/self/status") as status:
        return next(int(text.split()[1]) for text in status if text.startswith(line))


session, inputs = None, {}
before = kilobytes("VmRSS:")
for line in sys.stdin:
    request, _, rest = line.strip().partition(" ")
    if request == "load":
        session, seconds = load(*rest.split(" ", 1))
        print(seconds, flush=True)
    elif request == "inputs":
        inputs = dict(made(spec) for spec in rest.split(" "))
        session.run(None, inputs)
        print("ok", flush=True)
    elif request == "memory":
        print(1024 * (kilobytes("VmHWM:") - before), flush=True)
    else:
        print(run(session, inputs, float(rest)), flush=True)
