// One task of attend for the lanes of the including file: a block of rows against a span of keys, a block of keys at a
// time; weights times values are summed beside the running softmax of attend_rows.h.
#pragma once
#include "attention_few.h"

namespace compactor {
namespace {

COMPACTOR_INLINE void begin(const AttendPlan& plan, const Block& block) {
  scale_queries(plan, block);
  for (size_t row = 0; row < block.rows; row++) {
    for (size_t d = 0; d < block.width; d++) block.out[row * block.width + d] = 0;
    block.states[row] = {kMinusInfinity, 0};
  }
}

// Weights of a tile of rows with the values of a panel of columns, of which `count` rows are packed.
COMPACTOR_INLINE void multiply_columns(const Block& block, size_t row, size_t height, size_t d, size_t count) {
  multiply_values(height, reinterpret_cast<const Factor*>(block.logits) + row * kKeyBlock, kKeyBlock,
                  block.values + d * packed_height(count), block.visible[row + height - 1], block.scales + row,
                  block.out + row * block.width + d, block.width);
}

#if defined(COMPACTOR_AMX)
// A tile's logits stay in the first-level cache until they are weights, and these until the values are added up: products take so
// little time that rows and rows of logits would mostly be waited for.
void add_by_tiles(const AttendPlan& plan, const Block& block, const KeyRun& run, size_t count) {
  pack_run(plan, block, run, count);
  const Tiling tiling(block.rows);
  for (size_t tile = 0; tile < tiling.tiles; tile++) {
    const size_t row = tiling.start(tile), height = tiling.height(tile);
    prefetch(run.values, count + tile * count / tiling.tiles, count / tiling.tiles);
    for (size_t panel = 0; panel * kPanel < count; panel++) multiply_panel(block, row, height, panel);
    weigh_tile(block, row, height, run.bias, Weights::factors);
    for (size_t d = 0; d < block.width; d += kPanel) multiply_columns(block, row, height, d, count);
  }
}
#else
void add_values(const Block& block, const Rows& values, size_t count) {
  const Tiling tiling(block.rows);
  for (size_t d = 0; d < block.width; d += kPanel) {
    prefetch(values, count + d * count / block.width, count * kPanel / block.width);
    for (size_t tile = 0; tile < tiling.tiles; tile++)
      multiply_columns(block, tiling.start(tile), tiling.height(tile), d, count);
  }
}

void add_by_tiles(const AttendPlan& plan, const Block& block, const KeyRun& run, size_t count) {
  weigh_keys(plan, block, run, count, Weights::factors);
  add_values(block, run.values, count);
}
#endif

void add_keys(const AttendPlan& plan, const Block& all, const Segment& segment, size_t first_key, size_t count) {
  const Block block = rows_for(plan, all, segment);
  if (block.rows == 0 || !look(plan, block, segment, first_key, count)) return;
  const KeyRun run = key_run(plan, block, segment, first_key);
  if (goes_straight(plan, block))
    return add_straight(plan, block, run, keys_after(plan, segment, block.kv_head, first_key + count));
  count = block.visible[block.rows - 1];
  if (pack_values(run.values, count, plan.head_dim, block.values)) return add_by_tiles(plan, block, run, count);
  weigh_keys(plan, block, run, count, Weights::floats);
  add_values_one_by_one(block, 0, block.rows, run.values, 0, plan.head_dim);
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
