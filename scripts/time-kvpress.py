"""Time how fast kvpress reads a document with CompactorPress. Not part of the package; `npm run bench kvpress` runs it.

usage: time-kvpress.py MODEL.gguf --threads 2 [--dtype float32]

Needs: pip install kvpress==0.5.5 torch 'transformers==5.2.*' gguf. Prints a line of versions when the model is loaded and
warm, then for each line {"ids": [...], "keep": 0.25} on standard input a line {"ms", "kept"}: the forward pass without
logits and, where keep is below 1, compression; `kept` is the length of the first layer's cache.
"""

import argparse
import json
import sys
import time
from contextlib import nullcontext
from importlib.metadata import version
from pathlib import Path

import kvpress
import torch
import transformers
from dequantised import load


def read(model: transformers.PreTrainedModel, ids: list[int], keep: float) -> dict:
    cache = transformers.DynamicCache()
    tokens = torch.tensor([ids])
    torch.manual_seed(42)
    start = time.perf_counter()
    with torch.inference_mode(), kvpress.CompactorPress(1 - keep)(model) if keep < 1 else nullcontext():
        model.model(input_ids=tokens, past_key_values=cache, use_cache=True)
    return {"ms": (time.perf_counter() - start) * 1000, "kept": cache.layers[0].keys.shape[2]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model, _ = load(options.model)
    model = model.to(getattr(torch, options.dtype))
    for keep in [1, 0.25]:
        read(model, list(range(512)), keep)
    print(json.dumps({name: version(name) for name in ["kvpress", "transformers", "torch"]}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(read(model, job["ids"], job["keep"])), flush=True)


if __name__ == "__main__":
    main()
