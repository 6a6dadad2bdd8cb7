// What the parts of attend share, among themselves and with attention_received: the plan made in attend.cc, and one task
// of it compiled for each instruction set.
#pragma once
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {

constexpr size_t kKeyBlock = 256;  // keys packed at a time
constexpr float kMinusInfinity = -__builtin_inff();

// The largest logit seen so far, Σ e^(logit − largest), and where Σ e^(logit − largest) · value is.
struct SoftmaxState {
  float largest;
  float sum;
};

struct AttendPlan {
  const float* q;
  size_t n;
  size_t heads;
  size_t kv_heads;
  size_t head_dim;
  const Segment* segments;
  size_t segment_count;
  float scale;
  uint32_t first_index;
  float* out;

  bool tiles;          // by the tile registers of AMX
  size_t block_rows;   // rows of one task
  size_t row_blocks;   // of one KV head
  size_t span;         // keys of one task, counted over all segments of the head
  size_t splits;       // tasks that share a row block
  float* partials;     // [kv_heads][n · group][splits][head_dim], only if splits > 1
  SoftmaxState* states;  // [kv_heads][n · group][splits]
  Pool* pool;

  size_t group() const { return heads / kv_heads; }
  size_t rows() const { return n * group(); }
  // Where row `row` of a KV head lies in q and out.
  size_t row_offset(size_t kv_head, size_t row) const {
    return (row / group() * heads + kv_head * group() + row % group()) * head_dim;
  }
};

// Whether rows of a head are computed by the tile registers: as whole tiles, and more than go straight to where keys lie.
bool goes_by_tiles(Isa isa, bool bf16, size_t rows, size_t head_dim);

// Fills block_rows, row_blocks, span and splits. A row takes `state_bytes` of `room` for each of several splits.
void share_out_rows(AttendPlan& plan, size_t state_bytes, size_t room);

// One row block of one KV head over one span of keys: task = split + splits · (kv_head + kv_heads · block).
void attend_task_scalar(void* plan, size_t task, int thread);
void attend_task_avx2(void* plan, size_t task, int thread);
void attend_task_avx512(void* plan, size_t task, int thread);
void attend_task_bf16(void* plan, size_t task, int thread);
void attend_task_amx(void* plan, size_t task, int thread);

}  // namespace compactor
