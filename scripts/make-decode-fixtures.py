"""
Writes test/fixtures/decode.json: blocks of every supported tensor type and their values by the `gguf` package, as bytes
in base64. Blocks are cut out of real models, and made up at the ends of what a block can hold. Not used by any test run.

  pip install gguf numpy
  python scripts/make-decode-fixtures.py ~/.compactor/models/*.gguf
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGMLQuantizationType, GGML_QUANT_SIZES
from gguf.quants import dequantize

TYPES = ["F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "BF16"]
REAL_BLOCKS = 3
# Where a block holds its halves: scale, then minimum.
HALVES = {"F16": [0], "Q6_K": [208], "Q4_1": [0, 2], "Q5_1": [0, 2], "Q4_K": [0, 2], "Q5_K": [0, 2]}
# Largest, smallest normal, largest and smallest subnormal, zeros, and an ordinary one; infinities are not weights.
EXTREMES = [65504.0, -65504.0, 2.0**-14, 2.0**-14 - 2.0**-24, -(2.0**-24), -0.0, 0.01]


def block_bytes(name):
    return GGML_QUANT_SIZES[GGMLQuantizationType[name]][1]


def real_blocks(name, paths):
    """The first, a middle and the last block of one matrix."""
    for path in paths:
        for tensor in GGUFReader(path).tensors:
            if tensor.tensor_type.name == name:
                blocks = np.asarray(tensor.data).view(np.uint8).reshape(-1, block_bytes(name))
                return blocks[[0, len(blocks) // 2, len(blocks) - 1]]
    return np.zeros((0, block_bytes(name)), np.uint8)


def extreme_blocks(name, random):
    """Every extreme scale over random codes, then codes of all zeros and all ones under an ordinary scale."""
    if name == "F32":
        values = [0.0, -0.0, 2.0**-149, -(2.0**-126), 3.4028234663852886e38, 0.1]
        return np.array(values, np.float32).view(np.uint8).reshape(-1, 4)
    if name == "BF16":
        values = [0.0, -0.0, 2.0**-126, -(2.0**-126) * 0.5, 3.3895313892515355e38, -0.0100, 1.5, 2.0**-133]
        return (np.array(values, np.float32).view(np.uint32) >> 16).astype("<u2").view(np.uint8).reshape(-1, 2)
    size = block_bytes(name)
    codes = [random.integers(0, 256, size, np.uint8) for _ in EXTREMES]
    blocks = np.stack(codes + [np.zeros(size, np.uint8), np.full(size, 255, np.uint8)])
    for block, scale in zip(blocks, EXTREMES + [0.01, 0.01]):
        for which, at in enumerate(HALVES.get(name, [0])):
            half = np.array([scale if which == 0 else -scale / 3], np.float16)
            block[at : at + 2] = half.view(np.uint8)
    return blocks


def text(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def main():
    random = np.random.default_rng(3)
    fixtures = {}
    for name in TYPES:
        blocks = np.concatenate([real_blocks(name, sys.argv[1:]), extreme_blocks(name, random)])
        qtype = GGMLQuantizationType[name]
        raw = blocks.view(np.float32) if name == "F32" else blocks.view(np.float16) if name == "F16" else blocks
        values = np.stack([dequantize(row.reshape(1, -1), qtype).astype(np.float32).reshape(-1) for row in raw])
        fixtures[name] = {"blocks": text(blocks), "values": text(values.astype("<f4"))}
    target = Path(__file__).parent.parent / "test" / "fixtures" / "decode.json"
    target.write_text(json.dumps(fixtures, indent=2) + "\n")


main()
