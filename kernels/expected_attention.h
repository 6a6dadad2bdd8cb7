// What the parts of expected_attention share: the plan, and its two heavy steps compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {

constexpr size_t kMomentBlock = 64;  // tokens multiplied at a time, a multiple of the tile height

// One query head at a time. Its tokens from `first` on are cut into spans, and a task is one span.
struct ExpectedPlan {
  const float* q;
  const float* k;
  size_t tokens;  // from `first` on; q and k begin there
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
  size_t width;  // head_dim, padded to whole tiles
  const float* rotation;
  double scale;
  size_t head;
  size_t span;   // tokens, a multiple of kMomentBlock
  size_t spans;

  double* means;     // [spans][head_dim], later μ in [0]
  double* moments;   // [spans][width][width], later Σ in [0]
  double* product;   // [head_dim][head_dim], Σ·rotation
  double* rotated_mean;        // [width], Rμ
  double* rotated_covariance;  // [head_dim][width], RΣRᵀ as an upper triangle that gives the same quadratic form
  double* logits;    // [tokens], later e^(logit − largest)
  double* sums;      // [tokens], over the query heads of the KV head so far
  double* span_sums;  // [spans], of e^(logit − largest)
  double largest;
  Pool* pool;

  size_t group() const { return heads / kv_heads; }
  size_t span_size(size_t index) const { return task_size(tokens, index * span, span); }
  const float* query(size_t token) const { return q + (token * heads + head) * head_dim; }
  const float* key(size_t token) const { return k + (token * kv_heads + head / group()) * head_dim; }
};

void expected_moments_scalar(void* plan, size_t span, int thread);  // Σ (q − μ)(q − μ)ᵀ of a span, lower triangle
void expected_moments_avx2(void* plan, size_t span, int thread);
void expected_logits_scalar(void* plan, size_t span, int thread);
void expected_logits_avx2(void* plan, size_t span, int thread);

}  // namespace compactor
