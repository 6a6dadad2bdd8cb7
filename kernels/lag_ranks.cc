// Ranks inside the partitions of lag_spread (lagRanks in ops.ts). A task is one partition of one KV head: short, unless
// partitions are far longer than the 128 tokens of the paper.
#include <algorithm>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

static_assert(kMostScoredTokens / 2 * sizeof(uint32_t) <= kScratchBytes, "the longest of two partitions fits");

struct RankPlan {
  const float* x;
  size_t tokens;
  size_t first;
  size_t partition;  // tokens of one
  size_t scored;     // partitions that have a next one
  Pool* pool;
  float* out;
};

// Whether value i ranks below value j: NaN below every number, the later of equals below the earlier.
bool ranks_below(const float* x, uint32_t i, uint32_t j) {
  const bool i_is_nan = x[i] != x[i];
  const bool j_is_nan = x[j] != x[j];
  if (i_is_nan != j_is_nan) return i_is_nan;
  if (!i_is_nan && x[i] != x[j]) return x[i] < x[j];
  return i > j;
}

void rank_partition(void* arguments, size_t task, int thread) {
  const RankPlan& plan = *static_cast<const RankPlan*>(arguments);
  const size_t start = task / plan.scored * plan.tokens + plan.first + task % plan.scored * plan.partition;
  const float* x = plan.x + start;
  uint32_t* worst_first = static_cast<uint32_t*>(pool_scratch(*plan.pool, thread));
  for (size_t i = 0; i < plan.partition; i++) worst_first[i] = uint32_t(i);
  std::sort(worst_first, worst_first + plan.partition, [x](uint32_t i, uint32_t j) { return ranks_below(x, i, j); });
  for (size_t rank = 0; rank < plan.partition; rank++)
    plan.out[start + worst_first[rank]] = float(double(rank) / double(plan.partition));
}

}  // namespace

bool lag_ranks_f32(Pool& pool, const float* x, size_t tokens, size_t kv_heads, size_t first, size_t partition,
                   float* out) {
  for (size_t i = 0; i < kv_heads * tokens; i++) out[i] = 0;
  const size_t partitions = tokens > first ? (tokens - first) / partition : 0;
  if (partitions < 2) return true;
  RankPlan plan{x, tokens, first, partition, partitions - 1, &pool, out};
  return pool_run(pool, kv_heads * plan.scored, rank_partition, &plan);
}

}  // namespace compactor
