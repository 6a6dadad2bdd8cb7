#!/bin/bash
# The second stage: answers, scored by each file's own metric, at a quarter of the cache, on the committed subset (a smaller
# one for larger models). Goes on where it was stopped.
#
#   bash bench/subsets/stage-2.sh DATA_FOLDER RESULT_FOLDER [MODEL]
set -euo pipefail
data=${1:?the folder with squad_multi.jsonl and the other four files} results=${2:?a folder for the results}
model=${3:-qwen2.5-coder-0.5b}
case $model in *0.5b*) subset=stage-2 ;; *) subset=stage-2-large ;; esac

paper='lambda=0.3&difference=0&protectFirst=16&protectLast=64'
methods=(random streaming keydiff snapkv kvzip "compactor?$paper" compactor)
exec npm run --silent eval -- "$data"/{squad_multi,ruler_style,fairytale_multi,multihop_hotpotqa,longeval_lines}.jsonl \
  --subset "$(dirname "$0")/$subset.json" --questions 2 --measure score --activations int8 --by data --verbose \
  --model "$model" --methods "$(IFS=,; echo "${methods[*]}")" --keep 0.25 -o "$results"
