"""Condense reference token ids (made with llama.cpp) into test/fixtures/tokenizer-MODEL.json.

usage: make-tokenizer-fixtures.py REFERENCE_FOLDER

REFERENCE_FOLDER holds MODEL.json with `tokenizer` (text, ids without and with control tokens), `passage_ids` and
`long.prompt_ids`, and the two passages, which are copied.
"""

import json
import shutil
import sys
from pathlib import Path

source = Path(sys.argv[1])
target = Path(__file__).resolve().parent.parent / "test" / "fixtures"


def without_begin(ids, model):
    return ids[1:] if model == "gemma3-270m" and ids[0] == 2 else ids


for model in ["smollm2-135m", "qwen2.5-coder-0.5b", "gemma3-270m"]:
    reference = json.loads((source / f"{model}.json").read_text())
    lines = [json.dumps([entry["text"], entry["plain"], entry["special"]]) for entry in reference["tokenizer"]]
    fields = {
        "strings": "[\n" + ",\n".join(lines) + "\n]",
        "passage": json.dumps(without_begin(reference["passage_ids"], model)),
        "passageLong": json.dumps(without_begin(reference["long"]["prompt_ids"], model)),
    }
    text = "{" + ",\n".join(f'"{name}": {value}' for name, value in fields.items()) + "}\n"
    (target / f"tokenizer-{model}.json").write_text(text)

for passage in ["passage.txt", "passage-long.txt"]:
    shutil.copyfile(source / passage, target / passage)
