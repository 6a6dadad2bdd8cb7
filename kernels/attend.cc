// Softmax attention of queries over runs of keys: the plan and the merge. The work is in attend_task.h.
//
// A task is a block of rows of one KV head against all keys, or against a span of them where there are too few row
// blocks to keep threads busy (decoding: one query) or so many keys that an abort would wait long for a task; partial
// results are merged in the order of the spans. The plan depends on sizes alone, so every thread count gives the same
// bits.
#include "attend.h"

#include <cmath>

#include "attend_task.h"
#include "cpu.h"
#include "row_ranges.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kBlockRows = 192;       // at most; a multiple of the tile height
constexpr size_t kTilesRows = 32;        // rows, and values of a head, of whole tile registers
constexpr size_t kTilesBlockRows = 384;  // keys and values are packed for each block, which takes longer than a few rows' products
constexpr size_t kTilesEnoughTasks = 12;
constexpr size_t kFewestRows = 48;
constexpr size_t kEnoughTasks = 32;      // row blocks beyond which keys are not shared out
constexpr size_t kShortestSpan = 512;    // a multiple of kKeyBlock
constexpr size_t kTaskWork = size_t{64} << 20;  // rows · keys · head_dim of one task, about 10 ms
constexpr size_t kTilesWork = 8 * kTaskWork;    // by tile registers

size_t keys_of(const AttendPlan& plan, size_t kv_head) {
  size_t keys = 0;
  for (size_t i = 0; i < plan.segment_count; i++) keys += plan.segments[i].counts[kv_head];
  return keys;
}

size_t longest_run(const AttendPlan& plan) {
  size_t longest = 0;
  for (size_t head = 0; head < plan.kv_heads; head++) {
    const size_t keys = keys_of(plan, head);
    longest = keys > longest ? keys : longest;
  }
  return longest;
}

constexpr size_t kMergeRows = 16;

// One stretch of rows of all KV heads: partial sums brought to the largest logit of all spans, in their order.
void merge_task(void* arguments, size_t task, int) {
  const AttendPlan& plan = *static_cast<const AttendPlan*>(arguments);
  const size_t total = plan.kv_heads * plan.rows();
  const size_t start = task * kMergeRows;
  const size_t end = start + task_size(total, start, kMergeRows);
  for (size_t row = start; row < end; row++) {
    const SoftmaxState* states = plan.states + row * plan.splits;
    const float* partials = plan.partials + row * plan.splits * plan.head_dim;
    float largest = kMinusInfinity;
    for (size_t s = 0; s < plan.splits; s++) largest = states[s].largest > largest ? states[s].largest : largest;
    const float shift = largest == kMinusInfinity ? 0.0f : largest;
    float* out = plan.out + plan.row_offset(row / plan.rows(), row % plan.rows());
    for (size_t d = 0; d < plan.head_dim; d++) out[d] = 0;
    float sum = 0;
    for (size_t s = 0; s < plan.splits; s++) {
      const float scale = std::exp(states[s].largest - shift);
      if (states[s].sum == 0) continue;
      sum += states[s].sum * scale;
      for (size_t d = 0; d < plan.head_dim; d++) out[d] += partials[s * plan.head_dim + d] * scale;
    }
    for (size_t d = 0; d < plan.head_dim && sum != 0; d++) out[d] /= sum;
  }
}

// Tasks of few rows in stretches, one for each thread: what a task asks for ahead is then what its thread does next. An abort
// waits for the whole of it, which is no longer than keys and values of a layer take to be read: 50 ms for 512 MB on one thread.
struct Stretches {
  RowRanges tasks;
  Task task;
  AttendPlan* plan;
};

void run_stretch(void* arguments, size_t own, int thread) {
  Stretches& stretches = *static_cast<Stretches*>(arguments);
  stretches.tasks.work(own, [&](size_t task, size_t) { stretches.task(stretches.plan, task, thread); });
}

bool run_tasks(Pool& pool, Task task, AttendPlan& plan) {
  const size_t count = plan.kv_heads * plan.row_blocks * plan.splits;
  if (plan.rows() > kFewRows) return pool_run(pool, count, task, &plan);
  Stretches stretches{RowRanges(), task, &plan};
  stretches.tasks.share_out_evenly(count, size_t(pool_thread_count(pool)), [&plan](size_t task) {
    const size_t keys = keys_of(plan, task / plan.splits % plan.kv_heads), first = task % plan.splits * plan.span;
    return 1 + (keys > first ? task_size(keys, first, plan.span) : 0);
  });
  return pool_run(pool, stretches.tasks.count(), run_stretch, &stretches);
}

#if COMPACTOR_X86
// Where there are tiles, an instruction for pairs of bfloat16 takes longer than two multiply-adds, and few rows that go straight to keys
// (goes_straight) need no packing that pairs would make shorter. Measured: 1.2 to 1.5 times as fast, and exact.
bool few_by_floats(Isa isa, size_t rows, size_t head_dim) {
  return isa >= Isa::amx && rows <= kFewRows && head_dim % kTilesRows == 0 && head_dim <= kMostFilled;
}
#endif

}  // namespace

bool goes_by_tiles(Isa isa, bool bf16, size_t rows, size_t head_dim) {
  return isa >= Isa::amx && bf16 && rows > kFewRows && head_dim % kTilesRows == 0;
}

void share_out_rows(AttendPlan& plan, size_t state_bytes, size_t room) {
  const size_t keys = longest_run(plan);
  const size_t work = keys * plan.head_dim;
  const size_t most_work = plan.tiles ? kTilesWork : kTaskWork;
  const size_t unit = plan.tiles ? kTilesRows : kTileRows;
  const size_t most_rows = plan.tiles ? kTilesBlockRows : kBlockRows, enough = plan.tiles ? kTilesEnoughTasks : kEnoughTasks;
  plan.block_rows = work <= most_work / most_rows ? most_rows : most_work / work;
  plan.block_rows = plan.block_rows / unit * unit;
  if (plan.block_rows < kFewestRows) plan.block_rows = task_count(kFewestRows, unit) * unit;
  plan.row_blocks = task_count(plan.rows(), plan.block_rows);
  const size_t blocks = plan.row_blocks * plan.kv_heads;
  const size_t for_threads = blocks >= enough ? 1 : enough / blocks;
  const size_t height = plan.rows() < plan.block_rows ? plan.rows() : plan.block_rows;
  const size_t for_aborts = task_count(work * height, most_work);
  const size_t splits = for_threads > for_aborts ? for_threads : for_aborts;
  plan.span = task_count(task_count(keys, splits), kKeyBlock) * kKeyBlock;
  if (plan.span < kShortestSpan) plan.span = kShortestSpan;
  const size_t fitting = room / (plan.kv_heads * plan.rows() * state_bytes);
  while (task_count(keys, plan.span) > 1 && task_count(keys, plan.span) > fitting) plan.span *= 2;
  plan.splits = keys > plan.span ? task_count(keys, plan.span) : 1;
}

void attend_task_scalar(void* plan, size_t task, int thread) {
  const AttendPlan& attend = *static_cast<const AttendPlan*>(plan);
  attend_block(attend, task, pool_scratch(*attend.pool, thread));
}

bool attend_f32(Pool& pool, Isa isa, const float* q, size_t n, size_t heads, size_t kv_heads, size_t head_dim,
                const Segment* segments, size_t segment_count, float scale, uint32_t first_index, float* out,
                bool bf16) {
  if (n * heads * head_dim == 0) return true;
  AttendPlan plan{};
  plan.q = q;
  plan.n = n;
  plan.heads = heads;
  plan.kv_heads = kv_heads;
  plan.head_dim = head_dim;
  plan.segments = segments;
  plan.segment_count = segment_count;
  plan.scale = scale;
  plan.first_index = first_index;
  plan.out = out;
  plan.pool = &pool;
  plan.tiles = goes_by_tiles(isa, bf16, plan.rows(), head_dim);
  share_out_rows(plan, sizeof(SoftmaxState) + head_dim * sizeof(float), kSharedScratchBytes);
  if (plan.splits > 1) {
    plan.states = static_cast<SoftmaxState*>(pool_shared_scratch(pool));
    plan.partials = reinterpret_cast<float*>(plan.states + kv_heads * plan.rows() * plan.splits);
  }
  Task task = attend_task_scalar;
#if COMPACTOR_X86
  if (isa >= Isa::avx2) task = isa >= Isa::avx512 ? attend_task_avx512 : attend_task_avx2;
  if (isa >= Isa::avx512 && bf16 && bf16_available() && !few_by_floats(isa, plan.rows(), head_dim)) task = attend_task_bf16;
  if (plan.tiles) task = attend_task_amx;
#endif
  (void)isa;
  (void)bf16;
  if (!run_tasks(pool, task, plan)) return false;
  if (plan.splits == 1) return true;
  return pool_run(pool, task_count(kv_heads * plan.rows(), kMergeRows), merge_task, &plan);
}

}  // namespace compactor
