// Attention that keys receive (ops.ts): the plan, the merge of the spans, and the sum of the parts. The work is in
// attention_received_task.h. Logits are computed twice, first for the softmax of every row, then column by column, so
// that no matrix of weights is ever held.
#include "attention_received.h"

#include <cmath>

#include "attention_received_task.h"
#include "cpu.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kStretchRows = size_t{1} << 18;  // of all KV heads together
constexpr size_t kColumnBytes = kSharedScratchBytes / 2;
constexpr size_t kStateBytes = kSharedScratchBytes / 4;
constexpr size_t kPartWork = size_t{48} << 20;  // rows · kKeyBlock · head_dim of a task, about 10 ms
constexpr size_t kMergeRows = 1024;

static_assert(kMostReceivedKeys * sizeof(float) <= kColumnBytes, "one part fits");
static_assert(kMostReceivingHeads <= kStretchRows, "one query fits");
static_assert(kStretchRows * sizeof(SoftmaxState) <= kStateBytes, "the longest stretch fits without spans");

// The softmax of one stretch of rows over all their spans.
void merge_rows(void* arguments, size_t task, int) {
  const ReceivedPlan& plan = *static_cast<const ReceivedPlan*>(arguments);
  const size_t total = plan.rows.kv_heads * plan.rows.rows();
  const size_t start = task * kMergeRows;
  const size_t end = start + task_size(total, start, kMergeRows);
  for (size_t row = start; row < end; row++) {
    const SoftmaxState* states = plan.rows.states + row * plan.rows.splits;
    SoftmaxState merged = {kMinusInfinity, 0};
    for (size_t s = 0; s < plan.rows.splits; s++)
      merged.largest = states[s].largest > merged.largest ? states[s].largest : merged.largest;
    for (size_t s = 0; s < plan.rows.splits; s++)
      if (states[s].sum != 0) merged.sum += states[s].sum * std::exp(states[s].largest - merged.largest);
    plan.merged[row] = merged;
  }
}

// Lays out the shared scratch for a stretch and cuts it into tasks.
void share_out(ReceivedPlan& plan) {
  AttendPlan& rows = plan.rows;
  share_out_rows(rows, sizeof(SoftmaxState), kStateBytes);
  char* shared = static_cast<char*>(pool_shared_scratch(*rows.pool));
  plan.columns = reinterpret_cast<float*>(shared);
  rows.states = reinterpret_cast<SoftmaxState*>(shared + kColumnBytes);
  plan.merged = rows.splits == 1 ? rows.states : reinterpret_cast<SoftmaxState*>(shared + kColumnBytes + kStateBytes);
  const size_t block_work = rows.block_rows * kKeyBlock * rows.head_dim;
  plan.part_blocks = block_work < kPartWork ? kPartWork / block_work : 1;
  const size_t most_parts = kColumnBytes / (rows.kv_heads * plan.count * sizeof(float));
  while (task_count(rows.row_blocks, plan.part_blocks) > most_parts) plan.part_blocks *= 2;
  plan.parts = task_count(rows.row_blocks, plan.part_blocks);
}

// The parts in order, after what earlier stretches gave.
void add_parts(const ReceivedPlan& plan) {
  for (size_t head = 0; head < plan.rows.kv_heads; head++) {
    for (size_t key = 0; key < plan.count; key++) {
      float& out = plan.out[head * plan.count + key];
      double sum = out;
      for (size_t part = 0; part < plan.parts; part++) {
        const float value = plan.columns[(head * plan.parts + part) * plan.count + key];
        if (!plan.maximum)
          sum += value;
        else if (sum == sum && !(value <= sum))
          sum = value;
      }
      out = float(sum);
    }
  }
}

}  // namespace

void received_rows_scalar(void* plan, size_t task, int thread) {
  const ReceivedPlan& received = *static_cast<const ReceivedPlan*>(plan);
  received_rows(received, task, pool_scratch(*received.rows.pool, thread));
}

void received_columns_scalar(void* plan, size_t task, int thread) {
  const ReceivedPlan& received = *static_cast<const ReceivedPlan*>(plan);
  received_columns(received, task, pool_scratch(*received.rows.pool, thread));
}

bool attention_received_f32(Pool& pool, Isa isa, const float* q, size_t n, size_t heads, size_t kv_heads,
                            size_t head_dim, const Segment* segments, size_t segment_count, float scale,
                            uint32_t first_index, bool maximum, float* out, bool bf16) {
  const size_t count = segments[0].counts[0];
  for (size_t i = 0; i < kv_heads * count; i++) out[i] = 0;
  if (n * heads * count == 0) return true;
  Task row_task = received_rows_scalar;
  Task column_task = received_columns_scalar;
#if COMPACTOR_X86
  if (isa >= Isa::avx2) {
    row_task = isa >= Isa::avx512 ? received_rows_avx512 : received_rows_avx2;
    column_task = isa >= Isa::avx512 ? received_columns_avx512 : received_columns_avx2;
  }
  if (isa >= Isa::avx512 && bf16 && bf16_available()) {
    row_task = received_rows_bf16;
    column_task = received_columns_bf16;
  }
  const bool tiles = goes_by_tiles(isa, bf16, n * heads / kv_heads, head_dim);
  if (tiles) {
    row_task = received_rows_amx;
    column_task = received_columns_amx;
  }
#else
  const bool tiles = false;
#endif
  (void)isa;
  (void)bf16;
  const size_t stretch = kStretchRows / heads;
  for (size_t first = 0; first < n; first += stretch) {
    ReceivedPlan plan{};
    AttendPlan& rows = plan.rows;
    rows.q = q + first * heads * head_dim;
    rows.n = task_size(n, first, stretch);
    rows.heads = heads;
    rows.kv_heads = kv_heads;
    rows.head_dim = head_dim;
    rows.segments = segments;
    rows.segment_count = segment_count;
    rows.scale = scale;
    rows.tiles = tiles;
    rows.first_index = first_index + uint32_t(first);
    rows.pool = &pool;
    plan.count = count;
    plan.maximum = maximum;
    plan.out = out;
    share_out(plan);
    if (!pool_run(pool, kv_heads * rows.row_blocks * rows.splits, row_task, &plan)) return false;
    if (rows.splits > 1 && !pool_run(pool, task_count(kv_heads * rows.rows(), kMergeRows), merge_rows, &plan))
      return false;
    plan.key_blocks = task_count(count, kKeyBlock);
    if (!pool_run(pool, kv_heads * plan.key_blocks * plan.parts, column_task, &plan)) return false;
    add_parts(plan);
  }
  return true;
}

}  // namespace compactor
