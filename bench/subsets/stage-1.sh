#!/bin/bash
# The first stage of the ablation: every method and every cell of Compactor's options at four budgets, label-free, on the
# committed subset. Goes on where it was stopped; about two hours on two quiet cores with AVX-512.
#
#   bash bench/subsets/stage-1.sh DATA_FOLDER RESULT_FOLDER
set -euo pipefail
data=${1:?the folder with squad_multi.jsonl and the other five files} results=${2:?a folder for the results}
paper='lambda=0.3&difference=0&protectFirst=16&protectLast=64'
low='protectFirst=4&protectLast=16'

methods=(
  leverage attention-mass random streaming key-norm keydiff snapkv 'snapkv?window=question' tova observed-attention lagkv
  expected-attention kvzip 'kvzip?heads=across' "keydiff?heads=across&$low"
)
# One option of the paper's at a time.
cells=(
  "compactor?$paper" "compactor?$paper&scaled=true" "compactor?$paper&chunkTokens=128" "compactor?$paper&chunkTokens=512"
  "compactor?$paper&sketch=16" "compactor?$paper&sketch=32" "compactor?$paper&sketch=exact"
  "compactor?$paper&valueNorm=true" "compactor?$paper&pool=3" "compactor?$paper&heads=apart"
  "compactor?$paper&heads=model" "compactor?$paper&leverageChunkTokens=512"
  "compactor?lambda=0.3&difference=0&$low" 'compactor?lambda=0.3&difference=0&protectFirst=0&protectLast=0'
)
for lambda in 0.1 0.5 1 removed; do
  cells+=("compactor?lambda=$lambda&difference=0&protectFirst=16&protectLast=64")
done
# Candidates for the default.
candidates=(
  "compactor?lambda=1&difference=0&$low" "compactor?lambda=3&difference=0&$low" "compactor?lambda=1&difference=1&$low"
  compactor 'compactor?heads=model' 'compactor?valueNorm=true' 'compactor?valueNorm=true&heads=model' 'compactor?sketch=exact'
)

all=("${methods[@]}" "${cells[@]}" "${candidates[@]}")
exec npm run --silent eval -- "$data"/{squad_multi,ruler_style,kv_retrieval,longeval_lines,fairytale_multi,minilongbench}.jsonl \
  --subset "$(dirname "$0")/stage-1.json" --questions 1 --max-new-tokens 32 --activations int8 --by data --verbose \
  --methods "$(IFS=,; echo "${all[*]}")" --keep 0.5,0.25,0.1,0.05 -o "$results"
