"""Writes data/characters.txt: the characters that the recognition model knows, one a line, in its order.

Usage: characters.py MODEL OUT, where MODEL is ch_PP-OCRv4_rec_infer.onnx of the PyPI package rapidocr-onnxruntime
1.4.4. Needs the Python package onnx.

The model's file carries them in its metadata. Its classes are: nothing, these, and a space.
"""

import sys
from pathlib import Path

import onnx


def main():
    model, out = sys.argv[1:]
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    characters = metadata["character"].splitlines()
    assert all(len(character) == 1 and character != "\n" for character in characters)
    Path(out).write_text("\n".join(characters) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
