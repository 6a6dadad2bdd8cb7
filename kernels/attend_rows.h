// Rows of attention against blocks of keys, for the lanes of the including file: packed keys, logits, and a running
// softmax (as in flash attention): when a larger logit appears, what was summed is scaled down. What the weights are
// used for is said in attend_task.h and attention_received_task.h.
#pragma once
#include "attend.h"
#include "attention_tiles.h"

namespace compactor {
namespace {

constexpr size_t kFewRows = 12;
constexpr size_t kQuad = 4;  // lanes that shuffle among themselves, in vectors of any width

// Scratch of a task, all of 32 bits.
struct Block {
  size_t rows;
  size_t first_row;
  size_t kv_head;
  size_t width;     // of an output row, padded
  size_t height;    // factors of a key
  Factor* keys;     // packed
  Factor* values;   // packed
  float* logits;    // [rows][kKeyBlock], later the weights
  Factor* q;        // [rows][height], scaled
  Factor* spread;   // [rows][height][kQuad] of few rows: see attention_few.h
  float* out;       // [rows][width]
  float* scales;    // [rows], what a larger logit does to the sums so far
  SoftmaxState* states;  // [rows]
  uint32_t* first;       // [rows], keys of the block before those that the row sees: its window begins later
  uint32_t* visible;     // [rows], end of the keys of the block that the row sees
};

// Keys come first: they stay in their place from one row block to the next, whatever its height.
COMPACTOR_INLINE Block block_of(const AttendPlan& plan, size_t index, size_t kv_head, void* scratch) {
  Block block;
  block.first_row = index * plan.block_rows;
  block.rows = plan.rows() - block.first_row < plan.block_rows ? plan.rows() - block.first_row : plan.block_rows;
  block.kv_head = kv_head;
  block.width = padded(plan.head_dim);
  block.height = factor_count(plan.head_dim);
  float* next = static_cast<float*>(scratch);
  const auto take = [&next](size_t count) {
    float* taken = next;
    next += (count + 15) / 16 * 16;
    return taken;
  };
  block.keys = reinterpret_cast<Factor*>(take(kKeyBlock * block.height));
  block.values = reinterpret_cast<Factor*>(take(factor_count(kKeyBlock) * block.width));
  const size_t tall = block.rows + kProductRows - 1;  // what is computed with the last of them
  block.logits = take(tall * kKeyBlock);
  block.q = reinterpret_cast<Factor*>(take(tall * block.height));
  const size_t few = block.rows < kFewRows ? block.rows : kFewRows;
  block.spread = reinterpret_cast<Factor*>(take(few * block.height * kQuad));
  block.out = take(block.rows * block.width);
  block.scales = take(block.rows);
  block.states = reinterpret_cast<SoftmaxState*>(take(2 * block.rows));
  block.first = reinterpret_cast<uint32_t*>(take(block.rows));
  block.visible = reinterpret_cast<uint32_t*>(take(block.rows));
  return block;
}

COMPACTOR_INLINE void scale_queries(const AttendPlan& plan, const Block& block) {
  for (size_t row = 0; row < block.rows; row++) {
    const float* q = plan.q + plan.row_offset(block.kv_head, block.first_row + row);
    make_factors(q, plan.head_dim, plan.scale, block.q + row * block.height);
  }
}

// The rows of the block that the segment is for, maybe none.
COMPACTOR_INLINE Block rows_for(const AttendPlan& plan, const Block& block, const Segment& segment) {
  if (segment.query_count == kAllQueries) return block;
  const uint64_t first = uint64_t{segment.first_query} * plan.group();
  const uint64_t end = first + uint64_t{segment.query_count} * plan.group();
  const uint64_t block_end = block.first_row + block.rows;
  const size_t from = first > block.first_row ? (first < block_end ? first : block_end) : block.first_row;
  const size_t to = end < block_end ? end : block_end;
  const size_t skipped = from - block.first_row;
  Block part = block;
  part.first_row = from;
  part.rows = to > from ? to - from : 0;
  part.q += skipped * block.height;
  part.out += skipped * block.width;
  part.scales += skipped;
  part.states += skipped;
  part.first += skipped;
  part.visible += skipped;
  return part;
}

// Fills `first` and `visible` for keys `first_key` … of a segment's run; false if no row sees any. From row to row both
// stay or grow.
COMPACTOR_INLINE bool look(const AttendPlan& plan, const Block& block, const Segment& segment, size_t first_key,
                           size_t count) {
  for (size_t row = 0; row < block.rows; row++) {
    const int64_t all = int64_t(count);
    int64_t before = 0, seen = all;
    if (segment.causal) {
      const int64_t query = int64_t(plan.first_index) + int64_t((block.first_row + row) / plan.group());
      const int64_t below = query + 1 - int64_t(segment.causal_from) - int64_t(first_key);
      const int64_t hidden = below - int64_t(segment.window);
      seen = below < 0 ? 0 : below < all ? below : all;
      before = hidden < 0 ? 0 : hidden < seen ? hidden : seen;
    }
    block.first[row] = uint32_t(before);
    block.visible[row] = uint32_t(seen);
  }
  return block.visible[block.rows - 1] > 0 && block.first[0] < count;
}

// A stretch of a segment's run as one KV head has it.
struct KeyRun {
  Rows keys;
  Rows values;
  const float* bias;  // or null
};

COMPACTOR_INLINE KeyRun key_run(const AttendPlan& plan, const Block& block, const Segment& segment, size_t first_key) {
  const size_t start = (segment.starts[block.kv_head] + first_key) * plan.head_dim;
  const size_t element = segment.half ? sizeof(uint16_t) : sizeof(float);
  return {{static_cast<const char*>(segment.k) + start * element, plan.head_dim, segment.half},
          {static_cast<const char*>(segment.v) + start * element, plan.head_dim, segment.half},
          segment.bias ? segment.bias + segment.starts[block.kv_head] + first_key : nullptr};
}

// Logits of a tile of rows with a panel of packed keys, bias not yet added, unless none of the rows sees any of these.
COMPACTOR_INLINE void multiply_panel(const Block& block, size_t row, size_t height, size_t panel) {
  if (block.visible[row + height - 1] <= panel * kPanel || block.first[row] >= (panel + 1) * kPanel) return;
  multiply_logits(height, block.q + row * block.height, block.keys + panel * kPanel * block.height, block.height,
                  block.logits + row * kKeyBlock + panel * kPanel, kKeyBlock);
}

// Logits with `count` packed keys.
COMPACTOR_INLINE void multiply_keys(const Block& block, size_t count) {
  const Tiling tiling(block.rows);
  for (size_t panel = 0; panel * kPanel < count; panel++)
    for (size_t tile = 0; tile < tiling.tiles; tile++)
      multiply_panel(block, tiling.start(tile), tiling.height(tile), panel);
}

// Adds the bias to the logits that the row sees and hides the others, up to `limit`, the padded count of keys that were
// computed.
COMPACTOR_INLINE float* visible_logits(const Block& block, size_t row, const float* bias, size_t limit) {
  float* logits = block.logits + row * kKeyBlock;
  const size_t visible = block.visible[row];
  const size_t first = block.first[row];
  if (bias != nullptr)
    for (size_t i = first; i < visible; i++) logits[i] += bias[i];
  for (size_t i = 0; i < first; i++) logits[i] = kMinusInfinity;
  for (size_t i = visible; i < limit; i++) logits[i] = kMinusInfinity;
  return logits;
}

enum class Weights { floats, factors };

// Logits to weights, row by row; hidden keys get weight 0.
COMPACTOR_INLINE void weigh(const Block& block, size_t row, const float* bias, size_t limit, Weights as) {
  float* logits = visible_logits(block, row, bias, limit);
  SoftmaxState& state = block.states[row];
  const float largest = largest_value(logits, limit, state.largest);
  const float shift = largest == kMinusInfinity ? 0.0f : largest;
  float scale[kLanes] = {1};
  if (largest != state.largest) save(scale, exp_of_negative(all(state.largest - shift)));
  block.scales[row] = scale[0];
#if defined(COMPACTOR_BF16)
  const float sum = as == Weights::factors ? exponentiate_to_factors(logits, limit, shift)
                                           : exponentiate(logits, limit, shift);
#else
  const float sum = exponentiate(logits, limit, shift);  // which are the factors
  (void)as;
#endif
  state.sum = state.sum * scale[0] + sum;
  state.largest = largest;
}

#if defined(COMPACTOR_AMX)
// The same row by row in each of three steps: what one row waits for (its largest logit is needed everywhere, and found by steps
// that need each other) goes on beside the next rows.
void weigh_tile_to_factors(const Block& block, size_t row, size_t height, const float* bias, size_t limit) {
  alignas(64) float before[kProductRows] = {}, largest[kProductRows] = {}, shifts[kProductRows], scales[kProductRows];
  for (size_t r = 0; r < height; r++) {
    before[r] = block.states[row + r].largest;
    largest[r] = largest_value(visible_logits(block, row + r, bias, limit), limit, before[r]);
  }
  for (size_t r = 0; r < kProductRows; r += kLanes) {
    const Lanes seen = load(largest + r);
    const Lanes shift = lanes_of_bits(bits_of_lanes(seen) & (seen != kMinusInfinity));
    save(shifts + r, shift);
    save(scales + r, exp_of_negative(load(before + r) - shift));
  }
  for (size_t r = 0; r < height; r++) {
    const float sum = exponentiate_to_factors(block.logits + (row + r) * kKeyBlock, limit, shifts[r]);
    SoftmaxState& state = block.states[row + r];
    state = {largest[r], state.sum * scales[r] + sum};
    block.scales[row + r] = scales[r];
  }
}
#endif

// Asks for the keys that follow meanwhile.
COMPACTOR_INLINE void pack_run(const AttendPlan& plan, const Block& block, const KeyRun& run, size_t count) {
  const Rows next = run.keys.from(count);
  for (size_t first = 0; first < count; first += kPanel) {
    prefetch(next, first, kPanel);
    pack_keys(run.keys.from(first), count - first < kPanel ? count - first : kPanel, plan.head_dim,
              block.keys + first * block.height);
  }
}

// A tile of rows.
COMPACTOR_INLINE void weigh_tile(const Block& block, size_t row, size_t height, const float* bias, Weights as) {
  const size_t limit = padded(block.visible[row + height - 1]);
#if defined(COMPACTOR_AMX)
  if (as == Weights::factors) return weigh_tile_to_factors(block, row, height, bias, limit);
#endif
  for (const size_t end = row + height; row < end; row++) weigh(block, row, bias, limit, as);
}

// Weights of the first `count` keys of a run, and the softmax of every row brought up to date.
COMPACTOR_INLINE void weigh_keys(const AttendPlan& plan, const Block& block, const KeyRun& run, size_t count,
                                 Weights as) {
  pack_run(plan, block, run, count);
  multiply_keys(block, count);
  const Tiling tiling(block.rows);
  for (size_t tile = 0; tile < tiling.tiles; tile++)
    weigh_tile(block, tiling.start(tile), tiling.height(tile), run.bias, as);
}

// Calls take(segment, first key, key count) for every block of keys in one span of a KV head's segments.
template <typename Take>
COMPACTOR_INLINE void for_each_block(const AttendPlan& plan, size_t kv_head, size_t split, Take take) {
  const size_t span_start = split * plan.span;
  const size_t span_end = span_start + plan.span;
  size_t before = 0;  // keys in the segments so far
  for (size_t i = 0; i < plan.segment_count; i++) {
    const Segment& segment = plan.segments[i];
    const size_t after = before + segment.counts[kv_head];
    size_t key = span_start > before ? span_start : before;
    const size_t end = span_end < after ? span_end : after;
    for (; key < end; key += kKeyBlock) take(segment, key - before, end - key < kKeyBlock ? end - key : kKeyBlock);
    before = after;
  }
}

}  // namespace
}  // namespace compactor
