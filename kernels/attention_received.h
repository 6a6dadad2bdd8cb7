// What the parts of attention_received share: the plan, and its two steps compiled for each instruction set.
#pragma once
#include "attend.h"

namespace compactor {

// Queries are taken in stretches, so that scratch memory does not grow with their number. For each stretch: largest
// logit and sum of every row (as in attend), then the columns of the first segment, block by block of keys.
struct ReceivedPlan {
  AttendPlan rows;  // of this stretch; its states and partials are used, its `out` is not
  size_t count;     // keys of the first segment's runs
  bool maximum;     // over rows, instead of the sum
  float* out;       // [kv_heads][count]

  SoftmaxState* merged;  // [kv_heads][rows], over all spans
  size_t key_blocks;
  size_t part_blocks;  // row blocks of one task of the second step
  size_t parts;        // tasks that share a block of keys
  float* columns;      // [kv_heads][parts][count]
};

// First step: task = split + splits · (kv_head + kv_heads · block of rows).
void received_rows_scalar(void* plan, size_t task, int thread);
void received_rows_avx2(void* plan, size_t task, int thread);
void received_rows_avx512(void* plan, size_t task, int thread);
void received_rows_bf16(void* plan, size_t task, int thread);
// Second step: task = part + parts · (kv_head + kv_heads · block of keys).
void received_columns_scalar(void* plan, size_t task, int thread);
void received_columns_avx2(void* plan, size_t task, int thread);
void received_columns_avx512(void* plan, size_t task, int thread);
void received_columns_bf16(void* plan, size_t task, int thread);
void received_rows_amx(void* plan, size_t task, int thread);
void received_columns_amx(void* plan, size_t task, int thread);

}  // namespace compactor
