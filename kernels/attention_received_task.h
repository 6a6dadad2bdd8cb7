// The two steps of attention_received for the lanes of the including file.
#pragma once
#include "attend_rows.h"
#include "attention_received.h"

namespace compactor {
namespace {

// Largest logit and sum of a block of rows over a span of keys.
COMPACTOR_INLINE void received_rows(const ReceivedPlan& plan, size_t task, void* scratch) {
  const AttendPlan& rows = plan.rows;
  const size_t split = task % rows.splits;
  const size_t kv_head = task / rows.splits % rows.kv_heads;
  const size_t index = rows.row_blocks - 1 - task / rows.splits / rows.kv_heads;  // long rows first
  const Block block = block_of(rows, index, kv_head, scratch);
  scale_queries(rows, block);
  for (size_t row = 0; row < block.rows; row++) block.states[row] = {kMinusInfinity, 0};
  for_each_block(rows, kv_head, split, [&](const Segment& segment, size_t first_key, size_t count) {
    if (!look(rows, block, segment, first_key, count)) return;
    const KeyRun run = key_run(rows, block, segment, first_key);
    weigh_keys(rows, block, run, block.visible[block.rows - 1], Weights::floats);
  });
  for (size_t row = 0; row < block.rows; row++)
    rows.states[(kv_head * rows.rows() + block.first_row + row) * rows.splits + split] = block.states[row];
}

// columns ← columns with the weights of one row; `limit` is padded.
template <bool kMaximum>
COMPACTOR_INLINE void add_weights(const float* logits, size_t limit, const SoftmaxState& state, float* columns) {
  const Lanes shift = all(state.largest);
  const Lanes factor = all(1.0f / state.sum);
  for (size_t i = 0; i < limit; i += kLanes) {
    const Lanes weights = exp_of_logit(load(logits + i), shift);
    const Lanes before = load(columns + i);
    save(columns + i, kMaximum ? larger(weights * factor, before) : multiply_add(weights, factor, before));
  }
}

COMPACTOR_INLINE void add_row(const ReceivedPlan& plan, const Block& block, size_t row, const float* bias,
                              size_t limit, float* columns) {
  const SoftmaxState state = plan.merged[block.kv_head * plan.rows.rows() + block.first_row + row];
  const float* logits = visible_logits(block, row, bias, limit);
  if (state.sum == 0) return;
  if (state.sum != state.sum) {  // NaN for what the row sees
    for (size_t i = 0; i < block.visible[row]; i++)
      if (logits[i] != kMinusInfinity) columns[i] = state.sum;
  } else if (plan.maximum) {
    add_weights<true>(logits, limit, state, columns);
  } else {
    add_weights<false>(logits, limit, state, columns);
  }
}

// columns ← columns with the weights of a block of rows, whose own sum is in f32
COMPACTOR_INLINE void add_block(const ReceivedPlan& plan, const Block& block, const float* bias, double* columns) {
  float received[kKeyBlock] = {};
  const Tiling tiling(block.rows);
  for (size_t tile = 0; tile < tiling.tiles; tile++) {
    const size_t end = tiling.start(tile + 1);
    const size_t limit = padded(block.visible[end - 1]);
    for (size_t row = tiling.start(tile); row < end; row++) add_row(plan, block, row, bias, limit, received);
  }
  for (size_t i = 0; i < kKeyBlock; i++)
    if (!plan.maximum)
      columns[i] += received[i];
    else if (columns[i] == columns[i] && !(received[i] <= columns[i]))
      columns[i] = received[i];
}

// What a block of keys of the first segment receives from a part of the rows.
COMPACTOR_INLINE void received_columns(const ReceivedPlan& plan, size_t task, void* scratch) {
  const AttendPlan& rows = plan.rows;
  const size_t part = task % plan.parts;
  const size_t kv_head = task / plan.parts % rows.kv_heads;
  const size_t key_block = task / plan.parts / rows.kv_heads;
  const size_t first_key = key_block * kKeyBlock;
  const size_t count = plan.count - first_key < kKeyBlock ? plan.count - first_key : kKeyBlock;
  double columns[kKeyBlock] = {};
  const size_t first = part * plan.part_blocks;
  const size_t end = first + plan.part_blocks < rows.row_blocks ? first + plan.part_blocks : rows.row_blocks;
  bool packed = false;
  for (size_t index = first; index < end; index++) {
    const Block block = block_of(rows, index, kv_head, scratch);
    if (!look(rows, block, rows.segments[0], first_key, count)) continue;
    const KeyRun run = key_run(rows, block, rows.segments[0], first_key);
    if (!packed) pack_keys(run.keys, count, rows.head_dim, block.keys);
    packed = true;
    scale_queries(rows, block);
    multiply_keys(block, block.visible[block.rows - 1]);
    add_block(plan, block, run.bias, columns);
  }
  float* target = plan.columns + (kv_head * plan.parts + part) * plan.count + first_key;
  for (size_t i = 0; i < count; i++) target[i] = float(columns[i]);
}

}  // namespace
}  // namespace compactor
