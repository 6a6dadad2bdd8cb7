"""Ask kvpress the questions of evaluation files, for a comparison on the same questions. Not part of the package.

usage: compare-kvpress.py MODEL.gguf FILE.jsonl... --ids IDS.json --press compactor,keydiff --keep 0.25 --out OUT.json

Needs: pip install kvpress==0.5.5 torch 'transformers==5.2.*' gguf. Protocol context-only: template head, instruction
and document are read and compressed alone; each question then sees only the compressed cache, at positions that
continue from the original length; greedy. The text of one user turn is

    HEAD instruction \\n\\n context \\n\\n | question TURN_END answer_prefix

HEAD and TURN_END are what the model's chat template puts around the turn, | is where compression happens and where the
token sequence is cut (both sides are encoded apart).

IDS.json names what is asked of the files given, as a table of earlier scores:
{"contexts": [{"file", "id", "scores": {"full": {QID: _}}}]}; without --ids everything is. OUT.json is rewritten after
every context, and a second run goes on where the first stopped.
"""

import argparse
import json
import re
import string
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import kvpress
import torch
import transformers
from dequantised import load, sha256

SEED = 42
PRESSES = {
    "compactor": kvpress.CompactorPress,
    "keydiff": kvpress.KeyDiffPress,
    "snapkv": kvpress.SnapKVPress,
    "key-norm": kvpress.KnormPress,
    "tova": kvpress.TOVAPress,
    "lagkv": kvpress.LagKVPress,
    "expected-attention": kvpress.ExpectedAttentionPress,
    "streaming": kvpress.StreamingLLMPress,
}
SEPARATOR = "#" * 40


def words(text: str) -> list[str]:
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", bare).split()


def word_f1(answer: str, reference: str) -> float:
    ours, theirs = words(answer), words(reference)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def best_word_f1(answer: str, references: list[str]) -> float:
    return max(word_f1(answer, reference) for reference in references)


def share_found(answer: str, references: list[str]) -> float:
    return sum(reference.lower() in answer.lower() for reference in references) / len(references)


def score_and_limit(metric: str) -> tuple:
    """The score function and the most new tokens of a file's `metric`."""
    if metric.startswith("squad_f1"):
        return best_word_f1, 18
    if metric.startswith("ruler"):
        return share_found, 32
    raise ValueError(f"metric must start with squad_f1 or ruler, not {metric!r}")


def template_pieces(tokenizer: transformers.PreTrainedTokenizerBase) -> tuple[str, str]:
    turn = [{"role": "user", "content": SEPARATOR}]
    head, turn_end = tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False).split(SEPARATOR)
    return head, turn_end


class Comparison:
    def __init__(self, options: argparse.Namespace) -> None:
        self.model, self.tokenizer = load(options.model)
        self.pipeline = kvpress.KVPressTextGenerationPipeline(model=self.model, tokenizer=self.tokenizer)
        self.head, self.turn_end = template_pieces(self.tokenizer)
        self.presses = {f"{name}@{keep}": PRESSES[name](1 - keep) for keep in options.keep for name in options.press}

    def encode(self, text: str) -> torch.Tensor:
        return self.tokenizer.encode(text, return_tensors="pt", add_special_tokens=False)

    def prefill(self, ids: torch.Tensor) -> dict[str, transformers.DynamicCache]:
        """The full cache and each press's, from one pass: a press never changes what later layers see."""
        full = transformers.DynamicCache()
        caches = {name: transformers.DynamicCache() for name in self.presses}

        def hook(module, _input, kwargs, output) -> None:
            cached = full.layers[module.layer_idx]
            for name, press in self.presses.items():
                attention = (module, kwargs["hidden_states"], cached.keys, cached.values, output[1], kwargs)
                caches[name].update(*press.compress(*attention), module.layer_idx)

        layers = self.model.model.layers
        for layer in layers:
            layer.self_attn.rotary_emb = self.model.model.rotary_emb
        handles = [layer.self_attn.register_forward_hook(hook, with_kwargs=True) for layer in layers]
        try:
            self.model.model(input_ids=ids, past_key_values=full)
        finally:
            for handle in handles:
                handle.remove()
        return {"full": full, **caches}

    def answer(self, cache: transformers.DynamicCache, question: dict, length: int, limit: int) -> str:
        ids = self.encode(question["question"] + self.turn_end + question.get("answer_prefix", ""))
        lengths = [layer.get_seq_length() for layer in cache.layers]
        text = self.pipeline.generate_answer(ids, cache, context_length=length, max_new_tokens=limit)
        self.pipeline._remove_answer_from_cache(cache, lengths)
        return text

    def rows(self, context: dict, questions: list[dict]) -> list[dict]:
        """One row per method and question. Sketches are drawn from a fixed seed in every context."""
        torch.manual_seed(SEED)
        ids = self.encode(f"{self.head}{context['instruction']}\n\n{context['context']}\n\n")
        score, limit = score_and_limit(context["metric"])
        rows = []
        for method, cache in self.prefill(ids).items():
            for question in questions:
                text = self.answer(cache, question, ids.shape[1], limit)
                points = round(score(text, question["answers"]), 4)
                row = {"qid": question["qid"], "method": method, "answer": text, "score": points}
                rows.append(row | {"prefixTokens": ids.shape[1]})
        return rows


def wanted(options: argparse.Namespace) -> list[tuple[str, dict, list[dict]]]:
    """(file, context, questions) in the order of IDS.json."""
    files = {path.stem: path.read_text().splitlines() for path in options.files}
    contexts = {(name, entry["id"]): entry for name, lines in files.items() for entry in map(json.loads, lines)}
    if options.ids is None:
        return [(name, entry, entry["questions"]) for (name, _), entry in contexts.items()]
    chosen = []
    for entry in json.loads(options.ids.read_text())["contexts"]:
        if entry["file"] not in files:
            continue
        context, asked = contexts[entry["file"], entry["id"]], entry["scores"]["full"]
        chosen.append((entry["file"], context, [one for one in context["questions"] if one["qid"] in asked]))
    return chosen


def header(options: argparse.Namespace, comparison: Comparison) -> dict:
    return {
        "protocol": "context-only",
        "model": {"file": options.model.name, "sha256": sha256(options.model), "dtype": "float32"},
        "versions": {name: version(name) for name in ["kvpress", "torch", "transformers"]},
        "seed": SEED,
        "template": {"head": comparison.head, "turnEnd": comparison.turn_end},
        "methods": {name: str(press) for name, press in comparison.presses.items()},
    }


def press_names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in PRESSES:
            raise argparse.ArgumentTypeError(f"expected names among {', '.join(PRESSES)}, got {name!r}")
    return names


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--ids", type=Path)
    parser.add_argument("--press", type=press_names, default=["compactor", "keydiff"])
    parser.add_argument("--keep", type=lambda text: [float(part) for part in text.split(",")], default=[0.25])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, help="at most so many contexts")
    return parser.parse_args()


@torch.inference_mode()
def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    comparison = Comparison(options)
    head = header(options, comparison)
    rows = []
    if options.out.exists():
        earlier = json.loads(options.out.read_text())
        if {name: earlier[name] for name in head} != head:
            raise SystemExit(f"{options.out} was made with other settings; give another --out")
        rows = earlier["rows"]
    done = {(row["file"], row["id"]) for row in rows}
    for file, context, questions in wanted(options)[: options.limit]:
        if (file, context["id"]) in done:
            continue
        start = time.monotonic()
        found = comparison.rows(context, questions)
        rows += [{"file": file, "id": context["id"], **row} for row in found]
        part = options.out.with_suffix(".part")
        part.write_text(json.dumps(head | {"rows": rows}, indent=1))
        part.replace(options.out)
        print(f"{file} {context['id']}: {len(found)} answers in {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
