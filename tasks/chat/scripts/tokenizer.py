#!/usr/bin/env python3
"""Writes data/merges.bin and data/letters.bin: what the task's tokenizer knows.

Usage: tokenizer.py MODEL.gguf, the file that package.toml names.

Tokens are numbered: 17 special ones, then bytes, then what merges make, each of two earlier tokens. merges.bin has the
bytes in order, then each merge as two little-endian u16. letters.bin has the code points that Unicode calls letters, as
ranges: first and last, little-endian u32.
"""

import struct
import sys
import unicodedata
from pathlib import Path

DATA = Path(__file__).parent.parent / "data"
SPECIAL = 17
KINDS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class Gguf:
    """Reads the metadata at the start of a file."""

    def __init__(self, file):
        self.file = file
        assert file.read(4) == b"GGUF"
        _, _, entries = self.read("IQQ")
        self.metadata = {}
        for _ in range(entries):
            name = self.text()
            self.metadata[name] = self.value(*self.read("I"))

    def read(self, form):
        return struct.unpack(f"<{form}", self.file.read(struct.calcsize(f"<{form}")))

    def text(self):
        return self.file.read(*self.read("Q")).decode()

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.read("IQ")
            return [self.value(kind) for _ in range(count)]
        return self.read(KINDS[kind])[0]


def characters():
    """The byte that each character of a token stands for: GPT-2's table."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(256 + place): byte for place, byte in enumerate(hidden)}


def letters():
    ranges = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)).startswith("L"):
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return ranges


def main():
    with open(sys.argv[1], "rb") as file:
        metadata = Gguf(file).metadata
    tokens, merges = (metadata[f"tokenizer.ggml.{name}"] for name in ("tokens", "merges"))
    numbers = {token: number for number, token in enumerate(tokens)}
    first = len(tokens) - len(merges)
    bytes_of = characters()
    content = bytes(bytes_of[token] for token in tokens[SPECIAL:first])
    for place, merge in enumerate(merges):
        left, right = merge.split(" ")
        assert tokens[first + place] == left + right
        content += struct.pack("<HH", numbers[left], numbers[right])
    (DATA / "merges.bin").write_bytes(content)
    (DATA / "letters.bin").write_bytes(b"".join(struct.pack("<II", *ends) for ends in letters()))
    print(f"{first - SPECIAL} bytes, {len(merges)} merges; Unicode {unicodedata.unidata_version}")


if __name__ == "__main__":
    main()
