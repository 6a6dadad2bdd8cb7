// One task of attend for the lanes of the including file: a block of rows against a span of keys, a block of keys at a
// time, with a running softmax (as in flash attention): when a larger logit appears, what was summed is scaled down.
#pragma once
#include "attend.h"
#include "attention_tiles.h"

namespace compactor {
namespace {

// Scratch of a task, all f32.
struct Block {
  size_t rows;
  size_t first_row;
  size_t kv_head;
  size_t width;     // of an output row, padded
  float* q;         // [rows][head_dim], scaled
  float* keys;      // packed
  float* values;    // packed
  float* logits;    // [rows][kKeyBlock], later the weights
  float* out;       // [rows][width]
  float* scales;    // [rows], what a larger logit does to the sums so far
  SoftmaxState* states;  // [rows]
  uint32_t* visible;     // [rows], keys of the block that the row sees
};

COMPACTOR_INLINE Block block_of(const AttendPlan& plan, size_t index, size_t kv_head, void* scratch) {
  Block block;
  block.first_row = index * plan.block_rows;
  block.rows = plan.rows() - block.first_row < plan.block_rows ? plan.rows() - block.first_row : plan.block_rows;
  block.kv_head = kv_head;
  block.width = padded(plan.head_dim);
  float* next = static_cast<float*>(scratch);
  const auto take = [&next](size_t count) {
    float* taken = next;
    next += (count + 15) / 16 * 16;
    return taken;
  };
  block.logits = take(block.rows * kKeyBlock);
  block.keys = take(kKeyBlock * plan.head_dim);
  block.values = take(kKeyBlock * block.width);
  block.q = take(block.rows * plan.head_dim);
  block.out = take(block.rows * block.width);
  block.scales = take(block.rows);
  block.states = reinterpret_cast<SoftmaxState*>(take(2 * block.rows));
  block.visible = reinterpret_cast<uint32_t*>(take(block.rows));
  return block;
}

COMPACTOR_INLINE void begin(const AttendPlan& plan, const Block& block) {
  for (size_t row = 0; row < block.rows; row++) {
    const float* q = plan.q + plan.row_offset(block.kv_head, block.first_row + row);
    for (size_t d = 0; d < plan.head_dim; d++) block.q[row * plan.head_dim + d] = q[d] * plan.scale;
    for (size_t d = 0; d < block.width; d++) block.out[row * block.width + d] = 0;
    block.states[row] = {kMinusInfinity, 0};
  }
}

// Fills `visible` for keys `first_key` … of a segment's run; false if no row sees any. Later rows see no fewer keys.
COMPACTOR_INLINE bool look(const AttendPlan& plan, const Block& block, const Segment& segment, size_t first_key,
                           size_t count) {
  for (size_t row = 0; row < block.rows; row++) {
    int64_t seen = int64_t(count);
    if (segment.causal) {
      const int64_t query = int64_t(plan.first_index) + int64_t((block.first_row + row) / plan.group());
      const int64_t below = query + 1 - int64_t(segment.causal_from) - int64_t(first_key);
      seen = below < 0 ? 0 : below < seen ? below : seen;
    }
    block.visible[row] = uint32_t(seen);
  }
  return block.visible[block.rows - 1] > 0;
}

// Logits to weights, row by row; hidden keys get weight 0. `limit` is the padded count of keys that were computed.
COMPACTOR_INLINE void weigh(const Block& block, size_t row, const float* bias, size_t limit) {
  float* logits = block.logits + row * kKeyBlock;
  const size_t visible = block.visible[row];
  if (bias != nullptr)
    for (size_t i = 0; i < visible; i++) logits[i] += bias[i];
  for (size_t i = visible; i < limit; i++) logits[i] = kMinusInfinity;
  SoftmaxState& state = block.states[row];
  const float largest = largest_value(logits, limit, state.largest);
  const float shift = largest == kMinusInfinity ? 0.0f : largest;
  float scale[kLanes];
  save(scale, exp_of_negative(all(state.largest - shift)));
  block.scales[row] = scale[0];
  state.sum = state.sum * scale[0] + exponentiate(logits, limit, shift);
  state.largest = largest;
}

// The way round values that are not finite: a weight of 0 takes nothing from them.
void add_values_one_by_one(const Block& block, size_t count) {
  for (size_t row = 0; row < block.rows; row++) {
    for (size_t d = 0; d < block.width; d++) {
      float sum = 0;
      for (size_t i = 0; i < block.visible[row]; i++) {
        const float weight = block.logits[row * kKeyBlock + i];
        if (weight != 0) sum += weight * block.values[(d / kPanel * count + i) * kPanel + d % kPanel];
      }
      float& out = block.out[row * block.width + d];
      out = out * block.scales[row] + sum;
    }
  }
}

void add_keys(const AttendPlan& plan, const Block& block, const Segment& segment, size_t first_key, size_t count) {
  if (!look(plan, block, segment, first_key, count)) return;
  const size_t start = (segment.starts[block.kv_head] + first_key) * plan.head_dim;
  const size_t element = segment.half ? sizeof(uint16_t) : sizeof(float);
  const Rows keys{static_cast<const char*>(segment.k) + start * element, plan.head_dim, segment.half};
  const Rows values{static_cast<const char*>(segment.v) + start * element, plan.head_dim, segment.half};
  const float* bias = segment.bias ? segment.bias + segment.starts[block.kv_head] + first_key : nullptr;
  count = block.visible[block.rows - 1];
  pack_keys(keys, count, plan.head_dim, block.keys);
  const Tiling tiling(block.rows);
  for (size_t panel = 0; panel * kPanel < count; panel++) {
    prefetch(keys, count + panel * kPanel, kPanel);  // probably the next block
    const float* packed = block.keys + panel * kPanel * plan.head_dim;
    for (size_t tile = 0; tile < tiling.tiles; tile++) {
      const size_t row = tiling.start(tile);
      const size_t height = tiling.height(tile);
      if (block.visible[row + height - 1] <= panel * kPanel) continue;
      kLogitsTiles[height](block.q + row * plan.head_dim, packed, plan.head_dim,
                           block.logits + row * kKeyBlock + panel * kPanel, kKeyBlock);
    }
  }
  for (size_t tile = 0; tile < tiling.tiles; tile++) {
    const size_t end = tiling.start(tile + 1);
    for (size_t row = tiling.start(tile); row < end; row++) weigh(block, row, bias, padded(block.visible[end - 1]));
  }
  if (!pack_values(values, count, plan.head_dim, block.values)) return add_values_one_by_one(block, count);
  for (size_t d = 0; d < block.width; d += kPanel) {
    prefetch(values, count + d * count / block.width, count * kPanel / block.width);
    for (size_t tile = 0; tile < tiling.tiles; tile++) {
      const size_t row = tiling.start(tile);
      const size_t height = tiling.height(tile);
      kValuesTiles[height](block.logits + row * kKeyBlock, kKeyBlock, block.values + d * count,
                           block.visible[row + height - 1], block.scales + row, block.out + row * block.width + d,
                           block.width);
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
  const size_t span_start = split * plan.span;
  const size_t span_end = span_start + plan.span;
  size_t before = 0;  // keys in the segments so far
  for (size_t i = 0; i < plan.segment_count; i++) {
    const Segment& segment = plan.segments[i];
    const size_t after = before + segment.counts[kv_head];
    size_t key = span_start > before ? span_start : before;
    const size_t end = span_end < after ? span_end : after;
    for (; key < end; key += kKeyBlock)
      add_keys(plan, block, segment, key - before, end - key < kKeyBlock ? end - key : kKeyBlock);
    before = after;
  }
  finish(plan, block, split);
}

}  // namespace
}  // namespace compactor
