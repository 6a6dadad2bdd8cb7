// What the parts of chunk_attention_mass share: the plan, and one task compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"

namespace compactor {

struct MassPlan {
  const float* q;
  const float* k;
  size_t tokens;
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
  size_t chunk;
  float scale;

  size_t chunks;
  size_t block_rows;  // rows whose logits are held at once
  size_t task_rows;   // a multiple of block_rows
  size_t parts;       // tasks of a full chunk
  size_t first_chunk; // of this run
  size_t chunk_count; // of this run
  float* partials;    // [kv_heads][chunk_count][parts][chunk]
  Pool* pool;

  size_t group() const { return heads / kv_heads; }
  size_t chunk_tokens(size_t index) const {
    return tokens - index * chunk < chunk ? tokens - index * chunk : chunk;
  }
};

// One part of the rows of one chunk: task = part + parts · (chunk + chunk_count · kv_head).
void mass_task_scalar(void* plan, size_t task, int thread);
void mass_task_avx2(void* plan, size_t task, int thread);
void mass_task_avx512(void* plan, size_t task, int thread);

}  // namespace compactor
