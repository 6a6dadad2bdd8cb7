"""Score one document with every press of kvpress into test/fixtures/kvpress-smollm2-135m.json.

usage: make-kvpress-fixtures.py SMOLLM2.gguf

Needs: pip install kvpress==0.5.5 torch 'transformers==5.2.*' gguf. Float32 on the CPU, no chat template: the first 768
tokens of examples/document.txt are all the model sees. Scores and kept sets are kvpress's own; nothing here comes
from this package.
"""

import base64
import dataclasses
import json
import sys
from importlib.metadata import version
from pathlib import Path

import kvpress
import kvpress.presses.kvzip_press as kvzip_module
import kvpress.presses.leverage_press as leverage_module
import numpy as np
import torch
import transformers
from dequantised import load, sha256
from kvpress.utils import compute_n_kept

ROOT = Path(__file__).resolve().parent.parent
TOKENS = 768
KEEPS = [0.25, 0.5]
SKETCH = 48
KEPT_LAYERS = [0, 3, 6, 9, 12, 14, 18, 21, 24, 27, 29]
THREE_LAYERS = [0, 14, 29]
ONE_LAYER = [14]

# name: (press at a share removed, layers whose scores are stored, keeps, formula)
PRESSES = {
    "compactor": (
        lambda removed: kvpress.CompactorPress(removed, sink_size_start=0, sink_size_end=0),
        ONE_LAYER,
        KEEPS,
        "blending * leverage + non-causal-attention, both z-scores as below; blending = compression_ratio (share "
        "removed: 0.75 at keep 0.25, 0.5 at keep 0.5); protected tokens set to 0 here (kvpress: 8 first, 4 last, cut "
        "off before anything is computed, then given the maximum of the layer); scores stored at keep 0.25",
    ),
    "leverage": (
        lambda removed: kvpress.LeverageScorePress(removed, sketch_dimension=SKETCH),
        THREE_LAYERS,
        KEEPS,
        "keys before RoPE minus their mean over tokens, times phi (per KV head, entries N(0, 1/48)); G = XtX + 1e-2 I; "
        "l = max(0, x G^-1 xt); z-score over all heads and tokens of the layer, standard deviation with n - 1",
    ),
    "non-causal-attention": (
        lambda removed: kvpress.NonCausalAttnPress(removed),
        THREE_LAYERS,
        KEEPS,
        "rotated q and k, logits not divided by sqrt(headDim); chunks of 256, softmax over the chunk without causal "
        "mask, sum over the chunk's queries, mean over the query heads of the KV head; times L2 norm of the value row; "
        "average of 3 neighbours with zeros beyond both ends counted; z-score over all heads and tokens of the layer, "
        "standard deviation with n - 1",
    ),
    "key-norm": (lambda removed: kvpress.KnormPress(removed), ONE_LAYER, KEEPS, "minus the L2 norm of the key"),
    "keydiff": (
        lambda removed: kvpress.KeyDiffPress(removed),
        ONE_LAYER,
        KEEPS,
        "minus the cosine of the rotated key and the mean over all tokens of the unit-length rotated keys",
    ),
    "snapkv": (
        lambda removed: kvpress.SnapKVPress(removed),
        ONE_LAYER,
        KEEPS,
        "last 64 queries, causal softmax of q.k / sqrt(headDim) over all keys, columns of the last 64 dropped; mean "
        "over queries, average of 5 neighbours with zeros counted, mean over query heads; last 64 tokens: layer "
        "maximum + 1",
    ),
    "tova": (
        lambda removed: kvpress.TOVAPress(removed),
        ONE_LAYER,
        KEEPS,
        "softmax of the last query over all keys, its own column dropped; mean over all query heads of the layer, the "
        "same row for every KV head; last token: maximum + 1",
    ),
    "observed-attention": (
        lambda removed: kvpress.ObservedAttentionPress(removed),
        ONE_LAYER,
        KEEPS,
        "column sum of the causal attention divided by the number of queries that see the key, mean over query heads; "
        "nothing protected",
    ),
    "lagkv": (
        lambda removed: kvpress.LagKVPress(removed),
        ONE_LAYER,
        [0.5],
        "from token 4 on parts of lag_size tokens; (x - min) / (max - min) per channel with the next part's extremes, "
        "standard deviation over channels (n - 1), softmax over the part; mean of rotated keys' and values' results; "
        "then rank in the part / lag_size; first 4, last part and rest: 1. Ranks tie between parts, so only budgets "
        "that take whole ranks are stored",
    ),
    "lagkv-84": (lambda removed: kvpress.LagKVPress(removed, lag_size=84), ONE_LAYER, KEEPS, "lagkv, lag_size 84"),
    "expected-attention": (
        lambda removed: kvpress.ExpectedAttentionPress(removed),
        ONE_LAYER,
        KEEPS,
        "mean and covariance (divided by n) of the queries before RoPE of tokens 4 to the end, both turned by the mean "
        "rotation of positions 768 to 1279; softmax over rotated keys 4 to the end of mu.k / sqrt(headDim) + "
        "k.cov.k / (2 headDim); mean over query heads; times L2 norm of the value row; first 4: layer maximum + 1",
    ),
    "streaming": (
        lambda removed: kvpress.StreamingLLMPress(removed),
        [],
        KEEPS,
        "first 4 tokens and the most recent ones",
    ),
}

KVZIP = (
    "replay after the uncompressed prefill (token ids in `replays`, one per chunk, at positions 768 and on, over the "
    "full cache); logits / sqrt(headDim) of all replay queries over [first min(4, chunk start) keys, the chunk's keys, "
    "the replay's own keys (causal)], softmax, maximum over replay queries and query heads; first 4 tokens: global "
    "maximum + 1; one threshold over all layers, heads and tokens"
)


def base64_of(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def half(scores: torch.Tensor, layers: list[int]) -> dict:
    """Scores of `layers` as float16 times 2^exponent, one exponent a layer, so that small ones keep 11 bits."""
    chosen = scores[layers].numpy()
    exponents = [int(np.floor(np.log2(np.abs(layer).max()))) - 14 for layer in chosen]
    scaled = np.stack([layer * 2.0**-exponent for layer, exponent in zip(chosen, exponents)])
    f16 = base64_of(scaled.astype("<f2"))
    return {"layers": layers, "shape": list(chosen.shape), "exponents": exponents, "f16": f16}


def bitmap(kept: torch.Tensor) -> dict:
    """Lowest bit first, flattened [layers, kvHeads, tokens]."""
    chosen = kept[KEPT_LAYERS].numpy()
    bits = np.packbits(chosen.reshape(-1), bitorder="little")
    return {"layers": KEPT_LAYERS, "shape": list(chosen.shape), "bits": base64_of(bits)}


def parameters_of(press: object) -> dict:
    fields = {field.name: getattr(press, field.name) for field in dataclasses.fields(press)}
    return {name: value for name, value in fields.items() if not name.startswith("_")}


def kept_by(press: kvpress.ScorerPress, attention: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    """[kvHeads, tokens] scores and kept set, the latter checked against what the press itself leaves in the cache."""
    keys = attention[2]
    scores = press.score(*attention)
    indices = scores.topk(compute_n_kept(keys.shape[2], press.compression_ratio), dim=-1).indices
    left, _ = press.compress(*attention)
    assert torch.equal(left, keys.gather(2, indices.unsqueeze(-1).expand(-1, -1, -1, keys.shape[-1])))
    kept = torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, indices, True)
    return scores[0].float(), kept[0]


def tied_rows(scores: torch.Tensor, kept: torch.Tensor) -> int:
    """(layer, head) rows in which a dropped token scores as high as the lowest kept one."""
    lowest_kept = scores.masked_fill(~kept, float("inf")).amin(-1)
    highest_dropped = scores.masked_fill(kept, float("-inf")).amax(-1)
    return int((lowest_kept <= highest_dropped).sum())


def run_presses(model: transformers.PreTrainedModel, ids: torch.Tensor) -> dict:
    """One uncompressed prefill; a press never changes what later layers see, so all score the same pass."""
    results: dict = {}

    def hook(module, _input, kwargs, output) -> None:
        cached = kwargs["past_key_values"].layers[module.layer_idx]
        for name, (make, _, keeps, _) in PRESSES.items():
            attentions = output[1] if name == "observed-attention" else None
            attention = (module, kwargs["hidden_states"], cached.keys, cached.values, attentions, kwargs)
            for keep in keeps:
                results.setdefault((name, keep), []).append(kept_by(make(1 - keep), attention))

    handles = []
    for layer in model.model.layers:
        layer.self_attn.rotary_emb = model.model.rotary_emb
        handles.append(layer.self_attn.register_forward_hook(hook, with_kwargs=True))
    model.model(input_ids=ids, past_key_values=transformers.DynamicCache())
    for handle in handles:
        handle.remove()
    return {key: [torch.stack(part) for part in zip(*layers)] for key, layers in results.items()}


def describe(results: dict) -> dict:
    presses = {}
    for name, (make, layers, keeps, formula) in PRESSES.items():
        press = make(1 - keeps[0])
        entry = {"class": type(press).__name__, "parameters": parameters_of(press), "formula": formula, "keeps": {}}
        for keep in keeps:
            scores, kept = results[name, keep]
            ties = 0 if name == "streaming" else tied_rows(scores, kept)
            entry["keeps"][str(keep)] = {"tokens": int(kept[0, 0].sum()), "tiedRows": ties, "kept": bitmap(kept)}
        if layers:
            entry["scores"] = half(results[name, keeps[0]][0], layers)
        presses[name] = entry
    return presses


class RecordingKVzip(kvpress.KVzipPress):
    """KVzipPress that keeps its scores and replay tokens, which the original forgets when it is done."""

    def prepare(self, *args, **kwargs):
        pairs = super().prepare(*args, **kwargs)
        self.replays = [replay[0].tolist() for _, replay in pairs]
        return pairs

    def compress_post(self, model):
        super().compress_post(model)
        self.scores = self.score_val[:, 0].clone()
        self.kept = torch.ones_like(self.scores, dtype=torch.bool)
        for index, layer in enumerate(model.model.layers):
            _, heads, tokens = layer.self_attn.masked_key_indices
            self.kept[index, heads, tokens] = False


def run_kvzip(model: transformers.PreTrainedModel, ids: torch.Tensor, chunk: int) -> dict:
    press = RecordingKVzip(0.75, chunk_size=chunk)
    with press(model):
        model.model(input_ids=ids, past_key_values=transformers.DynamicCache())
    tokens = {"0.25": {"tokensPerLayer": press.kept.sum((1, 2)).tolist(), "kept": bitmap(press.kept)}}
    entry = {"class": "KVzipPress", "parameters": parameters_of(press), "formula": KVZIP, "replays": press.replays}
    return entry | {"keeps": tokens, "scores": half(press.scores, THREE_LAYERS if chunk >= TOKENS else ONE_LAYER)}


def fix_sketch(model: transformers.PreTrainedModel) -> torch.Tensor:
    """Every draw of the leverage press returns one matrix; what is returned here has the 1 / sqrt(48) in it."""
    config = model.config
    shape = (1, config.num_key_value_heads, config.head_dim, SKETCH)
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(42))

    class FixedDraw:
        def __getattr__(self, name: str) -> object:
            return (lambda *_size, **_options: drawn) if name == "randn" else getattr(torch, name)

    leverage_module.torch = FixedDraw()
    return drawn[0] / SKETCH**0.5


@torch.inference_mode()
def main() -> None:
    gguf = Path(sys.argv[1])
    model, tokenizer = load(gguf, "eager")
    text = (ROOT / "examples" / "document.txt").read_text()
    ids = tokenizer.encode(text, return_tensors="pt", add_special_tokens=False)[:, :TOKENS]
    phi = fix_sketch(model)
    presses = describe(run_presses(model, ids))

    model.set_attn_implementation("sdpa")
    tokenizer.chat_template = None  # no template head: the document is all there is
    kvzip_module.AutoTokenizer = type("Loaded", (), {"from_pretrained": staticmethod(lambda _name: tokenizer)})
    presses["kvzip"] = run_kvzip(model, ids, 2048)
    presses["kvzip-256"] = run_kvzip(model, ids, 256)

    made = {name: version(name) for name in ["kvpress", "torch", "transformers"]}
    fixture = {
        "madeWith": made | {"dtype": "float32", "model": gguf.name, "modelSha256": sha256(gguf)},
        "notes": "Split-half rotary order: for a llama GGUF, row 2i + s of the sketch is row s * headDim / 2 + i of "
        "phi. phi holds the 1 / sqrt(48); kvpress draws one per call, here every layer uses the same. Unless the "
        "formula says otherwise the budget is int(tokens * keep) per KV head and layer. Score = f16 * 2^exponent of its "
        "layer, of the first keep listed. Bits: lowest first, flattened [layers, kvHeads, tokens].",
        "document": {"source": "examples/document.txt", "ids": ids[0].tolist()},
        "phi": {"shape": list(phi.shape), "f32": base64_of(phi.numpy().astype("<f4"))},
        "presses": presses,
    }
    lines = [f'"{name}": {json.dumps(value)}' for name, value in fixture.items() if name != "presses"]
    entries = ",\n".join(f'"{name}": {json.dumps(value)}' for name, value in presses.items())
    output = ROOT / "test" / "fixtures" / "kvpress-smollm2-135m.json"
    output.write_text("{" + ",\n".join(lines) + ',\n"presses": {\n' + entries + "\n}}\n")


main()
