// What the parts of leverage share: the plan, and its two heavy steps compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

constexpr size_t kTokenBlock = 64;  // tokens projected at a time, a multiple of the tile height

// A pair is one chunk of one KV head; its tokens are cut into spans, and a task is one span of one pair.
struct LeveragePlan {
  const float* k;
  size_t tokens;
  size_t kv_heads;
  size_t head_dim;
  const float* sketch;
  size_t size;    // of a projected key: sketch_size, or head_dim
  size_t width;   // size, padded to whole tiles
  double ridge;
  size_t chunk;
  size_t span;    // tokens of a task, a multiple of kTokenBlock
  size_t spans;   // of a full chunk
  size_t first_pair;  // of this run; pair = kv_head · chunks + chunk index
  size_t chunks;
  double* projection;  // [head_dim][width], Φ or the identity
  double* sums;        // [pairs][spans][head_dim], later means in [pairs][0]
  double* grams;       // [pairs][spans][width][width], later L⁻¹Φᵀ transposed, [head_dim][width], in [pairs][0]
  size_t gram_stride;  // doubles per span
  float* out;
  Pool* pool;
};

// The tokens of one task.
struct LeverageSpan {
  size_t pair;   // of this run
  size_t kv_head;
  size_t start;  // token
  size_t count;  // 0 if a short chunk has no such span

  LeverageSpan(const LeveragePlan& plan, size_t task) {
    pair = task / plan.spans;
    const size_t global = plan.first_pair + pair;
    kv_head = global / plan.chunks;
    const size_t chunk_start = global % plan.chunks * plan.chunk;
    const size_t chunk_end = chunk_start + plan.chunk < plan.tokens ? chunk_start + plan.chunk : plan.tokens;
    start = chunk_start + task % plan.spans * plan.span;
    const size_t left = start < chunk_end ? chunk_end - start : 0;
    count = left < plan.span ? left : plan.span;
  }
};

void leverage_gram_scalar(void* plan, size_t task, int thread);  // XᵀX of a span
void leverage_gram_avx2(void* plan, size_t task, int thread);
void leverage_rows_scalar(void* plan, size_t task, int thread);  // ‖L⁻¹ x‖² of every token of a span
void leverage_rows_avx2(void* plan, size_t task, int thread);

}  // namespace compactor
