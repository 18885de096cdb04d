#!/usr/bin/env python3
"""Writes models/tiny.gguf, a Llama of one layer, and prints what NumPy makes of it.

All numbers are small integers, so that every result that is printed is exact.
"""

import hashlib
import struct
from pathlib import Path

import numpy as np

# A token is four numbers that are 2 or -2: without an epsilon, its root mean square is 2, and its norm exact.
TOKENS = 2 * np.array([[1, 1, 1, 1], [1, -1, 1, -1], [-1, 1, 1, 1], [1, 1, -1, -1], [1, 1, 1, -1]], np.float32)
KEYS, VALUES = (np.reshape([i * i % prime for i in range(16)], (4, 4)).astype(np.float32) for prime in (11, 13))
ONES = np.ones(4, np.float32)
# What the layer adds to a token is 0, so that logits do not depend on the functions within.
NOTHING = np.zeros((4, 4), np.float32)

SIZES = {"block_count": 1, "context_length": 8, "embedding_length": 4, "feed_forward_length": 4}
TENSORS = {
    "token_embd": TOKENS,
    "output_norm": ONES,
    "blk.0.attn_norm": ONES,
    "blk.0.attn_q": KEYS,
    "blk.0.attn_k": KEYS,
    "blk.0.attn_v": VALUES,
    "blk.0.attn_output": NOTHING,
    "blk.0.ffn_norm": ONES,
    "blk.0.ffn_gate": KEYS,
    "blk.0.ffn_up": VALUES,
    "blk.0.ffn_down": NOTHING,
}


def text(text):
    return struct.pack("<Q", len(text)) + text.encode()


def aligned(content):
    return content.ljust(-(-len(content) // 32) * 32, b"\0")


def model():
    metadata = [text("general.architecture") + struct.pack("<I", 8) + text("llama")]
    metadata += [text(f"llama.{name}") + struct.pack("<II", 4, size) for name, size in SIZES.items()]
    metadata += [text("llama.attention.head_count") + struct.pack("<II", 4, 1)]
    metadata += [text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 0)]
    infos, data = b"", b""
    for name, tensor in TENSORS.items():
        dims = struct.pack(f"<I{tensor.ndim}Q", tensor.ndim, *reversed(tensor.shape))
        infos += text(f"{name}.weight") + dims + struct.pack("<IQ", 0, len(data))
        data += aligned(tensor.tobytes())
    head = b"GGUF" + struct.pack("<IQQ", 3, len(TENSORS), len(metadata))
    return aligned(head + b"".join(metadata) + infos) + data


def main():
    (Path(__file__).parent.parent / "models/tiny.gguf").write_bytes(model())
    normal = TOKENS[[3, 1, 4]] / 2
    # Of the tokens 3, 1, 4; the key is that of the first, which is not turned.
    for name, value in (
        ("logits", normal @ TOKENS.T),
        ("present_key.0", normal[:1] @ KEYS.T),
        ("present_value.0", normal @ VALUES.T),
    ):
        print(name, value.tolist(), hashlib.sha256(value.tobytes()).hexdigest())


if __name__ == "__main__":
    main()
