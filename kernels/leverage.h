// What the parts of leverage share: the plan, and its steps compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

constexpr size_t kTokenBlock = 64;  // tokens in f64 at a time, a multiple of the tile height

// A pair is one chunk of one KV head; its tokens are cut into spans, and a task is one span of one pair.
struct LeveragePlan {
  const float* k;
  size_t tokens;
  size_t kv_heads;
  size_t head_dim;
  const float* sketch;
  size_t size;        // of a projected key: sketch_size, or head_dim
  size_t width;       // size, padded to whole vectors
  size_t key_width;   // head_dim, padded likewise
  bool projects;      // Gram matrices are made of projected keys; otherwise of keys, and are projected themselves
  size_t gram_width;  // width or key_width
  double ridge;
  size_t chunk;
  size_t span;    // tokens of a task, a multiple of kTokenBlock
  size_t spans;   // of a full chunk
  size_t first_pair;  // of this run; pair = kv_head · chunks + chunk index
  size_t chunks;
  double* projection;  // [key_width][width], Φ or the identity
  double* sums;        // [pairs][spans][key_width] of keys − the chunk's centre, later the mean in [pairs][0]
  double* grams;       // [pairs][spans][gram_width][gram_width], later Φ·R⁻¹ [key_width][width] in [pairs][0]
  size_t gram_stride;  // doubles per span
  float* out;
  Pool* pool;

  const float* key(size_t kv_head, size_t token) const { return k + (token * kv_heads + kv_head) * head_dim; }
};

// The tokens of one task.
struct LeverageSpan {
  size_t pair;  // of this run
  size_t kv_head;
  size_t chunk_start;  // token
  size_t chunk_count;
  size_t start;  // token
  size_t count;  // 0 if a short chunk has no such span

  LeverageSpan(const LeveragePlan& plan, size_t task) {
    pair = task / plan.spans;
    const size_t global = plan.first_pair + pair;
    kv_head = global / plan.chunks;
    chunk_start = global % plan.chunks * plan.chunk;
    const size_t chunk_end = chunk_start + plan.chunk < plan.tokens ? chunk_start + plan.chunk : plan.tokens;
    chunk_count = chunk_end - chunk_start;
    start = chunk_start + task % plan.spans * plan.span;
    const size_t rest = start < chunk_end ? chunk_end - start : 0;
    count = rest < plan.span ? rest : plan.span;
  }

  // Tokens that are left of `block` from the span's token `first` on.
  size_t left(size_t first, size_t block) const {
    if (first >= count) return 0;
    return count - first < block ? count - first : block;
  }
};

// What is run one after another.
struct LeverageTasks {
  Task gram;   // of a span: sums and Gram matrix
  Task solve;  // of a pair: mean and Φ·R⁻¹, RᵀR = ΦᵀGΦ + ridge·I
  Task rows;   // of a span: ‖R⁻ᵀΦᵀ(k − mean)‖² of every token
};

extern const LeverageTasks kLeverageScalar;
extern const LeverageTasks kLeverageAvx2;
extern const LeverageTasks kLeverageAvx512;

}  // namespace compactor
