// One task of attend for the lanes of the including file: a block of rows against a span of keys, a block of keys at a
// time; weights times values are summed beside the running softmax of attend_rows.h.
#pragma once
#include "attend_rows.h"

namespace compactor {
namespace {

COMPACTOR_INLINE void begin(const AttendPlan& plan, const Block& block) {
  scale_queries(plan, block);
  for (size_t row = 0; row < block.rows; row++) {
    for (size_t d = 0; d < block.width; d++) block.out[row * block.width + d] = 0;
    block.states[row] = {kMinusInfinity, 0};
  }
}

// The way round values that are not finite: a weight of 0 takes nothing from them.
void add_values_one_by_one(const AttendPlan& plan, const Block& block, const Rows& values) {
  for (size_t row = 0; row < block.rows; row++) {
    for (size_t d = 0; d < plan.head_dim; d++) {
      float sum = 0;
      for (size_t i = 0; i < block.visible[row]; i++) {
        const float weight = block.logits[row * kKeyBlock + i];
        if (weight != 0) sum += weight * load_value(values, i, d);
      }
      float& out = block.out[row * block.width + d];
      out = out * block.scales[row] + sum;
    }
  }
}

void add_keys(const AttendPlan& plan, const Block& block, const Segment& segment, size_t first_key, size_t count) {
  if (!look(plan, block, segment, first_key, count)) return;
  const KeyRun run = key_run(plan, block, segment, first_key);
  count = block.visible[block.rows - 1];
  const bool finite = pack_values(run.values, count, plan.head_dim, block.values);
  weigh_keys(plan, block, run, count, finite ? Weights::factors : Weights::floats);
  if (!finite) return add_values_one_by_one(plan, block, run.values);
  const Factor* weights = reinterpret_cast<const Factor*>(block.logits);
  const Tiling tiling(block.rows);
  for (size_t d = 0; d < block.width; d += kPanel) {
    prefetch(run.values, count + d * count / block.width, count * kPanel / block.width);
    for (size_t tile = 0; tile < tiling.tiles; tile++) {
      const size_t row = tiling.start(tile);
      const size_t height = tiling.height(tile);
      kValuesTiles[height](weights + row * kKeyBlock, kKeyBlock, block.values + d * factor_count(count),
                           factor_count(block.visible[row + height - 1]), block.scales + row,
                           block.out + row * block.width + d, block.width);
    }
  }
}

COMPACTOR_INLINE void finish(const AttendPlan& plan, const Block& block, size_t split) {
  for (size_t row = 0; row < block.rows; row++) {
    const float* source = block.out + row * block.width;
    const SoftmaxState state = block.states[row];
    if (plan.splits == 1) {
      float* out = plan.out + plan.row_offset(block.kv_head, block.first_row + row);
      for (size_t d = 0; d < plan.head_dim; d++) out[d] = state.sum == 0 ? 0.0f : source[d] / state.sum;
    } else {
      const size_t at = (block.kv_head * plan.rows() + block.first_row + row) * plan.splits + split;
      plan.states[at] = state;
      memcpy(plan.partials + at * plan.head_dim, source, plan.head_dim * sizeof(float));
    }
  }
}

COMPACTOR_INLINE void attend_block(const AttendPlan& plan, size_t task, void* scratch) {
  const size_t split = task % plan.splits;
  const size_t kv_head = task / plan.splits % plan.kv_heads;
  // Later rows see more keys: they go first, so that no thread is left with a long task at the end.
  const size_t index = plan.row_blocks - 1 - task / plan.splits / plan.kv_heads;
  const Block block = block_of(plan, index, kv_head, scratch);
  begin(plan, block);
  for_each_block(plan, kv_head, split, [&](const Segment& segment, size_t first_key, size_t count) {
    add_keys(plan, block, segment, first_key, count);
  });
  finish(plan, block, split);
}

}  // namespace
}  // namespace compactor
