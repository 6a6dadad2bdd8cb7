// Cosine of each vector with the mean direction of its head (ops.ts), in f64. Sums over tokens are made in spans whose
// length depends on sizes alone, and added in order.
#include "cosine_to_mean.h"

#include <cmath>

#include "cosine_to_mean_task.h"
#include "cpu.h"

namespace compactor {
namespace {

constexpr size_t kShortestSpan = 256;
constexpr size_t kMostSpans = 256;
constexpr size_t kMostHeads = 16;  // of a run

static_assert((kMostSpans * kMostHeadDim + 1) * kMostHeads * sizeof(double) <= kSharedScratchBytes, "all spans fit");

void anchors_to_means(const CosinePlan& plan) {
  const size_t values = plan.heads * plan.head_dim;
  for (size_t s = 1; s < plan.spans; s++)
    for (size_t i = 0; i < values; i++) plan.anchors[i] += plan.anchors[s * values + i];
  for (size_t i = 0; i < values; i++) plan.anchors[i] /= double(plan.tokens);
  for (size_t head = 0; head < plan.heads; head++) {
    double squares = 0;
    for (const double *mean = plan.anchors + head * plan.head_dim, *end = mean + plan.head_dim; mean < end; mean++)
      squares += *mean * *mean;
    plan.anchor_norms[head] = at_least(std::sqrt(squares), kLeastNormInCosine);
  }
}

const CosineTasks& tasks_for(Isa isa) {
#if COMPACTOR_X86
  if (isa >= Isa::avx2) return kCosineAvx2;
#endif
  (void)isa;
  return kCosineScalar;
}

}  // namespace

const CosineTasks kCosineScalar = kTasks;

bool cosine_to_mean_f32(Pool& pool, Isa isa, const float* x, size_t tokens, size_t kv_heads, size_t head_dim, float* out) {
  if (tokens * kv_heads == 0) return true;
  CosinePlan plan{};
  plan.x = x;
  plan.tokens = tokens;
  plan.kv_heads = kv_heads;
  plan.head_dim = head_dim;
  plan.span = kShortestSpan;
  while (task_count(tokens, plan.span) > kMostSpans) plan.span *= 2;
  plan.spans = task_count(tokens, plan.span);
  plan.anchor_norms = static_cast<double*>(pool_shared_scratch(pool));
  plan.anchors = plan.anchor_norms + kMostHeads;
  plan.out = out;
  const CosineTasks& tasks = tasks_for(isa);
  for (; plan.first_head < kv_heads; plan.first_head += kMostHeads) {
    plan.heads = task_size(kv_heads, plan.first_head, kMostHeads);
    if (!pool_run(pool, plan.spans, tasks.add, &plan)) return false;
    anchors_to_means(plan);
    if (!pool_run(pool, plan.spans, tasks.compare, &plan)) return false;
  }
  return true;
}

}  // namespace compactor
