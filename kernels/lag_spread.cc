// Spread of each vector's channels on the scale of the next partition (lagSpread in ops.ts), in f64. A task is one
// partition of one KV head: short, unless partitions are far longer than the 128 tokens of the paper.
#include <cmath>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

static_assert(kMostScoredTokens / 2 * sizeof(double) + 2 * kMostHeadDim * sizeof(double) <= kScratchBytes,
              "the longest of two partitions fits");

struct LagPlan {
  const float* x;
  size_t tokens;
  size_t kv_heads;
  size_t head_dim;
  size_t first;
  size_t partition;  // tokens of one
  size_t scored;     // partitions that have a next one
  Pool* pool;
  float* out;

  const float* row(size_t token, size_t head) const { return x + (token * kv_heads + head) * head_dim; }
};

// NaN wins over everything.
double lesser(double a, double b) { return b < a || b != b ? b : a; }
double greater(double a, double b) { return b > a || b != b ? b : a; }

// Smallest value and range of every channel in the partition that starts at `start`; a range of 0 becomes 1.
void find_ranges(const LagPlan& plan, size_t head, size_t start, double* least, double* range) {
  for (size_t d = 0; d < plan.head_dim; d++) least[d] = range[d] = plan.row(start, head)[d];
  for (size_t i = 1; i < plan.partition; i++) {
    const float* x = plan.row(start + i, head);
    for (size_t d = 0; d < plan.head_dim; d++) {
      least[d] = lesser(least[d], x[d]);
      range[d] = greater(range[d], x[d]);
    }
  }
  for (size_t d = 0; d < plan.head_dim; d++) {
    range[d] -= least[d];
    if (range[d] == 0) range[d] = 1;
  }
}

double spread_of(const float* x, const double* least, const double* range, size_t count) {
  double sum = 0;
  for (size_t d = 0; d < count; d++) sum += (x[d] - least[d]) / range[d];
  const double mean = sum / double(count);
  double squares = 0;
  for (size_t d = 0; d < count; d++) {
    const double rest = (x[d] - least[d]) / range[d] - mean;
    squares += rest * rest;
  }
  return std::sqrt(squares / double(count > 1 ? count - 1 : 1));
}

void score_partition(void* arguments, size_t task, int thread) {
  const LagPlan& plan = *static_cast<const LagPlan*>(arguments);
  const size_t head = task / plan.scored;
  const size_t start = plan.first + task % plan.scored * plan.partition;
  double* least = static_cast<double*>(pool_scratch(*plan.pool, thread));
  double* range = least + plan.head_dim;
  double* spreads = range + plan.head_dim;
  find_ranges(plan, head, start + plan.partition, least, range);
  double largest = -HUGE_VAL;
  for (size_t i = 0; i < plan.partition; i++) {
    spreads[i] = spread_of(plan.row(start + i, head), least, range, plan.head_dim);
    largest = greater(largest, spreads[i]);
  }
  double sum = 0;
  for (size_t i = 0; i < plan.partition; i++) sum += spreads[i] = std::exp(spreads[i] - largest);
  float* out = plan.out + head * plan.tokens + start;
  for (size_t i = 0; i < plan.partition; i++) out[i] = float(spreads[i] / sum);
}

}  // namespace

bool lag_spread_f32(Pool& pool, const float* x, size_t tokens, size_t kv_heads, size_t head_dim, size_t first,
                    size_t partition, float* out) {
  for (size_t i = 0; i < kv_heads * tokens; i++) out[i] = 0;
  const size_t partitions = tokens > first ? (tokens - first) / partition : 0;
  if (partitions < 2) return true;
  LagPlan plan{x, tokens, kv_heads, head_dim, first, partition, partitions - 1, &pool, out};
  return pool_run(pool, kv_heads * plan.scored, score_partition, &plan);
}

}  // namespace compactor
