"""A GGUF model in float32 under `transformers`, for the scripts that compare with Python tools; not for the package.

Needs: pip install torch 'transformers==5.2.*' gguf. Weights are dequantised; `transformers` undoes the rotary
permutation of `llama` files, so queries and keys are in split-half order here.
"""

import hashlib
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase


def load(gguf: Path, attention: str = "sdpa") -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    folder, name = str(gguf.parent), gguf.name
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, attn_implementation=attention
    )
    return model.eval(), AutoTokenizer.from_pretrained(folder, gguf_file=name)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
