// Cosine of each vector with the mean direction of its head (ops.ts), in f64. Sums over tokens are made in spans whose
// length depends on sizes alone, and added in order.
#include <cmath>

#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr double kLeastNormInMean = 1e-12;
constexpr double kLeastNormInCosine = 1e-8;
constexpr size_t kShortestSpan = 256;
constexpr size_t kMostSpans = 4096;

static_assert(kMostSpans * kMostHeadDim * sizeof(double) <= kSharedScratchBytes, "all spans fit");

struct CosinePlan {
  const float* x;
  size_t tokens;
  size_t kv_heads;
  size_t head_dim;
  size_t span;
  size_t spans;
  size_t head;
  double* anchors;  // [spans][head_dim], later the mean in [0]
  float* out;
};

// The first is larger or NaN; else `least`.
double at_least(double value, double least) { return value < least ? least : value; }

// In eight sums side by side: one after another each would wait for the last.
template <typename A, typename B>
double product_of(const A* a, const B* b, size_t count) {
  constexpr size_t kSums = 8;
  double sums[kSums] = {};
  size_t d = 0;
  for (; d + kSums <= count; d += kSums)
    for (size_t i = 0; i < kSums; i++) sums[i] += double(a[d + i]) * double(b[d + i]);
  for (; d < count; d++) sums[0] += double(a[d]) * double(b[d]);
  for (size_t i = 1; i < kSums; i++) sums[0] += sums[i];
  return sums[0];
}

template <typename T>
double norm_of(const T* x, size_t count) {
  return std::sqrt(product_of(x, x, count));
}

void add_directions(void* arguments, size_t task, int) {
  const CosinePlan& plan = *static_cast<const CosinePlan*>(arguments);
  const size_t start = task * plan.span;
  const size_t end = start + task_size(plan.tokens, start, plan.span);
  double* anchor = plan.anchors + task * plan.head_dim;
  for (size_t d = 0; d < plan.head_dim; d++) anchor[d] = 0;
  for (size_t token = start; token < end; token++) {
    const float* x = plan.x + (token * plan.kv_heads + plan.head) * plan.head_dim;
    const double norm = at_least(norm_of(x, plan.head_dim), kLeastNormInMean);
    const double factor = 1 / norm;
    for (size_t d = 0; d < plan.head_dim; d++) anchor[d] += x[d] * factor;
  }
}

void anchors_to_mean(const CosinePlan& plan) {
  for (size_t d = 0; d < plan.head_dim; d++) {
    for (size_t s = 1; s < plan.spans; s++) plan.anchors[d] += plan.anchors[s * plan.head_dim + d];
    plan.anchors[d] /= double(plan.tokens);
  }
}

void compare_directions(void* arguments, size_t task, int) {
  const CosinePlan& plan = *static_cast<const CosinePlan*>(arguments);
  const size_t start = task * plan.span;
  const size_t end = start + task_size(plan.tokens, start, plan.span);
  const double* anchor = plan.anchors;
  const double anchor_norm = at_least(norm_of(anchor, plan.head_dim), kLeastNormInCosine);
  for (size_t token = start; token < end; token++) {
    const float* x = plan.x + (token * plan.kv_heads + plan.head) * plan.head_dim;
    const double product = product_of(x, anchor, plan.head_dim);
    const double norm = at_least(norm_of(x, plan.head_dim), kLeastNormInCosine);
    plan.out[plan.head * plan.tokens + token] = float(product / (norm * anchor_norm));
  }
}

}  // namespace

bool cosine_to_mean_f32(Pool& pool, const float* x, size_t tokens, size_t kv_heads, size_t head_dim, float* out) {
  if (tokens * kv_heads == 0) return true;
  CosinePlan plan{x, tokens, kv_heads, head_dim, kShortestSpan, 0, 0, nullptr, out};
  while (task_count(tokens, plan.span) > kMostSpans) plan.span *= 2;
  plan.spans = task_count(tokens, plan.span);
  plan.anchors = static_cast<double*>(pool_shared_scratch(pool));
  for (plan.head = 0; plan.head < kv_heads; plan.head++) {
    if (!pool_run(pool, plan.spans, add_directions, &plan)) return false;
    anchors_to_mean(plan);
    if (!pool_run(pool, plan.spans, compare_directions, &plan)) return false;
  }
  return true;
}

}  // namespace compactor
