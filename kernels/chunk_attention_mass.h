// What the parts of chunk_attention_mass share: the plan, and one task compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {

// Some rows of one KV head with the keys of their chunk.
struct MassPart {
  size_t kv_head;
  size_t first_token;  // of the chunk
  size_t keys;         // of the chunk
  size_t first_row;
  size_t end;   // of the rows; before first_row where a short chunk has fewer parts
  float* mass;  // [keys], theirs
};

struct MassPlan {
  const float* q;
  const float* k;
  size_t tokens;
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
  size_t chunk;
  float scale;
  float* out;  // [kv_heads][tokens]

  size_t chunks;
  size_t block_rows;  // rows whose logits are held at once
  size_t task_rows;   // a multiple of block_rows
  size_t parts;       // tasks of a full chunk
  size_t first_chunk; // of this run
  size_t chunk_count; // of this run
  float* partials;    // [chunk_count][kv_heads][parts][chunk], where there is more than one part
  Pool* pool;

  size_t group() const { return heads / kv_heads; }
  size_t chunk_tokens(size_t index) const {
    return tokens - index * chunk < chunk ? tokens - index * chunk : chunk;
  }

  // A row is a token of the chunk and one of the KV head's query heads.
  const float* query(size_t first_token, size_t kv_head, size_t row) const {
    return q + ((first_token + row / group()) * heads + kv_head * group() + row % group()) * head_dim;
  }

  // task = part + parts · (kv_head + kv_heads · chunk): what lies side by side is read at about the same time.
  MassPart part(size_t task) const {
    const size_t index = first_chunk + task / parts / kv_heads;
    const size_t kv_head = task / parts % kv_heads;
    const size_t keys = chunk_tokens(index);
    const size_t first = task % parts * task_rows;
    const size_t end = first + task_rows < keys * group() ? first + task_rows : keys * group();
    float* const mass = parts == 1 ? out + kv_head * tokens + index * chunk : partials + task * chunk;
    return {kv_head, index * chunk, keys, first, end, mass};
  }
};

void mass_task_scalar(void* plan, size_t task, int thread);
void mass_task_avx2(void* plan, size_t task, int thread);
void mass_task_avx512(void* plan, size_t task, int thread);
void mass_task_amx(void* plan, size_t task, int thread);  // for heads of whole tiles and chunks that fit, see chunk_attention_mass.cc

}  // namespace compactor
