// Leverage of keys (ops.ts, ALGORITHMS of arXiv 2507.08143): mean, Gram matrix, Cholesky factor, and ‖R⁻ᵀx‖² of every
// projected key x. Projecting and solving are one product: Φ·R⁻¹ is formed once per chunk and KV head. The Gram matrix of
// projected keys is also ΦᵀGΦ with G that of the keys; which of the two is summed over tokens depends on their sizes.
//
// Sums over tokens are made in spans whose length depends on sizes alone, and added in order.
#include "leverage.h"

#include "cpu.h"
#include "leverage_task.h"
#include "tasks.h"

namespace compactor {
namespace {

constexpr size_t kShortestSpan = 512;  // tokens, a multiple of kTokenBlock
constexpr size_t kMostSpans = 16;      // of a chunk, as long as their work stays below
constexpr size_t kSpanWork = size_t{48} << 20;  // tokens · head_dim · width of a span, about 10 ms
constexpr size_t kWidthUnit = 8;       // whole vectors in every variant

static_assert(2 * kMostHeadDim * kMostHeadDim * sizeof(double) <= kScratchBytes, "two matrices fit");

void fill_projection(const LeveragePlan& plan) {
  for (size_t d = 0; d < plan.key_width; d++) {
    for (size_t i = 0; i < plan.width; i++) {
      const bool exists = d < plan.head_dim && i < plan.size;
      const double identity = i == d ? 1.0 : 0.0;
      plan.projection[d * plan.width + i] =
          !exists ? 0.0 : plan.sketch ? double(plan.sketch[d * plan.size + i]) : identity;
    }
  }
}

// What a token costs: half of a square of keys, or a projection and half of a smaller square.
void choose_gram(LeveragePlan& plan) {
  const size_t whole = plan.key_width * plan.key_width;
  plan.projects = plan.sketch && whole > 2 * plan.key_width * plan.width + plan.width * plan.width;
  plan.gram_width = plan.projects ? plan.width : plan.key_width;
  const size_t solved = plan.key_width * plan.width;
  const size_t gram = plan.gram_width * plan.gram_width;
  plan.gram_stride = gram > solved ? gram : solved;
}

// Lays out the shared scratch; gives how many pairs fit into one run, at least one.
size_t share_out(LeveragePlan& plan) {
  plan.projection = static_cast<double*>(pool_shared_scratch(*plan.pool));
  plan.sums = plan.projection + plan.key_width * plan.width;
  const size_t span_doubles = plan.key_width + plan.gram_stride;
  const size_t room = kSharedScratchBytes / sizeof(double) - plan.key_width * plan.width;
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
  plan.grams = plan.sums + pairs * plan.spans * plan.key_width;
  return pairs;
}

const LeverageTasks& tasks_for(Isa isa) {
#if COMPACTOR_X86
  if (isa >= Isa::avx512) return kLeverageAvx512;
  if (isa == Isa::avx2) return kLeverageAvx2;
#endif
  (void)isa;
  return kLeverageScalar;
}

}  // namespace

const LeverageTasks kLeverageScalar = kTasks;

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
  plan.key_width = task_count(head_dim, kWidthUnit) * kWidthUnit;
  plan.ridge = ridge;
  plan.chunk = chunk == 0 || chunk > tokens ? tokens : chunk;
  plan.chunks = task_count(tokens, plan.chunk);
  plan.out = out;
  plan.pool = &pool;
  choose_gram(plan);
  const size_t pairs = share_out(plan);
  fill_projection(plan);
  const LeverageTasks& tasks = tasks_for(isa);
  const size_t all_pairs = kv_heads * plan.chunks;
  for (plan.first_pair = 0; plan.first_pair < all_pairs; plan.first_pair += pairs) {
    const size_t count = task_size(all_pairs, plan.first_pair, pairs);
    if (!pool_run(pool, count * plan.spans, tasks.gram, &plan)) return false;
    if (!pool_run(pool, count, tasks.solve, &plan)) return false;
    if (!pool_run(pool, count * plan.spans, tasks.rows, &plan)) return false;
  }
  return true;
}

}  // namespace compactor
