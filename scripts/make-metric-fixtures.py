"""Scores of published scorers on pairs of our own, for test/fixtures/metrics.json.

usage: make-metric-fixtures.py    (Python with the packages rouge 1.0.1 and fuzzywuzzy 0.18.0, without python-Levenshtein)

rouge gives ROUGE-L, fuzzywuzzy its ratio of whole strings (difflib's, to full precision, beside it). SQuAD's evaluation is no package: its rule for
F1 and exact match is written out here, with Python's own \\b, \\w and string.punctuation.
"""

import difflib
import json
import re
import string
import warnings
from collections import Counter
from pathlib import Path

warnings.filterwarnings("ignore", message="Using slow pure-python SequenceMatcher")

from fuzzywuzzy import fuzz  # noqa: E402
from rouge import Rouge  # noqa: E402

target = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "metrics.json"

lorry = "The lorry crossed the bridge at noon. It carried apples, pears and a clock. Nobody saw the driver."
loop = "for (let index = 0; index < rows.length; index++) { total += rows[index].price * rows[index].count; } "
pairs = [
    ("the blue lorry", "A blue lorry."),
    ("It was a green lorry, I think", "green lorry"),
    ("", "lorry"),
    ("the", "a"),
    ("lorry lorry lorry", "lorry"),
    ("14,250 crowns", "14250 crowns"),
    ("Ça va à Paris", "va à Paris"),
    ("an élan and the thé", "élan thé"),
    ("rock-and-roll isn't dead", "rock and roll isnt dead"),
    ("three apples, two pears", "two pears and three apples"),
    ("He left. She stayed. He came back.", "She stayed. He left. She came."),
    (lorry, "A lorry with apples and a clock crossed a bridge. The driver was not seen at noon."),
    (lorry, lorry),
    ("  spaces   and\ttabs \n lines ", "spaces and tabs lines"),
    ("... .", "a. b"),
    ("a b c d e f g", "g f e d c b a"),
    ("one two three four one two", "two one four three two one"),
    ("return a + b", "return b + a"),
    ("if (x == null) return null;", "if (x === undefined) return undefined"),
    ("\tself.total += price", "self.total = self.total + price"),
    (loop * 3, (loop * 3).replace("price", "weight").replace("total", "sum")),
    ("x" * 150 + "needle" + "y" * 150, "y" * 120 + "needle" + "x" * 120),
    ("naïve café 東京", "naive cafe 東京"),
    ("abcd" * 30 + "zz", "dcba" * 60 + "zz"),
    ("and go. go go", "go and. go red"),
]


def normalised(text):
    text = "".join(character for character in text.lower() if character not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def word_f1(prediction, reference):
    given, right = normalised(prediction).split(), normalised(reference).split()
    if not given and not right:
        return 1.0
    same = sum((Counter(given) & Counter(right)).values())
    return 2 * same / (len(given) + len(right)) if same else 0.0


def rouge_l(prediction, reference):
    try:
        return Rouge().get_scores([prediction], [reference], avg=True)["rouge-l"]["f"]
    except ValueError:
        return 0.0


lines = [
    json.dumps(
        {
            "prediction": prediction,
            "reference": reference,
            "normalised": normalised(prediction),
            "wordF1": word_f1(prediction, reference),
            "exactMatch": float(normalised(prediction) == normalised(reference)),
            "rougeL": rouge_l(prediction, reference),
            "matchingRatio": difflib.SequenceMatcher(None, prediction, reference).ratio(),
            "fuzzywuzzyRatio": fuzz.ratio(prediction, reference),
        },
        ensure_ascii=False,
    )
    for prediction, reference in pairs
]
target.write_text("[\n" + ",\n".join(lines) + "\n]\n")
