// Leverage of keys (ops.ts, ALGORITHMS of arXiv 2507.08143): mean, projection, Gram matrix, Cholesky factor, and
// ‖L⁻¹x‖² of every key. The last two are one product: L⁻¹Φᵀ is formed once per chunk and KV head.
//
// Sums over tokens are made in spans whose length depends on sizes alone, and added in order.
#include "leverage.h"

#include <cmath>

#include "cpu.h"
#include "leverage_task.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kShortestSpan = 256;  // tokens, a multiple of kTokenBlock
constexpr size_t kMostSpans = 16;      // of a chunk, as long as their work stays below
constexpr size_t kSpanWork = size_t{48} << 20;  // tokens · head_dim · width of a span, about 10 ms
constexpr int kRidgeTries = 20;        // each ten times stronger, as in the reference
constexpr size_t kWidthUnit = 8;       // whole tiles in every variant

// Column sums of a span's keys.
void sum_span(void* arguments, size_t task, int) {
  const LeveragePlan& plan = *static_cast<const LeveragePlan*>(arguments);
  const LeverageSpan span(plan, task);
  double* sums = plan.sums + task * plan.head_dim;
  for (size_t d = 0; d < plan.head_dim; d++) sums[d] = 0;
  for (size_t i = 0; i < span.count; i++) {
    const float* k = plan.k + ((span.start + i) * plan.kv_heads + span.kv_head) * plan.head_dim;
    for (size_t d = 0; d < plan.head_dim; d++) sums[d] += k[d];
  }
}

void sums_to_means(const LeveragePlan& plan, size_t pairs) {
  for (size_t pair = 0; pair < pairs; pair++) {
    double* means = plan.sums + pair * plan.spans * plan.head_dim;
    const size_t chunk_start = (plan.first_pair + pair) % plan.chunks * plan.chunk;
    const size_t count = task_size(plan.tokens, chunk_start, plan.chunk);
    for (size_t d = 0; d < plan.head_dim; d++) {
      for (size_t s = 1; s < plan.spans; s++) means[d] += means[s * plan.head_dim + d];
      means[d] /= double(count);
    }
  }
}

// lower ← L with L·Lᵀ = gram + ridge·I; false if that is not positive definite.
bool factorise(const double* gram, size_t width, size_t size, double ridge, double* lower) {
  for (size_t i = 0; i < size; i++) {
    for (size_t j = 0; j <= i; j++) {
      double rest = gram[i * width + j] + (i == j ? ridge : 0.0);
      for (size_t m = 0; m < j; m++) rest -= lower[i * size + m] * lower[j * size + m];
      if (i != j) {
        lower[i * size + j] = rest / lower[j * size + j];
        continue;
      }
      if (!(rest > 0 && rest < HUGE_VAL)) return false;
      lower[i * size + i] = std::sqrt(rest);
    }
  }
  return true;
}

// solved [rows][width] ← rows of (projection · L⁻ᵀ): each row of the projection solved with L.
void solve_projection(const LeveragePlan& plan, const double* lower, double* solved) {
  for (size_t d = 0; d < plan.head_dim; d++) {
    double* row = solved + d * plan.width;
    for (size_t i = 0; i < plan.width; i++) {
      if (i >= plan.size) {
        row[i] = 0;
        continue;
      }
      double rest = plan.projection[d * plan.width + i];
      for (size_t j = 0; j < i; j++) rest -= lower[i * plan.size + j] * row[j];
      row[i] = rest / lower[i * plan.size + i];
    }
  }
}

// Adds the spans' Gram matrices and leaves L⁻¹Φᵀ, transposed, in their place; NaN if no ridge is strong enough.
void solve_pair(void* arguments, size_t pair, int thread) {
  const LeveragePlan& plan = *static_cast<const LeveragePlan*>(arguments);
  double* gram = plan.grams + pair * plan.spans * plan.gram_stride;
  for (size_t s = 1; s < plan.spans; s++)
    for (size_t i = 0; i < plan.width * plan.width; i++) gram[i] += gram[s * plan.gram_stride + i];
  double* lower = static_cast<double*>(pool_scratch(*plan.pool, thread));
  double ridge = plan.ridge;
  bool positive = false;
  for (int i = 0; i <= kRidgeTries && !positive; i++, ridge *= 10)
    positive = factorise(gram, plan.width, plan.size, ridge, lower);
  if (positive) return solve_projection(plan, lower, gram);
  for (size_t i = 0; i < plan.head_dim * plan.width; i++) gram[i] = NAN;
}

void fill_projection(const LeveragePlan& plan) {
  for (size_t d = 0; d < plan.head_dim; d++) {
    for (size_t i = 0; i < plan.width; i++) {
      const double identity = i == d ? 1.0 : 0.0;
      plan.projection[d * plan.width + i] =
          i >= plan.size ? 0.0 : plan.sketch ? double(plan.sketch[d * plan.size + i]) : identity;
    }
  }
}

// Lays out the shared scratch; gives how many pairs fit into one run, at least one.
size_t share_out(LeveragePlan& plan) {
  const size_t largest = plan.width > plan.head_dim ? plan.width : plan.head_dim;
  plan.gram_stride = largest * plan.width;
  plan.projection = static_cast<double*>(pool_shared_scratch(*plan.pool));
  plan.sums = plan.projection + plan.head_dim * plan.width;
  const size_t span_doubles = plan.head_dim + plan.gram_stride;
  const size_t room = kSharedScratchBytes / sizeof(double) - plan.head_dim * plan.width;
  size_t spans = task_count(plan.chunk, kShortestSpan);
  const size_t by_work = task_count(plan.chunk * plan.head_dim * plan.width, kSpanWork);
  const size_t most = by_work > kMostSpans ? by_work : kMostSpans;
  if (spans > most) spans = most;
  if (spans > room / span_doubles) spans = room / span_doubles;
  plan.span = task_count(task_count(plan.chunk, spans), kTokenBlock) * kTokenBlock;
  plan.spans = task_count(plan.chunk, plan.span);
  const size_t all_pairs = plan.kv_heads * plan.chunks;
  const size_t fitting = room / (plan.spans * span_doubles);
  const size_t pairs = fitting < all_pairs ? fitting : all_pairs;
  plan.grams = plan.sums + pairs * plan.spans * plan.head_dim;
  return pairs;
}

}  // namespace

void leverage_gram_scalar(void* plan, size_t task, int thread) {
  const LeveragePlan& leverage = *static_cast<const LeveragePlan*>(plan);
  gram_of_span(leverage, task, static_cast<double*>(pool_scratch(*leverage.pool, thread)));
}

void leverage_rows_scalar(void* plan, size_t task, int thread) {
  const LeveragePlan& leverage = *static_cast<const LeveragePlan*>(plan);
  rows_of_span(leverage, task, static_cast<double*>(pool_scratch(*leverage.pool, thread)));
}

bool leverage_f32(Pool& pool, Isa isa, const float* k, size_t tokens, size_t kv_heads, size_t head_dim,
                  const float* sketch, size_t sketch_size, double ridge, size_t chunk, float* out) {
  if (tokens * kv_heads == 0) return true;
  LeveragePlan plan{};
  plan.k = k;
  plan.tokens = tokens;
  plan.kv_heads = kv_heads;
  plan.head_dim = head_dim;
  plan.sketch = sketch;
  plan.size = sketch ? sketch_size : head_dim;
  plan.width = task_count(plan.size, kWidthUnit) * kWidthUnit;
  plan.ridge = ridge;
  plan.chunk = chunk == 0 || chunk > tokens ? tokens : chunk;
  plan.chunks = task_count(tokens, plan.chunk);
  plan.out = out;
  plan.pool = &pool;
  const size_t pairs = share_out(plan);
  fill_projection(plan);
  Task gram = leverage_gram_scalar;
  Task rows = leverage_rows_scalar;
#if COMPACTOR_X86
  if (isa >= Isa::avx2) {
    gram = leverage_gram_avx2;
    rows = leverage_rows_avx2;
  }
#endif
  (void)isa;
  const size_t all_pairs = kv_heads * plan.chunks;
  for (plan.first_pair = 0; plan.first_pair < all_pairs; plan.first_pair += pairs) {
    const size_t count = task_size(all_pairs, plan.first_pair, pairs);
    if (!pool_run(pool, count * plan.spans, sum_span, &plan)) return false;
    sums_to_means(plan, count);
    if (!pool_run(pool, count * plan.spans, gram, &plan)) return false;
    if (!pool_run(pool, count, solve_pair, &plan)) return false;
    if (!pool_run(pool, count * plan.spans, rows, &plan)) return false;
  }
  return true;
}

}  // namespace compactor
