// What the parts of cosine_to_mean share: the plan, and its two passes compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {

// A task is a span of tokens with all heads of the run, which lie side by side in memory.
struct CosinePlan {
  const float* x;
  size_t tokens;
  size_t kv_heads;
  size_t head_dim;
  size_t span;
  size_t spans;
  size_t first_head;  // of this run
  size_t heads;
  double* anchors;       // [spans][heads][head_dim], later the mean in [0]
  double* anchor_norms;  // [heads]
  float* out;

  size_t span_start(size_t task) const { return task * span; }
  size_t span_end(size_t task) const { return task * span + task_size(tokens, task * span, span); }
  const float* vector(size_t token, size_t head) const {
    return x + (token * kv_heads + first_head + head) * head_dim;
  }
};

constexpr double kLeastNormInMean = 1e-12;
constexpr double kLeastNormInCosine = 1e-8;

struct CosineTasks {
  Task add;      // directions of a span
  Task compare;  // them with the mean
};

extern const CosineTasks kCosineScalar;
extern const CosineTasks kCosineAvx2;

}  // namespace compactor
