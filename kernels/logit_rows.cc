// softmax, argmax and describe_rows (ops.ts): a task is a few rows, or one long one. The work is in logit_rows_task.h.
#include "logit_rows.h"

#include "cpu.h"
#include "logit_rows_task.h"

namespace compactor {

void softmax_rows_scalar(void* plan, size_t task, int) { softmax_rows(*static_cast<const RowsPlan*>(plan), task); }

void argmax_rows_scalar(void* plan, size_t task, int) { argmax_rows(*static_cast<const RowsPlan*>(plan), task); }

void describe_rows_scalar(void* plan, size_t task, int) { describe_rows(*static_cast<const RowsPlan*>(plan), task); }

bool softmax_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, float* out) {
  RowsPlan plan{x, rows, width, rows_per_task(width), out, nullptr, nullptr, 0};
  Task task = softmax_rows_scalar;
#if COMPACTOR_X86
  if (isa != Isa::scalar) task = softmax_rows_avx2;
#endif
  (void)isa;
  return pool_run(pool, task_count(rows, plan.rows_per_task), task, &plan);
}

bool argmax_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, float* out) {
  RowsPlan plan{x, rows, width, rows_per_task(width), out, nullptr, nullptr, 0};
  Task task = argmax_rows_scalar;
#if COMPACTOR_X86
  if (isa != Isa::scalar) task = argmax_rows_avx2;
#endif
  (void)isa;
  return pool_run(pool, task_count(rows, plan.rows_per_task), task, &plan);
}

bool describe_rows_f32(Pool& pool, Isa isa, const float* x, size_t rows, size_t width, const float* weights,
                       const uint32_t* picks, size_t period, float* out) {
  RowsPlan plan{x, rows, width, rows_per_task(width), out, weights, picks, period};
  Task task = describe_rows_scalar;
#if COMPACTOR_X86
  if (isa != Isa::scalar) task = describe_rows_avx2;
#endif
  (void)isa;
  return pool_run(pool, task_count(rows, plan.rows_per_task), task, &plan);
}

}  // namespace compactor
