// Attention that keys can expect from later queries (ops.ts, arXiv 2510.00636), one query head after the other: mean and
// covariance of its queries, both turned by the averaged rotation, a quadratic form for every key, softmax. Sums over
// tokens are made in spans whose length depends on sizes alone, and added in order.
#include "expected_attention.h"

#include <cmath>

#include "cpu.h"
#include "expected_attention_task.h"

namespace compactor {
namespace {

constexpr size_t kShortestSpan = 256;
constexpr size_t kMostSpans = 16;  // as long as their work stays below
constexpr size_t kSpanWork = size_t{48} << 20;  // tokens · width² of a span, about 10 ms
constexpr size_t kWidthUnit = 8;                // whole tiles in every variant
constexpr size_t kTokenBytes = 2 * kMostScoredTokens * sizeof(double);

constexpr size_t matrix_bytes(size_t count) { return count * kMostHeadDim * kMostHeadDim * sizeof(double); }
static_assert(kTokenBytes + matrix_bytes(3) + (size_t{1} << 20) <= kSharedScratchBytes, "one span fits");
static_assert(2 * kMomentBlock * kMostHeadDim * sizeof(double) <= kScratchBytes, "a block of tokens fits");

const ExpectedPlan& plan_of(void* arguments) { return *static_cast<const ExpectedPlan*>(arguments); }

void sum_queries(void* arguments, size_t span, int) {
  const ExpectedPlan& plan = plan_of(arguments);
  double* sums = plan.means + span * plan.head_dim;
  for (size_t d = 0; d < plan.head_dim; d++) sums[d] = 0;
  const size_t start = span * plan.span;
  for (size_t token = start; token < start + plan.span_size(span); token++) {
    const float* q = plan.query(token);
    for (size_t d = 0; d < plan.head_dim; d++) sums[d] += q[d];
  }
}

void sums_to_mean(const ExpectedPlan& plan) {
  for (size_t d = 0; d < plan.head_dim; d++) {
    for (size_t s = 1; s < plan.spans; s++) plan.means[d] += plan.means[s * plan.head_dim + d];
    plan.means[d] /= double(plan.tokens);
  }
}

// Row i of Σ, which it brings together from the spans, times rotation.
void multiply_covariance(void* arguments, size_t i, int thread) {
  const ExpectedPlan& plan = plan_of(arguments);
  double* row = static_cast<double*>(pool_scratch(*plan.pool, thread));
  for (size_t j = 0; j < plan.head_dim; j++) {
    const size_t at = i >= j ? i * plan.width + j : j * plan.width + i;  // of the lower triangle
    row[j] = 0;
    for (size_t s = 0; s < plan.spans; s++) row[j] += plan.moments[s * plan.width * plan.width + at];
    row[j] /= double(plan.tokens);
  }
  double* product = plan.product + i * plan.head_dim;
  for (size_t l = 0; l < plan.head_dim; l++) product[l] = 0;
  for (size_t m = 0; m < plan.head_dim; m++)
    for (size_t l = 0; l < plan.head_dim; l++) product[l] += row[m] * plan.rotation[m * plan.head_dim + l];
}

// Row j of RΣRᵀ as a triangle: what is left of the diagonal is added to what is right of it.
void rotate_covariance(void* arguments, size_t j, int) {
  const ExpectedPlan& plan = plan_of(arguments);
  double* row = plan.rotated_covariance + j * plan.width;
  for (size_t l = 0; l < plan.width; l++) row[l] = 0;
  for (size_t i = 0; i < plan.head_dim; i++) {
    const double factor = plan.rotation[i * plan.head_dim + j];
    for (size_t l = j; l < plan.head_dim; l++) row[l] += factor * plan.product[i * plan.head_dim + l];
  }
  for (size_t l = j + 1; l < plan.head_dim; l++) row[l] *= 2;
}

void rotate_mean(const ExpectedPlan& plan) {
  for (size_t l = 0; l < plan.width; l++) plan.rotated_mean[l] = 0;
  for (size_t i = 0; i < plan.head_dim; i++)
    for (size_t l = 0; l < plan.head_dim; l++)
      plan.rotated_mean[l] += plan.means[i] * plan.rotation[i * plan.head_dim + l];
}

void logits_to_powers(void* arguments, size_t span, int) {
  const ExpectedPlan& plan = plan_of(arguments);
  const size_t start = span * plan.span;
  double sum = 0;
  for (size_t token = start; token < start + plan.span_size(span); token++)
    sum += plan.logits[token] = std::exp(plan.logits[token] - plan.largest);
  plan.span_sums[span] = sum;
}

// One head's softmax into `sums`; all logits of −∞ give nothing.
void add_softmax(const ExpectedPlan& plan) {
  double sum = 0;
  for (size_t s = 0; s < plan.spans; s++) sum += plan.span_sums[s];
  for (size_t token = 0; token < plan.tokens && sum != 0; token++) plan.sums[token] += plan.logits[token] / sum;
}

// Lays out the shared scratch and cuts the tokens into spans.
void share_out(ExpectedPlan& plan) {
  double* next = static_cast<double*>(pool_shared_scratch(*plan.pool));
  const auto take = [&next](size_t count) {
    double* taken = next;
    next += (count + 7) / 8 * 8;
    return taken;
  };
  plan.logits = take(plan.tokens);
  plan.sums = take(plan.tokens);
  plan.product = take(plan.head_dim * plan.head_dim);
  plan.rotated_covariance = take(plan.head_dim * plan.width);
  plan.rotated_mean = take(plan.width);
  const double* end = static_cast<double*>(pool_shared_scratch(*plan.pool)) + kSharedScratchBytes / sizeof(double);
  const size_t span_doubles = plan.width * plan.width + plan.head_dim + 1 + 3 * 8;
  const size_t fitting = size_t(end - next) / span_doubles;
  size_t spans = task_count(plan.tokens, kShortestSpan);
  const size_t by_work = task_count(plan.tokens * plan.width * plan.width, kSpanWork);
  const size_t most = by_work > kMostSpans ? by_work : kMostSpans;
  if (spans > most) spans = most;
  if (spans > fitting) spans = fitting;
  plan.span = task_count(task_count(plan.tokens, spans), kMomentBlock) * kMomentBlock;
  plan.spans = task_count(plan.tokens, plan.span);
  plan.means = take(plan.spans * plan.head_dim);
  plan.moments = take(plan.spans * plan.width * plan.width);
  plan.span_sums = take(plan.spans);
}

// Adds what the keys of one query head can expect to `sums`; false if cut short.
bool add_head(ExpectedPlan& plan, Task moments, Task logits) {
  Pool& pool = *plan.pool;
  if (!pool_run(pool, plan.spans, sum_queries, &plan)) return false;
  sums_to_mean(plan);
  if (!pool_run(pool, plan.spans, moments, &plan)) return false;
  if (!pool_run(pool, plan.head_dim, multiply_covariance, &plan)) return false;
  if (!pool_run(pool, plan.head_dim, rotate_covariance, &plan)) return false;
  rotate_mean(plan);
  if (!pool_run(pool, plan.spans, logits, &plan)) return false;
  plan.largest = -HUGE_VAL;
  for (size_t token = 0; token < plan.tokens; token++)
    if (plan.logits[token] > plan.largest) plan.largest = plan.logits[token];
  if (plan.largest == -HUGE_VAL) plan.largest = 0;
  if (!pool_run(pool, plan.spans, logits_to_powers, &plan)) return false;
  add_softmax(plan);
  return true;
}

}  // namespace

void expected_moments_scalar(void* plan, size_t span, int thread) {
  const ExpectedPlan& expected = plan_of(plan);
  moments_of_span(expected, span, static_cast<double*>(pool_scratch(*expected.pool, thread)));
}

void expected_logits_scalar(void* plan, size_t span, int thread) {
  const ExpectedPlan& expected = plan_of(plan);
  logits_of_span(expected, span, static_cast<double*>(pool_scratch(*expected.pool, thread)));
}

bool expected_attention_f32(Pool& pool, Isa isa, const float* q, const float* k, size_t tokens, size_t heads,
                            size_t kv_heads, size_t head_dim, const float* rotation, double scale, size_t first,
                            float* out) {
  for (size_t i = 0; i < kv_heads * tokens; i++) out[i] = 0;
  if (tokens <= first) return true;
  ExpectedPlan plan{};
  plan.q = q + first * heads * head_dim;
  plan.k = k + first * kv_heads * head_dim;
  plan.tokens = tokens - first;
  plan.heads = heads;
  plan.kv_heads = kv_heads;
  plan.head_dim = head_dim;
  plan.width = task_count(head_dim, kWidthUnit) * kWidthUnit;
  plan.rotation = rotation;
  plan.scale = scale;
  plan.pool = &pool;
  share_out(plan);
  Task moments = expected_moments_scalar;
  Task logits = expected_logits_scalar;
#if COMPACTOR_X86
  if (isa != Isa::scalar) {
    moments = expected_moments_avx2;
    logits = expected_logits_avx2;
  }
#endif
  (void)isa;
  for (size_t kv_head = 0; kv_head < kv_heads; kv_head++) {
    for (size_t token = 0; token < plan.tokens; token++) plan.sums[token] = 0;
    for (plan.head = kv_head * plan.group(); plan.head < (kv_head + 1) * plan.group(); plan.head++)
      if (!add_head(plan, moments, logits)) return false;
    float* target = out + kv_head * tokens + first;
    for (size_t token = 0; token < plan.tokens; token++) target[token] = float(plan.sums[token] / double(plan.group()));
  }
  return true;
}

}  // namespace compactor
