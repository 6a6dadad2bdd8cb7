"""Write tiny seeded models and their expected numbers into test/fixtures.

  toy-llama.gguf, toy-qwen2.gguf   two layers, random weights, a byte vocabulary with a few merges, a chat template
  toy-llama.json, toy-qwen2.json   logits by the plain NumPy forward pass below (float64, split-half rotary embedding,
                                   dense causal attention over the whole sequence, nothing cached)
  every-type.gguf, .json           one matrix of each supported tensor type, and its values by the `gguf` package

The other toys are written by make-transformers-toys.py.

usage: make-toy-models.py     (needs numpy and gguf)
"""

import base64
import json
from pathlib import Path

import gguf
import numpy as np

FIXTURES = Path(__file__).resolve().parent.parent / "test" / "fixtures"
DIM, HEADS, KV_HEADS, HEAD_DIM, FEED_FORWARD, LAYERS = 24, 3, 1, 8, 40, 2
EPSILON = 1e-5
THETA = {"llama": 10_000.0, "qwen2": 1_000_000.0}
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def base64_f32(values):
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(256 + others.index(byte)) if byte in others else chr(byte) for byte in range(256)]


def vocabulary():
    merges = ["Ġ t", "h e", "Ġt he", "i n", "e r", "Ġ a", "a n", "an d", "Ġa nd"]
    tokens = [(text, gguf.TokenType.NORMAL) for text in byte_alphabet()]
    tokens += [(merge.replace(" ", ""), gguf.TokenType.NORMAL) for merge in merges]
    tokens += [(text, gguf.TokenType.CONTROL) for text in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]]
    tokens += [("<tool_call>", gguf.TokenType.USER_DEFINED)]
    return [text for text, _ in tokens], [int(kind) for _, kind in tokens], merges


def random_weights(architecture, size, seed):
    """In the layout of the original checkpoints: rotary pairs are (i, i + HEAD_DIM / 2)."""
    random = np.random.default_rng(seed)

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    def gain(length):
        return (1 + 0.1 * random.standard_normal(length)).astype(np.float32)

    weights = {"token_embd.weight": matrix(size, DIM) * 3, "output_norm.weight": gain(DIM)}
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        weights[at + "attn_norm.weight"] = gain(DIM)
        weights[at + "ffn_norm.weight"] = gain(DIM)
        for name, heads in [("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS)]:
            weights[at + f"attn_{name}.weight"] = matrix(heads * HEAD_DIM, DIM) * 2
            if architecture == "qwen2":
                weights[at + f"attn_{name}.bias"] = random.standard_normal(heads * HEAD_DIM).astype(np.float32)
        weights[at + "attn_output.weight"] = matrix(DIM, HEADS * HEAD_DIM)
        weights[at + "ffn_gate.weight"] = matrix(FEED_FORWARD, DIM)
        weights[at + "ffn_up.weight"] = matrix(FEED_FORWARD, DIM)
        weights[at + "ffn_down.weight"] = matrix(DIM, FEED_FORWARD)
    if architecture == "qwen2":
        weights["output.weight"] = matrix(size, DIM)
    return weights


def forward(weights, ids, theta):
    w = {name: values.astype(np.float64) for name, values in weights.items()}
    n = len(ids)
    frequencies = theta ** (-2 * np.arange(HEAD_DIM // 2) / HEAD_DIM)
    angles = np.concatenate([np.outer(np.arange(n), frequencies)] * 2, axis=1)[:, None, :]

    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + EPSILON) * w[name]

    def project(x, name, heads):
        return (x @ w[name + ".weight"].T + w.get(name + ".bias", 0)).reshape(n, heads, HEAD_DIM)

    def rotate(x):
        first, second = np.split(x, 2, axis=-1)
        return x * np.cos(angles) + np.concatenate([-second, first], axis=-1) * np.sin(angles)

    x = w["token_embd.weight"][ids]
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        h = norm(x, at + "attn_norm.weight")
        q = rotate(project(h, at + "attn_q", HEADS))
        k = np.repeat(rotate(project(h, at + "attn_k", KV_HEADS)), HEADS // KV_HEADS, axis=1)
        v = np.repeat(project(h, at + "attn_v", KV_HEADS), HEADS // KV_HEADS, axis=1)
        logits = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(HEAD_DIM) + np.triu(np.full((n, n), -np.inf), 1)
        share = np.exp(logits - logits.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        x = x + np.einsum("hij,jhd->ihd", share, v).reshape(n, -1) @ w[at + "attn_output.weight"].T
        h = norm(x, at + "ffn_norm.weight")
        gate = h @ w[at + "ffn_gate.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w[at + "ffn_up.weight"].T)) @ w[at + "ffn_down.weight"].T
    return norm(x, "output_norm.weight") @ w.get("output.weight", w["token_embd.weight"]).T


def interleaved(values, head_dim=HEAD_DIM):
    """Rows of q and k as llama GGUFs have them: pair i is rows 2i and 2i + 1 of a head."""
    heads = values.shape[0] // head_dim
    return values.reshape(heads, 2, head_dim // 2, -1).swapaxes(1, 2).reshape(values.shape)


def write_model(architecture, seed):
    tokens, kinds, merges = vocabulary()
    weights = random_weights(architecture, len(tokens), seed)
    writer = gguf.GGUFWriter(FIXTURES / f"toy-{architecture}.gguf", architecture)
    writer.add_name(f"toy {architecture}")
    writer.add_block_count(LAYERS)
    writer.add_context_length(512)
    writer.add_embedding_length(DIM)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(THETA[architecture])
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre({"llama": "smollm", "qwen2": "qwen2"}[architecture])
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokens.index("<|im_start|>"))
    writer.add_chat_template(TEMPLATE)
    for name, values in weights.items():
        is_rotated = architecture == "llama" and name.endswith(("attn_q.weight", "attn_k.weight"))
        writer.add_tensor(name, interleaved(values) if is_rotated else values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    ids = np.random.default_rng(seed + 1).integers(0, len(tokens), 40)
    logits = forward(weights, ids, THETA[architecture])
    rows = {str(row): base64_f32(logits[row]) for row in [0, 16, 39]}
    (FIXTURES / f"toy-{architecture}.json").write_text(json.dumps({"ids": ids.tolist(), "logits": rows}, indent=2) + "\n")


def write_every_type():
    random = np.random.default_rng(3)
    kinds = ["F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K", "BF16"]
    half_offsets = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0]}
    half_offsets |= {"Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}
    writer = gguf.GGUFWriter(FIXTURES / "every-type.gguf", "llama")
    expected = {}
    for kind in kinds:
        type_ = gguf.GGMLQuantizationType[kind]
        if kind in ("F32", "F16"):
            data = random.standard_normal((2, 256)).astype(np.float32 if kind == "F32" else np.float16)
        elif kind == "BF16":
            upper = (random.standard_normal((2, 256)).astype(np.float32).view(np.uint32) >> 16).astype("<u2")
            data = upper.view(np.uint8)
        else:
            values, size = gguf.GGML_QUANT_SIZES[type_]
            blocks = random.integers(0, 256, (2 * 256 // values, size), dtype=np.uint8)
            for offset in half_offsets[kind]:
                scales = random.standard_normal((len(blocks), 1)).astype("<f2")
                blocks[:, offset : offset + 2] = scales.view(np.uint8)
            data = blocks.reshape(2, -1)
        writer.add_tensor(kind.lower(), data, raw_dtype=type_)
        expected[kind.lower()] = base64_f32(gguf.dequantize(data, type_))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (FIXTURES / "every-type.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    write_model("llama", seed=1)
    write_model("qwen2", seed=2)
    write_every_type()
