// What softmax, argmax and describe_rows share: rows of logits and how they are handed out.
#pragma once
#include "kernels.h"
#include "pool.h"
#include "tasks.h"

namespace compactor {

struct RowsPlan {
  const float* x;  // [rows][width]
  size_t rows;
  size_t width;
  size_t rows_per_task;
  float* out;
  // of describe_rows only
  const float* weights;  // [period][width]
  const uint32_t* picks;  // [period]
  size_t period;

  size_t rows_of(size_t task) const { return task_size(rows, task * rows_per_task, rows_per_task); }
};

void softmax_rows_scalar(void* plan, size_t task, int thread);
void softmax_rows_avx2(void* plan, size_t task, int thread);
void argmax_rows_scalar(void* plan, size_t task, int thread);
void argmax_rows_avx2(void* plan, size_t task, int thread);
void describe_rows_scalar(void* plan, size_t task, int thread);
void describe_rows_avx2(void* plan, size_t task, int thread);

}  // namespace compactor
